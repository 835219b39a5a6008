# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a create may ask for, what it is refused for and in which words, and where the pod lands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stand_in import CAPACITY, Api, ServerThread, wanted

from podyard_sandbox.settings import Settings

RTX_4090 = "NVIDIA GeForce RTX 4090"
INVALID = "Request validation failed."


def gpu(**changes: Any) -> dict[str, Any]:
    return {"id": RTX_4090, "count": 1, **changes}


def test_answer_to_a_create(api: Api) -> None:
    body = wanted(mounts={"persistent": {"size": 20, "path": "/workspace"}}, env={"RUN_ID": "a1", "PUBLIC_KEY": "k"})
    api.fault("older-service", times=2)  # the fields that came later have a test of their own
    answer = api.post("/v2/pods", json=body)
    assert answer.status_code == 201
    pod = answer.json()
    assert set(pod) == {
        "id", "name", "status", "actions", "image", "args", "disk", "mounts", "ports", "env", "registry", "gpu",
        "cloud", "dataCenterId", "cudaVersion", "ssh", "template", "cost", "locked", "runtime", "createdAt",
        "startedAt", "globalNetworking",
    }  # fmt: skip
    assert {name: pod[name] for name in body} == body
    assert pod["status"] == "PROVISIONING"
    assert pod["ssh"] == {"proxy": None, "direct": None}
    assert (pod["runtime"], pod["startedAt"], pod["template"]) == (None, None, None)
    assert pod["cost"] == 0.69
    assert pod["cloud"] == "SECURE"
    assert pod["globalNetworking"] == {"enabled": False}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {"name": "x", "imageName": "i", "gpuTypeIds": ["NVIDIA L4"]},
            ["$: missing property 'image'", "$: additional properties 'gpuTypeIds', 'imageName' not allowed"],
        ),
        (wanted(name=None), ["$: missing property 'name'"]),
        (wanted(name=None, image=None), ["$: missing properties 'name', 'image'"]),
        (wanted(interruptible=True), ["$: additional properties 'interruptible' not allowed"]),
        (wanted(dataCenterPriority="custom"), ["$: additional properties 'dataCenterPriority' not allowed"]),
        (wanted(gpu=gpu(type="x")), ["$.gpu: additional properties 'type' not allowed"]),
        (wanted(name=""), ["$.name: minLength: got 0, want 1"]),
        (wanted(disk="20"), ["$.disk: got string, want integer"]),
        (wanted(disk=0), ["$.disk: minimum: got 0, want 1"]),
        (wanted(cloud="ALL"), ["$.cloud: value must be one of 'SECURE', 'COMMUNITY'"]),
        (wanted(env={"A": 1}), ["$.env.A: got number, want string"]),
        (wanted(ports="22/tcp"), ["$.ports: got string, want array"]),
        (wanted(gpu=gpu(minCudaVersion="12")), ["$.gpu.minCudaVersion: '12' does not match pattern '^\\d+\\.\\d+$'"]),
        (
            wanted(mounts={"persistent": {"size": 9, "path": "/w"}}),
            ["$.mounts.persistent.size: minimum: got 9, want 10"],
        ),
        (wanted(mounts={"network": [{"volumeId": "v"}]}), ["$.mounts.network[0]: missing property 'path'"]),
        ([], ["$: got array, want object"]),
    ],
)
def test_schema(api: Api, body: Any, errors: list[str]) -> None:
    answer = api.post("/v2/pods", json=body)
    assert answer.status_code == 422
    assert answer.json() == {"title": "Unprocessable Entity", "status": 422, "detail": INVALID, "errors": errors}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gpu": None}, "exactly one of gpu or cpu"),
        ({"cpu": {"id": "cpu3c", "vcpuCount": 2}}, "exactly one of gpu or cpu"),
        ({"gpu": gpu(allowedCudaVersions=["12.8"], minCudaVersion="12.4")}, "mutually exclusive"),
        (
            {"mounts": {"persistent": {"size": 10, "path": "/w"}, "network": [{"volumeId": "v", "path": "/w"}]}},
            "mutually exclusive",
        ),
        (
            {"gpu": None, "cpu": {"id": "cpu3c", "vcpuCount": 2}, "mounts": {"persistent": {"size": 10, "path": "/w"}}},
            "not supported on CPU pods",
        ),
        ({"env": {f"A{i}": "" for i in range(51)}}, "at most 50 environment variables"),
        ({"ports": ["22"]}, "port '22'"),
        ({"ports": [f"{port}/http" for port in range(8000, 8011)]}, "at most 10 HTTP ports"),
        ({"cloud": "COMMUNITY", "mounts": {"network": [{"volumeId": "v", "path": "/w"}]}}, "SECURE"),
    ],
)
def test_rules_across_fields(api: Api, changes: dict[str, Any], words: str) -> None:
    answer = api.create(**changes)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert api.names() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"env": {f"A{i}": "" for i in range(50)}},
        {"gpu": gpu(allowedCudaVersions=[], minCudaVersion="12.4")},
        {"mounts": {}},
        {"disk": 20.0},
        {"registry": None, "args": "sleep infinity"},
        {"gpu": gpu(minRamPerGpu=16, minVcpuCountPerGpu=4)},
    ],
)
def test_what_is_just_allowed(api: Api, changes: dict[str, Any]) -> None:
    assert api.create(**changes).status_code == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"templateId": "unknown", "image": None},
        {"registry": "abc"},
        {"mounts": {"network": [{"volumeId": "agv6w2qcg7", "path": "/workspace"}]}},
    ],
)
def test_references_to_what_is_not_there(api: Api, changes: dict[str, Any]) -> None:
    answer = api.create(**changes)
    assert (answer.status_code, answer.json()["detail"]) == (404, "resource not found")


@pytest.mark.parametrize(
    "changes",
    [
        {"gpu": {"id": RTX_4090}},  # without a count, whatever the stock
        {"gpu": gpu(count=9)},
        {"gpu": gpu(id="NVIDIA RTX 9999")},
        {"gpu": gpu(minCudaVersion="13.1")},
        {"gpu": gpu(allowedCudaVersions=["12.5"])},
        {"dataCenterIds": ["AP-JP-1"]},
        {"dataCenterIds": ["eu-ro-1"]},
        {"gpu": gpu(id="NVIDIA H100 80GB HBM3"), "cloud": "COMMUNITY"},
        {"gpu": gpu(id="AMD Instinct MI300X OAM")},
        {"dataCenterIds": ["EUR-IS-2"], "gpu": gpu(count=5)},
        {"gpu": None, "cpu": {"id": "cpu9x", "vcpuCount": 2}},
        {"gpu": None, "cpu": {"id": "cpu5m", "vcpuCount": 4}},
        {"gpu": None, "cpu": {"id": "cpu3c", "vcpuCount": 2}, "cloud": "COMMUNITY"},
    ],
)
def test_capacity(api: Api, changes: dict[str, Any]) -> None:
    answer = api.create(**changes)
    assert answer.status_code == 400
    assert answer.json() == {"title": "Bad Request", "status": 400, "detail": CAPACITY}
    assert api.names() == []


@pytest.mark.parametrize(
    ("changes", "places", "cudas"),
    [
        ({"dataCenterIds": ["EUR-IS-2"]}, {"EUR-IS-2"}, {"12.4"}),
        ({"dataCenterIds": ["EUR-IS-2", "AP-JP-1"]}, {"EUR-IS-2"}, {"12.4"}),
        ({"gpu": gpu(minCudaVersion="12.9")}, {"US-IL-1"}, {"12.9"}),
        ({"gpu": gpu(allowedCudaVersions=["12.8"])}, {"EU-RO-1"}, {"12.8"}),
        ({"cloud": "COMMUNITY"}, {"US-TX-3", "EU-SE-1"}, {"12.8", "12.1"}),
        ({"cloud": "COMMUNITY", "gpu": gpu(minCudaVersion="12.2")}, {"US-TX-3"}, {"12.8"}),
    ],
)
def test_placement(api: Api, changes: dict[str, Any], places: set[str], cudas: set[str]) -> None:
    pod = api.running(**changes)
    assert pod["dataCenterId"] in places
    assert pod["cudaVersion"] in cudas


def test_price_of_the_cloud_and_the_count(api: Api) -> None:
    assert api.made(gpu=gpu(count=4))["cost"] == pytest.approx(4 * 0.69)
    assert api.made(cloud="COMMUNITY")["cost"] == pytest.approx(0.34)


def test_stock_runs_out_and_comes_back(api: Api) -> None:
    """One RTX 3090 is left in the secure cloud: LOW, then NONE."""
    wish = {"gpu": gpu(id="NVIDIA GeForce RTX 3090")}
    catalogue = "/v2/catalog/gpus/NVIDIA GeForce RTX 3090?include=AVAILABILITY&product=POD"
    assert api.get(catalogue).json()["availability"] == "LOW"
    pod = api.made(**wish)
    assert api.get(catalogue).json()["availability"] == "NONE"
    assert api.create(**wish).json()["detail"] == CAPACITY
    api.delete(f"/v2/pods/{pod['id']}")
    assert api.get(catalogue).json()["availability"] == "LOW"
    assert api.create(**wish).status_code == 201


def test_balance_that_does_not_cover_an_hour(tmp_path: Path) -> None:
    thread = ServerThread(tmp_path / "poor", Settings(balance=1.0))
    try:
        api = Api(thread.url, thread.home.api_key())
        answer = api.create(gpu=gpu(count=2))
        assert answer.status_code == 402
        assert answer.json()["title"] == "Payment Required"
        assert api.create(gpu=gpu(count=1)).status_code == 201
    finally:
        thread.close()


def test_global_networking_wants_a_place_that_has_it(api: Api) -> None:
    pod = api.running(globalNetworking=True, gpu=gpu(id="NVIDIA RTX A6000"))
    assert pod["dataCenterId"] == "EU-SE-1"
    assert pod["globalNetworking"]["internalDns"] == f"{pod['id']}.runpod.internal"
    answer = api.create(globalNetworking=True, gpu=gpu(id="NVIDIA RTX A6000"), dataCenterIds=["CA-MTL-1"])
    assert answer.json()["detail"] == CAPACITY


def test_newer_fields_become_args(api: Api) -> None:
    assert api.made(cmd=["bash", "-lc", "python x"])["args"] == "bash -lc 'python x'"
    assert (
        api.made(entrypoint=["/bin/sh", "-c"], cmd=["x"])["args"] == '{"entrypoint": ["/bin/sh", "-c"], "cmd": ["x"]}'
    )


def test_environment_of_the_container(sandbox: ServerThread, api: Api) -> None:
    env = {"PUBLIC_KEY": "mine", "A": "b", "RUNPOD_POD_ID": "faked"}
    pod = api.running(env=env, startSsh=True, dataCenterIds=["EU-RO-1"])
    assert pod["env"] == env
    found = sandbox.pods.specs[0].env
    assert found["PUBLIC_KEY"] == "mine"
    assert found["A"] == "b"
    assert found["RUNPOD_POD_ID"] == pod["id"]
    assert found["RUNPOD_DC_ID"] == "EU-RO-1"
    assert found["RUNPOD_POD_HOSTNAME"] == pod["ssh"]["proxy"]["username"]
    assert found["RUNPOD_GPU_COUNT"] == "1"
    assert int(found["RUNPOD_CPU_COUNT"]) >= 1
    assert (found["CUDA_VERSION"], found["PYTORCH_VERSION"]) == ("12.8.1", "2.8.0")
    spec = sandbox.pods.specs[0]
    assert (spec.gpu_name, spec.gpu_memory_gb, spec.cuda_version, spec.profile) == (RTX_4090, 24, "12.8", "runpod")
    assert spec.mount_path is None and spec.args is None


def test_account_keys_reach_a_pod_only_with_start_ssh_and_at_its_start(sandbox: ServerThread, api: Api) -> None:
    def started(**changes: Any) -> dict[str, str]:
        api.running(env={}, **changes)
        return sandbox.pods.specs[-1].env

    assert "PUBLIC_KEY" not in started(startSsh=True)
    keys = ["ssh-ed25519 AAAA one", "ssh-rsa BBBB two"]
    api.call("PUT", "/v2/account/ssh-keys", json={"keys": keys})
    assert "PUBLIC_KEY" not in started()
    assert started(startSsh=True)["PUBLIC_KEY"] == "\n".join(keys)


def test_jupyter_password_is_made_unless_given(sandbox: ServerThread, api: Api) -> None:
    api.running(startJupyter=True)
    api.running(startJupyter=True, env={"JUPYTER_PASSWORD": "mine"})
    passwords = [spec.env["JUPYTER_PASSWORD"] for spec in sandbox.pods.specs]
    assert len(passwords[0]) > 8 and passwords[1] == "mine"
