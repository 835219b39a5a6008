# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a training through short connections, and keeping what was seen."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure

from ...module_utils._core.files import open_lock, take_lock
from ...module_utils._core.times import utc_now
from ...module_utils._training.metrics import json_lines
from .._common.ssh import OversizedAnswer, Shell, SshHost, script
from .._record.record import RunError
from .._record.run_file import RunFile
from .answer import MOST_WORDS, BadAnswer, program, read_answer, unknown

# A look takes a tenth of a second on a LAN. Half a minute lets an overloaded host answer late, and is short against the
# time for which a host may stay away.
ANSWER_SECONDS = 30.0
# A living shared connection hides a key or an address that no longer works, so now and then a look makes its own.
FRESH_SECONDS = 600.0
# Of each file, in one look: at 1 MiB a second of log the follower still keeps up.
MOST_BYTES = 4 << 20
# An answer: three files' worth, packed as text, and room for what else it tells.
MOST_ANSWER = 4 * MOST_BYTES + MOST_WORDS + (1 << 20)
# What a shell says of the state is a few words.
SHELL_BYTES = 64 << 10
# The last lines of a log are in here, unless they are very long.
LOG_END = 64 << 10
# A lease lasts for hours; within a minute the record knows.
LEASE_SECONDS = 60.0
STREAMS = {"log": "train.log", "metrics": "metrics.jsonl", "gpu": "gpu.jsonl"}


# Of each file, so much is kept here: a GiB of log is 12 KiB a second for a day. The rest stays on the pod.
MOST_KEPT = {"log": 1 << 30, "metrics": 256 << 20, "gpu": 256 << 20}
# What must stay free on this machine's disk, for the results.
LEAST_FREE = 512 << 20
# A file that is rewritten again and again is not followed any further.
MOST_RESETS = 100
# Lines of metrics that are read again by who goes on with a run: the last ones count.
MOST_RECALLED = 16 << 20
# Where the program has failed, another Python may know how to run it.
PYTHONS = ("python3", "/usr/bin/python3", "python")
START = """
for python in "$@"; do
  command -v "$python" >/dev/null 2>&1 && exec "$python" -
done
echo "this host has no Python" >&2
exit 127
"""
# What a shell can tell where no Python runs; files only, since a pipe would keep it for ever.
LAST_RESORT = r"""
cd "$1" || exit 1
[ -d once ] && echo once
[ -f stopped ] && echo stopped
[ -f exit_code ] && { IFS= read -r code <exit_code || :; printf 'code %.3s\n' "$code"; }
[ -f pid ] && [ -r /proc/self/stat ] && {
  read -r pid start boot <pid || :
  case $pid in "" | *[!0-9]*) exit 0 ;; esac
  if { read -r line <"/proc/$pid/stat"; } 2>/dev/null; then
    # shellcheck disable=SC2086
    set -- ${line##*) }
    [ "${20}" = "$start" ] && { echo alive; exit 0; }
  fi
  echo dead
}
exit 0
"""


class NoAnswer(Exception):
    """The host could not be asked, with ssh's words. Only this is silence; a program that fails on the host is none."""


class TrainingProbe:
    """Asks a host about its training.

    It sends a program to the host's Python: one connection, no files. Where that fails, a shell tells the state.
    """

    def __init__(self, host: SshHost, python: str) -> None:
        self.host = host
        self._pythons = list(dict.fromkeys((python, *PYTHONS)))
        self._shell = Shell(host)
        self._fresh_at = time.monotonic() + FRESH_SECONDS

    def look(self, request: dict[str, Any], *, renew: bool = True) -> dict[str, Any]:
        """Return what `_training_state.look` sees, checked; with `renew` the pod's lease is renewed.

        What could not be seen is named in `trouble` of the result, up to a state that is unknown.

        :raises NoAnswer: when the host does not answer.
        """
        fresh = time.monotonic() >= self._fresh_at
        if fresh:
            self._fresh_at = time.monotonic() + FRESH_SECONDS
        try:
            done = self._shell.run(
                "following",
                script(START, *self._pythons, renew=renew),
                program(request),
                timeout=ANSWER_SECONDS + float(request.get("wait") or 0),
                own=fresh,
                max_output=MOST_ANSWER,
            )
        except AnsibleConnectionFailure as error:
            raise NoAnswer(str(error)) from error
        except OversizedAnswer as error:
            return unknown(str(error), request)
        if done.code == 0:
            try:
                return read_answer(done.output, request)
            except BadAnswer as error:
                return unknown(f"{self.host.label} gave an unusable answer: {error}", request)
        words = " ".join((done.error or done.output[-1000:].decode(errors="replace")).split())[-200:]
        failure = f"{self._pythons[0]} on {self.host.label} ended with {done.code}: {words}"
        # The next look tries another one first.
        self._pythons.append(self._pythons.pop(0))
        return self._by_shell(failure, request)

    def _by_shell(self, failure: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the state of a training as a shell reports it, since the program has failed."""
        found = unknown(failure, request)
        try:
            remote = script(LAST_RESORT, str(request["dir"]), renew=False)
            done = self._shell.run("following", remote, timeout=ANSWER_SECONDS, max_output=SHELL_BYTES)
        except AnsibleConnectionFailure as error:
            raise NoAnswer(str(error)) from error
        except OversizedAnswer:
            return found
        told = dict.fromkeys(done.output.decode("ascii", "replace").splitlines()) if done.code == 0 else {}
        code = next((line.removeprefix("code ") for line in told if line.startswith("code ")), "")
        if code.isdecimal() and int(code) < 256:
            found.update(state="failed" if int(code) else "succeeded", exit_code=int(code))
        elif "alive" in told:
            found["state"] = "running"
        elif "dead" in told and "once" in told:
            found["state"] = "lost"
        found["stopped"] = "stopped" in told
        return found


class RunDirWriter:
    """The run's directory on this machine, to which a training's files are appended as they grow.

    Their sizes are the places to go on from, so that no byte comes twice, whoever followed before. Only one follower
    writes; another one of the same run just watches.
    """

    def __init__(self, directory: Path, *, write: bool = True) -> None:
        self.directory, self.writes = directory, write
        self.offsets = dict.fromkeys(STREAMS, 0)
        # Why a file is not kept any further.
        self.full: dict[str, str] = {}
        self._resets, self._taken = dict.fromkeys(STREAMS, 0), dict.fromkeys(STREAMS, 0)
        self._lock: int | None = None
        self._lease_again = 0.0
        self.lease_ends_at: str | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[RunDirWriter]:
        """Hold the right to write for the time of a with block, if no other process holds it."""
        if self.writes:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = open_lock(self.directory / "follow.lock")
            self.writes = take_lock(self._lock)
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
        self.lease_ends_at = utc_now(ahead=seconds)
        if self.writes:
            with contextlib.suppress(RunError):
                RunFile(self.directory).lease_is(seconds)

    def metrics(self) -> list[dict[str, Any]]:
        """Return the metrics that are here already: of a very long file those in its last MiB."""
        return json_lines(self._end("metrics", MOST_RECALLED)) if self.writes else []

    def log_end(self) -> bytes:
        """Return the end of the log that is here already, with room for the lines that are shown."""
        return self._end("log", LOG_END) if self.writes else b""

    def _end(self, name: str, most: int) -> bytes:
        try:
            with (self.directory / STREAMS[name]).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - most))
                return file.read(most)
        except FileNotFoundError:
            return b""

    def take(self, found: dict[str, Any]) -> bool:
        """Append what a look found; true when log or metrics grew."""
        for name in STREAMS:
            stream = found[name]
            if self.writes and (stream["data"] or stream["reset"]) and name not in self.full:
                self._keep(name, stream)
            self.offsets[name] = stream["offset"]
            self._taken[name] += len(stream["data"])
            if self._taken[name] > 2 * MOST_KEPT[name]:
                self.full.setdefault(name, f"it has brought more than {2 * MOST_KEPT[name] >> 20} MiB")
            if name in self.full:
                # Of what is not kept, the end is still seen.
                self.offsets[name] = max(stream["offset"], stream["size"] - LOG_END)
        return any(found[name]["data"] or found[name]["reset"] for name in ("log", "metrics"))

    def behind(self, found: dict[str, Any]) -> bool:
        """Whether the host has more than one look could carry, of what is kept."""
        return any(
            found[name]["offset"] < found[name]["size"] and found[name]["data"]
            for name in STREAMS
            if name not in self.full
        )

    def _keep(self, name: str, stream: dict[str, Any]) -> None:
        self._resets[name] += stream["reset"]
        begin = 0 if stream["reset"] else self._size(STREAMS[name])
        if self._resets[name] > MOST_RESETS:
            self.full[name] = f"it was rewritten more than {MOST_RESETS} times"
        elif begin + len(stream["data"]) > MOST_KEPT[name]:
            self.full[name] = f"it has more than {MOST_KEPT[name] >> 20} MiB"
        elif shutil.disk_usage(self.directory).free < LEAST_FREE + len(stream["data"]):
            self.full[name] = f"less than {LEAST_FREE >> 20} MiB are free here"
        else:
            try:
                mode = "wb" if stream["reset"] else "ab"
                with open(self.directory / STREAMS[name], mode, opener=_private) as target:
                    target.write(stream["data"])
            except OSError as error:
                # A full disk here must not end the training there.
                self.full[name] = str(error)


def _private(path: str, flags: int) -> int:
    """Open a file that only the user may read: a log may quote secrets. A link is not followed."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
