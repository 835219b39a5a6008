# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of somebody else is shown without what steers a terminal."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import CloudError
from ansible_collections.podyard.gpu.plugins.module_utils._core.shown import clean, clean_line, clean_result, cleaned
from ansible_collections.podyard.gpu.plugins.module_utils._pods.progress import Progress

#: What a pod may write, and what of it a person sees.
HOSTILE = {
    "colour": ("a\x1b[31;1mred\x1b[0m", "ared"),
    "cursor": ("a\x1b[2J\x1b[1;1Hb", "ab"),
    "title": ("a\x1b]0;owned\x07b", "ab"),
    "title, ended otherwise": ("a\x1b]0;owned\x1b\\b", "ab"),
    "link": ("\x1b]8;;file:///evil\x1b\\text\x1b]8;;\x1b\\", "text"),
    "clipboard": ("a\x1b]52;c;cm0gLXJmIH4=\x07b", "ab"),
    "device control": ("a\x1bPq#0\x1b\\b", "ab"),
    "C1 CSI": ("a\x9b31mb", "ab"),
    "C1 OSC": ("a\x9d0;owned\x9cb", "ab"),
    "charset": ("a\x1b(0b", "ab"),
    "reset": ("a\x1bcb", "ab"),
    "a sequence without end": ("a\x1b]0;owned\nb", "a\nb"),
    "a lone ESC": ("a\x1b", "a"),
    "C0": ("a\x00\x07\x08\x0b\x0c\x0e\x0f\x7fb", "ab"),
    "carriage return": ("evil\rgood", "evilgood"),
    "lines": ("a\r\nb\u2028c\u2029d\x85e\tf", "a\nb\nc\nd\ne\tf"),
    "direction": ("a\u202e\u202d\u2066\u2067\u2069\u200e\u200f\u061cb", "ab"),
    "half a character": ("caf\udce9.jpg", "caf\\udce9.jpg"),
    "honest": ("größe 日本語 🎉 é", "größe 日本語 🎉 é"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_steers(kind):
    given, seen = HOSTILE[kind]
    assert clean(given) == seen
    assert "\n" not in clean_line(given)
    clean(given).encode()


@pytest.mark.parametrize("kind", [kind for kind in HOSTILE if kind not in ("half a character", "lines")])
def test_the_result_of_a_module_is_json_and_stays_it(kind):
    given, _seen = HOSTILE[kind]
    for text in (json.dumps({"msg": given}), json.dumps({"msg": given}, ensure_ascii=False)):
        said = json.loads(clean_result(text.encode()))["msg"]
        assert not set(said) & set(
            "\x00\x07\x08\x0b\x0c\x0e\x0f\x1b\x7f\x9b\x9d\x9c\u202e\u202d\u2066\u200e\u200f\u061c"
        )
    kept = {"path": "a\\u001b", "two": "\\\\u001bx", "line": "a\nb\t"}
    assert json.loads(clean_result(json.dumps(kept).encode())) == kept


@dataclass(frozen=True)
class Facts:
    name: str
    metrics: dict
    count: int = 1


def test_all_text_in_a_value_is_cleaned():
    evil = "\x1b[31mx"
    assert cleaned([evil, {evil: (evil, 1, None)}, Facts(evil, {"m": evil})]) == [
        "x",
        {"x": ("x", 1, None)},
        Facts("x", {"m": "x"}),
    ]


def test_a_servers_words_in_an_error_and_a_line_of_progress(tmp_path):
    assert CloudError("refused: \x1b]0;owned\x07no").message == str(CloudError("refused: no"))
    Progress(str(tmp_path / "progress")).say("a \x1b[2Jlog\nline\u202e")
    assert (tmp_path / "progress").read_text() == "a log line\n"
