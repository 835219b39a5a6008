# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every knob by which a stand-in for RunPod must be able to misbehave, shown at the wire: one test a knob."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from stand_in import CAPACITY, IMAGE, Api, ServerThread, banner, is_running, until, wanted

from podyard_sandbox.pace import Pace


def problem(answer: requests.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    return answer.json()


@pytest.mark.parametrize(
    ("stage", "status"), [("provisioning", "PROVISIONING"), ("starting", "STARTING"), ("direct", "RUNNING")]
)
def test_knob_seconds_per_stage(sandbox: ServerThread, api: Api, stage: str, status: str) -> None:
    api.fault("slow-stage", stage=stage, seconds=3600)
    pod = api.made()
    api.until(pod["id"], lambda shown: shown["status"] == status)
    # Every other stage is quick: a pod that the fault is not for passes all of them meanwhile.
    api.call("DELETE", "/_sandbox/faults/slow-stage")
    api.running()
    shown = api.pod(pod["id"])
    assert shown["status"] == status and shown["ssh"]["direct"] is None


def test_knob_seconds_per_stage_by_pace(sandbox: ServerThread, api: Api) -> None:
    sandbox.server.cloud.pace = Pace("own", 3600, 0, 0, 0, 0, (1000, 1000, 1000))
    assert api.made()["status"] == "PROVISIONING"
    assert api.names() and api.get("/v2/pods").json()["pods"][0]["status"] == "PROVISIONING"


@pytest.mark.parametrize("status", ["PROVISIONING", "STARTING"])
def test_knob_never_ready(api: Api, status: str) -> None:
    api.fault("never-ready", status=status, times=1)
    hung = api.made()
    api.running()
    assert api.pod(hung["id"])["status"] == status
    assert api.status()["pods"][0]["billed_seconds"] > 0


def test_knob_running_but_no_direct_ssh(api: Api) -> None:
    api.fault("no-direct-ssh", times=1)
    pod = api.until(api.made()["id"], lambda shown: shown["status"] == "RUNNING")
    api.running()
    shown = api.pod(pod["id"])
    assert shown["status"] == "RUNNING" and shown["runtime"] is not None and shown["ssh"]["direct"] is None
    assert shown["ssh"]["proxy"] is not None


def test_knob_direct_ssh_but_sshd_refuses(api: Api) -> None:
    api.fault("sshd-late", seconds=0.5, times=1)
    pod = api.running()
    port = pod["ssh"]["direct"]["port"]
    assert banner(port) is None
    assert until(lambda: banner(port), bool).startswith(b"SSH-2.0-")


def test_knob_stale_port_after_start(api: Api) -> None:
    api.fault("stale-port", reads=4)
    pod = api.running()
    old = pod["ssh"]["direct"]["port"]
    api.act(pod["id"], "stop")
    api.act(pod["id"], "start")
    seen = [api.until(pod["id"], is_running)["ssh"]["direct"]["port"]]
    until(lambda: seen.append(api.pod(pod["id"])["ssh"]["direct"]["port"]) or seen[-1], lambda port: port != old)
    assert seen[:4] == [old] * 4 and len(seen) == 5


@pytest.mark.parametrize(
    ("params", "other"),
    [
        ({"gpu": "NVIDIA GeForce RTX 4090"}, {"gpu": {"id": "NVIDIA L4", "count": 1}}),
        ({"data_center": "EU-RO-1"}, {"dataCenterIds": ["US-IL-1"]}),
        ({"cloud": "SECURE"}, {"cloud": "COMMUNITY"}),
    ],
)
def test_knob_no_capacity(api: Api, params: dict[str, str], other: dict[str, Any]) -> None:
    api.fault("no-capacity", **params)
    assert problem(api.create(dataCenterIds=["EU-RO-1"]), 400)["detail"] == CAPACITY
    assert api.create(**other).status_code == 201


def test_knob_create_answers_500_but_made_it(api: Api) -> None:
    api.fault("create-500-but-made", times=1)
    problem(api.create(), 500)
    assert api.names() == [wanted()["name"]]


def test_knob_create_drops_the_line_but_made_it(api: Api) -> None:
    api.fault("create-drops-line", times=1)
    with pytest.raises(requests.ConnectionError):
        api.create()
    assert api.names() == [wanted()["name"]]


@pytest.mark.parametrize(
    ("operation", "path", "body", "key"),
    [
        ("createNetworkVolume", "network-volumes", {"size": 10, "dataCenter": "EU-RO-1"}, "networkVolumes"),
        ("createTemplate", "templates", {"image": IMAGE}, "templates"),
        ("createRegistry", "registries", {"username": "u", "password": "p"}, "registries"),
        ("createSecret", "secrets", {"value": "v"}, "secrets"),
    ],
)
def test_knob_create_of_something_else_that_was_made(
    api: Api, operation: str, path: str, body: dict[str, Any], key: str
) -> None:
    for fault in ("create-500-but-made", "create-drops-line", "create-drops-line-unmade"):
        api.fault(fault, operation=operation, times=1)
    assert api.create().status_code == 201  # a pod is none of it
    with pytest.raises(requests.ConnectionError):
        api.post(f"/v2/{path}", {"name": "never", **body})
    with pytest.raises(requests.ConnectionError):
        api.post(f"/v2/{path}", {"name": "dropped", **body})
    problem(api.post(f"/v2/{path}", {"name": "failed", **body}), 500)
    assert [one["name"] for one in api.get(f"/v2/{path}").json()[key]] == ["dropped", "failed"]


@pytest.mark.parametrize("header", [True, False])
def test_knob_429_with_retry_after(api: Api, header: bool) -> None:
    api.fault("rate-limited", retry_after=7, header=header, times=1)
    answer = api.get("/v2/pods")
    assert problem(answer, 429)["detail"] == "rate limit exceeded for the minute window"
    assert answer.headers.get("Retry-After") == ("7" if header else None)
    assert answer.headers["RateLimit"].startswith('"minute";r=0;t=7, ')
    assert api.get("/v2/pods").status_code == 200


def test_knob_small_quota(api: Api) -> None:
    api.fault("small-quota", minute=2)
    answers = [api.get("/v2/pods") for _request in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[1].headers["RateLimit"].startswith('"minute";r=0;')
    assert '"minute";q=2;w=60' in answers[2].headers["RateLimit-Policy"]
    assert 0 < int(answers[2].headers["Retry-After"]) <= 60


def test_knob_401_in_mid_run(api: Api) -> None:
    pod = api.running()
    api.fault("unauthorized", skip=1)
    assert api.get("/v2/pods").status_code == 200
    for answer in (api.get(f"/v2/pods/{pod['id']}"), api.delete(f"/v2/pods/{pod['id']}")):
        assert problem(answer, 401)["title"] == "Unauthorized"
        assert "RateLimit" not in answer.headers
    api.call("DELETE", "/_sandbox/faults/unauthorized")
    assert api.names() == [pod["name"]]


@pytest.mark.parametrize("path", ["/v1", "/v1/pods", "/v1/networkvolumes/abc"])
def test_knob_410_on_v1(api: Api, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 410 and answer.json()["status"] == 410


def test_knob_front_refuses_the_user_agent(api: Api) -> None:
    def refused(agent: str) -> bool:
        answer = api.get("/v2/pods", headers={"User-Agent": agent})
        if answer.status_code == 200:
            return False
        assert answer.status_code == 403 and answer.text == "error code: 1010"
        assert answer.headers["Content-Type"].startswith("text/plain")
        return True

    assert refused("Python-urllib/3.12") and not refused("podyard.gpu/1.0")
    api.fault("agent-refused", agent="podyard*")
    assert refused("podyard.gpu/1.0") and not refused("curl/8")


def test_knob_invisible_after_create(api: Api) -> None:
    api.fault("invisible-after-create", reads=2)
    pod = api.made()
    assert api.names() == []
    problem(api.get(f"/v2/pods/{pod['id']}"), 404)
    assert api.names() == [pod["name"]]


@pytest.mark.parametrize("blames", [False, True])
def test_knob_422_with_the_unknown_fields(api: Api, blames: bool) -> None:
    if blames:
        api.fault("blames-valid-fields")
    answer = api.post("/v2/pods", {"name": "x", "imageName": "i", "gpuTypeIds": ["NVIDIA L4"]})
    extra = "'gpuTypeIds', 'imageName', 'name'" if blames else "'gpuTypeIds', 'imageName'"
    assert problem(answer, 422)["errors"] == [
        "$: missing property 'image'",
        f"$: additional properties {extra} not allowed",
    ]


def test_knob_409_for_an_illegal_action(api: Api) -> None:
    pod = api.running()
    assert problem(api.act(pod["id"], "start"), 409)["title"] == "Conflict"
    api.act(pod["id"], "stop")
    assert "restart" in problem(api.act(pod["id"], "restart"), 409)["detail"]
    assert problem(api.act(pod["id"], "reset"), 422)["errors"]


def test_knob_host_lost(api: Api) -> None:
    pod = api.running()
    api.fault("host-lost", pod=pod["id"])
    until(api.names, lambda names: names == [])
    problem(api.get(f"/v2/pods/{pod['id']}"), 404)
    assert api.status()["pods"][0]["state"] == "LOST"


def test_knob_balance_spent(api: Api) -> None:
    volume = api.post("/v2/network-volumes", {"name": "ds", "size": 10, "dataCenter": "EU-RO-1"}).json()
    kept = api.running(name="kept", mounts={"network": [{"volumeId": volume["id"], "path": "/data"}]})
    api.running(name="lost")
    assert api.call("PATCH", "/_sandbox/settings", json={"balance": 0}).status_code == 200
    until(api.names, lambda names: names == ["kept"])
    api.until(kept["id"], lambda shown: shown["status"] == "EXITED")
    assert "insufficient balance" in problem(api.create(), 402)["detail"]


def test_knob_small_pages(api: Api) -> None:
    for name in "abc":
        api.made(name=name)
    api.fault("small-pages", size=2)
    first = api.get("/v2/pods", params={"limit": 1000}).json()
    assert [pod["name"] for pod in first["pods"]] == ["a", "b"] and first["pagination"]["hasNextPage"]
    rest = api.get("/v2/pods", params={"cursor": first["pagination"]["nextCursor"]}).json()
    assert [pod["name"] for pod in rest["pods"]] == ["c"]
    assert rest["pagination"] == {"hasNextPage": False, "nextCursor": None}


def test_knob_env_returned(api: Api) -> None:
    pod = api.made(env={"TOKEN": "in clear"})
    assert pod["env"] == api.pod(pod["id"])["env"] == {"TOKEN": "in clear"}
    api.fault("env-withheld")
    assert api.pod(pod["id"])["env"] == {}
    assert [shown["env"] for shown in api.get("/v2/pods").json()["pods"]] == [{}]


# What clients of the service met, beyond the knobs


def test_refused_by_what_lies_behind_the_api(api: Api) -> None:
    api.fault("create-refused", times=1)
    said = 'Field "objectMounts" is not defined by type "PodFindAndDeployOnDemandInput".'
    assert problem(api.create(), 400)["detail"] == said


def test_restart_loop(sandbox: ServerThread, api: Api) -> None:
    api.fault("restart-loop", times=1)
    pod = api.running()
    assert sandbox.pods.specs[0].args == "sh -c 'echo starting; exit 1'"
    assert api.pod(pod["id"])["status"] == "RUNNING" and banner(pod["ssh"]["direct"]["port"]) is None


@pytest.mark.parametrize(
    ("fault", "params", "said"),
    [
        ("image-store-broken", {"reading": "layer"}, "layer does not exist"),
        ("image-store-broken", {"reading": "uid"}, "cannot be mapped to a host ID"),
        ("image-needs-credentials", {"image": "runpod/*"}, "pull access denied"),
        ("pull-rate-limited", {}, "toomanyrequests"),
    ],
)
def test_image_troubles(sandbox: ServerThread, api: Api, fault: str, params: dict[str, str], said: str) -> None:
    api.fault(fault, **params)
    pod = api.made()
    api.until(pod["id"], lambda shown: shown["status"] == "ERROR")
    texts = [line.text for line in sandbox.pods.log(pod["id"], "system").lines()]
    assert said in texts[-1]


def test_a_credential_opens_a_private_image(api: Api) -> None:
    api.fault("image-needs-credentials", image="runpod/*")
    registry = api.post("/v2/registries", {"name": "hub", "username": "me", "password": "x"}).json()
    api.running(registry=registry["id"])


@pytest.mark.parametrize(("body", "text"), [("html", "<html>"), ("empty", "")])
def test_odd_body_of_a_success(api: Api, body: str, text: str) -> None:
    api.fault("odd-body", body=body, operation="createPod,getPod")
    answer = api.create()
    assert answer.status_code == 201 and answer.text.startswith(text) and not answer.text.startswith("{")
    pod = api.get("/v2/pods").json()["pods"][0]
    assert api.get(f"/v2/pods/{pod['id']}").headers["Content-Type"].startswith("text/")


def test_title_case_enums(api: Api) -> None:
    query = {"include": "AVAILABILITY", "product": "POD"}
    one = "/v2/catalog/gpus/NVIDIA GeForce RTX 4090"
    assert api.get(one, params=query).json()["availability"] == "HIGH"
    api.fault("title-case-enums")
    shown = api.get(one, params=query).json()
    assert shown["availability"] == "High"
    assert {place["availability"] for place in shown["dataCenters"]} == {"High", "Medium"}
    assert "availability" not in api.get(one).json()


@pytest.mark.parametrize(("reading", "status"), [("410", 410), ("404", 404), ("schema", 400)])
def test_graphql_gone(api: Api, reading: str, status: int) -> None:
    query = {"query": "query { myself { clientBalance } }"}
    assert api.post("/graphql", query).json()["data"]["myself"]["clientBalance"] == 100
    api.fault("graphql-gone", reading=reading)
    answer = api.post("/graphql", query)
    assert answer.status_code == status and "data" not in answer.json()
    assert api.get("/v2/pods").status_code == 200


def test_data_center_priority(api: Api) -> None:
    wish = {"dataCenterIds": ["EUR-IS-2", "EU-RO-1"], "dataCenterPriority": "custom"}
    assert "dataCenterPriority" in problem(api.create(**wish), 422)["errors"][0]
    api.fault("data-center-priority")
    assert api.running(**wish)["dataCenterId"] == "EUR-IS-2"
    assert api.running(**{**wish, "dataCenterPriority": "availability"})["dataCenterId"] == "EU-RO-1"
    assert "dataCenterPriority" in problem(api.create(**{**wish, "dataCenterPriority": "x"}), 422)["errors"][0]


def test_lower_case_data_center(api: Api) -> None:
    assert problem(api.create(dataCenterIds=["eu-ro-1"]), 400)["detail"] == CAPACITY
    api.fault("lower-case-data-center")
    broken = api.made(dataCenterIds=["eu-ro-1"])
    api.running()
    assert api.pod(broken["id"])["status"] == "PROVISIONING"
    volume = api.post("/v2/network-volumes", {"name": "ds", "size": 10, "dataCenter": "eu-ro-1"}).json()
    assert volume["dataCenter"] == "eu-ro-1"
    mounts = {"network": [{"volumeId": volume["id"], "path": "/data"}]}
    assert problem(api.create(mounts=mounts), 400)["detail"] == CAPACITY


# Rules of a change


def test_locked_pod(api: Api) -> None:
    pod = api.running()
    path = f"/v2/pods/{pod['id']}"
    assert api.call("PATCH", path, json={"locked": True}).json()["locked"] is True
    assert problem(api.act(pod["id"], "stop"), 409)["detail"] == "pod is locked"
    problem(api.act(pod["id"], "restart"), 409)
    problem(api.call("PATCH", path, json={"env": {"A": "1"}}), 409)
    assert api.call("PATCH", path, json={"name": "other"}).status_code == 200
    assert api.call("PATCH", path, json={"locked": False, "env": {"A": "1"}}).status_code == 200


def test_a_larger_mount_is_there_after_stop_and_start(sandbox: ServerThread, api: Api) -> None:
    def sizes() -> list[str]:
        lines = [line.text for line in sandbox.pods.log(pod["id"], "system").lines()]
        return [line.split()[3] for line in lines if line.startswith("mount volume")]

    pod = api.running(mounts={"persistent": {"size": 20, "path": "/workspace"}})
    path = f"/v2/pods/{pod['id']}"
    larger = {"persistent": {"size": 40, "path": "/workspace"}}
    assert api.call("PATCH", path, json={"mounts": larger}).json()["mounts"] == larger == api.pod(pod["id"])["mounts"]
    api.act(pod["id"], "restart")
    api.until(pod["id"], is_running)
    assert sizes() == ["20", "20"]
    api.act(pod["id"], "stop")
    api.act(pod["id"], "start")
    api.until(pod["id"], is_running)
    assert sizes() == ["20", "20", "40"]


def test_global_networking_of_a_place_without(api: Api) -> None:
    change = {"globalNetworking": True}
    there = api.running(gpu={"id": "NVIDIA H100 80GB HBM3", "count": 1}, dataCenterIds=["EUR-IS-1"])
    assert "globalNetworking" in problem(api.call("PATCH", f"/v2/pods/{there['id']}", json=change), 400)["detail"]
    here = api.running(dataCenterIds=["EU-RO-1"])
    assert api.call("PATCH", f"/v2/pods/{here['id']}", json=change).json()["globalNetworking"] == {"enabled": False}
    api.act(here["id"], "restart")
    assert api.until(here["id"], is_running)["globalNetworking"]["enabled"] is True
