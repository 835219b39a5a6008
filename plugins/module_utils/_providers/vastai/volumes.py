# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the templates and volumes of the account that a pod names, and make volumes together with a pod."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..._core import errors
from ..._core.pod import PodRequest, Reference
from ..._core.values import integer, mapping, text, to_json
from ..._http.session import ApiSession
from ..base import NETWORK_VOLUME, TEMPLATE
from . import wire
from .session import VastSession

SEARCH = "/api/v0/volumes/search/"
#: Looks for a volume that can be deleted: it is in use until the pod's end has reached its machine. Each is a request
#: that keeps the pause of its kind.
TRIES = 5


class NewVolumes:
    """The new volumes of the pods that this process rented.

    A pod that is kept keeps its volume; of one that is given back right after the create, no record would say that it
    left a volume behind, which bills.

    :param notes: where remarks go.
    """

    def __init__(self, api: VastSession, notes: list[str]) -> None:
        self._api = api
        self._notes = notes
        self._made: dict[str, str] = {}

    @staticmethod
    def wanted(request: PodRequest) -> bool:
        """Return True when the pod gets a volume that does not exist yet."""
        mount = request.network_volume
        return mount is not None and not mount.volume_id and mount.size_gb is not None

    def offer(self, request: PodRequest) -> int:
        """Return the number of the volume on offer at the machine of the pod's offer.

        :raises NoCapacity: when there is none of that size: another machine may have room.
        """
        size = request.network_volume.size_gb if request.network_volume is not None else None
        body = {"machine_id": {"eq": integer(request.host)}, "disk_space": {"gte": size}, "limit": 1}
        attempted = f"search a volume of {size} GB for the pod {request.name} on Vast.ai"
        data = self._api.request("POST", SEARCH, body=body, attempted=attempted, like="GET").data
        found = rows(data, "offers")
        number = integer(found[0].get("ask_contract_id") or found[0].get("id")) if found else None
        if number is None:
            raise errors.NoCapacity(
                f"The machine {request.host} of the offer {request.offer_id} has no room for a volume of {size} GB "
                "(option volume).",
                detail=f"no room for a volume of {size} GB",
            )
        return number

    def belongs_to(self, pod_id: str, request: PodRequest) -> None:
        """Note that the volume that was just made is this pod's."""
        if self.wanted(request):
            self._made[pod_id] = wire.volume_name(request)

    def delete(self, pod_id: str) -> None:
        """Delete the volume of a pod that was given back. What is left is reported, with how to end it."""
        label = self._made.pop(pod_id, None)
        if label is None:
            return
        refused: errors.CloudError | None = None
        for _try in range(TRIES):
            try:
                found = [raw for raw in volumes(self._api) if label in (raw.get("label"), raw.get("name"))]
                for raw in found:
                    number = integer(raw.get("id") or raw.get("volume_id"))
                    attempted = f"delete the volume {label} on Vast.ai"
                    body = {"id": number}
                    self._api.request("DELETE", VOLUMES, body=body, attempted=attempted)
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


TEMPLATES = "/api/v0/template/"
VOLUMES = "/api/v0/volumes/"
_HASH = re.compile(r"[0-9a-f]{16,64}")


def find(api: ApiSession, kind: str, reference: str) -> Reference:
    """See Provider.find. A template is found by its hash, which changes with its content, or by its name."""
    if kind == TEMPLATE:
        return _template(api, reference)
    if kind == NETWORK_VOLUME:
        return _volume(api, reference)
    raise errors.BadRequest(
        f"Vast.ai keeps nothing of the kind {kind}, so {reference!r} cannot be used; give registry_login to the pod "
        "itself."
    )


def rows(data: Any, key: str) -> list[Mapping[str, Any]]:
    """Return the list under ``key``.

    :raises BadAnswer: when there is none.
    """
    found = mapping(data).get(key)
    if not isinstance(found, list):
        raise errors.BadAnswer(f"Vast.ai's answer holds no list of {key}. That does not mean that there are none.")
    return [mapping(each) for each in found]


def templates(api: ApiSession, filters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Templates that pass these filters of the service."""
    query = {"select_filters": to_json(filters)}
    data = api.request("GET", TEMPLATES, query=query, attempted="read the templates on Vast.ai").data
    return rows(data, "templates")


def _template(api: ApiSession, reference: str) -> Reference:
    column = "hash_id" if _HASH.fullmatch(reference) else "name"
    found = templates(api, {column: {"eq": reference}})
    found = [raw for raw in found if raw.get(column) == reference]
    raw = _only(found, "template", reference, "template", "hash_id")
    return Reference(
        TEMPLATE,
        text(raw.get("hash_id")) or reference,
        name=text(raw.get("name")),
        image=text(raw.get("image")),
        onstart=text(raw.get("onstart")),
    )


def volumes(api: ApiSession) -> list[Mapping[str, Any]]:
    """Every volume of the account."""
    query = {"owner": "me", "type": "all_volume"}
    return rows(api.request("GET", VOLUMES, query=query, attempted="read the volumes on Vast.ai").data, "volumes")


def _volume(api: ApiSession, reference: str, option: str = "volume; train_network_volume in a job") -> Reference:
    """Return a volume, which is on one machine, so only offers of that machine will do."""
    names = ("id", "volume_id", "name", "label", "volume_name")
    found = [raw for raw in volumes(api) if reference in {str(raw.get(name)) for name in names}]
    raw = _only(found, "volume", reference, option, "id")
    machine = integer(raw.get("machine_id"))
    return Reference(
        NETWORK_VOLUME,
        text(raw.get("id") or raw.get("volume_id")) or reference,
        name=text(raw.get("name") or raw.get("label")),
        filters={"machine_id": {"eq": machine}} if machine is not None else {},
        size_gb=integer(raw.get("disk_space")),
    )


def more_volumes(api: ApiSession, request: PodRequest) -> dict[str, str]:
    """Return flags by which volumes beside the first are mounted.

    :raises BadRequest: for one that is on another machine.
    """
    flags = {}
    for volume in request.extra.get("more_volumes") or ():
        found = _volume(api, volume["id"], "more_volumes")
        machine = mapping(found.filters.get("machine_id")).get("eq")
        if machine is not None and str(machine) != str(request.host):
            raise errors.BadRequest(
                f"The pod {request.name} was not rented: the volume {found.label()} (option more_volumes) is on the "
                f"machine {machine}, and the option volume has it on {request.host}. A volume can be used on its own "
                "machine only."
            )
        flags[f"-v V.{found.id.rpartition('.')[2]}:{volume['path']}"] = "1"
    return flags


def _only(
    found: Sequence[Mapping[str, Any]], title: str, reference: str, option: str, id_key: str
) -> Mapping[str, Any]:
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(str(raw.get(id_key)) for raw in found)
        raise errors.BadRequest(
            f"The {title} {reference!r} (option {option}) could be any of {ids}; give one of these instead."
        )
    raise errors.BadRequest(
        f"Vast.ai has no {title} {reference!r} (option {option}) for this account. Nothing was rented or changed."
    )
