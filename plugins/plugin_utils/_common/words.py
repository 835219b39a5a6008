# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people read them, each with its unit."""

from __future__ import annotations

import math
import re
from typing import Any

from ...module_utils._core.shown import clean_line
from ...module_utils._core.units import duration, usd, usd_total


def value(thing: Any) -> str:
    """A metric's value: whole numbers as they are, others with four significant digits, everything else as text."""
    if isinstance(thing, bool) or not isinstance(thing, (int, float)):
        return str(thing)
    if isinstance(thing, int) or not math.isfinite(thing):
        return str(thing)
    return f"{thing:.4g}"


def clock(text: str | None) -> str:
    """An RFC 3339 time without its fraction, as `2026-07-15 14:00:00 UTC`; `unknown` for None."""
    if not text:
        return "unknown"
    return re.sub(r"\.\d+", "", text).replace("T", " ").replace("Z", " UTC").replace("+00:00", " UTC")


def attempt(tried: dict[str, Any]) -> str:
    """What was tried, in a few words: `RTX 4090 in SE on vastai (machine 21055), USD 0.39 an hour`."""
    what = " ".join(str(tried[name]) for name in ("gpu", "cpu") if tried.get(name)) or "a pod"
    place = f" in {tried['region']}" if tried.get("region") else ""
    machine = f" (machine {tried['host']})" if tried.get("host") else ""
    return f"{what}{place} on {tried.get('provider')}{machine}, {usd(tried.get('usd_per_hour'))} an hour"


def how_it_went(tried: dict[str, Any]) -> str:
    """What came of it: `given back after 3 min 4 s, reached running, cost USD 0.02`."""
    stage = f", reached {tried['stage'].replace('_', ' ')}" if tried.get("stage") else ""
    cost = f", cost {usd_total(tried['cost_usd'])}" if tried.get("cost_usd") else ""
    return f"{tried.get('outcome')} after {duration(tried.get('seconds'))}{stage}{cost}"


def interruption(taken: dict[str, Any]) -> str:
    """What took a pod away, in a few words: `outbid in the stage follow, seen at 2026-07-15 14:00:00 UTC`."""
    return f"{taken['kind']} in the stage {taken['stage'].replace('_', ' ')}, seen at {clock(taken['seen_at'])}"


def lines_of(text: str, most: int) -> list[str]:
    """The last lines of a log as they looked: without colours, of a redrawn progress bar only its last state."""
    shown = []
    for line in text.split("\n"):
        shown.append(clean_line(line.rstrip("\r").rpartition("\r")[2]).rstrip())
    while shown and not shown[-1]:
        shown.pop()
    return shown[-most:]
