# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``/v2/catalog/cpus``: the flavours of CPU pods, with their availability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podyard_sandbox.runpod.catalogue import data_center_levels, left
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.cpus import CPUS, CpuType
from podyard_sandbox.runpod.problems import Problem, not_found
from podyard_sandbox.runpod.stock import Machine, MachineRequest, level
from podyard_sandbox.runpod.validation import number, one_of


class _CpuFilter:
    """The filter of a query to the CPU catalogue; ``asked`` says whether it asks for availability.

    Raises:
        Problem: 400 if the parameters contradict each other, 422 if one is malformed.
    """

    def __init__(self, query: Mapping[str, str]) -> None:
        self.asked = bool(one_of(query, "include", ("AVAILABILITY",)))
        products = one_of(query, "product", ("POD", "SERVERLESS"))
        self.count = number(query, "vcpuCount", 2, low=2)
        if self.count & (self.count - 1):
            raise Problem(400, "vcpuCount must be a power of two")  # made up
        if self.asked and not products:
            raise Problem(400, "product is required with include=AVAILABILITY")
        for name in ("product", "vcpuCount"):
            if not self.asked and name in query:
                raise Problem(400, f"{name} is only valid with include=AVAILABILITY")
        self.pods = "POD" in products

    def machines(self, cloud: Cloud, flavour: CpuType) -> list[Machine]:
        """Return the hosts of a flavour that pass the filter, fully rented ones included."""
        if not self.pods or not flavour.fits(self.count):
            return []
        return cloud.stock.fitting(MachineRequest(flavour.id, self.count))


def list_cpus(cloud: Cloud, query: Mapping[str, str]) -> dict[str, Any]:
    """Answer ``GET /v2/catalog/cpus``."""
    cpu_filter = _CpuFilter(query)
    return {"cpus": [_cpu(cloud, flavour, cpu_filter) for flavour in CPUS.values()]}


def get_cpu(cloud: Cloud, cpu_id: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Answer ``GET /v2/catalog/cpus/{id}``."""
    cpu_filter = _CpuFilter(query)
    if cpu_id not in CPUS:
        raise not_found()
    return _cpu(cloud, CPUS[cpu_id], cpu_filter)


def _cpu(cloud: Cloud, flavour: CpuType, cpu_filter: _CpuFilter) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": flavour.id,
        "name": flavour.name,
        "group": flavour.group,
        "vcpu": {"min": flavour.min_vcpus, "max": flavour.max_vcpus},
        "ramGbPerVcpu": flavour.ram,
        "price": {"securePerVcpu": flavour.secure_price, "serverlessPerVcpu": flavour.serverless_price},
    }
    if not cpu_filter.asked:
        return shown
    machines = cpu_filter.machines(cloud, flavour)
    shown["availability"] = level(left(cloud, machines), cpu_filter.count)
    if shown["availability"] != "NONE":
        shown["dataCenters"] = data_center_levels(cloud, machines, cpu_filter.count)
    return shown
