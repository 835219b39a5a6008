# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module runpod_billing_info."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.modules import runpod_billing_info
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner

TIMES = {"startTime": "2026-06-01T00:00:00Z", "endTime": "2026-06-02T00:00:00Z"}
AMOUNTS = {"totalAmount": 12.5, "gpuAmount": 11, "cpuAmount": 0, "diskAmount": 1.5}
POD_BILLS = {
    "records": [{**TIMES, "podId": "p1", **AMOUNTS}],
    "metadata": {
        "query": {**TIMES, "bucketSize": "day", "podId": "p1"},
        "recordCount": 1,
        "uniquePodCount": 1,
        "totals": AMOUNTS,
    },
}


@pytest.fixture(name="bills")
def reading(capsys, tmp_path):
    module = Runner(capsys, tmp_path)

    def bills(*script, failing=False, check=False, **options):
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            return how(runpod_billing_info.main, check, api_key=KEY, api_url=api.url, **options)

    return bills


@pytest.mark.parametrize("check", [False, True])
def test_bills_are_in_our_words_and_in_numbers(bills, check):
    asked = expect("GET", "/v2/billing/pods", query={"bucketSize": "day", "lastN": "30", "podId": "p1"})
    result = bills(asked.reply(POD_BILLS), check=check, kind="pods", pod_id="p1", last_n=30)
    amounts = {"total_usd": 12.5, "gpu_usd": 11.0, "cpu_usd": 0.0, "disk_usd": 1.5}
    times = {"start_time": "2026-06-01T00:00:00Z", "end_time": "2026-06-02T00:00:00Z"}
    assert result["changed"] is False
    assert result["records"] == [{**times, "pod_id": "p1", **amounts}]
    assert result["totals"] == amounts
    assert result["query"] == {**times, "bucket_size": "day", "pod_id": "p1"}


@pytest.mark.parametrize(
    ("options", "path", "query"),
    [
        ({}, "", {"bucketSize": "day"}),
        (
            {"start_time": "2026-06-01", "end_time": "2026-07-01T12:00:00Z", "bucket_size": "hour"},
            "",
            {"bucketSize": "hour", "startTime": "2026-06-01T00:00:00Z", "endTime": "2026-07-01T12:00:00Z"},
        ),
        (
            {"kind": "network_volumes", "network_volume": "v1"},
            "/network-volumes",
            {"bucketSize": "day", "networkVolumeId": "v1"},
        ),
        ({"kind": "clusters"}, "/clusters", {"bucketSize": "day"}),
        ({"kind": "serverless"}, "/serverless", {"bucketSize": "day"}),
        ({"kind": "endpoints"}, "/endpoints", {"bucketSize": "day"}),
    ],
)
def test_what_is_asked_for(bills, options, path, query):
    assert bills(expect("GET", f"/v2/billing{path}", query=query).reply({"records": []}), **options)["records"] == []


def test_totals_that_are_not_sent_are_added_up(bills):
    records = [{**TIMES, "totalAmount": 0.1, "podGpuAmount": None}, {**TIMES, "totalAmount": 0.2, "podGpuAmount": 0.2}]
    result = bills(expect("GET", "/v2/billing").reply({"records": records}))
    assert result["totals"] == {"total_usd": 0.3, "pod_gpu_usd": 0.2}
    assert bills(expect("GET", "/v2/billing").reply({"records": []}))["totals"] == {"total_usd": 0.0}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "all", "pod_id": "p1"}, "pod_id needs kind to be pods, but it is all"),
        ({"kind": "pods", "network_volume": "v1"}, "network_volume needs kind to be network_volumes"),
        ({"last_n": 0}, "last_n is 0; give at least 1"),
        ({"start_time": "yesterday"}, "start_time is 'yesterday'; write it like 2026-06-01"),
        ({"end_time": "2026-06-01 12:00"}, "end_time is '2026-06-01 12:00'"),
        ({"last_n": 3, "start_time": "2026-06-01"}, "mutually exclusive"),
    ],
)
def test_bad_input_is_refused_before_any_request(bills, options, words):
    assert words in bills(failing=True, **options)["msg"]


def test_an_answer_without_records_is_not_a_month_for_nothing(bills):
    assert bills(expect("GET", "/v2/billing").reply({}), failing=True)["failure"]["kind"] == "BadAnswer"
