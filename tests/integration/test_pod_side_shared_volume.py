# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs of one project whose pods mount one volume: neither may touch what the other one trains with."""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
from pathlib import Path

import pytest
from harness import REPOSITORY
from pod_side import playing, serving, wait_for

SEND = "podyard.gpu.dataset : Send and verify the files that differ"
PREPARE = REPOSITORY / "roles" / "workspace" / "files" / "prepare.sh"
# Stands in for a Python whose venv takes as long as two files say: `begun` counts, and `go` is waited for.
SLOW_PYTHON = """#!/bin/sh
case "$*" in
*" pip --version") exit 0 ;;
*" -m venv "* | "-m venv "*)
  for place; do :; done
  mkdir -p "$place/bin" && cp "$0" "$place/bin/python"
  : >"{directory}/begun.$$"
  while [ ! -e "{directory}/go" ]; do sleep 0.05; done ;;
esac
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("volume") / "s") as found:
        yield found


@pytest.fixture
def volume(server, tmp_path):
    """Two controllers whose pods have one volume; the first one's source."""
    home = tmp_path / "one"
    for name in ("code/train.py", "code/lib/model.py", "data/a.bin", "data/deep/b [1].bin"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(os.urandom(1000))
    (home / "data" / "link").symlink_to("a.bin")
    with playing(server, tmp_path / "p1") as first, playing(server, tmp_path / "p2") as second:
        yield first, second, home


def run_of(run_id: str, home: Path, mount: Path, **more: str) -> list[dict]:
    """What a run of the project does on its pod before it trains, with the roles and values of the role train."""
    train = {
        "train_name": "digits", "train_run_id": run_id, "train_mount_path": str(mount), "train_network_volume": "v1",
        "train_gpus": ["RTX 4090"], "train_image": "image:1", "train_command": "python3 train.py",
        "train_code": str(home / "code"), "train_dataset": str(home / "data"), "train_python": "/usr/bin/python3",
        "train_runs_dir": str(mount.parent / "runs"), **more,
    }  # fmt: skip
    quiet = {"_train_state": "new", "_train_earlier": {}}
    stages = [
        {
            "name": stage,
            "ansible.builtin.include_role": {"name": "podyard.gpu.train", "tasks_from": stage},
            "vars": quiet,
        }
        for stage in ("prepare", "data")
    ]
    read = {"name": "job", "podyard.gpu.job": {}, "register": "_train_job_result", "delegate_to": "localhost"}
    keep = {"name": "keep", "ansible.builtin.set_fact": {"_train_job": "{{ _train_job_result.job }}"}}
    return [{"name": "run", "vars": train, "block": [read, keep, *stages]}]


def content(root: Path) -> dict[str, tuple[bytes, int]]:
    """Each file below a directory, with its inode, which another one in its place would change."""
    files = [place for place in root.rglob("*") if place.is_file()]
    return {str(place.relative_to(root)): (place.read_bytes(), place.lstat().st_ino) for place in files}


def test_a_run_leaves_the_code_and_the_data_of_another_one_alone(volume, tmp_path):
    first, second, home = volume
    mount = tmp_path / "volume"
    first.good(*run_of("r1", home, mount))
    project = mount / "podyard" / "digits"
    [data] = (project / "datasets").glob("[!.]*")
    code, before = project / "runs" / "r1" / "code", {}
    for place in (code, data):
        before[place] = content(place)
    assert (data / "deep" / "b [1].bin").read_bytes() == (home / "data" / "deep" / "b [1].bin").read_bytes()
    # What the first training makes among its data is not the second run's to remove.
    (data / "cache").write_text("made by the training")

    (home / "code" / "train.py").write_text("other")
    (home / "code" / "lib" / "model.py").unlink()
    again = second.good(*run_of("r2", home, mount))
    assert content(code) == before[code]
    assert (project / "runs" / "r2" / "code" / "train.py").read_text() == "other"
    # The same data are there already.
    assert (again[SEND]["changed"], again[SEND]["sent"]) == (False, [])
    assert not (project / "runs" / "r2" / "data").exists()

    (home / "data" / "a.bin").unlink()
    (home / "data" / "link").unlink()
    second.good(*run_of("r3", home, mount))
    assert {path: entry for path, entry in content(data).items() if path != "cache"} == before[data]
    assert (data / "cache").exists() and len(list((project / "datasets").glob("[!.]*"))) == 2


@pytest.mark.parametrize("method", ["rsync", "tar"])
def test_two_pushes_of_the_same_at_the_same_moment(volume, tmp_path, method):
    """Nobody ever sees half of a file in the place of a whole one, and nothing is left beside."""
    first, second, home = volume
    there, data = tmp_path / "there", home / "data"
    for number in range(4):
        (data / f"{number}.bin").write_bytes(os.urandom(1 << 20))
    described = {"name": "tree", "podyard.gpu.tree_info": {"path": str(data)}, "register": "tree"}
    push = {
        "name": "push",
        "podyard.gpu.transfer": {
            "direction": "push", "src": str(data), "dest": str(there), "digest": "{{ tree.digest }}", "method": method,
            "bandwidth_limit": 4,
        },
    }  # fmt: skip
    torn, over = [], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            torn.extend(place for place in there.glob("[0-9].bin") if place.stat().st_size != 1 << 20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        both = [plays.start(described, push) for plays in (first, second)]
        ran = [plays.finish(process) for plays, process in zip((first, second), both, strict=True)]
        assert [each.code for each in ran] == [0, 0], ran[0].output + ran[1].output
        for name, (found, _inode) in content(there).items():
            assert found == (data / name).read_bytes()
        assert set(content(there)) == set(content(data))
        assert not list(there.glob(".podyard-*"))
        third = first.good(described, push)["push"]
        assert (third["changed"], third["sent"]) == (False, [])
    finally:
        over.set()
        watcher.join()
    assert torn == []


def test_data_that_changed_are_not_sent_to_the_place_of_others(volume, tmp_path):
    first, _second, home = volume
    push = {
        "name": "push",
        "podyard.gpu.transfer": {
            "direction": "push", "src": str(home / "data"), "dest": str(tmp_path / "there"), "digest": "0" * 64,
        },
    }  # fmt: skip
    ran = first.run(push)
    assert ran.code == 2 and "has changed since" in ran["push"]["msg"]
    assert not (tmp_path / "there").exists()


def prepare(root: Path, python: Path) -> subprocess.Popen[str]:
    command = ["sh", PREPARE, python, root, "venv-1", "venv-1.requirements/r.txt", "", root / "made"]
    path = f"{root.parent}/none:/usr/bin:/bin"
    return subprocess.Popen(
        [str(word) for word in command], env={"PATH": path, "HOME": str(root)}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_two_runs_make_one_environment_at_the_same_moment(tmp_path):
    root, python = tmp_path / "root", tmp_path / "python"
    (root / "venv-1.requirements").mkdir(parents=True)
    (root / "venv-1.requirements" / "r.txt").write_text("numpy\n")
    python.write_text(SLOW_PYTHON.format(directory=tmp_path))
    python.chmod(0o755)
    both = [prepare(root, python) for _number in range(2)]
    # Both are in the middle of it.
    wait_for(lambda: len(list(tmp_path.glob("begun.*"))) == 2, "two environments in the making")
    (tmp_path / "go").touch()
    said = [process.communicate(timeout=30) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    venv = root / "venv-1"
    assert {out.splitlines()[-1] for out, _error in said} == {f"venv={venv}"}
    assert (venv / "bin" / "python").exists() and (venv / ".podyard-complete").exists()
    # One is used, and the other one is gone.
    assert sorted(place.name for place in root.glob("venv-1*")) == sorted(
        ["venv-1", "venv-1.requirements", venv.resolve().name]
    )
    used = venv.resolve()
    out, _error = prepare(root, python).communicate(timeout=30)
    assert "changed" not in out and venv.resolve() == used


def test_an_environment_that_was_cut_off_is_made_anew(tmp_path):
    root, python = tmp_path / "root", tmp_path / "python"
    (root / "venv-1.requirements").mkdir(parents=True)
    (root / "venv-1.requirements" / "r.txt").write_text("numpy\n")
    python.write_text(SLOW_PYTHON.format(directory=tmp_path))
    python.chmod(0o755)
    (tmp_path / "go").touch()
    for left in itertools.cycle(["directory", "link"]):
        if left == "directory":
            (root / "venv-1" / "half").mkdir(parents=True)
        else:
            (root / "venv-1").unlink()
            (root / "venv-1").symlink_to("nowhere")
        process = prepare(root, python)
        assert process.wait(timeout=30) == 0, process.communicate()
        assert (root / "venv-1" / ".podyard-complete").exists() and not (root / "venv-1" / "half").exists()
        if left == "link":
            break
