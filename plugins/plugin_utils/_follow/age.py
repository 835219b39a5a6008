# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a pod has been rented, whatever this machine's clock and the pod's say."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ...module_utils._core.units import duration

# Clocks that NTP keeps differ by less than a second. Two minutes are an answer that was long on its way.
SAME_CLOCK = 120.0
# The provider is asked once, and again after so many seconds where it gave no answer, then after twice as many.
ASK_AGAIN, ASK_RARELY = 60.0, 900.0


def elapsed() -> float:
    """Seconds on a monotonic clock. It goes on while the machine sleeps, where the system has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class PodAge:
    """Measures from one moment on by `clock`; what lay before that moment is told by one clock at a time.

    `ask` returns the pod's age in seconds by the provider's clock alone, and how far that is ahead of this machine's;
    None where it gives no answer. Until it does, the time `rented_at` counts, by this machine's clock where the pod's
    agrees with it, else by the pod's. The age of the training is never more than that of its pod, so that it is the
    least in any case. `show` is told once where the clocks disagree.
    """

    def __init__(
        self,
        rented_at: datetime | None,
        show: Callable[[str], None],
        ask: Callable[[], tuple[float, float] | None] | None = None,
        clock: Callable[[], float] = elapsed,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.rented_at = rented_at
        self._show, self._ask, self._clock, self._now = show, ask, clock, now
        self._ask_at, self._gap = clock(), ASK_AGAIN
        # The moments on `clock` at which the pod was rented, as far as is known.
        self._told: float | None = None
        self._guessed: float | None = None
        self._latest: float | None = None
        self._doubted = False

    def seconds(self, found: Mapping[str, Any]) -> float:
        """Return the age now; `found` is what the last look at the training saw."""
        moment = self._clock()
        # One that has ended may have run on an earlier pod with the same network volume.
        of_this_pod = found.get("state") == "running" or (self.rented_at is None and self._ask is None)
        trained = _span(found.get("seconds")) if of_this_pod else None
        if trained is not None:
            begun = moment - trained
            self._latest = begun if self._latest is None else min(self._latest, begun)
        if self._told is None:
            self._ask_provider(moment)
        if self._told is None and self._guessed is None:
            self._guess(moment, trained, _span(found.get("now")))
        known = self._told if self._told is not None else self._guessed
        begun_at = [each for each in (known, self._latest) if each is not None]
        return max(0.0, moment - min(begun_at)) if begun_at else 0.0

    def _ask_provider(self, moment: float) -> None:
        if self._ask is None or moment < self._ask_at:
            return
        answer = self._ask()
        moment = self._clock()
        if answer is None:
            self._ask_at, self._gap = moment + self._gap, min(self._gap * 2, ASK_RARELY)
            return
        age, ahead = answer
        self._told = moment - age
        if abs(ahead) > SAME_CLOCK:
            self._doubt(
                f"this machine's clock is {_words(ahead)} the provider's; the age of the pod and its cost are counted "
                "by the provider's"
            )

    def _guess(self, moment: float, trained: float | None, pod_now: float | None) -> None:
        """Make do with a time that another machine's clock has told."""
        if self.rented_at is None:
            return
        here = self._now()
        age = here - self.rented_at.timestamp()
        if pod_now is not None and abs(pod_now - here) > SAME_CLOCK:
            age = pod_now - self.rented_at.timestamp()
            self._doubt(
                f"this machine's clock is {_words(pod_now - here)} the pod's; the age of the pod and its cost are "
                "counted by the pod's"
            )
        elif age + SAME_CLOCK < (trained or 0.0):
            self._doubt(
                "this machine's clock is behind the one by which the pod was rented; the age of the pod and its "
                "cost are counted from the start of the training"
            )
        self._guessed = moment - max(0.0, age)

    def _doubt(self, words: str) -> None:
        if not self._doubted:
            self._doubted = True
            self._show(f"follow: {words}. Set this machine's clock.")


def _span(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _words(ahead: float) -> str:
    """How far this machine's clock is from one that is `ahead` of it."""
    return f"{duration(abs(ahead))} {'behind' if ahead > 0 else 'ahead of'}"
