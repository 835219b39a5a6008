# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that bring no SSH server, and images whose user is not root: a whole cycle on each, driven by settings."""

from __future__ import annotations

import json

import pytest
from harness import wait_for

from ansible_collections.podyard.gpu.plugins.modules import runpod_network_volume, runpod_pod
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner

RAW = "ubuntu:24.04"
NONROOT = "somebody/nonroot-trainer:1"


@pytest.fixture(name="module")
def _module(cloud, capsys, tmp_path, monkeypatch):
    """Run a module in this process against the sandbox."""
    monkeypatch.setenv("PODYARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    account = {"api_key": cloud.settings["RUNPOD_API_KEY"], "api_url": cloud.settings["RUNPOD_API_BASE_URL"]}
    runner = Runner(capsys, tmp_path)
    return lambda main, failing=False, **options: (runner.fail if failing else runner.run)(main, **account, **options)


def test_a_raw_image_trains_by_settings_of_an_env_file(cloud, job, playbook, module):
    """Image, GPU and volume come from .env beside the job, with the account's key, which no other place has."""
    volume = module(runpod_network_volume.main, name="data", size=10, data_center="EU-RO-1")["network_volume"]
    lines = [f"RUNPOD_WORKER_IMAGE={RAW}", "RUNPOD_GPU_TYPE=RTX 4090", "RUNPOD_STORAGE_NAME=data"]
    lines += [f"{name}={playbook.environ.pop(name)}" for name in ("RUNPOD_API_KEY", "RUNPOD_API_BASE_URL")]
    home = job.directory / "jobs"
    home.mkdir()
    (home / ".env").write_text("\n".join(lines))
    del job.variables["train_image"], job.variables["train_gpus"]
    job.write().rename(home / "job.yml")
    job.variables.clear()
    done = playbook.run(job, "-e", f"@{home / 'job.yml'}", "-vvvv")
    assert done.code == 0, done.output
    (pod,) = job.record["pods"]
    (made,) = cloud.creates(f"podyard-{job.record['name']}-")
    assert (pod["region"], made["status"]) == ("EU-RO-1", 201), (pod, volume)
    assert pod["gone_proved"] and job.record["outcome"] == "succeeded"
    told = " ".join(done.output.split())
    assert f"RUNPOD_WORKER_IMAGE from {home}/.env as train_image" in told
    assert f"RUNPOD_API_KEY from {home}/.env" in told
    secret = lines[-2].split("=", 1)[1]
    assert secret not in done.output
    assert all(secret not in path.read_text(errors="replace") for path in job.run.rglob("*") if path.is_file())
    (known,) = {line.split()[1] for line in (job.run / "known_hosts").read_text().splitlines()[:1]}
    assert known.startswith(("ssh-", "ecdsa-")), "the host keys were learned from the pod's log"


def test_a_user_who_is_not_root_is_found_and_kept(cloud, job, playbook):
    job.variables |= {
        "train_image": NONROOT,
        "train_bootstrap_ssh": "never",
        "train_ssh_users": ["ubuntu", "user"],
        "train_mount_path": "/home/user/work",
    }
    job.train(10)
    process = playbook.start(job)
    wait_for((job.directory / "runs" / "latest" / "connection.json").exists, "a pod that is reachable")
    connection = json.loads((job.run / "connection.json").read_text())
    assert connection["user"] == "user" and "user@" in connection["ssh"]
    assert process.wait(timeout=240) == 0, playbook.output()
    assert job.record["outcome"] == "succeeded"


def test_a_user_who_cannot_write_is_told_before_the_training(cloud, job, playbook):
    job.variables |= {
        "train_image": NONROOT,
        "train_bootstrap_ssh": "never",
        "train_ssh_user": "user",
        "train_mount_path": "/srv/work",
    }
    done = playbook.run(job)
    assert done.code != 0
    assert "SSH logs in as the user user, who can neither write to /srv/work" in " ".join(done.output.split())
    assert len(cloud.creates(f"podyard-{job.name}-")) == 1, "another host would run the same image"


def test_a_raw_image_that_cannot_install_a_server_is_given_back_with_the_reason(cloud, module):
    cloud.fault("package-mirror-down")
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEqMdNDkPqKOLzmoxtuAYCfQJ3M5+Wbh4yZ0rRzYkDxj raw"
    result = module(
        runpod_pod.main, failing=True, name="no-mirror", image=RAW, gpus=["RTX 4090"], public_keys=[key],
        wait_for="port_open", poll_interval=0.5, consistency_grace=3,
    )  # fmt: skip
    assert "podyard: SSH cannot be set up: apt-get could not install an SSH server: " in result["msg"]
    assert "Could not connect to" in result["msg"]
    assert [pod["gone_proved"] for pod in result["pods_gone"]] == [True]
    assert cloud.living("no-mirror") == []
