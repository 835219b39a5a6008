# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's life as the API shows it: stages, actions, changes, ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stand_in import Api, ServerThread, banner, is_running, until

WORKSPACE = {"persistent": {"size": 20, "path": "/workspace"}}


def test_stages_come_in_order_and_each_can_be_seen(tmp_path: Path) -> None:
    """At the pace that users get, a client that polls five times a second sees every stage."""
    thread = ServerThread(tmp_path / "fast", pace=None)
    try:
        api = Api(thread.url, thread.home.api_key())
        pod_id, seen = api.made()["id"], []

        def look() -> dict[str, Any]:
            pod = api.pod(pod_id)
            stage = (pod["status"], pod["dataCenterId"] is not None, pod["ssh"]["direct"] is not None)
            if stage not in seen:
                seen.append(stage)
            return pod

        pod = until(look, is_running)
        assert seen == [
            ("PROVISIONING", False, False),
            ("STARTING", True, False),
            ("RUNNING", True, False),
            ("RUNNING", True, True),
        ]
        port = pod["ssh"]["direct"]["port"]
        assert banner(port) is None, "sshd answers later than the port is shown"
        assert until(lambda: banner(port), lambda said: said is not None).startswith(b"SSH-2.0-")
    finally:
        thread.close()


def test_starting_pod(sandbox: ServerThread, api: Api) -> None:
    api.fault("never-ready", status="STARTING")
    pod = api.until(api.made()["id"], lambda pod: pod["status"] == "STARTING")
    assert pod["actions"] == ["stop", "terminate"]
    assert pod["ssh"]["direct"] is None and pod["runtime"] is None and pod["startedAt"] is None
    proxy = pod["ssh"]["proxy"]
    assert proxy["username"].startswith(f"{pod['id']}-")
    assert proxy == {
        "host": "ssh.runpod.io",
        "port": 22,
        "username": proxy["username"],
        "command": f"ssh {proxy['username']}@ssh.runpod.io",
    }


def test_running_pod(api: Api) -> None:
    pod = api.running(ports=["22/tcp", "8888/http"])
    port = pod["ssh"]["direct"]["port"]
    assert pod["actions"] == ["stop", "restart", "terminate"]
    assert pod["ssh"]["direct"] == {
        "host": "127.0.0.1",
        "port": port,
        "username": "root",
        "command": f"ssh root@127.0.0.1 -p {port}",
    }
    assert pod["runtime"]["gpus"] == [{"util": 0, "memoryUtil": 0}]
    assert pod["runtime"]["ports"] == [
        {"private": 22, "public": port, "type": "tcp", "ip": "127.0.0.1"},
        {"private": 8888, "public": None, "type": "http", "ip": None},
    ]
    assert pod["startedAt"] >= pod["createdAt"]


def test_no_direct_ssh_unless_port_22_was_asked_for(api: Api) -> None:
    pod = api.until(api.made(ports=[])["id"], lambda pod: pod["runtime"] is not None)
    assert pod["ssh"]["direct"] is None and pod["ssh"]["proxy"] is not None


def test_stop_start_restart(sandbox: ServerThread, api: Api) -> None:
    first = api.answering(mounts=WORKSPACE)
    pod_id, old_port = first["id"], first["ssh"]["direct"]["port"]
    stopped = api.act(pod_id, "stop")
    assert stopped.status_code == 200
    pod = stopped.json()
    assert (pod["status"], pod["actions"], pod["cost"]) == ("EXITED", ["start", "terminate"], 0.0)
    assert pod["runtime"] is None and pod["ssh"]["direct"] is None and pod["ssh"]["proxy"] is not None
    assert pod["cudaVersion"] == first["cudaVersion"]
    assert banner(old_port) is None
    assert pod_id in sandbox.pods.mounts

    assert api.act(pod_id, "start").json()["status"] == "STARTING"
    ports = []
    pod = until(
        lambda: api.pod(pod_id),
        lambda pod: is_running(pod) and (ports.append(pod["ssh"]["direct"]["port"]) or ports[-1] != old_port),
    )
    assert ports[:-1] == [old_port, old_port], "the old port is readable for a few reads after a start"
    assert pod["cost"] == first["cost"]
    assert until(lambda: banner(ports[-1]), bool).startswith(b"SSH")

    assert api.act(pod_id, "restart").json()["status"] == "STARTING"
    again = api.until(pod_id, lambda pod: is_running(pod) and pod["ssh"]["direct"]["port"] not in ports)
    assert again["dataCenterId"] == first["dataCenterId"]
    hosts = [spec.hostname for spec in sandbox.pods.specs]
    assert len(set(hosts)) == 3, "the host name is a new one at each start"


@pytest.mark.parametrize(("action", "status"), [("start", "RUNNING"), ("restart", "EXITED"), ("stop", "EXITED")])
def test_illegal_actions(api: Api, action: str, status: str) -> None:
    pod = api.running()
    if status == "EXITED":
        api.act(pod["id"], "stop")
    answer = api.act(pod["id"], action)
    assert answer.status_code == 409
    assert answer.json() == {
        "title": "Conflict",
        "status": 409,
        "detail": f"action {action} is not valid for status {status}",
    }


def test_unknown_action(api: Api) -> None:
    answer = api.act(api.made()["id"], "reset")
    assert answer.status_code == 422
    assert answer.json()["errors"] == ["$.action: value must be one of 'start', 'stop', 'restart', 'terminate'"]


def test_stop_while_starting_is_final(sandbox: ServerThread, api: Api) -> None:
    pod = api.made()
    assert api.act(pod["id"], "stop").json()["status"] == "EXITED"
    other = api.running(name="other")  # by then the first would have run, had the stop not held
    assert api.pod(pod["id"])["status"] == "EXITED"
    assert [spec.id for spec in sandbox.pods.specs] == [other["id"]]


@pytest.mark.parametrize("by_action", [True, False])
def test_terminate(sandbox: ServerThread, api: Api, by_action: bool) -> None:
    pod = api.answering(mounts=WORKSPACE)
    answer = api.act(pod["id"], "terminate") if by_action else api.delete(f"/v2/pods/{pod['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    gone = api.get(f"/v2/pods/{pod['id']}")
    assert (gone.status_code, gone.json()["detail"]) == (404, "resource not found")
    assert api.names() == []
    assert api.delete(f"/v2/pods/{pod['id']}").status_code == 404
    assert banner(pod["ssh"]["direct"]["port"]) is None
    assert sandbox.pods.mounts == set()


def test_terminate_in_any_status(api: Api) -> None:
    for prepare in ("PROVISIONING", "STARTING", "EXITED", "ERROR"):
        if prepare == "ERROR":
            api.fault("image-not-found", times=1)
        elif prepare != "EXITED":
            api.fault("never-ready", times=1, status=prepare)
        pod = api.made(name=prepare)
        if prepare == "EXITED":
            api.act(pod["id"], "stop")
        api.until(pod["id"], lambda pod: pod["status"] == pod["name"])
        assert api.delete(f"/v2/pods/{pod['id']}").status_code == 204
    assert api.names() == []


def patch(api: Api, pod_id: str, **changes: Any) -> Any:
    return api.call("PATCH", f"/v2/pods/{pod_id}", json=changes)


def test_patch_that_leaves_the_container_alone(sandbox: ServerThread, api: Api) -> None:
    pod = api.running(mounts=WORKSPACE)
    bigger = {"persistent": {"size": 40, "path": "/workspace"}}
    answer = patch(api, pod["id"], name="other", locked=True, mounts=bigger, env=pod["env"])
    assert answer.status_code == 200
    changed = answer.json()
    assert (changed["name"], changed["locked"], changed["mounts"]) == ("other", True, bigger)
    assert changed["status"] == "RUNNING" and len(sandbox.pods.specs) == 1
    assert api.act(pod["id"], "stop").status_code == 409
    patch(api, pod["id"], locked=False)
    assert api.act(pod["id"], "stop").status_code == 200


def test_patch_that_resets_the_container(sandbox: ServerThread, api: Api) -> None:
    pod = api.running(env={"A": "1", "B": "2"})
    answer = patch(api, pod["id"], env={"C": "3"})
    assert answer.json()["env"] == {"C": "3"}, "env is replaced as a whole"
    assert answer.json()["status"] == "STARTING"
    api.until(pod["id"], is_running)
    assert len(sandbox.pods.specs) == 2 and "A" not in sandbox.pods.specs[1].env


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"mounts": {"network": []}}, 400),
        ({"mounts": {"network": [{"volumeId": "v", "path": "/w"}]}}, 400),
        ({"mounts": {"persistent": {"size": 10, "path": "/workspace"}}}, 400),
        ({"mounts": {"persistent": {"size": 30}}}, 422),
        ({"gpu": {"id": "NVIDIA L4", "count": 1}}, 422),
        ({"cloud": "COMMUNITY"}, 422),
        ({"startSsh": True}, 422),
        ({"templateId": "nosuch"}, 404),
    ],
)
def test_patch_that_is_refused(api: Api, changes: dict[str, Any], status: int) -> None:
    pod = api.made(mounts=WORKSPACE)
    assert patch(api, pod["id"], **changes).status_code == status
    assert api.pod(pod["id"])["mounts"] == WORKSPACE


def test_patch_cannot_add_a_mount(api: Api) -> None:
    pod = api.made()
    assert patch(api, pod["id"], mounts=WORKSPACE).status_code == 400
    assert patch(api, pod["id"], mounts={}).status_code == 200


def test_pages(api: Api) -> None:
    names = [f"pod-{number}" for number in range(5)]
    for name in names:
        api.made(name=name)
    assert api.get("/v2/pods").json()["pagination"] == {"hasNextPage": False, "nextCursor": None}
    seen, query = [], "limit=2"
    while True:
        page = api.get(f"/v2/pods?{query}").json()
        seen += [pod["name"] for pod in page["pods"]]
        assert page["pagination"]["hasNextPage"] == (page["pagination"]["nextCursor"] is not None)
        if not page["pagination"]["hasNextPage"]:
            break
        query = f"limit=2&cursor={page['pagination']['nextCursor']}"
    assert seen == names


@pytest.mark.parametrize("query", ["cursor=nonsense", "cursor=b3RoZXI6MQ==", "limit=0", "limit=1001", "limit=x"])
def test_malformed_pages(api: Api, query: str) -> None:
    assert api.get(f"/v2/pods?{query}").status_code == 422


def test_pod_with_a_value_that_makes_no_pod_ends_in_error(api: Api) -> None:
    pod = api.made(env={"A=B": "x"})
    assert api.until(pod["id"], lambda pod: pod["status"] == "ERROR")["actions"] == ["start", "terminate"]
