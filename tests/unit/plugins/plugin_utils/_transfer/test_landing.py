# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where files of a pod land: nothing is followed, nothing is removed, and nothing comes beside what controls a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.foreign import Distrusted
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.landing import CONTROLS, Landing, refuse_control
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.manifest import TreeError


@pytest.fixture(name="places")
def _places(tmp_path):
    """A destination, and a directory in which a file `sub/a` has arrived."""
    dest, incoming = tmp_path / "dest", tmp_path / "incoming"
    dest.mkdir()
    (incoming / "sub").mkdir(parents=True)
    (incoming / "sub" / "a").write_text("new")
    (incoming / "b").write_text("new")
    with Landing(dest) as landing, Landing(incoming, private=True) as source:
        yield dest, landing, source


def test_a_file_is_put_in_its_place_in_the_place_of_a_file_or_a_link(places, tmp_path):
    dest, landing, source = places
    (tmp_path / "outside").write_text("mine")
    (dest / "b").symlink_to(tmp_path / "outside")
    landing.refuse_conflicts(["sub/a", "b"])
    landing.place(source, "sub/a")
    landing.place(source, "b")
    assert (dest / "sub" / "a").read_text() == (dest / "b").read_text() == "new"
    assert not (dest / "b").is_symlink()
    assert (tmp_path / "outside").read_text() == "mine"


@pytest.mark.parametrize("text", ["../outside", "/", ".", "inside", "nowhere"])
def test_a_link_on_the_way_is_not_followed(places, tmp_path, text):
    dest, landing, source = places
    (tmp_path / "outside").mkdir()
    (dest / "inside").mkdir()
    (dest / "sub").symlink_to(text)
    for attempt in (lambda: landing.refuse_conflicts(["sub/a"]), lambda: landing.place(source, "sub/a")):
        with pytest.raises(TreeError, match="sub is a symbolic link, which is not followed"):
            attempt()
    with pytest.raises(TreeError, match="is a symbolic link"), landing.new_file("sub/a"):
        pass
    assert landing.status("sub/a") is None
    assert not list((tmp_path / "outside").iterdir())


def test_nothing_is_removed_to_make_room(places):
    dest, landing, source = places
    (dest / "b" / "deep").mkdir(parents=True)
    (dest / "b" / "deep" / "work").write_text("mine")
    (dest / "sub").write_text("mine")
    for path, words in (
        ("b", "b is a directory here and a file on the pod"),
        ("sub/a", "sub is a file, and a directory"),
    ):
        for attempt in (landing.refuse_conflicts, lambda paths: landing.place(source, paths[0])):
            with pytest.raises(TreeError, match=words):
                attempt([path])
    with pytest.raises(TreeError, match="is a directory here"):
        landing.link(source, "b", "elsewhere")
    assert (dest / "b" / "deep" / "work").read_text() == (dest / "sub").read_text() == "mine"


@pytest.mark.parametrize("place", ["", "runs/20260715_140000_1f2e"])
@pytest.mark.parametrize("there", [("guard.json", "attempts.jsonl"), ("id_ed25519",), CONTROLS])
def test_nothing_lands_beside_what_controls_a_run(places, place, there):
    dest, landing, _source = places
    folder = dest / place
    folder.mkdir(parents=True, exist_ok=True)
    for name in there:
        (folder / name).write_text("mine")
    for name in ("train.log", "guard.json", "deeper/x"):
        path = f"{place}/{name}".lstrip("/")
        with pytest.raises(TreeError, match="holds what controls a run or lets somebody in"):
            landing.refuse_conflicts([path])
        with pytest.raises(TreeError, match="holds what controls a run"), landing.new_file(path):
            pass
    assert all((folder / name).read_text() == "mine" for name in there)


def test_a_result_may_be_called_like_one_of_them(places):
    dest, landing, _source = places
    (dest / "attempts.jsonl").write_text("a result of the last pull")
    landing.refuse_conflicts(["attempts.jsonl", "b"])


@pytest.mark.parametrize("place", ["", "..", ".ssh", ".ssh/deeper", "runs/x/ssh"])
def test_some_directories_are_no_destination(tmp_path, monkeypatch, place):
    home = tmp_path / "home"
    run = home / "runs" / "x"
    run.mkdir(parents=True)
    for name in ("run.lock", "guard.json"):
        (run / name).touch()
    monkeypatch.setenv("HOME", str(home))
    with pytest.raises(TreeError, match="nothing that comes from a pod is put there"):
        refuse_control(home / place)
    for good in (home / "results", run / "artifacts", run / "checkpoints", tmp_path / "elsewhere" / "ssh"):
        refuse_control(good)


def test_rights_that_no_result_needs_are_gone(places):
    dest, landing, source = places
    for mode, expected in ((0o6777, 0o755), (0o4711, 0o711), (0o000, 0o600), (0o666, 0o644), (0o1640, 0o640)):
        place = source.root / "b"
        place.write_text("x")
        place.chmod(mode)
        if mode & 0o400 or os.geteuid() == 0:
            landing.place(source, "b")
            assert (dest / "b").stat().st_mode & 0o7777 == expected


def test_only_what_was_asked_for_stays_where_files_arrive(places, tmp_path):
    _dest, _landing, source = places
    root = source.root
    (root / "sub" / ".podyard-partial").mkdir()
    (root / "sub" / ".podyard-partial" / "a").write_text("half")
    (root / "out").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    with pytest.raises(Distrusted, match="which was not requested"):
        source.sweep({"sub/a", "b"}, refuse=True)
    assert source.sweep({"sub/a"}) == 7
    left = sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())
    assert left == ["sub/.podyard-partial/a", "sub/a"]
    assert source.sweep({"sub/a"}, refuse=True) == source.weigh() == 7


def test_a_place_for_arrivals_is_no_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    with pytest.raises(TreeError, match="is no directory in which files can be put"):
        Landing(tmp_path / "link", private=True)
    with Landing(tmp_path / "link") as landing:
        assert landing.free_bytes > 0


def test_a_new_file_follows_no_link_and_takes_no_old_content(places, tmp_path):
    _dest, _landing, source = places
    (tmp_path / "outside").write_text("mine")
    (source.root / "b").unlink()
    (source.root / "b").symlink_to(tmp_path / "outside")
    with source.new_file("b") as descriptor:
        os.write(descriptor, b"content")
    assert (source.root / "b").read_text() == "content"
    assert (tmp_path / "outside").read_text() == "mine"


def test_a_directory_that_is_not_there_is_empty(tmp_path):
    with Landing(tmp_path / "a" / "b") as landing:
        landing.refuse_conflicts(["x"])
        assert (landing.status("x"), landing.link_text("x"), landing.lock()) == (None, None, False)
        assert landing.free_bytes > 0
        assert not Path(tmp_path / "a").exists()
        landing.make()
        assert landing.lock()
