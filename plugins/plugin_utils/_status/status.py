# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lives and what it costs: pods, runs, and what they say of each other. No request."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ...module_utils._core.names import PREFIX, PodName
from ...module_utils._core.pod import FAILED, GONE, INTERRUPTIONS, RUNNING, STOPPED, UNKNOWN
from ...module_utils._core.shown import cleaned
from ...module_utils._core.times import parse_time, rfc3339
from ...module_utils._core.units import age, usd, usd_total
from ...module_utils._pods.holder import Holder
from ...module_utils._training.metrics import json_lines, latest, number
from .._common.pod_lists import PodList
from .._follow.text import exit_words, metric_words
from .._record.record import PodEntry
from .probe import ProbeAnswer
from .runs import OPEN, Run

HEADS = ("provider", "name", "run", "phase", "GPU", "USD/h", "USD", "age", "lease", "job")
# The heads of the same for a screen on which ten columns find no place: two cells above each other.
STACKED = (("run", "pod of it"), ("GPU", "where, phase"), ("USD/h", "so far"), ("age", "lease"), ("job", ""))
# A column with the state of a job is of use from this width on.
JOB_WIDTH = 26
PHASES = {RUNNING: "green", FAILED: "red", UNKNOWN: "red"}
STATES = {"running": "green", "succeeded": "green", "failed": "red", "lost": "red"}
Cell = tuple[str, str]


def span(seconds: float | None) -> str:
    """Write a time span for a narrow column: `12 min`, `?` for None."""
    return "?" if seconds is None else age(seconds)


def money(amount: float | None) -> str:
    """Format an amount in a column whose head says USD."""
    return "?" if amount is None else usd_total(amount).removeprefix("USD ")


def lease(ends_at: str | None, now: datetime) -> str:
    """How long a pod may live, and until when: `4 h 12 left (18:00 UTC)`."""
    end = parse_time(ends_at)
    if end is None:
        return "none"
    left = (end - now).total_seconds()
    clock = f"{end:%H:%M} UTC" if abs(left) < 43200 else f"{end:%m-%d %H:%M} UTC"
    return f"{span(left)} left ({clock})" if left >= 0 else f"over for {span(-left)} ({clock})"


def job(told: Mapping[str, Any]) -> str:
    """Return the state of a job in a few words, and where they come from when it is not the pod."""
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
    """Return the cells of one pod in the order of HEADS, each with its colour or none."""
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
    """Return the line below the table."""
    asked = [name for name in status.providers if name not in status.errors]
    if not status.pods:
        return f"No pod of ours is at {' or '.join(asked)}." if asked else "Nothing is known of any pod."
    many = "1 pod" if len(status.pods) == 1 else f"{len(status.pods)} pods"
    part = f" (without {', '.join(status.errors)}, of which nothing is known)" if status.errors else ""
    return f"{many}, {usd(status.usd_per_hour)} per hour, {usd_total(status.cost_usd)} so far{part}."


def render(status: Status, *, width: int, color: bool, now: datetime) -> str:
    """Render the whole answer: table, sum, notes, and what failed; plain lines where rich is not installed."""
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
    """Return one row per pod."""
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
    for column, (upper, lower) in enumerate(STACKED):
        # An id and a price that are cut in two are misread.
        table.add_column(f"{upper}\n{lower}".strip(), overflow="fold", no_wrap=column in (0, 2))
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


TAKEN = (
    "provider",
    "id",
    "name",
    "phase",
    "raw_status",
    "gpu",
    "gpu_count",
    "region",
    "created_at",
    "interruption",
    "end",
)


@dataclass(frozen=True)
class Status:
    """What was found out, for people and as data.

    ``pods`` are rows for the table, JSON-able; ``runs`` those without a pod that are not over; ``notes`` sentences for
    people; ``errors``, by provider, why nothing is known of its pods.
    """

    pods: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    providers: list[str] = field(default_factory=list)

    @property
    def usd_per_hour(self) -> float:
        """What all pods cost an hour now, as far as their prices are known."""
        return round(sum(pod["usd_per_hour"] or 0.0 for pod in self.pods), 6)

    @property
    def cost_usd(self) -> float:
        """What the pods that are left have cost so far."""
        return round(sum(pod["cost_usd"] or 0.0 for pod in self.pods), 6)

    def to_result(self) -> dict[str, Any]:
        """Return the same as a JSON-able dict."""
        names = ("pods", "runs", "notes", "errors", "providers", "usd_per_hour", "cost_usd")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Found:
    """All that a status is made of; `looks` by run id, `only` the ids of the runs that are asked for, empty for all."""

    lists: Sequence[PodList]
    runs: Sequence[Run]
    looks: Mapping[str, ProbeAnswer]
    now: datetime
    only: Sequence[str] = ()
    runs_dir: str = "./runs"


def ours(pods: Iterable[Mapping[str, Any]], only: Sequence[str] = ()) -> list[tuple[Mapping[str, Any], PodName]]:
    """Return the pods with names of our pattern that are not gone, with the parts of their names.

    With ``only`` just those of these runs.
    """
    named = [(pod, PodName.parse(pod["name"])) for pod in pods if pod["phase"] != GONE]
    return [(pod, name) for pod, name in named if name is not None and (not only or name.run_id in only)]


def status(found: Found) -> Status:
    """Put together what providers, records and pods say."""
    runs = {run.run_id: run for run in found.runs}
    rows = [
        _row(pod, name, runs.get(name.run_id), found)
        for each in found.lists
        for pod, name in ours(each.pods, found.only)
    ]
    rows.sort(key=lambda row: (row["created_at"] or "", row["name"]))
    errors = {each.provider: each.error for each in found.lists if each.error is not None}
    chosen = [run for run in found.runs if not found.only or run.run_id in found.only]
    holders = {each.provider: each.holder for each in found.lists}
    alone = [entry for run in chosen if (entry := _without_pod(run, rows, errors, holders))]
    notes = [note for row in rows for note in _notes_of_pod(row, runs.get(row["run_id"]), found.runs_dir)]
    notes += [entry["why"] for entry in alone]
    notes += [] if found.only else _strangers(found.lists)
    return Status(rows, alone, notes, errors, [each.provider for each in found.lists])


def _row(pod: Mapping[str, Any], name: PodName, run: Run | None, found: Found) -> dict[str, Any]:
    known = run.record.pods if run is not None else []
    record = next((each for each in known if each.id == pod["id"]), None)
    age = _age(pod, record, next((each.clock_ahead for each in found.lists if pod in each.pods), None), found.now)
    stopped = pod["phase"] == STOPPED
    price = pod["usd_per_hour"] if pod["usd_per_hour"] is not None else record.usd_per_hour if record else None
    job = _job(pod, run, found)
    lease = record.lease_ends_at if record is not None else None
    if job["source"] == "pod":
        lease = job.pop("lease_ends_at")
    return {
        **{key: pod.get(key) for key in TAKEN},
        "run_id": name.run_id,
        "project": name.project,
        "known": run is not None,
        "usd_per_hour": pod.get("stopped_usd_per_hour") if stopped else price,
        # How long a stopped pod was stopped is not known here.
        "cost_usd": round(age / 3600 * price, 6) if not stopped and age is not None and price is not None else None,
        "age_seconds": round(age, 1) if age is not None else None,
        "lease_ends_at": lease,
        # A pod that is still being rented is not in the record yet.
        "lease_known": job["source"] == "pod" or record is not None,
        "job": job,
    }


def _age(pod: Mapping[str, Any], record: PodEntry | None, clock_ahead: float | None, now: datetime) -> float | None:
    """Seconds since a pod was rented, each time against the clock that has told it."""
    begun = parse_time(pod["created_at"])
    if begun is not None:
        now += timedelta(seconds=clock_ahead or 0.0)
    elif record is not None:
        begun = parse_time(record.rented_at)
    return max(0.0, (now - begun).total_seconds()) if begun is not None else None


def _job(pod: Mapping[str, Any], run: Run | None, found: Found) -> dict[str, Any]:
    """Return the state of the training: what the pod says, else what the record says and how old that is."""
    if run is None:
        return {"source": None, "state": None, "why": "no run here knows it"}
    look = found.looks.get(run.run_id)
    if look is not None and look.found is not None and _is_at(run, pod):
        return _told_by_pod(look.found, found.now)
    told = {"source": "record", "state": run.record.outcome, "stage": run.stage, "age_seconds": round(run.age, 1)}
    return {**told, "metrics": run.record.metrics, "why": look.trouble if look is not None else None}


def _is_at(run: Run, pod: Mapping[str, Any]) -> bool:
    """Whether the run's connection leads to this pod."""
    return run.connection is not None and run.connection.pod_id == pod["id"]


def _told_by_pod(said: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    latest(metrics, json_lines(said["metrics"]["data"]))
    gpus = {str(row.get("index")): number(row.get("utilization_percent")) for row in json_lines(said["gpu"]["data"])}
    used = [value for value in gpus.values() if value is not None]
    state = "stopped" if said["stopped"] and said["state"] in ("failed", "lost") else said["state"]
    return {
        "source": "pod",
        "state": "none" if state == "absent" else state,
        "seconds": said["seconds"],
        "exit_code": said["exit_code"],
        "heartbeat_age": said["heartbeat_age"],
        "metrics": metrics,
        "gpu_percent": round(sum(used) / len(used), 1) if used else None,
        "lease_ends_at": _lease(said.get("lease_ends_in"), now),
    }


def _lease(seconds: float | None, now: datetime) -> str | None:
    """When a lease ends of which so much is left, by this machine's clock; the pod's may be wrong."""
    if seconds is None:
        return None
    return rfc3339(now + timedelta(seconds=seconds))


def _of_others(run: Run, holders: Mapping[str, Holder]) -> str | None:
    """Why the lists say nothing of a run's pods: they are another account's."""
    for pod in run.unproved:
        renter, own = Holder.of(pod.to_json()), holders.get(pod.provider, Holder())
        if renter.known and own.known and not renter.is_(own):
            return f"its pod was rented with {renter}, and {pod.provider} was asked with a key of {own}"
    return None


def _without_pod(
    run: Run, rows: Iterable[Mapping[str, Any]], errors: Mapping[str, str], holders: Mapping[str, Holder]
) -> dict[str, Any] | None:
    """Describe a run that is not over, or whose pod another account has, and of which no pod was found."""
    outcome, others = run.record.outcome, _of_others(run, holders)
    if (outcome not in OPEN and others is None) or any(row["run_id"] == run.run_id for row in rows):
        return None
    entry = {"run_id": run.run_id, "outcome": outcome, "stage": run.stage, "owner": run.owner().kind}
    unknown = sorted(set(run.job["providers"]) & set(errors))
    owner = run.owner()
    stage = f" at stage {run.stage}" if run.stage else ""
    if unknown:
        why = f"Whether the run {run.run_id} ({outcome}{stage}) has a pod is not known: see {', '.join(unknown)}."
    elif others is not None:
        why = f"Whether the run {run.run_id} ({outcome}{stage}) has a pod is not known: {others}."
    elif owner.kind != "nobody":
        why = f"The run {run.run_id} has no pod now; {owner.words} works on it{stage}."
    elif outcome == "running":
        why = (
            f"The run {run.run_id} is recorded as running{stage}, but it has no pod and its controller has ended. "
            f"It costs nothing. Close its record: {command('stop', run)}"
        )
    else:
        why = f"The run {run.run_id} was {outcome}, but its pod is gone. Close its record: {command('stop', run)}"
    return {**entry, "why": why}


def _notes_of_pod(row: Mapping[str, Any], run: Run | None, runs_dir: str) -> list[str]:
    """Warnings about one pod: no run here has it, or nothing watches it."""
    what = f"The pod {row['name']} ({row['id']} on {row['provider']}, {usd(row['usd_per_hour'])} per hour)"
    if run is None:
        stop = f"ansible-playbook podyard.gpu.stop -e run_id={row['run_id']} -e stop_confirm=true"
        return [f"{what} belongs to no run in {runs_dir}. If you do not need it, end it: {stop}; or: {row['end']}"]
    if row["interruption"]:
        why = INTERRUPTIONS.get(row["interruption"], f"was taken away ({row['interruption']})")
        return [f"{what} {why}. {_ways(run)}"]
    outcome, owner = run.record.outcome, run.owner()
    if owner.kind != "nobody":
        return []
    lease = "" if row["lease_ends_at"] else " and has no lease" if row["lease_known"] else " and perhaps has no lease"
    if outcome == "running":
        return [f"{what} is not watched{lease}: its controller and its guard have ended. {_ways(run)}"]
    if outcome not in OPEN:
        return [f"{what} lives{lease}, though its run has ended ({outcome}). End it: {command('stop', run)}"]
    return [] if row["lease_ends_at"] else [f"{what} is {outcome}{lease}: only you end it. {_ways(run)}"]


def _ways(run: Run) -> str:
    return f"Go on: ansible-playbook podyard.gpu.train -e @job.yml -e train_run_id={run.run_id}; or end it: " + command(
        "stop", run
    )


def command(book: str, run: Run) -> str:
    """How a playbook is called for a run."""
    return f"ansible-playbook podyard.gpu.{book} -e run_id={run.run_id} -e runs_dir={run.directory.parent}"


def _strangers(lists: Iterable[PodList]) -> list[str]:
    """Mention pods which this collection did not rent, and what they cost."""
    notes = []
    for each in lists:
        others = [
            pod for pod in each.pods if PodName.parse(pod["name"]) is None and pod["phase"] not in (GONE, "failed")
        ]
        if others:
            price = sum(pod["usd_per_hour"] or 0.0 for pod in others)
            many = "1 pod" if len(others) == 1 else f"{len(others)} pods"
            notes.append(
                f"The account at {each.provider} has {many} more, {usd(price)} per hour together, which no job "
                f"has rented: their names do not begin with {PREFIX}-<project>-<run>-."
            )
    return notes
