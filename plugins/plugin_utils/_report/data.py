# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run's directory tells, in the form that summary and page need.

A run may end at any point, so that every file but run.json may be missing, empty or torn; what is not there is left
out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...module_utils._training.metrics import json_lines
from .._common.files import read_json, seconds_between
from .._common.words import lines_of
from .._record.record import REPORT, Attempt, PodEntry, RunError, RunRecord
from .._record.run_file import RunFile

# The end of the log that a page shows, and what is read for it: a line of a thousand characters is long.
LOG_LINES = 40
LOG_BYTES = LOG_LINES * 1000
# Of metrics and of GPU samples: some hundred thousand lines, which a curve cannot show one by one.
MOST_READ = 32 << 20
WORDS = {
    "running": "running: the run has not ended",
    "succeeded": "succeeded: the training ended well and its results are here",
    "failed": "failed",
    "stopped": "stopped before its end",
    "lost": "lost, together with the pod",
    "kept": "kept: the training has ended, the pod has not been given back",
    "detached": "detached: the training goes on without this controller",
}


@dataclass(frozen=True)
class Stage:
    """A stage with its place in the run: seconds from the run's start, and seconds that it took."""

    name: str
    start: float
    seconds: float
    ended: bool


@dataclass(frozen=True)
class PodLife:
    """A pod of the record, and how long it was rented, in seconds (None when that is unknown)."""

    facts: PodEntry
    seconds: float | None

    @property
    def label(self) -> str:
        """How the report names the pod."""
        return self.facts.label

    @property
    def hardware(self) -> str:
        """What it has, in words: `2 × RTX 4090`."""
        count, gpu = self.facts.gpu_count or 1, self.facts.gpu or "unknown GPU"
        return f"{count} × {gpu}" if count > 1 else gpu


@dataclass(frozen=True)
class RunFacts:
    """Everything about a run that is reported. `seconds` is its wall time, `metrics` and `gpu` rows in their order."""

    directory: Path
    record: RunRecord
    plan: dict[str, Any]
    stages: list[Stage]
    seconds: float | None
    pods: list[PodLife]
    metrics: list[dict[str, Any]]
    gpu: list[dict[str, Any]]
    log: list[str]

    @property
    def sentence(self) -> str:
        """The outcome, and what it means."""
        return WORDS.get(self.record.outcome, self.record.outcome)

    @property
    def given_up(self) -> list[Attempt]:
        """The attempts to rent a pod that came to nothing, and so cost time and perhaps money."""
        return [each for each in self.record.attempts if each.outcome != "rented"]

    @property
    def left(self) -> list[PodLife]:
        """The pods that are not proved gone and may still cost money."""
        return [pod for pod in self.pods if not pod.facts.gone_proved]


def gather(directory: Path) -> RunFacts:
    """Read a run's directory. Raises RunError when it holds no record that can be read."""
    record, _changed = RunFile(directory).apply(write=False)
    if not (directory / "run.json").exists():
        raise RunError(f"There is no run to report in {directory}: it holds no run.json.")
    stages = _stages(record)
    end = max((stage.start + stage.seconds for stage in stages), default=None)
    return RunFacts(
        directory=directory,
        record=record,
        plan=_plan(directory / "plan.json"),
        stages=stages,
        seconds=end,
        pods=[PodLife(pod, pod.seconds) for pod in record.pods],
        metrics=_rows(directory / "metrics.jsonl"),
        gpu=_rows(directory / "gpu.jsonl"),
        log=_log(directory / "train.log"),
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return what the training wrote, cleaned: of a very long file its end."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - MOST_READ))
            return json_lines(file.read(MOST_READ))
    except FileNotFoundError:
        return []


def _stages(record: RunRecord) -> list[Stage]:
    stages = []
    for stage in record.stages:
        start = seconds_between(record.started, stage.started)
        seconds = seconds_between(stage.started, stage.ended)
        if stage.name != REPORT and start is not None and seconds is not None:
            stages.append(Stage(stage.name, start, seconds, stage.ended is not None))
    return stages


def _plan(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}


def _log(path: Path) -> list[str]:
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, path.stat().st_size - LOG_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return lines_of(text, LOG_LINES)
