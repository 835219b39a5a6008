# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a transfer is, said now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

# Nobody wonders before two seconds have passed; a line every five seconds shows life and does not flood a log.
FIRST_LINE = 2.0
NEXT_LINE = 5.0


def amount(count: float) -> str:
    """Bytes as people read them, in binary units: 512 B, 1.5 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


class Progress:
    """Prints lines such as `push data: 1.2 GiB of 4.0 GiB (30 %), 85.0 MiB/s, 0:33 left`.

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
        """The line for a transfer that runs for `seconds`."""
        rate = self.done / seconds if seconds > 0 else 0.0
        share = min(100, round(100 * self.done / self.total)) if self.total else 100
        text = f"{self.label}: {amount(self.done)} of {amount(self.total)} ({share} %), {amount(rate)}/s"
        if rate > 0 and self.total > self.done:
            left = round((self.total - self.done) / rate)
            text += f", {left // 60}:{left % 60:02d} left"
        return text
