# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that lie to a playbook over real SSH: nothing is written or deleted outside of the destination, and the play
ends with a sentence.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from pathlib import Path

import pytest
from pod_side import path_without, playing, put_program, serving

# Lists what is there, and then what the test has put into the file `lies`.
LYING_FIND = """#!/bin/sh
/usr/bin/find "$@"
for word; do case $word in *%P*) [ ! -e {lies} ] || cat {lies} ;; esac; done
"""
# Hands a training's look to the test: the file `look` is what it answers.
LYING_PYTHON = "#!/bin/sh\ncat >/dev/null\ncat {look}\n"

# The files of a run have any text here, and no record comes of it.
pytestmark = pytest.mark.foreign_records


@pytest.fixture(scope="module")
def pod(tmp_path_factory):
    """A server whose programs lie as the files `lies` and `look` in its directory say."""
    directory = tmp_path_factory.mktemp("liar")
    programs = path_without(directory)
    put_program(programs, "find", LYING_FIND.format(lies=directory / "lies"))
    put_program(programs, "lying-python", LYING_PYTHON.format(look=directory / "look"))
    with serving(directory / "s", path=programs) as server:
        server.lies, server.look, server.programs = directory / "lies", directory / "look", Path(programs)
        yield server


@pytest.fixture
def plays(pod, tmp_path):
    pod.lies.unlink(missing_ok=True)
    with playing(pod, tmp_path / "plays") as found:
        yield found


@pytest.fixture
def run_dir(tmp_path):
    """A run of the user, with what controls it, and a file of the user above it."""
    directory = tmp_path / "user" / "runs" / "20260715_140000_1f2e"
    directory.mkdir(parents=True)
    for name in ("run.json", "run.lock", "guard.json", "attempts.jsonl", "connection.json", "known_hosts"):
        (directory / name).write_text("{}")
    (tmp_path / "user" / ".bashrc").write_text("mine")
    return directory


def everything(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def pull(name, src, dest, **options):
    task = {"direction": "pull", "src": str(src), "dest": str(dest), **options}
    return {"name": name, "podyard.gpu.transfer": task, "ignore_errors": True}


def test_nothing_is_written_but_below_the_destination(pod, plays, run_dir, tmp_path):
    there, artifacts = tmp_path / "there", run_dir / "artifacts"
    (there / "model").mkdir(parents=True)
    (there / "model" / "w.bin").write_text("weights")
    (there / "guard.json").write_text("owned")
    (there / ".bashrc").write_text("owned")
    (tmp_path / "owned").write_text("owned")
    before = everything(tmp_path / "user")
    pod.lies.write_bytes(b"f f 5 10.5 11.5 ../../../.bashrc\0\0")
    ran = plays.run(*(pull(method, there, artifacts, method=method) for method in ("rsync", "tar")))
    for method in ("rsync", "tar"):
        assert "The pod names a file '../../../.bashrc', which is refused: it leads out" in ran[method]["msg"]
    assert everything(tmp_path / "user") == before
    pod.lies.unlink()
    os.symlink(".", there / "self")
    ran = plays.run(
        pull("into the run", there, run_dir),
        pull("beside the runs", there, tmp_path / "user" / "runs", include=["model/**"]),
        pull("more than may", there, artifacts, max_gb=0.000000001),
        pull("well", there, artifacts),
    )
    assert "holds what controls a run" in ran["into the run"]["msg"]
    assert "no more than 1 B may come" in ran["more than may"]["msg"]
    assert ran["well"]["skipped_links"] == ["self"]
    arrived = {f"runs/{run_dir.name}/artifacts/{name}": text for name, text in everything(there).items()}
    beside = {"runs/model/w.bin": "weights"}
    assert everything(tmp_path / "user") == {**before, **arrived, **beside}
    assert "Traceback" not in ran.output


def test_a_look_that_lies_about_checkpoints_fetches_nothing(pod, plays, run_dir, tmp_path):
    stream = {"offset": 0, "size": 0, "reset": False}
    look = {
        "state": "succeeded", "stopped": False, "exit_code": 0, "pid": None, "started_at": None, "ended_at": None,
        "heartbeat_age": None, "seconds": None, "log": stream, "metrics": stream, "gpu": stream, "disk_free_gb": 1.0,
        "lease_ends_in": None, "lease_ends_at": None, "now": 0.0,
        "checkpoints": [
            {"path": "checkpoints/../../../guard.json", "group": "checkpoints", "bytes": 5, "mtime": 1.0}
        ],
    }  # fmt: skip
    nothing = base64.b64encode(zlib.compress(b"")).decode()
    pod.look.write_text("\n".join([json.dumps(look), nothing, nothing, nothing, ""]))
    (tmp_path / "far" / "output").mkdir(parents=True)
    (tmp_path / "far" / "guard.json").write_text("owned")
    before = everything(run_dir.parent)
    plays.variables["ansible_python_interpreter"] = str(pod.programs / "lying-python")
    fetch = {"run_dir": str(run_dir), "dir": str(tmp_path / "far"), "checkpoints": ["checkpoints/*"]}
    ran = plays.run({"name": "fetch", "podyard.gpu.run_results": fetch})
    assert ran.code == 2, ran.output
    assert "'checkpoints/../../../guard.json', which is refused: it leads out" in ran["fetch"]["msg"]
    after = {name: text for name, text in everything(run_dir.parent).items() if not name.endswith("follow.lock")}
    assert after == before
