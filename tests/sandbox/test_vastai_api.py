# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vast.ai's API at the wire, as it is without any fault."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import requests
from stand_in import PATIENCE, ServerThread, until
from vast_stand_in import IMAGE, KEY, OTHER_KEY, Vast, direct_port, says, states, wanted

from podyard_sandbox.vastai.access import Limits
from podyard_sandbox.vastai.market import Market
from podyard_sandbox.vastai.operations import OPERATIONS


@pytest.fixture
def vast(sandbox: ServerThread) -> Vast:
    return Vast(sandbox)


def refused(answer: requests.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("error")


# Transport and keys


def test_with_and_without_a_slash_and_a_content_type_without_charset(vast: Vast) -> None:
    for path in ("/v1/instances", "/v1/instances/", "/v0/users/current", "/v0/users/current/", "/v0/ssh", "/v0/ssh/"):
        answer = vast.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json"), path


def test_every_operation_is_there_with_and_without_a_slash(vast: Vast) -> None:
    for name, operation in OPERATIONS.items():
        path = operation.path.replace("{id}", "7").replace("{key}", "7")
        for slash in ("", "/"):
            answer = vast.call(operation.method, path + slash, {})
            assert answer.headers["Content-Type"] == "application/json", name
            assert answer.status_code < 500 and "does not serve" not in answer.text, (name, answer.text)


def test_keys_that_are_none(vast: Vast, sandbox: ServerThread) -> None:
    stranger, nobody = Vast(sandbox, "0" * 64), Vast(sandbox, "")
    assert stranger.get("/v1/instances/").json() == {"success": False, "error": "auth_error", "msg": "Invalid user key"}
    assert refused(stranger.get("/v1/instances/")) == (404, "auth_error")
    assert refused(stranger.get("/v0/instances/7/")) == (401, "auth_error")
    assert refused(stranger.search()) == (404, "auth_error")
    assert refused(nobody.get("/v0/users/current/")) == (403, "auth_error")
    assert nobody.search().status_code == 200, "a search needs no key, and so proves none"
    assert nobody.get(f"/v0/users/current/?api_key={vast.key}").status_code == 200


def test_a_restricted_key(vast: Vast, sandbox: ServerThread) -> None:
    asked = {"name": "reader", "permissions": {"api": {"misc": {}, "instance_read": {}}}}
    made = vast.post("/v0/auth/apikeys/", asked).json()
    reader = Vast(sandbox, made["key"])
    assert reader.get("/v1/instances/").status_code == 200
    assert refused(reader.get("/v0/users/current/")) == (403, "auth_error")
    assert refused(reader.create()) == (403, "auth_error")
    assert vast.get(f"/v0/auth/apikeys/{made['id']}").json()["permissions"] == asked["permissions"]
    assert vast.delete(f"/v0/auth/apikeys/{made['id']}/").status_code == 200
    assert refused(reader.get("/v1/instances/")) == (404, "auth_error")


def test_bodies_that_are_no_json(vast: Vast) -> None:
    answer = vast.session.post(f"{vast.sandbox.url}/api/v0/bundles/", data="{", timeout=PATIENCE)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request", "msg": "Invalid json body"})
    answer = vast.session.put(f"{vast.sandbox.url}/api/v0/instances/command/7/", data="{", timeout=PATIENCE)
    assert answer.status_code == 483


def test_odd_values_are_refused(vast: Vast) -> None:
    for method, path, body in (
        ("PUT", "/v0/launch_instance/", {**wanted(), "q": "x"}),
        ("POST", "/v0/asks/bulk/", {**wanted(), "ids": "x"}),
        ("PUT", "/v0/instances/", {"state": "stopped", "ids": ["x"]}),
        ("DELETE", "/v0/instances/", {"instance_ids": {"a": 1}}),
        ("PUT", "/v0/volumes/", {"id": []}),
        ("POST", "/v0/volumes/search/", {"limit": {"eq": 1}}),
        ("PUT", "/v0/commands/rsync/", {"src_id": {}}),
        ("PUT", "/v0/asks/x/", wanted()),
    ):
        assert refused(vast.call(method, path, body)) == (400, "invalid_args"), (method, path)
    large = vast.session.post(f"{vast.sandbox.url}/api/v0/bundles/", data=b" " * 2_000_000, timeout=PATIENCE)
    assert large.status_code == 413


def test_what_is_not_served(vast: Vast) -> None:
    assert refused(vast.get("/v0/endptjobs/")) == (404, "not_found")
    assert vast.call("PATCH", "/v0/ssh/").status_code == 405


# Market


def test_filters_and_operators(vast: Vast) -> None:
    found = vast.offers(gpu_name={"in": ["RTX_4090", "RTX 3090"]}, num_gpus={"eq": "2"}, inet_down={"gte": 100})
    assert found and {row["gpu_name"] for row in found} <= {"RTX 4090", "RTX 3090"}
    assert all(row["num_gpus"] == 2 and row["inet_down"] >= 100 for row in found)
    some = {row["geolocation"][-2:] for row in vast.offers(geolocation={"in": ["US", "CA"]}, limit=500)}
    assert some and some <= {"US", "CA"}
    assert not {row["geolocation"][-2:] for row in vast.offers(geolocation={"notin": ["US"]}, limit=500)} & {"US"}
    assert vast.offers(compute_cap={"gte": 800, "lt": 900}, gpu_ram={"gt": 80_000}, external={"eq": False})
    assert all(row["driver_vers"] >= 550_000_000 for row in vast.offers(driver_version={"gte": 550_000_000}))
    assert vast.offers(gpu_name={"eq": "GTX 480"}) == []


def test_defaults_of_a_search(vast: Vast) -> None:
    vast.made(vast.offer()["id"])
    assert all(
        row["verification"] == "verified" and row["rentable"] and not row["rented"] for row in vast.offers(limit=1000)
    )
    assert any(row["verification"] == "unverified" for row in vast.offers(verified={"eq": False}, limit=1000))
    taken = vast.offers(rentable={"eq": False}, rented={"eq": True})
    assert [row["num_gpus"] for row in taken] == [1]


def test_price_with_the_disk_and_of_a_bid(vast: Vast) -> None:
    number = vast.offer()["id"]
    small, large = (vast.offer(ask_contract_id={"eq": number}, allocated_storage=gb) for gb in (8, 80))
    assert large["dph_total"] == pytest.approx(large["dph_base"] + 80 * large["storage_cost"] / 720)
    assert small["dph_total"] < large["dph_total"] and small["dph_base"] == large["dph_base"]
    bid = vast.offer(ask_contract_id={"eq": number}, type="bid", allocated_storage=80)
    assert bid["is_bid"] and bid["dph_base"] == bid["min_bid"] < small["dph_base"]
    assert large["search"]["totalHour"] == large["dph_total"]
    assert vast.offers(id={"eq": number}) == [], "a filter on id finds nothing"


def test_order_and_limit(vast: Vast) -> None:
    prices = [row["dph_total"] for row in vast.offers(order=[["dph_total", "asc"]], limit=1000)]
    assert prices == sorted(prices) and len(prices) > 64
    assert [row["score"] for row in vast.offers()] == sorted((row["score"] for row in vast.offers()), reverse=True)
    assert len(vast.offers()) == 64 and len(vast.offers(limit=3)) == 3


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"gpu_name": "RTX 4090"}, "bad_request"),
        ({"gpu_name": {"like": "RTX"}}, "bad_request"),
        ({"gpu_name": {"in": "RTX"}}, "bad_request"),
        ({"gpu_nam": {"eq": "RTX"}}, "invalid_request"),
        ({"order": [["nothing", "asc"]]}, "invalid_request"),
        ({"limit": -1}, "invalid_request"),
        ({"type": "free"}, "invalid_request"),
    ],
)
def test_searches_that_cannot_be(vast: Vast, body: dict[str, Any], code: str) -> None:
    assert refused(vast.post("/v0/bundles/", body)) == (400, code)


def test_other_ways_to_search(vast: Vast) -> None:
    wanted_offers = {"gpu_name": {"eq": "H100 SXM"}}
    one = vast.offers(**wanted_offers)
    two = vast.put("/v0/search/asks/", {"select_cols": ["*"], "q": wanted_offers}).json()["offers"]
    three = vast.get("/v0/bundles/", params={"q": json.dumps(wanted_offers)}).json()["offers"]
    assert [row["id"] for row in three] == [row["id"] for row in two] == [row["id"] for row in one] != []
    assert "RTX 4090" in vast.get("/v0/gpu_names/unique/").json()["gpu_names"]


def test_a_market_that_moves_alike_under_one_seed() -> None:
    def story(seed: int) -> list[Any]:
        market = Market(seed)
        seen = []
        for _move in range(60):
            market.move()
            seen.append([(offer.id, offer.rentable, offer.price, offer.min_bid) for offer in market])
        return seen

    one = story(1)
    assert one == story(1) != story(2)
    assert {offer[1] for offer in one[-1]} == {True, False}, "some were rented"
    assert any(a[2] != b[2] for a, b in zip(one[0], one[-1], strict=True)), "prices changed"
    free = [{offer[0] for offer in moment if offer[1]} for moment in one]
    assert any(later - earlier for earlier, later in pairwise(free)), "others appeared"


def test_the_market_moves_while_the_sandbox_is_up(tmp_path: Any) -> None:
    thread = ServerThread(tmp_path / "home", pace=None)
    try:
        thread.server.vast.limits = 0.0
        thread.server.vast.pace = replace(thread.server.vast.pace, market=0.2)
        vast = Vast(thread)

        def market() -> Any:
            return [(row["id"], row["dph_total"]) for row in vast.offers(limit=4000)]

        before = market()
        until(market, lambda now: now != before)
    finally:
        thread.close()


# Create


def test_a_create_and_its_way_to_running(vast: Vast) -> None:
    answer = vast.create(vast.offer()["id"], label="way")
    body = answer.json()
    assert body["success"] is True and len(body["instance_api_key"]) == 64
    number, seen = body["new_contract"], []

    def look() -> dict[str, Any]:
        row = vast.show(number)
        assert row is not None
        if not seen or seen[-1] != row["actual_status"]:
            seen.append(row["actual_status"])
        return row

    row = until(look, lambda row: row["actual_status"] == "running")
    order = [None, "loading", "created", "running"]
    assert seen[-1] == "running" and [each for each in order if each in seen] == seen and len(seen) >= 3
    assert states(row) == ("running", "running", "running", "running")
    assert row["status_msg"] == f"success, running {IMAGE.replace(':', '_')}/ssh"
    assert row["image_runtype"] == "ssh_direc ssh_proxy" and row["extra_env"] == [["RUN_ID", "7f3a"]]
    assert isinstance(row["ports"]["22/tcp"][0]["HostPort"], str)
    assert isinstance(row["start_date"], float) and row["label"] == "way" and row["is_bid"] is False
    until(lambda: says("127.0.0.1", direct_port(row)), lambda said: said is not None)
    assert says(row["ssh_host"], row["ssh_port"]) == says("127.0.0.1", direct_port(row))
    assert row["ssh_host"] != row["public_ipaddr"]
    assert says(row["ssh_host"], direct_port(row)) is None, "the two addresses do not mix"


def test_proxy_only_and_jupyter(vast: Vast) -> None:
    row = vast.running(runtype="ssh_proxy")
    assert row["ports"] == {}
    until(lambda: says(row["ssh_host"], row["ssh_port"]), lambda said: said is not None)
    row = vast.running(vast.offer()["id"], runtype="jupyter_proxy ssh_proxy")
    until(lambda: says(row["ssh_host"], row["ssh_port"] + 1), lambda said: said is not None)
    assert says(row["ssh_host"], row["ssh_port"]) is None


def test_mapped_ports(vast: Vast) -> None:
    row = vast.running(env={"-p 8080:8080": "1", "-p 8082:8082/udp": "1", "X": "1"})
    assert sorted(row["ports"]) == ["22/tcp", "8080/tcp", "8082/udp"]
    spec = vast.sandbox.pods.specs[-1]
    assert spec.env["X"] == "1" and spec.env["VAST_UDP_PORT_8082"] == "8082" and "-p 8080:8080" not in spec.env


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"image": None}, (400, "invalid_args")),
        ({"label": "x" * 257}, (400, "invalid_args")),
        ({"runtype": "telnet"}, (400, "invalid_args")),
        ({"disk": "much"}, (400, "invalid_args")),
        ({"disk": 1_000_000}, (400, "invalid_args")),
        ({"env": ["A=b"]}, (400, "invalid_args")),
        ({"price": 500}, (400, "invalid_price")),
        ({"price": 0.001}, (400, "invalid_price")),
        ({"vm": True}, (400, "no_ssh_key_for_vm")),
        ({"template_hash_id": "none"}, (400, "invalid_args")),
    ],
)
def test_creates_that_cannot_be(vast: Vast, changes: dict[str, Any], refusal: tuple[int, str]) -> None:
    answer = vast.create(**changes)
    assert refused(answer) == refusal
    assert vast.list() == [] and "new_contract" not in answer.json()


def test_env_as_text_is_not_applied(vast: Vast) -> None:
    assert vast.running(env="-e A=b")["extra_env"] == []


def test_offers_that_are_gone(vast: Vast) -> None:
    answer = vast.create(1)
    assert refused(answer) == (404, "invalid_args") and answer.json()["ask_id"] == 1
    assert "error 404/3603: no_such_ask" in answer.json()["msg"]
    number = vast.offer()["id"]
    vast.made(number)
    answer = vast.create(number)
    assert refused(answer) == (410, "no_such_ask") and "410/3907" in answer.json()["msg"]
    left = vast.made(number, cancel_unavail=False)
    row = vast.show(left)
    assert row is not None and states(row)[1:] == ("stopped", "stopped", "stopped")
    assert len(vast.list()) == 2


def test_a_bid_that_is_too_low_leaves_a_contract(vast: Vast) -> None:
    answer = vast.create(price=0.01, cancel_unavail=None)
    assert refused(answer) == (400, "invalid_price")
    row = vast.show(answer.json()["new_contract"])
    assert row is not None and row["intended_status"] == "stopped"


def test_the_ledger_has_creates_and_no_searches(vast: Vast) -> None:
    number = vast.made(label="booked")
    (request,) = vast.requests()
    assert (request["operation"], request["pod_id"], request["name"]) == ("vast.createInstance", str(number), "booked")
    (pod,) = vast.pods()
    assert (pod["provider"], pod["id"], pod["name"], pod["gpu"]) == ("vastai", str(number), "booked", "RTX 4090")


def test_bulk_and_launch(vast: Vast) -> None:
    numbers = [row["id"] for row in vast.offers(gpu_name={"eq": "RTX 4090"}, num_gpus={"eq": 1})[:2]]
    made = vast.post("/v0/asks/bulk/", {**wanted(), "ids": numbers}).json()
    assert made["success"] and len(made["results"]) == 2
    one = vast.put("/v0/launch_instance/", {**wanted(), "q": {"gpu_name": {"eq": "L40S"}}}).json()
    row = vast.show(one["new_contract"])
    assert row is not None and row["gpu_name"] == "L40S"
    ids = [each["new_contract"] for each in made["results"]]
    assert vast.put("/v0/instances/", {"state": "stopped", "ids": ids}).json() == {"success": True}
    assert vast.delete("/v0/instances/", {"instance_ids": ids}).json() == {"success": True}
    assert [row["id"] for row in vast.list()] == [one["new_contract"]]


# Lists


def test_pages_of_25(vast: Vast) -> None:
    offers = vast.offers(num_gpus={"eq": 1}, limit=27)
    made = [vast.made(offer["id"], label=f"n{i % 2}", target_state="stopped") for i, offer in enumerate(offers)]
    first = vast.get("/v1/instances/").json()
    assert (first["instances_found"], first["total_instances"], len(first["instances"])) == (25, 27, 25)
    assert first["label_counts"] == {"n0": 14, "n1": 13}
    second = vast.get("/v1/instances/", params={"after_token": first["next_token"]}).json()
    assert second["next_token"] is None
    assert [row["id"] for row in first["instances"] + second["instances"]] == made
    assert len(vast.list(limit=0)) == 5 and len(vast.list(limit=100)) == 25 and len(vast.list(limit=2)) == 2
    order = json.dumps([{"col": "id", "dir": "desc"}])
    one = vast.get("/v1/instances/", params={"order_by": order}).json()
    two = vast.get("/v1/instances/", params={"order_by": order, "after_token": one["next_token"]}).json()
    assert [row["id"] for row in one["instances"] + two["instances"]] == made[::-1]
    assert refused(vast.get("/v1/instances/", params={"after_token": "x"})) == (400, "invalid_token")


def test_filters_and_columns_of_the_list(vast: Vast) -> None:
    number = vast.made(label="mine")
    vast.made(label="other")
    assert [row["id"] for row in vast.list(select_filters=json.dumps({"label": {"eq": "mine"}}))] == [number]
    rows = vast.list(select_cols=json.dumps(["id", "nothing"]), select_filters=json.dumps({"id": {"eq": number}}))
    assert rows == [{"id": number, "nothing": None}]
    answer = vast.get("/v1/instances/", params={"select_filters": json.dumps({"dph_total": {"lt": 1}})})
    assert refused(answer) == (400, "invalid_request") and "dph_total is not a valid search key" in answer.text


def test_the_old_list_is_gone_and_show_of_nothing_is_null(vast: Vast) -> None:
    assert refused(vast.get("/v0/instances/")) == (410, "deprecated_endpoint")
    assert vast.get("/v0/instances/99/").json() == {"instances": None}
    assert vast.get("/v0/instances/count/").json()["count"] == 0


# Life


def test_stop_and_start(vast: Vast) -> None:
    row = vast.running()
    number, port = row["id"], direct_port(row)
    assert vast.state(number, "stopped").json() == {"success": True}
    row = vast.show(number)
    assert states(row) == ("exited", "stopped", "stopped", "stopped") and row["ports"] is None
    assert row["dph_total"] > row["instance"]["totalHour"] == row["storage_total_cost"]
    assert vast.state(number, "running").json() == {"success": True}
    row = vast.until(number, lambda row: row["actual_status"] == "running")
    assert direct_port(row) != port
    assert vast.state(number, "running").json() == {"success": True}, "a no-op, as the questions and answers say"


def test_a_start_whose_gpu_is_rented_waits(vast: Vast) -> None:
    offer = vast.offer()["id"]
    first = vast.running(offer)["id"]
    vast.state(first, "stopped")
    second = vast.made(offer)
    answer = vast.state(first, "running")
    assert refused(answer) == (200, "resources_unavailable") and answer.json()["success"] is False
    assert vast.delete(f"/v0/instances/{second}/").json()["success"] is True
    vast.until(first, lambda row: row["actual_status"] == "running")


def test_reboot_recycle_label_and_freeze(vast: Vast) -> None:
    number = vast.running()["id"]
    for how in ("reboot", "recycle"):
        assert vast.put(f"/v0/instances/{how}/{number}/").json() == {"success": True}
        vast.until(number, lambda row: row["actual_status"] == "running")
    assert vast.put(f"/v0/instances/{number}/", {"label": "new"}).json() == {"success": True}
    assert vast.show(number)["label"] == "new"
    assert refused(vast.put(f"/v0/instances/{number}/", {"label": "x" * 1025})) == (400, "label_too_long")
    assert refused(vast.put(f"/v0/instances/{number}/", {})) == (400, "invalid_args")
    assert refused(vast.put("/v0/instances/99/", {"label": "x"})) == (404, "no_such_instance")
    assert refused(vast.put("/v0/instances/reboot/99/")) == (400, "invalid_args")
    assert refused(vast.put("/v0/instances/recycle/99/")) == (400, "invalid_id")
    assert vast.state(number, "frozen").json() == {"success": True}
    assert vast.show(number)["actual_status"] == "frozen"


def test_a_bid_that_loses_and_wins_again(vast: Vast) -> None:
    offer = vast.offer(type="bid")
    number = vast.made(offer["id"], price=offer["min_bid"] + 0.05, cancel_unavail=None)
    row = vast.until(number, lambda row: row["actual_status"] == "running")
    assert row["is_bid"] is True and row["dph_base"] == pytest.approx(offer["min_bid"] + 0.05)
    assert vast.put(f"/v0/instances/bid_price/{number}/", {"client_id": "me", "price": 0.01}).status_code == 200
    row = vast.until(number, lambda row: row["cur_state"] == "stopped")
    assert states(row) == ("exited", "stopped", "stopped", "stopped")
    vast.put(f"/v0/instances/bid_price/{number}/", {"client_id": "me", "price": offer["min_bid"] + 0.1})
    vast.until(number, lambda row: row["actual_status"] == "running")
    for price in (0, 33, "much"):
        assert refused(vast.put(f"/v0/instances/bid_price/{number}/", {"price": price})) == (400, "invalid_args")


def test_billing_by_phase(vast: Vast) -> None:
    server = vast.sandbox.server
    number = vast.made()
    instance = server.vast.find(number)
    assert instance.rate() == (instance.disk_usd, False), "loading costs the disk"
    vast.until(number, lambda row: row["actual_status"] == "running")
    assert instance.rate() == (instance.total_usd, True) and instance.meter.rate() == instance.total_usd
    vast.state(number, "frozen")
    assert instance.meter.rate() == instance.total_usd, "frozen bills the GPU"
    vast.state(number, "stopped")
    assert instance.meter.rate() == instance.disk_usd, "stopped bills the disk"
    vast.delete(f"/v0/instances/{number}/")
    assert instance.meter.rate() == 0.0


def test_destroy(vast: Vast) -> None:
    row = vast.running()
    number = row["id"]
    assert vast.delete(f"/v0/instances/{number}/", {}).json()["success"] is True
    assert vast.show(number) is None and vast.list() == []
    assert refused(vast.delete(f"/v0/instances/{number}/")) == (404, "not_found")
    until(lambda: says(row["ssh_host"], row["ssh_port"]), lambda said: said is None)
    (pod,) = vast.pods()
    assert pod["state"] == "destroyed" and pod["gone_at"] is not None
    assert vast.offer()["id"], "and its GPU is free again"


def test_an_instance_s_own_key(vast: Vast, sandbox: ServerThread) -> None:
    body = vast.create().json()
    other = vast.made(vast.offer()["id"])
    own = Vast(sandbox, body["instance_api_key"])
    number = body["new_contract"]
    assert own.show(number)["id"] == number
    assert own.state(number, "running").json() == {"success": True}
    assert refused(own.put(f"/v0/instances/{number}/", {"label": "x"})) == (401, "auth_error")
    for answer in (
        own.get("/v1/instances/"),
        own.get(f"/v0/instances/{other}/"),
        own.create(),
        own.delete(f"/v0/instances/{other}/"),
        own.get("/v0/users/current/"),
    ):
        assert refused(answer) == (401, "auth_error")
    assert own.state(number, "stopped").json() == {"success": True}
    until(lambda: own.show(number), lambda row: row["cur_state"] == "stopped")
    assert own.delete(f"/v0/instances/{number}/").json()["success"] is True
    assert vast.show(number) is None
    assert own.delete(f"/v0/instances/{number}/").status_code in (401, 404)


# Keys


def test_keys_of_the_account(vast: Vast) -> None:
    assert vast.get("/v0/ssh/").json() == []
    made = vast.post("/v0/ssh/", {"ssh_key": KEY + "\n"}).json()["key"]
    assert made["public_key"] == KEY
    (shown,) = vast.get("/v0/ssh/").json()
    assert (shown["id"], shown["public_key"], shown["deleted_at"]) == (made["id"], KEY, None)
    answer = vast.post("/v0/ssh/", {"ssh_key": KEY.replace("one", "again")})
    assert answer.status_code == 400 and "already exists" in answer.json()["msg"]
    assert vast.post("/v0/ssh/", {"ssh_key": "/root/.ssh/id_ed25519.pub"}).status_code == 200, "nothing is looked at"
    assert vast.put(f"/v0/ssh/{made['id']}/", {"id": made["id"], "ssh_key": OTHER_KEY}).json()["success"] is True
    assert vast.delete(f"/v0/ssh/{made['id']}/").json() == {"success": True}
    assert refused(vast.delete(f"/v0/ssh/{made['id']}/")) == (400, "no_ssh_key")
    assert refused(vast.post("/v0/ssh/", {})) == (400, "no_ssh_key")


def test_keys_of_an_instance(vast: Vast) -> None:
    vast.post("/v0/ssh/", {"ssh_key": KEY})
    number = vast.running()["id"]
    assert vast.sandbox.pods.specs[-1].launch.keys == (KEY,)
    later = vast.post("/v0/ssh/", {"ssh_key": OTHER_KEY}).json()["key"]["id"]
    path = f"/v0/instances/{number}/ssh/"
    assert [row["public_key"] for row in json.loads(vast.get(path).json()["ssh_keys"])] == [KEY], "new ones alone"
    answer = vast.post(path, {"ssh_key": KEY + "\n"})
    assert (answer.status_code, answer.json()) == (
        200, {"success": False, "msg": "SSH key already associated with instance."}
    )  # fmt: skip
    assert vast.post(path, {"ssh_key": OTHER_KEY}).json()["success"] is True
    assert vast.sandbox.pods.keys[str(number)] == ((KEY, OTHER_KEY), False)
    assert vast.delete(f"{path}{later}/").json()["success"] is True
    assert vast.sandbox.pods.keys[str(number)] == ((KEY,), False)
    assert refused(vast.delete(f"{path}{later}/")) == (404, "no_such_ssh_key")
    assert refused(vast.delete(f"/v0/instances/99/ssh/{later}/")) == (404, "no_such_instance")


# The rest


def test_logs_are_fetched_without_the_key(vast: Vast) -> None:
    number = vast.made()
    path = f"/v0/instances/request_logs/{number}/"
    early = vast.put(path, {"tail": "10"}).json()
    assert "No such container" in requests.get(early["result_url"], timeout=PATIENCE).text
    vast.until(number, lambda row: row["actual_status"] == "running")
    url = vast.put(path, {"tail": "10"}).json()["result_url"]
    assert "Pod Started" in requests.get(url, timeout=PATIENCE).text
    assert vast.session.get(url, timeout=PATIENCE).status_code == 400, "the store wants no key"
    url = vast.put(path, {"daemon_logs": "true", "filter": "pulling"}).json()["result_url"]
    assert requests.get(url, timeout=PATIENCE).text == f"pulling image {IMAGE}\n"
    assert refused(vast.put("/v0/instances/request_logs/99/", {})) == (404, "invalid_id")


def test_commands_on_stopped_instances_alone(vast: Vast) -> None:
    number = vast.running()["id"]
    path = f"/v0/instances/command/{number}/"
    assert refused(vast.put(path, {"command": "ls /"})) == (400, "invalid_container")
    vast.state(number, "stopped")
    assert refused(vast.put(path, {"command": "python x"})) == (400, "invalid_args")
    assert vast.put(path, {"command": "ls -l /workspace"}).json()["success"] is True


def test_the_user(vast: Vast) -> None:
    user = vast.get("/v0/users/current").json()
    assert user["credit"] == 100.0 and user["balance"] == 0.0 and {"id", "email", "ssh_key", "sid"} <= set(user)
    assert vast.get("/v0/users/current/?owner=me").json()["msg"] == "owner: Extra inputs are not permitted"


def test_variables_of_the_account(vast: Vast) -> None:
    assert vast.post("/v0/secrets/", {"key": "hf_token", "value": "abc"}).json()["success"] is True
    assert vast.get("/v0/secrets/").json()["secrets"] == {"HF_TOKEN": "*****"}
    assert refused(vast.post("/v0/secrets/", {"key": "HF_TOKEN", "value": "x"})) == (400, "existing_key")
    assert vast.put("/v0/secrets/", {"key": "HF_TOKEN", "value": "def"}).json()["success"] is True
    vast.running()
    assert vast.sandbox.pods.specs[-1].env["HF_TOKEN"] == "def"
    assert vast.delete("/v0/secrets/", {"key": "HF_TOKEN"}).json()["success"] is True
    for method, body, code in (
        ("PUT", {"key": "NO", "value": "x"}, "nonexistent_key"), ("DELETE", {"key": "NO"}, "nonexistent_key"),
        ("POST", {"key": "A"}, "missing_input"), ("POST", {"key": "A B", "value": "x"}, "missing_input"),
        ("PUT", {"key": "A B", "value": "x"}, "invalid_characters"),
    ):  # fmt: skip
        assert refused(vast.call(method, "/v0/secrets/", body)) == (400, code)


def test_charges(vast: Vast) -> None:
    number = vast.running(label="billed")["id"]
    day = json.dumps({"day": {"gte": 0, "lte": 4_000_000_000}})
    (row,) = vast.get("/v0/charges/", params={"select_filters": day}).json()["results"]
    assert row["source"] == f"instance-{number}" and row["metadata"] == {"label": "billed"}
    assert [item["type"] for item in row["items"]] == ["gpu", "disk"]
    assert vast.get("/v0/charges/").status_code == 400
    assert vast.get("/v1/invoices/").json()["success"] is False
    when = json.dumps({"when": {"gte": 0, "lte": 4_000_000_000}})
    assert vast.get("/v1/invoices/", params={"select_filters": when}).json()["results"] == []
    assert vast.put(f"/v0/instances/prepay/{number}/", {"amount": 5}).json()["success"] is True
    assert vast.get(f"/v0/instances/balance/{number}/").json()["refundable_deposit"] == 5
    assert vast.put(f"/v0/instances/prepay/{number}/", {"amount": 5000}).status_code == 411


def test_templates(vast: Vast) -> None:
    body = {
        "name": "t",
        "image": "vastai/pytorch",
        "tag": "2.4",
        "env": "-e A=1 -e B=2 -p 8000:8000",
        "runtype": "ssh",
        "ssh_direct": True,
        "onstart": "echo t",
        "recommended_disk_space": 33,
    }
    made = vast.post("/v0/template/", body).json()["template"]
    number = vast.made(
        template_hash_id=made["hash_id"], image=None, runtype=None, onstart=None, disk=None, env={"B": "3"}
    )
    row = vast.show(number)
    assert (row["image_uuid"], row["disk_space"], row["onstart"]) == ("vastai/pytorch:2.4", 33.0, "echo t")
    assert dict(row["extra_env"]) == {"A": "1", "B": "3", "-p 8000:8000": "1"}
    assert (row["image_runtype"], row["template_hash_id"]) == ("ssh_direc ssh_proxy", made["hash_id"])
    changed = vast.put("/v0/template/", {"hash_id": made["hash_id"], "desc": "new"}).json()["template"]
    assert changed["id"] == made["id"] and changed["hash_id"] != made["hash_id"]
    found = vast.get("/v0/template/", params={"select_filters": json.dumps({"name": {"eq": "t"}})}).json()
    assert (found["templates_found"], found["templates"][0]["desc"]) == (1, "new")
    assert refused(vast.post("/v0/template/", {"image": "x"})) == (400, "invalid_args")
    assert vast.delete("/v0/template/", {"template_id": made["id"]}).json() == {"success": True}
    assert vast.delete("/v0/template/", {"hash_id": changed["hash_id"]}).status_code == 404


def test_a_new_template_on_an_instance(vast: Vast) -> None:
    number = vast.running()["id"]
    answer = vast.put(f"/v0/instances/update_template/{number}/", {"id": number, "image": "other:1", "env": {"C": "1"}})
    assert answer.json()["updated_instance"]["image_uuid"] == "other:1"
    vast.until(number, lambda row: row["actual_status"] == "running" and row["extra_env"] == [["C", "1"]])


def test_volumes(vast: Vast) -> None:
    offer = vast.offer()
    disk = vast.post("/v0/volumes/search/", {"machine_id": {"eq": offer["machine_id"]}}).json()["offers"][0]
    name = vast.put("/v0/volumes/", {"id": disk["id"], "size": 15, "name": "data"}).json()["volume_name"]
    (volume,) = vast.get("/v0/volumes").json()["volumes"]
    assert name == f"V.{volume['id']}" and (volume["label"], volume["size"]) == ("data", 15.0)
    info = {"create_new": False, "volume_id": volume["id"], "mount_path": "/data"}
    elsewhere = next(row for row in vast.offers(num_gpus={"eq": 1}) if row["machine_id"] != offer["machine_id"])
    assert refused(vast.create(elsewhere["id"], volume_info=info)) == (400, "invalid_args")
    number = vast.running(offer["id"], volume_info=info)["id"]
    assert (vast.sandbox.pods.specs[-1].mount_path, vast.sandbox.pods.specs[-1].network_volume) == (
        "/data", f"vast-{volume['id']}"
    )  # fmt: skip
    assert refused(vast.delete(f"/v0/volumes/?id={volume['id']}")) == (400, "invalid_args")
    vast.delete(f"/v0/instances/{number}/")
    assert vast.delete("/v0/volumes/", {"id": volume["id"]}).json() == {"success": True}
    assert refused(vast.delete("/v0/volumes/", {"id": volume["id"]})) == (404, "no_such_volume")
    fresh = {"create_new": True, "size": 5, "mount_path": "/w", "name": "n"}
    assert vast.show(vast.made(offer["id"], volume_info=fresh))["volume_info"][0]["mount_path"] == "/w"
    assert refused(vast.create(elsewhere["id"], volume_info={**fresh, "volume_id": disk["id"]}))[1] == "invalid_args"


def test_volumes_are_searched_by_country(vast: Vast) -> None:
    def places(**filters: Any) -> set[str]:
        answer = vast.post("/v0/volumes/search/", {"limit": 200, **filters})
        return {row["geolocation"][-2:] for row in answer.json()["offers"]}

    assert places(geolocation={"in": ["US", "CA"]}) == {"US", "CA"}
    assert "US" not in places(geolocation={"notin": ["US"]})
    assert places(geolocation={"eq": "Texas, US"}) == set()
    assert places(verified={"eq": True}, external={"eq": True}) == set()


# Limits


def test_times_between_two_calls(vast: Vast, sandbox: ServerThread) -> None:
    sandbox.server.vast.limits = 1000.0
    number = 12
    assert vast.get(f"/v0/instances/{number}/").status_code == 200
    answer = vast.get(f"/v0/instances/{number}/")
    assert (answer.status_code, answer.json()) == (
        429, {"detail": "API requests too frequent endpoint threshold=2000.0"}
    )  # fmt: skip
    assert "Retry-After" not in answer.headers
    assert vast.get("/v1/instances/").status_code == 200, "each operation has its own"
    assert vast.delete(f"/v0/instances/{number}/").status_code == 404
    assert refused(vast.delete(f"/v0/instances/{number}/")) == (429, "rate_limit_exceeded")
    assert [vast.search().status_code for _call in range(11)] == [200] * 10 + [429]


def test_times_are_scaled(vast: Vast, sandbox: ServerThread) -> None:
    changed = vast.control.call("PATCH", "/_sandbox/settings", json={"vast_limits": 0.01})
    assert changed.status_code == 200
    assert vast.get("/v0/instances/1/").status_code == 200
    until(lambda: vast.get("/v0/instances/1/").status_code, lambda status: status == 200)


def test_what_a_refusal_names_is_what_is_kept(vast: Vast, sandbox: ServerThread) -> None:
    """Else a client that remembers it would wait for the service's own time."""
    sandbox.server.vast.limits = 100.0
    for path, threshold in (("/v0/instances/1/", 200.0), ("/v1/instances/", 100.0)):
        vast.get(path)
        assert vast.get(path).json() == {"detail": f"API requests too frequent endpoint threshold={threshold}"}
    refusal = next(answer for _call in range(12) if (answer := vast.search()).status_code == 429)
    assert refusal.json()["detail"].endswith("threshold=600.0"), "ten a minute, a hundred times as slow"
    assert vast.control.status()["vast_limits"] == 100.0


def test_a_create_too_early_waits_longer(vast: Vast, sandbox: ServerThread) -> None:
    limits = Limits()
    assert limits.passes("createInstance", "k", 0.001) and not limits.passes("createInstance", "k", 1000.0)
    assert not limits.passes("createInstance", "k", 0.001), "the penalty is longer than the interval"
    assert limits.passes("createInstance", "other", 1.0)
