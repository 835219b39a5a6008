# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is called again goes on where it is, and a host that is not fit is replaced by another."""

from __future__ import annotations

import json
import os
import signal

from harness import REPOSITORY, Playbook, wait_for

# An ssh that lets the first pod be reached once, which is the look whether it is ready, and never again.
ONCE = """#!/bin/sh
port=
for word; do
  case $before in -p) port=$word ;; esac
  case $word in Port=*) port=${{word#Port=}} ;; esac
  before=$word
done
if [ -n "$port" ] && [ ! -e {folder}/first ]; then echo "$port" >{folder}/first; exec /usr/bin/ssh "$@"; fi
if [ -n "$port" ] && [ "$port" = "$(cat {folder}/first 2>/dev/null)" ]; then
  echo "ssh: connect to host 127.0.0.1 port $port: No route to host" >&2
  exit 255
fi
exec /usr/bin/ssh "$@"
"""


def lose_controller(job, process) -> None:
    """What a machine that goes down does: the guard and ansible-playbook end without a word."""
    guard = json.loads((job.run / "guard.json").read_text())["pid"]
    os.kill(guard, signal.SIGKILL)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)


def test_a_run_goes_on_after_its_controller_was_lost(cloud, job, playbook):
    """The machine of the controller went down, with the guard: the pod lives, and the next call finds it."""
    job.train(40)
    job.variables["train_run_id"] = "again"
    process = playbook.start(job)
    wait_for(lambda: "step 1" in playbook.output(), "the training's log on the screen")
    lose_controller(job, process)

    done = playbook.run(job)
    assert done.code == 0, done.output
    assert len(cloud.creates(f"podyard-{job.name}-")) == 1
    assert job.record["outcome"] == "succeeded"
    assert (job.run / "train.log").read_text().count("training starts") == 1
    steps = [json.loads(line)["epoch"] for line in (job.run / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(40)), "each line once, whoever fetched it"
    [pod] = cloud.pods(f"podyard-{job.name}-")
    assert pod["gone_at"]


def test_a_run_that_another_one_works_on_is_left_alone(cloud, job, playbook, tmp_path):
    """The second call is refused before it writes or ends anything of the first one's."""
    job.train(40)
    job.variables["train_run_id"] = "mine"
    first = playbook.start(job)
    wait_for(lambda: "step 1" in playbook.output(), "the training's log on the screen")
    (tmp_path / "other").mkdir()
    other = Playbook(cloud, tmp_path / "other", REPOSITORY)
    second = other.run(job)
    assert second.code != 0
    assert "another ansible-playbook" in " ".join(second.output.split())
    assert first.wait(timeout=120) == 0, playbook.output()
    assert job.record["outcome"] == "succeeded"
    assert [stage["name"] for stage in job.record["stages"]].count("plan") == 1
    assert len(cloud.creates(f"podyard-{job.name}-")) == 1


def test_a_pod_that_nobody_proved_gone_is_ended(cloud, job, playbook):
    """Controller and guard died after the record said how the run went: the next call ends the pod, then reports."""
    job.train(600)
    job.variables["train_run_id"] = "unproved"
    process = playbook.start(job)
    wait_for(lambda: "step 1" in playbook.output(), "the training's log on the screen")
    lose_controller(job, process)
    [pod] = cloud.living(f"podyard-{job.name}-")
    cloud.fault("host-lost", "--times", "1", "--param", f"pod={pod['id']}")
    wait_for(lambda: not cloud.living(f"podyard-{job.name}-"), "the loss of the host")

    done = playbook.run(job)
    assert done.code != 0
    assert job.record["outcome"] == "lost"
    [told] = job.record["pods"]
    assert told["gone_proved"]
    job.variables["train_name"] = "renamed"
    assert "renamed" in " ".join(playbook.run(job).output.split())


def test_a_host_that_is_not_fit_is_replaced(cloud, job, playbook, tmp_path):
    """It was ready and then cannot be reached: it is given back, and the training runs on the next one."""
    playbook.program_before("ssh", ONCE.format(folder=tmp_path))
    done = playbook.run(job)
    assert done.code == 0, done.output
    pods = cloud.pods(f"podyard-{job.name}-")
    assert [pod["name"].rsplit("-", 1)[1] for pod in pods] == ["1", "2"]
    assert all(pod["gone_at"] for pod in pods)
    told = job.record["pods"]
    assert {pod["id"] for pod in told} == {pod["id"] for pod in pods}
    assert all(pod["gone_proved"] for pod in told)


def test_a_host_is_replaced_only_so_often(cloud, job, playbook, tmp_path):
    playbook.program_before("ssh", ONCE.format(folder=tmp_path))
    job.variables["train_attempts"] = 1
    done = playbook.run(job)
    assert done.code != 0
    assert "No route to host" in job.record["error"]
    assert job.record["outcome"] == "failed"
    [pod] = cloud.pods(f"podyard-{job.name}-")
    assert pod["gone_at"]
    assert pod["name"] in job.record["error"]
