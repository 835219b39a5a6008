# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine filter of a catalogue query, and what it finds of a GPU type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from podyard_sandbox.runpod import catalogue
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.data_centers import DATA_CENTERS
from podyard_sandbox.runpod.gpus import GPUS, GpuType
from podyard_sandbox.runpod.problems import Problem
from podyard_sandbox.runpod.stock import Machine, MachineRequest, level, malformed_version

CLOUDS = ("SECURE", "COMMUNITY")


def data_centers_of(given: Mapping[str, Any], named: list[str]) -> list[str] | None:
    """Return the data centres that match country, certificates and network; None if nothing is filtered."""
    country, compliance = given.get("countryCode"), {each for each in given.get("compliance") or () if each}
    networked = bool(given.get("globalNetwork"))
    if not country and not compliance and not networked:
        return named or None
    return [
        place.id
        for place in DATA_CENTERS.values()
        if (not named or place.id in named)
        and country in (None, "", place.country)
        and compliance <= set(place.compliance)
        and (place.global_network or not networked)
    ]


class MachineFilter:
    """The machines that a query selects.

    Filters on what machines here have no figures for (bandwidth, public addresses) select everything.

    Raises:
        Problem: 400 if a count or a version is invalid.
    """

    def __init__(self, cloud: Cloud, given: Mapping[str, Any]) -> None:
        count = given.get("gpuCount")
        self.count = 1 if count is None else count
        if self.count < 1:
            raise Problem(400, f"gpuCount must be at least 1, not {self.count}")  # made up
        self._versions = tuple(each for each in given.get("allowedCudaVersions") or () if each)
        self._least = given.get("minCudaVersion") or None
        for text in (*self._versions, *([self._least] if self._least else [])):
            if malformed_version(text):
                raise Problem(400, f"{text!r} is not a CUDA version")  # made up
        secure = given.get("secureCloud")
        self.clouds = CLOUDS if secure is None else CLOUDS[:1] if secure else CLOUDS[1:]
        self._cloud = cloud
        self._places = data_centers_of(given, [given["dataCenterId"]] if given.get("dataCenterId") else [])
        self._ram = math.ceil((given.get("minMemoryInGb") or 0) / self.count)
        self._vcpus = math.ceil((given.get("minVcpuCount") or 0) / self.count)
        self._disk = max(given.get("totalDisk") or 0, given.get("minDisk") or 0)
        self.narrowed = self._places is not None or max(self._ram, self._vcpus, self._disk) > 0

    def machines(self, gpu: GpuType) -> list[Machine]:
        """Return the matching machines of a GPU type, fully rented ones included."""
        if self._places == []:
            return []
        found: list[Machine] = []
        for name in self.clouds:
            wanted = MachineRequest(
                gpu.id,
                self.count,
                name,
                data_centers=tuple(self._places or ()),
                cuda_versions=self._versions,
                min_cuda=self._least,
                min_ram=self._ram,
                min_vcpus=self._vcpus,
                disk=self._disk,
            )
            found += self._cloud.stock.fitting(wanted)
        return found

    def stock(self, machines: list[Machine]) -> str | None:
        """Return the stock status: None if no machine matches the filters, "None" if all are rented."""
        if not machines and self.narrowed:
            return None
        return level(catalogue.left(self._cloud, machines), self.count).capitalize()

    def lowest_price(self, gpu: GpuType) -> dict[str, Any]:
        """Return the stock and the price of one GPU; spot pods are withdrawn, so there is no bid price."""
        machines = self.machines(gpu)
        rest = catalogue.left(self._cloud, machines)
        frees = [machine.free for machine in rest]
        best = min(machines, key=lambda machine: (gpu.price(machine.cloud), -machine.free), default=None)
        offered = [gpu.price(machine.cloud) for machine in machines if gpu.offered(machine.cloud)]
        total = sum(machine.gpus for machine in machines)
        return {
            "gpuName": gpu.name,
            "gpuTypeId": gpu.id,
            "minMemory": gpu.host_ram * self.count if machines else None,
            "minVcpu": gpu.host_vcpus * self.count if machines else None,
            "stockStatus": self.stock(machines),
            "uninterruptablePrice": min(offered, default=None),
            "minimumBidPrice": None,
            "maxGpuCount": max((machine.gpus for machine in machines), default=None),
            "maxUnreservedGpuCount": max(frees, default=0),
            "availableGpuCounts": list(range(1, max(frees, default=0) + 1)),
            "rentedCount": total - sum(machine.free for machine in machines),
            "totalCount": total,
            "countryCode": DATA_CENTERS[best.data_center].country if best else None,
            "compliance": list(DATA_CENTERS[best.data_center].compliance) if best else [],
        }

    def availability(self, place_id: str) -> list[dict[str, Any]]:
        """Return the stock of each GPU type in a data centre."""
        here = [machine for machine in self._cloud.stock.machines if machine.data_center == place_id]
        found = []
        for gpu_id in dict.fromkeys(machine.gpu_id for machine in here if machine.gpu_id in GPUS):
            gpu = GPUS[gpu_id]
            stock = self.stock([machine for machine in self.machines(gpu) if machine.data_center == place_id])
            found.append(
                {
                    "id": gpu_id,
                    "gpuTypeId": gpu_id,
                    "gpuTypeDisplayName": gpu.name,
                    "displayName": gpu.name,
                    "available": stock not in (None, "None"),
                    "stockStatus": stock,
                }
            )
        return found
