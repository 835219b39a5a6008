# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module gpu_info with a stand-in for nvidia-smi and, in place of torch, modules of that name."""

from __future__ import annotations

import json
import os
import sys

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.podyard.gpu.plugins.modules import gpu_info

SMI = """#!/bin/sh
case "$*" in
  *--query-gpu=index,name,uuid,memory.total,memory.free,utilization.gpu,driver_version*--format=csv,noheader,nounits*)
    echo '0, NVIDIA GeForce RTX 4090, GPU-1a, 24564, 24200, 0, 570.86.15'
    echo '1, NVIDIA GeForce RTX 4090, GPU-2b, 24564, 24200, [N/A], 570.86.15' ;;
  "") echo '| NVIDIA-SMI 570.86.15    Driver Version: 570.86.15    CUDA Version: 12.8     |' ;;
  *) echo "unknown: $*" >&2; exit 2 ;;
esac
"""
TORCH = """
__version__ = "2.8.0"
class version: cuda = "12.8"
class Row(tuple): pass
class Matrix:
    def __matmul__(self, other): return {(3, 5): %(sum)s}
def ones(*shape, device): return Matrix()
class cuda:
    is_available = staticmethod(lambda: %(available)s)
    device_count = staticmethod(lambda: 2)
    synchronize = staticmethod(lambda number: None)
"""


@pytest.fixture(name="pod")
def _pod(tmp_path, monkeypatch, capsys):
    """Runs the module on a pod whose programs and Python modules the test has written."""
    programs, modules = tmp_path / "programs", tmp_path / "modules"
    programs.mkdir(), modules.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", str(modules))

    class Pod:
        mount = tmp_path

        def program(self, name, text):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)

        def module(self, name, text):
            (modules / f"{name}.py").write_text(text)

        def measure(self, **arguments):
            capsys.readouterr()
            arguments = {"python": sys.executable, "mount": str(self.mount), **arguments}
            with patch_module_args(arguments), pytest.raises(SystemExit):
                gpu_info.main()
            return json.loads(capsys.readouterr().out)

    pod = Pod()
    pod.program("nvidia-smi", SMI)
    # This machine may have a torch; the module that a test writes comes before it.
    pod.module("torch", "raise ImportError")
    return pod


def test_a_pod_as_rented(pod):
    found = pod.measure(gpu="RTX 4090", gpu_count=2, min_cuda_version="12.8", min_disk_free_gb=0.001)
    assert found["problems"] == []
    assert found["changed"] is False
    assert found["driver_version"] == "570.86.15"
    assert found["cuda_version"] == "12.8"
    assert [gpu["index"] for gpu in found["gpus"]] == [0, 1]
    assert found["gpus"][0]["memory_total_mb"] == 24564
    assert found["gpus"][1]["utilization_percent"] is None
    assert found["torch"] is None
    assert found["python"]["version"] == "{}.{}.{}".format(*sys.version_info[:3])
    assert found["disk"]["writable"] is True
    assert found["disk"]["total_gb"] >= found["disk"]["free_gb"] > 0
    assert not list(pod.mount.glob(".podyard-*"))


def test_a_directory_that_can_be_made_will_do(pod):
    found = pod.measure(directory=str(pod.mount / "not" / "yet"))
    assert found["directory"]["usable"] is True and found["directory"]["path"] == str(pod.mount / "not" / "yet")
    assert found["problems"] == pod.measure()["problems"]
    assert pod.measure()["directory"] is None


def test_a_directory_that_nobody_can_make_is_a_problem(pod):
    found = pod.measure(directory="/proc/podyard")
    assert found["directory"]["usable"] is False
    assert any("/proc/podyard" in problem for problem in found["problems"])


def test_tools_are_found_or_null(pod):
    assert pod.measure(tools=["sh", "no-such-tool"])["tools"] == {"sh": "/usr/bin/sh", "no-such-tool": None}


def test_without_nvidia_smi(pod, monkeypatch, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    found = pod.measure(gpu_count=1)
    assert found["gpus"] == []
    assert found["problems"] == ["The pod has no usable GPU: there is no nvidia-smi."]


def test_nvidia_smi_that_fails_is_quoted(pod):
    pod.program("nvidia-smi", "#!/bin/sh\necho 'Failed to initialize NVML: Driver/library version mismatch'\nexit 18\n")
    problem = pod.measure()["problems"][0]
    assert "ended with 18: Failed to initialize NVML: Driver/library version mismatch" in problem


def test_torch_computes(pod):
    pod.module("torch", TORCH % {"sum": 512.0, "available": True})
    found = pod.measure()
    assert found["problems"] == []
    assert found["torch"]["version"] == "2.8.0"
    assert found["torch"]["devices"] == 2
    assert len(found["torch"]["milliseconds"]) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TORCH % {"sum": 511.0, "available": True}, "GPU 0 computes wrongly"),
        (TORCH % {"sum": 512.0, "available": False}, "it finds no usable GPU (built for CUDA 12.8)"),
        ("import os; os.kill(os.getpid(), 11)", "cannot compute on the GPU: it ended with"),
        ("import time; time.sleep(1000)", "no result after 1 s"),
        ("raise RuntimeError('libcudnn is missing')", "libcudnn is missing"),
    ],
)
def test_torch_that_cannot_compute_is_a_problem(pod, text, words):
    pod.module("torch", text)
    problems = pod.measure(compute_timeout=1 if "sleep" in text else 120)["problems"]
    assert len(problems) == 1
    assert words in problems[0]


def test_no_computation_where_none_is_wanted(pod):
    pod.module("torch", "raise SystemExit(9)")
    assert pod.measure(compute=False)["torch"] is None


def test_a_python_that_does_not_run(pod):
    pod.program("broken", "#!/bin/sh\necho 'bad interpreter' >&2\nexit 3\n")
    found = pod.measure(python="broken")
    assert found["python"]["version"] is None
    assert "bad interpreter" in found["problems"][0]
    assert pod.measure(python="no-such-python")["problems"] == ["There is no no-such-python on the pod."]


def test_a_missing_mount(pod):
    assert pod.measure(mount="/no/such/mount")["problems"] == ["There is no directory /no/such/mount on the pod."]


@pytest.mark.skipif(os.geteuid() != 0 and not os.path.isdir("/proc/self"), reason="needs /proc")
def test_a_mount_that_cannot_be_written(pod):
    problems = pod.measure(mount="/proc/self")["problems"]
    assert problems[0].startswith("/proc/self is not writable: ")


QUERY = """#!/bin/sh
case "$*" in
  --query-gpu=*) cat <<'END'
%s
END
  ;;
  *) echo '| Driver Version: 570.86.15    CUDA Version: 12.8 |' ;;
esac
"""
ROW = "0, NVIDIA GeForce RTX 4090, GPU-1a, 24564, 24200, 0, 570.86.15"


@pytest.mark.parametrize(
    "row",
    [
        "0, NVIDIA GeForce RTX 4090, GPU-1a, 24564, 24200, [GPU requires reset], 570.86.15",
        "0, NVIDIA GeForce RTX 4090, GPU-1a, [Unknown Error], [Unknown Error], [Unknown Error], 570.86.15",
        "0, NVIDIA GeForce RTX 4090, GPU-1a, 24564, ERR!, ERR!, 570.86.15",
        "0, [Unknown Error], [Unknown Error], 24564, 24200, 0, 570.86.15",
        "0, NVIDIA GeForce RTX 4090, GPU-1a, [GPU is lost], [GPU is lost], 0, 570.86.15",
        ROW + "\nUnable to determine the device handle for GPU1: 0000:41:00.0: Unknown Error",
    ],
)
def test_a_broken_gpu_is_a_problem_with_the_words_of_nvidia_smi(pod, row):
    pod.program("nvidia-smi", QUERY % row)
    told = [each for each in pod.measure(gpu="RTX 4090", gpu_count=1)["problems"] if "a broken GPU" in each]
    assert len(told) == 1
    assert any(word in told[0] for word in ("requires reset", "Unknown Error", "ERR!", "is lost"))


@pytest.mark.parametrize("cell", ["[N/A]", "[Not Supported]", "[Insufficient Permissions]", "N/A", "[Not Available]"])
def test_what_nvidia_smi_cannot_tell_is_unknown_and_no_problem(pod, cell, monkeypatch):
    warnings = []
    monkeypatch.setattr(gpu_info.AnsibleModule, "warn", lambda self, text: warnings.append(text))
    pod.program("nvidia-smi", QUERY % f"0, NVIDIA A100-SXM4-80GB, GPU-1a, {cell}, {cell}, {cell}, 570.86.15")
    found = pod.measure(gpu="A100 SXM4", gpu_count=1)
    assert found["problems"] == []
    assert warnings == []
    assert found["gpus"][0]["memory_free_mb"] is None


def test_a_cell_that_means_nothing_known_is_told(pod, monkeypatch):
    warnings = []
    monkeypatch.setattr(gpu_info.AnsibleModule, "warn", lambda self, text: warnings.append(text))
    pod.program("nvidia-smi", QUERY % ROW.replace(" 0,", " [Deprecated],"))
    found = pod.measure(gpu="RTX 4090", gpu_count=1)
    assert found["problems"] == []
    assert len(warnings) == 1 and "utilization.gpu of GPU '0' is '[Deprecated]'" in warnings[0]


@pytest.mark.parametrize(
    "warning", ["Warning: persistence mode is disabled.", "WARNING: infoROM is corrupted at gpu 1"]
)
def test_a_warning_of_nvidia_smi_condemns_nothing(pod, warning):
    pod.program("nvidia-smi", QUERY % f"{warning}\n{ROW}")
    assert pod.measure(gpu="RTX 4090", gpu_count=1)["problems"] == []


def test_gpus_of_amd_are_judged_by_what_torch_sees(pod):
    pod.program("nvidia-smi", "#!/bin/sh\nexit 9\n")
    pod.module("torch", TORCH % {"available": True, "sum": "512.0"})
    assert pod.measure(gpu="AMD Instinct MI300X OAM", gpu_count=2, min_cuda_version="12.8")["problems"] == []
    assert pod.measure(gpu="MI300X", gpu_count=4)["problems"] == ["torch sees 2 of 4 GPUs."]
    assert "no usable GPU" in pod.measure(gpu="RTX 4090", gpu_count=2)["problems"][0]
