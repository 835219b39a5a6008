# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod has cost: USD, by the second."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_SECONDS_PER_HOUR = 3600
_HOURS_PER_MONTH = 730  # 365 days / 12 months; the list price of disk is per GB and month
_STOPPED_DISK_USD = 0.20  # per GB and month: the volume disk of a stopped pod costs twice what it costs running


def stopped_disk_price(size_gb: int) -> float:
    """USD per hour of a stopped pod's volume disk of so many GB."""
    return size_gb * _STOPPED_DISK_USD / _HOURS_PER_MONTH


@dataclass
class Interval:
    """A stretch of time at one price; ``end`` is None while it lasts. Times are seconds since 1970."""

    start: float
    end: float | None
    usd_per_hour: float
    gpu: bool

    def seconds(self, now: float) -> int:
        """Whole seconds billed so far: a second begun is a second paid."""
        until = now if self.end is None else self.end
        return max(0, math.ceil(until - self.start))


@dataclass
class Meter:
    """The bill of one pod.

    The documentation does not say whether billing begins at the rent or at the container's start; the meter takes
    the dearer reading, the rent, so that nobody is surprised by it later.
    """

    intervals: list[Interval] = field(default_factory=list)

    def hold_gpu(self, usd_per_hour: float, now: float) -> None:
        """The pod holds its GPU from now on, at this price for the whole pod."""
        self._begin(Interval(now, None, usd_per_hour, gpu=True))

    def keep_disk(self, size_gb: int, now: float) -> None:
        """The pod is stopped from now on and only its volume disk (of so many GB, 0 for none) is billed."""
        self._begin(Interval(now, None, stopped_disk_price(size_gb), gpu=False))

    def close(self, now: float) -> None:
        """Nothing is billed from now on."""
        if self.intervals and self.intervals[-1].end is None:
            self.intervals[-1].end = now

    def billed_seconds(self, now: float) -> int:
        """Seconds for which the GPU was billed."""
        return sum(interval.seconds(now) for interval in self.intervals if interval.gpu)

    def cost_usd(self, now: float) -> float:
        """USD so far, GPU and stopped disk together."""
        usd = sum(interval.seconds(now) * interval.usd_per_hour for interval in self.intervals)
        return round(usd / _SECONDS_PER_HOUR, 6)

    def between(self, start: float, end: float, now: float) -> tuple[float, float]:
        """USD of a stretch of time, for the GPU or CPU and for the stopped disk; seconds count where they begin."""
        usd = {True: 0.0, False: 0.0}
        for interval in self.intervals:
            until = interval.start + interval.seconds(now)
            seconds = max(0.0, min(end, until) - max(start, interval.start))
            usd[interval.gpu] += seconds * interval.usd_per_hour / _SECONDS_PER_HOUR
        return round(usd[True], 6), round(usd[False], 6)

    def rate(self) -> float:
        """USD per hour that the pod costs at this moment."""
        if self.intervals and self.intervals[-1].end is None:
            return self.intervals[-1].usd_per_hour
        return 0.0

    def to_json(self) -> list[list[float | bool | None]]:
        """The intervals for the ledger file."""
        return [[i.start, i.end, i.usd_per_hour, i.gpu] for i in self.intervals]

    @classmethod
    def from_json(cls, rows: list[list]) -> Meter:
        """The meter that :meth:`to_json` wrote."""
        return cls([Interval(start, end, usd, gpu) for start, end, usd, gpu in rows])

    def _begin(self, interval: Interval) -> None:
        # One price that is no number would make every sum after it none.
        assert math.isfinite(interval.usd_per_hour) and interval.usd_per_hour >= 0, interval
        self.close(interval.start)
        self.intervals.append(interval)


# USD per GB and month of a network volume: a first price up to so many GB, and another beyond.
_VOLUME_STEP_GB = 1000
_VOLUME_USD = {"STANDARD": (0.07, 0.05), "HIGH_PERFORMANCE": (0.14, 0.14)}


def volume_price(size_gb: int, kind: str) -> float:
    """USD per hour of a network volume; the price of the faster kind is made up."""
    first, beyond = _VOLUME_USD[kind]
    below = min(size_gb, _VOLUME_STEP_GB)
    return (below * first + (size_gb - below) * beyond) / _HOURS_PER_MONTH


@dataclass
class VolumeMeter:
    """The bill of one network volume: hour by hour, an hour begun is an hour paid, at the size it began with."""

    changes: list[tuple[float, float]] = field(default_factory=list)
    end: float | None = None

    def hold(self, size_gb: int, kind: str, now: float) -> None:
        """The volume has this size from now on, which the hours that begin from now on cost."""
        self.changes.append((now, volume_price(size_gb, kind)))

    def close(self, now: float) -> None:
        """No hour begins from now on."""
        if self.end is None:
            self.end = now

    def hours(self, now: float) -> list[tuple[float, float]]:
        """Every hour that has begun: when, and what it costs in USD."""
        if not self.changes:
            return []
        until = now if self.end is None else self.end
        began, found = self.changes[0][0], []
        for number in range(max(1, math.ceil((until - began) / _SECONDS_PER_HOUR))):
            moment = began + number * _SECONDS_PER_HOUR
            found.append((moment, [usd for since, usd in self.changes if since <= moment][-1]))
        return found

    def cost_usd(self, now: float) -> float:
        """USD so far."""
        return round(sum(usd for _moment, usd in self.hours(now)), 6)

    def rate(self) -> float:
        """USD per hour that the volume costs at this moment."""
        return self.changes[-1][1] if self.changes and self.end is None else 0.0
