# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network volumes: storage in one data centre that outlives pods."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from podyard_sandbox.meter import VolumeMeter
from podyard_sandbox.runpod.bodies import CreateVolume, UpdateVolume
from podyard_sandbox.runpod.data_centers import DATA_CENTERS
from podyard_sandbox.runpod.problems import Problem
from podyard_sandbox.runpod.resources.store import ResourceStore, short_id


@dataclass(eq=False)
class Volume:
    """A network volume; ``size`` is GB."""

    seq: int
    name: str
    size: int
    data_center: str
    type: str
    id: str = field(default_factory=short_id)
    meter: VolumeMeter = field(default_factory=VolumeMeter)


class Volumes(ResourceStore[Volume]):
    """The account's network volumes, and the bills of the deleted ones."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[Volume] = []

    def create(self, body: CreateVolume, lower_case_ok: bool = False) -> Volume:
        """Create a volume, and start its bill.

        Args:
            lower_case_ok: accept the data centre in any case, and keep it as written.

        Raises:
            Problem: 400 if the data centre has no such storage.
        """
        place = DATA_CENTERS.get(body.dataCenter.upper() if lower_case_ok else body.dataCenter)
        if place is None or not place.volume_types:
            raise _not_here(body.dataCenter, "support network volumes", ("STANDARD", "HIGH_PERFORMANCE"))
        kind = body.type or place.volume_types[0]
        if kind not in place.volume_types:
            raise _not_here(body.dataCenter, f"offer {kind} network volumes", (kind,))
        volume = Volume(self._next(), body.name, body.size, body.dataCenter, kind)
        volume.meter.hold(volume.size, kind, time.time())
        self.history.append(volume)
        return self._put(volume)

    def change(self, volume: Volume, body: UpdateVolume) -> None:
        """Rename or enlarge a volume.

        Raises:
            Problem: 400 if it would shrink.
        """
        if body.given("size") and body.size < volume.size:
            raise Problem(400, "network volume storage cannot be reduced")
        if body.given("name"):
            volume.name = body.name
        if body.given("size") and body.size > volume.size:
            volume.size = body.size
            volume.meter.hold(volume.size, volume.type, time.time())

    def delete(self, volume: Volume) -> None:
        """Delete a volume, and stop its bill."""
        volume.meter.close(time.time())
        self._drop(volume)


def _not_here(place: str, what: str, kinds: tuple[str, ...]) -> Problem:
    """Refuse with a list of the data centres that qualify, as the service does; the words are made up."""
    having = [known for known, found in DATA_CENTERS.items() if set(kinds) & set(found.volume_types)]
    return Problem(400, f"data center {place} does not {what}; available data centers: {', '.join(sorted(having))}")
