# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operation that the sandbox serves of Vast.ai, asked well and badly; every answer is as Vast.ai describes it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import vast_exchanges
from exchanges import report
from stand_in import ServerThread
from vast_exchanges import VastJudge
from vast_stand_in import KEY, OTHER_KEY, Vast

from podyard_sandbox.settings import Settings
from podyard_sandbox.vastai.operations import NAMES

RECORDED = os.environ.get("PODYARD_SANDBOX_TRAFFIC")


@pytest.fixture
def judge() -> VastJudge:
    """One who has seen nothing yet."""
    if not vast_exchanges.FILE.is_file():
        pytest.skip(vast_exchanges.ABSENT)
    return VastJudge(vast_exchanges.load(), vast_exchanges.deviations())


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[tuple[Vast, Path]]:
    """A client of a sandbox that writes down what is said."""
    traffic = tmp_path / "traffic"
    thread = ServerThread(tmp_path / "home", Settings(traffic=traffic))
    yield Vast(thread), traffic
    thread.close()


def walk(vast: Vast) -> None:
    """Do all that can be done, and some that cannot."""
    for step in (_market, _instances, _keys, _account, _account_apis, _refusals):
        step(vast)


def _market(vast: Vast) -> None:
    vast.offers()
    vast.get("/v0/bundles/", params={"q": json.dumps({"num_gpus": {"eq": 1}})})
    vast.put("/v0/search/asks/", {"q": {}, "select_cols": ["*"]})
    vast.get("/v0/gpu_names/unique/")
    vast.get("/v0/gpu_types/")
    vast.search(limit=-1)
    vast.search(gpu_name="RTX 4090")
    vast.create(1)
    vast.create(image=None)
    vast.create(price=0.01, cancel_unavail=None)
    offer = vast.offer()["id"]
    waits = vast.running(offer)["id"]
    vast.state(waits, "stopped")
    vast.made(offer)
    vast.state(waits, "running")


def _instances(vast: Vast) -> None:
    number = vast.running()["id"]
    path = f"/v0/instances/{number}/"
    vast.get("/v1/instances/", params={"limit": 1, "select_filters": json.dumps({"id": {"eq": number}})})
    vast.get("/v1/instances/", params={"after_token": "x"})
    vast.get("/v0/instances/")
    vast.get("/v0/instances/count/")
    vast.get("/v0/instances/pending-price-increases/")
    vast.put("/v0/instances/accept-price-increase/", {"pending_price_increase_id": 1})
    vast.put(path, {"label": "new"})
    for what in ("reboot", "recycle"):
        vast.put(f"/v0/instances/{what}/99/", {})
        vast.put(f"/v0/instances/{what}/{number}/", {})
        vast.until(number, lambda row: row["actual_status"] == "running")
    vast.put(f"/v0/instances/update_template/{number}/", {"id": number, "image": "other:1"})
    vast.put(f"/v0/instances/request_logs/{number}/", {"tail": "10"})
    vast.put(f"/v0/instances/prepay/{number}/", {"amount": 1.0})
    vast.get(f"/v0/instances/balance/{number}/")
    vast.post(f"/v0/instances/take_snapshot/{number}/", {})
    vast.put(f"/v0/instances/command/{number}/", {"command": "ls /"})
    vast.state(number, "stopped")
    vast.put(f"/v0/instances/command/{number}/", {"command": "ls /"})
    vast.state(number, "running")
    vast.put("/v0/instances/", {"state": "stopped", "ids": [number]})
    bid = vast.offer(type="bid")
    cheap = vast.made(bid["id"], price=bid["min_bid"] + 0.1)
    vast.put(f"/v0/instances/bid_price/{cheap}/", {"client_id": "me", "price": 0.5})
    vast.put(f"/v0/instances/bid_price/{cheap}/", {"client_id": "me", "price": 0})
    vast.delete("/v0/instances/", {"instance_ids": [cheap]})
    vast.delete(path)
    vast.show(number)
    offers = [row["id"] for row in vast.offers(num_gpus={"eq": 1})[:2]]
    body = {"image": "a/b", "disk": 10}
    vast.post("/v0/asks/bulk/", {**body, "ids": offers})
    vast.put("/v0/launch_instance/", {**body, "q": {}})


def _keys(vast: Vast) -> None:
    number = vast.made()
    key = vast.post("/v0/ssh/", {"ssh_key": KEY}).json()["key"]["id"]
    vast.get("/v0/ssh/")
    vast.put(f"/v0/ssh/{key}/", {"id": key, "ssh_key": KEY})
    for method in ("POST", "PUT"):
        vast.call(method, f"/v0/instances/{number}/ssh/", {"ssh_key": KEY})
    vast.post(f"/v0/instances/{number}/ssh/", {"ssh_key": OTHER_KEY})
    vast.get(f"/v0/instances/{number}/ssh/")
    vast.delete(f"/v0/instances/{number}/ssh/{key}/")
    vast.delete(f"/v0/ssh/{key}/")


def _account(vast: Vast) -> None:
    vast.get("/v0/users/current/")
    for method in ("POST", "PUT", "GET", "DELETE"):
        vast.call(method, "/v0/secrets/", {"key": "A", "value": "b"} if method != "GET" else None)
    made = vast.post("/v0/auth/apikeys/", {"name": "k", "permissions": {"api": {"misc": {}}}}).json()
    vast.get("/v0/auth/apikeys/")
    vast.get(f"/v0/auth/apikeys/{made['id']}/")
    vast.delete(f"/v0/auth/apikeys/{made['id']}/")
    everything = {"gte": 0, "lte": 4_000_000_000}
    vast.get("/v0/charges/", params={"select_filters": json.dumps({"day": everything})})
    vast.get("/v1/invoices/", params={"select_filters": json.dumps({"when": everything})})
    vast.get("/v0/invoices/")


def _account_apis(vast: Vast) -> None:
    disk = vast.post("/v0/volumes/search/", {}).json()["offers"][0]
    vast.put("/v0/volumes/", {"id": disk["id"], "size": 5})
    (volume,) = vast.get("/v0/volumes/").json()["volumes"]
    vast.delete("/v0/volumes/", {"id": volume["id"]})
    vast.delete("/v0/volumes/", {"id": volume["id"]})
    hash_id = vast.post("/v0/template/", {"name": "t", "image": "a/b"}).json()["template"]["hash_id"]
    vast.get("/v0/template/")
    hash_id = vast.put("/v0/template/", {"hash_id": hash_id, "desc": "d"}).json()["template"]["hash_id"]
    number = vast.put("/v1/template/", {"hash_id": hash_id, "desc": "e"}).json()["template"]["id"]
    vast.delete("/v0/template/", {"template_id": number})
    instance = vast.made()
    for kind in ("copy_direct", "rsync"):
        body = {"client_id": "me", "src_id": str(instance), "dst_id": str(instance), "src_path": "/a", "dst_path": "/b"}
        vast.put(f"/v0/commands/{kind}/", body)
        vast.delete(f"/v0/commands/{kind}/", {"client_id": "me", "dst_id": str(instance)})


def _refusals(vast: Vast) -> None:
    """What needs no fault, and still goes wrong."""
    for method, path, body in (
        ("PUT", "/v0/instances/99/", {"label": "x"}), ("DELETE", "/v0/instances/99/", None),
        ("PUT", "/v0/instances/request_logs/99/", {}),
        ("PUT", "/v0/instances/bid_price/99/", {"client_id": "me", "price": 1}), ("POST", "/v0/ssh/", {}),
        ("POST", "/v0/instances/99/ssh/", {"ssh_key": KEY}), ("DELETE", "/v0/ssh/99/", None),
        ("POST", "/v0/secrets/", {}), ("GET", "/v0/charges/", None), ("GET", "/v1/invoices/", None),
        ("GET", "/v0/instances/99/", None), ("DELETE", "/v0/template/", {"template_id": 1}),
        ("POST", "/v0/template/", {}), ("DELETE", "/v0/volumes/", {}), ("GET", "/v0/users/current/?owner=me", None),
        ("PUT", "/v0/volumes/", {"id": 1}),
    ):  # fmt: skip
        vast.call(method, path, body)
    vast.call("POST", "/v0/bundles/", {"gpu_name": {"in": ["x" * 1000] * 2000}})
    offer = vast.offer()["id"]
    vast.control.call("PATCH", "/_sandbox/settings", json={"balance": 0})
    vast.create(offer)
    vast.sandbox.server.vast.limits = 1000.0
    for _search in range(11):
        vast.search()
    for method, path in (("GET", "/v0/instances/7/"), ("DELETE", "/v0/instances/7/"), ("GET", "/v1/instances/")):
        for _again in range(2):
            vast.call(method, path)
    stranger = Vast(vast.sandbox, "0" * 64)
    for path in ("/v0/instances/7/", "/v1/instances/", "/v0/users/current/", "/v0/charges/"):
        stranger.get(path)


def test_everything_that_is_served_is_as_described(
    recorded: tuple[Vast, Path], judge: VastJudge, record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    vast, traffic = recorded
    walk(vast)
    operations = set()
    for file in traffic.glob("*.jsonl"):
        judge.read(file)
        operations |= {json.loads(line)["operation"] for line in file.read_text(encoding="utf-8").splitlines()}
    assert not judge.findings, f"{len(judge.findings)} findings\n{report(judge.findings)}"
    assert set(NAMES) <= operations, f"not asked: {sorted(set(NAMES) - operations)}"
    described = [name for name in judge.answers if not name.startswith("vast.")]
    summary = f"{len(NAMES)} operations of Vast.ai's asked, {len(described)} of them held against its description"
    record_property("conformance", summary)
    with capsys.disabled():
        print(f"\nmeasured: {summary}")
    unused = [entry.reason for entry in judge.deviations.unused() if entry.side == "answer" and not entry.struck]
    assert not unused, f"deviations that explain nothing any more: {unused}"


@pytest.mark.skipif(not RECORDED, reason="no traffic was recorded; `make test` does that")
def test_all_that_was_said_to_vastai_in_this_test_run_is_as_described(judge: VastJudge) -> None:
    files = sorted(Path(str(RECORDED)).rglob("*.jsonl"))
    started = time.monotonic()
    for file in files:
        judge.read(file)
    print(f"{sum(judge.answers.values())} answers of Vast.ai's checked in {time.monotonic() - started:.1f} s")
    assert not judge.findings, f"{len(judge.findings)} findings\n{report(judge.findings)}"


def test_the_judge_finds_what_is_wrong(judge: VastJudge) -> None:
    entry: dict[str, Any] = {
        "path": "/api/v0/instances/7/", "method": "PUT", "operation": "vast.manageInstance", "agent": "podyard.gpu/1",
        "query": [["nothing", "1"]], "request": {"type": "application/json", "json": {"state": "gone", "labl": "x"}},
        "status": 418, "headers": {"content-type": "application/json; charset=utf-8"}, "answer": {"json": {}},
        "fault": None,
    }  # fmt: skip
    judge.check(entry, "here")
    found = {(each.side, each.rule) for each in judge.findings}
    assert found == {
        ("request", "unknown-parameter"), ("request", "unknown-field"), ("request", "enum"),
        ("answer", "content-type"), ("answer", "undocumented-status"),
    }  # fmt: skip
    judge.findings.clear()
    judge.check({**entry, "path": "/api/v1/instances/", "method": "GET", "query": [], "request": {}, "status": 200,
                 "headers": {"content-type": "application/json"},
                 "answer": {"json": {"success": "yes", "instances": {}}}}, "here")  # fmt: skip
    assert {each.where for each in judge.findings} == {"/success", "/instances"}
