# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU pods and their catalogue; and what of the host a pod can ask for and is told."""

from __future__ import annotations

from typing import Any

import pytest
from stand_in import CAPACITY, Api, ServerThread, is_running, wanted

AVAILABLE = {"include": "AVAILABILITY", "product": "POD"}


def cpu(flavour: str = "cpu3c", count: int = 2) -> dict[str, Any]:
    return {"gpu": None, "cpu": {"id": flavour, "vcpuCount": count}}


def detail(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["detail"]


def test_catalogue(api: Api) -> None:
    found = api.get("/v2/catalog/cpus").json()["cpus"]
    assert [one["id"] for one in found] == ["cpu3c", "cpu3g", "cpu3m", "cpu5c", "cpu5g", "cpu5m"]
    assert found[0] == {
        "id": "cpu3c", "name": "Compute-Optimized", "group": "Gen 3", "vcpu": {"min": 2, "max": 32},
        "ramGbPerVcpu": 2, "price": {"securePerVcpu": 0.03, "serverlessPerVcpu": 0.0225},
    }  # fmt: skip
    assert api.get("/v2/catalog/cpus/cpu3c").json() == found[0]
    assert detail(api.get("/v2/catalog/cpus/cpu9x"), 404) == "resource not found"


def test_availability(api: Api) -> None:
    scarce = api.get("/v2/catalog/cpus/cpu5m", params=AVAILABLE).json()
    assert scarce["availability"] == "LOW"
    assert scarce["dataCenters"] == [{"id": "EU-SE-1", "name": "EU Sweden 1", "availability": "LOW"}]
    api.made(**cpu("cpu5m"))
    gone = api.get("/v2/catalog/cpus/cpu5m", params=AVAILABLE).json()
    assert gone["availability"] == "NONE" and "dataCenters" not in gone
    assert detail(api.create(**cpu("cpu5m")), 400) == CAPACITY
    many = api.get("/v2/catalog/cpus/cpu3c", params={**AVAILABLE, "vcpuCount": 32}).json()
    assert many["availability"] == "HIGH"
    serverless = api.get("/v2/catalog/cpus/cpu3c", params={**AVAILABLE, "product": "SERVERLESS"}).json()
    assert serverless["availability"] == "NONE"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"include": "AVAILABILITY"}, 400),
        ({"product": "POD"}, 400),
        ({"vcpuCount": "4"}, 400),
        ({**AVAILABLE, "vcpuCount": "3"}, 400),
        ({**AVAILABLE, "vcpuCount": "1"}, 422),
        ({**AVAILABLE, "product": "CLUSTER"}, 422),
    ],
)
def test_questions_refused(api: Api, query: dict[str, str], status: int) -> None:
    assert api.get("/v2/catalog/cpus", params=query).status_code == status


def test_data_centres_with_cpus(api: Api) -> None:
    place = api.get("/v2/catalog/datacenters/EU-SE-1", params={"include": "CPU_AVAILABILITY,GPU_AVAILABILITY"}).json()
    assert place["cpuAvailability"] == [{"id": "cpu5m", "name": "Memory-Optimized", "availability": "LOW"}]
    assert "cpu5m" not in [gpu["id"] for gpu in place["gpuAvailability"]]
    assert "cpuAvailability" not in api.get("/v2/catalog/datacenters/EU-SE-1").json()


def test_cpu_pod(sandbox: ServerThread, api: Api) -> None:
    pod = api.until(api.made(**cpu("cpu3g", 4))["id"], is_running)
    assert pod["cpu"] == {"id": "cpu3g", "vcpuCount": 4, "memory": 16} and "gpu" not in pod
    assert pod["cost"] == pytest.approx(0.16) and pod["cudaVersion"] is None and pod["runtime"]["gpus"] == []
    spec = sandbox.pods.specs[0]
    assert spec.gpu_count == 0
    assert (spec.env["RUNPOD_GPU_COUNT"], spec.env["RUNPOD_CPU_COUNT"]) == ("0", "4")
    assert api.act(pod["id"], "stop").status_code == 200
    assert api.act(pod["id"], "start").status_code == 200
    api.until(pod["id"], is_running)
    row = api.status()["pods"][0]
    assert (row["gpu"], row["gpu_count"], row["usd_per_hour"]) == ("cpu3g", 0, 0.16)
    assert api.delete(f"/v2/pods/{pod['id']}").status_code == 204


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (cpu(count=3), "power of two"),
        (cpu(count=64), "power of two from 2 to 32"),
        ({**cpu(), "globalNetworking": True}, "NVIDIA GPU"),
        ({**cpu(), "mounts": {"persistent": {"size": 10, "path": "/workspace"}}}, "not supported on CPU pods"),
        ({**cpu(), "gpu": wanted()["gpu"]}, "exactly one of gpu or cpu"),
    ],
)
def test_cpu_pod_refused(api: Api, changes: dict[str, Any], said: str) -> None:
    assert said in detail(api.create(**changes), 400)


def test_disk_cap(api: Api) -> None:
    assert api.create(**cpu(), disk=50).status_code == 201
    api.fault("cpu-disk-cap")
    assert detail(api.create(**cpu(), disk=21), 400) == "disk must be at most 20 GB"
    assert api.create(**cpu(), disk=20).status_code == 201
    assert api.create(disk=200).status_code == 201


def test_host_of_a_gpu_pod(api: Api) -> None:
    pod = api.made()
    assert pod["gpu"] == {"id": "NVIDIA GeForce RTX 4090", "count": 1, "vcpuCount": 8, "memory": 48}
    api.fault("older-service")
    assert api.pod(pod["id"])["gpu"] == {"id": "NVIDIA GeForce RTX 4090", "count": 1}


@pytest.mark.parametrize(("asked", "status"), [("minRamPerGpu", 48), ("minVcpuCountPerGpu", 8)])
def test_filters_of_the_host(api: Api, asked: str, status: int) -> None:
    gpu = wanted()["gpu"]
    assert api.create(gpu={**gpu, asked: status}).status_code == 201
    assert detail(api.create(gpu={**gpu, asked: status + 1}), 400) == CAPACITY
