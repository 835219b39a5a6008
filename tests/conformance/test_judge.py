# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge finds what is planted, nothing else, and says where."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from deviations import Deviations
from exchanges import PROBLEM, Judge, report

QUOTA = {
    "ratelimit": '"minute";r=59;t=60, "hour";r=2999;t=3600, "day";r=49999;t=86400',
    "ratelimit-policy": '"minute";q=60;w=60, "hour";q=3000;w=3600, "day";q=50000;w=86400',
    "x-request-id": "1",
}
OURS = "podyard.gpu/0.1.0"
DIRECT = {"host": "127.0.0.1", "port": 1, "username": "root", "command": "ssh root@127.0.0.1 -p 1"}


def exchange(method: str, path: str, status: int | None, answer: Any = None, **more: Any) -> dict[str, Any]:
    kind = PROBLEM if status is not None and status >= 400 else "application/json"
    return {
        "method": method, "path": path, "query": [], "operation": "", "agent": "other/1", "fault": None,
        "request": {"type": ""}, "status": status,
        "headers": QUOTA | ({"content-type": kind} if answer is not None else {}),
        "answer": {"json": answer} if answer is not None else {},
        **more,
    }  # fmt: skip


def problem(status: int, **more: Any) -> dict[str, Any]:
    return {"title": "Some", "status": status, "detail": "words", **more}


@pytest.fixture
def pod(description):
    """The description's own example of a pod."""
    answer = description.operations["createPod"].body["responses"]["201"]
    return copy.deepcopy(answer["content"]["application/json"]["examples"]["pod"]["value"])


@pytest.fixture
def found(description):
    """What the judge finds in an exchange, without any deviation, as (side, where, rule)."""

    def look(entry: dict[str, Any]) -> list[tuple[str, str, str]]:
        judge = Judge(description, Deviations([]))
        judge.check(entry, "here:1")
        return [(each.side, each.where, each.rule) for each in judge.findings]

    return look


def test_every_example_of_the_description_is_as_described(description):
    """The judge wants no more than the description's own authors."""
    seen = 0
    for operation in description.operations.values():
        responses = operation.body["responses"].values()
        for place in [description.whole(each) for each in [operation.body.get("requestBody", {}), *responses]]:
            for content in place.get("content", {}).values():
                for example in content.get("examples", {}).values():
                    seen += 1
                    assert description.faults(content["schema"], example["value"]) == [], operation.name
    assert seen > 50


def test_a_good_exchange_is_good(found, pod):
    assert found(exchange("GET", "/v2/pods/p1", 200, pod)) == []
    assert found(exchange("GET", "/v2/pods", 200, {"pods": [pod, pod]})) == []
    assert found(exchange("DELETE", "/v2/pods/p1", 204)) == []
    assert found(exchange("GET", "/v2/pods/p1", None)) == []
    assert found(exchange("GET", "/v2/pods/p1", 404, problem(404))) == []
    assert found(exchange("GET", "/v2/nothing", 404, problem(404))) == []
    allowed = {**QUOTA, "allow": "GET, POST", "content-type": PROBLEM}
    assert found(exchange("PUT", "/v2/pods", 405, problem(405), headers=allowed)) == []


@pytest.mark.parametrize(
    ("change", "where", "rule"),
    [
        ({"cost": "0.44"}, "/cost", "type"),
        ({"status": "RUNING"}, "/status", "enum"),
        ({"startedAt": "yesterday"}, "/startedAt", "format"),
        ({"actions": ["stop", "reset"]}, "/actions/1", "enum"),
        ({"gpu": {"count": 1}}, "/gpu", "required"),
        ({"colour": "red"}, "/colour", "unknown-field"),
        ({"ssh": {"proxy": None, "direct": {"host": "h"}}}, "/ssh/direct", "required"),
        ({"ssh": {"proxy": None, "direct": {**DIRECT, "username": None}}}, "/ssh/direct/username", "type"),
        ({"ssh": {"proxy": None, "direct": "none"}}, "/ssh/direct", "anyOf"),
        ({"runtime": {"ports": [{"private": 22, "public": "x", "type": "tcp", "ip": None}]}}, None, None),
        ({"runtime": {"fan": 1}}, "/runtime/fan", "unknown-field"),
    ],
)
def test_a_wrong_or_invented_field_is_found(found, pod, change, where, rule):
    wrong = found(exchange("GET", "/v2/pods", 200, {"pods": [pod, {**pod, **change}]}))
    assert wrong
    if where is not None:
        assert ("answer", f"/pods/1{where}", rule) in wrong
    assert all(each[1].startswith(f"/pods/1/{next(iter(change))}") for each in wrong), "and nothing else"


@pytest.mark.parametrize("field", ["id", "status", "cudaVersion", "globalNetworking", "startedAt"])
def test_a_missing_field_is_found(found, pod, field):
    del pod[field]
    assert found(exchange("GET", "/v2/pods/p1", 200, pod)) == [("answer", "", "required")]


def test_what_the_description_does_not_know_is_found(found, pod):
    assert found(exchange("GET", "/v2/pots", 200, {})) == [("answer", "status", "unknown-path")]
    assert found(exchange("GET", "/v2/pots", 400, problem(401))) == [
        ("answer", "status", "unknown-path"), ("answer", "/status", "status"),
    ]  # fmt: skip
    assert found(exchange("PUT", "/v2/pods", 404, problem(404))) == [("answer", "status", "unknown-method")]
    allowed = {**QUOTA, "allow": "GET", "content-type": PROBLEM}
    assert found(exchange("PUT", "/v2/pods", 405, problem(405), headers=allowed)) == [("answer", "Allow", "header")]
    assert found(exchange("GET", "/v2/pods/p1", 409, problem(409))) == [("answer", "status", "undocumented-status")]
    assert found(exchange("GET", "/v2/pods/p1", 201, pod))[0] == ("answer", "status", "undocumented-status")


def test_wrong_forms_are_found(found, pod):
    html = {"content-type": "text/html", **QUOTA}
    assert found(exchange("GET", "/v2/pods/p1", 503, headers=html)) == [("answer", "content-type", "content-type")]
    assert found(exchange("GET", "/v2/pods/p1", 404, {"error": "no"}))[0][1:] == ("/error", "unknown-field")
    assert found(exchange("GET", "/v2/pods/p1", 404, problem(400))) == [("answer", "/status", "status")]
    assert found(exchange("GET", "/v2/pods/p1", 404, problem(404, errors=["x"]))) == [("answer", "/errors", "errors")]
    assert found(exchange("DELETE", "/v2/pods/p1", 204, {})) == [("answer", "", "no-body")]
    assert found(exchange("POST", "/v2/pods", 429, problem(429))) == [("answer", "Retry-After", "header")]


@pytest.mark.parametrize("name", sorted(QUOTA))
def test_a_missing_or_malformed_header_is_found(found, pod, name):
    entry = exchange("GET", "/v2/pods/p1", 200, pod)
    entry["headers"] = {key: value for key, value in entry["headers"].items() if key != name}
    [(side, where, rule)] = found(entry)
    assert (side, where.lower(), rule) == ("answer", name, "header")
    if name != "x-request-id":
        entry["headers"][name] = '"minute";r=59'
        assert [each[1].lower() for each in found(entry)] == [name]


def test_a_stream_is_read_event_by_event(found):
    data = {"ts": "2026-06-01T12:02:03Z", "source": "container", "line": "***"}
    headers = QUOTA | {
        "content-type": "text/event-stream", "cache-control": "no-cache", "connection": "keep-alive",
        "x-accel-buffering": "no",
    }  # fmt: skip

    def stream(number: str, data: dict[str, Any]) -> list[tuple[str, str, str]]:
        entry = exchange("GET", "/v2/pods/p1/logs", 200, headers=headers)
        del entry["answer"]
        return found({**entry, "events": [": keep-alive", f"id: {number}\ndata: {json.dumps(data)}"]})

    assert stream("2026-06-01T12:02:03Z/7", data) == []
    assert stream("7", data) == [("answer", "/1", "event")]
    assert stream("2026-06-01T12:02:04Z/7", data) == [("answer", "/1", "event")]
    assert stream("2026-06-01T12:02:03Z/7", {**data, "source": "kernel"}) == [("answer", "/1/source", "enum")]
    assert stream("2026-06-01T12:02:03Z/7", {**data, "n": 1}) == [("answer", "/1/n", "unknown-field")]
    headers["cache-control"] = "public"
    assert stream("2026-06-01T12:02:03Z/7", data) == [("answer", "Cache-Control", "header")]


def request(body: Any = None, method: str = "POST", path: str = "/v2/pods", agent: str = OURS, **more: Any):
    sent = {"type": "application/json", "json": body} if body is not None else {"type": ""}
    return exchange(method, path, None, agent=agent, request=sent, **more)


GOOD: dict[str, Any] = {"name": "a", "image": "i", "gpu": {"id": "g", "count": 1}, "env": {"A": "b"}}


@pytest.mark.parametrize(
    ("change", "where", "rule"),
    [
        ({"gpuTypeIds": ["g"]}, "/gpuTypeIds", "unknown-field"),
        ({"gpu": {"id": "g", "count": 1, "colour": 1}}, "/gpu/colour", "unknown-field"),
        ({"env": {"A": 1}}, "/env/A", "type"),
        ({"image": None}, "", "required"),
        ({"disk": 0}, "/disk", "minimum"),
    ],
)
def test_a_wrong_request_of_our_driver_is_found(found, change, where, rule):
    body = {name: value for name, value in (GOOD | change).items() if value is not None}
    assert found(request(GOOD)) == []
    assert found(request(body)) == [("request", where, rule)]
    assert found(request(body, agent="python-requests/2")) == [], "others may send what they like"


def test_a_request_that_was_refused_before_it_had_come_is_not_judged(found):
    sent = {"type": "application/json", "unread": True}
    refused = exchange("POST", "/v2/pods", 401, problem(401), agent="podyard.gpu/1", request=sent)
    assert found(refused) == []
    assert ("request", "", "body") in found({**refused, "request": {"type": "application/json"}})


def test_a_request_to_the_wrong_place_is_found(found):
    assert found(request(method="GET", path="/v2/pots")) == [("request", "", "no-operation")]
    assert found(request(method="GET", path="/v2/pods", query=[["status", "RUNNING"]])) == [
        ("request", "?status", "unknown-parameter")
    ]
    query = [["include", "AVAILABILITY"], ["product", "POD"], ["count", "1"], ["cudaVersions", "12.8,12.6"]]
    assert found(request(method="GET", path="/v2/catalog/gpus", query=query)) == []
    query = [["include", "ALL"], ["count", "0"], ["cudaVersions", "12"]]
    assert found(request(method="GET", path="/v2/catalog/gpus", query=query)) == [
        ("request", "?include/0", "enum"), ("request", "?count", "minimum"), ("request", "?cudaVersions/0", "pattern"),
    ]  # fmt: skip
    assert found(request({}, method="GET", path="/v2/pods")) == [("request", "", "no-body")]
    assert found(request()) == [("request", "", "body")]


def test_a_deviation_explains_what_it_names_and_nothing_else(description, pod):
    entry = {"operations": ["list*"], "side": "answer", "where": "/pagination", "rule": "unknown-field", "reason": "r"}
    deviations = Deviations([entry, {**entry, "operations": ["getPod"]}])
    judge = Judge(description, deviations)
    judge.check(exchange("GET", "/v2/pods", 200, {"pods": [], "pagination": {}}), "a:1")
    assert judge.findings == [] and [each.operations for each in deviations.unused()] == [["getPod"]]
    judge.check(exchange("GET", "/v2/pods", 200, {"pods": [], "paging": {}}), "a:2")
    judge.check(exchange("GET", "/v2/pods", 200, {"pods": [], "paging": {}}), "a:3")
    assert [each.where for each in judge.findings] == ["/paging", "/paging"]
    assert report(judge.findings) == (
        "a:2: listPods answer 200 at /paging: unknown-field: 'paging' is no field of it (2 times)"
    )


def test_every_deviation_has_its_reason():
    for entry in Deviations.load().entries:
        assert len(entry.reason.split()) > 8, entry


def test_a_recorded_file_is_read_line_by_line(description, pod, tmp_path):
    good, bad = exchange("GET", "/v2/pods/p1", 200, pod), exchange("GET", "/v2/pods/p1", 200, {})
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n" + '{"half a')
    judge = Judge(description, Deviations([]))
    judge.read(file)
    assert {each.source for each in judge.findings} == {"one.jsonl:2"}
    assert judge.answers == {"getPod": 2}
