# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pattern matches, for us and for the host's find."""

from __future__ import annotations

import re
import subprocess

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.patterns import (
    BadPattern,
    Patterns,
    exactly,
    to_posix_regex,
)

PATHS = [
    "a.pt", "x/a.pt", "x/y/a.pt", "a.pt/inside", "a.ptx", "checkpoints/e1", "checkpoints/e1/w.bin", "x/checkpoints/e1",
    "logs/1/out", "logs/out", "ab", "b", "new\nline.pt", "s[1]", "s1", "ä", "deep/x/y/z",
]  # fmt: skip
CASES = {
    "*.pt": {"a.pt", "x/a.pt", "x/y/a.pt", "a.pt/inside", "new\nline.pt"},
    "./*.pt": {"a.pt", "x/a.pt", "x/y/a.pt", "a.pt/inside", "new\nline.pt"},
    "/*.pt": {"a.pt", "a.pt/inside", "new\nline.pt"},
    "checkpoints/*": {"checkpoints/e1", "checkpoints/e1/w.bin"},
    "**/checkpoints/*": {"checkpoints/e1", "checkpoints/e1/w.bin", "x/checkpoints/e1"},
    "logs/**/out": {"logs/1/out", "logs/out"},
    "deep/**": {"deep/x/y/z"},
    "x/": {"x/a.pt", "x/y/a.pt", "x/checkpoints/e1", "deep/x/y/z"},
    "a?": {"ab"},
    "/[!x]": {"b", "ä"},
    "[a-c]": {"b"},
    "s[[]1]": {"s[1]"},
    "s[1]": {"s1"},
    "?": {"b", "ä"} | {"x/a.pt", "x/y/a.pt", "x/checkpoints/e1", "logs/1/out", "deep/x/y/z"},
}


@pytest.mark.parametrize("pattern", CASES)
def test_what_a_pattern_matches(pattern):
    assert {path for path in PATHS if Patterns((pattern,)).matches(path)} == CASES[pattern]


@pytest.mark.parametrize("pattern", CASES)
def test_the_hosts_find_matches_at_least_as_much(pattern, tmp_path):
    for path in PATHS:
        place = tmp_path / path
        if not any(other.startswith(f"{path}/") for other in PATHS):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    command = ["find", ".", "-regextype", "posix-extended", "-regex", to_posix_regex(pattern), "-print0"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, check=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    )
    found = {name.removeprefix("./") for name in done.stdout.decode().split("\0")}
    there = {str(place.relative_to(tmp_path)) for place in tmp_path.rglob("*") if place.is_file()}
    assert {path for path in there if Patterns((pattern,)).matches(path)} <= found


def test_exclusion_wins_and_covers_what_lies_below():
    patterns = Patterns(("*.bin",), ("cache", "*.tmp.bin"))
    assert patterns.matches("x.bin")
    assert not patterns.matches("cache/x.bin")
    assert not patterns.matches("x.tmp.bin")
    assert patterns.excluded("a/cache")


def test_no_include_means_everything():
    assert Patterns().matches("any/thing")
    assert Patterns().unmatched(["x"]) == []


def test_the_entry_is_the_shallowest_name_that_matches():
    patterns = Patterns(("checkpoints/*", "*.ckpt"))
    assert patterns.entry("checkpoints/e1/a/b.bin") == "checkpoints/e1"
    assert patterns.entry("x/m.ckpt/n.ckpt") == "x/m.ckpt"
    assert patterns.entry("other") is None


def test_unmatched_patterns_are_named():
    assert Patterns(("*.a", "*.b")).unmatched(["x.a"]) == ["*.b"]


@pytest.mark.parametrize("name", ["plain", "a*b", "[x]", "?", "a/b c", "ü"])
def test_exactly_matches_one_path_only(name):
    pattern = exactly(name)
    assert Patterns((pattern,)).matches(name)
    assert Patterns((pattern,)).matches(f"{name}/below")
    for other in ("plain2", "aXb", "x", "deep/plain", "a/b", "u"):
        assert not Patterns((pattern,)).matches(other)


@pytest.mark.parametrize("pattern", ["", "/", "./", "../x", "a/../b", "[z-a]"])
def test_senseless_patterns_are_refused(pattern):
    with pytest.raises(BadPattern, match=re.escape(repr(pattern))):
        Patterns((pattern,))
