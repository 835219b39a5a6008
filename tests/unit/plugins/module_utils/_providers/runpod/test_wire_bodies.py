# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain data -> RunPod's JSON: what is asked for, in its words, and nothing else."""

from __future__ import annotations

import json

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Cpu, Mount
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod import wire
from ansible_collections.podyard.gpu.tests.unit.fakes import cloud
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples as examples

NETWORK = {"network": [{"volumeId": "v1", "path": "/data"}]}


def test_a_create_names_count_disk_ports_and_key_explicitly_and_nothing_unasked():
    body = wire.create_body(cloud.request("x", public_keys=(cloud.KEY, "ssh-rsa AAAA other"), env={"A": "1"}))
    assert body == {
        "name": "x",
        "image": cloud.IMAGE,
        "gpu": {"id": "NVIDIA RTX 4090", "count": 1},
        "cloud": "SECURE",
        "disk": 20,
        "ports": ["22/tcp"],
        "env": {"A": "1", "PUBLIC_KEY": f"{cloud.KEY}\nssh-rsa AAAA other"},
        "startSsh": True,
    }


def test_a_create_with_everything():
    request = cloud.request(
        "x",
        gpu_count=2,
        regions=("eu-ro-1", "US-IL-1"),
        min_cuda_version="12.8",
        volume=Mount("disk", "/workspace", 50),
        registry="reg1",
        args="bash -lc 'sleep infinity'",
        template_id="tpl",
        ports=("22/tcp", "8888/http"),
    )
    body = wire.create_body(request)
    assert body["gpu"] == {"id": "NVIDIA RTX 4090", "count": 2, "minCudaVersion": "12.8"}
    assert body["dataCenterIds"] == ["EU-RO-1", "US-IL-1"]
    assert body["mounts"] == {"persistent": {"size": 50, "path": "/workspace"}}
    assert body["args"] == "bash -lc 'sleep infinity'"
    assert (body["registry"], body["templateId"]) == ("reg1", "tpl")
    assert body["ports"] == ["22/tcp", "8888/http"]


def test_a_create_with_a_network_volume_and_exact_cuda_versions():
    volume = Mount("network", "/workspace", volume_id="v1")
    body = wire.create_body(cloud.request("x", network_volume=volume, cuda_versions=("12.8",)))
    assert body["mounts"] == {"network": [{"volumeId": "v1", "path": "/workspace"}]}
    assert body["gpu"]["allowedCudaVersions"] == ["12.8"]


def test_a_change_says_what_differs_in_the_services_words():
    now = wire.pod(examples.pod(mounts={"persistent": {"size": 50, "path": "/data"}}))
    changes = {"disk_gb": 60, "ports": ("22/tcp",), "env": {"A": "1"}, "volume_size_gb": 80, "registry": None}
    assert wire.update_body(changes, now) == {
        "registry": None,
        "disk": 60,
        "ports": ["22/tcp"],
        "env": {"A": "1"},
        "mounts": {"persistent": {"size": 80, "path": "/data"}},
    }


def test_a_create_of_a_cpu_pod_has_no_gpu():
    body = wire.create_body(cloud.request("x", gpu="", gpu_id="", gpu_count=0, cpu=Cpu("cpu5c", 4, 8.0)))
    assert body["cpu"] == {"id": "cpu5c", "vcpuCount": 4}
    assert "gpu" not in body


def test_what_a_template_decides_is_left_out():
    body = wire.create_body(cloud.request("x", image=None, template_id="tpl", disk_gb=None, ports=None))
    assert body == {
        "name": "x",
        "templateId": "tpl",
        "gpu": {"id": "NVIDIA RTX 4090", "count": 1},
        "cloud": "SECURE",
        "env": {},
        "startSsh": True,
    }


def test_switches_and_newer_filters_are_sent_only_when_they_are_asked_for():
    body = wire.create_body(
        cloud.request(
            "x",
            min_ram_per_gpu=64,
            min_vcpu_count_per_gpu=8,
            global_networking=True,
            start_ssh=False,
            start_jupyter=True,
            ports=(),
        )
    )
    assert body["gpu"] == {"id": "NVIDIA RTX 4090", "count": 1, "minRamPerGpu": 64, "minVcpuCountPerGpu": 8}
    assert (body["globalNetworking"], body["startSsh"], body["startJupyter"], body["ports"]) == (True, False, True, [])
    plain = wire.create_body(cloud.request("x"))
    assert not {"globalNetworking", "startJupyter"} & set(plain)


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "args"),
    [
        (None, ["bash", "-lc", "python x"], "bash -lc 'python x'"),
        ([], ["sleep", "infinity"], "sleep infinity"),
        (["/bin/sh", "-c"], ["sleep infinity"], {"entrypoint": ["/bin/sh", "-c"], "cmd": ["sleep infinity"]}),
        (["/init"], None, {"entrypoint": ["/init"]}),
        ([], [], ""),
        (None, None, ""),
    ],
)
def test_a_start_command_is_one_text_that_every_service_takes(entrypoint, cmd, args):
    made = wire.start_command(entrypoint, cmd)
    assert (json.loads(made) if isinstance(args, dict) else made) == args


@pytest.mark.parametrize(
    ("mounts", "changes", "body"),
    [
        (
            {"persistent": {"size": 50, "path": "/data"}},
            {"mount_path": "/w"},
            {"persistent": {"size": 50, "path": "/w"}},
        ),
        (
            {"persistent": {"size": 50, "path": "/data"}},
            {"mount_path": "/w", "volume_size_gb": 80},
            {"persistent": {"size": 80, "path": "/w"}},
        ),
        (NETWORK, {"mount_path": "/w"}, {"network": [{"volumeId": "v1", "path": "/w"}]}),
    ],
)
def test_the_entry_of_a_mount_is_always_complete(mounts, changes, body):
    assert wire.update_body(changes, wire.pod(examples.pod(mounts=mounts))) == {"mounts": body}


def test_switches_of_a_pod_that_is_there():
    now = wire.pod(examples.RUNNING)
    changes = {"locked": True, "global_networking": False, "registry": None, "ports": ()}
    assert wire.update_body(changes, now) == {
        "locked": True,
        "globalNetworking": False,
        "registry": None,
        "ports": [],
    }
