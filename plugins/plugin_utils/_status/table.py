# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of all pods as text. rich only makes text here. Private to this collection."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ...module_utils._core.pod import FAILED, RUNNING, UNKNOWN, usd
from ...module_utils._core.shown import cleaned
from .._common.files import parse_time
from .._follow.text import exit_words, metric_words
from .status import Status

HEADS = ("provider", "name", "run", "phase", "GPU", "USD/h", "USD", "age", "lease", "job")
# The heads of the same for a screen on which ten columns find no place: two cells above each other.
STACKED = (("run", "pod of it"), ("GPU", "where, phase"), ("USD/h", "so far"), ("age", "lease"), ("job", ""))
# A column with the state of a job is of use from this width on.
JOB_WIDTH = 26
PHASES = {RUNNING: "green", FAILED: "red", UNKNOWN: "red"}
STATES = {"running": "green", "succeeded": "green", "failed": "red", "lost": "red"}
Cell = tuple[str, str]


def span(seconds: float | None) -> str:
    """A time in the words that matter: 45 s, 12 min, 3 h 05, 2 d 4 h."""
    if seconds is None:
        return "?"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole // 60 % 60:02d}"
    return f"{whole // 86400} d {whole // 3600 % 24} h"


def money(amount: float | None) -> str:
    """An amount in a column whose head says USD."""
    return "?" if amount is None else usd(amount).removesuffix(" USD") if amount < 1 else f"{amount:.2f}"


def lease(ends_at: str | None, now: datetime) -> str:
    """How long a pod may live, and until when: `4 h 12 left (18:00 UTC)`."""
    end = parse_time(ends_at)
    if end is None:
        return "none"
    left = (end - now).total_seconds()
    clock = f"{end:%H:%M} UTC" if abs(left) < 43200 else f"{end:%m-%d %H:%M} UTC"
    return f"{span(left)} left ({clock})" if left >= 0 else f"over for {span(-left)} ({clock})"


def job(told: Mapping[str, Any]) -> str:
    """The state of a job in a few words, and where they come from when it is not the pod."""
    if told["source"] == "pod":
        parts = [told["state"] if told["state"] != "none" else "no training yet"]
        if told["state"] == "failed" and told.get("exit_code") is not None:
            parts = [f"failed with {exit_words(told['exit_code']).partition(' (')[0]}"]
        if told.get("seconds") is not None:
            parts[0] += f" {span(told['seconds'])}"
        parts += [metric_words(dict(list(told["metrics"].items())[:3]))] if told["metrics"] else []
        parts += [f"GPU {told['gpu_percent']:.0f} %"] if told["gpu_percent"] is not None else []
        return ", ".join(parts)
    if told["source"] is None:
        return f"? ({told['why']})"
    stage = f", stage {told['stage']}" if told["stage"] else ""
    why = f"; {told['why']}" if told["why"] else ""
    return f"{told['state']}{stage} (run.json, {span(told['age_seconds'])} old{why})"


def cells(pod: Mapping[str, Any], now: datetime) -> list[Cell]:
    """The cells of one pod in the order of HEADS, each with its colour or none."""
    gpu = pod["gpu"] or "?"
    return [
        (pod["provider"], ""),
        (pod["name"], "" if pod["known"] else "yellow"),
        (pod["run_id"], ""),
        (pod["phase"], PHASES.get(pod["phase"], "yellow")),
        (f"{pod['gpu_count']}x {gpu}" if (pod["gpu_count"] or 1) > 1 else gpu, ""),
        (money(pod["usd_per_hour"]), ""),
        (money(pod["cost_usd"]), ""),
        (span(pod["age_seconds"]), ""),
        # Of a pod of another machine's run only its controller and the pod itself know.
        (lease(pod["lease_ends_at"], now) if pod["lease_known"] else "?", "" if pod["lease_ends_at"] else "dim"),
        (job(pod["job"]), STATES.get(str(pod["job"]["state"]), "") if pod["job"]["source"] == "pod" else "dim"),
    ]


def sums(status: Status) -> str:
    """The line below the table."""
    asked = [name for name in status.providers if name not in status.errors]
    if not status.pods:
        return f"No pod of ours is at {' or '.join(asked)}." if asked else "Nothing is known of any pod."
    many = "1 pod" if len(status.pods) == 1 else f"{len(status.pods)} pods"
    part = f" (without {', '.join(status.errors)}, of which nothing is known)" if status.errors else ""
    return f"{many}, {usd(status.usd_per_hour)} per hour, {usd(round(status.cost_usd, 4))} so far{part}."


def render(status: Status, *, width: int, color: bool, now: datetime) -> str:
    """The whole answer: table, sum, notes, and what failed; plain lines where rich is not installed."""
    status = cleaned(status)
    rows = [cells(pod, now) for pod in status.pods]
    rows += [[(name, "red"), ("NOT KNOWN", "bold red"), *[("?", "")] * 8] for name in status.errors]
    try:
        return _rich(rows, status, width=width, color=color)
    except ImportError:
        lines = [" | ".join(text for text, _style in row) for row in rows]
        return "\n".join([" | ".join(HEADS) if lines else "", *lines, *_below(status)]).strip("\n")


def _below(status: Status) -> list[str]:
    failed = [
        f"{name}: its pods could not be listed, so nothing is known of them. {why}"
        for name, why in status.errors.items()
    ]
    return [sums(status), *(f"- {text}" for text in [*failed, *status.notes])]


def _rich(rows: Sequence[Sequence[Cell]], status: Status, *, width: int, color: bool) -> str:
    from rich.console import Console
    from rich.measure import Measurement
    from rich.text import Text

    written = io.StringIO()
    console = Console(
        file=written, width=width, force_terminal=color, no_color=not color, legacy_windows=False, highlight=False
    )
    if rows:
        least = _flat([[*row[:-1], ("x" * JOB_WIDTH, "")] for row in rows])
        needed = Measurement.get(console, console.options.update(max_width=10_000), least).maximum
        console.print(_flat(rows) if needed <= width else _stacked(rows))
    sum_line, *notes = _below(status)
    console.print(Text(sum_line, style="bold"))
    for note in notes:
        # Not wrapped: what is to be copied into a shell must be one line.
        written.write(note + "\n")
    return "\n".join(line.rstrip() for line in written.getvalue().rstrip("\n").split("\n"))


def _table() -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")


def _flat(rows: Sequence[Sequence[Cell]]) -> Any:
    """A row a pod."""
    table = _table()
    for head in HEADS[:-1]:
        table.add_column(head, no_wrap=True, justify="right" if head.startswith("USD") else "left")
    table.add_column(HEADS[-1], overflow="fold")
    for row in rows:
        table.add_row(*map(_text, row))
    return table


def _stacked(rows: Sequence[Sequence[Cell]]) -> Any:
    """Two cells above each other, so that eighty columns do."""
    table = _table()
    for number, (upper, lower) in enumerate(STACKED):
        # An id and a price that are cut in two are misread.
        table.add_column(f"{upper}\n{lower}".strip(), overflow="fold", no_wrap=number in (0, 2))
    for row in rows:
        provider, name, run, phase, gpu, price, cost, age, lease_of_it, job_of_it = row
        short = name[0].removeprefix("podyard-").replace(f"-{run[0]}-", " ", 1)
        left = lease_of_it[0].partition(" (")[0]
        where = _text((f"{provider[0]} ", provider[1])).append_text(_text(phase))
        table.add_row(
            _over(_text(run), _text((short, name[1]))),
            _over(_text(gpu), where),
            _over(_text(price), _text(cost)),
            _over(_text(age), _text((left if left != "none" else "no lease", lease_of_it[1]))),
            _text(job_of_it),
        )
    return table


def _over(upper: Any, lower: Any) -> Any:
    return upper.append("\n").append_text(lower)


def _text(cell: Cell) -> Any:
    from rich.text import Text

    return Text(cell[0], style=cell[1])
