# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a transfer is, said now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...module_utils._core.units import duration, size

# Nobody wonders before two seconds have passed; a line every five seconds shows life and does not flood a log.
FIRST_LINE = 2.0
NEXT_LINE = 5.0


class Progress:
    """Prints lines such as `push data: 1.2 GB of 4.0 GB (30 %), 85.0 MB/s, 33 s left`.

    `show` prints one line; `clock` gives seconds. `done` and `total` count bytes and may be set from any thread.
    """

    def __init__(
        self, label: str, total: int, show: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.label, self.total, self.done = label, total, 0
        self._show, self._clock = show, clock
        self._begun = clock()
        self._next = self._begun + FIRST_LINE

    def add(self, count: int) -> None:
        """Count bytes that went over."""
        self.at(self.done + count)

    def at(self, done: int) -> None:
        """Set the bytes that went over so far, and print a line when one is due."""
        self.done = done
        now = self._clock()
        if now >= self._next:
            self._next = now + NEXT_LINE
            self._show(self.line(now - self._begun))

    def note(self, text: str) -> None:
        """Print what is being done instead of a rate, when a line is due."""
        now = self._clock()
        if now >= self._next:
            self._next = now + NEXT_LINE
            self._show(f"{self.label}: {text}")

    def line(self, seconds: float) -> str:
        """Return the line for a transfer that runs for `seconds`."""
        rate = self.done / seconds if seconds > 0 else 0.0
        share = min(100, round(100 * self.done / self.total)) if self.total else 100
        text = f"{self.label}: {size(self.done)} of {size(self.total)} ({share} %), {size(rate)}/s"
        if rate > 0 and self.total > self.done:
            left = round((self.total - self.done) / rate)
            text += f", {duration(left)} left"
        return text
