# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lives and what it costs: pods, runs, and what they say of each other. No request. Private to this collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ...module_utils._core.names import PREFIX, PodName
from ...module_utils._core.pod import GONE, INTERRUPTIONS, STOPPED, usd
from ...module_utils._pods.holder import Holder
from ...module_utils._training.metrics import json_lines, latest, number
from .._common.files import parse_time
from .._common.pod_lists import PodList
from .probe import Look
from .runs import OPEN, Run

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
    """What was found out. `pods` are rows for the table, JSON-able; `runs` those without a pod that are not over;
    `notes` sentences for people; `errors`, by provider, why nothing is known of its pods.
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
        """The same as a JSON-able dict."""
        names = ("pods", "runs", "notes", "errors", "providers", "usd_per_hour", "cost_usd")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Found:
    """All that a status is made of; `looks` by run id, `only` the ids of the runs that are asked for, empty for all."""

    lists: Sequence[PodList]
    runs: Sequence[Run]
    looks: Mapping[str, Look]
    now: datetime
    only: Sequence[str] = ()
    runs_dir: str = "./runs"


def ours(pods: Iterable[Mapping[str, Any]], only: Sequence[str] = ()) -> list[tuple[Mapping[str, Any], PodName]]:
    """The pods with names of our pattern that are not gone, with their names taken apart; those of some runs or all."""
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
    known = run.record["pods"] if run is not None else []
    record: Mapping[str, Any] = next((each for each in known if each["id"] == pod["id"]), {})
    age = _age(pod, record, next((each.clock_ahead for each in found.lists if pod in each.pods), None), found.now)
    stopped = pod["phase"] == STOPPED
    price = pod["usd_per_hour"] if pod["usd_per_hour"] is not None else record.get("usd_per_hour")
    job = _job(pod, run, found)
    return {
        **{key: pod.get(key) for key in TAKEN},
        "run_id": name.run_id,
        "project": name.project,
        "known": run is not None,
        "usd_per_hour": pod.get("stopped_usd_per_hour") if stopped else price,
        # How long a stopped pod was stopped nobody knows here.
        "cost_usd": round(age / 3600 * price, 6) if not stopped and age is not None and price is not None else None,
        "age_seconds": round(age, 1) if age is not None else None,
        "lease_ends_at": job.pop("lease_ends_at") if job["source"] == "pod" else record.get("lease_ends_at"),
        # A pod that is still being rented is not in the record yet.
        "lease_known": job["source"] == "pod" or bool(record),
        "job": job,
    }


def _age(pod: Mapping[str, Any], record: Mapping[str, Any], clock_ahead: float | None, now: datetime) -> float | None:
    """Seconds since a pod was rented, each time against the clock that has told it."""
    begun = parse_time(pod["created_at"])
    if begun is not None:
        now += timedelta(seconds=clock_ahead or 0.0)
    else:
        begun = parse_time(record.get("rented_at"))
    return max(0.0, (now - begun).total_seconds()) if begun is not None else None


def _job(pod: Mapping[str, Any], run: Run | None, found: Found) -> dict[str, Any]:
    """The state of the training: what the pod says, else what the record says and how old that is."""
    if run is None:
        return {"source": None, "state": None, "why": "no run here knows it"}
    look = found.looks.get(run.run_id)
    if look is not None and look.found is not None and (run.connection or {}).get("pod_id") == pod["id"]:
        return _told_by_pod(look.found, found.now)
    told = {"source": "record", "state": run.record["outcome"], "stage": run.stage, "age_seconds": round(run.age, 1)}
    return {**told, "metrics": run.record["metrics"], "why": look.trouble if look is not None else None}


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
    return (now + timedelta(seconds=seconds)).isoformat(timespec="seconds").replace("+00:00", "Z")


def _of_others(run: Run, holders: Mapping[str, Holder]) -> str | None:
    """Why the lists say nothing of a run's pods: they are another account's."""
    for pod in run.unproved:
        renter, own = Holder.of(pod), holders.get(pod["provider"], Holder())
        if renter.known and own.known and not renter.is_(own):
            return f"its pod was rented with {renter}, and {pod['provider']} was asked with a key of {own}"
    return None


def _without_pod(
    run: Run, rows: Iterable[Mapping[str, Any]], errors: Mapping[str, str], holders: Mapping[str, Holder]
) -> dict[str, Any] | None:
    """What to say of a run that is not over, or whose pod another account has, and of which no pod was found."""
    outcome, others = run.record["outcome"], _of_others(run, holders)
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
    """Warnings about one pod: nobody knows it, or nobody looks after it."""
    what = f"The pod {row['name']} ({row['id']} on {row['provider']}, {usd(row['usd_per_hour'])} per hour)"
    if run is None:
        stop = f"ansible-playbook podyard.gpu.stop -e run_id={row['run_id']} -e stop_confirm=true"
        return [f"{what} belongs to no run in {runs_dir}. End it, if nobody needs it: {stop}; or: {row['end']}"]
    if row["interruption"]:
        why = INTERRUPTIONS.get(row["interruption"], f"was taken away ({row['interruption']})")
        return [f"{what} {why}. {_ways(run)}"]
    outcome, owner = run.record["outcome"], run.owner()
    if owner.kind != "nobody":
        return []
    lease = "" if row["lease_ends_at"] else " and has no lease" if row["lease_known"] else " and perhaps has no lease"
    if outcome == "running":
        return [f"{what} is looked after by nobody{lease}: its controller and its guard have ended. {_ways(run)}"]
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
    """That there are pods which this collection did not rent, and what they cost."""
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
