# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a pod is not what was rented, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._module.gpu_info import problems, same_gpu


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("4090", "NVIDIA GeForce RTX 4090"),
        ("RTX A6000", "NVIDIA RTX A6000"),
        ("RTX 6000 Ada", "NVIDIA RTX 6000 Ada Generation"),
        ("A100 PCIe", "NVIDIA A100 80GB PCIe"),
        ("A100 SXM 80GB", "NVIDIA A100-SXM4-80GB"),
        ("H100 SXM", "NVIDIA H100 80GB HBM3"),
        ("L40S", "NVIDIA L40S"),
        ("RTX PRO 6000", "NVIDIA RTX PRO 6000 Blackwell Server Edition"),
        ("Tesla V100", "Tesla V100-SXM2-16GB"),
    ],
)
def test_names_of_the_same_gpu(wanted, found):
    assert same_gpu(wanted, found)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("RTX 4090", "NVIDIA GeForce RTX 3090"),
        ("RTX 4070", "NVIDIA GeForce RTX 4070 Ti"),
        ("RTX 4070 Ti", "NVIDIA GeForce RTX 4070"),
        ("RTX 4080", "NVIDIA GeForce RTX 4080 SUPER"),
        ("RTX 4090", "NVIDIA GeForce RTX 4090 D"),
        ("L40", "NVIDIA L40S"),
        ("RTX A6000", "NVIDIA RTX 6000 Ada Generation"),
        ("A100 80GB", "NVIDIA A100-SXM4-40GB"),
    ],
)
def test_names_of_different_gpus(wanted, found):
    assert not same_gpu(wanted, found)


WISHES = dict.fromkeys(
    ("gpu_count", "gpu", "min_cuda_version", "min_driver_version", "min_free_gpu_memory_gb", "min_disk_free_gb",
     "min_python_version")
)  # fmt: skip
GPU = {"index": 0, "name": "NVIDIA GeForce RTX 4090", "memory_total_mb": 24564, "memory_free_mb": 24200}


def found(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "gpus": [GPU],
        "driver_version": "570.86.15",
        "cuda_version": "12.8",
        "disk": {
            "path": "/workspace", "exists": True, "writable": True, "network": False, "free_gb": 50.0, "error": None,
        },
        "python": {"path": "/usr/bin/python3", "version": "3.12.3", "error": None},
        "torch": {"version": "2.8", "cuda": "12.8", "devices": 1, "milliseconds": [0.1], "error": None},
    }  # fmt: skip
    for name, value in changes.items():
        base[name] = {**base.get(name, {}), **value} if isinstance(value, dict) else value
    return base


def told(have, error=None, **wishes):
    return problems({**WISHES, "python": "python3", **wishes}, have, error)


def test_a_good_pod_has_no_problem():
    wishes = {
        "gpu": "RTX 4090", "gpu_count": 1, "min_cuda_version": "12.8", "min_driver_version": "550",
        "min_free_gpu_memory_gb": 23, "min_disk_free_gb": 50, "min_python_version": "3.9",
    }  # fmt: skip
    assert told(found(), **wishes) == []


@pytest.mark.parametrize(
    ("wishes", "have", "words"),
    [
        ({"gpu_count": 2}, {}, "2 GPUs were rented, but the pod has 1."),
        ({"gpu": "H100"}, {}, "GPU 0 is of the model NVIDIA GeForce RTX 4090, but H100 was rented."),
        (
            {"min_cuda_version": "12.9"},
            {},
            "The CUDA version that the driver supports is 12.8, but at least 12.9 is needed.",
        ),
        ({"min_cuda_version": "12.9"}, {"cuda_version": None}, "is unknown, but at least 12.9 is needed."),
        ({"min_driver_version": "580"}, {}, "The NVIDIA driver version is 570.86.15, but at least 580 is needed."),
        ({"min_free_gpu_memory_gb": 24}, {}, "GPU 0 has 23.6 GiB of free memory, but 24 GiB are needed."),
        (
            {},
            {"gpus": [{**GPU, "memory_free_mb": 4000}]},
            "20.1 of the 24.0 GiB of memory of GPU 0 are in use before the training",
        ),
        ({"min_disk_free_gb": 60}, {}, "/workspace has 50.0 GiB of free space, but 60 GiB are needed."),
        ({}, {"disk": {"exists": False}}, "There is no directory /workspace on the pod."),
        (
            {},
            {"directory": {"path": "/workspace", "usable": False, "user": "ubuntu"}},
            "SSH logs in as the user ubuntu, who can neither write to /workspace nor create it: choose a directory",
        ),
        ({}, {"disk": {"writable": False, "error": "Read-only file system"}}, "/workspace is not writable: Read-only"),
        ({}, {"python": {"path": None}}, "There is no python3 on the pod."),
        ({}, {"python": {"version": None, "error": "exec format error"}}, "does not run: exec format error."),
        ({"min_python_version": "3.13"}, {}, "/usr/bin/python3 is Python 3.12.3, but at least 3.13 is needed."),
        ({}, {"torch": {"error": "no kernel image"}}, "torch 2.8 cannot compute on the GPU: no kernel image."),
        ({}, {"torch": {"devices": 0}}, "torch sees 0 of 1 GPUs."),
    ],
)
def test_each_problem_is_one_sentence(wishes, have, words):
    sentences = told(found(**have), **wishes)
    assert len(sentences) == 1
    assert words in sentences[0]


def test_free_space_of_a_network_volume_says_nothing():
    assert told(found(disk={"network": True, "free_gb": 0.0}), min_disk_free_gb=100) == []


def test_without_nvidia_smi_the_other_gpu_wishes_are_not_repeated():
    sentences = told(found(gpus=[], torch=None), "there is no nvidia-smi", gpu="RTX 4090", gpu_count=1)
    assert sentences == ["The pod has no usable GPU: there is no nvidia-smi."]
