# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and hashing a tree of this machine."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.patterns import Patterns
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer import manifest as module

ALL = Patterns()


@pytest.fixture(name="tree")
def _tree(tmp_path):
    root = tmp_path / "tree"
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "a").write_text("a")
    (root / "sub" / "b").write_text("bb")
    return root


def test_a_tree_is_read(tree):
    (tree / ".podyard-partial").mkdir()
    (tree / ".podyard-partial" / "half").touch()
    found = module.scan(tree, ALL)
    assert set(found.files) == {"a", "sub/b"}
    assert found.folders == {"sub", "sub/empty"}
    assert found.bytes == 3
    assert module.hash_tree(found) == {
        "a": hashlib.sha256(b"a").hexdigest(),
        "sub/b": hashlib.sha256(b"bb").hexdigest(),
    }


def test_patterns_choose(tree):
    assert set(module.scan(tree, Patterns(("b",))).files) == {"sub/b"}
    excluded = module.scan(tree, Patterns((), ("sub",)))
    assert set(excluded.files) == {"a"}
    assert excluded.folders == set()


def test_links_inside_stay_links_and_others_are_followed(tree, tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "c").write_text("ccc")
    (tree / "inside").symlink_to("sub/b")
    (tree / "sub" / "up").symlink_to("../a")
    (tree / "dangling-inside").symlink_to("not/yet/there")
    (tree / "absolute").symlink_to(tree / "a")
    (tree / "outside").symlink_to("../far")
    found = module.scan(tree, ALL)
    assert found.links == {"inside": "sub/b", "sub/up": "../a", "dangling-inside": "not/yet/there"}
    assert set(found.files) == {"a", "sub/b", "absolute", "outside/c"}


def test_a_link_out_to_nowhere_and_a_circle_are_refused(tree):
    (tree / "lost").symlink_to("/no/such/place")
    with pytest.raises(module.TreeError, match="lost leads to /no/such/place, which is not there"):
        module.scan(tree, ALL)
    assert module.scan(tree, Patterns((), ("lost",))).files
    (tree / "lost").unlink()
    (tree / "sub" / "circle").symlink_to(tree)
    with pytest.raises(module.TreeError, match="circle leads back to a directory above it"):
        module.scan(tree, ALL)


def test_what_is_no_file_is_named(tree, monkeypatch):
    monkeypatch.chdir(tree)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert module.scan(tree, ALL).special == ["socket"]


def test_a_missing_tree_is_a_sentence(tmp_path):
    with pytest.raises(module.TreeError, match="missing cannot be read: No such file or directory"):
        module.scan(tmp_path / "missing", ALL)


def test_a_file_that_vanishes_is_a_sentence(tree):
    found = module.scan(tree, ALL)
    (tree / "a").unlink()
    with pytest.raises(module.TreeError, match="a cannot be read: No such file"):
        module.hash_tree(found)


@pytest.fixture(name="cache")
def _cache(tree, tmp_path):
    return lambda: module.HashCache(tree, ALL, tmp_path / "cache")


NOW = time.time_ns


def read_paths(tree, cache, monkeypatch):
    """Hash the tree and return the names of the files that were read for it."""
    read: list[str] = []

    def watched(path):
        read.append(path.name)
        return real(path)

    real = module.hash_file
    monkeypatch.setattr(module, "hash_file", watched)
    # An hour later: nothing changed just now.
    monkeypatch.setattr(module.time, "time_ns", lambda: NOW() + 3_600_000_000_000)
    found = module.scan(tree, ALL)
    hashes = module.hash_tree(found, cache())
    monkeypatch.setattr(module, "hash_file", real)
    assert hashes == {path: real(tree / path) for path in found.files}
    return sorted(read)


def test_nothing_is_hashed_twice(tree, cache, monkeypatch):
    assert read_paths(tree, cache, monkeypatch) == ["a", "b"]
    assert read_paths(tree, cache, monkeypatch) == []
    before = (tree / "a").stat()
    # The same size and time: the change time tells.
    (tree / "a").write_text("z")
    os.utime(tree / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_paths(tree, cache, monkeypatch) == ["a"]


def test_what_changed_just_now_is_not_remembered(tree, cache):
    module.hash_tree(module.scan(tree, ALL), cache())
    assert cache().known == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": [1]}', '{"a": []}'])
def test_a_broken_cache_costs_time_only(tree, cache, text, monkeypatch):
    place = cache().path
    place.parent.mkdir(parents=True)
    place.write_text(text)
    assert read_paths(tree, cache, monkeypatch) == ["a", "b"]


def test_a_cache_that_cannot_be_written_is_no_error(tree, tmp_path):
    (tmp_path / "file").touch()
    cache = module.HashCache(tree, ALL, tmp_path / "file" / "below")
    assert set(module.hash_tree(module.scan(tree, ALL), cache)) == {"a", "sub/b"}


def test_other_patterns_have_another_cache(tree, tmp_path):
    paths = {
        module.HashCache(tree, patterns, tmp_path).path for patterns in (ALL, Patterns(("a",)), Patterns((), ("a",)))
    }
    assert len(paths) == 3


@pytest.mark.parametrize(
    ("path", "target", "inside"),
    [("a", "b", True), ("x/a", "../b", True), ("a", "../b", False), ("a", "/b", False), ("x/a", "../../b", False)],
)
def test_where_a_link_leads(path, target, inside):
    assert module.stays_inside(path, target) is inside


def test_names_that_are_no_text_can_be_shown():
    assert json.dumps(module.display_path(os.fsdecode(b"a\xffb"))) == '"a\\\\xffb"'
