# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GraphQL: another door to the same cloud."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from stand_in import CAPACITY, IMAGE, Api, ServerThread, until

RTX_4090 = "NVIDIA GeForce RTX 4090"
DEPLOY = "mutation ($input: PodFindAndDeployOnDemandInput) { podFindAndDeployOnDemand(input: $input) { id } }"
PORTS = "runtime { uptimeInSeconds ports { ip isIpPublic privatePort publicPort type } }"


def ask(api: Api, query: str, **variables: Any) -> requests.Response:
    return api.post("/graphql", {"query": query, "variables": variables})


def data(api: Api, query: str, **variables: Any) -> dict[str, Any]:
    answer = ask(api, query, **variables)
    assert answer.status_code == 200 and "errors" not in answer.json(), answer.text
    return answer.json()["data"]


def refused(api: Api, query: str, **variables: Any) -> dict[str, Any]:
    """The one error of a request that the schema allows."""
    answer = ask(api, query, **variables)
    assert answer.status_code == 200, answer.text
    (error,) = answer.json()["errors"]
    return error


def wanted(**changes: Any) -> dict[str, Any]:
    body = {"name": "by-graphql", "imageName": IMAGE, "gpuTypeId": RTX_4090, "gpuCount": 1, "cloudType": "SECURE"}
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def deployed(api: Api, **changes: Any) -> str:
    return data(api, DEPLOY, input=wanted(**changes))["podFindAndDeployOnDemand"]["id"]


def pod(api: Api, pod_id: str, fields: str) -> Any:
    return data(api, f"query ($id: String) {{ pod(input: {{podId: $id}}) {{ {fields} }} }}", id=pod_id)["pod"]


def running(api: Api, pod_id: str) -> dict[str, Any]:
    def look() -> Any:
        return pod(api, pod_id, f"desiredStatus {PORTS}")

    return until(look, lambda shown: shown["runtime"] is not None and shown["runtime"]["ports"])


# The schema, and what is no query of it


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ myself { nonsense } }", 'Cannot query field "nonsense" on type "User".'),
        ('{ pod(input: {podId: "x"}) { nonsense } }', 'Cannot query field "nonsense" on type "Pod".'),
        ("{ nonsense { id } }", 'Cannot query field "nonsense" on type "Query".'),
        ("mutation { podRestart { id } }", 'Cannot query field "podRestart" on type "Mutation".'),
        ("{ pod(input: {id: 1}) { name } }", 'Field "id" is not defined by type "PodFilter".'),
        ("{ myself { id }", "Syntax Error: Expected Name, found <EOF>."),
        ("nonsense", 'Syntax Error: Unexpected Name "nonsense".'),
        ("{ __schema { types { name } } }", "GraphQL introspection has been disabled"),
    ],
)
def test_a_query_against_the_schema_is_a_400(api: Api, query: str, message: str) -> None:
    answer = ask(api, query)
    assert answer.status_code == 400
    first = answer.json()["errors"][0]
    assert first["message"].startswith(message)
    assert first["extensions"]["code"] in ("GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED")
    assert "data" not in answer.json()


def test_variables_against_the_schema_are_a_400(api: Api) -> None:
    answer = ask(api, DEPLOY, input=wanted(objectMounts=None) | {"objectMounts": None})
    assert answer.status_code == 400
    message = answer.json()["errors"][0]["message"]
    assert message.startswith('Variable "$input" got invalid value ')
    assert message.endswith('; Field "objectMounts" is not defined by type "PodFindAndDeployOnDemandInput".')
    assert ask(api, DEPLOY, input=wanted(cloudType="EVERY")).status_code == 400
    assert api.names() == []


@pytest.mark.parametrize("body", [{}, {"query": 1}, [], "text"])
def test_no_query_at_all(api: Api, body: Any) -> None:
    answer = api.post("/graphql", body)
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, "Must provide query string.")


def test_no_json_at_all(api: Api) -> None:
    answer = api.post("/graphql", data=b"{")
    assert (answer.status_code, list(answer.json())) == (400, ["errors"])


def test_the_operation_that_is_named_is_done(api: Api) -> None:
    both = "query A { myself { email } } query B { myself { id } }"
    answer = api.post("/graphql", {"query": both, "operationName": "B"})
    assert list(answer.json()["data"]["myself"]) == ["id"]
    assert api.post("/graphql", {"query": both}).status_code == 400


# Who may ask


@pytest.mark.parametrize("key", ["", "rpa_wrong"])
def test_without_a_good_key(sandbox: ServerThread, key: str) -> None:
    answer = ask(Api(sandbox.url, key), "{ myself { id } }")
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_the_key_of_a_pod_reaches_that_pod_only(sandbox: ServerThread, api: Api) -> None:
    own, other = api.running(name="own"), api.running(name="other")
    key = next(spec.env["RUNPOD_API_KEY"] for spec in sandbox.pods.specs if spec.id == own["id"])
    inside = Api(sandbox.url, key)
    assert pod(inside, own["id"], "name") == {"name": "own"}
    assert pod(inside, other["id"], "name") is None
    end = "mutation ($id: String!) { podTerminate(input: {podId: $id}) }"
    assert refused(inside, end, id=other["id"])["extensions"]["code"] == "POD_NOT_FOUND"
    assert refused(inside, "{ myself { clientBalance } }")["message"] == "access denied"
    assert data(inside, end, id=own["id"]) == {"podTerminate": None}
    assert api.names() == ["other"]


def test_a_pod_s_key_without_rights(sandbox: ServerThread, api: Api) -> None:
    own = api.running()
    api.fault("pod-key-no-rights")
    inside = Api(sandbox.url, sandbox.pods.specs[0].env["RUNPOD_API_KEY"])
    assert ask(inside, f'{{ pod(input: {{podId: "{own["id"]}"}}) {{ id }} }}').status_code == 403


# What meets any request


def test_too_many_requests(api: Api) -> None:
    api.fault("rate-limited", operation="graphql", retry_after=7)
    answer = ask(api, "{ myself { id } }")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert "rate limit" in answer.json()["errors"][0]["message"]


def test_a_failure_of_the_server(api: Api) -> None:
    api.fault("server-error", operation="graphql", status=502, body="html", times=1)
    assert ask(api, "{ myself { id } }").status_code == 502
    api.fault("drops-line", operation="graphql", times=1)
    with pytest.raises(requests.ConnectionError):
        ask(api, "{ myself { id } }")
    assert ask(api, "{ myself { id } }").status_code == 200


@pytest.mark.parametrize(
    ("reading", "status", "text"),
    [("410", 410, "retired"), ("404", 404, "not found"), ("schema", 400, "Cannot query"), ("html", 200, "<html>")],
)
def test_when_it_is_gone(api: Api, reading: str, status: int, text: str) -> None:
    api.fault("graphql-gone", reading=reading)
    answer = ask(api, "{ myself { clientBalance } }")
    assert answer.status_code == status and text in answer.text
    assert api.get("/v2/pods").status_code == 200


# Pods


def test_a_pod_made_here_is_the_same_pod_in_rest(api: Api) -> None:
    pod_id = deployed(
        api,
        ports="8888/http, 22/tcp",
        env=[{"key": "A", "value": "1=2"}],
        dockerArgs="sleep infinity",
        containerDiskInGb=33,
        volumeInGb=5,
        volumeMountPath="/data",
        dataCenterId="EU-RO-1",
        startSsh=True,
        allowedCudaVersions=["12.8"],
    )
    shown = api.pod(pod_id)
    expected = {"name": "by-graphql", "image": IMAGE, "args": "sleep infinity", "disk": 33, "env": {"A": "1=2"}}
    expected |= {"ports": ["8888/http", "22/tcp"], "mounts": {"persistent": {"size": 5, "path": "/data"}}}
    assert {name: shown[name] for name in expected} == expected
    assert until(lambda: api.pod(pod_id), lambda seen: seen["dataCenterId"] is not None)["dataCenterId"] == "EU-RO-1"
    api.delete(f"/v2/pods/{pod_id}")
    assert pod(api, pod_id, "id") is None


def test_a_pod_made_in_rest_is_the_same_pod_here(api: Api) -> None:
    made = api.answering(ports=["22/tcp", "8888/http"], env={"A": "1"})
    fields = "name desiredStatus imageName env ports gpuCount costPerHr volumeInGb podType uptimeSeconds"
    shown = pod(api, made["id"], f"{fields} machine {{ gpuDisplayName location podHostId }} {PORTS}")
    ports = shown.pop("runtime")["ports"]
    machine = shown.pop("machine")
    assert machine["podHostId"] == made["ssh"]["proxy"]["username"]
    assert machine["gpuDisplayName"] == "RTX 4090"
    expected = {"name": made["name"], "desiredStatus": "RUNNING", "imageName": IMAGE, "env": ["A=1"], "gpuCount": 1}
    expected |= {"ports": "22/tcp,8888/http", "costPerHr": 0.69, "volumeInGb": 0, "podType": "RESERVED"}
    assert shown == {**expected, "uptimeSeconds": 0}
    direct = made["ssh"]["direct"]
    assert ports[0] == {
        "ip": direct["host"], "isIpPublic": True, "privatePort": 22, "publicPort": direct["port"], "type": "tcp",
    }  # fmt: skip
    assert (ports[1]["type"], ports[1]["isIpPublic"]) == ("http", False)
    assert ports[1]["ip"].startswith("100.65.")


def test_desired_status_is_what_is_wanted(api: Api) -> None:
    api.fault("never-ready", times=1)
    hangs = deployed(api, name="hangs")
    until(lambda: api.pod(hangs)["status"], lambda status: status == "STARTING")
    assert pod(api, hangs, "desiredStatus runtime { uptimeInSeconds }") == {"desiredStatus": "RUNNING", "runtime": None}
    api.fault("image-not-found", image="nosuch/*")
    fails = deployed(api, name="fails", imageName="nosuch/image:1")
    until(lambda: api.pod(fails)["status"], lambda status: status == "ERROR")
    assert pod(api, fails, "desiredStatus runtime { uptimeInSeconds }") == {"desiredStatus": "RUNNING", "runtime": None}


def test_stop_resume_terminate(api: Api) -> None:
    pod_id = deployed(api, ports="22/tcp")
    before = running(api, pod_id)["runtime"]["ports"][0]["publicPort"]
    stop = "mutation ($id: String!) { podStop(input: {podId: $id}) { id desiredStatus } }"
    api.fault("stop-late", reads=3)
    assert data(api, stop, id=pod_id)["podStop"] == {"id": pod_id, "desiredStatus": "EXITED"}
    assert pod(api, pod_id, "desiredStatus") == {"desiredStatus": "EXITED"}, "wanted, though it runs on"
    stopped = "desiredStatus lastStatusChange runtime { uptimeInSeconds }"
    shown = until(lambda: pod(api, pod_id, stopped), lambda seen: seen["runtime"] is None)
    assert shown["lastStatusChange"].startswith("Exited by User: ")
    resume = "mutation ($id: String!, $n: Int) { podResume(input: {podId: $id, gpuCount: $n}) { desiredStatus } }"
    assert refused(api, resume, id=pod_id, n=0)["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    api.fault("gpu-taken", times=1)
    taken = refused(api, resume, id=pod_id, n=1)
    assert taken["message"] == "There are not enough free GPUs on the host machine to start this pod."
    assert data(api, resume, id=pod_id, n=1)["podResume"] == {"desiredStatus": "RUNNING"}
    until(lambda: running(api, pod_id)["runtime"]["ports"][0]["publicPort"], lambda port: port != before)
    end = "mutation ($id: String!) { podTerminate(input: {podId: $id}) }"
    assert data(api, end, id=pod_id) == {"podTerminate": None}
    assert refused(api, end, id=pod_id) == {
        "message": "pod not found to terminate",
        "locations": [{"line": 1, "column": 27}],
        "path": ["podTerminate"],
        "extensions": {"code": "POD_NOT_FOUND"},
    }
    assert api.names() == []


def test_edit(api: Api) -> None:
    pod_id = deployed(api, ports="22/tcp", volumeInGb=20)
    running(api, pod_id)
    edit = "mutation ($input: PodEditJobInput!) { podEditJob(input: $input) { imageName env ports volumeInGb } }"
    change = {"podId": pod_id, "imageName": "other/image:2", "env": [{"key": "B", "value": "2"}], "volumeInGb": 30}
    shown = data(api, edit, input=change)["podEditJob"]
    assert shown == {"imageName": "other/image:2", "env": ["B=2"], "ports": "22/tcp", "volumeInGb": 30}
    assert api.pod(pod_id)["status"] == "STARTING", "an edit starts the container anew"
    assert "cannot be reduced" in refused(api, edit, input={"podId": pod_id, "volumeInGb": 10})["message"]
    assert refused(api, edit, input={"podId": "nosuchpod"})["extensions"]["code"] == "POD_NOT_FOUND"


def test_what_is_refused_at_a_create(api: Api) -> None:
    def text(**changes: Any) -> str:
        return refused(api, DEPLOY, input=wanted(**changes))["message"]

    none_left = [{"gpuCount": 9}, {"gpuTypeId": "NVIDIA Abacus"}, {"countryCode": "JP"}, {"minCudaVersion": "99.0"}]
    none_left += [{"compliance": ["ITAR"]}, {"cloudType": "ALL", "dataCenterId": "AP-JP-1"}]
    assert [text(**changes) for changes in none_left] == [CAPACITY] * len(none_left)
    assert text(imageName=None) == "imageName or templateId is required"
    assert "of the form" in text(ports="22")
    assert "minimum" in text(containerDiskInGb=0)
    assert text(networkVolumeId="nosuchvolume") == "resource not found"
    api.fault("low-balance", usd=0.01)
    assert "balance" in text()
    assert api.names() == []


CPU = "mutation ($i: deployCpuPodInput!) { deployCpuPod(input: $i) { id gpuCount vcpuCount memoryInGb costPerHr } }"


def test_cpu_pods(api: Api) -> None:
    given = {"name": "cpu", "imageName": IMAGE, "cloudType": "ALL", "ports": "22/tcp", "dataCenterId": "EU-RO-1"}
    made = data(api, CPU, i={**given, "instanceId": "cpu5g-4-16", "dataCenterId": "EUR-IS-2"})["deployCpuPod"]
    assert (made["gpuCount"], made["vcpuCount"], made["memoryInGb"]) == (0, 4, 16)
    shown = api.pod(made["id"])
    assert (shown["cpu"]["id"], shown["cost"]) == ("cpu5g", made["costPerHr"])
    assert pod(api, made["id"], "machine { gpuDisplayName location }") == {
        "machine": {"gpuDisplayName": None, "location": "IS"}
    }
    running(api, made["id"])
    assert data(api, CPU, i=given)["deployCpuPod"]["vcpuCount"] == 2, "the smallest, when none is named"
    for wrong in ("cpu9x-2-4", "cpu3c", "cpu5m-2-16"):
        assert refused(api, CPU, i={**given, "instanceId": wrong})["message"] == CAPACITY
    assert "power of two" in refused(api, CPU, i={**given, "instanceId": "cpu3c-3-6"})["message"]
    types = data(api, "{ cpuTypes { id displayName } }")["cpuTypes"]
    assert {"id": "cpu3c", "displayName": "Compute-Optimized"} in types


def test_the_machine_s_share_is_rest_s(api: Api) -> None:
    pod_id = deployed(api, gpuCount=2, minVcpuCount=10, minMemoryInGb=40)
    shown = pod(api, pod_id, "vcpuCount memoryInGb")
    assert shown["vcpuCount"] >= 10 and shown["memoryInGb"] >= 40
    assert refused(api, DEPLOY, input=wanted(minMemoryInGb=100_000))["message"] == CAPACITY


def test_spot_is_withdrawn(api: Api) -> None:
    query = "mutation ($i: PodRentInterruptableInput!) { podRentInterruptable(input: $i) { id } }"
    assert refused(api, query, i={**wanted(), "bidPerGpu": 0.1})["message"] == "Spot pods are no longer offered"
    resume = '{ podBidResume(input: {podId: "x", bidPerGpu: 0.1, gpuCount: 1}) { id } }'
    assert refused(api, f"mutation {resume}")["message"] == "Spot pods are no longer offered"


def test_any_cloud_is_the_one_that_has_a_machine(api: Api) -> None:
    assert api.pod(deployed(api, cloudType="ALL"))["cloud"] == "SECURE"
    assert api.pod(deployed(api, cloudType="ALL", countryCode="SE"))["cloud"] == "COMMUNITY"
    api.fault("no-capacity", cloud="SECURE")
    assert api.pod(deployed(api, cloudType=None))["cloud"] == "COMMUNITY"
    api.fault("no-capacity")
    assert refused(api, DEPLOY, input=wanted(cloudType="ALL"))["message"] == CAPACITY


def test_the_faults_of_a_create(api: Api) -> None:
    api.fault("create-500-but-made", times=1)
    error = refused(api, DEPLOY, input=wanted(name="made"))
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["message"] == "Something went wrong. Please try again later or contact support."
    api.fault("create-drops-line", times=1)
    with pytest.raises(requests.ConnectionError):
        ask(api, DEPLOY, input=wanted(name="made-too"))
    api.fault("phantom", times=1)
    assert pod(api, deployed(api, name="phantom"), "id") is None
    assert api.names() == ["made", "made-too"]
    api.fault("invisible-after-create", reads=2)
    hidden = deployed(api, name="hidden")
    assert [pod(api, hidden, "id") for _read in range(3)] == [None, None, {"id": hidden}]


def test_the_ledger_has_what_was_changed_here(api: Api) -> None:
    pod_id = deployed(api, name="counted")
    data(api, "{ myself { id } }")
    data(api, "mutation ($id: String!) { podTerminate(input: {podId: $id}) }", id=pod_id)
    seen = [(each["path"], each["operation"], each["pod_id"], each["name"]) for each in api.status()["requests"]]
    assert seen == [
        ("/graphql", "podFindAndDeployOnDemand", pod_id, "counted"),
        ("/graphql", "podTerminate", pod_id, "counted"),
    ]


def test_a_pod_ends_at_the_time_it_was_given(api: Api) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    kept, stops = deployed(api, name="kept", terminateAfter=later), deployed(api, name="stops", stopAfter=past)
    ends = deployed(api, name="ends", terminateAfter=past)
    until(lambda: pod(api, stops, "desiredStatus")["desiredStatus"], lambda status: status == "EXITED")
    until(lambda: pod(api, ends, "id"), lambda shown: shown is None)
    assert pod(api, kept, "desiredStatus") == {"desiredStatus": "RUNNING"}
    assert "time zone" in refused(api, DEPLOY, input=wanted(stopAfter="2026-11-23T10:00:00"))["message"]


# Catalogue


def test_gpu_types(api: Api) -> None:
    fields = "id displayName memoryInGb secureCloud communityCloud securePrice communityPrice maxGpuCount"
    lowest = "{ stockStatus uninterruptablePrice availableGpuCounts }"
    fields += f" lowestPrice(input: {{gpuCount: $n, secureCloud: $s}}) {lowest}"
    query = f"query ($n: Int = 1, $s: Boolean, $id: String) {{ gpuTypes(input: {{id: $id}}) {{ {fields} }} }}"

    def asked(gpu_id: str, **scope: Any) -> Any:
        (found,) = data(api, query, id=gpu_id, **scope)["gpuTypes"]
        return found

    found = asked(RTX_4090, n=1)
    assert found.pop("lowestPrice") == {
        "stockStatus": "High", "uninterruptablePrice": 0.34, "availableGpuCounts": list(range(1, 9)),
    }  # fmt: skip
    rest = api.get(f"/v2/catalog/gpus/{RTX_4090}").json()
    assert found == {
        "id": RTX_4090, "displayName": rest["name"], "memoryInGb": rest["memory"], "secureCloud": True,
        "communityCloud": True, "securePrice": 0.69, "communityPrice": 0.34, "maxGpuCount": 8,
    }  # fmt: skip
    assert asked(RTX_4090, s=True)["lowestPrice"]["uninterruptablePrice"] == 0.69
    assert asked("NVIDIA GeForce RTX 3090", s=True)["lowestPrice"]["stockStatus"] == "Low"
    assert asked("NVIDIA GeForce RTX 3090", s=True, n=2)["lowestPrice"]["stockStatus"] == "None"
    amd = asked("AMD Instinct MI300X OAM", s=False)["lowestPrice"]
    assert amd == {"stockStatus": "None", "uninterruptablePrice": None, "availableGpuCounts": []}
    assert data(api, query, id="NVIDIA Abacus") == {"gpuTypes": []}
    assert len(data(api, "{ gpuTypes { id } }")["gpuTypes"]) == len(api.get("/v2/catalog/gpus").json()["gpus"])
    api.fault("no-capacity", catalogue=True, gpu=RTX_4090)
    assert asked(RTX_4090)["lowestPrice"]["stockStatus"] == "None"


def test_data_centers(api: Api) -> None:
    query = "{ dataCenters { id name location gpuAvailability { gpuTypeId displayName stockStatus } } }"
    places = {place["id"]: place for place in data(api, query)["dataCenters"]}
    assert len(places) == 26
    assert (places["EU-RO-1"]["name"], places["EU-RO-1"]["location"]) == ("EU Romania 1", "RO")
    stock = {"gpuTypeId": RTX_4090, "displayName": "RTX 4090", "stockStatus": "High"}
    assert stock in places["EU-RO-1"]["gpuAvailability"]
    assert places["AP-JP-1"]["gpuAvailability"] != []


# What the account keeps


def test_myself(api: Api) -> None:
    made = api.made(name="one")
    fields = "id email pubKey clientBalance currentSpendPerHr spendLimit pods { id name } endpoints { id }"
    shown = data(api, f"{{ myself {{ {fields} }} }}")["myself"]
    assert shown["pods"] == [{"id": made["id"], "name": "one"}]
    assert (shown["endpoints"], shown["spendLimit"], shown["currentSpendPerHr"]) == ([], 80, 0.69)


def test_ssh_keys(api: Api) -> None:
    query = "mutation ($k: String) { updateUserSettings(input: {pubKey: $k}) { pubKey } }"
    keys = ["ssh-ed25519 AAAA me@laptop", "ssh-rsa BBBB"]
    assert data(api, query, k="\n\n".join(keys))["updateUserSettings"] == {"pubKey": "\n".join(keys)}
    assert api.get("/v2/account/ssh-keys").json() == {"keys": keys}
    assert data(api, "mutation { updateUserSettings(input: {}) { pubKey } }")["updateUserSettings"] == {
        "pubKey": "\n".join(keys)
    }


SAVE = "mutation ($i: SaveTemplateInput) { saveTemplate(input: $i) { id name imageName volumeInGb env { key value } } }"
TEMPLATE = {"name": "t", "imageName": IMAGE, "dockerArgs": "", "containerDiskInGb": 30, "volumeInGb": 0, "env": []}


def test_templates(api: Api) -> None:
    made = data(api, SAVE, i={**TEMPLATE, "volumeInGb": 5, "ports": "22/tcp"})["saveTemplate"]
    (shown,) = api.get("/v2/templates").json()["templates"]
    assert (shown["id"], shown["disk"], shown["ports"]) == (made["id"], 30, ["22/tcp"])
    assert shown["mounts"] == {"persistent": {"size": 5, "path": "/workspace"}}
    changed = data(api, SAVE, i={**TEMPLATE, "id": made["id"], "env": [{"key": "A", "value": "1"}]})["saveTemplate"]
    assert changed == {**made, "volumeInGb": 0, "env": [{"key": "A", "value": "1"}]}
    assert "unique" in refused(api, SAVE, i=TEMPLATE)["message"]
    pod_id = deployed(api, imageName=None, templateId=made["id"])
    assert api.pod(pod_id)["env"] == {"A": "1"}
    assert pod(api, pod_id, "templateId") == {"templateId": made["id"]}
    delete = "mutation ($n: String) { deleteTemplate(templateName: $n) }"
    assert "in use" in refused(api, delete, n="t")["message"]
    api.delete(f"/v2/pods/{pod_id}")
    assert data(api, delete, n="t") == {"deleteTemplate": None}
    assert "not found" in refused(api, delete, n="t")["message"]
    assert data(api, "{ myself { podTemplates { id } } }")["myself"] == {"podTemplates": []}


def test_registry_credentials(api: Api) -> None:
    save = "mutation ($i: SaveRegistryAuthInput) { saveRegistryAuth(input: $i) { id name } }"
    made = data(api, save, i={"name": "ghcr", "username": "me", "password": "secret"})["saveRegistryAuth"]
    assert api.get("/v2/registries").json()["registries"] == [made]
    assert data(api, "{ myself { containerRegistryCreds { id name } } }")["myself"]["containerRegistryCreds"] == [made]
    update = "mutation ($i: UpdateRegistryAuthInput) { updateRegistryAuth(input: $i) { id name } }"
    changed = {"id": made["id"], "username": "you", "password": "other"}
    assert data(api, update, i=changed)["updateRegistryAuth"] == made
    pod_id = deployed(api, containerRegistryAuthId=made["id"])
    delete = "mutation ($id: String) { deleteRegistryAuth(registryAuthId: $id) }"
    assert "in use" in refused(api, delete, id=made["id"])["message"]
    api.delete(f"/v2/pods/{pod_id}")
    assert data(api, delete, id=made["id"]) == {"deleteRegistryAuth": True}
    assert "not found" in refused(api, update, i=changed)["message"]


def test_network_volumes(api: Api) -> None:
    create = "mutation ($i: CreateNetworkVolumeInput!) { createNetworkVolume(input: $i) { id dataCenter { name } } }"
    made = data(api, create, i={"name": "data", "size": 20, "dataCenterId": "EU-RO-1"})["createNetworkVolume"]
    assert made["dataCenter"] == {"name": "EU Romania 1"}
    update = "mutation ($i: UpdateNetworkVolumeInput!) { updateNetworkVolume(input: $i) { name size dataCenterId } }"
    grown = {"name": "data", "size": 30, "dataCenterId": "EU-RO-1"}
    assert data(api, update, i={"id": made["id"], "size": 30})["updateNetworkVolume"] == grown
    assert "cannot be reduced" in refused(api, update, i={"id": made["id"], "size": 10})["message"]
    listed = data(api, "{ myself { networkVolumes { id name size dataCenterId } } }")["myself"]["networkVolumes"]
    assert listed == [{"id": made["id"], **grown}]
    pod_id = deployed(api, cloudType="ALL", networkVolumeId=made["id"], volumeMountPath="/data")
    assert api.pod(pod_id)["mounts"] == {"network": [{"volumeId": made["id"], "path": "/data"}]}
    assert pod(api, pod_id, "networkVolumeId") == {"networkVolumeId": made["id"]}
    delete = "mutation ($id: String!) { deleteNetworkVolume(input: {id: $id}) }"
    assert "in use" in refused(api, delete, id=made["id"])["message"]
    api.delete(f"/v2/pods/{pod_id}")
    assert data(api, delete, id=made["id"]) == {"deleteNetworkVolume": None}
    assert refused(api, delete, id=made["id"])["message"] == "Tried to delete nonexistent network volume"


def test_secrets(api: Api) -> None:
    create = "mutation ($i: SecretCreateInput!) { secretCreate(input: $i) { id name description } }"
    made = data(api, create, i={"name": "token", "value": "hush"})["secretCreate"]
    assert made == {"id": made["id"], "name": "token", "description": ""}
    assert [each["id"] for each in api.get("/v2/secrets").json()["secrets"]] == [made["id"]]
    assert "already exists" in refused(api, create, i={"name": "token", "value": "hush"})["message"]
    delete = "mutation ($id: String!) { secretDelete(id: $id) }"
    assert data(api, delete, id=made["id"]) == {"secretDelete": None}
    assert refused(api, delete, id=made["id"])["message"] == "resource not found"


def test_serverless_is_not_stood_in_for(api: Api) -> None:
    query = '{ saveEndpoint(input: {name: "e", templateId: "t"}) { id } }'
    assert "does not implement serverless" in refused(api, f"mutation {query}")["message"]
