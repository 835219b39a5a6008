# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing home what a run has so far, while its training goes on or after it."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure

from ...module_utils._core.patterns import Patterns, exactly, to_regex
from ...module_utils._core.units import size
from ...module_utils._training.metrics import json_lines, latest
from .._common.ssh import SshHost
from .._follow.checkpoints import checked_files, literal_base
from .._follow.probe import MOST_BYTES, STREAMS, NoAnswer, RunDirWriter, TrainingProbe
from .._transfer.manifest import TreeError
from .._transfer.pull import Pull
from .._transfer.transfer import Mover, Report, Request

# Files of one transfer, so that no command grows too long.
AT_ONCE = 500
# A connection that broke is mostly there again within seconds.
TRIES, PAUSE = 3, 2.0


@dataclass
class Results:
    """What came home. `checkpoints` and `artifacts` have (bytes, SHA-256) by path below their directories here."""

    state: str = "absent"
    checkpoints: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    artifacts: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    changing: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)


@dataclass
class Fetcher:
    """Fetches from one host into a run's directory.

    A file is fetched only when nothing writes to it any more; one that changes all the same is left out, and named.
    """

    host: SshHost
    eye: TrainingProbe
    run_dir: Path
    request: dict[str, Any]
    checkpoints: Sequence[str]
    artifacts: Sequence[str]
    show: Callable[[str], None]
    dry: bool = False
    most: int = 0

    def run(self) -> Results:
        """Fetch log, metrics, checkpoints and artifacts. Raises NoAnswer, AnsibleError, TreeError, OSError."""
        self.results = Results()
        self._follow_up()
        output = self.request["output_dir"]
        base = literal_base(list(self.checkpoints))
        found = [posixpath.relpath(path, base or ".") for path in self._complete(self.checkpoints, base)]
        place = posixpath.join(output, base)
        self.results.checkpoints = self._pull("checkpoints", place, found)
        complete = self._complete(self.artifacts)
        self.results.artifacts = self._pull("artifacts", output, complete)
        self.results.unmatched = Patterns(tuple(self.artifacts)).unmatched(complete) if self.artifacts else []
        return self.results

    def _follow_up(self) -> None:
        """Bring log, metrics and GPU samples up to date, unless a follower does so."""
        with RunDirWriter(self.run_dir, write=not self.dry).open() as keeper:
            latest(self.results.metrics, keeper.metrics())
            while True:
                # Without the right to write only the state is of interest.
                offsets = {f"{name}_offset": at if keeper.writes else -1 for name, at in keeper.offsets.items()}
                found = self._look({**self.request, **offsets, "max_bytes": MOST_BYTES if keeper.writes else 1})
                ended = found["stopped"] and found["state"] in ("failed", "lost")
                self.results.state = "stopped" if ended else found["state"]
                if not keeper.writes:
                    return
                keeper.take(found)
                latest(self.results.metrics, json_lines(found["metrics"]["data"]))
                if not keeper.behind(found):
                    self._tell(keeper, found)
                    return

    def _tell(self, keeper: RunDirWriter, found: dict[str, Any]) -> None:
        """Say what could not be read there, or kept here."""
        for part, words in found["trouble"].items():
            self.show(f"fetch: {part} could not be read on {self.host.label}: {words}")
        for name, words in keeper.full.items():
            self.show(f"fetch: {STREAMS[name]} is not kept any further: {words}")

    def _complete(self, patterns: Sequence[str], base: str = "") -> list[str]:
        """Return the files that these patterns name and that are complete, below the output directory.

        :raises TreeError: when they cannot be listed.
        """
        if not patterns:
            return []
        ends = {f"{name}_offset": -1 for name in ("log", "metrics", "gpu")}
        expressions = [to_regex(pattern) for pattern in patterns]
        found = self._look({**self.request, **ends, "max_bytes": 1, "checkpoints": expressions})
        records = checked_files(found["checkpoints"], base)
        total = sum(record["bytes"] for record in records)
        if self.most and total > self.most:
            raise TreeError(
                f"The pod has {size(total)} that match {', '.join(patterns)}, but no more than {size(self.most)} "
                "may come (max_gb; for a training it is twice its train_output_gb). If it really writes so much, fetch "
                f"again with -e runs_max_gb={total / 1e9 + 1:.0f}."
            )
        return [record["path"] for record in records]

    def _look(self, request: dict[str, Any]) -> dict[str, Any]:
        """Look, over a connection that breaks. Raises NoAnswer."""
        words = "it was not asked"
        for left in reversed(range(TRIES)):
            try:
                found = self.eye.look(request)
            except NoAnswer:
                if not left:
                    raise
                self.host.drop_master()
                time.sleep(PAUSE)
                continue
            # Where nothing could be seen, nothing is known to be missing either.
            if "look" not in found["trouble"]:
                return found
            words = found["trouble"]["look"]
        raise NoAnswer(words)

    def _pull(self, name: str, place: str, paths: Sequence[str]) -> dict[str, tuple[int, str | None]]:
        manifest: dict[str, tuple[int, str | None]] = {}
        for part in _parts(paths):
            report = self._moved(
                Request(
                    place,
                    str(self.run_dir / name),
                    Patterns(tuple(map(exactly, part))),
                    label=name,
                    cached=False,
                    dry=self.dry,
                    skip_changing=True,
                    most=self.most,
                )
            )
            manifest.update(report.manifest)
            self.results.sent.update({f"{name}/{path}": size for path, size in report.sent.items()})
            self.results.changing += [f"{name}/{path}" for path in report.extra.get("changing", [])]
        return manifest

    def _moved(self, request: Request) -> Report:
        for left in reversed(range(TRIES)):
            try:
                return Pull(Mover(self.host, request, self.show)).run()
            except AnsibleConnectionFailure:
                if not left:
                    raise
                self.host.drop_master()
                time.sleep(PAUSE)
        raise AnsibleConnectionFailure("nothing was asked for")


def _parts(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(paths), AT_ONCE):
        yield paths[begin : begin + AT_ONCE]
