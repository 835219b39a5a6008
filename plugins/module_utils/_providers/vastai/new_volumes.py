# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that are made together with a pod, on its machine. Private to this collection."""

from __future__ import annotations

from ..._core import errors
from ..._core.pod import PodRequest
from ..._core.values import integer, text
from . import bodies, volumes
from .session import VastSession

SEARCH = "/api/v0/volumes/search/"
#: Looks for a volume that can be deleted: it is in use until the pod's end has reached its machine. Each is a request
#: that keeps the pause of its kind.
TRIES = 5


class NewVolumes:
    """Those of the pods that this process rented. Who keeps his pod keeps its volume; of a pod that is given back right
    after the create, nobody would know that it left one behind, which bills.

    :param notes: where remarks go.
    """

    def __init__(self, api: VastSession, notes: list[str]) -> None:
        self._api = api
        self._notes = notes
        self._made: dict[str, str] = {}

    @staticmethod
    def wanted(request: PodRequest) -> bool:
        """True when the pod is to have a volume that does not exist yet."""
        mount = request.network_volume
        return mount is not None and not mount.volume_id and mount.size_gb is not None

    def offer(self, request: PodRequest) -> int:
        """The number of the volume on offer at the machine of the pod's offer.

        :raises NoCapacity: when there is none of that size: another machine may have room.
        """
        size = request.network_volume.size_gb if request.network_volume is not None else None
        body = {"machine_id": {"eq": integer(request.host)}, "disk_space": {"gte": size}, "limit": 1}
        attempted = f"search a volume of {size} GB for the pod {request.name} on Vast.ai"
        data = self._api.request("POST", SEARCH, body=body, attempted=attempted, like="GET").data
        found = volumes.rows(data, "offers")
        number = integer(found[0].get("ask_contract_id") or found[0].get("id")) if found else None
        if number is None:
            raise errors.NoCapacity(
                f"The machine {request.host} of the offer {request.offer_id} has no room for a volume of {size} GB "
                "(option volume).",
                detail=f"no room for a volume of {size} GB",
            )
        return number

    def belongs_to(self, pod_id: str, request: PodRequest) -> None:
        """The volume that was just made is this pod's."""
        if self.wanted(request):
            self._made[pod_id] = bodies.volume_name(request)

    def delete(self, pod_id: str) -> None:
        """Delete the volume of a pod that was given back. What is left is told, with how to end it."""
        label = self._made.pop(pod_id, None)
        if label is None:
            return
        refused: errors.CloudError | None = None
        for _try in range(TRIES):
            try:
                found = [raw for raw in volumes.volumes(self._api) if label in (raw.get("label"), raw.get("name"))]
                for raw in found:
                    number = integer(raw.get("id") or raw.get("volume_id"))
                    attempted = f"delete the volume {label} on Vast.ai"
                    body = {"id": number}
                    self._api.request("DELETE", volumes.VOLUMES, body=body, attempted=attempted)
            except errors.NotFound:
                return
            except errors.CloudError as error:
                refused = error
                continue
            return
        self._notes.append(
            f"The volume {label}, made for the pod {pod_id} that was given back, may still bill: "
            f"{text(refused.message) if refused else 'it was not found'} Delete it with podyard.gpu.vastai_volume."
        )
