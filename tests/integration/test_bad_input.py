# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input gets one clear sentence, before anything is rented, and an exit code that is not zero."""

from __future__ import annotations

import re

import pytest

# What is changed in a good job -> what the message must say.
REFUSED_BY_THE_JOB = {
    "unknown name": ({"train_max_cots": 5}, r"train_max_cots.*train_max_cost"),
    "wrong type": ({"train_gpu_count": "many"}, r"train_gpu_count.*many"),
    "wrong value": ({"train_providers": ["azure"]}, r"train_providers.*azure"),
    "negative price": ({"train_max_price": -1}, r"train_max_price.*-1"),
    "no dataset": ({"train_dataset": "/nowhere/data"}, r"train_dataset.*/nowhere/data"),
    "no code": ({"train_code": "/nowhere/code"}, r"train_code.*/nowhere/code"),
    "no requirements": ({"train_requirements": "/nowhere/req.txt"}, r"train_requirements.*/nowhere/req\.txt"),
    "no name": ({"train_name": None}, r"train_name"),
    "run id": ({"train_run_id": "Not A Run"}, r"train_run_id.*Not A Run"),
    "undefined variable": ({"train_command": "python3 {{ nowhere_defined }}"}, r"train_command.*nowhere_defined"),
}
REFUSED_BY_THE_MARKET = {
    "unknown GPU": ({"train_gpus": ["RTX 4080 Mega"]}, r"RTX 4080 Mega.*RTX"),
    "price": ({"train_max_price": 0.01}, r"0\.01"),
    "unknown volume": (
        {"train_network_volume": "nowhere"},
        r"no network volume with the id or name 'nowhere' \(option train_network_volume\).*The account has none",
    ),
}


def assert_refused(done, cloud, job, pattern) -> None:
    assert done.code != 0
    assert "Traceback" not in done.output
    text = re.sub(r"\s+", " ", done.output)
    assert re.search(pattern, text), done.output
    assert not cloud.creates(f"podyard-{job.name}-")
    assert not cloud.pods(f"podyard-{job.name}-")
    # What it said is all that is left of it: no directory, and no `latest` that leads to a run without a pod.
    assert not list((job.directory / "runs").glob("*"))


# One for each place where a job is refused; `make matrix` runs all, and the tests of the job know each sentence.
SAMPLE = ("unknown name", "no dataset", "undefined variable", "unknown GPU", "price", "unknown volume")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=() if case in SAMPLE else pytest.mark.matrix)
        for case in (*REFUSED_BY_THE_JOB, *REFUSED_BY_THE_MARKET)
    ],
)
def test_refused_before_any_pod(cloud, job, playbook, case):
    change, pattern = {**REFUSED_BY_THE_JOB, **REFUSED_BY_THE_MARKET}[case]
    job.variables |= change
    assert_refused(playbook.run(job), cloud, job, pattern)


def test_values_that_come_as_text_are_converted(cloud, job, playbook):
    """As surveys and -e give them; check mode ends after the plan."""
    done = playbook.run(
        job, "--check", "-e", "train_gpu_count=1", "-e", "train_max_price=5.5", "-e", "train_gpus='RTX 4090,RTX A6000'"
    )
    assert done.code == 0, done.output
    assert not cloud.creates(f"podyard-{job.name}-")


def test_no_key(cloud, job, playbook):
    del playbook.environ["RUNPOD_API_KEY"]
    assert_refused(playbook.run(job), cloud, job, r"RUNPOD_API_KEY")


@pytest.mark.parametrize(
    ("name", "value", "pattern"),
    [
        (
            "RUNPOD_DISK_SIZE_GB",
            "ten",
            r"RUNPOD_DISK_SIZE_GB, set in the environment, must be a whole number of GB.*'ten'",
        ),
        ("RUNPOD_SSH_PUBLIC_KEY_PATH", "/nowhere/me.pub", r"RUNPOD_SSH_PUBLIC_KEY_PATH.*/nowhere/me\.pub"),
    ],
)
def test_a_bad_setting(cloud, job, playbook, name, value, pattern):
    playbook.environ[name] = value
    if name == "RUNPOD_SSH_PUBLIC_KEY_PATH":
        del job.variables["train_ssh_public_keys"]
    assert_refused(playbook.run(job), cloud, job, pattern)


def test_a_setting_that_the_market_does_not_know(cloud, job, playbook):
    """It is refused by a module that knows of no settings; which variable it came from is said all the same."""
    playbook.environ["RUNPOD_GPU_TYPE"] = "RTX 9999"
    del job.variables["train_gpus"]
    pattern = r"no GPU 'RTX 9999'.*settings: RUNPOD_GPU_TYPE from the environment as train_gpus"
    assert_refused(playbook.run(job), cloud, job, pattern)


def test_a_wrong_key(cloud, job, playbook):
    playbook.environ["RUNPOD_API_KEY"] = "rpa_wrong"
    done = playbook.run(job)
    assert_refused(done, cloud, job, r"(?i)key")
    assert "rpa_wrong" not in done.output


def test_a_missing_ssh_key(cloud, job, playbook):
    job.variables["train_ssh_public_keys"] = ["/nowhere/id_ed25519.pub"]
    assert_refused(playbook.run(job), cloud, job, r"/nowhere/id_ed25519\.pub")


def test_no_capacity(cloud, job, playbook):
    """The catalogue says yes, the create says no: every candidate is tried, none is left, nothing runs."""
    cloud.fault("no-capacity", "--share", "1")
    done = playbook.run(job)
    assert done.code != 0
    assert "no longer any instances available" in re.sub(r"\s+", " ", done.output)
    assert not cloud.pods(f"podyard-{job.name}-")
    assert job.record["outcome"] == "failed"
