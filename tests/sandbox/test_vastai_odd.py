# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Vast.ai's stand-in is asked that makes no sense, sight by sight: refused as the service refuses, and no harm."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from stand_in import PATIENCE, ServerThread
from vast_stand_in import KEY, OTHER_KEY, Vast, wanted

from podyard_sandbox import strict_json
from podyard_sandbox.meter import Meter
from podyard_sandbox.settings import Settings

HUGE = "1" + "0" * 400
NO_JSON = {"error": "invalid_request", "msg": "Invalid json body"}


@pytest.fixture
def sandbox(unrecorded_sandbox: ServerThread) -> ServerThread:
    return unrecorded_sandbox


@pytest.fixture
def vast(sandbox: ServerThread) -> Vast:
    return Vast(sandbox)


def raw(vast: Vast, method: str, path: str, data: bytes, **headers: bytes | str) -> requests.Response:
    named: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}
    return vast.session.request(method, f"{vast.sandbox.url}/api{path}", data=data, headers=named, timeout=PATIENCE)


def refused(answer: requests.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("error")


# Bodies

NO_BODIES = (
    b"{", b"[]", b"null", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1e400}', b'{"a": ' + HUGE.encode() + b"}",
    b'{"a": ' + b"9" * 5000 + b"}", b'{"a": "\xff"}', b'{"a": "\\ud800"}', b'{"\\udfff": 1}', b'{"a": "\xed\xa0\x80"}',
    b'{"a": "\\u0000"}', b"[" * 50_000, b'{"a": ' * 50_000 + b"1" + b"}" * 50_000,
    b'{"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", b'{"a": ' * 100 + b"1" + b"}" * 100, b"\xef\xbb\xbf{}",
)  # fmt: skip


@pytest.mark.parametrize("body", NO_BODIES, ids=lambda body: repr(body[:20]))
def test_bodies_that_cannot_be_worked_with(vast: Vast, body: bytes) -> None:
    answer = raw(vast, "POST", "/v0/template/", body)
    assert (answer.status_code, answer.json()) == (400, NO_JSON)
    assert raw(vast, "PUT", "/v0/instances/command/7/", body).status_code == 483


def test_what_is_deep_and_odd_but_can_be_worked_with() -> None:
    nested: Any = 1
    for _level in range(strict_json.MAX_DEPTH):
        nested = [nested]
    assert strict_json.loads(json.dumps(nested)) == nested
    with pytest.raises(ValueError, match="nested too deeply"):
        strict_json.loads(json.dumps([nested]))
    odd = {"é😀\u202e": [1e308, -(2**63) + 1, 0.1, True, None, ""]}
    assert strict_json.loads(json.dumps(odd)) == strict_json.loads(json.dumps(odd, ensure_ascii=False).encode()) == odd


def test_a_body_that_says_it_is_packed(vast: Vast) -> None:
    for packing in ("gzip", "deflate", "nothing"):
        answer = raw(vast, "POST", "/v0/ssh/", b"\x1f\x8bnothing", Content_Encoding=packing)
        assert (answer.status_code, answer.json()) == (400, NO_JSON)
    assert vast.get("/v0/ssh/").status_code == 200, "the line goes on"


def test_what_cannot_be_read_is_answered_while_a_record_is_made(tmp_path: Path) -> None:
    sandbox = ServerThread(tmp_path / "home", Settings(traffic=tmp_path / "traffic"))
    try:
        for body in NO_BODIES:
            assert raw(Vast(sandbox), "POST", "/v0/template/", body).status_code == 400, body[:40]
    finally:
        sandbox.close()
    [record] = (tmp_path / "traffic").iterdir()
    assert len(record.read_text(encoding="utf-8").splitlines()) == len(NO_BODIES)


def test_a_key_of_bytes_that_are_no_text(vast: Vast) -> None:
    assert refused(raw(vast, "GET", "/v1/instances/", b"", Authorization=b"Bearer \xff\xfe")) == (404, "auth_error")


# Numbers

NO_NUMBERS = ("nan", "inf", "-inf", "1e400", HUGE, "much", True, [1], {}, -1)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:12])
def test_numbers_that_are_none(vast: Vast, value: Any) -> None:
    number = vast.made(label="first")
    credit = vast.sandbox.server.vast.credit
    assert refused(vast.create(disk=value)) == (400, "invalid_args")
    assert vast.create(price=value).status_code == 400
    volume = {"create_new": True, "size": value}
    assert refused(vast.create(volume_info=volume)) == (400, "invalid_args")
    disk = vast.offer()["avail_vol_ask_id"]
    assert refused(vast.put("/v0/volumes/", {"id": disk, "size": value})) == (400, "invalid_args")
    template = {"name": "t", "image": "a/b", "recommended_disk_space": value}
    assert refused(vast.post("/v0/template/", template)) == (400, "invalid_args")
    assert refused(vast.put(f"/v0/instances/bid_price/{number}/", {"price": value})) == (400, "invalid_args")
    assert vast.put(f"/v0/instances/prepay/{number}/", {"amount": value}).status_code == 400
    assert refused(vast.put(f"/v0/instances/request_logs/{number}/", {"tail": value})) == (400, "invalid_args")
    assert refused(vast.post("/v0/volumes/search/", {"limit": value})) == (400, "invalid_args")
    for name in ("limit", "allocated_storage"):
        if value != {}:  # an object is a filter
            assert refused(vast.search(**{name: value})) == (400, "invalid_request")
    assert math.isfinite(credit()) and 0 < credit() <= 100
    assert [row["label"] for row in vast.list()] == ["first"] and not vast.get("/v0/volumes/").json()["volumes"]


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e400", HUGE])
def test_numbers_that_only_python_reads(vast: Vast, text: str) -> None:
    body = json.dumps(wanted()).replace('"disk": 20', f'"disk": {text}').encode()
    assert raw(vast, "PUT", f"/v0/asks/{vast.offer()['id']}/", body).status_code == 400
    assert raw(vast, "POST", "/v0/bundles/", f'{{"limit": {text}}}'.encode()).status_code == 400
    assert vast.get("/v1/instances/", params={"select_filters": f'{{"id": {{"eq": {text}}}}}'}).status_code == 400
    assert vast.list() == []


def test_a_price_that_is_none_never_gets_into_a_bill() -> None:
    for usd in (math.nan, math.inf, -1.0):
        with pytest.raises(AssertionError):
            Meter().hold_gpu(usd, time.time())


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400", '"nan"', "-1", "[]", '"much"'])
def test_settings_that_are_no_numbers(vast: Vast, value: str) -> None:
    session = vast.control.session
    for name in ("balance", "vast_limits", "bad_hosts"):
        answer = session.patch(f"{vast.sandbox.url}/_sandbox/settings", data=f'{{"{name}": {value}}}', timeout=PATIENCE)
        assert answer.status_code == 422 and "are invalid" in answer.json()["error"]
    assert vast.control.status()["vast_credit_usd"] == vast.control.status()["balance_usd"] == 100.0


@pytest.mark.parametrize("number", ["²", "9" * 4400, "-1", "1_0", "%ff", "%ed%a0%80", "x"])
def test_numbers_in_paths(vast: Vast, number: str) -> None:
    for method, path in (
        ("GET", "/v0/instances/{}/"), ("PUT", "/v0/instances/{}/"), ("DELETE", "/v0/instances/{}/"),
        ("PUT", "/v0/instances/request_logs/{}/"), ("PUT", "/v0/instances/command/{}/"),
        ("GET", "/v0/instances/{}/ssh/"), ("PUT", "/v0/asks/{}/"), ("DELETE", "/v0/ssh/{}/"),
        ("DELETE", "/v0/volumes/?id={}"),
    ):  # fmt: skip
        answer = vast.call(method, path.format(number), wanted(command="ls"))
        assert 400 <= answer.status_code < 484 and answer.json()["msg"], (method, path, answer.text)


def test_tokens_of_pages(vast: Vast) -> None:
    vast.made()
    for token in ("W10=", "eyJ2YWx1ZXMiOnsiaWQiOjFlNDAwfX0=", "eyJ2YWx1ZXMiOnsiaWQiOltdfX0=", "WyI=", "²"):
        assert refused(vast.get("/v1/instances/", params={"after_token": token})) == (400, "invalid_token")
    day = json.dumps({"day": {"gte": 0, "lte": "9e9"}})
    for token in ("x", "1e9", "9" * 4400):
        answer = vast.get("/v0/charges/", params={"select_filters": day, "after_token": token})
        assert refused(answer) == (400, "invalid_token")
    for value in ("nan", [], None, True):
        answer = vast.get("/v0/charges/", params={"select_filters": json.dumps({"day": {"gte": value, "lte": 1}})})
        assert refused(answer) == (400, "invalid_request")


# Texts that are read as a shell would


def test_quotes_that_do_not_end(vast: Vast) -> None:
    assert refused(vast.create(runtype="args", args_str="'")) == (400, "invalid_args")
    for odd in ({"env": "-e A='x"}, {"args_str": '"', "runtype": "args"}):
        made = vast.post("/v0/template/", {"name": "t", "image": "a/b", **odd}).json()["template"]
        answer = vast.create(template_hash_id=made["hash_id"], image=None, runtype=None, onstart=None)
        assert refused(answer) == (400, "invalid_args"), odd
        number = vast.made()
        answer = vast.put(f"/v0/instances/update_template/{number}/", {"template_hash_id": made["hash_id"]})
        assert refused(answer) == (400, "invalid_args"), odd
        assert vast.delete(f"/v0/instances/{number}/").status_code == 200
    assert vast.list() == []


@pytest.mark.parametrize(
    "flag",
    ["-p x:y", "-p 8080", "-p 1:2/icmp", "-p :", "-p 0:0", "-p 8080:999999", "-p 80-90:80-90", "-p ²:²",
     "-v V.1", "-v V.²:/x", "-v /etc:/etc", f"-v V.{'9' * 5000}:/x"],
)  # fmt: skip
def test_flags_that_map_or_mount_nothing(vast: Vast, flag: str) -> None:
    answer = vast.create(env={flag: "1"})
    if flag == "-p 8080":
        assert answer.status_code == 200
    else:
        assert refused(answer) == (400, "invalid_args")
    assert vast.get("/v1/instances/").status_code == 200, "one odd instance does not break the list"


def test_more_ports_than_are_mapped(vast: Vast) -> None:
    flags = {f"-p {port}:{port}": "1" for port in range(9000, 9065)}
    assert refused(vast.create(env=flags)) == (400, "invalid_args")


# Wrong types


def test_orders_and_filters_of_wrong_types(vast: Vast) -> None:
    for order in ([[[], "asc"]], [[{}, "asc"]], [["score", []]], [[1, "asc"]], "score", [["score"]], {"a": 1}, 7):
        assert refused(vast.search(order=order)) == (400, "invalid_request"), order
    for conditions in ({"like": 1}, {"in": 1}, {"notin": "x"}, [], 7, "x"):
        assert refused(vast.search(gpu_name=conditions)) == (400, "bad_request"), conditions
    for conditions in ({"eq": []}, {"eq": {}}, {"gt": None}, {"lt": [1]}, {"in": [[], {}, None]}):
        assert vast.search(num_gpus=conditions).json() == {"offers": []}, conditions
    for order in ([{"col": []}], [{"col": {}}], [{"dir": []}], [7], {}, "x"):
        answer = vast.get("/v1/instances/", params={"order_by": json.dumps(order)})
        assert refused(answer) == (400, "invalid_request"), order
    for kind in ([1], {"eq": "bid"}, 7, "free"):
        assert refused(vast.search(type=kind)) == (400, "invalid_request"), kind


def test_templates_of_wrong_types(vast: Vast) -> None:
    made = vast.post("/v0/template/", {"name": "t", "image": "a/b"}).json()["template"]
    for odd in ({"image": 5}, {"tag": []}, {"onstart": {}}, {"runtype": []}, {"env": 5}, {"use_ssh": "x"},
                {"recommended_disk_space": 0}, {"volume_info": []}, {"extra_filters": 5}, {"private": 1}):  # fmt: skip
        assert refused(vast.post("/v0/template/", {"name": "t", "image": "a/b", **odd})) == (400, "invalid_args"), odd
        assert refused(vast.put("/v0/template/", {"hash_id": made["hash_id"], **odd})) == (400, "invalid_args"), odd
    assert vast.get("/v0/template/").json()["templates"] == [made]


# Templates, volumes and keys as other clients expect them

KEYS = (
    "creator_id", "created_at", "count_created", "default_tag", "docker_login_repo", "id", "image", "jup_direct",
    "hash_id", "private", "name", "recent_create_date", "recommended_disk_space", "recommended", "ssh_direct",
    "tag", "use_ssh",
)  # fmt: skip


def found(vast: Vast, filters: Any, **params: str) -> requests.Response:
    return vast.get("/v0/template/", params={"select_filters": json.dumps(filters), **params})


def test_templates_are_searched_by_every_documented_key_whatever_there_are(vast: Vast) -> None:
    for name in KEYS:
        answer = found(vast, {name: {"neq": "nothing"}}, select_cols='["*"]')
        assert answer.json() == {"success": True, "templates_found": 0, "templates": []}, name
    for count in (1, 2):
        vast.post("/v0/template/", {"name": f"t{count}", "image": "a/b", "use_ssh": count == 1, "made_up": 1})
        for name in KEYS:
            assert found(vast, {name: {"neq": "nothing"}}).json()["templates_found"] == count, name
    assert refused(found(vast, {"made_up": {"eq": 1}})) == (400, "invalid_request"), "a row teaches no key"
    both = {"use_ssh": {"eq": True}, "count_created": {"gte": 0}}
    assert [row["name"] for row in found(vast, both).json()["templates"]] == ["t1"]
    assert found(vast, both, select_cols='["name"]').json()["templates"] == [{"name": "t1"}]
    names = [row["name"] for row in found(vast, {}, order_by="use_ssh").json()["templates"]]
    assert names == ["t2", "t1"]
    assert refused(found(vast, {}, order_by="made_up")) == (400, "invalid_request")


def test_a_template_counts_what_was_made_of_it(vast: Vast) -> None:
    made = vast.post("/v0/template/", {"name": "t", "image": "a/b"}).json()["template"]
    vast.made(template_hash_id=made["hash_id"])
    [row] = found(vast, {"count_created": {"gt": 0}}).json()["templates"]
    assert row["count_created"] == 1 and row["recent_create_date"] >= row["created_at"]
    assert row["hash_id"] == made["hash_id"]


def test_offers_show_the_volume_that_their_machine_has(vast: Vast) -> None:
    offer = vast.offer()
    [disk] = [
        each for each in vast.post("/v0/volumes/search/", {"limit": 1000}).json()["offers"]
        if each["machine_id"] == offer["machine_id"]
    ]  # fmt: skip
    assert (offer["avail_vol_ask_id"], offer["avail_vol_size"]) == (disk["id"], disk["disk_space"])
    assert offer["avail_vol_dph"] == pytest.approx(offer["storage_cost"] / 720, abs=1e-6)
    made = vast.put("/v0/volumes/", {"id": offer["avail_vol_ask_id"], "size": 15, "name": "x"})
    assert made.json()["success"] is True
    sizes = [row["avail_vol_size"] for row in vast.offers(avail_vol_size={"gte": 1000}, limit=1000)]
    assert sizes and min(sizes) >= 1000


def listed(vast: Vast, number: int) -> dict[str, int]:
    keys = json.loads(vast.get(f"/v0/instances/{number}/ssh/").json()["ssh_keys"])
    return {key["public_key"]: key["id"] for key in keys}


def test_every_key_that_is_listed_for_an_instance_can_be_detached(vast: Vast) -> None:
    vast.post("/v0/ssh/", {"ssh_key": KEY})
    number = vast.running()["id"]
    vast.post(f"/v0/instances/{number}/ssh/", {"ssh_key": OTHER_KEY})
    own = vast.get("/v0/ssh/").json()[0]["id"]
    assert listed(vast, number)[KEY] == own and set(listed(vast, number)) == {KEY, OTHER_KEY}
    for line, key in listed(vast, number).items():
        assert vast.delete(f"/v0/instances/{number}/ssh/{key}/").json()["success"] is True
        assert line not in listed(vast, number)
        assert line not in vast.sandbox.pods.keys[str(number)][0], "the container hears of it"
        assert refused(vast.delete(f"/v0/instances/{number}/ssh/{key}/")) == (404, "no_such_ssh_key")
    vast.put(f"/v0/instances/reboot/{number}/")
    vast.until(number, lambda row: row["actual_status"] == "running")
    assert listed(vast, number) == {}, "it stays away"
    assert vast.post(f"/v0/instances/{number}/ssh/", {"ssh_key": KEY}).json()["success"] is True
    assert listed(vast, number) == {KEY: own}


def test_a_key_that_the_account_no_longer_has_can_be_detached(vast: Vast) -> None:
    for line in (KEY, OTHER_KEY):
        vast.post("/v0/ssh/", {"ssh_key": line})
    number = vast.running()["id"]
    for row in vast.get("/v0/ssh/").json():
        vast.delete(f"/v0/ssh/{row['id']}/")
    assert set(listed(vast, number)) == {KEY, OTHER_KEY}
    assert vast.delete(f"/v0/instances/{number}/ssh/{listed(vast, number)[KEY]}/").json()["success"] is True
    assert set(listed(vast, number)) == {OTHER_KEY}
