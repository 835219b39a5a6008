# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs whose directories are on this machine: which there are, who works on them."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...module_utils._core.names import PodName, is_run_id
from ...module_utils._pods.connection import Connection
from ...module_utils._providers import registry
from .._job.job import directories
from .._record.guard_state import ARMED, GIVING_BACK, LIBRARY_PROBLEM, GuardFile, GuardState, lives
from .._record.record import PodEntry, RunError, RunRecord
from .._record.run_file import LATEST, RunFile

ALL = "all"
# Outcomes of runs that are not over: their pods may live, and are meant to.
OPEN = ("running", "kept", "detached")
# Ids that a message names; more would bury it.
NAMED = 8
# Where a job's directories lie on a pod when the record does not say, as the jobs' own default is.
USUAL_MOUNT = "/workspace"


@dataclass(frozen=True)
class Owner:
    """Who works on a run: `kind` is controller, guard, elsewhere (another machine's), unknown, or nobody."""

    kind: str
    pid: int | None = None
    host: str | None = None

    @property
    def words(self) -> str:
        """As a message names it."""
        return {
            "controller": f"the ansible-playbook with the process number {self.pid}",
            "guard": f"its guard (process {self.pid})",
            "elsewhere": f"an ansible-playbook on the machine {self.host}",
            "unknown": "an ansible-playbook that cannot be looked at, since the Python library psutil is missing here",
        }.get(self.kind, "nobody")


@dataclass(frozen=True)
class Run:
    """One run as its directory tells it. `record` is run.json with its costs up to now."""

    run_id: str
    directory: Path
    record: RunRecord
    connection: Connection | None = None
    guard: GuardState | None = None

    @classmethod
    def at(cls, directory: Path, *, damaged: bool = False) -> Run:
        """Return the run of a run directory.

        :raises RunError: when its record cannot be read, unless it may be `damaged`: then the ledger names its pods.
        """
        try:
            record, _changed = RunFile(directory).apply(write=False)
        except RunError:
            if not damaged:
                raise
            record = RunFile(directory).without_file()
        return cls(directory.name, directory, record, _connection(directory), GuardFile(directory).read())

    @property
    def job(self) -> dict[str, Any]:
        """What the record says of the job, with what it would be if it does not say."""
        usual = directories(USUAL_MOUNT, self.project or "unnamed", self.run_id)
        told = self.record.job.to_json() if self.record.job is not None else {}
        known = {name: value for name, value in told.items() if value is not None}
        return {
            "project": self.project,
            "providers": sorted({pod.provider for pod in self.record.pods}) or [registry.default()],
            "env_file": "",
            "artifacts": [],
            "checkpoints": ["checkpoints/*"],
            "metrics_file": "metrics.jsonl",
            "consistency_grace": 60,
            "max_cost": None,
            "max_hours": None,
            **known,
            "dirs": {**usual, **known.get("dirs", {})},
        }

    @property
    def project(self) -> str | None:
        """The project in the names of the run's pods; None when nothing tells it."""
        told = self.record.job.project if self.record.job is not None else None
        names = [PodName.parse(pod.name) for pod in self.record.pods]
        return told or next((name.project for name in names if name is not None), None)

    @property
    def unproved(self) -> list[PodEntry]:
        """The pods that are not proved gone."""
        return self.record.unproved_pods

    @property
    def living(self) -> bool:
        """Whether there may be something left to do for it."""
        return self.record.outcome in OPEN or bool(self.unproved)

    @property
    def stage(self) -> str | None:
        """The stage that runs, or the last one."""
        stages = self.record.stages
        return self.record.running_stage or (stages[-1].name if stages else None)

    @property
    def age(self) -> float:
        """Seconds since the record was written."""
        with contextlib.suppress(OSError):
            return max(0.0, time.time() - _written(self.directory))
        return 0.0

    def owner(self) -> Owner:
        """Who works on it now, as its guard's file and the processes of this machine tell."""
        guard = self.guard
        if guard is None or guard.state not in (ARMED, GIVING_BACK):
            return Owner("nobody")
        if guard.host and guard.host != socket.gethostname():
            return Owner("elsewhere", host=guard.host)
        if LIBRARY_PROBLEM is not None:
            return Owner("unknown")
        if guard.state == ARMED and guard.controller and lives(guard.controller):
            return Owner("controller", guard.controller.pid)
        return Owner("guard", guard.pid) if lives(guard) else Owner("nobody")


def _connection(directory: Path) -> Connection | None:
    """Return the connection of a run, when its file is there and says how to reach a pod."""
    try:
        return Connection.read(directory)
    except (OSError, ValueError):
        return None


def ids_in(runs_dir: Path) -> list[str]:
    """Return the ids of all runs that have a record below a directory, the newest first."""
    with contextlib.suppress(OSError):
        found = [
            path
            for path in runs_dir.iterdir()
            if is_run_id(path.name) and not path.is_symlink() and (path / "run.json").is_file()
        ]
        return [path.name for path in sorted(found, key=_written, reverse=True)]
    return []


def _written(directory: Path) -> float:
    """When the record of a run directory was last written, in seconds since 1970."""
    return (directory / "run.json").stat().st_mtime


def known(runs_dir: Path) -> tuple[list[Run], list[str]]:
    """All runs below a directory, and a sentence for each whose record cannot be read."""
    runs, troubles = [], []
    for run_id in ids_in(runs_dir):
        try:
            runs.append(Run.at(runs_dir / run_id))
        except RunError as error:
            troubles.append(str(error))
    return sorted(runs, key=lambda run: run.record.started, reverse=True), troubles


def living(runs_dir: Path) -> list[Run]:
    """Return a list with the only run that is not over; empty when all are.

    :raises RunError: when there are several.
    """
    return _at_most_one(runs_dir, [run for run in known(runs_dir)[0] if run.living])


def current(runs_dir: Path) -> Run:
    """Return the run that is taken when none is named: the only one that is not over, else the newest.

    One that has a pod goes before those that have none yet: nothing can be asked of these.

    :raises RunError: when several are not over, and when there is none at all.
    """
    found = [run for run in known(runs_dir)[0] if run.living]
    with_pod = [run for run in found if run.unproved or run.connection is not None]
    return next(iter(_at_most_one(runs_dir, with_pod or found)), None) or _one(runs_dir, LATEST)


def _at_most_one(runs_dir: Path, found: list[Run]) -> list[Run]:
    if len(found) > 1:
        names = ", ".join(run.run_id for run in found[:NAMED])
        raise RunError(f"{len(found)} runs in {runs_dir} are not over ({names}): say which (-e run_id=…).")
    return found


def choose(runs_dir: Path, wanted: Iterable[str]) -> list[Run]:
    """Return the runs that these words name: ids, `latest`, or `all`; each once.

    :raises RunError: for one that does not exist.
    """
    chosen: dict[str, Run] = {}
    for word in wanted:
        if word == ALL:
            runs, troubles = known(runs_dir)
            if troubles:
                raise RunError(troubles[0])
        else:
            runs = [_one(runs_dir, word)]
        chosen.update({run.run_id: run for run in runs if run.run_id not in chosen})
    return list(chosen.values())


def _one(runs_dir: Path, word: str) -> Run:
    directory = (runs_dir / word).resolve() if word == LATEST else runs_dir / word
    if is_run_id(word) and is_run_id(directory.name) and (directory / "run.json").is_file():
        # What is named is meant, and its pods are to be ended whatever became of its record.
        return Run.at(directory, damaged=True)
    there = ids_in(runs_dir)
    if not there:
        raise RunError(f"There is no run in {runs_dir}. Name the directory of the runs (-e runs_dir=…).")
    more = f" and {len(there) - NAMED} more" if len(there) > NAMED else ""
    raise RunError(f"There is no run {word!r} in {runs_dir}. There are: {', '.join(there[:NAMED])}{more}.")
