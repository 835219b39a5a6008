# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are replaced whole or not at all, and a lock holds up nobody for ever."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import files


def test_a_file_is_replaced_with_the_permissions_that_were_asked_for(tmp_path):
    path = tmp_path / "file.json"
    path.write_text("old")
    before = os.umask(0o077)
    try:
        files.replace_file(path, "caf\u00e9", mode=0o644)
    finally:
        os.umask(before)
    assert path.read_bytes() == "caf\u00e9".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    files.replace_file(path, b"\xff")
    assert path.read_bytes() == b"\xff" and path.stat().st_mode & 0o777 == 0o600


def test_a_write_that_fails_leaves_the_old_text(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    files.replace_file(path, "old")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.replace_file(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file.json"]
    files.replace_file(path, "new", durable=False)
    assert path.read_text() == "new"


def test_a_link_is_replaced_and_a_directory_is_not(tmp_path):
    link = tmp_path / "latest"
    files.replace_link(link, "r1")
    files.replace_link(link, "r2")
    assert os.readlink(link) == "r2"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        files.replace_link(tmp_path / "folder", "r3")
    assert sorted(os.listdir(tmp_path)) == ["folder", "latest"]


def test_a_lock_is_waited_for_as_long_as_was_said(tmp_path):
    path = tmp_path / "run.lock"
    with files.locked(path, 0.0) as first:
        begun = time.monotonic()
        with files.locked(path, 0.05) as second:
            assert (first, second) == (True, False)
        assert 0.05 <= time.monotonic() - begun < 5
    with files.locked(path, 0.0) as held:
        assert held


def test_a_shared_lock_keeps_out_an_exclusive_one_only(tmp_path):
    path = tmp_path / "run.lock"
    with files.locked(path, 0.0, files.SHARED):
        with files.locked(path, 0.0, files.SHARED) as held:
            assert held
        with files.locked(path, 0.0) as held:
            assert not held


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path):
    (tmp_path / "run.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError), files.locked(tmp_path / "run.lock", 0.0):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_system_without_locks_is_not_waited_for(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    monkeypatch.setattr(files.time, "sleep", lambda _seconds: pytest.fail("waited for a lock that cannot be had"))
    with pytest.raises(OSError, match="No locks available"), files.locked(tmp_path / "run.lock", 60.0):
        pass


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/podyard"),
        ({"HOME": "/h"}, "/h/.cache/podyard"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/podyard"),
    ],
)
def test_the_cache_is_where_the_user_has_theirs(environ, place):
    assert files.cache_directory(environ) == Path(place)
