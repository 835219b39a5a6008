# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``/v2/catalog``: GPUs and data centres, with their availability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podyard_sandbox.runpod.cloud import Cloud, machine_facts
from podyard_sandbox.runpod.cpus import CPUS
from podyard_sandbox.runpod.data_centers import DATA_CENTERS, DataCenter
from podyard_sandbox.runpod.gpus import GPUS, GpuType
from podyard_sandbox.runpod.problems import Problem, not_found
from podyard_sandbox.runpod.stock import Machine, MachineRequest, level, version
from podyard_sandbox.runpod.validation import number, one_of, words

_PRODUCTS = ("POD", "CLUSTER", "SERVERLESS")
_FILTERS = ("count", "cloud", "countryCodes", "cudaVersions", "minCudaVersion", "product")
_REGIONS = (
    "NORTH_AMERICA", "SOUTH_AMERICA", "EUROPE", "ASIA", "MIDDLE_EAST", "AFRICA", "OCEANIA", "ANTARCTICA", "UNKNOWN",
)  # fmt: skip
_COMPLIANCE = (
    "GDPR", "ISO_IEC_27001", "ISO_14001", "PCI_DSS", "HITRUST", "SOC_1_TYPE_2", "SOC_2_TYPE_2", "SOC_3_TYPE_2",
    "ITAR", "FISMA_HIGH", "HIPAA", "RENEWABLE",
)  # fmt: skip


class _GpuFilter:
    """The filter of a query to the GPU catalogue; ``asked`` says whether it asks for availability.

    Raises:
        Problem: 400 if the parameters contradict each other, 422 if one is malformed.
    """

    def __init__(self, query: Mapping[str, str]) -> None:
        self.asked = bool(one_of(query, "include", ("AVAILABILITY",)))
        products = one_of(query, "product", _PRODUCTS)
        clouds = one_of(query, "cloud", ("SECURE", "COMMUNITY"))
        self.count = number(query, "count", 1, low=1)
        self.cloud = clouds[0] if clouds else "SECURE"
        self.countries = words(query, "countryCodes", "[A-Z]{2}")
        self.cuda_versions = words(query, "cudaVersions", r"\d+\.\d+")
        floors = words(query, "minCudaVersion", r"\d+(\.\d+)?")
        self.min_cuda = floors[0] if floors else None
        if self.asked and not products:
            raise Problem(400, "product is required with include=AVAILABILITY")
        for name in _FILTERS:
            if not self.asked and name in query:
                raise Problem(400, f"{name} is only valid with include=AVAILABILITY")
        if self.cuda_versions and self.min_cuda is not None:
            raise Problem(400, "cudaVersions and minCudaVersion are mutually exclusive")
        # Availability differs by product, and the sandbox has machines for pods only.
        self.pods = "POD" in products

    def machines(self, cloud: Cloud, gpu_id: str) -> list[Machine]:
        """Return the machines of a GPU type that pass the filter, fully rented ones included."""
        if not self.pods:
            return []
        wanted = MachineRequest(
            gpu_id,
            self.count,
            self.cloud,
            countries=self.countries,
            cuda_versions=self.cuda_versions,
            min_cuda=self.min_cuda,
        )
        return cloud.stock.fitting(wanted)


def list_gpus(cloud: Cloud, query: Mapping[str, str]) -> dict[str, Any]:
    """Answer ``GET /v2/catalog/gpus``; with countryCodes, only the GPUs in those countries."""
    gpu_filter = _GpuFilter(query)
    gpus = [gpu for gpu in GPUS.values() if not gpu_filter.countries or gpu_filter.machines(cloud, gpu.id)]
    return {"gpus": [_gpu(cloud, gpu, gpu_filter) for gpu in gpus]}


def get_gpu(cloud: Cloud, gpu_id: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Answer ``GET /v2/catalog/gpus/{id}``."""
    gpu_filter = _GpuFilter(query)
    if gpu_id not in GPUS:
        raise not_found()
    return _gpu(cloud, GPUS[gpu_id], gpu_filter)


def list_data_centers(cloud: Cloud, query: Mapping[str, str]) -> dict[str, Any]:
    """Answer ``GET /v2/catalog/datacenters``: regions are combined by OR, all other filters by AND."""
    include = _data_center_include(query)
    regions = one_of(query, "regions", _REGIONS)
    volumes = one_of(query, "networkVolumeTypes", ("STANDARD", "HIGH_PERFORMANCE"))
    compliance = one_of(query, "compliance", _COMPLIANCE)
    networks = one_of(query, "globalNetwork", ("true", "false"))
    found = [
        place
        for place in DATA_CENTERS.values()
        if (not regions or place.region in regions)
        and set(volumes) <= set(place.volume_types)
        and set(compliance) <= set(place.compliance)
        and (not networks or place.global_network == (networks[0] == "true"))
    ]
    return {"dataCenters": [_data_center(cloud, place, include) for place in found]}


def get_data_center(cloud: Cloud, place_id: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Answer ``GET /v2/catalog/datacenters/{id}``."""
    include = _data_center_include(query)
    if place_id not in DATA_CENTERS:
        raise not_found()
    return _data_center(cloud, DATA_CENTERS[place_id], include)


def _data_center_include(query: Mapping[str, str]) -> tuple[str, ...]:
    return one_of(query, "include", ("GPU_AVAILABILITY", "CPU_AVAILABILITY"))


def _gpu(cloud: Cloud, gpu: GpuType, gpu_filter: _GpuFilter) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": gpu.id,
        "name": gpu.name,
        "pool": gpu.pool,
        "manufacturer": gpu.manufacturer,
        "memory": gpu.memory,
        "secure": gpu.secure,
        "community": gpu.community,
        "price": {"secure": gpu.secure_price, "community": gpu.community_price},
        "maxCount": {
            "secure": cloud.stock.max_count(gpu.id, "SECURE"),
            "community": cloud.stock.max_count(gpu.id, "COMMUNITY"),
        },
    }
    if not gpu_filter.asked:
        return shown
    machines = gpu_filter.machines(cloud, gpu.id)
    rest = left(cloud, machines)
    shown["availability"] = level(rest, gpu_filter.count)
    if shown["availability"] != "NONE":
        shown["dataCenters"] = data_center_levels(cloud, machines, gpu_filter.count)
    versions = sorted({machine.cuda for machine in machines if machine.cuda is not None}, key=version)
    if versions:
        shown["cudaVersions"] = [
            {"version": cuda, "available": any(m.cuda == cuda and m.free >= gpu_filter.count for m in rest)}
            for cuda in versions
        ]
    return shown


def data_center_levels(cloud: Cloud, machines: Sequence[Machine], count: int) -> list[dict[str, Any]]:
    """Return the availability of some machines in each of their data centres."""
    rest = left(cloud, machines)
    return [
        {"id": place, "name": DATA_CENTERS[place].name, "availability": level(_at(rest, place), count)}
        for place in dict.fromkeys(machine.data_center for machine in machines)
    ]


def left(cloud: Cloud, machines: Sequence[Machine]) -> list[Machine]:
    """Return the machines without those that a fault shows as fully rented."""
    return [machine for machine in machines if not _shown_full(cloud, machine)]


def _shown_full(cloud: Cloud, machine: Machine) -> bool:
    fault = cloud.faults.peek("no-capacity", **machine_facts(machine))
    return fault is not None and fault.params["catalogue"]


def _at(machines: Sequence[Machine], place: str) -> list[Machine]:
    return [machine for machine in machines if machine.data_center == place]


def _data_center(cloud: Cloud, place: DataCenter, include: tuple[str, ...]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": place.id,
        "name": place.name,
        "region": place.region,
        "globalNetwork": place.global_network,
        "networkVolumeTypes": list(place.volume_types),
        "compliance": list(place.compliance),
    }
    machines = _at(cloud.stock.machines, place.id)
    rest = left(cloud, machines)
    for kind, known, least in (("GPU", GPUS, 1), ("CPU", CPUS, 2)):
        offered = [each for each in dict.fromkeys(machine.gpu_id for machine in machines) if each in known]
        if f"{kind}_AVAILABILITY" in include and offered:
            shown[f"{kind.lower()}Availability"] = [
                {"id": each, "name": known[each].name, "availability": level(_of(rest, each), least)}
                for each in offered
            ]
    return shown


def _of(machines: Sequence[Machine], kind: str) -> list[Machine]:
    return [machine for machine in machines if machine.gpu_id == kind]
