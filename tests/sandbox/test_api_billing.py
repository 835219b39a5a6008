# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bills: buckets, windows and sums, first from meters whose time is made, then at the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from stand_in import Api, until

from podyard_sandbox.meter import Meter, VolumeMeter
from podyard_sandbox.runpod import billing
from podyard_sandbox.runpod.pod import CpuShare
from podyard_sandbox.runpod.problems import Problem
from podyard_sandbox.timestamps import parse_time

NOW = parse_time("2026-06-10T12:30:00Z")  # a Wednesday
HOUR = 3600.0


def pod(name: str, since: float, hours: float, usd: float, cpu: CpuShare | None = None) -> Any:
    """A pod that was rented for so many hours, and then kept a stopped disk of 73 GB for as long."""
    meter = Meter()
    meter.hold_gpu(usd, since)
    meter.keep_disk(73, since + hours * HOUR)
    meter.close(since + 2 * hours * HOUR)
    return SimpleNamespace(id=name, meter=meter, cpu=cpu, created_at=since, gone_at=since + 2 * hours * HOUR)


def test_a_pod_over_midnight() -> None:
    found = [pod("p1", parse_time("2026-06-08T22:00:00Z"), 6, 1.0)]
    answer = billing.pods(found, {"bucketSize": "day"}, NOW)
    assert [(record["startTime"], record["gpuAmount"], record["diskAmount"]) for record in answer["records"]] == [
        ("2026-06-08T00:00:00Z", 2.0, 0.0),
        ("2026-06-09T00:00:00Z", 4.0, pytest.approx(0.12)),
    ]
    assert answer["metadata"] == {
        "query": {
            "startTime": "2026-05-11T00:00:00Z", "endTime": "2026-06-11T00:00:00Z", "bucketSize": "day",
            "podId": None,
        },
        "recordCount": 2,
        "uniquePodCount": 1,
        "totals": {"totalAmount": pytest.approx(6.12), "gpuAmount": 6.0, "cpuAmount": 0.0, "diskAmount": 0.12},
    }  # fmt: skip
    assert all(record["podId"] == "p1" for record in answer["records"])


def test_pods_side_by_side() -> None:
    since = parse_time("2026-06-09T01:00:00Z")
    found = [pod("p1", since, 1, 1.0), pod("p2", since, 1, 0.5, CpuShare("cpu3c", 2, 4))]
    answer = billing.pods(found, {"bucketSize": "month"}, NOW)
    assert [(record["podId"], record["gpuAmount"], record["cpuAmount"]) for record in answer["records"]] == [
        ("p1", 1.0, 0.0),
        ("p2", 0.0, 0.5),
    ]
    one = billing.pods(found, {"bucketSize": "month", "podId": "p2"}, NOW)
    assert one["metadata"]["uniquePodCount"] == 1 and one["metadata"]["query"]["podId"] == "p2"
    assert billing.pods(found, {"podId": "nobody"}, NOW)["records"] == []


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        ({"lastN": "1", "bucketSize": "hour"}, "2026-06-10T12:00:00Z", "2026-06-10T13:00:00Z"),
        ({"lastN": "3"}, "2026-06-08T00:00:00Z", "2026-06-11T00:00:00Z"),
        ({"lastN": "2", "bucketSize": "week"}, "2026-06-01T00:00:00Z", "2026-06-15T00:00:00Z"),
        ({"lastN": "3", "bucketSize": "month"}, "2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"),
        ({"lastN": "2", "bucketSize": "year"}, "2025-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ({"startTime": "2026-06-01T05:00:00Z"}, "2026-06-01T00:00:00Z", "2026-06-11T00:00:00Z"),
        (
            {"startTime": "2026-06-01T00:00:00+02:00", "endTime": "2026-06-02T00:00:00Z"},
            "2026-05-31T00:00:00Z",
            "2026-06-02T00:00:00Z",
        ),
    ],
)
def test_windows(query: dict[str, str], start: str, end: str) -> None:
    shown = billing.pods([], query, NOW)["metadata"]["query"]
    assert (shown["startTime"], shown["endTime"]) == (start, end)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"lastN": "3", "startTime": "2026-06-01T00:00:00Z"}, 400),
        ({"startTime": "2026-06-02T00:00:00Z", "endTime": "2026-06-01T00:00:00Z"}, 400),
        ({"lastN": "0"}, 422),
        ({"lastN": "many"}, 422),
        ({"bucketSize": "decade"}, 422),
        ({"startTime": "yesterday"}, 422),
        ({"endTime": "2026-06-01"}, 422),
    ],
)
def test_windows_refused(query: dict[str, str], status: int) -> None:
    with pytest.raises(Problem) as refused:
        billing.pods([], query, NOW)
    assert refused.value.status == status


def test_volume_by_the_hour() -> None:
    meter = VolumeMeter()
    meter.hold(73, "STANDARD", parse_time("2026-06-09T22:30:00Z"))
    meter.hold(146, "STANDARD", parse_time("2026-06-10T00:00:00Z"))  # paid from the next hour on
    meter.close(parse_time("2026-06-10T01:00:00Z"))
    volume: Any = SimpleNamespace(id="v1", type="STANDARD", meter=meter)
    answer = billing.volumes([volume], {"bucketSize": "day"}, NOW)
    assert [(record["startTime"], record["standardAmount"]) for record in answer["records"]] == [
        ("2026-06-09T00:00:00Z", 0.014),
        ("2026-06-10T00:00:00Z", 0.014),
    ]
    assert answer["metadata"]["uniqueNetworkVolumeCount"] == 1
    whole = billing.everything([], [volume], {"bucketSize": "year"}, NOW)
    assert [record["storageStandardAmount"] for record in whole["records"]] == [0.028]
    assert whole["metadata"]["totals"]["totalAmount"] == 0.028


def test_volume_beyond_a_terabyte() -> None:
    meter = VolumeMeter()
    meter.hold(2000, "STANDARD", NOW)
    assert meter.rate() == pytest.approx((1000 * 0.07 + 1000 * 0.05) / 730)


def test_at_the_wire(api: Api) -> None:
    pod_id = api.running()["id"]
    volume_id = api.post("/v2/network-volumes", {"name": "ds", "size": 100, "dataCenter": "EU-RO-1"}).json()["id"]
    until(lambda: api.get("/v2/billing/pods").json()["records"], bool)
    records = api.get("/v2/billing/pods", params={"podId": pod_id, "lastN": 1}).json()["records"]
    assert {record["podId"] for record in records} == {pod_id}
    volumes = api.get("/v2/billing/network-volumes", params={"unknown": "x"}).json()
    assert volumes["records"][0]["networkVolumeId"] == volume_id
    api.delete(f"/v2/pods/{pod_id}")
    api.delete(f"/v2/network-volumes/{volume_id}")
    whole = api.get("/v2/billing", params={"bucketSize": "year"}).json()
    spent = 100 - api.status()["balance_usd"]
    assert whole["metadata"]["totals"]["totalAmount"] == pytest.approx(spent, abs=1e-4)
    assert len(whole["records"]) in (1, 2) and whole["records"][0]["podGpuAmount"] > 0


@pytest.mark.parametrize("family", ["serverless", "endpoints", "clusters"])
def test_what_costs_nothing_here(api: Api, family: str) -> None:
    answer = api.get(f"/v2/billing/{family}").json()
    assert answer["records"] == [] and answer["metadata"]["recordCount"] == 0
    assert set(answer["metadata"]["totals"].values()) == {0}


def test_the_default_window_is_thirty_days(api: Api) -> None:
    shown = api.get("/v2/billing").json()["metadata"]["query"]
    assert shown["bucketSize"] == "day"
    length = parse_time(shown["endTime"]) - parse_time(shown["startTime"])
    assert length / 86400 in (30, 31) and parse_time(shown["endTime"]) > datetime.now(UTC).timestamp()
