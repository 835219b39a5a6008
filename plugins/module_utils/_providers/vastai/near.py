# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which filters of a search an offer breaks, in words: for a search that found nothing. Private to this collection.

The service filters by itself and tells nobody what it left out, so its comparisons are made once more here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._core.offer import Objection, OfferQuery
from ..._core.values import integer, number, text
from . import wire
from .query import driver_version, spelled

#: Field -> what people call it, and what its number is divided by to be in their unit.
LABELS: Mapping[str, tuple[str, float]] = {
    "reliability2": ("a reliability of", 1),
    "inet_down": ("a download in Mbps of", 1),
    "inet_up": ("an upload in Mbps of", 1),
    "inet_down_cost": ("a price in USD per GB received of", 1),
    "inet_up_cost": ("a price in USD per GB sent of", 1),
    "direct_port_count": ("a number of free ports of", 1),
    "compute_cap": ("a compute capability of", 100),
    "gpu_ram": ("GB of memory per GPU of", 1000),
    "gpu_total_ram": ("GB of memory of all GPUs of", 1000),
    "cpu_ram": ("GB of memory of", 1000),
    "duration": ("days left of", 86400),
    "disk_space": ("GB of disk left of", 1),
    "cuda_max_good": ("CUDA", 1),
    "geolocation": ("the country", 1),
}
_SIGNS = {
    "eq": "", "neq": "another than ", "gt": "more than ", "gte": "at least ", "lt": "less than ", "lte": "at most ",
    "in": "one of ", "notin": "none of ",
}  # fmt: skip


def objections(
    raw: Mapping[str, Any], filters: Mapping[str, Mapping[str, Any] | None], query: OfferQuery
) -> list[Objection]:
    """Every condition that the offer does not keep, one objection for each field."""
    found = []
    for field, conditions in filters.items():
        broken = [(sign, wanted) for sign, wanted in (conditions or {}).items() if not _holds(raw, field, sign, wanted)]
        if broken:
            found.append(_objection(raw, field, broken[0], field in query.filters))
    return found


def _objection(raw: Mapping[str, Any], field: str, broken: tuple[str, Any], own: bool) -> Objection:
    sign, wanted = broken
    if field == "datacenter" and not own:
        kind = "in no data centre" if wanted else "in a data centre"
        return Objection("clouds", f"is on a host {kind}, and {'SECURE' if wanted else 'COMMUNITY'} is wished")
    label, factor = LABELS.get(field, (field, 1))
    has = value_of(raw, field)
    whose = "the option search" if own else f"a default, search: {spelled(field)}=any takes it away"
    words = f"has {label} {_shown(has, factor)}, and {_SIGNS[sign]}{_shown(wanted, factor)} is wished"
    if field == "direct_port_count" and not own:
        return Objection("ports", words, _gap(has, wanted))
    return Objection("search", f"{words} ({whose})", _gap(has, wanted))


def _gap(has: Any, wanted: Any) -> float:
    one, other = number(has), number(wanted)
    return abs(one - other) / abs(other) if one is not None and other else 1.0


def _shown(value: Any, factor: float) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(each, factor) for each in value)
    if value is None:
        return "unknown"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value / factor:g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def value_of(raw: Mapping[str, Any], field: str) -> Any:
    """What a filter on this field compares with."""
    if field == "verified":
        return text(raw.get("verification")) == "verified"
    if field == "datacenter":
        return integer(raw.get("hosting_type")) == 1
    if field == "geolocation":
        return wire.country(raw.get("geolocation"))
    if field == "external":
        return bool(raw.get("external"))
    if field == "reliability2" and raw.get("reliability2") is None:
        return raw.get("reliability")
    if field == "driver_version" and raw.get("driver_version"):
        return driver_version(str(raw["driver_version"]))
    return raw.get(field)


def _holds(raw: Mapping[str, Any], field: str, sign: str, wanted: Any) -> bool:
    has = value_of(raw, field)
    if sign in ("in", "notin"):
        return any(_same(has, each) for each in wanted) == (sign == "in")
    if sign in ("eq", "neq"):
        return _same(has, wanted) == (sign == "eq")
    one, other = number(has), number(wanted)
    if one is None or other is None:
        return False
    return {"gt": one > other, "gte": one >= other, "lt": one < other, "lte": one <= other}[sign]


def _same(has: Any, wanted: Any) -> bool:
    if isinstance(has, str) or isinstance(wanted, str):
        return str(has).replace("_", " ").lower() == str(wanted).replace("_", " ").lower()
    return bool(has == wanted)
