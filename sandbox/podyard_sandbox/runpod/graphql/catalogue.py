# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPU types, CPU flavours and data centres; the figures are those of the REST catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podyard_sandbox.runpod import catalog
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.cpus import CPUS
from podyard_sandbox.runpod.gpus import GPUS, GpuType
from podyard_sandbox.runpod.places import DATA_CENTERS, DataCenter
from podyard_sandbox.runpod.stock import Wanted

_LEVELS = ("NONE", "LOW", "MEDIUM", "HIGH")


def catalogue_fields(cloud: Cloud) -> dict[str, Callable[..., Any]]:
    """The fields of the query's root."""

    def gpu_types(_info: Any, input: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        wanted = (input or {}).get("id")
        return [_gpu(cloud, gpu) for gpu in GPUS.values() if wanted in (None, gpu.id)]

    def data_centers(_info: Any) -> list[dict[str, Any]]:
        return [data_center(cloud, place) for place in DATA_CENTERS.values()]

    def cpu_types(_info: Any) -> list[dict[str, Any]]:
        return [{"id": cpu.id, "displayName": cpu.name} for cpu in CPUS.values()]

    return {"gpuTypes": gpu_types, "cpuTypes": cpu_types, "dataCenters": data_centers}


def data_center(cloud: Cloud, place: DataCenter) -> dict[str, Any]:
    """A data centre."""

    def gpu_availability(_info: Any) -> list[dict[str, Any]]:
        shown = catalog.get_data_center(cloud, place.id, {"include": "GPU_AVAILABILITY"})
        return [
            {"gpuTypeId": each["id"], "displayName": each["name"], "stockStatus": each["availability"].capitalize()}
            for each in shown.get("gpuAvailability", [])
        ]

    return {"id": place.id, "name": place.name, "location": place.country, "gpuAvailability": gpu_availability}


def _gpu(cloud: Cloud, gpu: GpuType) -> dict[str, Any]:
    def lowest_price(_info: Any, input: dict[str, Any] | None = None) -> dict[str, Any]:
        return _lowest_price(cloud, gpu, (input or {}).get("gpuCount") or 1, (input or {}).get("secureCloud"))

    return {
        "id": gpu.id,
        "displayName": gpu.name,
        "manufacturer": gpu.manufacturer,
        "memoryInGb": gpu.memory,
        "secureCloud": gpu.secure,
        "communityCloud": gpu.community,
        "securePrice": gpu.secure_price,
        "communityPrice": gpu.community_price,
        "maxGpuCount": max(cloud.stock.max_count(gpu.id, name) for name in ("SECURE", "COMMUNITY")),
        "lowestPrice": lowest_price,
    }


def _lowest_price(cloud: Cloud, gpu: GpuType, count: int, secure: bool | None) -> dict[str, Any]:
    """What is left of a GPU in one cloud or in both, and at what price; with spot withdrawn nobody can bid."""
    clouds = ("SECURE", "COMMUNITY") if secure is None else ("SECURE",) if secure else ("COMMUNITY",)
    shown = {name: _availability(cloud, gpu, count, name) for name in clouds}
    offered = [gpu.price(name) for name in clouds if gpu.offered(name)]
    counts = {
        number
        for name in clouds
        for machine in cloud.stock.fitting(Wanted(gpu.id, cloud=name))
        for number in range(1, machine.free + 1)
    }
    return {
        "stockStatus": max(shown.values(), key=_LEVELS.index).capitalize(),
        "uninterruptablePrice": min(offered) if offered else None,
        "minimumBidPrice": None,
        "availableGpuCounts": sorted(counts),
    }


def _availability(cloud: Cloud, gpu: GpuType, count: int, name: str) -> str:
    question = {"include": "AVAILABILITY", "product": "POD", "count": str(count), "cloud": name}
    return catalog.get_gpu(cloud, gpu.id, question)["availability"]
