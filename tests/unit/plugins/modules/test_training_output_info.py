# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module training_output_info: what a training left, wherever that is."""

from __future__ import annotations

import os

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._module import training_output as output
from ansible_collections.podyard.gpu.plugins.modules import training_output_info
from ansible_collections.podyard.gpu.tests.unit.fakes.training_pod import call

__all__ = ["call"]

BEGUN = 1_000_000_000


def put(place, text="x" * 10, when=BEGUN + 100):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    os.utime(place, (when, when))


@pytest.fixture(name="host")
def _host(tmp_path, monkeypatch, call):
    """A host whose files have the age that a test gives them; what the tests' own machine holds is no part of it."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(output, "USUAL_PLACES", (str(tmp_path / "outputs"),))
    # The change time cannot be set; here it is that of the content.
    monkeypatch.setattr(output, "_changed", lambda status: status.st_mtime)

    class Host:
        run, code, data, mount = (tmp_path / name for name in ("mount/podyard/p/r1", "code", "data", "mount"))

        def __init__(self):
            self.home = home
            put(self.run / "started_at", when=BEGUN)
            (self.run / "output").mkdir()
            for folder in (self.code, self.data):
                put(folder / "old.py", when=BEGUN - 100)

        def info(self, **options):
            places = {name: str(getattr(self, name)) for name in ("code", "data", "mount")}
            return call(training_output_info, dir=str(self.run), search=True, **places, **options)

    return Host()


def paths(found):
    return [place["path"] for place in found["elsewhere"]["places"]]


def test_the_output_is_counted_and_patterns_are_held_against_it(host):
    put(host.run / "output" / "model.bin")
    put(host.run / "output" / "checkpoints" / "c1.pt")
    found = host.info(artifacts=["model.bin", "modle.bin"], checkpoints=["checkpoints/*"])["output"]
    assert (found["files"], found["bytes"], found["checkpoints"]) == (2, 20, 1)
    assert found["unmatched"] == ["modle.bin"]
    assert found["first"] == ["model.bin", "checkpoints/c1.pt"]


def test_what_is_new_elsewhere_is_named_by_its_shallowest_place(host):
    put(host.code / "results" / "a" / "model.bin")
    put(host.code / "results" / "b.bin")
    put(host.code / "model" / "old.bin", when=BEGUN - 100)
    put(host.code / "model" / "new.bin")
    put(host.home / "lightning_logs" / "v0" / "x.ckpt")
    put(host.mount / "checkpoints" / "y.pt")
    put(host.mount.parent / "outputs" / "z.pt")
    found = host.info()
    assert paths(found) == [
        f"{host.code}/model/new.bin",
        f"{host.code}/results",
        f"{host.mount}/checkpoints",
        f"{host.home}/lightning_logs",
        f"{host.mount.parent}/outputs/z.pt",
    ]
    assert (found["elsewhere"]["files"], found["elsewhere"]["bytes"]) == (6, 60)
    assert [place["pattern"] for place in found["elsewhere"]["places"]][1] == "/results"


@pytest.mark.parametrize("name", [".cache/x", "__pycache__/x.pyc", "code-venv/../venv/x", ".bash_history", "pip-1/x"])
def test_what_programs_make_for_themselves_is_no_result(host, name):
    put(host.home / os.path.normpath(name))
    assert paths(host.info()) == []


def test_links_and_other_runs_are_not_followed(host, tmp_path):
    put(tmp_path / "secret" / "x")
    (host.code / "results").symlink_to(tmp_path / "secret")
    (host.code / "x").symlink_to(tmp_path / "secret" / "x")
    put(host.mount / "podyard" / "p" / "r2" / "output" / "model.bin")
    os.mkfifo(host.code / "pipe")
    assert paths(host.info()) == []


def test_odd_names_are_told_and_never_asked_for(host):
    place = host.code / os.fsdecode(b"caf\xe9\x1b[2J")
    put(place)
    (found,) = host.info()["elsewhere"]["places"]
    assert found["path"] == f"{host.code}/caf\\xe9\\x1b[2J"
    assert found["pattern"] is None


def test_a_tree_without_end_is_left_and_said(host, monkeypatch):
    monkeypatch.setattr(output, "MOST_ENTRIES", 5)
    for number in range(10):
        put(host.run / "output" / f"{number}.bin")
        put(host.code / "results" / f"{number}.bin")
    found = host.info()
    assert found["output"]["complete"] is False
    assert found["elsewhere"]["complete"] is False


def test_where_nobody_knows_when_it_began_nothing_is_new(host):
    put(host.code / "results" / "x")
    (host.run / "started_at").unlink()
    assert paths(host.info()) == []
