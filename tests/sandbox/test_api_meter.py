# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The meter, the balance, and the ledger that outlives the daemon."""

from __future__ import annotations

from pathlib import Path

import pytest
from stand_in import Api, ServerThread, until

from podyard_sandbox.ledger import Ledger
from podyard_sandbox.meter import Meter, stopped_disk_price
from podyard_sandbox.timestamps import parse_time


def test_meter_bills_by_the_second_from_the_rent_on() -> None:
    meter = Meter()
    meter.hold_gpu(3.6, 1000.0)
    assert meter.billed_seconds(1000.0) == 0
    assert meter.billed_seconds(1000.2) == 1, "a second begun is a second paid"
    assert meter.cost_usd(1010.0) == pytest.approx(0.01)
    meter.close(1020.0)
    assert (meter.billed_seconds(9999.0), meter.rate()) == (20, 0.0)


def test_stopped_pod_pays_double_for_its_volume() -> None:
    meter = Meter()
    meter.hold_gpu(3.6, 0.0)
    meter.keep_disk(100, 10.0)
    assert stopped_disk_price(100) == pytest.approx(100 * 0.20 / 730)
    assert meter.rate() == pytest.approx(0.0274, abs=1e-4)
    assert meter.billed_seconds(3610.0) == 10, "the GPU is free"
    assert meter.cost_usd(3610.0) == pytest.approx(0.01 + 100 * 0.20 / 730, abs=1e-6)
    meter.hold_gpu(3.6, 3610.0)
    assert meter.billed_seconds(3620.0) == 20
    assert Meter.from_json(meter.to_json()).cost_usd(3620.0) == meter.cost_usd(3620.0)


def test_status_of_a_pod_from_rent_to_end(api: Api) -> None:
    made = api.running(name="one", gpu={"id": "NVIDIA L40S", "count": 2})
    shown = api.status()["pods"][0]
    assert shown == {
        **shown,
        "provider": "runpod",
        "id": made["id"],
        "name": "one",
        "state": "RUNNING",
        "gpu": "NVIDIA L40S",
        "gpu_count": 2,
        "usd_per_hour": 1.72,
        "gone_at": None,
        "ssh": {"host": "127.0.0.1", "port": made["ssh"]["direct"]["port"]},
    }
    api.delete(f"/v2/pods/{made['id']}")
    gone = api.status()["pods"][0]
    assert (gone["state"], gone["ssh"]) == ("TERMINATED", None)
    lived = parse_time(gone["gone_at"]) - parse_time(gone["created_at"])
    assert lived <= gone["billed_seconds"] + 0.5 and gone["billed_seconds"] <= lived + 1
    assert gone["cost_usd"] == pytest.approx(gone["billed_seconds"] * 1.72 / 3600, abs=1e-6)


def test_gpu_seconds_stand_still_while_stopped(api: Api) -> None:
    made = api.running(mounts={"persistent": {"size": 1000, "path": "/workspace"}})
    api.act(made["id"], "stop")
    before = api.status()["pods"][0]
    after = until(lambda: api.status()["pods"][0], lambda pod: pod["cost_usd"] > before["cost_usd"])
    assert after["billed_seconds"] == before["billed_seconds"]
    query = {"query": "{ myself { currentSpendPerHr } }"}
    spend = api.post("/graphql", query).json()["data"]["myself"]["currentSpendPerHr"]
    assert spend == pytest.approx(1000 * 0.20 / 730, abs=1e-4)


def test_pods_end_when_the_money_is_spent(sandbox: ServerThread, api: Api) -> None:
    pod = api.running()
    api.call("PATCH", "/_sandbox/settings", json={"balance": 0})
    until(lambda: api.get(f"/v2/pods/{pod['id']}").status_code, lambda status: status == 404)
    assert sandbox.pods.mounts == set()
    assert api.status()["pods"][0]["gone_at"] is not None


def test_ledger_outlives_the_server(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = ServerThread(home)
    api = Api(first.url, first.home.api_key())
    kept = api.made(name="kept")
    api.create(disk=0)
    first.close()

    book = Ledger(first.home.ledger)
    assert [pod["name"] for pod in book.pods()] == ["kept"]
    assert book.pods()[0]["gone_at"] is not None, "going down ends the pods"
    assert [request["status"] for request in book.requests()] == [201, 422]

    second = ServerThread(home)
    try:
        api = Api(second.url, second.home.api_key())
        api.made(name="later")
        assert [pod["name"] for pod in api.status()["pods"]] == ["kept", "later"]
        assert api.names() == ["later"]
        assert api.get(f"/v2/pods/{kept['id']}").status_code == 404
        assert [request["name"] for request in api.status()["requests"]][-1] == "later"
    finally:
        second.close()


def test_ledger_of_a_killed_daemon(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    book = Ledger(path)
    entry = {"provider": "runpod", "id": "p1", "name": "n", "state": "RUNNING", "gpu": "G", "gpu_count": 1}
    entry |= {"usd_per_hour": 1.0, "created_at": 1000.0, "started_at": 1001.0, "gone_at": None, "ssh": None}
    book.put_pod({**entry, "meter": [[1000.0, None, 1.0, True]]})
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"pod": {"id": "p2", ')  # it was killed while it wrote
    again = Ledger(path)
    assert [pod["id"] for pod in again.pods()] == ["p1"]
    assert again.close_leftovers() == ["p1"]
    again.compact()
    shown = Ledger(path).pods()[0]
    assert (shown["state"], shown["ssh"]) == ("SWEPT", None)
    assert shown["gone_at"] is not None and shown["cost_usd"] > 0
    assert Ledger(path).close_leftovers() == []
