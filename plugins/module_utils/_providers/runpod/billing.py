# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What RunPod billed. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..._core.errors import BadRequest
from ..._http.session import ApiSession
from ..._resources.resource import BillQuery
from . import catalogue, wire

#: What is billed -> its path below /v2/billing and the filter by one object, if there is one.
KINDS: dict[str, tuple[str, str | None]] = {
    "all": ("", None),
    "pods": ("/pods", "podId"),
    "network_volumes": ("/network-volumes", "networkVolumeId"),
    "clusters": ("/clusters", None),
    "serverless": ("/serverless", None),
    "endpoints": ("/endpoints", None),
}
_TIME = re.compile(r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$")
_AMOUNT = "Amount"


def bills(api: ApiSession, query: BillQuery) -> dict[str, Any]:
    """See Shelf.

    :raises BadRequest: for a time that is none, and for a filter that the kind does not have.
    """
    path, only = KINDS[query.kind]
    if query.object_id is not None and only is None:
        raise BadRequest(f"Bills of the kind {query.kind} cannot be narrowed to {query.object_id}; leave that out.")
    asked = {
        "bucketSize": query.bucket,
        "lastN": query.last,
        "startTime": moment("start_time", query.start),
        "endTime": moment("end_time", query.end),
        only or "podId": query.object_id,
    }
    answer = api.request(
        "GET",
        f"/v2/billing{path}",
        query={name: value for name, value in asked.items() if value is not None},
        attempted=f"read the bills ({query.kind}) of the account on RunPod",
    )
    records = [amounts(wire.mapping(entry)) for entry in catalogue.entries(answer.data, "records")]
    metadata = wire.mapping(wire.mapping(answer.data).get("metadata"))
    window = {snake(name): value for name, value in wire.mapping(metadata.get("query")).items()}
    totals = amounts(wire.mapping(metadata.get("totals"))) or added(records)
    return {"records": records, "totals": {"total_usd": 0.0, **totals}, "query": window}


def moment(option: str, value: str | None) -> str | None:
    """A time as the service wants it; a date alone is its first moment in UTC."""
    if value is None:
        return None
    if not _TIME.fullmatch(value):
        raise BadRequest(
            f"The option {option} is {value!r}; write it like 2026-06-01 or 2026-06-01T12:00:00Z (RFC 3339, UTC)."
        )
    return value if "T" in value else f"{value}T00:00:00Z"


def amounts(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record in our words: ``podGpuAmount`` -> ``pod_gpu_usd``, as a number."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        if name.endswith(_AMOUNT):
            found[f"{snake(name[: -len(_AMOUNT)])}_usd"] = wire.number(value)
        else:
            found[snake(name)] = value
    return found


def added(records: list[dict[str, Any]]) -> dict[str, float]:
    """The totals, where the service sent none."""
    total: dict[str, float] = {}
    for record in records:
        for name, value in record.items():
            if name.endswith("_usd") and value is not None:
                total[name] = round(total.get(name, 0.0) + value, 6)
    return total


def snake(name: str) -> str:
    """``networkVolumeId`` -> ``network_volume_id``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), name)
