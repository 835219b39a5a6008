# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's JSON <-> plain data: every nested field may be null or absent."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadAnswer
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Cpu, Endpoint, Mount, Pod
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod import wire
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples as examples


def test_a_running_pod_is_read_completely():
    pod = wire.pod(examples.RUNNING)
    assert pod == Pod(
        provider="runpod",
        id="7h9k2m4n6p",
        name="train-a1b2c3",
        phase="running",
        raw_status="RUNNING",
        gpu="RTX 4090",
        gpu_id="NVIDIA GeForce RTX 4090",
        gpu_count=1,
        usd_per_hour=0.69,
        region="EU-RO-1",
        cloud="SECURE",
        image="runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
        endpoint=Endpoint("203.0.113.9", 34446, "root", "direct"),
        created_at="2026-10-01T10:00:00Z",
        started_at="2026-10-01T10:02:10Z",
        actions=("stop", "restart", "terminate"),
        disk_gb=40,
        ports=("22/tcp",),
        mounts=(Mount("network", "/workspace", None, "agv6w2qcg7"),),
        cuda_version="12.8",
        uptime=95.0,
        utilisation={"gpus": [{"gpu": 7.0, "memory": 5.0}], "cpu": 3.0, "memory": 2.0},
        global_networking=False,
    )
    assert pod.env == {"RUN_ID": "a1b2c3"}


@pytest.mark.parametrize("field", [name for name in examples.RUNNING if name != "id"])
@pytest.mark.parametrize("value", [None, ..., {}, [], "", 0, "text", ["x"], {"direct": None, "id": None}])
def test_any_field_but_the_id_may_be_missing_or_strange(field, value):
    pod = wire.pod(examples.pod(**{field: value}))
    assert pod.id == "7h9k2m4n6p"
    pod.to_result()


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "--", "a b", "a\nb", "fe80::1%-x", "x@y", "$(id)", "a:1"])
def test_what_is_no_host_is_no_address(host):
    """It would be an argument of ssh. The pod itself is there, and can be ended."""
    direct = {"host": host, "port": 22022, "username": "root"}
    assert wire.pod(examples.pod(ssh={"direct": direct})).endpoint is None


@pytest.mark.parametrize("host", ["203.0.113.9", "pod-1.example.com", "2001:db8::1"])
def test_a_host_is_a_name_or_an_address(host):
    direct = {"host": host, "port": 22022, "username": "root"}
    assert wire.pod(examples.pod(ssh={"direct": direct})).endpoint == Endpoint(host, 22022)


@pytest.mark.parametrize("value", [None, {}, [], "x", {"id": None}, {"id": ""}])
def test_a_pod_without_an_id_is_not_dropped_silently(value):
    with pytest.raises(BadAnswer):
        wire.pod(value)


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("PROVISIONING", "provisioning"),
        ("STARTING", "starting"),
        ("RUNNING", "running"),
        ("EXITED", "stopped"),
        ("ERROR", "failed"),
        ("TERMINATED", "gone"),
        ("running", "running"),
        ("MIGRATING", "unknown"),
        (None, "unknown"),
    ],
)
def test_states_are_phases(status, phase):
    assert wire.pod(examples.pod(status=status)).phase == phase


@pytest.mark.parametrize("runtime", [None, {}, ...])
def test_running_without_telemetry_and_address_is_still_starting(runtime):
    assert wire.pod(examples.pod(runtime=runtime, ssh=None)).phase == "starting"
    assert wire.pod(examples.pod(runtime=runtime)).phase == "running"
    assert wire.pod(examples.pod(ssh={"direct": None})).phase == "running"


@pytest.mark.parametrize("status", ["EXITED", "STARTING", "TERMINATED"])
def test_a_pod_that_does_not_run_has_no_address_whatever_it_says(status):
    assert wire.pod(examples.pod(status=status)).endpoint is None


def test_a_cpu_pod_is_read_with_its_processor():
    pod = wire.pod(examples.pod(gpu=..., cpu={"id": "cpu5c", "vcpuCount": 4, "memory": 8}))
    assert (pod.cpu, pod.gpu, pod.gpu_count) == (Cpu("cpu5c", 4, 8.0), None, None)
    assert pod.to_result()["cpu"] == {"id": "cpu5c", "vcpu_count": 4, "memory_gb": 8.0}


def test_the_vcpus_of_a_gpu_pod_do_not_make_it_a_cpu_pod():
    pod = wire.pod(examples.pod(gpu={"id": "NVIDIA L4", "count": 1, "vcpuCount": 8, "memory": 62}))
    assert (pod.cpu, pod.gpu_id) == (None, "NVIDIA L4")


@pytest.mark.parametrize(
    ("value", "enabled", "host"),
    [
        ({"enabled": True, "ip": "10.65.1.42", "internalDns": "p.runpod.internal"}, True, "p.runpod.internal"),
        ({"enabled": False}, False, None),
        (None, None, None),
    ],
)
def test_global_networking_is_read_with_the_name_it_gives(value, enabled, host):
    pod = wire.pod(examples.pod(globalNetworking=value))
    assert (pod.global_networking, pod.internal_host) == (enabled, host)


def test_a_volume_disk_is_a_mount():
    pod = wire.pod(examples.pod(mounts={"persistent": {"size": 50, "path": "/workspace"}}))
    assert pod.mounts == (Mount("disk", "/workspace", 50),)


@pytest.mark.parametrize(
    ("gpu_id", "title"),
    [
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA  RTX A4500", "RTX A4500"),
        ("AMD Instinct MI300X OAM", "Instinct MI300X OAM"),
        ("NVIDIA", "NVIDIA"),
        (None, None),
    ],
)
def test_a_gpu_is_called_as_people_call_it(gpu_id, title):
    assert wire.gpu_title(gpu_id) == title


@pytest.mark.parametrize(
    ("words", "capacity"),
    [
        ("There are no longer any instances available with the requested specifications. Please refresh.", True),
        ("There are no longer any instances available with enough disk space.", True),
        ("There are no instances currently available", True),
        ("could not find any pods with required specifications", True),
        ("There are not enough free GPUs on the host machine to start this pod.", True),
        ("This machine does not have the resources to deploy your pod. Please try a different machine", True),
        ('Field "objectMounts" is not defined by type "PodFindAndDeployOnDemandInput"', False),
        ("request could not be processed", False),
        ("", False),
    ],
)
def test_capacity_has_no_code_only_words(words, capacity):
    assert wire.error_is_capacity(words) is capacity
