# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs: server-sent events on a stream that stays open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from stand_in import PATIENCE, Api, ServerThread


@contextmanager
def stream(api: Api, pod_id: str, query: str, patience: float = PATIENCE, **headers: str) -> Iterator[Iterator[dict]]:
    """The events of a pod's log, each with its id, as they come."""
    url = f"{api.url}/v2/pods/{pod_id}/logs?{query}"
    with api.session.get(url, stream=True, timeout=patience, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["x-request-id"] and answer.headers["RateLimit"]
        yield _events(answer)


def _events(answer: requests.Response) -> Iterator[dict]:
    event_id = ""
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        if line.startswith("id: "):
            event_id = line[4:]
        elif line.startswith("data: "):
            yield {"id": event_id, **json.loads(line[6:])}


def take(events: Iterator[dict], count: int) -> list[dict]:
    return [next(events) for _event in range(count)]


def add(sandbox: ServerThread, pod_id: str, *lines: str, source: str = "container") -> None:
    """Let the pod write; in the server's own thread, as its readers are there."""
    log = sandbox.pods.log(pod_id, source)
    for line in lines:
        sandbox._loop.call_soon_threadsafe(log.add, line)


def test_backfill_and_what_comes_after(sandbox: ServerThread, api: Api) -> None:
    pod = api.running()
    add(sandbox, pod["id"], "one", "two")
    with stream(api, pod["id"], "source=container&tail=2") as events:
        assert [event["line"] for event in take(events, 2)] == ["one", "two"]
        add(sandbox, pod["id"], "three")
        late = next(events)
        assert late["line"] == "three" and late["source"] == "container"
        assert late["id"].startswith(f"{late['ts']}/")


def test_stream_stays_open(api: Api) -> None:
    pod = api.running()
    with stream(api, pod["id"], "tail=0", patience=0.3) as events, pytest.raises(requests.ConnectionError):
        next(events)


def test_stream_ends_with_the_pod(api: Api) -> None:
    pod = api.running()
    with stream(api, pod["id"], "source=container&tail=1") as events:
        assert next(events)["line"] == "Pod Started"
        api.delete(f"/v2/pods/{pod['id']}")
        assert list(events) == []


def test_both_sources_in_the_order_of_time(sandbox: ServerThread, api: Api) -> None:
    pod = api.running()
    with stream(api, pod["id"], "") as events:
        seen = take(events, 3)
    assert {event["source"] for event in seen} == {"container", "system"}
    assert [event["ts"] for event in seen] == sorted(event["ts"] for event in seen)
    with stream(api, pod["id"], "source=system&tail=1") as events:
        assert next(events)["source"] == "system"


def test_resume_by_id_and_by_time(sandbox: ServerThread, api: Api) -> None:
    pod = api.running()
    add(sandbox, pod["id"], *"abcde")
    with stream(api, pod["id"], "source=container&tail=5") as events:
        first = take(events, 5)
    assert [event["line"] for event in first] == list("abcde")
    with stream(api, pod["id"], "source=container&tail=1", **{"Last-Event-ID": first[1]["id"]}) as events:
        assert [event["line"] for event in take(events, 3)] == ["c", "d", "e"], "the id goes before tail"
    with stream(api, pod["id"], f"source=container&tail=1&since={first[0]['ts']}") as events:
        assert take(events, 5)[-5:] == first, "since goes before tail"


def test_log_before_the_container_starts(api: Api) -> None:
    api.fault("never-ready")
    pod = api.made()
    with stream(api, pod["id"], "source=system") as events:
        assert take(events, 2)[1]["line"].startswith("pulling image runpod/pytorch")


@pytest.mark.parametrize(
    "query", ["tail=5001", "tail=-1", "source=both", "since=yesterday", "since=2026-01-01T00:00:00"]
)
def test_malformed_questions(api: Api, query: str) -> None:
    assert api.get(f"/v2/pods/{api.made()['id']}/logs?{query}").status_code == 422


def test_log_of_no_pod(api: Api) -> None:
    answer: Any = api.get("/v2/pods/nosuchpod/logs")
    assert (answer.status_code, answer.json()["detail"]) == (404, "resource not found")
