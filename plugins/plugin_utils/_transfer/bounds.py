# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much and how long a transfer may take, whatever the other side does."""

from __future__ import annotations

import os
import selectors
import threading
import time
from collections.abc import Callable
from typing import IO

from ...module_utils._core.units import size
from .foreign import printable
from .manifest import TreeError

# A file to which the training still writes may grow between the listing and its transfer: a log by some megabytes.
GROWTH = 64 << 20
# Left free on this machine by every fetch: the records of the run, its ledger and its guard write there too.
RESERVE = 64 << 20
# Nothing moves for two minutes: the other side is gone, or does not want. A network volume may hold its breath for a
# while.
STALL_SECONDS = 120
# After all was said, a program has to end.
HANG_UP_SECONDS = 30.0
# The slowest line that is waited for is one of 2 Mbit/s; an hour more is for a host that reads slowly.
SLOWEST, SLACK_SECONDS = 256 << 10, 3600.0
# Bytes of words, warnings and errors, and for each file as many more as a line about it has.
WORDS, WORDS_OF_FILE = 16 << 20, 5000
# Bytes of them that are kept for a message, of their beginning and of their end.
KEPT_WORDS = 32 << 10
# How often what has landed is measured: each second, and never for more than a twentieth of the time.
MEASURE_SECONDS, MEASURE_SHARE = 1.0, 20


def most_bytes(gb: float) -> int:
    """Return the bytes of an option in GB; 0 where there is no limit.

    :raises TreeError: for a negative number, or one that is none.
    """
    if not 0 <= gb <= 1e9:
        raise TreeError(f"max_gb is a size in GB, and 0 for as much as there is room for; it cannot be {gb:g}.")
    return int(gb * 1_000_000_000)


class Oversize(TreeError):
    """The other side sends more than it told before, and was hung up on."""

    def __init__(self, what: str, told_before: int) -> None:
        super().__init__(
            f"{what} than the {size(told_before)} that the pod told before, so that the connection was ended. Either "
            "something on the pod writes to it all the time, or this pod is not to be trusted."
        )


class Overtime(TreeError):
    """A transfer that would not end."""


class Watch:
    """Looks after one transfer while it runs: call `check` often.

    `measure` tells the bytes that have landed, of which there may be `most`; `expected` bytes were told before.
    """

    def __init__(
        self,
        label: str,
        expected: int,
        rate: float,
        files: int,
        measure: Callable[[], int] | None = None,
        most: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label, self._expected, self._measure, self._most, self._clock = label, expected, measure, most, clock
        self.words = WORDS + WORDS_OF_FILE * files
        slowest = min(float(SLOWEST), rate * (1 << 20) / 2) if rate > 0 else float(SLOWEST)
        self._seconds = SLACK_SECONDS + expected / slowest + files / 100
        self._begun = clock()
        self._next = self._begun

    def check(self, words: Words) -> None:
        """Raise Overtime or Oversize when a bound is passed, by what has come or by what the other side says."""
        now = self._clock()
        if now < self._next:
            return
        if now - self._begun > self._seconds:
            raise Overtime(
                f"{self._label}: it has not ended after {self._seconds / 3600:.1f} hours, which "
                f"{size(self._expected)} do not take on any line, so that the connection was ended. Start again, or "
                "use another pod."
            )
        self.judge(words)
        if self._measure and self._measure() > self._most:
            raise Oversize(f"{self._label}: more comes", self._expected)
        self._next = self._clock() + max(MEASURE_SECONDS, MEASURE_SHARE * (self._clock() - now))

    def judge(self, words: Words) -> None:
        """Raise Overtime when the other side has said too much."""
        if words.count > self.words:
            raise Overtime(
                f"{self._label}: the pod sent more than {size(self.words)} of messages, so that the connection was "
                "ended."
            )


class Words:
    """What a program and the other side say on a pipe, read beside it; used in a with block, which closes the pipe.

    A file would grow as long as anybody writes to it. A master connection that ssh leaves behind may keep the pipe open
    for ever, so its end is not waited for.
    """

    def __init__(self, pipe: IO[bytes] | None) -> None:
        if pipe is None:
            raise ValueError("the process lacks a pipe")
        self._pipe = pipe
        self.count = 0
        self._first, self._last = b"", b""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, name="words", daemon=True)

    def __enter__(self) -> Words:
        os.set_blocking(self._pipe.fileno(), False)
        self._thread.start()
        return self

    def __exit__(self, *_none: object) -> None:
        self.end()

    def end(self) -> None:
        """Take what has been said so far, and hear no more."""
        if not self._over.is_set():
            self._over.set()
            self._thread.join()
            self._pipe.close()

    def _read(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            while True:
                # What was said before the end is in the pipe by then.
                over = self._over.is_set()
                # A fifth of a second bounds how long the end of the program is held up.
                if not selector.select(timeout=0 if over else 0.2):
                    if over:
                        return
                    continue
                chunk = os.read(self._pipe.fileno(), KEPT_WORDS)
                if not chunk or (over and self.count > KEPT_WORDS):
                    return
                self.count += len(chunk)
                self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        room = KEPT_WORDS - len(self._first)
        self._first += chunk[:room]
        self._last = (self._last + chunk[room:])[-KEPT_WORDS:]

    @property
    def text(self) -> str:
        """The beginning and the end, safe to show."""
        gap = b"\n" if self.count > 2 * KEPT_WORDS else b""
        whole = (self._first + gap + self._last).decode(errors="replace")
        return "\n".join(printable(line) for line in whole.splitlines() if line.strip())
