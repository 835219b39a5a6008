# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run: run.json in its run directory, and runs/latest."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...module_utils._core.times import utc_now
from ...module_utils._core.values import to_json
from ...module_utils._pods import books
from ...module_utils._pods.ledger import CREATED, GONE, Ledger, proves
from .._common.files import (
    link_atomically,
    locked,
    now,
    private_directory,
    read_json,
    seconds_between,
    write_json,
)

OUTCOMES = ("running", "succeeded", "failed", "stopped", "lost", "kept", "detached")
STAGES = ("plan", "provision", "verify", "prepare", "data", "launch", "follow", "fetch", "give_back", "report")
# The link to the newest run for which something is rented, or was.
LATEST = "latest"
# The stage in which a run is told of: it is not over while the report is written, and says nothing about the run.
REPORT = STAGES[-1]
# What the record keeps of a pod. Everything else that a provider tells about it, its environment above all, stays out.
POD_FIELDS = (
    "provider", "id", "name", "gpu", "gpu_count", "usd_per_hour", "region", "cloud",
    "rented_at", "gone_at", "gone_proved", "cost_usd", "lease_ends_at", "account", "key_hash",
)  # fmt: skip
# Kept by this file alone, so that nobody else can make them disagree with each other.
OWN_FIELDS = ("stages", "outcome", "started", "ended")


class RunError(Exception):
    """The record of a run cannot be read or written; the text is a sentence for people."""


class RunFile:
    """run.json of one run directory.

    Every change is made under a lock and lands whole or not at all, so that the controller, the guard and a reader can
    use it at the same time. The record never has to be there: the cloud is the truth.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.path = self.directory / "run.json"

    def read(self) -> dict[str, Any]:
        """The record as it stands in the file; {} when there is none. Raises RunError when it is no JSON.

        What in it has another type than was promised is left out: pods are given back by what is left.
        """
        try:
            return _sound(read_json(self.path))
        except (OSError, ValueError) as error:
            raise RunError(f"The record {self.path} cannot be read: {error}. Move it away.") from error

    def apply(
        self,
        *,
        begin: str | None = None,
        end_stages: bool = False,
        values: Mapping[str, Any] | None = None,
        outcome: str | None = None,
        error: str | None = None,
        write: bool = True,
    ) -> tuple[dict[str, Any], bool]:
        """Change the record in one step and return it with whether it changed.

        `begin` ends the running stage and begins the named one; `values` are merged (see `merge`); an `outcome` other
        than "running" ends the run and its stages. With `write` false nothing is written: the record as it would be is
        returned. Raises RunError on a foreign outcome, stage or value, and when the directory cannot be written.
        """
        _refuse_foreign(begin, outcome, values)

        def edit(record: dict[str, Any]) -> None:
            if end_stages or begin or (outcome and outcome != "running"):
                _end_stages(record, but=begin)
            if begin:
                _begin_stage(record, begin)
            merge(record, values or {})
            if outcome:
                _set_outcome(record, outcome)
            if outcome or error is not None:
                record["error"] = error or None

        return self.change(edit) if write else self._preview(edit)

    def close(self, outcome: str, error: str, pods: list[dict[str, Any]]) -> dict[str, Any]:
        """End the run for a controller that cannot: its stages and pods, and outcome and error where there are none.

        A record that is none is moved aside, and begun anew by what the ledger knows. Raises RunError when the
        directory cannot be written.
        """

        def edit(record: dict[str, Any]) -> None:
            _end_stages(record)
            merge(record, {"pods": pods})
            if record["outcome"] == "running":
                _set_outcome(record, outcome)
                record["error"] = record["error"] or error

        try:
            self.read()
        except RunError:
            # Another time for each, so that none takes the place of another; a directory is moved as well.
            with contextlib.suppress(OSError):
                self.path.rename(self.path.with_name(f"run.json.damaged-{now().replace(':', '')}"))
        return self.change(edit)[0]

    def lease_is(self, seconds: float) -> None:
        """Write down that the leases of the run's living pods last for so long from now; without a record, nothing.

        Raises RunError when the directory cannot be written.
        """

        def edit(record: dict[str, Any]) -> None:
            for pod in record["pods"]:
                if not pod["gone_at"]:
                    pod["lease_ends_at"] = utc_now(ahead=seconds)

        if self.path.exists():
            self.change(edit)

    def change(self, edit: Callable[[dict[str, Any]], None]) -> tuple[dict[str, Any], bool]:
        """Read, edit and write the record under its lock; the first write also makes the directory.

        Once the plan is through, `latest` points to the run: a plan that is refused must not hide the run that bills.
        """
        try:
            private_directory(self.directory)
            with locked(self.directory / "run.lock"):
                before = self.read()
                record = self._edited(before, edit)
                changed = _without_running_cost(record) != _without_running_cost(before)
                if changed:
                    write_json(self.path, record)
            if changed and _is_past_plan(record) and not _is_past_plan(before):
                self._point_latest()
        except OSError as error:
            raise RunError(f"The run directory {self.directory} cannot be written: {error}.") from error
        return record, changed

    def without_file(self) -> dict[str, Any]:
        """The record as it would be if run.json were lost: what the ledger knows."""
        return self._edited({}, lambda _record: None)

    def running_stage(self) -> str | None:
        """The stage that was begun and has not ended; None when there is none, or no record that can be read."""
        try:
            stages = self.read().get("stages", [])
        except RunError:
            return None
        return next((stage["name"] for stage in reversed(stages) if stage["ended"] is None), None)

    def _preview(self, edit: Callable[[dict[str, Any]], None]) -> tuple[dict[str, Any], bool]:
        before = self.read()
        record = self._edited(before, edit)
        return record, _without_running_cost(record) != _without_running_cost(before)

    def _edited(self, before: dict[str, Any], edit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        record = {**_new_record(self.directory.name), **copy.deepcopy(before)}
        record["pods"] = [{**dict.fromkeys(POD_FIELDS), **pod} for pod in record["pods"]]
        edit(record)
        _merge_pods(record["pods"], pods_of_ledger(self.directory), fill=True)
        _restore(record)
        _price(record)
        return record

    def _point_latest(self) -> None:
        link = self.directory.parent / LATEST
        try:
            link_atomically(self.directory.name, link)
        except OSError as error:
            raise RunError(f"{link} cannot point to the newest run, since it is no symbolic link: {error}.") from error


def _is_past_plan(record: Mapping[str, Any]) -> bool:
    """Whether the run has come to a stage in which something is rented, or has pods whatever its stages say."""
    stages = [stage.get("name") for stage in record.get("stages") or []]
    return bool(record.get("pods")) or any(name in STAGES[1:-1] for name in stages)


def _refuse_foreign(begin: str | None, outcome: str | None, values: Mapping[str, Any] | None) -> None:
    if outcome is not None and outcome not in OUTCOMES:
        raise RunError(f"A run's outcome is one of {', '.join(OUTCOMES)}, not '{outcome}'.")
    if begin is not None and begin not in STAGES:
        raise RunError(f"A run's stage is one of {', '.join(STAGES)}, not '{begin}'.")
    for name, key in (("pods", "id"), ("artifacts", "path")):
        entries = (values or {}).get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, Mapping) and entry.get(key) for entry in entries):
            raise RunError(f"{name} of a record must be a list of objects that have each a value for '{key}'.")
    foreign = sorted(set(values or {}) & set(OWN_FIELDS))
    if foreign:
        raise RunError(f"{', '.join(foreign)} of a record cannot be set by hand; use begin, end_stages and outcome.")


def _new_record(run_id: str) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "name": None,
        "outcome": "running",
        "error": None,
        "started": now(),
        "ended": None,
        "stages": [],
        "pods": [],
        # How each rent went, those of pods that were given back too; and what took the pod away, where something did.
        "attempts": [],
        "interruption": None,
        "cost_usd": 0.0,
        "metrics": {},
        "artifacts": [],
    }


def _sound(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what has another type than was promised."""
    lists = {"stages": "name", "pods": "id", "artifacts": "path", "attempts": None}
    for name, key in lists.items():
        if name in record:
            found = record[name] if isinstance(record[name], list) else []
            record[name] = [each for each in found if isinstance(each, dict) and (key is None or each.get(key))]
    for stage in record.get("stages", []):
        stage.setdefault("ended", None)
    for pod in record.get("pods", []):
        pod.update(
            provider=str(pod.get("provider")),
            id=str(pod["id"]),
            usd_per_hour=books.amount(pod.get("usd_per_hour")),
            cost_usd=books.amount(pod.get("cost_usd")),
            gone_proved=pod.get("gone_proved") if isinstance(pod.get("gone_proved"), bool) else None,
        )
    if record.get("outcome", "running") not in OUTCOMES:
        record["outcome"] = "running"
    return {
        name: value
        for name, value in record.items()
        if not (name in ("metrics", "job") and not isinstance(value, dict))
    }


def _restore(record: dict[str, Any]) -> None:
    """What the run was before its pods could not be proved gone, as soon as they are: the guard, or a later call, has
    done what failed then.
    """
    before = record.get("unproved")
    if not isinstance(before, dict) or not record["pods"] or not all(pod["gone_proved"] for pod in record["pods"]):
        return
    del record["unproved"]
    if record["outcome"] == "failed" and before.get("outcome") in OUTCOMES:
        record["outcome"], record["error"] = before["outcome"], before.get("error")


def _end_stages(record: dict[str, Any], but: str | None = None) -> None:
    for stage in record["stages"]:
        if stage["ended"] is None and stage["name"] != but:
            stage["ended"] = now()
            if record["outcome"] != "running" and stage["name"] != REPORT:
                # What follows the outcome, the give-back above all, is still a part of the run; telling of it is not.
                record["ended"] = stage["ended"]


def _begin_stage(record: dict[str, Any], name: str) -> None:
    if not any(stage["name"] == name and stage["ended"] is None for stage in record["stages"]):
        record["stages"].append({"name": name, "started": now(), "ended": None})


def _set_outcome(record: dict[str, Any], outcome: str) -> None:
    if outcome == "running":
        record["ended"] = None
    elif record["outcome"] != outcome or record["ended"] is None:
        record["ended"] = now()
    record["outcome"] = outcome


def merge(record: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Merge values into a record in place: objects key by key, pods and attempts by id, artifacts by path, others
    replaced.
    """
    for key, value in values.items():
        if key == "pods":
            _merge_pods(record["pods"], [_pod_entry(pod) for pod in value])
        elif key == "attempts":
            _merge_attempts(record["attempts"], value)
        elif key == "artifacts":
            known = {artifact["path"]: artifact for artifact in record["artifacts"]}
            known.update({artifact["path"]: dict(artifact) for artifact in value})
            record["artifacts"] = list(known.values())
        elif isinstance(value, Mapping) and isinstance(record.get(key), dict):
            merge_objects(record[key], value)
        else:
            record[key] = copy.deepcopy(value)


def _merge_attempts(attempts: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    """Add attempts that are new, and what is newly known of one that made a pod."""
    for entry in more:
        known = next((each for each in attempts if entry.get("id") and _same_pod(each, entry)), None)
        if known is not None:
            known.update(entry)
        elif entry not in attempts:
            attempts.append(dict(entry))


def _same_pod(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (one.get("provider"), one.get("id")) == (other.get("provider"), other.get("id"))


def merge_objects(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Merge one object into another in place, at every depth."""
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            merge_objects(into[key], value)
        else:
            into[key] = copy.deepcopy(value)


def _pod_entry(pod: Mapping[str, Any]) -> dict[str, Any]:
    entry = {key: pod.get(key) for key in POD_FIELDS}
    entry["rented_at"] = entry["rented_at"] or pod.get("created_at")
    return entry


def _merge_pods(pods: list[dict[str, Any]], more: list[dict[str, Any]], *, fill: bool = False) -> None:
    """Add what is newly known of each pod; with `fill`, what the ledger knows. The unknown replaces nothing.

    The ledger fills gaps, and tells when a pod was rented: by the clock by which this machine notes its end as well.
    The provider's may be hours away from that one.
    """
    for entry in more:
        known = next((pod for pod in pods if pod["id"] == entry["id"] and pod["provider"] == entry["provider"]), None)
        if known is None:
            known = dict.fromkeys(POD_FIELDS)
            known["gone_proved"] = False
            pods.append(known)
        for key, value in entry.items():
            # Ledger and modules each tell when a pod was rented and gone: the first told time stays, as does a proof.
            first_stays = key != "rented_at" if fill else key in ("rented_at", "gone_at", "gone_proved")
            if value is not None and not (first_stays and known[key]):
                known[key] = value


def pods_of_ledger(directory: Path) -> list[dict[str, Any]]:
    """The pods that the ledger attempts.jsonl of a run directory knows as created, as entries for the record."""
    pods: dict[tuple[Any, Any], dict[str, Any]] = {}
    for line in Ledger(directory).told():
        event, key = line["event"], (line["provider"], line["id"])
        if line["id"] is None:
            continue
        if event == CREATED:
            pods[key] = _pod_entry({**line, "rented_at": line["time"]})
        elif event == GONE and key in pods and proves(pods[key], line):
            pods[key].update(gone_at=line["time"], gone_proved=True)
    return list(pods.values())


def _price(record: dict[str, Any]) -> None:
    """Compute what each pod has cost from its price and its time, and the sum; an unknown price counts nothing."""
    total = 0.0
    for pod in record["pods"]:
        seconds = seconds_between(pod["rented_at"], pod["gone_at"])
        if seconds is not None and pod["usd_per_hour"] is not None:
            pod["cost_usd"] = round(seconds / 3600 * float(pod["usd_per_hour"]), 6)
        total += pod["cost_usd"] or 0.0
    record["cost_usd"] = round(total, 6)


def _without_running_cost(record: dict[str, Any]) -> str:
    """The record as text to compare, without the cost of living pods, which grows on its own."""
    plain = copy.deepcopy(record)
    if any(not pod.get("gone_at") for pod in plain.get("pods", [])):
        plain.pop("cost_usd", None)
        for pod in plain["pods"]:
            pod.pop("cost_usd", None)
    return to_json(plain, sort_keys=True)
