# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a training through short connections, and keeping what was seen. Private to this collection."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.podyard.gpu.plugins.module_utils import _training_state
from ansible_collections.podyard.gpu.plugins.plugin_utils._files import later, read_json_lines
from ansible_collections.podyard.gpu.plugins.plugin_utils._runs import RunError, RunRecord
from ansible_collections.podyard.gpu.plugins.plugin_utils._ssh import Shell, SshHost, script

# A look takes a tenth of a second on a LAN. Half a minute lets an overloaded host answer late, and is short against the
# time for which a host may stay away.
ANSWER_SECONDS = 30.0
# A living shared connection hides a key or an address that no longer works, so now and then a look makes its own.
FRESH_SECONDS = 600.0
# Of each file, in one look: at 1 MiB a second of log the follower still keeps up.
MOST_BYTES = 4 << 20
# An answer: three files' worth, packed as text, and room for what else it tells.
MOST_ANSWER = 4 * MOST_BYTES + (4 << 20)
# The last lines of a log are in here, unless they are very long.
LOG_END = 64 << 10
# A lease lasts for hours; within a minute the record knows.
LEASE_SECONDS = 60.0
STREAMS = {"log": "train.log", "metrics": "metrics.jsonl", "gpu": "gpu.jsonl"}


class NoAnswer(Exception):
    """The host could not be asked, with ssh's words or those of its Python."""


class Eye:
    """Asks a host about its training.

    It sends the text of `_training_state` to the host's Python: one connection, no files.
    """

    def __init__(self, host: SshHost, python: str) -> None:
        self.host, self.python = host, python
        self._shell = Shell(host)
        self._source = Path(_training_state.__file__).read_text(encoding="utf-8")
        self._fresh_at = time.monotonic() + FRESH_SECONDS

    def look(self, request: dict[str, Any], *, renew: bool = True) -> dict[str, Any]:
        """The result of `_training_state.look`; with `renew` the pod's lease is renewed. Raises NoAnswer."""
        call = f"\nprint(packed(look(json.loads({json.dumps(request)!r}))))\n"
        fresh = time.monotonic() >= self._fresh_at
        if fresh:
            self._fresh_at = time.monotonic() + FRESH_SECONDS
        try:
            done = self._shell.run(
                "following",
                script('exec "$1" -', self.python, renew=renew),
                (self._source + call).encode(),
                timeout=ANSWER_SECONDS + float(request.get("wait") or 0),
                own=fresh,
                max_output=MOST_ANSWER,
            )
        except AnsibleConnectionFailure as error:
            raise NoAnswer(str(error)) from error
        try:
            return _training_state.unpacked(done.output.decode())
        except ValueError as error:
            words = " ".join((done.error or done.output.decode(errors="replace")).split())[-300:]
            raise NoAnswer(f"{self.python} on {self.host.label} ended with {done.code}: {words}") from error


class Keeper:
    """The run's directory on this machine, to which a training's files are appended as they grow.

    Their sizes are the places to go on from, so that no byte comes twice, whoever followed before. Only one follower
    writes; another one of the same run just watches.
    """

    def __init__(self, directory: Path, *, write: bool = True) -> None:
        self.directory, self.writes = directory, write
        self.offsets = dict.fromkeys(STREAMS, 0)
        self._lock: int | None = None
        self._lease_again = 0.0
        self.lease_ends_at: str | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[Keeper]:
        """Hold the right to write for the time of a with block, if nobody else holds it."""
        if self.writes:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.directory / "follow.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.writes = False
        if self.writes:
            self.offsets = {name: self._size(STREAMS[name]) for name in STREAMS}
        try:
            yield self
        finally:
            if self._lock is not None:
                os.close(self._lock)

    def _size(self, name: str) -> int:
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / name).stat().st_size
        return 0

    def lease(self, seconds: float | None) -> None:
        """Write down for how long the pod's lease still lasts; the record is no place for every second."""
        if seconds is None or time.monotonic() < self._lease_again:
            return
        self._lease_again = time.monotonic() + min(LEASE_SECONDS, seconds / 4)
        self.lease_ends_at = later(seconds)
        if self.writes:
            with contextlib.suppress(RunError):
                RunRecord(self.directory).lease_is(seconds)

    def metrics(self) -> list[dict[str, Any]]:
        """The metrics that are here already."""
        return read_json_lines(self.directory / STREAMS["metrics"]) if self.writes else []

    def log_end(self) -> bytes:
        """The end of the log that is here already, with room for the lines that are told."""
        if not self.writes or not self.offsets["log"]:
            return b""
        with (self.directory / STREAMS["log"]).open("rb") as log:
            log.seek(-min(self.offsets["log"], LOG_END), os.SEEK_END)
            return log.read()

    def take(self, found: dict[str, Any]) -> bool:
        """Append what a look found; true when log or metrics grew."""
        for name, file in STREAMS.items():
            stream = found[name]
            if self.writes and (stream["data"] or stream["reset"]):
                mode = "wb" if stream["reset"] else "ab"
                with open(self.directory / file, mode, opener=_private) as target:
                    target.write(stream["data"])
            self.offsets[name] = stream["offset"]
        return any(found[name]["data"] or found[name]["reset"] for name in ("log", "metrics"))


def _private(path: str, flags: int) -> int:
    """Open a file that only the user may read: a log may quote what nobody else is to see."""
    return os.open(path, flags, 0o600)


def behind(found: dict[str, Any]) -> bool:
    """Whether the host has more than one look could carry."""
    return any(found[name]["offset"] < found[name]["size"] and found[name]["data"] for name in STREAMS)
