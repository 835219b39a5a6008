# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every switch for what goes wrong with Vast.ai, at the wire."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from stand_in import PATIENCE, ServerThread, until
from vast_stand_in import KEY, OTHER_KEY, Vast, direct_port, says, states

from podyard_sandbox.faults import KINDS

STOPPED = ("exited", "stopped", "stopped", "stopped")


@pytest.fixture
def vast(sandbox: ServerThread) -> Vast:
    return Vast(sandbox)


def refused(answer: requests.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("error")


def test_every_switch_is_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    missing = [name for name in KINDS if name.startswith("vast-") and f'"{name}"' not in text]
    assert not missing


# Requests


@pytest.mark.parametrize(
    ("style", "status", "words"),
    [
        ("401", 401, "Invalid user key"),
        ("403", 403, "This action requires login."),
        ("404", 404, "Invalid user key"),
        ("tfa", 401, "Two Factor Authentication"),
        ("expired", 404, "Session expired. Please log in again."),
    ],
)
def test_auth_style(vast: Vast, sandbox: ServerThread, style: str, status: int, words: str) -> None:
    vast.fault("vast-auth-style", style=style)
    stranger = Vast(sandbox, "0" * 64)
    for path in ("/v1/instances/", "/v0/instances/7/", "/v0/users/current/"):
        answer = stranger.get(path)
        assert refused(answer) == (status, "auth_error") and words in answer.json()["msg"]
    assert vast.get("/v1/instances/").status_code == 200, "good keys are good"
    vast.fault("vast-auth-style", style=style, revoked=True, operation="vast.showUser")
    vast.control.delete("/_sandbox/faults/vast-auth-style")
    vast.fault("vast-auth-style", style=style, revoked=True, operation="vast.showUser")
    assert refused(vast.get("/v0/users/current/")) == (status, "auth_error")
    assert vast.get("/v1/instances/").status_code == 200


def test_v0_list(vast: Vast) -> None:
    number = vast.made()
    assert refused(vast.get("/v0/instances/")) == (410, "deprecated_endpoint")
    vast.fault("vast-v0-list")
    answer = vast.get("/v0/instances/").json()
    assert (answer["instances_found"], answer["instances"][0]["id"]) == (1, number)


@pytest.mark.parametrize(
    ("shape", "kind", "body"),
    [
        ("detail", "application/json", {"detail": "API requests too frequent endpoint threshold=1.0"}),
        (
            "json",
            "application/json",
            {
                "success": False,
                "error": "rate_limit_exceeded",
                "msg": "API requests too frequent endpoint threshold=1.0",
            },
        ),
        ("text", "text/plain", "API requests too frequent: endpoint threshold=1.0"),
        ("bare", "text/plain", "API requests too frequent"),
    ],
)
def test_throttle(vast: Vast, shape: str, kind: str, body: Any) -> None:
    vast.fault("vast-throttle", times=1, shape=shape, operation="vast.listInstances")
    answer = vast.get("/v1/instances/")
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (429, kind)
    assert (answer.json() if kind == "application/json" else answer.text) == body
    assert "Retry-After" not in answer.headers
    assert vast.get("/v1/instances/").status_code == 200
    vast.fault("vast-throttle", times=1, retry_after=3)
    assert vast.get("/v1/instances/").headers["Retry-After"] == "3"


def test_quota(vast: Vast) -> None:
    vast.fault("vast-quota")
    assert refused(vast.search()) == (429, "search_quota_exceeded")
    assert vast.get("/v1/instances/").status_code == 200


def test_instance_key_without_rights(vast: Vast, sandbox: ServerThread) -> None:
    body = vast.create().json()
    own = Vast(sandbox, body["instance_api_key"])
    vast.fault("vast-instance-key-no-rights")
    assert refused(own.delete(f"/v0/instances/{body['new_contract']}/")) == (401, "auth_error")
    assert vast.show(body["new_contract"]) is not None


def test_paging(vast: Vast) -> None:
    numbers = [vast.made() for _count in range(3)]
    vast.fault("vast-paging", size=2)
    first = vast.get("/v1/instances/").json()
    second = vast.get("/v1/instances/", params={"after_token": first["next_token"]}).json()
    assert [row["id"] for row in first["instances"] + second["instances"]] == numbers
    assert len(first["instances"]) == 2 and second["next_token"] is None


def test_shared_faults_by_operation(vast: Vast) -> None:
    vast.fault("server-error", times=1, operation="vast.showInstance", status=502, body="html")
    answer = vast.get("/v0/instances/7/")
    assert answer.status_code == 502 and answer.text.startswith("<html>")
    vast.fault("drops-line", times=1, operation="vast.destroyInstance")
    number = vast.made()
    with pytest.raises(requests.ConnectionError):
        vast.delete(f"/v0/instances/{number}/")
    assert vast.show(number) is not None
    vast.fault("latency", times=1, operation="vast.showUser", seconds=0.3)
    began = time.monotonic()
    vast.get("/v0/users/current/")
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("body", ["html", "empty"])
def test_an_odd_body_in_the_place_of_an_answer(vast: Vast, body: str) -> None:
    """What was asked is done all the same."""
    vast.fault("odd-body", times=1, operation="vast.createInstance", body=body)
    answer = vast.create()
    assert answer.status_code == 200 and answer.text[:6] == ("<html>" if body == "html" else "")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert len(vast.list()) == 1
    assert [each["fault"] for each in vast.requests() if each["operation"] == "vast.createInstance"] == ["odd-body"]


# Searches


def test_search_cap(vast: Vast) -> None:
    vast.fault("vast-search-cap", size=5)
    assert len(vast.offers(limit=1000)) == 5


def test_cuda_filter_drops(vast: Vast) -> None:
    wanted = {"gpu_name": {"in": ["H100 SXM", "RTX 4090"]}, "cuda_max_good": {"gte": 12.0}, "limit": 500}
    both = {row["gpu_name"] for row in vast.offers(**wanted)}
    vast.fault("vast-cuda-filter-drops")
    assert both == {"H100 SXM", "RTX 4090"}
    assert {row["gpu_name"] for row in vast.offers(**wanted)} == {"RTX 4090"}
    assert {row["gpu_name"] for row in vast.offers(**wanted, compute_cap={"gte": 600})} == both


# Creates


@pytest.mark.parametrize(("status", "code"), [(400, "no_such_ask"), (404, "invalid_args"), (410, "no_such_ask")])
def test_ask_gone(vast: Vast, status: int, code: str) -> None:
    vast.fault("vast-ask-gone", times=1, status=status)
    answer = vast.create()
    assert refused(answer) == (status, code) and "no_such_ask" in answer.json()["msg"]
    assert vast.list() == [] and vast.create().status_code == 200
    offer = vast.offer()["id"]
    vast.fault("vast-ask-gone", offer=offer)
    assert vast.create(offer).status_code == 410
    assert vast.create(vast.offer(gpu_name={"eq": "L40S"})["id"]).status_code == 200


def test_create_error_with_contract(vast: Vast) -> None:
    vast.fault("vast-create-error-with-contract", times=1)
    answer = vast.create()
    assert refused(answer) == (400, "invalid_price")
    row = vast.show(answer.json()["new_contract"])
    assert row is not None and states(row)[1:] == ("stopped", "stopped", "stopped")
    (pod,) = vast.pods()
    assert pod["gone_at"] is None, "and its disk bills"
    assert vast.requests()[-1]["pod_id"] == pod["id"]


@pytest.mark.parametrize(
    ("name", "made"), [("vast-create-timeout-but-created", True), ("vast-create-timeout-unmade", False)]
)
def test_create_without_an_answer(vast: Vast, name: str, made: bool) -> None:
    vast.fault(name, times=1)
    with pytest.raises(requests.ConnectionError):
        vast.create(label="ghost")
    assert [row["label"] for row in vast.list()] == (["ghost"] if made else [])
    request = vast.requests()[-1]
    assert (request["status"], request["fault"], request["pod_id"] is not None) == (None, name, made)


@pytest.mark.parametrize(("text", "words"), [("port", "port is already allocated"), ("oci", "OCI runtime create")])
def test_double_accept(vast: Vast, text: str, words: str) -> None:
    offer = vast.offer()["id"]
    first = vast.running(offer)["id"]
    vast.fault("vast-double-accept", text=text)
    second = vast.made(offer)
    row = vast.until(second, lambda row: row["actual_status"] == "created" and words in (row["status_msg"] or ""))
    assert row["intended_status"] == "running"
    assert vast.show(first)["actual_status"] == "running"


def test_success_but_stopped(vast: Vast) -> None:
    vast.fault("vast-success-but-stopped", times=1)
    number = vast.made()
    assert states(vast.show(number)) == ("loading", "stopped", "stopped", "stopped")
    assert vast.state(number, "running").json() == {"success": True}
    vast.until(number, lambda row: row["actual_status"] == "running")


@pytest.mark.parametrize(("reading", "shown", "listed"), [("show", 0, 1), ("list", 1, 0), ("both", 0, 0)])
def test_null_after_create(vast: Vast, reading: str, shown: int, listed: int) -> None:
    vast.fault("vast-null-after-create", times=1, seconds=0.5, reading=reading)
    number = vast.made()
    assert (int(vast.show(number) is not None), len(vast.list())) == (shown, listed)
    until(lambda: (vast.show(number) is not None, len(vast.list())), lambda seen: seen == (True, 1))


def test_price_above_and_bid_ignored(vast: Vast) -> None:
    offer = vast.offer()
    vast.fault("vast-price-above", times=1, factor=3)
    row = vast.show(vast.made(offer["id"]))
    assert row["dph_base"] == pytest.approx(3 * offer["dph_base"])
    bid = vast.offer(type="bid")
    vast.fault("vast-bid-ignored", times=1)
    row = vast.show(vast.made(bid["id"], price=bid["min_bid"] + 0.01))
    assert row["is_bid"] is False and row["dph_base"] > bid["min_bid"] + 0.01


def test_spend_limit(vast: Vast) -> None:
    vast.fault("vast-spend-limit", times=1)
    assert refused(vast.create()) == (400, "spend_rate_limit")


# On the way to running


def test_slow_pull(vast: Vast) -> None:
    vast.fault("vast-slow-pull", seconds=60)
    number = vast.made()
    row = vast.until(number, lambda row: row["actual_status"] == "loading")
    assert row["status_msg"].startswith("Pulling") and row["ports"] is None
    vast.control.delete("/_sandbox/faults")
    vast.running(vast.offer()["id"])
    assert vast.show(number)["actual_status"] == "loading"


@pytest.mark.parametrize(("text", "words"), [("manifest", "manifest"), ("denied", "pull access denied")])
def test_bad_image(vast: Vast, text: str, words: str) -> None:
    vast.fault("vast-bad-image", text=text, seconds=0.3, image="nobody/*")
    number = vast.made(image="nobody/nothing:1")
    row = vast.until(number, lambda row: words in (row["status_msg"] or ""))
    assert states(row)[:2] == ("loading", "running")
    row = vast.until(number, lambda row: row["intended_status"] == "stopped")
    assert row["actual_status"] == "loading"
    vast.running(vast.offer()["id"])


def test_oci_fail(vast: Vast) -> None:
    vast.fault("vast-oci-fail", times=1)
    number = vast.made()
    row = vast.until(number, lambda row: ": OCI runtime create failed:" in (row["status_msg"] or ""))
    assert row["actual_status"] == "created"


@pytest.mark.parametrize("reading", ["queued", "stopped"])
def test_start_unavailable(vast: Vast, reading: str) -> None:
    number = vast.running()["id"]
    vast.state(number, "stopped")
    vast.fault("vast-start-unavailable", reading=reading)
    answer = vast.state(number, "running")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "success": False,
            "error": "resources_unavailable",
            "msg": "Required resources are currently unavailable, state change queued.",
        },
    )
    assert vast.show(number)["intended_status"] == ("running" if reading == "queued" else "stopped")
    vast.control.delete("/_sandbox/faults")
    if reading == "queued":
        vast.until(number, lambda row: row["actual_status"] == "running")
    else:
        assert vast.state(number, "running").json() == {"success": True}


# While it runs


def test_outbid(vast: Vast) -> None:
    one, two = vast.running(label="one")["id"], vast.running(vast.offer()["id"], label="two")["id"]
    vast.fault("vast-outbid", pod="one", seconds=0.4, times=1)
    assert states(vast.until(one, lambda row: row["cur_state"] == "stopped")) == STOPPED
    assert vast.show(two)["actual_status"] == "running"
    vast.until(one, lambda row: row["actual_status"] == "running")


def test_outbid_of_the_next_to_run(vast: Vast) -> None:
    vast.fault("vast-outbid", times=1, after=0.1)
    number = vast.made()
    assert states(vast.until(number, lambda row: row["cur_state"] == "stopped")) == STOPPED


def test_credit_zero(vast: Vast) -> None:
    number = vast.running()["id"]
    vast.fault("vast-credit-zero")
    assert vast.get("/v0/users/current/").json()["credit"] == 0
    assert states(vast.until(number, lambda row: row["cur_state"] == "stopped")) == STOPPED
    assert refused(vast.create()) == (400, "insufficient_credit")
    assert refused(vast.state(number, "running")) == (400, "missing_billing")


def test_credit_that_is_spent(vast: Vast) -> None:
    number = vast.running()["id"]
    vast.control.call("PATCH", "/_sandbox/settings", json={"balance": 0})
    assert states(vast.until(number, lambda row: row["cur_state"] == "stopped")) == STOPPED


def test_expired(vast: Vast) -> None:
    number = vast.running()["id"]
    vast.fault("vast-expired", pod=number)
    row = vast.until(number, lambda row: row["cur_state"] == "stopped")
    assert states(row) == STOPPED and row["duration"] == 0.0
    assert refused(vast.state(number, "running")) == (400, "invalid_args")


@pytest.mark.parametrize("status", ["offline", "unknown"])
def test_offline(vast: Vast, status: str) -> None:
    row = vast.running()
    number = row["id"]
    until(lambda: says(row["ssh_host"], row["ssh_port"]), lambda said: said is not None)
    vast.fault("vast-offline", pod=number, status=status, seconds=0.6)
    seen = vast.until(number, lambda row: row["actual_status"] == status)
    assert seen["intended_status"] == "running"
    assert says(row["ssh_host"], row["ssh_port"]) is None
    assert vast.sandbox.server.vast.find(number).meter.rate() == 0.0
    vast.until(number, lambda row: row["actual_status"] == "running")
    until(lambda: says(row["ssh_host"], row["ssh_port"]), lambda said: said is not None)


def test_offline_for_ever(vast: Vast) -> None:
    row = vast.running()
    vast.fault("vast-offline", pod=row["id"], dead=True)
    vast.until(row["id"], lambda row: row["actual_status"] == "offline")
    until(lambda: says("127.0.0.1", direct_port(row)), lambda said: said is None)
    assert vast.delete(f"/v0/instances/{row['id']}/").status_code == 200


# Ends


@pytest.mark.parametrize(("reading", "answered"), [("429", 429), ("500", 500), ("ignored", 200)])
def test_destroy_that_does_nothing(vast: Vast, reading: str, answered: int) -> None:
    number = vast.running()["id"]
    vast.fault("vast-destroy-flaky", times=1, reading=reading)
    assert vast.delete(f"/v0/instances/{number}/").status_code == answered
    assert vast.show(number)["actual_status"] == "running" and len(vast.list()) == 1
    assert vast.delete(f"/v0/instances/{number}/").status_code == 200 and vast.show(number) is None


def test_destroy_that_takes_a_while(vast: Vast) -> None:
    number = vast.running()["id"]
    vast.fault("vast-destroy-flaky", times=1, reading="alive", seconds=0.5)
    assert vast.delete(f"/v0/instances/{number}/").json()["success"] is True
    assert vast.show(number) is not None and len(vast.list()) == 1
    until(lambda: (vast.show(number), vast.list()), lambda seen: seen == (None, []))


def test_destroyed_and_back(vast: Vast) -> None:
    number = vast.running()["id"]
    vast.fault("vast-destroy-flaky", times=1, reading="back", seconds=0.5)
    assert vast.delete(f"/v0/instances/{number}/").json()["success"] is True
    assert vast.show(number) is None and vast.list() == []
    vast.until(number, lambda row: row is not None and row["actual_status"] == "running")
    assert vast.pods()[0]["gone_at"] is None


@pytest.mark.parametrize(("reading", "status"), [("200", 200), ("no_such_instance", 404)])
def test_destroy_again(vast: Vast, reading: str, status: int) -> None:
    number = vast.made()
    vast.delete(f"/v0/instances/{number}/")
    vast.fault("vast-destroy-again", reading=reading)
    answer = vast.delete(f"/v0/instances/{number}/")
    assert answer.status_code == status and (status == 200 or answer.json()["error"] == reading)


# SSH


@pytest.mark.parametrize(("name", "ports"), [("vast-ports-null", None), ("vast-proxy-only", {})])
def test_no_direct_address(vast: Vast, name: str, ports: Any) -> None:
    vast.fault(name, times=1)
    row = vast.running()
    assert row["ports"] == ports and row["image_runtype"] == "ssh_direc ssh_proxy"
    until(lambda: says(row["ssh_host"], row["ssh_port"]), lambda said: said is not None)


@pytest.mark.parametrize(
    ("reading", "runtype", "shift"),
    [("nowhere", "jupyter_proxy ssh_proxy", 0), ("everywhere", "ssh_proxy", 1)],
)
def test_jupyter_plus_one(vast: Vast, reading: str, runtype: str, shift: int) -> None:
    vast.fault("vast-jupyter-plus-one", reading=reading)
    row = vast.running(runtype=runtype)
    until(lambda: says(row["ssh_host"], row["ssh_port"] + shift), lambda said: said is not None)
    assert says(row["ssh_host"], row["ssh_port"] + 1 - shift) is None


def test_ip_with_newline(vast: Vast) -> None:
    vast.fault("vast-ip-with-newline", times=1)
    assert vast.running()["public_ipaddr"] == "127.0.0.1\n"


def test_key_late_and_never(vast: Vast) -> None:
    vast.post("/v0/ssh/", {"ssh_key": KEY})
    pods = vast.sandbox.pods
    vast.fault("vast-key-late", times=1, seconds=0.2)
    number = vast.running()["id"]
    assert pods.specs[-1].launch.keys == ()
    until(lambda: pods.keys.get(str(number)), lambda seen: seen == ((KEY,), False))
    vast.fault("vast-key-never", times=1)
    other = vast.running(vast.offer()["id"])["id"]
    assert pods.specs[-1].launch.keys == ()
    assert vast.post(f"/v0/instances/{other}/ssh/", {"ssh_key": OTHER_KEY}).json()["success"] is True
    assert pods.keys[str(other)] == ((OTHER_KEY,), False), "an attached key is the way out"
    vast.fault("vast-key-never", times=1, reading="mode")
    vast.running(vast.offer()["id"])
    assert pods.specs[-1].launch.spoiled is True and pods.specs[-1].launch.keys == (KEY,)


def test_key_vanishes(vast: Vast) -> None:
    vast.post("/v0/ssh/", {"ssh_key": KEY})
    vast.fault("vast-key-vanishes", times=1, after=0.1)
    number = vast.running()["id"]
    until(lambda: vast.sandbox.pods.keys.get(str(number)), lambda seen: seen == ((KEY,), True))


@pytest.mark.parametrize("name", ["vast-direct-refused", "vast-proxy-refused"])
def test_an_address_that_refuses(vast: Vast, name: str) -> None:
    vast.fault(name, times=1)
    row = vast.running()
    addresses = {
        "vast-direct-refused": ("127.0.0.1", direct_port(row)),
        "vast-proxy-refused": (row["ssh_host"], row["ssh_port"]),
    }
    refuses = addresses.pop(name)
    answers = next(iter(addresses.values()))
    until(lambda: says(*answers), lambda said: said is not None)
    assert says(*refuses) is None


def test_key_exists(vast: Vast) -> None:
    number = vast.made()
    vast.fault("vast-key-exists")
    answer = vast.post("/v0/ssh/", {"ssh_key": KEY})
    assert answer.status_code == 400 and answer.json()["msg"] == "The SSH key already exists on this account"
    answer = vast.post(f"/v0/instances/{number}/ssh/", {"ssh_key": KEY})
    assert (answer.status_code, answer.json()["success"]) == (200, False)


def test_team_account(vast: Vast) -> None:
    vast.fault("vast-team-account")
    assert refused(vast.post("/v0/ssh/", {"ssh_key": KEY})) == (400, "team_ssh_keys_not_supported")
    number = vast.running()["id"]
    assert vast.post(f"/v0/instances/{number}/ssh/", {"ssh_key": KEY}).json()["success"] is True


def test_account_key_everywhere(vast: Vast) -> None:
    number = vast.running()["id"]
    vast.fault("vast-account-key-everywhere")
    vast.post("/v0/ssh/", {"ssh_key": KEY})
    assert vast.sandbox.pods.keys[str(number)] == ((KEY,), False)


# Shapes


def test_lists_of_keys(vast: Vast) -> None:
    vast.fault("vast-no-keys-404", times=1)
    assert refused(vast.get("/v0/ssh/")) == (404, "not_found")
    vast.post("/v0/ssh/", {"ssh_key": KEY})
    for name in ("key", "ssh_key", "public_key"):
        vast.fault("vast-key-field", times=1, field=name)
        assert vast.get("/v0/ssh/").json()[0][name] == KEY


def test_show_shape(vast: Vast) -> None:
    number = vast.made()
    vast.fault("vast-show-shape", times=1, shape="list")
    assert vast.get(f"/v0/instances/{number}/").json()["instances"][0]["id"] == number
    vast.fault("vast-show-shape", times=1, shape="bare")
    assert vast.get(f"/v0/instances/{number}/").json()["id"] == number


def test_odd_fields(vast: Vast) -> None:
    row = vast.running()
    number = row["id"]

    def shown(field: str) -> dict[str, Any]:
        vast.fault("vast-odd-fields", times=1, field=field)
        found = vast.show(number)
        assert found is not None
        return found

    assert shown("extra_env")["extra_env"] == {"RUN_ID": "7f3a"}
    assert shown("ports")["ports"] == [direct_port(row)]
    assert shown("numbers")["dph_total"] == str(row["dph_total"])
    vast.state(number, "stopped")
    assert shown("empty_ports")["ports"] == {}


@pytest.mark.parametrize("status", [403, 404])
def test_logs_late(vast: Vast, status: int) -> None:
    number = vast.running()["id"]
    vast.fault("vast-logs-late", polls=2, status=status)
    url = vast.put(f"/v0/instances/request_logs/{number}/", {}).json()["result_url"]
    assert [requests.get(url, timeout=PATIENCE).status_code for _poll in range(3)] == [status, status, 200]


def test_status_shows_faults_and_credit(vast: Vast) -> None:
    vast.fault("vast-quota", times=1)
    vast.search()
    status = vast.control.status()
    assert status["vast_credit_usd"] == 100.0
    assert [(fault["name"], fault["spent"]) for fault in status["faults"]] == [("vast-quota", True)]
    assert json.dumps(status)
