# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The training ran once, left what it should, and no secret; what came home is what is there."""

from __future__ import annotations

import json
import os
from pathlib import Path

RUN = "/workspace/t/run"
HOME = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "state") / "trained"


def test_it_ran_once(host):
    assert host.file(f"{RUN}/train.log").content_string.count("step 1 of secret-word") == 1
    assert host.file(f"{RUN}/exit_code").content_string.strip() == "0"


def test_the_job_is_kept_and_no_secret(host):
    job = host.file(f"{RUN}/job.json")
    assert job.mode == 0o600
    assert "0.5" in job.content_string
    kept = host.check_output(f"grep -rl secret-word {RUN} || true").split()
    assert kept == [f"{RUN}/train.log"], "the training itself wrote it there"


def test_log_metrics_and_checkpoints_came_home(host):
    # What Ansible tells of a command's output has no line feed at its end.
    assert (HOME / "train.log").read_text().rstrip("\n") == host.file(f"{RUN}/train.log").content_string.rstrip("\n")
    assert [json.loads(line)["epoch"] for line in (HOME / "metrics.jsonl").read_text().splitlines()] == [1, 2, 3]
    assert sorted(path.read_text().strip() for path in (HOME / "checkpoints").rglob("*.txt")) == ["1", "2", "3"]


def test_nothing_runs_any_more(host):
    assert not [process for process in host.process.filter(user="root") if RUN in process.args]
