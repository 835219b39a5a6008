# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a run's record: run.json in its run directory, and runs/latest."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...module_utils._core.files import replace_link
from ...module_utils._core.times import utc_now
from ...module_utils._core.values import to_json
from ...module_utils._pods.ledger import CREATED, GONE, Ledger, proves
from .._common.files import locked, now, private_directory, read_json, write_json
from .record import OUTCOMES, OWN_FIELDS, STAGES, PodEntry, RunError, RunRecord

# The link to the newest run for which something is rented, or was.
LATEST = "latest"


class RunFile:
    """run.json of one run directory.

    Every change is made under a lock and lands whole or not at all, so that the controller, the guard and a reader can
    use it at the same time. The record never has to be there: the cloud is the truth.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.path = self.directory / "run.json"

    def read(self) -> RunRecord | None:
        """Return the record as it stands in the file; None when there is none. Raises RunError when it is no JSON.

        What in it has another type than was promised is left out: pods are given back by what is left.
        """
        try:
            found = read_json(self.path)
            record = RunRecord.from_json(found)
        except (OSError, ValueError) as error:
            raise RunError(f"The record {self.path} cannot be read: {error}. Move it away.") from error
        record.run_id = record.run_id or self.directory.name
        return record if found else None

    def apply(
        self,
        *,
        begin: str | None = None,
        end_stages: bool = False,
        values: Mapping[str, Any] | None = None,
        outcome: str | None = None,
        error: str | None = None,
        write: bool = True,
    ) -> tuple[RunRecord, bool]:
        """Change the record in one step and return it with whether it changed.

        `begin` ends the running stage and begins the named one; `values` are merged (see `RunRecord.merge`); an
        `outcome` other than "running" ends the run and its stages. With `write` false nothing is written: the record as
        it would be is returned. Raises RunError on a foreign outcome, stage or value, and when the directory cannot be
        written.
        """
        _refuse_foreign(begin, outcome, values)

        def edit(record: RunRecord) -> None:
            if end_stages or begin or (outcome and outcome != "running"):
                record.end_stages(but=begin)
            if begin:
                record.begin_stage(begin)
            record.merge(values or {})
            if outcome:
                record.set_outcome(outcome)
            if outcome or error is not None:
                record.error = error or None

        return self.change(edit) if write else self._preview(edit)

    def close(self, outcome: str, error: str, pods: list[dict[str, Any]]) -> RunRecord:
        """End the run for a controller that cannot: its stages and pods, and outcome and error where there are none.

        A record that is none is moved aside, and another is begun by what the ledger knows. Raises RunError when the
        directory cannot be written.
        """

        def edit(record: RunRecord) -> None:
            record.end_stages()
            record.merge({"pods": pods})
            if record.outcome == "running":
                record.set_outcome(outcome)
                record.error = record.error or error

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

        def edit(record: RunRecord) -> None:
            for pod in record.pods:
                if not pod.gone_at:
                    pod.lease_ends_at = utc_now(ahead=seconds)

        if self.path.exists():
            self.change(edit)

    def change(self, edit: Callable[[RunRecord], None]) -> tuple[RunRecord, bool]:
        """Read, edit and write the record under its lock; the first write also makes the directory.

        Once the plan is through, `latest` points to the run: a plan that is refused must not hide the run that bills.
        """
        try:
            private_directory(self.directory)
            with locked(self.directory / "run.lock"):
                before = self.read()
                record = self._edited(before, edit)
                changed = _is_changed(before, record)
                if changed:
                    write_json(self.path, record.to_json())
            if changed and record.is_past_plan and not (before and before.is_past_plan):
                self._point_latest()
        except OSError as error:
            raise RunError(f"The run directory {self.directory} cannot be written: {error}.") from error
        return record, changed

    def without_file(self) -> RunRecord:
        """Return the record as it would be if run.json were lost: what the ledger knows."""
        return self._edited(None, lambda _record: None)

    def running_stage(self) -> str | None:
        """Return the stage that was begun and has not ended; None when there is none, or no record that can be read."""
        try:
            record = self.read()
        except RunError:
            return None
        return record.running_stage if record is not None else None

    def _preview(self, edit: Callable[[RunRecord], None]) -> tuple[RunRecord, bool]:
        before = self.read()
        record = self._edited(before, edit)
        return record, _is_changed(before, record)

    def _edited(self, before: RunRecord | None, edit: Callable[[RunRecord], None]) -> RunRecord:
        record = copy.deepcopy(before) if before is not None else RunRecord(self.directory.name)
        edit(record)
        record.merge_pods(pods_of_ledger(self.directory), fill=True)
        record.restore()
        record.price()
        return record

    def _point_latest(self) -> None:
        link = self.directory.parent / LATEST
        try:
            replace_link(link, self.directory.name)
        except OSError as error:
            raise RunError(f"{link} cannot point to the newest run, since it is no symbolic link: {error}.") from error


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


def pods_of_ledger(directory: Path) -> list[PodEntry]:
    """Return the pods that the ledger attempts.jsonl of a run directory knows as created, as entries for the record."""
    pods: dict[tuple[Any, Any], PodEntry] = {}
    for line in Ledger(directory).read_with_accounts():
        event, key = line["event"], (line["provider"], line["id"])
        if line["id"] is None:
            continue
        if event == CREATED:
            pods[key] = PodEntry.of({**line, "rented_at": line["time"]})
        elif event == GONE and key in pods and proves(pods[key].to_json(), line):
            pods[key].gone_at, pods[key].gone_proved = line["time"], True
    return list(pods.values())


def _is_changed(before: RunRecord | None, record: RunRecord) -> bool:
    """Whether a record differs from the one before by more than what living pods cost, which grows on its own."""
    return before is None or _without_running_cost(before) != _without_running_cost(record)


def _without_running_cost(record: RunRecord) -> str:
    plain = record.to_json()
    if any(not pod.gone_at for pod in record.pods):
        del plain["cost_usd"]
        for pod in plain["pods"]:
            del pod["cost_usd"]
    return to_json(plain, sort_keys=True)
