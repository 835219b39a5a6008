# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that any request may meet, at the wire."""

from __future__ import annotations

import time

import pytest
import requests
from stand_in import Api, ServerThread


def test_unauthorized_in_mid_run(api: Api) -> None:
    api.fault("unauthorized", skip=1)
    pod = api.made()
    for answer in (api.get("/v2/pods"), api.get(f"/v2/pods/{pod['id']}"), api.delete(f"/v2/pods/{pod['id']}")):
        assert answer.status_code == 401
        assert "RateLimit" not in answer.headers
    assert api.status()["requests"][-1]["fault"] == "unauthorized"
    assert api.call("DELETE", "/_sandbox/faults/unauthorized").json() == {"cleared": 1}
    assert api.get("/v2/pods").status_code == 200


def test_unauthorized_for_one_operation(api: Api) -> None:
    api.fault("unauthorized", operation="createPod,graphql")
    assert api.create().status_code == 401
    assert api.post("/graphql", {"query": "{ myself { id } }"}).status_code == 401
    assert api.get("/v2/pods").status_code == 200


def test_forbidden(api: Api) -> None:
    api.fault("forbidden", operation="createPod")
    answer = api.create()
    assert (answer.status_code, answer.json()["detail"]) == (403, "access denied")
    assert api.names() == []


def test_rate_limited(api: Api) -> None:
    api.fault("rate-limited", times=1, retry_after=12)
    answer = api.create()
    assert answer.status_code == 429
    assert answer.json()["detail"] == "rate limit exceeded for the minute window"
    assert answer.headers["Retry-After"] == "12"
    assert answer.headers["RateLimit"].startswith('"minute";r=0;t=12, "hour";r=')
    assert api.names() == [], "a create that is refused so is not executed"
    assert api.create().headers["RateLimit"].startswith('"minute";r=9')


def test_rate_limited_without_retry_after(api: Api) -> None:
    api.fault("rate-limited", times=1, retry_after=7, header=False)
    answer = api.get("/v2/pods")
    assert answer.status_code == 429 and "Retry-After" not in answer.headers
    assert '"minute";r=0;t=7' in answer.headers["RateLimit"]


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("json", "application/problem+json", "Something went wrong"),
        ("html", "text/html", "<html>"),
        ("empty", "text/plain", ""),
    ],
)
def test_server_error_on_reads(api: Api, body: str, kind: str, text: str) -> None:
    api.fault("server-error", status=502, body=body)
    pod = api.made()
    answer = api.get(f"/v2/pods/{pod['id']}")
    assert answer.status_code == 502
    assert answer.headers["Content-Type"].startswith(kind) and text in answer.text
    assert api.delete(f"/v2/pods/{pod['id']}").status_code == 204


def test_server_error_on_a_create_makes_nothing(api: Api) -> None:
    api.fault("server-error", times=1, operation="createPod", status=500)
    assert api.create().status_code == 500
    assert api.names() == []


def test_dropped_line(api: Api) -> None:
    api.fault("drops-line", times=1, operation="getPod")
    pod = api.made()
    with pytest.raises(requests.ConnectionError):
        api.get(f"/v2/pods/{pod['id']}")
    assert api.get(f"/v2/pods/{pod['id']}").status_code == 200


def test_latency(api: Api) -> None:
    api.fault("latency", times=1, seconds=0.5, operation="listPods")
    began = time.monotonic()
    assert api.get("/v2/pods").status_code == 200
    assert time.monotonic() - began >= 0.5


def test_key_of_a_pod_without_rights(sandbox: ServerThread, api: Api) -> None:
    api.fault("pod-key-no-rights")
    pod = api.running()
    inside = Api(sandbox.url, sandbox.pods.specs[0].env["RUNPOD_API_KEY"])
    assert inside.delete(f"/v2/pods/{pod['id']}").status_code == 403
    assert inside.get(f"/v2/pods/{pod['id']}").status_code == 403
    assert api.names() == [pod["name"]]


def test_share_of_requests(api: Api) -> None:
    api.fault("server-error", share=0.5, operation="listPods")
    seen = [api.get("/v2/pods").status_code for _call in range(60)]
    assert 15 < seen.count(503) < 45 and seen.count(200) + seen.count(503) == 60


def test_typo_over_http(api: Api) -> None:
    answer = api.post("/_sandbox/faults", {"name": "latncy"})
    assert answer.status_code == 422
    assert "Did you mean 'latency'?" in answer.json()["error"]
    assert api.post("/_sandbox/faults", ["latency"]).status_code == 422
    assert api.call("DELETE", "/_sandbox/faults/latncy").status_code == 422
    assert api.get("/_sandbox/faults").json()["faults"] == []
