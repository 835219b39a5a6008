# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves as SVG text that takes its colours from the page around it.

matplotlib is loaded by the first drawing only: it is large, and nothing else needs it.
"""

from __future__ import annotations

import io
import itertools
import math
import re
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
# More points than a chart has pixels only make the page heavy.
MOST_POINTS = 1200
# Up to this many points, each one is marked.
MOST_MARKED = 40
# Without a date in it, the same run makes the same page.
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
# Colours that nobody would choose, each replaced by a variable of the page's style; text and frame first.
PAINT = {"#010203": "var(--ink)", "#040506": "var(--faint)"}
LINES = {f"#0a0b0{number}": f"var(--line{number})" for number in range(1, 7)}
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


class NoCharts(Exception):
    """Nothing can be drawn here; the text is a sentence for people."""


def metric_charts(rows: list[dict[str, Any]]) -> list[Chart]:
    """A chart for the losses, one for the accuracies, and one for each other number that the rows hold."""
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
    """A number as a float, what is infinite as not-a-number (a gap in a line); None for everything else."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def draw(chart: Chart) -> str:
    """The chart as an SVG element. Raises NoCharts when matplotlib cannot be used."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise NoCharts(f"Curves are left out: the Python library matplotlib cannot be loaded ({error}).") from error
    with mpl.rc_context(_style(chart)):
        figure = Figure(figsize=(5.2, 2.7), layout="constrained")
        axes = figure.add_subplot()
        for color, (name, line) in zip(itertools.cycle(LINES), chart.lines.items(), strict=False):
            xs, ys = _thinned(*line)
            marker = "o" if sum(map(math.isfinite, ys)) <= MOST_MARKED else ""
            axes.plot(xs, ys, color=color, linewidth=1.6, marker=marker, markersize=3, label=name)
        axes.set_xlabel(chart.across)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.set_ylim(bottom=chart.floor, top=None if chart.top is None else chart.top * 1.04)
        if chart.across not in [unit for _limit, unit, _scale in CLOCK_UNITS]:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        if len(chart.lines) > 1:
            # Above the axes, where it covers no line.
            columns = min(4, len(chart.lines))
            figure.legend(frameon=False, loc="outside upper right", ncols=columns, handlelength=1.4)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    return _inline(buffer.getvalue(), chart.title)


def _style(chart: Chart) -> dict[str, Any]:
    """What matplotlib is told for this drawing only: colours to be replaced, text as text, ids that stay the same."""
    ink, faint = PAINT
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": chart.title,
        # A metric may be called anything, also what would be read as a formula.
        "text.parse_math": False,
        "font.size": 9,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.edgecolor": faint,
        "xtick.color": ink,
        "ytick.color": ink,
        "grid.color": faint,
        "grid.linewidth": 0.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }


def _thinned(xs: list[float], ys: list[float]) -> Line:
    """At most MOST_POINTS points, evenly chosen, the last one among them."""
    step = math.ceil(len(xs) / MOST_POINTS)
    if step <= 1:
        return xs, ys
    keep = sorted({*range(0, len(xs), step), len(xs) - 1})
    return [xs[index] for index in keep], [ys[index] for index in keep]


def _inline(svg: str, title: str) -> str:
    """The element alone, in the page's colours and width, its ids told from those of other charts."""
    svg = svg[svg.index("<svg") :]
    prefix = re.sub(r"\W+", "-", title)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r'<svg([^>]*?) width="[^"]*"', r"<svg\1", svg, count=1)
    svg = re.sub(r'<svg([^>]*?) height="[^"]*"', r"<svg\1", svg, count=1)
    for color, variable in {**PAINT, **LINES}.items():
        svg = svg.replace(color, variable)
    return svg
