# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fake pods: a large account for clients to list, with nothing running behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stand_in import Api, ServerThread

from podyard_sandbox.runpod.fake_pods import make_fake_pods
from podyard_sandbox.settings import Settings

MANY = 2500


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Api]:
    """A client of a sandbox with many pods."""
    thread = ServerThread(tmp_path / "large", Settings(many_pods=MANY))
    yield Api(thread.url, thread.home.api_key())
    thread.close()


def pages(api: Api, **query: Any) -> Iterator[list[dict[str, Any]]]:
    """Every page of the list."""
    while True:
        answer = api.get("/v2/pods", params=query).json()
        yield answer["pods"]
        if not answer["pagination"]["hasNextPage"]:
            return
        query["cursor"] = answer["pagination"]["nextCursor"]


def settings(api: Api, **changes: Any) -> None:
    assert api.call("PATCH", "/_sandbox/settings", json=changes).status_code == 200


def test_they_come_by_the_page_and_look_like_pods(large: Api) -> None:
    listed = list(pages(large))
    assert [len(page) for page in listed] == [1000, 1000, 500]
    pods = [pod for page in listed for pod in page]
    assert len({pod["id"] for pod in pods}) == MANY
    states = Counter(pod["status"] for pod in pods)
    assert set(states) == {"RUNNING", "EXITED", "STARTING", "PROVISIONING", "ERROR"}
    assert states["RUNNING"] > MANY / 2
    addressed = [pod for pod in pods if pod["ssh"]["direct"]]
    assert MANY / 2 < len(addressed) < states["RUNNING"], "a few that run have no address"
    assert all(pod["ssh"]["direct"]["host"].startswith("198.1") for pod in addressed)
    assert max(Counter(pod["name"] for pod in pods).values()) > 1, "people name several pods alike"


def test_one_of_them_has_the_fields_of_a_real_pod(large: Api) -> None:
    paper = next(pod for page in pages(large) for pod in page if pod["ssh"]["direct"] and pod["mounts"])
    real = large.answering(mounts={"persistent": {"size": 20, "path": "/workspace"}})
    assert _shape(paper) == _shape(large.pod(real["id"]))
    assert large.pod(paper["id"])["name"] == paper["name"]


def _shape(value: Any) -> Any:
    """Names and types all the way down, without the values."""
    if isinstance(value, dict):
        return {name: _shape(item) for name, item in value.items() if name != "env"}
    if isinstance(value, list):
        return [_shape(item) for item in value[:1]]
    return type(value).__name__


def test_the_same_seed_gives_the_same_pods() -> None:
    def told(seed: int) -> list[Any]:
        return [(pod.id, pod.config, pod.status, pod.address, pod.ssh_port()) for pod in make_fake_pods(200, seed, 1)]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_they_bill_nothing_and_take_nobodys_place(large: Api) -> None:
    status = large.status()
    assert status["many_pods"] == MANY
    assert status["pods"] == []
    assert status["balance_usd"] == 100
    assert large.get("/v2/billing/pods").json()["records"] == []
    running = large.running(name="real")
    assert [pod["name"] for page in pages(large) for pod in page][-1] == running["name"]


def test_one_can_be_ended_and_nothing_else(large: Api) -> None:
    page = large.get("/v2/pods", params={"limit": 50}).json()["pods"]
    pod = next(pod for pod in page if pod["status"] == "RUNNING")
    for answer in (large.act(pod["id"], "stop"), large.call("PATCH", f"/v2/pods/{pod['id']}", json={"name": "x"})):
        assert answer.status_code == 409
        assert "fake pod" in answer.json()["detail"]
    assert large.delete(f"/v2/pods/{pod['id']}").status_code == 204
    assert large.get(f"/v2/pods/{pod['id']}").status_code == 404
    assert large.status()["many_pods"] == MANY - 1


def test_their_number_can_be_changed_while_the_sandbox_is_up(api: Api) -> None:
    api.running(name="real")
    for number in (3, 7, 0):
        settings(api, many_pods=number)
        assert len(api.names()) == number + 1
    assert api.names() == ["real"]
