# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A success is a success: what a training left comes home, wherever it lies, or its pod stays."""

from __future__ import annotations

import json
import os

from harness import wait_for
from pod_side import playing, serving


def test_a_pod_stays_whose_results_are_not_here(job, playbook):
    """The command ends at once and the training goes on; nobody named its results, and they are too many."""
    job.train(8)
    job.variables["train_command"] = f"nohup {job.variables['train_command']} > train.out 2>&1 &"
    job.variables |= {"train_artifacts": [], "train_artifacts_max_gb": 0.000001}
    done = playbook.run(job)
    assert done.code == 2
    assert "The command ended with exit code 0 and left 1 process running" in done.output
    assert job.record["outcome"] == "kept"
    assert "The output was not fetched: it has 5." in job.record["error"]
    (pod,) = job.record["pods"]
    assert pod["lease_ends_at"] and not pod["gone_at"]
    assert len(playbook.cloud.living(job.name)) == 1
    # Nobody but the lease gives it back now, and whoever stops it gets all.
    assert json.loads((job.run / "guard.json").read_text())["state"] == "released"
    stopped = playbook.run(job, "-e", f"runs_dir={job.run.parent}", book="podyard.gpu.stop")
    assert stopped.code == 0, stopped.output
    assert (job.run / "artifacts" / "model.bin").stat().st_size == 5000
    assert job.record["outcome"] == "succeeded"
    assert playbook.cloud.living(job.name) == []


def test_results_come_home_from_wherever_they_lie(tmp_path):
    """A pattern that matches nothing brings the output, and what the training left elsewhere."""
    there, here, code = tmp_path / "there", tmp_path / "here", tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text("pass\n")
    there.mkdir()
    (there / "started_at").touch()
    # A microsecond is more than what is lost of a time as a fraction of seconds.
    begun = (code / "train.py").stat().st_ctime_ns + 1_000
    os.utime(there / "started_at", ns=(begun, begun))
    (there / "output" / "a").mkdir(parents=True)
    (there / "output" / "a" / "model.bin").write_bytes(b"m" * 100)
    (code / "results" / "b").mkdir(parents=True)
    # The kernel's clock for files ticks every few milliseconds.
    wait_for(lambda: (there / "tick").write_text("") or (there / "tick").stat().st_ctime_ns > begun, "the next tick")
    (code / "results" / "b" / "it's.pt").write_bytes(b"r" * 50)
    role = {
        "name": "fetch",
        "ansible.builtin.include_role": {"name": "podyard.gpu.artifacts"},
        "vars": {
            "artifacts_source": f"{there}/output", "artifacts_directory": str(here),
            "artifacts_patterns": ["modle.bin"], "artifacts_search": True, "artifacts_code": str(code),
            # Room for the training's own, and for nothing of what others leave in the same places of this machine.
            "artifacts_max_gb": 150e-9,
        },
    }  # fmt: skip
    with serving(tmp_path / "server") as server, playing(server, tmp_path / "plays") as plays:
        ran = plays.run(role)
    assert ran.code == 2, ran.output
    told = ran["podyard.gpu.artifacts : Check that everything requested was fetched"]["msg"]
    assert "nothing that matches modle.bin" in told
    assert "All of the output (1 file, 100 B) is in" in told
    assert "results" in told and "elsewhere" in told
    assert (here / "a" / "model.bin").read_bytes() == b"m" * 100
    (found,) = (here / "elsewhere").rglob("it's.pt")
    assert found.read_bytes() == b"r" * 50
    # It was there before the training.
    assert str(code / "train.py") not in told
