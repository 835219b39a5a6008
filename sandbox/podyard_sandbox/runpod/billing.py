# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``/v2/billing``: the meters' costs by hour, day, week, month or year."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from podyard_sandbox.runpod.pod import Pod
from podyard_sandbox.runpod.problems import Problem, invalid
from podyard_sandbox.runpod.resources import Volume
from podyard_sandbox.runpod.validation import number, one_of
from podyard_sandbox.timestamps import api_time, parse_time

_SIZES = ("hour", "day", "week", "month", "year")
_DEFAULT_DAYS = 30
_MAX_BUCKETS = 10_000
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_POD = ("gpuAmount", "cpuAmount", "diskAmount")
_VOLUME = ("standardAmount", "highPerformanceAmount")
_ALL = (
    "podGpuAmount", "podCpuAmount", "podDiskAmount", "serverlessGpuAmount", "serverlessCpuAmount",
    "serverlessDiskAmount", "serverlessFeeAmount", "storageStandardAmount", "storageHighPerformanceAmount",
    "endpointAmount", "clusterGpuAmount", "clusterDiskAmount", "clusterNetworkingAmount",
)  # fmt: skip
_IN_ALL = {
    "gpuAmount": "podGpuAmount",
    "cpuAmount": "podCpuAmount",
    "diskAmount": "podDiskAmount",
    "standardAmount": "storageStandardAmount",
    "highPerformanceAmount": "storageHighPerformanceAmount",
}
# Products that the sandbox does not have: their amounts, and the fields that filter and count their records.
EMPTY = {
    "serverless": (
        ("gpuAmount", "cpuAmount", "diskAmount", "feeAmount"), ("serverlessId", "uniqueServerlessCount"),
    ),
    "endpoints": ((), None),
    "clusters": (("gpuAmount", "diskAmount", "networkingAmount"), ("clusterId", "uniqueClusterCount")),
}  # fmt: skip

Amounts = dict[str, float]


@dataclass(frozen=True)
class Window:
    """The resolved window [start, end) and the size of its buckets."""

    start: datetime
    end: datetime
    size: str

    @classmethod
    def of(cls, query: Mapping[str, str], now: float) -> Window:
        """Return the window of a query, widened to whole buckets.

        Raises:
            Problem: 400 if the parameters contradict each other, 422 if one is malformed.
        """
        size = (one_of(query, "bucketSize", _SIZES) or ("day",))[0]
        today = datetime.fromtimestamp(now, UTC)
        if "lastN" in query:
            if "startTime" in query or "endTime" in query:
                raise Problem(400, "lastN is mutually exclusive with startTime and endTime")  # made up
            start = _floor(today, size)
            end = _next(start, size)
            for _bucket in range(number(query, "lastN", 1, low=1, high=_MAX_BUCKETS) - 1):
                start = _floor(start - timedelta(hours=1), size) if start > _FIRST else start
            return cls(start, end, size)
        start = _time(query, "startTime", today - timedelta(days=_DEFAULT_DAYS))
        end = _time(query, "endTime", today)
        if start >= end:
            raise Problem(400, "startTime must be before endTime")  # made up
        last = _floor(end, size)
        return cls(_floor(start, size), last if last == end else _next(last, size), size)

    def buckets(self, since: float, until: float) -> Iterator[tuple[datetime, datetime]]:
        """Yield the buckets of the window that overlap a period."""
        bucket = max(self.start, _floor(datetime.fromtimestamp(since, UTC), self.size))
        while bucket < self.end and bucket.timestamp() <= until:
            following = _next(bucket, self.size)
            yield bucket, following
            bucket = following

    def query(self) -> dict[str, Any]:
        """Return the window as the response's metadata shows it."""
        return {**_range(self.start, self.end), "bucketSize": self.size}


def pods(found: Sequence[Pod], query: Mapping[str, str], now: float) -> dict[str, Any]:
    """Answer ``GET /v2/billing/pods``."""
    window, wanted = Window.of(query, now), query.get("podId")
    shown = [pod for pod in found if wanted in (None, pod.id)]
    records = [record for pod in shown for record in _records(window, now, _billed_pod(pod, now), "podId", pod.id)]
    return _answer(window, records, _POD, ("podId", "uniquePodCount"), wanted)


def volumes(found: Sequence[Volume], query: Mapping[str, str], now: float) -> dict[str, Any]:
    """Answer ``GET /v2/billing/network-volumes``."""
    window, wanted = Window.of(query, now), query.get("networkVolumeId")
    key = "networkVolumeId"
    records: list[dict[str, Any]] = []
    for volume in found:
        if wanted in (None, volume.id):
            records += _records(window, now, _billed_volume(volume, now), key, volume.id)
    return _answer(window, records, _VOLUME, (key, "uniqueNetworkVolumeCount"), wanted)


def empty(family: str, query: Mapping[str, str], now: float) -> dict[str, Any]:
    """Answer for a product that the sandbox does not have and that costs nothing."""
    amounts, key = EMPTY[family]
    return _answer(Window.of(query, now), [], amounts, key, query.get(key[0]) if key else None)


def everything(
    all_pods: Sequence[Pod], all_volumes: Sequence[Volume], query: Mapping[str, str], now: float
) -> dict[str, Any]:
    """Answer ``GET /v2/billing``: one record for each bucket with costs."""
    window = Window.of(query, now)
    merged: dict[str, dict[str, Any]] = {}
    items = [_billed_pod(pod, now) for pod in all_pods] + [_billed_volume(volume, now) for volume in all_volumes]
    for item in items:
        for record in _records(window, now, item, "", ""):
            times = {name: record[name] for name in ("startTime", "endTime")}
            total = merged.setdefault(record["startTime"], {**times, **dict.fromkeys(_ALL, 0.0), "totalAmount": 0.0})
            for name, whole in _IN_ALL.items():
                total[whole] = round(total[whole] + record.get(name, 0.0), 6)
            total["totalAmount"] = round(total["totalAmount"] + record["totalAmount"], 6)
    return _answer(window, [merged[start] for start in sorted(merged)], _ALL, None, None)


@dataclass(frozen=True)
class _BilledItem:
    """Something billed: from when to when, and its costs in any period."""

    since: float
    until: float
    bill: Callable[[float, float], Amounts]


def _billed_pod(pod: Pod, now: float) -> _BilledItem:
    compute = "cpuAmount" if pod.cpu is not None else "gpuAmount"

    def bill(start: float, end: float) -> Amounts:
        held, disk = pod.meter.between(start, end, now)
        return {**dict.fromkeys(_POD, 0.0), compute: held, "diskAmount": disk}

    return _BilledItem(pod.created_at, pod.gone_at or now, bill)


def _billed_volume(volume: Volume, now: float) -> _BilledItem:
    kind = "standardAmount" if volume.type == "STANDARD" else "highPerformanceAmount"

    def bill(start: float, end: float) -> Amounts:
        usd = sum(cost for moment, cost in volume.meter.hours(now) if start <= moment < end)
        return {**dict.fromkeys(_VOLUME, 0.0), kind: round(usd, 6)}

    return _BilledItem(volume.meter.changes[0][0], volume.meter.end or now, bill)


def _records(window: Window, now: float, item: _BilledItem, key: str, value: str) -> Iterator[dict[str, Any]]:
    for start, end in window.buckets(item.since, min(item.until, now)):
        amounts = item.bill(start.timestamp(), end.timestamp())
        total = round(sum(amounts.values()), 6)
        if total > 0:
            yield {**_range(start, end), **({key: value} if key else {}), "totalAmount": total, **amounts}


def _answer(
    window: Window,
    records: Sequence[dict[str, Any]],
    amounts: Iterable[str],
    key: tuple[str, str] | None,
    wanted: str | None,
) -> dict[str, Any]:
    totals = {name: round(sum(record[name] for record in records), 6) for name in ("totalAmount", *amounts)}
    metadata: dict[str, Any] = {"query": window.query(), "recordCount": len(records), "totals": totals}
    if key is not None:
        metadata["query"][key[0]] = wanted
        metadata[key[1]] = len({record[key[0]] for record in records})
    return {"records": sorted(records, key=lambda record: record["startTime"]), "metadata": metadata}


def _range(start: datetime, end: datetime) -> dict[str, str]:
    return {"startTime": api_time(start.timestamp()), "endTime": api_time(end.timestamp())}


def _floor(moment: datetime, size: str) -> datetime:
    """Return the start of the bucket that contains a moment."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if size == "hour":
        return hour
    day = hour.replace(hour=0)
    if size == "week":
        return day - timedelta(days=day.weekday())
    if size == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if size == "year" else day


def _next(start: datetime, size: str) -> datetime:
    """Return the start of the next bucket, at most the last second of the year 9999."""
    longest = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
    try:
        if size in longest:
            return start + longest[size]
        return _floor(start + timedelta(days=32 if size == "month" else 367), size)
    except OverflowError:
        return _LAST


def _time(query: Mapping[str, str], name: str, default: datetime) -> datetime:
    if name not in query:
        return default
    try:
        return datetime.fromtimestamp(parse_time(query[name]), UTC)
    except (ValueError, OverflowError, OSError):
        raise invalid([f"$.{name}: '{query[name]}' is not valid date-time"]) from None
