# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clock, polls and deadlines, all injectable, so that tests take no time."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable

#: Seconds between two looks at a pod. The example quota of the API is 60 requests a minute, shared by everything that
#: uses the key, and nothing about a pod changes faster than in steps of seconds; the spread keeps many pods from
#: asking all at once.
POLL_LEAST = 5.0
POLL_MOST = 10.0


@dataclass(frozen=True)
class Clock:
    """Where time comes from. ``monotonic`` for spans (never the wall clock), ``sleep``, and ``spread(a, b)`` for
    jitter.
    """

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    spread: Callable[[float, float], float] = random.uniform


@dataclass(frozen=True)
class PollInterval:
    """How often to look.

    :param interval: seconds between two looks at most, up to a quarter less by chance; None takes the polite default
        of 5 to 10 s.
    """

    clock: Clock = Clock()
    interval: float | None = None

    @property
    def least(self) -> float:
        """Seconds between two looks at least: so old may be what one look tells."""
        return POLL_LEAST if self.interval is None else self.interval * 0.75

    def pause(self, at_most: float | None = None, spent: float = 0.0) -> None:
        """Sleep until the next look, but not longer than ``at_most`` seconds.

        :param spent: seconds that the look before has taken: they are part of the pause.
        """
        if self.interval is None:
            seconds = self.clock.spread(POLL_LEAST, POLL_MOST)
        else:
            # Half of the looks are early and none is late: nobody waits longer than was asked for.
            seconds = min(self.interval, self.clock.spread(self.interval * 0.75, self.interval * 1.25))
        seconds -= spent
        if at_most is not None:
            seconds = min(seconds, at_most)
        if seconds > 0:
            self.clock.sleep(seconds)

    def until(self, seconds: float, seen: Callable[[], float] = lambda: float("inf")) -> Iterator[float]:
        """Yield the seconds gone by, at once and then after each pause, until ``seconds`` are over.

        Pauses count from look to look, so that one that takes long (an address where nothing answers) does not put
        the next one off. The last look happens at the deadline and not before it, so that a deadline shorter than a
        pause still gets two looks.

        :param seen: when what was looked at last was so: others' looks are some seconds old, and what came since is
            not to be noticed any later for it.
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
