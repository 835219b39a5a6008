# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Things of the account that a pod names: templates and volumes. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..._core import errors
from ..._core.pod import PodRequest, Reference
from ..._core.values import integer, mapping, text, to_json
from ..._http.session import ApiSession
from ..base import NETWORK_VOLUME, TEMPLATE

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
    """The list under ``key``. :raises BadAnswer: when there is none."""
    found = mapping(data).get(key)
    if not isinstance(found, list):
        raise errors.BadAnswer(
            f"Vast.ai's answer holds no list of {key}; it cannot be read, which is not the same as empty."
        )
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


def _volume(api: ApiSession, reference: str, option: str = "volume, of a job train_network_volume") -> Reference:
    """A volume is on one machine, so only offers of that machine will do."""
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
    """Flags by which volumes beside the first are mounted. :raises BadRequest: for one that is on another machine."""
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
