# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page report.html: one file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ...module_utils._core.shown import cleaned
from ...module_utils._core.units import duration, size, usd, usd_total
from .._common import words
from .charts import CLOCKS, COUNTERS, FAMILIES, gpu_charts, metric_charts
from .data import RunFacts, Stage
from .svg import draw, left_out

TEMPLATE = Path(__file__).with_name("page.html.j2")
TONES = {"succeeded": "good", "failed": "bad", "lost": "bad", "stopped": "warn", "kept": "warn"}
# Tiles of the last values, besides cost, time and pods: what fits into one row.
MOST_TILES = 3


def render(facts: RunFacts) -> str:
    """Return the page as HTML text."""
    facts = cleaned(facts)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        clock=words.clock,
        duration=duration,
        size=size,
        usd=usd,
        usd_total=usd_total,
        value=words.value,
    )
    whole = facts.seconds or 1.0

    def left(stage: Stage) -> str:
        return f"{100 * stage.start / whole:.2f}"

    def width(stage: Stage) -> str:
        return f"{100 * stage.seconds / whole:.2f}"

    environment.filters.update(left=left, width=width)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        facts=facts,
        run=facts.record,
        tone=TONES.get(facts.record.outcome, "busy"),
        prices=_prices(facts),
        proof=proof(facts),
        tiles=_tiles(facts.record.metrics),
        charts=_charts(facts),
        job=_job(facts.plan),
    )


def proof(facts: RunFacts) -> str:
    """Say in a few words what is known about the end of the pods."""
    if not facts.pods:
        return "nothing was rented"
    if facts.left:
        return f"{len(facts.left)} not proved gone"
    return "proved gone" if len(facts.pods) == 1 else "all proved gone"


def _charts(facts: RunFacts) -> list[tuple[str, Markup, list[str]]]:
    """Return title, drawing and what the drawing leaves out for each chart. All text in a drawing is escaped there."""
    charts = enumerate([*metric_charts(facts.metrics), *gpu_charts(facts.gpu)])
    return [(chart.title, Markup(draw(chart, f"chart{number}")), left_out(chart)) for number, chart in charts]


def _prices(facts: RunFacts) -> str:
    kinds = {f"{pod.hardware} at {usd(pod.facts.usd_per_hour)} an hour" for pod in facts.pods}
    return ", ".join(sorted(kinds))


def _tiles(metrics: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the last values that are looked for first: how good, how far from it, and after how much."""
    numbers = {
        name: thing
        for name, thing in metrics.items()
        if isinstance(thing, (int, float)) and not isinstance(thing, bool) and name not in CLOCKS
    }
    wanted = [name for word in ("accuracy", "loss") for name in numbers if FAMILIES[word].search(name)]
    wanted += [name for name in COUNTERS if name in numbers]
    return [(name, numbers[name]) for name in dict.fromkeys([*wanted, *numbers])][:MOST_TILES]


def _job(plan: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [(name, str(plan[name])) for name in ("image", "command") if plan.get(name)]
    for name in ("code", "dataset"):
        tree = plan.get(name)
        if isinstance(tree, dict) and tree.get("path"):
            files = f"{tree.get('files')} file{'' if tree.get('files') == 1 else 's'}"
            rows.append((name, f"{tree['path']} ({files}, {size(tree.get('bytes'))})"))
    return rows
