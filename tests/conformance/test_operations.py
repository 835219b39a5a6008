# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operation that the sandbox stands in for, asked well and badly; every answer is as RunPod describes it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from deviations import Deviations
from exchanges import Judge, report
from our_driver import use_everything
from stand_in import IMAGE, PATIENCE, Api, ServerThread, is_running, until, wanted

from podyard_sandbox.settings import Settings

# What neither the sandbox nor the collection is for.
LEFT_OUT = re.compile(r"/v2/(serverless|clusters|registries/delegations)(/|$)")
# These refusals are for members of clusters, of which there are none.
IN_CLUSTERS = [("updatePod", 409), ("deletePod", 409)]
# The service was seen to answer 400 for it, "Registry auth not found".
OTHERWISE = [("deleteRegistry", 404)]
# Our driver reads the lists instead, which tell the same, and of more.
NOT_OURS = ["getCpuType", "getDataCenter", "getGpuType", "getNetworkVolume", "getRegistry"]
GOOD_STATUSES = (200, 201, 204)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEqMdNDkPqKOLzmoxtuAYCfQJ3M5+Wbh4yZ0rRzYkDxj walk"


class Walk:
    """A plain client that says what it expects."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def __call__(self, status: int, method: str, path: str, body: Any = None, **options: Any) -> Any:
        answer = self.api.call(method, path, **({"json": body} if body is not None else {}), **options)
        assert answer.status_code == status, f"{method} {path} {body}: {answer.status_code} {answer.text}"
        return answer.json() if answer.text else None

    def made(self, path: str, **body: Any) -> str:
        """The id of something new."""
        return self(201, "POST", path, body)["id"]

    # What can be done

    def pods(self) -> None:
        everything = wanted(
            name="all", ports=["22/tcp", "8888/http"], cloud="SECURE", dataCenterIds=["EU-RO-1"], startSsh=True,
            startJupyter=True, globalNetworking=False, mounts={"persistent": {"size": 20, "path": "/workspace"}},
            gpu={"id": "NVIDIA GeForce RTX 4090", "count": 1, "minCudaVersion": "12.4", "minRamPerGpu": 8},
            args="sleep infinity",
        )  # fmt: skip
        pod = self.made("/v2/pods", **everything)
        self(200, "GET", "/v2/pods")
        self(200, "GET", "/v2/pods?includeClusterPods=true&limit=1")
        self.api.until(pod, is_running)
        self(200, "PATCH", f"/v2/pods/{pod}", {"name": "renamed"})
        self(200, "PATCH", f"/v2/pods/{pod}", {"env": {"A": "b"}, "ports": ["22/tcp"], "disk": 30})
        self.api.until(pod, is_running)
        with self.api.get(f"/v2/pods/{pod}/logs?source=container&tail=5", stream=True) as answer:
            assert next(answer.iter_content(None))
        for status, action in ((200, "restart"), (200, "stop"), (409, "restart"), (200, "start")):
            self(status, "POST", f"/v2/pods/{pod}/action", {"action": action})
            until(lambda: self.api.pod(pod)["status"], lambda now: now in ("RUNNING", "EXITED"))
        self(200, "PATCH", f"/v2/pods/{pod}", {"locked": True})
        self(409, "POST", f"/v2/pods/{pod}/action", {"action": "stop"})
        self(422, "POST", f"/v2/pods/{pod}/action", {"action": "reset"})
        self(422, "GET", f"/v2/pods/{pod}/logs?tail=9999")
        self(200, "PATCH", f"/v2/pods/{pod}", {"locked": False})
        self(400, "PATCH", f"/v2/pods/{pod}", {"mounts": {"network": []}})
        self(422, "PATCH", f"/v2/pods/{pod}", {"gpu": {"id": "x"}})
        self(204, "POST", f"/v2/pods/{pod}/action", {"action": "terminate"})
        self(404, "GET", f"/v2/pods/{pod}")
        self(204, "DELETE", f"/v2/pods/{self.made('/v2/pods', **wanted(name='short'))}")

    def refused_pods(self) -> None:
        self(422, "POST", "/v2/pods", {"name": "x"})
        self(422, "POST", "/v2/pods", {**wanted(), "gpuTypeIds": ["NVIDIA L4"]})
        self(400, "POST", "/v2/pods", wanted(gpu={"id": "NVIDIA H200", "count": 64}))
        self(404, "POST", "/v2/pods", wanted(registry="none"))
        self(404, "POST", "/v2/pods", wanted(templateId="none"))
        with self.fault("low-balance"):
            self(402, "POST", "/v2/pods", wanted())
        with self.fault("as-in-example"):
            self.api.delete(f"/v2/pods/{self.made('/v2/pods', **wanted(name='as-in-example'))}")
        cpu = wanted(name="cpu", gpu=None, cpu={"id": "cpu3c", "vcpuCount": 2})
        if (answer := self.api.post("/v2/pods", json=cpu)).status_code == 201:
            self.api.until(answer.json()["id"], is_running)
            self(204, "DELETE", f"/v2/pods/{answer.json()['id']}")

    def volumes(self) -> None:
        path, place = "/v2/network-volumes", self.place()
        volume = self.made(path, name="data", size=10, dataCenter=place)
        self(200, "GET", f"{path}/{volume}")
        self(200, "PATCH", f"{path}/{volume}", {"name": "more", "size": 20})
        self(400, "PATCH", f"{path}/{volume}", {"size": 10})
        self(422, "PATCH", f"{path}/{volume}", {"dataCenter": "EU-RO-1"})
        self(422, "POST", path, {"name": "small", "size": 9, "dataCenter": place})
        self(400, "POST", path, {"name": "nowhere", "size": 10, "dataCenter": "XX-XX-1"})
        mounts = {"network": [{"volumeId": volume, "path": "/data"}]}
        pod = self.made("/v2/pods", **wanted(name="user", mounts=mounts, dataCenterIds=[place]))
        self(400, "DELETE", f"{path}/{volume}")
        self(204, "DELETE", f"/v2/pods/{pod}")
        self.pages(path, "networkVolumes", {"name": "other", "size": 10, "dataCenter": place})
        self(204, "DELETE", f"{path}/{volume}")

    def place(self) -> str:
        """A data centre with network volumes and some GPU to use them with."""
        listed = self(200, "GET", "/v2/catalog/datacenters?include=GPU_AVAILABILITY")["dataCenters"]
        for place in listed:
            gpus = {gpu["id"] for gpu in place["gpuAvailability"] if gpu["availability"] != "NONE"}
            if place["networkVolumeTypes"] and "NVIDIA GeForce RTX 4090" in gpus:
                return place["id"]
        raise AssertionError(f"no data centre has volumes and the GPU: {listed}")

    def templates(self) -> None:
        path = "/v2/templates"
        full = {
            "image": IMAGE, "args": "", "disk": 30, "ports": ["22/tcp"], "env": {"A": "b"}, "category": "NVIDIA",
            "mounts": {"persistent": {"size": 10, "path": "/workspace"}}, "startSsh": True, "startJupyter": False,
            "allowedCudaVersions": ["12.8"], "public": False, "serverless": False,
        }  # fmt: skip
        template = self.made(path, name="shop", **full)
        self(200, "GET", f"{path}/{template}")
        self(200, "PATCH", f"{path}/{template}", {"name": "shop 2", "env": {}, "mounts": {}})
        self(422, "PATCH", f"{path}/{template}", {"dockerArgs": "x"})
        self(422, "POST", path, {"name": "no image"})
        self(404, "POST", path, {"name": "no such registry", "image": IMAGE, "registry": "none"})
        pod = self.made("/v2/pods", name="of a template", templateId=template, gpu=wanted()["gpu"])
        self(400, "DELETE", f"{path}/{template}")
        self(204, "DELETE", f"/v2/pods/{pod}")
        self.pages(path, "templates", {"name": "other", "image": IMAGE})
        self(204, "DELETE", f"{path}/{template}")
        for source in ("official", "verified", "community"):
            for public in self(200, "GET", f"/v2/catalog/templates?source={source}")["templates"]:
                self(200, "GET", f"{path}/{public['id']}")
        self(422, "GET", "/v2/catalog/templates?source=none")

    def registries(self) -> None:
        path = "/v2/registries"
        registry = self.made(path, name="hub", username="u", password="p")
        self(200, "GET", f"{path}/{registry}")
        self(422, "POST", path, {"name": "hub"})
        pod = self.made("/v2/pods", **wanted(name="private", registry=registry))
        self(400, "DELETE", f"{path}/{registry}")
        self(204, "DELETE", f"/v2/pods/{pod}")
        self.pages(path, "registries", {"name": "other", "username": "u", "password": "p"})
        self(204, "DELETE", f"{path}/{registry}")

    def pages(self, path: str, key: str, another: dict[str, Any]) -> None:
        """A list of two or more, page by page."""
        other = self.made(path, **another)
        first = self(200, "GET", f"{path}?limit=1")
        assert len(first[key]) == 1 and first["pagination"]["hasNextPage"]
        self(200, "GET", f"{path}?limit=1&cursor={first['pagination']['nextCursor']}")
        self(422, "GET", f"{path}?cursor=nonsense")
        self(422, "GET", f"{path}?limit=0")
        self(204, "DELETE", f"{path}/{other}")

    def account(self) -> None:
        path = "/v2/account/ssh-keys"
        self(200, "PUT", path, {"keys": [KEY]})
        assert self(200, "GET", path)["keys"] == [KEY]
        self(422, "PUT", path, {"keys": ["no key"]})
        self(200, "PUT", path, {"keys": []})

    def catalogue(self) -> None:
        for kind, key in (("gpus", "gpus"), ("cpus", "cpus"), ("datacenters", "dataCenters")):
            path = f"/v2/catalog/{kind}"
            listed = self(200, "GET", path)[key]
            assert listed, kind
            include = "GPU_AVAILABILITY,CPU_AVAILABILITY" if kind == "datacenters" else "AVAILABILITY&product=POD"
            self(200, "GET", f"{path}?include={include}")
            for one in listed:
                self(200, "GET", f"{path}/{one['id']}")
                self(200, "GET", f"{path}/{one['id']}?include={include}")
            self(404, "GET", f"{path}/none")
            self(422, "GET", f"{path}?include=ALL")
        self(400, "GET", "/v2/catalog/gpus?include=AVAILABILITY")
        self(400, "GET", "/v2/catalog/cpus?include=AVAILABILITY")
        query = "include=AVAILABILITY&product=POD&count=2&cloud=COMMUNITY&minCudaVersion=12.4&countryCodes=FR,DE"
        self(200, "GET", f"/v2/catalog/gpus?{query}")
        self(200, "GET", "/v2/catalog/datacenters?regions=EUROPE&globalNetwork=true&networkVolumeTypes=STANDARD")

    def newer(self) -> None:
        """What the description does not know yet."""
        secret = self.made("/v2/secrets", name="token", value="s3cret")
        self(200, "GET", "/v2/secrets")
        self(200, "GET", f"/v2/secrets/{secret}")
        self(422, "POST", "/v2/secrets", {"name": "token"})
        self(200, "PATCH", f"/v2/secrets/{secret}", {"value": "other"})
        self(204, "DELETE", f"/v2/secrets/{secret}")
        with self.fault("title-case-enums"):
            self(200, "GET", "/v2/catalog/gpus?include=AVAILABILITY&product=POD")
        for body in ("html", "empty"):
            with self.fault("odd-body", operation="listPods,deleteRegistry", body=body):
                assert self.api.get("/v2/pods").status_code == 200
                registry = self.made("/v2/registries", name=body, username="u", password="p")
                assert self.api.delete(f"/v2/registries/{registry}").status_code == 204

    def of_other_ways(self) -> None:
        """Pods that REST would not have made, or whose user nobody tells."""
        query = "mutation ($input: PodFindAndDeployOnDemandInput) { podFindAndDeployOnDemand(input: $input) { id } }"
        old = {
            "name": "old", "imageName": IMAGE, "gpuTypeId": "NVIDIA L40S", "gpuCount": 1, "cloudType": "ALL",
            "containerDiskInGb": 20, "volumeInGb": 5,
        }  # fmt: skip
        answer = self(200, "POST", "/graphql", {"query": query, "variables": {"input": old}})
        pod = answer["data"]["podFindAndDeployOnDemand"]["id"]
        assert self(200, "GET", f"/v2/pods/{pod}")["mounts"]["persistent"]["size"] == 5
        self(204, "DELETE", f"/v2/pods/{pod}")
        with self.fault("ssh-user-told"):
            pod = self.api.running()
        assert pod["ssh"]["direct"]["username"] is None
        self(204, "DELETE", f"/v2/pods/{pod['id']}")

    def billing(self) -> None:
        for kind in ("", "/pods", "/network-volumes", "/serverless", "/endpoints", "/clusters"):
            path = f"/v2/billing{kind}"
            for bucket in ("hour", "day", "week", "month", "year"):
                self(200, "GET", f"{path}?bucketSize={bucket}&lastN=2")
            self(200, "GET", path)
            self(200, "GET", f"{path}?startTime=2026-05-01T00:00:00Z&endTime=2026-06-01T00:00:00Z")
        records = self(200, "GET", "/v2/billing/pods?bucketSize=hour")["records"]
        assert records, "pods were rented before"
        self(200, "GET", f"/v2/billing/pods?podId={records[0]['podId']}")

    # What can go wrong with any of them

    def fault(self, name: str, **params: Any) -> Any:
        return _Fault(self.api, name, params)

    def at_the_door(self, operation: Any, unknown: bool) -> None:
        """What one operation gets that is asked without a right to, too often, for nothing or while all is broken."""
        path = operation.template.replace("{id}", "none")
        headers = {"Authorization": ""}
        self(401, operation.method, path, headers=headers)
        self(401, operation.method, path, headers={"Authorization": "Bearer none"})
        for name, status, params in (
            ("forbidden", 403, {}),
            ("rate-limited", 429, {"retry_after": 7}),
            ("rate-limited", 429, {"retry_after": 7, "header": False}),
            ("server-error", 503, {}),
        ):
            with self.fault(name, operation=operation.name, **params):
                self(status, operation.method, path)
        for body in ("html", "empty"):
            with self.fault("server-error", operation=operation.name, status=502, body=body):
                assert self.api.call(operation.method, path).status_code == 502
        if unknown:
            status = 400 if (operation.name, 404) in OTHERWISE else 404
            self(status, operation.method, path, {"action": "stop"} if path.endswith("/action") else {"name": "x"})

    def bad_bodies(self, operation: Any, made: str) -> None:
        """No JSON, too much of it, and a field that nobody knows."""
        path = operation.template.replace("{id}", made)
        self(400, operation.method, path, data="{")
        self(413, operation.method, path, data=json.dumps({"name": "x" * 110_000}))
        self(422, operation.method, path, {"colour": "red"})

    def clear(self) -> None:
        """Remove what the walk has made, so that the next one has room."""
        for kind, key in (("pods", "pods"), ("templates", "templates"), ("network-volumes", "networkVolumes")):
            for each in self(200, "GET", f"/v2/{kind}")[key]:
                self(204, "DELETE", f"/v2/{kind}/{each['id']}")

    def elsewhere(self) -> None:
        self(404, "GET", "/v2/networkvolumes")
        self(405, "DELETE", "/v2/pods")
        agent = {"User-Agent": "Python-urllib/3.12"}
        assert self.api.get("/v2/pods", headers=agent).status_code == 403


class _Fault:
    """A fault that is on while the block runs."""

    def __init__(self, api: Api, name: str, params: dict[str, Any]) -> None:
        self._api, self._name, self._params = api, name, params

    def __enter__(self) -> None:
        self._api.fault(self._name, **{name: str(value) for name, value in self._params.items()})

    def __exit__(self, *_what: object) -> None:
        self._api.delete(f"/_sandbox/faults/{self._name}")


def served(description: Any) -> list[Any]:
    return [each for each in description.operations.values() if not LEFT_OUT.match(each.template)]


@pytest.fixture(scope="module")
def walked(description: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Judge, Deviations]]:
    """One who has seen the whole walk, and the deviations that it met."""
    work = tmp_path_factory.mktemp("walk")
    # `make test` looks through this one, too.
    record = Path(os.environ.get("PODYARD_SANDBOX_TRAFFIC", work)) / "operations"
    before = set(record.glob("*.jsonl"))
    sandbox = ServerThread(work / "home", Settings(traffic=record, balance=1000))
    try:
        walk = Walk(Api(sandbox.url, sandbox.home.api_key()))
        for part in (walk.pods, walk.refused_pods, walk.volumes, walk.templates, walk.registries, walk.account):
            part()
        walk.catalogue(), walk.newer(), walk.of_other_ways(), walk.billing(), walk.elsewhere()
        for operation in served(description):
            walk.at_the_door(operation, "{id}" in operation.template)
        for operation in served(description):
            if "requestBody" in operation.body:
                with_pod = walk.made("/v2/pods", **wanted(name="x")) if "/pods/" in operation.template else ""
                path = operation.template
                made = with_pod or (_some(walk, path) if "{id}" in path else "")
                walk.bad_bodies(operation, made)
        walk.clear()
        use_everything(walk.api, sandbox.home.api_key(), walk.place())
    finally:
        sandbox.close()
    deviations = Deviations.load()
    judge = Judge(description, deviations)
    for file in set(record.glob("*.jsonl")) - before:
        judge.read(file)
    return judge, deviations


def _some(walk: Walk, template: str) -> str:
    """Something whose change can be refused."""
    if "network-volumes" in template:
        return walk.made("/v2/network-volumes", name="v", size=10, dataCenter=walk.place())
    return walk.made("/v2/templates", name="t", image=IMAGE)


def test_every_answer_and_every_request_is_as_described(walked):
    judge, _deviations = walked
    assert not judge.findings, f"{len(judge.findings)} findings\n{report(judge.findings)}"


def test_every_operation_is_served(walked, description, capsys):
    """A new one of the description is missed here until it is served, or left out above with a reason."""
    judge, _deviations = walked
    good = {name for name, status in judge.statuses if status in GOOD_STATUSES}
    expected = {operation.name for operation in served(description)}
    assert sorted(expected - good) == []
    left_out = set(description.operations) - expected
    assert {"createEndpoint", "createCluster", "createDelegation"} <= left_out
    with capsys.disabled():
        print(
            f"\nmeasured: {len(expected)} of {len(description.operations)} operations served and validated,"
            f" {sum(judge.answers.values())} answers with {len(judge.statuses)} statuses;"
            f" {len(left_out)} are left out (serverless, clusters, delegations)"
        )


def test_every_documented_refusal_was_seen(walked, description):
    """Statuses that an operation lists: what nobody could provoke was not held against anything."""
    judge, _deviations = walked
    missing = []
    for operation in served(description):
        documented = {int(status) for status in operation.body["responses"] if status != "default"}
        seen = {status for name, status in judge.statuses if name == operation.name}
        missing += [(operation.name, status) for status in sorted(documented - seen)]
    assert sorted(missing) == sorted(IN_CLUSTERS + OTHERWISE)


def test_our_driver_used_what_it_can(walked, description):
    judge, _deviations = walked
    expected = {operation.name for operation in served(description)}
    assert sorted(expected - set(judge.requests)) == NOT_OURS


def test_no_deviation_is_left_over(walked):
    _judge, deviations = walked
    assert [(each.operations, each.where, each.statuses) for each in deviations.unused()] == []


def test_requests_without_a_key_are_not_served(description, tmp_path):
    sandbox = ServerThread(tmp_path / "home", Settings(traffic=None))
    try:
        for operation in served(description):
            path = operation.template.replace("{id}", "x")
            answer = requests.request(operation.method, sandbox.url + path, timeout=PATIENCE)
            assert answer.status_code == 401, operation.name
    finally:
        sandbox.close()
