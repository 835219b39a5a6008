# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPU flavours: ids, sizes, prices, and where their hosts are.

The ids are the service's; the prices are plausible, not current; the hosts are made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CpuType:
    """A CPU flavour of the catalogue. Prices are USD per hour and vCPU; ``ram`` is GB per vCPU."""

    id: str
    name: str
    group: str
    ram: float
    secure_price: float
    serverless_price: float
    min_vcpus: int = 2
    max_vcpus: int = 32

    def price(self, count: int) -> float:
        """Return the price of a pod with this many vCPUs, USD per hour."""
        return round(self.secure_price * count, 4)

    def memory(self, count: int) -> int:
        """Return the memory of a pod with this many vCPUs, GB."""
        return max(1, int(self.ram * count))

    def fits(self, count: int) -> bool:
        """Return whether a pod can have this many vCPUs."""
        return self.min_vcpus <= count <= self.max_vcpus and count & (count - 1) == 0


@dataclass(frozen=True)
class CpuRack:
    """Hosts of one flavour in one data centre: how many, and the vCPUs of each."""

    data_center: str
    hosts: int
    vcpus: int


_NAMES = {"c": ("Compute-Optimized", 2), "g": ("General Purpose", 4), "m": ("Memory-Optimized", 8)}
_PRICES = {"cpu3c": 0.03, "cpu3g": 0.04, "cpu3m": 0.05, "cpu5c": 0.035, "cpu5g": 0.045, "cpu5m": 0.06}


def _type(flavour: str) -> CpuType:
    name, ram = _NAMES[flavour[-1]]
    price = _PRICES[flavour]
    return CpuType(flavour, name, f"Gen {flavour[3]}", ram, price, round(price * 0.75, 4))


CPUS: Mapping[str, CpuType] = {flavour: _type(flavour) for flavour in _PRICES}

CPU_RACKS: Mapping[str, tuple[CpuRack, ...]] = {
    "cpu3c": (CpuRack("EU-RO-1", 2, 64), CpuRack("US-KS-2", 1, 64)),
    "cpu3g": (CpuRack("EU-RO-1", 2, 64), CpuRack("US-IL-1", 1, 64)),
    "cpu3m": (CpuRack("EU-RO-1", 1, 32),),
    "cpu5c": (CpuRack("EU-RO-1", 2, 64), CpuRack("US-CA-2", 1, 64)),
    "cpu5g": (CpuRack("EUR-IS-2", 1, 64),),
    # Two vCPUs left: LOW, and the next user finds nothing.
    "cpu5m": (CpuRack("EU-SE-1", 1, 2),),
}
