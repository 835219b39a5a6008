# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which charts a run has: of its metrics, and of what its GPUs did."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...module_utils._core.times import parse_time

# What a row is counted by, the first that there is.
COUNTERS = ("epoch", "step", "global_step", "iteration", "iter")
# Numbers that only say when a row was written.
CLOCKS = ("time", "timestamp", "seconds", "elapsed", "wall_time")
FAMILIES = {
    "loss": re.compile(r"loss|perplexity|error", re.IGNORECASE),
    "accuracy": re.compile(r"acc|f1|auc|precision|recall|score", re.IGNORECASE),
}
# Up to how many seconds a span of time is counted in which unit, and the seconds of one.
CLOCK_UNITS = ((180.0, "seconds", 1.0), (5 * 3600.0, "minutes", 60.0), (math.inf, "hours", 3600.0))
# A page, not a dashboard: with more curves than this nothing is seen any more.
MOST_CHARTS = 8
# Beyond these a number is drawn as no number, or as 0: the room for an axis around it has to be a number too.
LARGEST, SMALLEST = 1e300, 1e-300
# As what a training's numbers are kept that JSON does not have.
NOT_FINITE = ("NaN", "Infinity", "-Infinity")
# x values and y values
Line = tuple[list[float], list[float]]


@dataclass(frozen=True)
class Chart:
    """One drawing: its title, what its axes count, and its lines by name."""

    title: str
    across: str
    lines: dict[str, Line]
    floor: float | None = None
    top: float | None = None


def metric_charts(rows: list[dict[str, Any]]) -> list[Chart]:
    """Return a chart for the losses, one for the accuracies, and one for each other number that the rows hold."""
    counter = next((name for name in COUNTERS if any(_number(row.get(name)) is not None for row in rows)), None)
    lines: dict[str, Line] = {}
    for index, row in enumerate(rows, start=1):
        x = _number(row.get(counter)) if counter else float(index)
        for name, value in row.items():
            if x is not None and name != counter and name.lower() not in CLOCKS:
                _add(lines, name, x, _number(value))
    families: dict[str, dict[str, Line]] = {word: {} for word in FAMILIES}
    for name, line in lines.items():
        family = next((word for word, pattern in FAMILIES.items() if pattern.search(name)), name)
        families.setdefault(family, {})[name] = line
    return [Chart(family, counter or "row", some) for family, some in families.items() if some][:MOST_CHARTS]


def gpu_charts(rows: list[dict[str, Any]]) -> list[Chart]:
    """Utilisation in percent and memory in GiB of each GPU over the time since the first sample."""
    times = [parse_time(row.get("time")) for row in rows]
    known = [time for time in times if time]
    if not known:
        return []
    first = min(known)
    span = (max(known) - first).total_seconds()
    unit, scale = next((unit, scale) for limit, unit, scale in CLOCK_UNITS if span <= limit)
    use: dict[str, Line] = {}
    memory: dict[str, Line] = {}
    total = 0.0
    for time, row in zip(times, rows, strict=True):
        if time is None:
            continue
        x, name = (time - first).total_seconds() / scale, f"GPU {row.get('index', 0)}"
        used, of = _number(row.get("memory_used_mb")), _number(row.get("memory_total_mb"))
        _add(use, name, x, _number(row.get("utilization_percent")))
        _add(memory, name, x, used / 1024 if used is not None else None)
        total = max(total, of / 1024 if of is not None else 0.0)
    charts = [
        Chart("GPU utilisation, percent", unit, use, floor=0, top=100),
        Chart("GPU memory in use, GiB", unit, memory, floor=0, top=total or None),
    ]
    return [chart for chart in charts if chart.lines]


def _add(lines: dict[str, Line], name: str, x: float, y: float | None) -> None:
    if y is not None:
        xs, ys = lines.setdefault(name, ([], []))
        xs.append(x)
        ys.append(y)


def _number(value: Any) -> float | None:
    """Return a number as a float, what is infinite as not-a-number (a gap in a line); None for everything else."""
    if isinstance(value, str) and value in NOT_FINITE:
        return math.nan
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    if abs(number) < SMALLEST:
        return 0.0
    return number if abs(number) <= LARGEST else math.nan


def finite(values: Sequence[float]) -> list[float]:
    """Return the values that have a place in a drawing."""
    return [value for value in values if math.isfinite(value)]
