# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Vast.ai charged. Private to this collection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ..._core import errors
from ..._core.values import integer, listing, mapping, number, text, to_json
from ..._resources.resource import BillQuery
from . import wire
from .session import VastSession

CHARGES, INVOICES = "/api/v0/charges/", "/api/v1/invoices/"
#: Records of one page.
PAGE = 500
#: Our words for what is charged -> the service's types of contracts.
KINDS: Mapping[str, tuple[str, ...] | None] = {
    "all": None,
    "pods": ("instance",),
    "volumes": ("volume",),
    "serverless": ("serverless",),
    "invoices": None,
}
#: Days up to now when nobody says; the service wants a range.
DAYS = 30


def bills(api: VastSession, query: BillQuery) -> dict[str, Any]:
    """See Shelf. :raises BadRequest: for a time that is none."""
    start, end = window(query)
    invoices = query.kind == "invoices"
    filters: dict[str, Any] = {"when" if invoices else "day": {"gte": start, "lte": end}}
    types = KINDS[query.kind]
    if types is not None:
        filters["type"] = {"in": list(types)}
    raws = _pages(api, INVOICES if invoices else CHARGES, filters)
    records = [_record(raw) for raw in raws]
    if query.object_id is not None:
        records = [record for record in records if record["object_id"] == query.object_id]
    kinds: dict[str, float] = {}
    for record in records:
        for name, amount in record["amounts"].items():
            kinds[name] = round(kinds.get(name, 0.0) + amount, 6)
    total = round(sum(record["usd"] for record in records), 6)
    asked = {"start": wire.moment(start), "end": wire.moment(end), "kind": query.kind}
    return {"records": records, "totals": {"total_usd": total, **kinds}, "query": asked}


def window(query: BillQuery, now: datetime | None = None) -> tuple[int, int]:
    """Seconds since 1970 from when to when."""
    moment = now or datetime.now(timezone.utc)
    end = _seconds("end_time", query.end) if query.end else int(moment.timestamp())
    if query.start:
        return _seconds("start_time", query.start), end
    return end - int(timedelta(days=query.last or DAYS).total_seconds()), end


def _seconds(option: str, text_: str) -> int:
    try:
        found = datetime.fromisoformat(text_.replace("Z", "+00:00"))
    except ValueError:
        raise errors.BadRequest(
            f"The option {option} is {text_!r}; write it like 2026-06-01 or 2026-06-01T12:00:00Z (UTC)."
        ) from None
    return int((found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp())


def _pages(api: VastSession, path: str, filters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    query: dict[str, Any] = {"select_filters": to_json(filters), "limit": PAGE}
    found: list[Mapping[str, Any]] = []
    seen: set[str] = set()
    while True:
        data = mapping(api.request("GET", path, query=query, attempted="read the charges on Vast.ai").data)
        listed = data.get("results")
        if not isinstance(listed, list):
            raise errors.BadAnswer("Vast.ai's answer holds no list of charges; it cannot be read.")
        found += [mapping(each) for each in listed]
        token = text(data.get("next_token"))
        if token is None:
            return found
        if token in seen:
            raise errors.BadAnswer("Vast.ai's list of charges goes round in circles; it cannot be read.")
        seen.add(token)
        query["after_token"] = token


def _record(raw: Mapping[str, Any]) -> dict[str, Any]:
    """One contract's charges in our words."""
    amounts: dict[str, float] = {}
    words = {"gpu": "gpu_usd", "disk": "disk_usd", "bwd": "download_usd", "bwu": "upload_usd"}
    for item in map(mapping, listing(raw.get("items"))):
        name = words.get(text(item.get("type")) or "")
        if name:
            amounts[name] = round(amounts.get(name, 0.0) + (number(item.get("amount")) or 0.0), 6)
    source = text(raw.get("source")) or ""
    return {
        "type": text(raw.get("type")),
        "object_id": source.rpartition("-")[2] or None,
        "label": text(mapping(raw.get("metadata")).get("label")),
        "start": wire.moment(raw.get("start")),
        "end": wire.moment(raw.get("end")),
        "description": text(raw.get("description")),
        "usd": number(raw.get("amount")) or 0.0,
        "amounts": amounts,
        "invoice_id": integer(mapping(raw.get("metadata")).get("invoice_id")),
    }
