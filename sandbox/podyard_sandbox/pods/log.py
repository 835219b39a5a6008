# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's log: numbered lines with a time, append-only, which can be followed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

# Lines kept of each log. A pod that prints endlessly must not exhaust the sandbox's memory.
_KEPT_LINES = 10_000
# Characters of one line. A progress bar without line ends would otherwise be one ever-growing line.
_MAX_LINE = 16_384


@dataclass(frozen=True)
class LogLine:
    """One line of a log: `seq` counts from 1 within the log, `at` is UTC."""

    seq: int
    at: datetime
    source: str
    text: str

    @property
    def ts(self) -> str:
        """The time as RFC 3339 text with milliseconds, as a log stream carries it."""
        return self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @property
    def event_id(self) -> str:
        """The id of the line in an event stream: time and number, like `2026-10-01T10:02:15.001Z/17`."""
        return f"{self.ts}/{self.seq}"


class PodLog:
    """The lines of one pod from one source ("container" or "system")."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._lines: deque[LogLine] = deque(maxlen=_KEPT_LINES)
        self._seq = 0
        self._closed = False
        self._changed = asyncio.Event()

    def add(self, text: str) -> LogLine:
        """Append one line and wake all followers."""
        self._seq += 1
        line = LogLine(self._seq, datetime.now(UTC), self.source, text[:_MAX_LINE])
        self._lines.append(line)
        self._wake()
        return line

    def lines(self, *, after: int = 0, tail: int | None = None) -> list[LogLine]:
        """Return the kept lines with a number above `after`, or only the last `tail` of them."""
        found = [line for line in self._lines if line.seq > after]
        if tail is None:
            return found
        return found[-tail:] if tail > 0 else []

    def close(self) -> None:
        """Mark the log as complete, so that followers reach its end."""
        self._closed = True
        self._wake()

    async def follow(self, *, after: int = 0) -> AsyncIterator[LogLine]:
        """Yield every line with a number above `after` as it comes, until the log is closed."""
        seen = after
        while True:
            changed = self._changed
            for line in self.lines(after=seen):
                seen = line.seq
                yield line
            if changed.is_set():
                continue
            if self._closed:
                return
            await changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class LineSplitter:
    """Splits a stream of bytes into lines; invalid UTF-8 becomes the replacement character."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes."""
        parts = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = parts.pop()
        if len(self._rest) > _MAX_LINE:
            parts.append(self._rest)
            self._rest = b""
        return [part.decode("utf-8", "replace") for part in parts]

    def end(self) -> list[str]:
        """Return the unfinished last line when the stream ends."""
        rest, self._rest = self._rest, b""
        return [rest.decode("utf-8", "replace")] if rest else []
