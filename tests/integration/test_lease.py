# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The third line of defence: a pod whose controller and guard are gone ends itself, with nothing but its own key."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from datetime import UTC, datetime

import pytest
from harness import ran, wait_for

from ansible_collections.podyard.gpu.plugins.modules import runpod_pod, vastai_template
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner

# Seconds: long enough for the pauses between two renewals on a loaded machine, short enough for a test.
LEASE = 8
HOURS = LEASE / 3600


def guard_of(job):
    try:
        return json.loads((job.run / "guard.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}


def lease_of(job):
    """When the lease of the run's living pod ends, as its record says; RFC 3339 without fractions can be compared."""
    try:
        (pod,) = job.record["pods"]
    except (FileNotFoundError, ValueError):
        return None
    return None if pod["gone_at"] else pod["lease_ends_at"]


def now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(name="module")
def _module(cloud, capsys, tmp_path, monkeypatch):
    """Run a module in this process against the sandbox."""
    monkeypatch.setenv("PODYARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    runner = Runner(capsys, tmp_path)

    def run(main, provider, **options):
        key, url = {"runpod": ("RUNPOD_API_KEY", "RUNPOD_API_BASE_URL"), "vastai": ("VAST_API_KEY", "VAST_URL")}[
            provider
        ]
        return runner.run(main, api_key=cloud.settings[key], api_url=cloud.settings[url], **options)

    return run


def ended_by_itself(cloud, name, operation):
    """Wait for the pod's end, and show that nobody but the pod asked for it."""
    (pod,) = wait_for(lambda: [pod for pod in cloud.pods(name) if pod["gone_at"]], f"the end of {name}", timeout=60)
    asked = [
        each for each in cloud.status()["requests"] if each["operation"] == operation and each["pod_id"] == pod["id"]
    ]
    assert [each["status"] for each in asked][-1:] in ([200], [204])
    return pod


def test_a_pod_of_vast_ai_ends_itself_when_controller_and_guard_are_killed(cloud, job, playbook, module):
    """By a template with a start script of its own, which is run beside ours. Until then the lease is renewed."""
    template = module(
        vastai_template.main,
        "vastai",
        name="leased",
        image="pytorch/pytorch",
        tag="2.4.0-cuda12.4-cudnn9-devel",
        onstart="echo mine >/root/of-the-template",
    )["template"]
    del job.variables["train_image"]
    job.variables |= {"train_providers": ["vastai"], "train_template": template["name"], "train_lease_hours": HOURS}
    job.train(1000)
    process = playbook.start(job)
    first = wait_for(lambda: lease_of(job), "the lease of the pod")
    # From then on it was renewed, else the pod would not be there any more.
    wait_for(lambda: now() > first and "step 2\n" in playbook.output(), "the end of the first lease, and the training")
    assert lease_of(job) > first
    ssh = json.loads((job.run / "connection.json").read_text())["ssh"]
    assert ran(f"{ssh} cat /root/of-the-template", shell=True).stdout == "mine\n"
    for pid in (guard_of(job)["pid"], process.pid):
        os.kill(pid, signal.SIGKILL)
    ended_by_itself(cloud, f"podyard-{job.name}-", "vast.destroyInstance")
    assert guard_of(job)["state"] == "armed", "the guard was killed before it could do anything"


def test_a_pod_of_runpod_ends_itself_when_nobody_comes_back(cloud, module, tmp_path):
    """Its start command is the image's own, so that its lease is armed with the login, and nothing renews it after."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    rented = module(
        runpod_pod.main,
        "runpod",
        name="leased",
        image="runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
        gpus=["RTX 4090"],
        lease=4 / 3600,
        public_keys=[(tmp_path / "key.pub").read_text()],
        private_key_file=str(tmp_path / "key"),
        poll_interval=0.3,
        consistency_grace=3,
    )
    assert rented["pod"]["lease_ends_at"] and rented["pod"]["stage"] == "ready"
    ended_by_itself(cloud, "leased", "deletePod")
