# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of traffic: every exchange, at once, and no secret in it."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from stand_in import PATIENCE, Api, ServerThread, until, wanted

from podyard_sandbox.settings import Settings

SECRET = "a-secret-nobody-may-read"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "traffic"


@pytest.fixture
def sandbox(tmp_path: Path, record: Path) -> Iterator[ServerThread]:
    thread = ServerThread(tmp_path / "home", Settings(traffic=record))
    yield thread
    thread.close()


@pytest.fixture
def api(sandbox: ServerThread) -> Api:
    return Api(sandbox.url, sandbox.home.api_key())


@pytest.fixture
def lines(record: Path) -> Callable[[], list[dict[str, Any]]]:
    """What is recorded by now."""
    return lambda: [json.loads(line) for path in record.iterdir() for line in path.read_text().splitlines()]


def test_an_exchange_is_one_line_with_both_sides(api, lines, record):
    pod = api.made(name="r1", env={"TOKEN": SECRET, "EMPTY": ""})
    api.get(f"/v2/pods/{pod['id']}?x=1", headers={"User-Agent": "mine/1"})
    create, get = lines()
    assert (create["method"], create["path"], create["operation"]) == ("POST", "/v2/pods", "createPod")
    assert create["request"]["type"] == "application/json"
    assert create["request"]["json"] == {**wanted(name="r1"), "env": {"TOKEN": "***", "EMPTY": ""}}
    assert create["status"] == 201 and create["answer"]["json"]["id"] == pod["id"]
    assert create["answer"]["json"]["env"]["TOKEN"] == "***"
    assert {"content-type", "ratelimit", "ratelimit-policy", "x-request-id"} <= set(create["headers"])
    assert (get["operation"], get["query"], get["agent"], get["request"]) == (
        "getPod", [["x", "1"]], "mine/1", {"type": ""},
    )  # fmt: skip
    [path] = record.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(record.stat().st_mode) == 0o700


def test_no_secret_is_recorded(api, sandbox, record):
    api.made(env={"TOKEN": SECRET})
    api.post("/v2/registries", json={"name": "r", "username": "u", "password": SECRET})
    query = f'mutation {{ saveRegistryAuth(input: {{password: "{SECRET}"}}) {{ id }} }}'
    requests.post(f"{sandbox.url}/graphql?api_key={SECRET}", json={"query": query}, timeout=PATIENCE)
    api.post("/v2/pods", data=f"TOKEN={SECRET}")
    api.get("/v2/pods", headers={"Authorization": f"Bearer {SECRET}"})
    [path] = record.iterdir()
    text = path.read_text()
    assert len(text.splitlines()) == 5
    assert SECRET not in text and sandbox.home.api_key() not in text


def test_refusals_dropped_lines_and_faults_are_recorded(api, lines):
    assert api.get("/v2/nothing").status_code == 404
    api.fault("drops-line", times=1)
    with pytest.raises(requests.ConnectionError):
        api.get("/v2/pods")
    api.fault("server-error", times=1, body="html", status=502)
    api.get("/v2/pods")
    assert api.call("PUT", "/v2/pods").status_code == 405
    missing, dropped, page, method = lines()
    assert missing["status"] == 404 and missing["operation"] == ""
    assert missing["answer"]["json"]["detail"] == "The requested path was not found."
    assert (dropped["status"], dropped["answer"], dropped["fault"]) == (None, {}, "drops-line")
    assert page["status"] == 502 and "502" in page["answer"]["text"] and page["fault"] == "server-error"
    assert method["status"] == 405 and "GET" in method["headers"]["allow"]


def test_a_body_that_never_came_is_not_taken_for_none(sandbox, lines):
    host, port = sandbox.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
        line.sendall(f"POST /v2/pods HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\n{{".encode())
        assert b" 401 " in line.recv(4096)
    until(lines, lambda found: found)
    assert lines()[0]["request"] == {"type": "", "unread": True}


def test_a_stream_is_recorded_when_it_ends_without_what_the_pod_said(api, sandbox, lines):
    pod = api.running()
    log = sandbox.pods.log(pod["id"])
    with api.get(f"/v2/pods/{pod['id']}/logs?source=container", stream=True) as answer:
        log.add(SECRET)
        seen = b""
        for chunk in answer.iter_content(None):
            seen += chunk
            if SECRET.encode() in seen:
                break
        api.delete(f"/v2/pods/{pod['id']}")
    [stream] = until(lambda: [line for line in lines() if line["operation"] == "getPodLogs"], bool)
    assert stream["status"] == 200 and stream["headers"]["content-type"].startswith("text/event-stream")
    assert len(stream["events"]) >= 2
    name, data = stream["events"][-1].split("\n")[:2]
    assert name.startswith("id: ") and json.loads(data.removeprefix("data: "))["line"] == "***"


def test_without_a_directory_nothing_is_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    thread = ServerThread(tmp_path / "home", Settings(traffic=None))
    try:
        api = Api(thread.url, thread.home.api_key())
        assert api.names() == []
        record = tmp_path / "later"
        api.call("PATCH", "/_sandbox/settings", json={"traffic": str(record)})
        assert not record.exists()
        assert api.names() == []
        assert len(list(record.iterdir())) == 1, "a sandbox that is up takes the option over"
    finally:
        thread.close()


def test_the_environment_names_the_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("PODYARD_SANDBOX_TRAFFIC", str(tmp_path))
    assert Settings().traffic == tmp_path
    monkeypatch.delenv("PODYARD_SANDBOX_TRAFFIC")
    assert Settings().traffic is None
