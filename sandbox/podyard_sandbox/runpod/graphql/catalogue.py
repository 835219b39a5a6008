# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPU types, CPU flavours and data centres; the figures are those of the REST catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podyard_sandbox.runpod import catalogue
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.cpus import CPUS, CpuType
from podyard_sandbox.runpod.data_centers import DATA_CENTERS, DataCenter
from podyard_sandbox.runpod.gpus import GPUS, GpuType
from podyard_sandbox.runpod.graphql.machine_filter import MachineFilter
from podyard_sandbox.runpod.stock import MachineRequest, level

# Price lists query these without a key.
PUBLIC = ("gpuTypes", "cpuTypes", "cpuFlavors", "dataCenters", "countryCodes")
_DISK_PER_VCPU = 10  # GB; the service's figure for its small flavours


def catalogue_fields(cloud: Cloud) -> dict[str, Callable[..., Any]]:
    """Return the resolvers of the catalogue's fields."""

    def gpu_types(_info: Any, input: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        given = input or {}
        one, some = given.get("id"), given.get("ids")
        if given.get("cluster"):
            return []  # nothing here comes in clusters
        return [_gpu(cloud, gpu) for gpu in GPUS.values() if one in (None, gpu.id) and (some is None or gpu.id in some)]

    def data_centers(_info: Any) -> list[dict[str, Any]]:
        return [data_center(cloud, place) for place in DATA_CENTERS.values()]

    def cpu_types(_info: Any) -> list[dict[str, Any]]:
        return [{"id": cpu.id, "displayName": cpu.name} for cpu in CPUS.values()]

    def cpu_flavors(_info: Any) -> list[dict[str, Any]]:
        return [_flavour(cloud, cpu) for cpu in CPUS.values()]

    def country_codes(_info: Any) -> list[str]:
        return sorted({place.country for place in DATA_CENTERS.values()})

    return {
        "gpuTypes": gpu_types,
        "cpuTypes": cpu_types,
        "cpuFlavors": cpu_flavors,
        "dataCenters": data_centers,
        "countryCodes": country_codes,
    }


def data_center(cloud: Cloud, place: DataCenter) -> dict[str, Any]:
    """Return a data centre as this API shows it."""

    def gpu_availability(_info: Any, input: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        return MachineFilter(cloud, input or {}).availability(place.id)

    return {
        "id": place.id,
        "name": place.name,
        "location": place.country,
        "storageSupport": bool(place.volume_types),
        "listed": True,
        "compliance": list(place.compliance),
        "gpuAvailability": gpu_availability,
    }


def _gpu(cloud: Cloud, gpu: GpuType) -> dict[str, Any]:
    def lowest_price(_info: Any, input: dict[str, Any] | None = None) -> dict[str, Any]:
        return MachineFilter(cloud, input or {}).lowest_price(gpu)

    secure, community = (cloud.stock.max_count(gpu.id, name) for name in ("SECURE", "COMMUNITY"))
    return {
        "id": gpu.id,
        "displayName": gpu.name,
        "manufacturer": gpu.manufacturer,
        "memoryInGb": gpu.memory,
        "secureCloud": gpu.secure,
        "communityCloud": gpu.community,
        "securePrice": gpu.secure_price,
        "communityPrice": gpu.community_price,
        "maxGpuCount": max(secure, community),
        "maxGpuCountSecureCloud": secure,
        "maxGpuCountCommunityCloud": community,
        "minPodGpuCount": 1,
        "nodeGroupDatacenters": [],
        "lowestPrice": lowest_price,
    }


def _flavour(cloud: Cloud, cpu: CpuType) -> dict[str, Any]:
    def specifics(_info: Any, input: dict[str, Any] | None = None) -> dict[str, Any]:
        given = input or {}
        size = (given.get("instanceId") or f"{cpu.id}-{cpu.min_vcpus}").split("-")
        count = int(size[1]) if len(size) > 1 and size[1].isascii() and size[1].isdigit() and len(size[1]) < 9 else 0
        if size[0] != cpu.id or not cpu.fits(count):
            return {}
        places = (given["dataCenterId"],) if given.get("dataCenterId") else ()
        machines = cloud.stock.fitting(MachineRequest(cpu.id, count, data_centers=places))
        left = catalogue.left(cloud, machines)
        return {
            "stockStatus": level(left, count).capitalize() if machines else None,
            "securePrice": cpu.price(count),
            "slsPrice": round(cpu.serverless_price * count, 4),
        }

    return {
        "id": cpu.id,
        "groupId": cpu.id[:4],
        "displayName": cpu.name,
        "minVcpu": cpu.min_vcpus,
        "maxVcpu": cpu.max_vcpus,
        "ramMultiplier": cpu.ram,
        "diskLimitPerVcpu": _DISK_PER_VCPU,
        "specifics": specifics,
    }
