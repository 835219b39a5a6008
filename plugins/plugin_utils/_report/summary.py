# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary that ends a run on the screen.

The screen belongs to Ansible: rich only makes text here, and what it made is shown through Ansible's own display.
"""

from __future__ import annotations

import io

from ...module_utils._core.shown import cleaned
from ...module_utils._core.units import duration, size, usd, usd_total
from .._common import words
from .._record.record import Attempt
from .data import PodLife, RunFacts

# Attempts that came to nothing, of which a summary tells; the page has all of them.
MOST_ATTEMPTS = 5
STYLES = {"succeeded": "green", "failed": "red", "lost": "red", "stopped": "yellow", "kept": "yellow"}
# A row of the summary: what it is about, its text, and a colour or nothing.
Row = tuple[str, str, str]


def rows(facts: RunFacts) -> list[Row]:
    """Return the rows of the summary. What is missing is left out, except what a run always owes: time, cost, pods."""
    run = facts.record
    told: list[Row] = [("outcome", facts.sentence, STYLES.get(run.outcome, "cyan"))]
    if run.error:
        told.append(("error", run.error, "red"))
    if run.interruption:
        told.append(("interrupted", run.interruption.text, "red"))
    if run.metrics:
        told.append(("metrics", ", ".join(f"{name} {words.value(last)}" for name, last in run.metrics.items()), ""))
    stages = ", ".join(f"{stage.name} {duration(stage.seconds)}" for stage in facts.stages)
    told.append(("wall time", f"{duration(facts.seconds)}{f' ({stages})' if stages else ''}", ""))
    told.append(("cost", usd_total(run.cost_usd), ""))
    if not facts.pods:
        told.append(("pods", "nothing was rented", ""))
    told += [("pod", _pod(pod), "green" if pod.facts.gone_proved else "bold red") for pod in facts.pods]
    told += [("given up", _attempt(tried), "yellow") for tried in facts.given_up[:MOST_ATTEMPTS]]
    if len(facts.given_up) > MOST_ATTEMPTS:
        told.append(("given up", f"and {len(facts.given_up) - MOST_ATTEMPTS} more offers", "yellow"))
    if run.artifacts:
        total = sum(artifact.bytes or 0 for artifact in run.artifacts)
        names = ", ".join(artifact.path.removeprefix("artifacts/") for artifact in run.artifacts[:5])
        more = f" and {len(run.artifacts) - 5} more" if len(run.artifacts) > 5 else ""
        told.append(("artifacts", f"{names}{more} ({size(total)}) in {facts.directory / 'artifacts'}", ""))
    return told


def _attempt(tried: Attempt) -> str:
    reason = " ".join((tried.reason or "").split())
    return f"{tried.what}: {tried.how_it_went}{f'. {reason}' if reason else ''}"


def _pod(pod: PodLife) -> str:
    told = f"{pod.label}, {pod.hardware} at {usd(pod.facts.usd_per_hour)} an hour, "
    if pod.facts.gone_proved:
        return f"{told}rented for {duration(pod.seconds)}, proved gone at {words.clock(pod.facts.gone_at)}"
    return f"{told}NOT PROVED GONE: it may still cost money"


def render(title: str, told: list[Row], *, width: int, color: bool) -> str:
    """Render the rows as a framed table of this width, in ANSI colours or none.

    Where rich is not installed they are plain lines.
    """
    title, told = cleaned(title), cleaned(told)
    try:
        from rich.box import ROUNDED
        from rich.console import Console
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return "\n".join([title, *(f"  {name + ':':<11}{text}" for name, text, _style in told)])
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, text, style in told:
        table.add_row(name, Text(text, style=style))
    console = Console(
        file=io.StringIO(), width=width, force_terminal=color, no_color=not color, legacy_windows=False, highlight=False
    )
    console.print(Panel(table, title=Text(title, style="bold"), title_align="left", box=ROUNDED, expand=False))
    written = console.file
    return written.getvalue().rstrip("\n") if isinstance(written, io.StringIO) else ""
