# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes: disk space on machines, which instances mount."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from podyard_sandbox.vastai.errors import refusal
from podyard_sandbox.vastai.machines import Machine

# Prefix of a volume's name for the pod runtime.
_PLACE = "vast-"


def number_at(place: str) -> int:
    """Return the id of the volume that the pod runtime knows under this name."""
    return int(place.removeprefix(_PLACE))


@dataclass
class Volume:
    """Disk space on one machine that outlives instances; it is named V.<id>."""

    id: int
    name: str
    size: float
    machine: Machine
    created_at: float = field(default_factory=time.time)
    users: list[int] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Its name for the pod runtime."""
        return f"{_PLACE}{self.id}"

    def to_json(self) -> dict[str, Any]:
        """Return the volume as a list shows it."""
        return {
            "id": self.id,
            "label": self.name,
            "name": f"V.{self.id}",
            "machine_id": self.machine.id,
            "host_id": self.machine.host_id,
            "disk_space": self.size,
            "size": self.size,
            "status": "active",
            "instances": [{"id": user} for user in self.users],
            "storage_cost": self.machine.storage_cost,
            "geolocation": self.machine.place,
            "public_ipaddr": f"203.0.113.{self.machine.id % 250 + 1}",
            "reliability2": self.machine.reliability,
            "cpu_name": self.machine.cpu,
            "cuda_max_good": self.machine.cuda,
            "driver_version": self.machine.driver,
            "inet_up": self.machine.inet_up,
            "inet_down": self.machine.inet_down,
            "verification": "verified" if self.machine.verified else "unverified",
            "static_ip": True,
            "cpu_arch": "amd64",
            "start_date": self.created_at,
            "end_date": self.created_at + self.machine.ends_in,
            "cluster_id": None,
        }


def volume_offer(machine: Machine) -> int:
    """Return the id of a machine's volume offer."""
    return 4_000_000 + machine.id


class Volumes:
    """The account's volumes."""

    def __init__(self) -> None:
        self._volumes: dict[int, Volume] = {}
        self._numbers = count(20_118_481)

    def __iter__(self) -> Any:
        return iter(list(self._volumes.values()))

    def create(self, machine: Machine, size: float, name: str | None) -> Volume:
        """Rent disk space on a machine."""
        number = next(self._numbers)
        volume = Volume(number, name or f"V.{number}", size, machine)
        self._volumes[number] = volume
        return volume

    def find(self, number: int) -> Volume:
        """Return the volume with this id.

        Raises:
            ApiError: 404.
        """
        if number not in self._volumes:
            raise refusal(404, "no_such_volume", "Volume with that ID does not exist.")
        return self._volumes[number]

    def delete(self, number: int) -> Volume:
        """Delete a volume that no instance uses.

        Raises:
            ApiError: 404, or 400 while an instance has it.
        """
        volume = self.find(number)
        if volume.users:
            raise refusal(400, "invalid_args", "Volume is in use by an instance; destroy the instance first.")
        return self._volumes.pop(number)

    def use(self, place: str, instance: int) -> None:
        """Record that an instance uses the volume."""
        for volume in self:
            if volume.place == place:
                volume.users.append(instance)

    def release(self, place: str, instance: int) -> None:
        """Record that an instance no longer uses the volume."""
        for volume in self:
            if volume.place == place and instance in volume.users:
                volume.users.remove(instance)
