# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""However a run ends, the pod is gone, proved gone, and the exit says that there is no trained model."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from harness import running_for, wait_for

# An rsync that fails as on a full disk as soon as it is asked to write into the dataset's directory.
FULL_DISK = """#!/bin/sh
case "$*" in
  */data*) echo 'rsync: [receiver] write failed on "/workspace": No space left on device (28)' >&2; exit 11 ;;
esac
exec {rsync} "$@"
"""
# An rsync that says that it runs and then never moves.
STUCK = """#!/bin/sh
case "$*" in
  *--server*|*--version*) exec {rsync} "$@" ;;
  */data*) touch {mark}; exec sleep 1000 ;;
esac
exec {rsync} "$@"
"""
# An rsync that says that it runs and waits for a word before it does.
WAITING = """#!/bin/sh
case "$*" in
  *--server*|*--version*) exec {rsync} "$@" ;;
  */data*) touch {mark}; while [ ! -e {go} ]; do sleep 0.1; done ;;
esac
exec {rsync} "$@"
"""
RSYNC = "/usr/bin/rsync"


def assert_given_back(cloud, job, *, pods: int = 1) -> None:
    """All the job's pods were rented, are gone for the cloud, and run.json tells that this was proved."""
    made = cloud.pods(f"podyard-{job.name}-")
    assert len(made) == pods
    assert all(pod["gone_at"] for pod in made)
    told = job.record["pods"]
    assert {pod["id"] for pod in told} == {pod["id"] for pod in made}
    assert all(pod["gone_proved"] and pod["gone_at"] for pod in told)
    assert job.record["outcome"] not in ("running", "succeeded")
    assert not (job.run / "connection.json").exists(), "it holds live values only"


def guard_state(job) -> str:
    try:
        return json.loads((job.run / "guard.json").read_text())["state"]
    except FileNotFoundError:
        return "none"


class TestFailingTask:
    """A task that fails on the pod, one test for each role that works there; `make test` runs a sample."""

    @pytest.mark.matrix
    def test_in_verify(self, cloud, job, playbook):
        job.variables["train_image"] = "example/nopython:1"
        done = playbook.run(job)
        assert done.code != 0
        assert "python" in job.record["error"].lower()
        assert_given_back(cloud, job)

    @pytest.mark.matrix
    def test_in_workspace(self, cloud, job, playbook):
        requirements = job.directory / "requirements.txt"
        requirements.write_text("no-such-package-anywhere==9.9\n")
        job.variables["train_requirements"] = str(requirements)
        done = playbook.run(job)
        assert done.code != 0
        assert "no-such-package-anywhere" in job.record["error"]
        assert_given_back(cloud, job)

    def test_in_dataset(self, cloud, job, playbook):
        playbook.program_before("rsync", FULL_DISK.format(rsync=RSYNC))
        done = playbook.run(job)
        assert done.code != 0
        assert "No space left on device" in job.record["error"]
        assert_given_back(cloud, job)

    def test_in_training(self, cloud, job, playbook):
        job.train(3, "fail")
        done = playbook.run(job)
        assert done.code != 0
        assert "exit code 7" in job.record["error"]
        assert "the loss is not a number" in done.output
        assert "the loss is not a number" in (job.run / "train.log").read_text()
        assert job.record["outcome"] == "failed"
        assert_given_back(cloud, job)

    @pytest.mark.matrix
    def test_in_artifacts(self, cloud, job, playbook):
        job.variables["train_artifacts"] = ["model.bin", "no-such-*.file"]
        done = playbook.run(job)
        assert done.code != 0
        assert "no-such-*.file" in job.record["error"]
        assert (job.run / "artifacts" / "model.bin").stat().st_size == 5000, "what was there comes home all the same"
        assert_given_back(cloud, job)


def test_a_host_that_is_lost_in_mid_training(cloud, job, playbook):
    job.train(600)
    job.variables["train_unreachable_timeout"] = 2
    process = playbook.start(job)
    wait_for(lambda: "step 2" in playbook.output(), "the training's log on the screen")
    [pod] = cloud.living(f"podyard-{job.name}-")
    cloud.fault("host-lost", "--times", "1", "--param", f"pod={pod['id']}")
    assert process.wait(timeout=120) != 0
    assert job.record["outcome"] == "lost"
    assert_given_back(cloud, job)


def test_a_host_that_is_lost_before_the_training(cloud, job, playbook, tmp_path):
    """Ansible calls it UNREACHABLE and runs neither rescue nor always."""
    mark = tmp_path / "transfer-runs"
    playbook.program_before("rsync", WAITING.format(rsync=RSYNC, mark=mark, go=tmp_path / "go"))
    process = playbook.start(job)
    wait_for(mark.exists, "the transfer of the dataset")
    [pod] = cloud.living(f"podyard-{job.name}-")
    cloud.fault("host-lost", "--times", "1", "--param", f"pod={pod['id']}")
    wait_for(lambda: not cloud.living(f"podyard-{job.name}-"), "the loss of the host")
    (tmp_path / "go").touch()
    assert process.wait(timeout=120) != 0
    assert job.record["outcome"] == "lost"
    assert "became unreachable in the stage data" in job.record["error"]
    assert_given_back(cloud, job)


def test_settings_of_the_user_do_not_keep_the_pod(cloud, job, playbook):
    playbook.environ |= {"ANSIBLE_ANY_ERRORS_FATAL": "true", "ANSIBLE_STRATEGY": "ansible.builtin.free"}
    job.train(3, "fail")
    done = playbook.run(job)
    assert done.code != 0
    assert "exit code 7" in job.record["error"]
    assert "report.html" in done.output, "the play of the report was reached"
    assert_given_back(cloud, job)


def interrupt(process, how: signal.Signals) -> None:
    """Send a signal as it arrives in life: the terminal's to the whole group, the others to ansible-playbook alone."""
    if how in (signal.SIGINT, signal.SIGHUP):
        os.killpg(process.pid, how)
    else:
        os.kill(process.pid, how)


def signals(*sample: signal.Signals) -> pytest.MarkDecorator:
    """Every signal at this moment; those beside the sample in the whole matrix only."""
    every = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
    cases = [pytest.param(how, id=how.name, marks=[] if how in sample else pytest.mark.matrix) for how in every]
    return pytest.mark.parametrize("how", cases)


class TestSignal:
    """A signal to ansible-playbook; Ansible runs neither rescue nor always, so the guard has to act."""

    def finish(self, cloud, job, process, how):
        interrupt(process, how)
        assert process.wait(timeout=60) != 0
        wait_for(lambda: guard_state(job) in ("gave_back", "released"), "the guard's end")
        wait_for(lambda: not cloud.living(f"podyard-{job.name}-"), "the end of the pod")
        assert_given_back(cloud, job)
        # A master of shared connections ends by itself, a minute after the last one, and costs nothing.
        wait_for(
            lambda: not [line for line in running_for(job.directory / "home") if not line.startswith("ssh:")],
            "the end of what ansible-playbook left running, and of the guard",
            timeout=20,
        )

    @signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
    def test_during_a_module(self, cloud, job, playbook, how):
        cloud.fault("never-ready", "--share", "1")
        process = playbook.start(job)
        wait_for(lambda: cloud.living(f"podyard-{job.name}-"), "the pod")
        self.finish(cloud, job, process, how)

    @signals(signal.SIGINT, signal.SIGKILL)
    def test_during_an_action_plugin(self, cloud, job, playbook, how):
        job.train(600)
        process = playbook.start(job)
        wait_for(lambda: "step 9" in playbook.output(), "the training's log on the screen")
        self.finish(cloud, job, process, how)

    @signals(signal.SIGHUP, signal.SIGKILL)
    def test_during_a_transfer(self, cloud, job, playbook, how, tmp_path):
        mark = tmp_path / "transfer-runs"
        playbook.program_before("rsync", STUCK.format(rsync=RSYNC, mark=mark))
        process = playbook.start(job)
        # The guard looks twice a second for what the controller runs; it has seen the transfer after one.
        wait_for(lambda: mark.exists() and time.time() - mark.stat().st_mtime > 1, "the transfer of the dataset")
        self.finish(cloud, job, process, how)


def test_a_create_that_outlives_its_controller(cloud, job, playbook):
    """The module's process lives on after SIGKILL and its create still arrives: the pod it makes is given back too."""
    cloud.fault("latency", "--times", "1", "--param", "operation=createPod", "--param", "seconds=4")
    process = playbook.start(job)
    wait_for(
        lambda: (job.run / "attempts.jsonl").is_file() and "creating" in (job.run / "attempts.jsonl").read_text(),
        "the create",
    )
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(timeout=30) != 0
    wait_for(lambda: guard_state(job) == "gave_back", "the guard's end")
    assert not cloud.living(f"podyard-{job.name}-")
    assert all(pod["gone_proved"] for pod in job.record["pods"])
