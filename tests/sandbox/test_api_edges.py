# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every request: who gets in, headers, routes, sizes, quota."""

from __future__ import annotations

import re

import pytest
import requests
from stand_in import QUICK, Api, ServerThread, wanted

from podyard_sandbox.pace import Pace


def problem(answer: requests.Response) -> dict:
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    return answer.json()


def test_without_a_key(sandbox: ServerThread) -> None:
    answer = requests.get(f"{sandbox.url}/v2/pods", timeout=9)
    assert answer.status_code == 401
    assert problem(answer) == {"title": "Unauthorized", "status": 401, "detail": "missing bearer token"}
    assert "RateLimit" not in answer.headers and "RateLimit-Policy" not in answer.headers
    assert answer.headers["x-request-id"]


def test_with_a_wrong_key(sandbox: ServerThread) -> None:
    answer = Api(sandbox.url, "rpa_WRONG").get("/v2/pods")
    assert (answer.status_code, problem(answer)["detail"]) == (401, "invalid api key")
    assert "RateLimit" not in answer.headers


def test_the_agent_that_the_front_refuses(api: Api) -> None:
    answer = api.get("/v2/pods", headers={"User-Agent": "Python-urllib/3.12"})
    assert answer.status_code == 403
    assert answer.text == "error code: 1010"
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_headers_of_an_authenticated_answer(api: Api) -> None:
    first, second = api.get("/v2/pods"), api.get("/v2/pods/none")
    for answer in (first, second):
        assert re.fullmatch(r'"minute";r=\d+;t=\d+, "hour";r=\d+;t=\d+, "day";r=\d+;t=\d+', answer.headers["RateLimit"])
        assert re.fullmatch(
            r'"minute";q=\d+;w=60, "hour";q=\d+;w=3600, "day";q=\d+;w=86400', answer.headers["RateLimit-Policy"]
        )
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_object_and_route_are_told_apart(api: Api) -> None:
    assert problem(api.get("/v2/pods/nosuchpod"))["detail"] == "resource not found"
    assert problem(api.get("/v2/networkvolumes")) == {
        "title": "Not Found",
        "status": 404,
        "detail": "The requested path was not found.",
    }


def test_wrong_method(api: Api) -> None:
    answer = api.call("PUT", "/v2/pods")
    assert answer.status_code == 405
    assert problem(answer)["detail"] == "The requested method is not allowed for this path."
    assert answer.headers["Allow"] == "GET, POST"


def test_what_is_not_stood_in_for_says_so(api: Api) -> None:
    answer = api.get("/v2/clusters")
    assert answer.status_code == 501
    assert "does not implement GET /v2/clusters" in problem(answer)["detail"]


@pytest.mark.parametrize("path", ["/v1", "/v1/pods", "/v1/pods/abc/stop"])
def test_the_first_generation_has_retired(sandbox: ServerThread, path: str) -> None:
    answer = requests.post(f"{sandbox.url}{path}", timeout=9)
    assert answer.status_code == 410
    assert answer.json() == {"error": "REST API v1 has been retired", "status": 410}


def test_body_size(api: Api) -> None:
    padding = 102_400 - len(requests.Request("POST", "http://x", json=wanted(env={"A": ""})).prepare().body or b"")
    assert api.create(env={"A": "x" * padding}).status_code == 201
    answer = api.create(env={"A": "x" * (padding + 1)})
    assert answer.status_code == 413
    assert problem(answer)["title"] == "Payload Too Large"
    assert api.create(env={"A": "x" * 2_000_000}).status_code == 413


@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
def test_body_that_is_no_json(api: Api, body: bytes) -> None:
    answer = api.call("POST", "/v2/pods", data=body)
    assert answer.status_code == 400
    assert problem(answer)["detail"] == "request could not be processed"


def test_unknown_query_is_ignored(api: Api) -> None:
    api.made()
    assert len(api.get("/v2/pods?status=EXITED&nonsense=1").json()["pods"]) == 1


def test_quota(sandbox: ServerThread, api: Api) -> None:
    sandbox.server.cloud.pace = Pace("tight", 0, 0, 0, 0, 0, (3, 100, 100))
    answers = [api.get("/v2/pods") for _call in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["RateLimit"].startswith('"minute";r=2;')
    assert answers[0].headers["RateLimit-Policy"] == '"minute";q=3;w=60, "hour";q=100;w=3600, "day";q=100;w=86400'
    late = answers[3]
    assert problem(late)["detail"] == "rate limit exceeded for the minute window"
    assert 0 < int(late.headers["Retry-After"]) <= 60
    assert late.headers["RateLimit"].startswith(f'"minute";r=0;t={late.headers["Retry-After"]}')
    sandbox.server.cloud.pace = QUICK
    assert api.get("/v2/pods").status_code == 200


def test_key_of_a_pod_is_for_that_pod_alone(sandbox: ServerThread, api: Api) -> None:
    mine, other = api.running(), api.made(name="other")
    key = sandbox.pods.specs[0].env["RUNPOD_API_KEY"]
    assert key != sandbox.home.api_key()
    inside = Api(sandbox.url, key)
    assert inside.get(f"/v2/pods/{mine['id']}").status_code == 200
    assert inside.delete(f"/v2/pods/{other['id']}").status_code == 404
    assert inside.get("/v2/pods").status_code == 403
    assert inside.create().status_code == 403
    assert inside.delete(f"/v2/pods/{mine['id']}").status_code == 204
    assert inside.get(f"/v2/pods/{mine['id']}").status_code == 401


def test_control_api_wants_the_key(sandbox: ServerThread) -> None:
    assert requests.get(f"{sandbox.url}/_sandbox/status", timeout=9).status_code == 401
    assert Api(sandbox.url, "rpa_WRONG").post("/_sandbox/faults", {"name": "latency"}).status_code == 401


def test_ledger_has_what_could_change_something_and_no_more(api: Api) -> None:
    api.get("/v2/pods")
    api.post("/graphql", {"query": "{ myself { id } }"})
    pod = api.made(name="kept")
    api.create(name="refused", gpu={"id": "NVIDIA H200", "count": 9})
    api.create(image=None, name="wrong")
    api.call("PATCH", f"/v2/pods/{pod['id']}", json={"name": "renamed"})
    api.delete("/v2/pods/nosuchpod")
    seen = [(r["operation"], r["status"], r["pod_id"], r["name"]) for r in api.status()["requests"]]
    assert seen == [
        ("createPod", 201, pod["id"], "kept"),
        ("createPod", 400, None, "refused"),
        ("createPod", 422, None, "wrong"),
        ("updatePod", 200, pod["id"], "renamed"),
        ("deletePod", 404, "nosuchpod", None),
    ]
    assert {r["method"] for r in api.status()["requests"]} == {"POST", "PATCH", "DELETE"}
