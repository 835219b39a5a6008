# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be rented now: offers, their prices, and the changes of a market in which others rent, too."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from podyard_sandbox.vastai.machines import OTHERS, Machine, machines
from podyard_sandbox.vastai.volumes import volume_offer

HOURS_PER_MONTH = 720  # the service's own clients convert monthly prices to hourly ones with this
DEFAULT_STORAGE = 8.0  # GB that a search prices when it names no size


def disk_price(machine: Machine, gb: float) -> float:
    """Return the price of disk space on a machine, USD per hour."""
    return gb * machine.storage_cost / HOURS_PER_MONTH


@dataclass(frozen=True)
class Offer:
    """GPUs of a machine that are rented together."""

    id: int
    machine: Machine
    slots: range

    @property
    def size(self) -> int:
        """How many GPUs."""
        return len(self.slots)

    @property
    def rentable(self) -> bool:
        """Whether all of them are free."""
        return self.machine.free(self.slots)

    @property
    def price(self) -> float:
        """USD per hour for the GPUs, on demand."""
        return round(self.machine.price * self.size, 6)

    @property
    def min_bid(self) -> float:
        """The lowest winning bid, USD per hour for all of them."""
        return round(self.machine.min_bid * self.size, 6)


class Market:
    """All machines and all their offers; the same seed gives the same changes."""

    def __init__(self, seed: int) -> None:
        self.machines = machines(seed)
        self._rng = random.Random(seed + 1)
        self._offers = {offer.id: offer for machine in self.machines for offer in _offers(machine)}

    def __iter__(self) -> Iterator[Offer]:
        return iter(self._offers.values())

    def offer(self, offer_id: int) -> Offer | None:
        """Return the offer with this id, free or taken, or None."""
        return self._offers.get(offer_id)

    def move(self) -> None:
        """Change something on a restless machine: others rent or release GPUs, or the host changes its prices."""
        machine = self._rng.choice([each for each in self.machines if each.restless])
        chance = self._rng.random()
        free = [slot for slot, holder in enumerate(machine.held) if holder is None]
        if chance < 0.35 and free:
            machine.take(range(free[0], free[0] + 1), OTHERS)
        elif chance < 0.65:
            machine.give_back(OTHERS)
        else:
            factor = self._rng.uniform(0.9, 1.12)
            low, high = 0.6 * machine.gpu.price, 2.5 * machine.gpu.price
            machine.price = round(min(high, max(low, machine.price * factor)), 4)
            machine.min_bid = round(min(0.9 * machine.price, max(0.2 * low, machine.min_bid * factor)), 4)


def _offers(machine: Machine) -> Iterator[Offer]:
    number = machine.first_offer
    for size in machine.sizes:
        for first in range(0, machine.count - size + 1, size):
            yield Offer(number, machine, range(first, first + size))
            number += 1


def hardware(machine: Machine, size: int) -> dict[str, Any]:
    """Return what offers and instances both show of the machine, for this many of its GPUs."""
    now = time.time()
    return {
        "machine_id": machine.id,
        "host_id": machine.host_id,
        **_gpus(machine, size),
        **_host(machine, size / machine.count),
        **_network(machine),
        "storage_cost": machine.storage_cost,
        "min_bid": round(machine.min_bid * size, 6),
        "reliability2": machine.reliability,
        "verification": "verified" if machine.verified else "unverified",
        "hosting_type": 1 if machine.datacenter else 0,
        "geolocation": machine.place,
        "start_date": now - 86_400.0,
        "end_date": now + machine.ends_in,
        "duration": machine.ends_in,
        "cluster_id": None,
        "credit_discount_max": 0.4,
        "vms_enabled": False,
        "logo": "/static/logos/vastai_small2.png",
    }


def _gpus(machine: Machine, size: int) -> dict[str, Any]:
    return {
        "gpu_name": machine.gpu.name,
        "num_gpus": size,
        "gpu_ram": machine.gpu.memory,
        "gpu_frac": round(size / machine.count, 4),
        "gpu_arch": "nvidia",
        "gpu_lanes": 16,
        "gpu_mem_bw": round(machine.gpu.dlperf * 8.9, 1),
        "gpu_display_active": False,
        "bw_nvlink": 300.0 if "SXM" in machine.gpu.name else 0.0,
        "pcie_bw": 24.1,
        "pci_gen": 4.0,
        "has_avx": 1,
        "compute_cap": machine.gpu.compute_cap,
        "cuda_max_good": machine.cuda,
        "driver_version": machine.driver,
        "driver_vers": driver_number(machine.driver),
        "dlperf": machine.gpu.dlperf * size,
        "total_flops": round(machine.gpu.dlperf * size * 0.8, 2),
    }


def _host(machine: Machine, share: float) -> dict[str, Any]:
    return {
        "cpu_name": machine.cpu,
        "cpu_arch": "amd64",
        "cpu_cores": machine.cores,
        "cpu_cores_effective": round(machine.cores * share, 2),
        "cpu_ghz": 2.8,
        "cpu_ram": machine.ram,
        "disk_name": "Samsung SSD 980 PRO",
        "disk_bw": 3120.0,
        "mobo_name": "ROMED8-2T",
        "os_version": "22.04",
    }


def _network(machine: Machine) -> dict[str, Any]:
    return {
        "inet_up": machine.inet_up,
        "inet_down": machine.inet_down,
        "inet_up_cost": machine.inet_cost,
        "inet_down_cost": machine.inet_cost,
        "internet_up_cost_per_tb": round(machine.inet_cost * 1000, 4),
        "internet_down_cost_per_tb": round(machine.inet_cost * 1000, 4),
        "static_ip": True,
        "direct_port_count": machine.direct_ports,
    }


def driver_number(version: str) -> int:
    """Convert 535.86.05 to 535086005: three groups of three digits."""
    groups = [int(part) for part in version.split(".")]
    return groups[0] * 1_000_000 + groups[1] * 1_000 + groups[2]


def offer_json(offer: Offer, storage: float, *, bid: bool) -> dict[str, Any]:
    """Return an offer as a search shows it, priced with this much disk space (GB)."""
    machine, free = offer.machine, offer.rentable
    base, disk = (offer.min_bid if bid else offer.price), disk_price(offer.machine, storage)
    total = round(base + disk, 6)
    perf = machine.gpu.dlperf * offer.size
    return {
        "id": offer.id,
        "ask_contract_id": offer.id,
        "bundle_id": 900_000 + machine.id % 100_000,
        **hardware(machine, offer.size),
        "gpu_total_ram": machine.gpu.memory * offer.size,
        "gpu_max_power": 450.0,
        "gpu_max_temp": 90.0,
        "gpu_ids": list(offer.slots),
        "disk_space": round(machine.disk * offer.size / machine.count, 1),
        "storage_total_cost": round(disk, 6),
        **_price(base, disk),
        "is_bid": bid,
        "reliability": machine.reliability,
        "reliability_mult": 1.0,
        "vericode": 1 if machine.verified else 0,
        "public_ipaddr": f"203.0.113.{machine.id % 250 + 1}",
        "geolocode": None,
        "rentable": free,
        "rented": not free,
        "external": None,
        "time_remaining": "",
        "time_remaining_isbid": "",
        "webpage": None,
        "resource_type": "gpu",
        **_volume(machine),
        "score": round(perf / total, 2),
        "dlperf_per_dphtotal": round(perf / total, 2),
        "flops_per_dphtotal": round(perf * 0.8 / total, 2),
        "rn": 1,
    }


def _volume(machine: Machine) -> dict[str, Any]:
    """Return the machine's volume offer: its own id, all of the disk, USD per GB and hour."""
    return {
        "avail_vol_ask_id": volume_offer(machine),
        "avail_vol_size": machine.disk,
        "avail_vol_dph": round(disk_price(machine, 1), 6),
    }


def _price(base: float, disk: float) -> dict[str, Any]:
    total = round(base + disk, 6)
    return {
        "dph_base": base,
        "dph_total": total,
        "dph_total_adj": total,
        "discounted_dph_total": total,
        "discounted_hourly": 0.0,
        "discount_rate": 0.0,
        "search": per_hour(base, disk),
        "instance": per_hour(0.0, 0.0),
    }


def per_hour(gpus: float, disk: float) -> dict[str, float]:
    """Return a price and its parts, USD per hour."""
    total = round(gpus + disk, 6)
    parts = {"gpuCostPerHour": gpus, "diskHour": round(disk, 6), "totalHour": total}
    return {**parts, "discountTotalHour": 0, "discountedTotalPerHour": total}
