# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What RunPod would refuse is found before it costs anything."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Cpu, Mount
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod import validation
from ansible_collections.podyard.gpu.tests.unit.fakes import cloud

CPU = {"gpu": "", "gpu_id": "", "gpu_count": 0, "cpu": Cpu("cpu5c", 4)}
ACCOUNT_KEY = "rpa_account_key"
DISK, NETWORK = Mount("disk", "/workspace", 50), Mount("network", "/workspace", volume_id="v1")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"public_keys": (cloud.KEY,)},
        {"env": {"PUBLIC_KEY": f"{cloud.KEY}\nssh-rsa AAAAB3Nz== me@home with words"}},
        {"env": {f"V{number}": "x" for number in range(49)}, "public_keys": (cloud.KEY,)},
        {"ports": ("22/tcp", "70022/tcp", *(f"{port}/http" for port in range(8000, 8010)))},
        {"volume": DISK},
        {"network_volume": NETWORK},
        {"min_cuda_version": "12.11"},
        {"cuda_versions": ("12.8", "13.0")},
        {"image": None, "template_id": "runpod-torch-v280"},
        {"cloud": None},
        {"gpu": "", "gpu_id": "", "gpu_count": 0, "cpu": Cpu("cpu5c", 4), "network_volume": NETWORK},
        {"min_ram_per_gpu": 64, "min_vcpu_count_per_gpu": 8},
        {"global_networking": True},
        {"template_id": "t", "disk_gb": None, "ports": None},
        {"ports": ()},
    ],
)
def test_what_is_right_passes(changes):
    validation.check(cloud.request("x", **changes), ACCOUNT_KEY)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "1 to 191"),
        ({"name": "x" * 192}, "has 192 characters"),
        ({"image": None}, "needs an image"),
        ({"gpu_count": 0}, "option gpu_count is 0"),
        ({"disk_gb": 0}, "option disk is 0"),
        ({"cloud": "ALL"}, "'ALL'"),
        ({"min_cuda_version": "12.8", "cuda_versions": ("12.8",)}, "exclude each other"),
        ({"min_cuda_version": "12"}, "written like 12.8"),
        ({"cuda_versions": ("12.8\n",)}, "written like 12.8"),
        ({"volume": DISK, "network_volume": NETWORK}, "exclude each other"),
        ({"volume": Mount("disk", "/w", 9)}, "option volume.size is 9"),
        ({"volume": Mount("disk", "workspace", 50)}, "absolute path"),
        ({"network_volume": Mount("network", "/w")}, "has no id"),
        ({"network_volume": NETWORK, "cloud": "COMMUNITY"}, "SECURE cloud only"),
        ({"ports": ("22",)}, "'22'"),
        ({"ports": ("22/udp",)}, "'22/udp'"),
        ({"ports": ("0/tcp",)}, "'0/tcp'"),
        ({"ports": tuple(f"{port}/http" for port in range(8000, 8011))}, "11 HTTP ports"),
        ({"env": {f"V{number}": "x" for number in range(51)}}, "51 environment variables"),
        ({"env": {f"V{number}": "x" for number in range(50)}, "public_keys": (cloud.KEY,)}, "51 environment"),
        ({"env": {"A": "x" * 102400}}, "the most is 102400"),
        ({"env": {"A=B": "x"}}, "cannot be the name"),
        ({"env": {"TOKEN": f"prefix {ACCOUNT_KEY}"}}, "TOKEN (option env) holds the account's API key"),
        ({"env": {"PUBLIC_KEY": "null"}}, "not a public SSH key: 'null'"),
        ({"public_keys": ("/root/.ssh/id.pub",)}, "not a public SSH key"),
        ({"env": {"PUBLIC_KEY": cloud.KEY}, "public_keys": (cloud.KEY,)}, "give one of them"),
        ({"args": "x" * 102400}, "mostly from the option args"),
        ({"volume": Mount("disk", "/", 50)}, "option volume.path is '/'"),
        ({"network_volume": Mount("network", None, volume_id="v1")}, "option network_volume.path is None"),
        ({"min_ram_per_gpu": 0}, "option min_ram_per_gpu is 0"),
        ({"min_vcpu_count_per_gpu": -1}, "option min_vcpu_count_per_gpu is -1"),
        ({**CPU, "cpu": Cpu("cpu5c", 1)}, "option cpu.vcpu_count is 1"),
        ({**CPU, "cpu": Cpu("cpu5c", 12)}, "option cpu.vcpu_count is 12"),
        ({**CPU, "min_ram_per_gpu": 64}, "option min_ram_per_gpu is for GPUs"),
        ({**CPU, "min_cuda_version": "12.8"}, "option min_cuda_version is for GPUs"),
        ({**CPU, "volume": DISK}, "CPU pods (option cpu) do not have"),
        ({**CPU, "global_networking": True}, "a CPU pod (option cpu) cannot have it"),
        ({"gpu_id": "AMD Instinct MI300X OAM", "global_networking": True}, "name an NVIDIA GPU"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(changes, words):
    with pytest.raises(BadRequest) as caught:
        validation.check(cloud.request(**changes), ACCOUNT_KEY)
    assert words in str(caught.value)
    assert "was not rented" in str(caught.value)
    assert ACCOUNT_KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "option name has 0 characters"),
        ({"disk_gb": 0}, "option disk is 0"),
        ({"ports": ["22"]}, "option ports holds '22'"),
        ({"mount_path": "data"}, "volume.path or network_volume.path is 'data'"),
        ({"env": {f"V{number}": "x" for number in range(51)}}, "option env has 51"),
        ({"env": {"TOKEN": ACCOUNT_KEY}}, "holds the account's API key"),
        ({"args": "x" * 102400}, "the most is 102400"),
    ],
)
def test_a_change_is_looked_at_likewise(changes, words):
    with pytest.raises(BadRequest) as caught:
        validation.check_changes(cloud.pod(), changes, ACCOUNT_KEY)
    assert words in str(caught.value)
    assert "was not changed" in str(caught.value)
    assert ACCOUNT_KEY not in str(caught.value)


def test_global_networking_needs_the_right_processor_also_later():
    with pytest.raises(BadRequest, match="CPU pod"):
        validation.check_changes(cloud.pod(cpu=Cpu("cpu5c", 4), gpu_id=None), {"global_networking": True}, ACCOUNT_KEY)
    with pytest.raises(BadRequest, match="NVIDIA"):
        validation.check_changes(cloud.pod(gpu_id="AMD Instinct MI300X OAM"), {"global_networking": True}, ACCOUNT_KEY)
    good = {"global_networking": True, "locked": True, "registry": None, "ports": (), "disk_gb": 40, "name": "x"}
    validation.check_changes(cloud.pod(), good, ACCOUNT_KEY)
