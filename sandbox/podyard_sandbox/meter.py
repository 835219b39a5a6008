# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod costs, billed by the second, in USD."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_SECONDS_PER_HOUR = 3600
_HOURS_PER_MONTH = 730  # 365 days / 12 months; the list price of disk is per GB and month
_STOPPED_DISK_USD = 0.20  # per GB and month: the volume disk of a stopped pod costs twice what it costs running


def stopped_disk_price(size_gb: int) -> float:
    """Return the price of a stopped pod's volume disk, USD per hour."""
    return size_gb * _STOPPED_DISK_USD / _HOURS_PER_MONTH


@dataclass
class Interval:
    """A period at one price; ``end`` is None while it lasts. Times are seconds since 1970."""

    start: float
    end: float | None
    usd_per_hour: float
    gpu: bool

    def seconds(self, now: float) -> int:
        """Return the whole seconds billed so far: a second begun is a second paid."""
        until = now if self.end is None else self.end
        return max(0, math.ceil(until - self.start))


@dataclass
class Meter:
    """The bill of one pod.

    The documentation does not say whether billing starts with the create or with the container; the meter takes the
    more expensive reading, the create, so that the real bill surprises no one.
    """

    intervals: list[Interval] = field(default_factory=list)

    def hold_gpu(self, usd_per_hour: float, now: float) -> None:
        """Bill the GPU from now on, at this price for the whole pod."""
        self._begin(Interval(now, None, usd_per_hour, gpu=True))

    def keep_disk(self, size_gb: int, now: float) -> None:
        """Bill only the volume disk of a stopped pod from now on; 0 GB if it has none."""
        self._begin(Interval(now, None, stopped_disk_price(size_gb), gpu=False))

    def close(self, now: float) -> None:
        """Stop billing."""
        if self.intervals and self.intervals[-1].end is None:
            self.intervals[-1].end = now

    def billed_seconds(self, now: float) -> int:
        """Return the seconds for which the GPU was billed."""
        return sum(interval.seconds(now) for interval in self.intervals if interval.gpu)

    def cost_usd(self, now: float) -> float:
        """Return the cost so far in USD, GPU and stopped disk together."""
        usd = sum(interval.seconds(now) * interval.usd_per_hour for interval in self.intervals)
        return round(usd / _SECONDS_PER_HOUR, 6)

    def between(self, start: float, end: float, now: float) -> tuple[float, float]:
        """Return the USD of a period, for the GPU or CPU and for the stopped disk; a second counts where it begins."""
        usd = {True: 0.0, False: 0.0}
        for interval in self.intervals:
            until = interval.start + interval.seconds(now)
            seconds = max(0.0, min(end, until) - max(start, interval.start))
            usd[interval.gpu] += seconds * interval.usd_per_hour / _SECONDS_PER_HOUR
        return round(usd[True], 6), round(usd[False], 6)

    def rate(self) -> float:
        """Return what the pod costs right now, USD per hour."""
        if self.intervals and self.intervals[-1].end is None:
            return self.intervals[-1].usd_per_hour
        return 0.0

    def to_json(self) -> list[list[float | bool | None]]:
        """Return the intervals for the ledger file."""
        return [[i.start, i.end, i.usd_per_hour, i.gpu] for i in self.intervals]

    @classmethod
    def from_json(cls, rows: list[list]) -> Meter:
        """Rebuild the meter that :meth:`to_json` wrote."""
        return cls([Interval(start, end, usd, gpu) for start, end, usd, gpu in rows])

    def _begin(self, interval: Interval) -> None:
        # One NaN would turn every later sum into NaN.
        assert math.isfinite(interval.usd_per_hour) and interval.usd_per_hour >= 0, interval
        self.close(interval.start)
        self.intervals.append(interval)


# USD per GB and month of a network volume: a first price up to so many GB, and another beyond.
_VOLUME_STEP_GB = 1000
_VOLUME_USD = {"STANDARD": (0.07, 0.05), "HIGH_PERFORMANCE": (0.14, 0.14)}


def volume_price(size_gb: int, kind: str) -> float:
    """Return the price of a network volume, USD per hour; that of the faster kind is made up."""
    first, beyond = _VOLUME_USD[kind]
    below = min(size_gb, _VOLUME_STEP_GB)
    return (below * first + (size_gb - below) * beyond) / _HOURS_PER_MONTH


@dataclass
class VolumeMeter:
    """The bill of one network volume: hour by hour, an hour begun is an hour paid, at the size it began with."""

    changes: list[tuple[float, float]] = field(default_factory=list)
    end: float | None = None

    def hold(self, size_gb: int, kind: str, now: float) -> None:
        """Bill this size for every hour that begins from now on."""
        self.changes.append((now, volume_price(size_gb, kind)))

    def close(self, now: float) -> None:
        """Bill no hour that begins from now on."""
        if self.end is None:
            self.end = now

    def hours(self, now: float) -> list[tuple[float, float]]:
        """Return every hour that has begun: when it began, and what it costs in USD."""
        if not self.changes:
            return []
        until = now if self.end is None else self.end
        began, found = self.changes[0][0], []
        for number in range(max(1, math.ceil((until - began) / _SECONDS_PER_HOUR))):
            moment = began + number * _SECONDS_PER_HOUR
            found.append((moment, [usd for since, usd in self.changes if since <= moment][-1]))
        return found

    def cost_usd(self, now: float) -> float:
        """Return the cost so far in USD."""
        return round(sum(usd for _moment, usd in self.hours(now)), 6)

    def rate(self) -> float:
        """Return what the volume costs right now, USD per hour."""
        return self.changes[-1][1] if self.changes and self.end is None else 0.0
