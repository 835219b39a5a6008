# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, sizes and hashes that a pod gives: which are believed, and what is said of the others."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.foreign import (
    Distrusted,
    checked_name,
    checked_sha256,
    checked_size,
    printable,
)


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a b/c.bin",
        "..a",
        "a..",
        "...",
        ".hidden/x",
        "new\nline",
        "-rf",
        "raw\udcff",
        "\\#012",
        "~",
        "$HOME",
        "e\u0301",
    ],
)
def test_odd_names_are_names(name):
    assert checked_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "it is empty"),
        ("/etc/passwd", "it is absolute"),
        ("../../.bashrc", "it leads out"),
        ("a/../../b", "it leads out"),
        ("..", "it leads out"),
        ("a/..", "it leads out"),
        ("./a", "empty or a dot"),
        ("a//b", "empty or a dot"),
        ("a/", "empty or a dot"),
        ("a/./b", "empty or a dot"),
        (".", "empty or a dot"),
        ("a\0b", "NUL byte"),
        (".podyard-incoming/a", "use for themselves"),
        ("a/.podyard-partial/b", "use for themselves"),
        ("half\ud800", "cannot be the name of a file"),
        (None, "no text"),
        (["a"], "no text"),
        (7, "no text"),
    ],
)
def test_names_that_could_lead_elsewhere_are_refused(name, why):
    with pytest.raises(Distrusted, match=why) as raised:
        checked_name(name)
    assert "do not trust this pod" in str(raised.value)


def test_a_refused_name_is_shown_without_its_teeth():
    with pytest.raises(Distrusted) as raised:
        checked_name("../\x1b]0;owned\x07\u202egnp.exe\r\n\x9b31m\udcff")
    assert "'../\\x1b]0;owned\\x07\\u202egnp.exe\\r\\n\\x9b31m\\xff'" in str(raised.value)
    assert str(raised.value).isprintable()
    with pytest.raises(Distrusted) as raised:
        checked_name("../" + "x" * 100_000)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize("text", ["", "-1", "1.5", "0x10", "1e3", " 1", "1\n", "9" * 17, "²", "١", "nan", "inf"])
def test_sizes_that_are_none(text):
    with pytest.raises(Distrusted, match="'a' has '"):
        checked_size(text, "a")
    assert checked_size("0", "a") == 0


@pytest.mark.parametrize("text", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 63 + "\n", "\udcff" * 64])
def test_hashes_that_are_none(text):
    with pytest.raises(Distrusted, match="as the SHA-256 of 'x'"):
        checked_sha256(text, "x")
    assert checked_sha256("0" * 64, "x") == "0" * 64


def test_what_is_told_is_one_printable_line():
    assert printable("a\nb\x1b[2J\u2066\udcfe") == "a\\nb\\x1b[2J\\u2066\\xfe"
    assert printable("grüße") == "grüße"
