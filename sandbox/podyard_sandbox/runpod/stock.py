# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines and their free GPUs: placement and availability use the same figures."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from podyard_sandbox.runpod.cpus import CPU_RACKS
from podyard_sandbox.runpod.data_centers import DATA_CENTERS
from podyard_sandbox.runpod.gpus import GPUS, RACKS

_LOW, _MEDIUM = 2, 12  # up to this many GPUs left, stock is LOW or MEDIUM
_DISK = {"SECURE": 8_000, "COMMUNITY": 2_000}  # GB that a host has for one pod's disks; made up
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(eq=False)
class Machine:
    """A host with GPUs of one type, and how many of them are free.

    A host of CPU pods counts vCPUs instead of GPUs, and has its flavour's id as GPU id.
    """

    gpu_id: str
    data_center: str
    cloud: str
    cuda: str | None
    gpus: int
    free: int
    number: int = 0

    @property
    def disk(self) -> int:
        """GB that a pod's container disk and volume disk may have together."""
        return _DISK[self.cloud]

    def has_room(self, ram: int, vcpus: int) -> bool:
        """Return whether each GPU comes with this much host memory (GB) and this many vCPUs."""
        kind = GPUS.get(self.gpu_id)
        return kind is None or (kind.host_ram >= ram and kind.host_vcpus >= vcpus)


@dataclass(frozen=True)
class MachineRequest:
    """What a pod, or a query to the catalogue, requires of a machine; an empty tuple or None requires nothing.

    ``ordered`` makes the order of the data centres a preference.
    """

    gpu_id: str
    count: int = 1
    cloud: str = "SECURE"
    data_centers: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    cuda_versions: tuple[str, ...] = ()
    min_cuda: str | None = None
    min_ram: int = 1
    min_vcpus: int = 1
    disk: int = 0
    ordered: bool = False

    def fits(self, machine: Machine) -> bool:
        """Return whether the machine matches the request, free or not."""
        return (
            machine.gpu_id == self.gpu_id
            and machine.cloud == self.cloud
            and machine.gpus >= self.count
            and (not self.data_centers or machine.data_center in self.data_centers)
            and (not self.countries or DATA_CENTERS[machine.data_center].country in self.countries)
            and self._cuda_fits(machine.cuda)
            and machine.has_room(self.min_ram, self.min_vcpus)
            and machine.disk >= self.disk
        )

    def _cuda_fits(self, cuda: str | None) -> bool:
        if self.cuda_versions:
            return cuda in self.cuda_versions
        if self.min_cuda is not None:
            return cuda is not None and version(cuda) >= version(self.min_cuda)
        return True


def version(text: str) -> tuple[int, ...]:
    """Parse a CUDA version to comparable numbers: 12.11 is above 12.2. An absurdly long number is above all others."""
    return tuple(int(part) if len(part) < 10 else 10**9 for part in text.split("."))


def malformed_version(text: str) -> bool:
    """Return whether the text is not a version."""
    return _VERSION.fullmatch(text) is None


def _machines() -> Iterator[Machine]:
    for gpu_id, racks in RACKS.items():
        for rack in racks:
            for _number in range(rack.machines):
                yield Machine(gpu_id, rack.data_center, rack.cloud, rack.cuda, rack.gpus, rack.gpus)
    for flavour, hosts in CPU_RACKS.items():
        for host in hosts:
            for _number in range(host.hosts):
                yield Machine(flavour, host.data_center, "SECURE", None, host.vcpus, host.vcpus)


@dataclass
class Stock:
    """Every machine of the cloud."""

    machines: list[Machine] = field(default_factory=lambda: list(_machines()))

    def __post_init__(self) -> None:
        for number, machine in enumerate(self.machines):
            machine.number = number

    def fitting(self, wanted: MachineRequest) -> list[Machine]:
        """Return the machines that match the request, fully rented ones included."""
        return [machine for machine in self.machines if wanted.fits(machine)]

    def place(
        self,
        wanted: MachineRequest,
        refuse: Callable[[Machine], bool] = lambda machine: False,
        rng: random.Random | None = None,
    ) -> Machine | None:
        """Reserve GPUs for a pod on the emptiest matching machine, of those the newest driver; None if there is none.

        The named data centres are a filter, and a preference only if the request is ordered. With ``rng``, any matching
        machine is taken.
        """
        candidates = [m for m in self.fitting(wanted) if m.free >= wanted.count and not refuse(m)]
        if not candidates:
            return None
        places = wanted.data_centers if wanted.ordered else ()
        order = {place: -number for number, place in enumerate(places)}
        draw = {m.number: rng.random() for m in candidates} if rng is not None else {}
        best = max(
            candidates,
            key=lambda m: (order.get(m.data_center, 0), draw.get(m.number, 0.0), m.free, version(m.cuda or "0")),
        )
        best.free -= wanted.count
        return best

    def retake(self, machine: Machine, count: int) -> bool:
        """Reserve GPUs on the machine to which a stopped pod is tied; return False if they are rented."""
        if machine.free < count:
            return False
        machine.free -= count
        return True

    def give_back(self, machine: Machine, count: int) -> None:
        """Free a pod's GPUs."""
        machine.free += count

    def max_count(self, gpu_id: str, cloud: str) -> int:
        """Return the GPUs of the largest machine: a ceiling, not stock; 0 if the cloud has none."""
        return max((m.gpus for m in self.machines if m.gpu_id == gpu_id and m.cloud == cloud), default=0)


def level(machines: Iterable[Machine], count: int) -> str:
    """Return the catalogue's availability level of some machines, for pods with this many GPUs."""
    left = sum(machine.free for machine in machines if machine.free >= count)
    if left == 0:
        return "NONE"
    return "LOW" if left <= _LOW else "MEDIUM" if left <= _MEDIUM else "HIGH"


def known(gpu_id: str) -> bool:
    """Return whether the catalogue has this GPU id."""
    return gpu_id in GPUS
