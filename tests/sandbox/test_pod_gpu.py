# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nvidia-smi in a pod, in all the forms that people and programs use, and the load that the API tells."""

from __future__ import annotations

import re

import pytest
from pods_conftest import Lab, lab

from podyard_sandbox.pods import RunningPod

__all__ = ["lab"]

# Keeps one core busy and some memory taken, in its own session, until the pod ends.
TRAINING = "{env} setsid nohup python3 -c 'x = bytearray(300 << 20)\nwhile True: pass' > /dev/null 2>&1 < /dev/null &"


def query(lab: Lab, pod: RunningPod, fields: str, *words: str) -> list[str]:
    line = " ".join(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits", *words])
    return lab.ssh(pod, line, check=True).out.splitlines()


def test_list(lab: Lab) -> None:
    pod = lab.ready(gpu_name="NVIDIA H100 80GB HBM3", gpu_memory_gb=80, gpu_count=2)
    lines = lab.ssh(pod, "nvidia-smi -L", check=True).out.splitlines()
    uuid = r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    found = [re.fullmatch(rf"GPU (\d): NVIDIA H100 80GB HBM3 \(UUID: {uuid}\)", line) for line in lines]
    assert [match and match[1] for match in found] == ["0", "1"] and lines[0][-20:] != lines[1][-20:]
    assert lab.ssh(pod, "nvidia-smi --list-gpus -i 1", check=True).out.splitlines() == lines[1:]


def test_a_gpu_that_the_driver_does_not_find(lab: Lab) -> None:
    pod = lab.ready(gpu_lost=True)
    found = lab.ssh(pod, "nvidia-smi -L")
    assert (found.code, found.out) == (6, "No devices were found\n")


def test_table(lab: Lab) -> None:
    pod = lab.ready(gpu_count=2, driver_version="550.54.15", cuda_version="12.4")
    date, *lines = lab.ssh(pod, "nvidia-smi", check=True).out.splitlines()
    assert re.search(r"\d\d:\d\d:\d\d 20\d\d", date)
    assert {len(line) for line in lines} == {91}
    text = "\n".join(lines)
    assert re.search(r"NVIDIA-SMI 550\.54\.15 +Driver Version: 550\.54\.15 +CUDA Version: 12\.4 ", text)
    assert re.findall(r"^\| +(\d)  (NVIDIA GeForce RTX 4090) ", text, re.MULTILINE) == [
        ("0", "NVIDIA GeForce RTX 4090"),
        ("1", "NVIDIA GeForce RTX 4090"),
    ]
    assert text.count("1MiB /  24564MiB |      0%      Default |") == 2
    assert "No running processes found" in text and "sandbox" not in text


def test_query_with_header_and_units(lab: Lab) -> None:
    pod = lab.ready(driver_version="570.124.06")
    fields = (
        "index,name,memory.total,memory.used,memory.free,utilization.gpu,power.limit,driver_version,compute_cap,count"
    )
    header, row = lab.ssh(pod, f"nvidia-smi --query-gpu={fields} --format=csv", check=True).out.splitlines()
    assert header == (
        "index, name, memory.total [MiB], memory.used [MiB], memory.free [MiB], utilization.gpu [%], "
        "power.limit [W], driver_version, compute_cap, count"
    )
    assert row == "0, NVIDIA GeForce RTX 4090, 24564 MiB, 1 MiB, 24563 MiB, 0 %, 450.00 W, 570.124.06, 8.9, 1"


def test_query_without_header_and_units(lab: Lab) -> None:
    pod = lab.ready(gpu_count=2)
    assert query(lab, pod, "index,memory.total,utilization.gpu,pci.bus_id") == [
        "0, 24564, 0, 00000000:01:00.0",
        "1, 24564, 0, 00000000:02:00.0",
    ]


def test_query_knows_aliases_and_what_it_cannot_know(lab: Lab) -> None:
    pod = lab.ready(gpu_name="NVIDIA Something New", gpu_memory_gb=10)
    both = lab.ssh(pod, "nvidia-smi --query-gpu=gpu_name,gpu_uuid,timestamp --format=csv", check=True).out.splitlines()
    assert both[0] == "name, uuid, timestamp"
    assert re.search(r", GPU-\S+, 20\d\d/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3}$", both[1])
    assert query(lab, pod, "memory.total,compute_cap,power.limit,fan.speed") == ["10240, [N/A], [N/A], [N/A]"]


def test_one_gpu_of_several(lab: Lab) -> None:
    pod = lab.ready(gpu_count=3)
    uuids = query(lab, pod, "uuid")
    assert query(lab, pod, "index", "-i", "1") == ["1"]
    assert query(lab, pod, "index", "--id=0,2") == ["0", "2"]
    assert query(lab, pod, "index", "-i", uuids[2]) == ["2"]
    assert query(lab, pod, "index", "-i", "00000000:02:00.0") == ["1"]
    missing = lab.ssh(pod, "nvidia-smi -i 3")
    assert (missing.code, missing.out) == (6, "No devices were found\n")


@pytest.fixture(scope="module")
def refusals() -> list[tuple[str, str]]:
    return [
        ("--query-gpu=name,memory.totl --format=csv", 'Field "memory.totl" is not a valid field to query.\n\n'),
        ("--query-compute-apps=pid,nme --format=csv", 'Field "nme" is not a valid field to query.\n\n'),
        ("--query-gpu=name", "\"--format=\" switch is missing. Please run 'nvidia-smi -h' for help.\n"),
        (
            "--query-gpu=name --format=csv,xml",
            "\"xml\" is not a valid format option. Please run 'nvidia-smi -h' for help.\n",
        ),
        (
            "--query-gpu=name --format=noheader",
            "The format option \"csv\" is missing. Please run 'nvidia-smi -h' for help.\n",
        ),
        ("--nope", "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n"),
        ("nope", "Option \"nope\" is not recognized. Please run 'nvidia-smi -h'.\n"),
        ("-i", "Option \"-i\" requires an argument. Please run 'nvidia-smi -h' for help.\n"),
    ]


def test_what_it_refuses(lab: Lab, refusals: list[tuple[str, str]]) -> None:
    pod = lab.ready()
    for words, said in refusals:
        refused = lab.ssh(pod, f"nvidia-smi {words}")
        assert (refused.code, refused.out, refused.err) == (2, said, ""), words


def test_it_says_what_it_is_in_version_only(lab: Lab) -> None:
    pod = lab.ready(driver_version="550.54.15", cuda_version="12.4")
    version = lab.ssh(pod, "nvidia-smi --version", check=True).out.splitlines()
    assert version == [
        "NVIDIA-SMI version  : 550.54.15",
        "NVML version        : 550.54",
        "DRIVER version      : 550.54.15",
        "CUDA Version        : 12.4",
        "This is the stand-in of the podyard sandbox: there is no GPU behind it.",
    ]
    usage = lab.ssh(pod, "nvidia-smi --help", check=True).out
    assert "--query-gpu=" in usage and "podyard" not in usage
    assert '"memory.total"' in lab.ssh(pod, "nvidia-smi --help-query-gpu", check=True).out.splitlines()
    # Nothing that a user looks at on purpose tells it either.
    assert "PODYARD" not in lab.ssh(pod, "env; cat /proc/1/environ /etc/rp_environment", check=True).out.upper()


def test_load_rises_while_something_computes_and_falls_after(lab: Lab) -> None:
    pod = lab.ready()
    assert query(lab, pod, "utilization.gpu,memory.used") == ["0, 1"]
    lab.ssh(pod, TRAINING.format(env=""), check=True)

    def busy() -> bool:
        load, memory = map(int, query(lab, pod, "utilization.gpu,memory.used")[0].split(", "))
        return load >= 5 and memory >= 300

    lab.until(busy, "a busy GPU")
    header, row = lab.ssh(
        pod, "nvidia-smi --query-compute-apps=pid,process_name,used_memory,gpu_uuid --format=csv", check=True
    ).out.splitlines()
    assert header == "pid, process_name, used_gpu_memory [MiB], gpu_uuid"
    pid, name, memory, uuid = row.split(", ")
    assert name == "python3" and memory.endswith(" MiB") and [uuid] == query(lab, pod, "uuid")
    assert re.search(rf" {pid} +C +python3 +\d+MiB \|", lab.ssh(pod, "nvidia-smi", check=True).out)
    lab.until(lambda: lab.runtime.utilisation("p1").gpu_percent >= 5, "the load told by the API")
    told = lab.runtime.utilisation("p1")
    assert told.gpu_memory_percent >= 1.0 and told.cpu_percent > 0 and told.memory_percent > 0
    lab.ssh(pod, f"kill {pid}", check=True)
    lab.until(lambda: query(lab, pod, "utilization.gpu,memory.used") == ["0, 1"], "an idle GPU")
    lab.until(lambda: lab.runtime.utilisation("p1").gpu_percent == 0, "the end of the load told by the API")
    assert lab.ssh(pod, "nvidia-smi --query-compute-apps=pid --format=csv,noheader", check=True).out == ""


def test_each_process_is_on_its_own_gpu(lab: Lab) -> None:
    pod = lab.ready(gpu_count=3)
    lab.ssh(pod, TRAINING.format(env="CUDA_VISIBLE_DEVICES=0,2 LOCAL_RANK=1"), check=True)
    lab.until(lambda: int(query(lab, pod, "utilization.gpu")[2]) >= 5, "load on the third GPU")
    assert query(lab, pod, "utilization.gpu", "-i", "0,1") == ["0", "0"]
    lab.until(lambda: lab.runtime.utilisation("p1").gpus[2].gpu_percent >= 5, "the load told by the API")
    assert [gpu.gpu_percent for gpu in lab.runtime.utilisation("p1").gpus[:2]] == [0, 0]


def test_what_only_manages_is_no_load(lab: Lab) -> None:
    pod = lab.ready()
    lab.ssh(pod, "setsid nohup sh -c 'while :; do :; done' > /dev/null 2>&1 < /dev/null &", check=True)
    lab.ssh(
        pod,
        "(echo 'while True: pass' | setsid nohup python3 > /dev/null 2>&1) < /dev/null > /dev/null 2>&1 &",
        check=True,
    )
    lab.until(lambda: lab.runtime.utilisation("p1").cpu_percent > 10, "a busy CPU")
    assert query(lab, pod, "utilization.gpu") == ["0"]
    assert lab.runtime.utilisation("p1").gpu_percent == 0


def test_load_of_a_pod_that_does_not_run_is_nothing(lab: Lab) -> None:
    lab.start()
    lab.do(lab.runtime.stop("p1"))
    assert lab.runtime.utilisation("p1").gpu_percent == 0
