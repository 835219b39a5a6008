# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of the market: their GPUs, places and prices, the same for the same seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

# The holder of GPUs rented by other accounts.
OTHERS = 0


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU: memory in MB as the driver reports it, compute capability times 100, USD per hour, speed."""

    name: str
    memory: int
    compute_cap: int
    price: float
    dlperf: float

    @property
    def driver_name(self) -> str:
        """What nvidia-smi calls it."""
        return _DRIVER_NAMES.get(self.name) or f"NVIDIA {'GeForce ' if self.name[-4:].isdigit() else ''}{self.name}"


_DRIVER_NAMES = {
    "RTX A4000": "NVIDIA RTX A4000",
    "RTX A6000": "NVIDIA RTX A6000",
    "RTX 6000Ada": "NVIDIA RTX 6000 Ada Generation",
    "A100 PCIE": "NVIDIA A100 80GB PCIe",
    "A100 SXM4": "NVIDIA A100-SXM4-80GB",
    "H100 PCIE": "NVIDIA H100 PCIe",
    "H100 SXM": "NVIDIA H100 80GB HBM3",
    "Tesla T4": "Tesla T4",
    "Tesla V100": "Tesla V100-SXM2-32GB",
}

# Prices are plausible, not current.
GPUS: Mapping[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        Gpu("RTX 3060", 12288, 860, 0.07, 27.0),
        Gpu("RTX 3090", 24576, 860, 0.19, 58.0),
        Gpu("RTX 4080", 16376, 890, 0.24, 66.0),
        Gpu("RTX 4090", 24564, 890, 0.36, 98.0),
        Gpu("RTX 5090", 32607, 1200, 0.58, 190.0),
        Gpu("RTX A4000", 16376, 860, 0.12, 30.0),
        Gpu("RTX A6000", 49140, 860, 0.45, 60.0),
        Gpu("RTX 6000Ada", 49140, 890, 0.72, 100.0),
        Gpu("L4", 23034, 890, 0.30, 40.0),
        Gpu("L40S", 46068, 890, 0.62, 105.0),
        Gpu("A100 PCIE", 81920, 800, 0.80, 115.0),
        Gpu("A100 SXM4", 81920, 800, 0.95, 130.0),
        Gpu("H100 PCIE", 81559, 900, 1.85, 250.0),
        Gpu("H100 NVL", 95830, 900, 2.00, 270.0),
        Gpu("H100 SXM", 81559, 900, 2.20, 300.0),
        Gpu("H200", 143771, 900, 2.80, 340.0),
        Gpu("H200 NVL", 143771, 900, 2.60, 330.0),
        Gpu("Tesla T4", 15360, 750, 0.10, 20.0),
        Gpu("Tesla V100", 32768, 700, 0.20, 40.0),
    )
}

# The machines of each GPU, by their number of GPUs.
_MACHINES: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("RTX 3060", (1, 2, 4)), ("RTX 3090", (1, 1, 2, 4, 4)), ("RTX 4080", (1, 2)),
    ("RTX 4090", (1, 1, 1, 2, 2, 4, 4, 8)), ("RTX 5090", (1, 2, 4, 8)), ("RTX A4000", (1, 4)),
    ("RTX A6000", (1, 2, 4, 8)), ("RTX 6000Ada", (1, 2, 4)), ("L4", (1, 4)), ("L40S", (1, 2, 4, 8)),
    ("A100 PCIE", (1, 2, 4)), ("A100 SXM4", (1, 4, 8)), ("H100 PCIE", (1, 2, 8)), ("H100 NVL", (1, 2)),
    ("H100 SXM", (1, 4, 8, 8)), ("H200", (1, 8)), ("H200 NVL", (2,)), ("Tesla T4", (1, 4)), ("Tesla V100", (1, 8)),
)  # fmt: skip
_PLACES = (
    "Texas, US", "California, US", "Quebec, CA", "Sweden, SE", "Germany, DE", "Netherlands, NL", "Poland, PL",
    "Norway, NO", "Japan, JP", "Taiwan, TW", "United Kingdom, GB", "France, FR",
)  # fmt: skip
_DRIVERS = ((12.8, "570.86.15"), (12.8, "570.124.06"), (12.4, "550.127.05"), (13.0, "580.65.06"), (12.2, "535.86.05"))
_CPUS = (("EPYC 7543", 64), ("EPYC 7763", 128), ("Xeon Gold 6330", 56), ("Ryzen 9 7950X", 32))


@dataclass
class Machine:
    """One host: its hardware, its prices, and the holder of each GPU (an instance's id, OTHERS, or None)."""

    id: int
    host_id: int
    gpu: Gpu
    count: int
    place: str
    cuda: float
    driver: str
    cpu: str
    cores: int
    disk: float
    reliability: float
    verified: bool
    direct_ports: int
    price: float
    min_bid: float
    inet_up: float
    inet_down: float
    inet_cost: float
    storage_cost: float
    datacenter: bool
    ends_in: float
    restless: bool
    first_offer: int
    held: list[int | None] = field(default_factory=list)

    @property
    def ram(self) -> int:
        """Memory in MB."""
        return self.cores * 4096

    @property
    def sizes(self) -> list[int]:
        """The numbers of GPUs of its offers: powers of two, and all of them."""
        return sorted({2**power for power in range(int(math.log2(self.count)) + 1)} | {self.count})

    def free(self, slots: range) -> bool:
        """Return whether all of these GPUs are free."""
        return all(self.held[slot] is None for slot in slots)

    def take(self, slots: range, holder: int) -> None:
        """Give these GPUs to a holder."""
        for slot in slots:
            self.held[slot] = holder

    def give_back(self, holder: int) -> None:
        """Free all GPUs of a holder."""
        self.held = [None if each == holder else each for each in self.held]


def machines(seed: int) -> list[Machine]:
    """Return the machines of a seed."""
    rng = random.Random(seed)
    return list(_machines(rng))


def _machines(rng: random.Random) -> Iterator[Machine]:
    number, offer = 18_000, 21_530_000
    for name, counts in _MACHINES:
        for position, count in enumerate(counts):
            number += rng.randrange(1, 40)
            offer += rng.randrange(100, 400)
            # The first of each kind never changes and is a good one, so that there is always something to rent.
            machine = _machine(rng, number, offer, GPUS[name], count, steady=position == 0)
            machine.held = [None] * count
            offer += 4 * count
            yield machine


def _machine(rng: random.Random, number: int, offer: int, gpu: Gpu, count: int, *, steady: bool) -> Machine:
    cuda, driver = rng.choice(_DRIVERS[:2] if steady else _DRIVERS)
    cpu, cores = rng.choice(_CPUS)
    price = gpu.price * (1.0 if steady else rng.uniform(0.85, 1.6))
    return Machine(
        id=number,
        host_id=60_000 + rng.randrange(9_000),
        gpu=gpu,
        count=count,
        place=rng.choice(_PLACES[:2] if steady else _PLACES),
        cuda=cuda,
        driver=driver,
        cpu=cpu,
        cores=cores,
        disk=round(rng.uniform(300, 3000), 1) * max(1, count // 2),
        reliability=round(0.9975 if steady else rng.uniform(0.88, 0.9995), 4),
        verified=steady or rng.random() < 0.75,
        direct_ports=124 if steady else rng.choice((0, 0, 15, 99, 249)),
        price=round(price, 4),
        min_bid=round(price * rng.uniform(0.4, 0.7), 4),
        inet_up=round(rng.uniform(80, 2000), 1),
        inet_down=round(905.2 if steady else rng.uniform(60, 6000), 1),
        inet_cost=rng.choice((0.0, 0.001, 0.002, 0.01, 0.02)),
        storage_cost=rng.choice((0.1, 0.15, 0.2)),
        datacenter=rng.random() < 0.2,
        ends_in=2_592_000.0 if steady else rng.choice((43_200.0, 604_800.0, 2_592_000.0, 7_776_000.0)),
        restless=not steady,
        first_offer=offer,
    )
