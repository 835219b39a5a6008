# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines, who holds their GPUs, and what is left: placement and availability come from the same figures."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from podyard_sandbox.runpod.cpus import CPU_RACKS
from podyard_sandbox.runpod.data_centers import DATA_CENTERS
from podyard_sandbox.runpod.gpus import GPUS, RACKS

_LOW, _MEDIUM = 2, 12  # GPUs left, up to which stock counts as LOW or MEDIUM
_DISK = {"SECURE": 8_000, "COMMUNITY": 2_000}  # GB that a host has for one pod's disks; made up
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(eq=False)
class Machine:
    """A host with GPUs of one type, and how many of them are free.

    A host of CPU pods has vCPUs in the place of GPUs, and its flavour's id as theirs.
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
        """Whether each of its GPUs comes with so many GB of the host's memory and so many vCPUs."""
        kind = GPUS.get(self.gpu_id)
        return kind is None or (kind.host_ram >= ram and kind.host_vcpus >= vcpus)


@dataclass(frozen=True)
class MachineRequest:
    """What a pod, or a question to the catalogue, asks of a machine; an empty tuple or None asks for nothing.

    ``ordered`` makes the order of the data centres a preference, which it is not otherwise.
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
        """Whether the machine is of the kind that was asked for, free or not."""
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
    """A CUDA version as numbers: 12.11 is above 12.2. A number that no version has is above all that one may have."""
    return tuple(int(part) if len(part) < 10 else 10**9 for part in text.split("."))


def malformed_version(text: str) -> bool:
    """Whether it is no version at all."""
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
        """Machines of the kind that was asked for, full ones too."""
        return [machine for machine in self.machines if wanted.fits(machine)]

    def place(
        self,
        wanted: MachineRequest,
        refuse: Callable[[Machine], bool] = lambda machine: False,
        rng: random.Random | None = None,
    ) -> Machine | None:
        """Take GPUs for a pod: the emptiest machine that fits, of those the newest driver, or None.

        The data centres that were named are a filter, and a preference only if it is said so. With rng, it is any
        machine that fits.
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
        """Take GPUs on the machine to which a stopped pod is tied; False if they are gone."""
        if machine.free < count:
            return False
        machine.free -= count
        return True

    def give_back(self, machine: Machine, count: int) -> None:
        """Free a pod's GPUs."""
        machine.free += count

    def max_count(self, gpu_id: str, cloud: str) -> int:
        """GPUs of the largest machine: a ceiling, not stock; 0 where the cloud has none."""
        return max((m.gpus for m in self.machines if m.gpu_id == gpu_id and m.cloud == cloud), default=0)


def level(machines: Iterable[Machine], count: int) -> str:
    """The catalogue's word for what is left on some machines, for pods of so many GPUs."""
    left = sum(machine.free for machine in machines if machine.free >= count)
    if left == 0:
        return "NONE"
    return "LOW" if left <= _LOW else "MEDIUM" if left <= _MEDIUM else "HIGH"


def known(gpu_id: str) -> bool:
    """Whether the catalogue has such a GPU id."""
    return gpu_id in GPUS
