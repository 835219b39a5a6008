# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clock, polls and deadlines, all injectable so that tests do not wait."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable

#: Seconds between two looks at a pod. The API's example quota is 60 requests a minute for everything that uses the
#: key, and no state of a pod changes faster than within seconds; the spread keeps many pods from asking all at once.
POLL_LEAST = 5.0
POLL_MOST = 10.0


@dataclass(frozen=True)
class Clock:
    """The source of time: ``monotonic`` for spans (never the wall clock), ``sleep``, ``spread(a, b)`` for jitter."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    spread: Callable[[float, float], float] = random.uniform


@dataclass(frozen=True)
class PollInterval:
    """How often to look.

    :param interval: the most seconds between two looks, shortened by up to a quarter at random; None for the default
        of 5 to 10 s, which spares the quota.
    """

    clock: Clock = Clock()
    interval: float | None = None

    @property
    def least(self) -> float:
        """The fewest seconds between two looks, and so how old a result may be that several waits share."""
        return POLL_LEAST if self.interval is None else self.interval * 0.75

    def pause(self, at_most: float | None = None, spent: float = 0.0) -> None:
        """Sleep until the next look, but not longer than ``at_most`` seconds.

        :param spent: seconds that the previous look took, which count as part of the pause.
        """
        if self.interval is None:
            seconds = self.clock.spread(POLL_LEAST, POLL_MOST)
        else:
            # Half of the looks are early and none is late, so no wait is longer than the option says.
            seconds = min(self.interval, self.clock.spread(self.interval * 0.75, self.interval * 1.25))
        seconds -= spent
        if at_most is not None:
            seconds = min(seconds, at_most)
        if seconds > 0:
            self.clock.sleep(seconds)

    def until(self, seconds: float, seen: Callable[[], float] = lambda: float("inf")) -> Iterator[float]:
        """Yield the elapsed seconds, at once and then after each pause, until ``seconds`` are over.

        Pauses count from the start of a look to the start of the next, so that a slow look (an address where nothing
        answers) does not delay the next one. The last look happens at the deadline, not before, so that a deadline
        shorter than a pause still gets two looks.

        :param seen: returns the time at which the last result was read. A result that another process read is some
            seconds old; the next look then comes earlier by as much, so that no change is noticed later for it.
        """
        begun = self.clock.monotonic()
        while True:
            looked = self.clock.monotonic()
            yield looked - begun
            now = self.clock.monotonic()
            left = seconds - (now - begun)
            if left <= 0:
                return
            self.pause(left, now - min(looked, seen()))
