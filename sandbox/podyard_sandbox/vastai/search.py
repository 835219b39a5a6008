# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Searches: what a body asks for, and the offers that match it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podyard_sandbox.faults import Faults
from podyard_sandbox.vastai import bodies, query
from podyard_sandbox.vastai.fault_hooks import trigger
from podyard_sandbox.vastai.market import DEFAULT_STORAGE, Market, driver_number, offer_json

_CONTROLS = ("order", "type", "limit", "allocated_storage", "disable_bundling", "q", "select_cols", "sort_option")
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "verified": {"eq": True},
    "rentable": {"eq": True},
    "rented": {"eq": False},
}
_BIDS = ("bid", "interruptible")
_TYPES = ("on-demand", "ondemand", "on_demand", "reserved", *_BIDS)
# Columns that exist only in a search, and what they stand for.
_ALIASES = {
    "dph": "dph_total", "dphtotal": "dph_total", "cuda_vers": "cuda_max_good", "dlperf_usd": "dlperf_per_dphtotal",
    "flops_usd": "flops_per_dphtotal", "display_active": "gpu_display_active", "gpu_totalram": "gpu_total_ram",
    "ubuntu_version": "os_version", "target_reliability": "reliability", "expected_reliability": "reliability",
    "disk": "disk_space", "reliability2": "reliability",
}  # fmt: skip
_VIRTUAL = ("verified", "datacenter", "allocated_storage")
# Without a filter on compute_cap, a search by CUDA version was seen to lose the newest GPUs.
_LOST_BY_CUDA = ("H100", "H200")
_DEFAULT_LIMIT = 64
_MAX = 4_000


def search(market: Market, faults: Faults, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the offers that a search finds, in its order.

    Raises:
        ApiError: 400.
    """
    if isinstance(body.get("q"), Mapping):
        body = {**body["q"], **{name: body[name] for name in _CONTROLS if name in body and name != "q"}}
    bid = _type(body)
    storage = _number(body, "allocated_storage", DEFAULT_STORAGE)
    limit = _limit(body, faults)
    rows = [offer_json(offer, storage, bid=bid) for offer in market]
    known = {*rows[0], *_ALIASES, *_VIRTUAL}
    given = {name: value for name, value in body.items() if name not in _CONTROLS and value is not None}
    filters = query.check({**_DEFAULTS, **given}, known)
    order = _order(body.get("order"), known)
    found = [row for row in rows if query.matches(row, filters, _value)]
    if "cuda_max_good" in filters and "compute_cap" not in filters and trigger(faults, "vast-cuda-filter-drops"):
        found = [row for row in found if not row["gpu_name"].startswith(_LOST_BY_CUDA)]
    return query.ordered(found, order)[:limit]


def _value(row: query.Row, column: str) -> Any:
    """Return what a filter compares with."""
    if column == "id":
        return None  # a filter on id finds nothing; ask_contract_id is the one that does
    if column == "verified":
        return row["verification"] == "verified"
    if column == "datacenter":
        return row["hosting_type"] == 1
    if column == "allocated_storage":
        return row["disk_space"]
    if column == "geolocation":
        return row["geolocation"][-2:]
    if column == "external":
        return bool(row["external"])
    if column == "driver_version":
        return driver_number(row["driver_version"])
    return row[_ALIASES.get(column, column)]


def _type(body: Mapping[str, Any]) -> bool:
    wanted = body.get("type") or "on-demand"
    if wanted not in _TYPES:
        raise query.unfit(f"{bodies.shown(wanted)} is not a valid type")
    return wanted in _BIDS


def _number(body: Mapping[str, Any], name: str, default: float) -> float:
    value = body.get(name)
    if value is None or isinstance(value, Mapping):
        return default
    try:
        found = bodies.amount(value)
    except ValueError:
        raise query.unfit(f"{name} is not a number") from None
    if found < 0:
        raise query.unfit(f"{name} {found:g} is not valid")
    return found


def _limit(body: Mapping[str, Any], faults: Faults) -> int:
    limit = int(_number(body, "limit", _DEFAULT_LIMIT))
    if limit < 1:
        raise query.unfit(f"limit {limit} is not valid")
    fault = trigger(faults, "vast-search-cap")
    return min(limit, fault.params["size"] if fault else _MAX)


def _order(given: Any, known: set[str]) -> list[tuple[str, str]]:
    if not given:
        return [("score", "desc")]
    if not isinstance(given, list) or not all(isinstance(each, list) and len(each) == 2 for each in given):
        raise query.unfit("order is not a list of [field, direction]")
    for column, direction in given:
        if not isinstance(column, str) or column not in known:
            raise query.unknown_key(bodies.shown(column))
        if direction not in ("asc", "desc"):
            raise query.unfit(f"{bodies.shown(direction)} is not a direction")
    return [(_ALIASES.get(column, column), direction) for column, direction in given]
