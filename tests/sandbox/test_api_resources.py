# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network volumes, templates and registry credentials on the wire, and pods that are made with them."""

from __future__ import annotations

from typing import Any

import pytest
from stand_in import CAPACITY, IMAGE, Api, ServerThread, until, wanted

PATHS = {"networkVolumes": "/v2/network-volumes", "templates": "/v2/templates", "registries": "/v2/registries"}


def volume(api: Api, **changes: Any) -> dict[str, Any]:
    return made(api, "networkVolumes", {"name": "ds", "size": 100, "dataCenter": "EU-RO-1", **changes})


def template(api: Api, **changes: Any) -> dict[str, Any]:
    return made(api, "templates", {"name": "tpl", "image": IMAGE, **changes})


def registry(api: Api) -> dict[str, Any]:
    return made(api, "registries", {"name": "hub", "username": "me", "password": "secret-word"})


def made(api: Api, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(PATHS[kind], body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def refusal(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status
    return answer.json()["detail"] + " ".join(answer.json().get("errors", []))


# Network volumes


def test_volume_life(api: Api) -> None:
    first = volume(api)
    path = f"/v2/network-volumes/{first['id']}"
    assert {**first, "id": "x"} == {
        "id": "x", "name": "ds", "size": 100, "dataCenter": "EU-RO-1", "type": "STANDARD",
    }  # fmt: skip
    assert volume(api, type="HIGH_PERFORMANCE")["type"] == "HIGH_PERFORMANCE"
    changed = api.call("PATCH", path, json={"name": "other", "size": 200}).json()
    assert changed == {**first, "name": "other", "size": 200} == api.get(path).json()
    assert refusal(api.call("PATCH", path, json={"size": 50}), 400) == "network volume storage cannot be reduced"
    assert len(api.get("/v2/network-volumes").json()["networkVolumes"]) == 2
    assert api.delete(path).status_code == 204
    assert refusal(api.get(path), 404) == "resource not found"
    assert len(api.get("/v2/network-volumes").json()["networkVolumes"]) == 1
    assert refusal(api.get("/v2/networkvolumes"), 404) == "The requested path was not found."


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"dataCenter": "US-TX-1"}, 400, "EU-CZ-1"),
        ({"dataCenter": "XX-YY-9"}, 400, "EU-CZ-1"),
        ({"dataCenter": "eu-ro-1"}, 400, "EU-RO-1"),
        ({"dataCenter": "EU-SE-1", "type": "HIGH_PERFORMANCE"}, 400, "EU-CZ-1, EU-RO-1, US-CA-2, US-KS-2"),
        ({"size": 9}, 422, "$.size: minimum: got 9, want 10"),
        ({"size": 4097}, 422, "$.size: maximum: got 4097, want 4096"),
        ({"type": "Standard"}, 422, "value must be one of 'STANDARD', 'HIGH_PERFORMANCE'"),
        ({"dataCenterId": "EU-RO-1"}, 422, "additional properties 'dataCenterId' not allowed"),
    ],
)
def test_volume_refused(api: Api, changes: dict[str, Any], status: int, said: str) -> None:
    answer = api.post("/v2/network-volumes", {"name": "ds", "size": 100, "dataCenter": "EU-RO-1", **changes})
    assert said in refusal(answer, status)
    assert api.get("/v2/network-volumes").json()["networkVolumes"] == []


def test_volume_change_of_nothing(api: Api) -> None:
    answer = api.call("PATCH", f"/v2/network-volumes/{volume(api)['id']}", json={})
    assert refusal(answer, 422).startswith("Request validation failed.")


def test_pod_on_a_volume(sandbox: ServerThread, api: Api) -> None:
    kept = volume(api)
    pod = api.running(mounts={"network": [{"volumeId": kept["id"], "path": "/data"}]})
    assert pod["dataCenterId"] == "EU-RO-1" and pod["mounts"]["network"][0]["volumeId"] == kept["id"]
    spec = sandbox.pods.specs[0]
    assert (spec.network_volume, spec.mount_path) == (kept["id"], "/data")
    assert spec.env["RUNPOD_VOLUME_ID"] == kept["id"]
    # In use, running or stopped, and free once the pod is gone.
    path = f"/v2/network-volumes/{kept['id']}"
    assert pod["id"] in refusal(api.delete(path), 400)
    assert api.act(pod["id"], "stop").status_code == 200
    assert pod["id"] in refusal(api.delete(path), 400)
    assert api.delete(f"/v2/pods/{pod['id']}").status_code == 204
    assert api.delete(path).status_code == 204


def test_volume_delete_unguarded(api: Api) -> None:
    api.fault("volume-delete-unguarded", times=1)
    kept = volume(api)
    api.made(mounts={"network": [{"volumeId": kept["id"], "path": "/data"}]})
    assert api.delete(f"/v2/network-volumes/{kept['id']}").status_code == 204


def test_volume_elsewhere_is_no_capacity(api: Api) -> None:
    mounts = {"network": [{"volumeId": volume(api)["id"], "path": "/data"}]}
    assert refusal(api.create(mounts=mounts, dataCenterIds=["US-IL-1"]), 400) == CAPACITY
    assert "SECURE" in refusal(api.create(mounts=mounts, cloud="COMMUNITY"), 400)
    unknown = {"network": [{"volumeId": "nowhere", "path": "/data"}]}
    assert refusal(api.create(mounts=unknown), 404) == "resource not found"
    both = {**mounts, "persistent": {"size": 10, "path": "/workspace"}}
    assert "mutually exclusive" in refusal(api.create(mounts=both), 400)
    assert api.names() == []


def test_volume_is_billed_by_the_hour(api: Api) -> None:
    before = api.status()["balance_usd"]
    kept = volume(api, size=1000)
    hour = before - api.status()["balance_usd"]
    assert hour == pytest.approx(1000 * 0.07 / 730, abs=1e-5)
    api.delete(f"/v2/network-volumes/{kept['id']}")
    assert api.status()["balance_usd"] == pytest.approx(before - hour)


# Templates


def test_template_life(api: Api) -> None:
    first = template(api)
    path = f"/v2/templates/{first['id']}"
    assert {**first, "id": "x"} == {
        "id": "x", "name": "tpl", "image": IMAGE, "args": "", "cmd": [], "entrypoint": [], "disk": 50, "mounts": {},
        "ports": [], "env": {},
        "registry": None, "serverless": False, "public": False, "category": "NVIDIA", "startSsh": True,
        "startJupyter": True, "allowedCudaVersions": [],
    }  # fmt: skip
    change = {"env": {"A": "1"}, "mounts": {"persistent": {"size": 30, "path": "/workspace"}}, "startJupyter": False}
    assert api.call("PATCH", path, json=change).json() == {**first, **change} == api.get(path).json()
    assert api.call("PATCH", path, json={"mounts": {}}).json()["mounts"] == change["mounts"]
    assert [one["id"] for one in api.get("/v2/templates").json()["templates"]] == [first["id"]]
    assert api.delete(path).status_code == 204
    assert refusal(api.get(path), 404) == "resource not found"


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"mounts": {"network": []}}, 422, "additional properties 'network' not allowed"),
        ({"image": None}, 422, "$.image: got null, want string"),
        ({"category": "TPU"}, 422, "value must be one of 'CPU', 'NVIDIA', 'AMD'"),
        ({"env": {f"V{i}": "" for i in range(51)}}, 400, "at most 50 environment variables"),
        ({"registry": "unknown"}, 404, "resource not found"),
    ],
)
def test_template_refused(api: Api, changes: dict[str, Any], status: int, said: str) -> None:
    assert said in refusal(api.post("/v2/templates", {"name": "tpl", "image": IMAGE, **changes}), status)


@pytest.mark.parametrize("source", ["official", "verified", "community"])
def test_public_templates(api: Api, source: str) -> None:
    found = api.get("/v2/catalog/templates", params={"source": source}).json()["templates"]
    assert found and all(one["public"] and one["registry"] is None for one in found)
    path = f"/v2/templates/{found[0]['id']}"
    assert api.get(path).json() == found[0]
    assert api.call("PATCH", path, json={"name": "mine"}).status_code == 404
    assert api.delete(path).status_code == 404
    assert api.get("/v2/templates").json()["templates"] == []


def test_catalogue_shows_the_official_ones_unless_asked(api: Api) -> None:
    found = api.get("/v2/catalog/templates").json()
    assert found == api.get("/v2/catalog/templates", params={"source": "official"}).json()
    assert "pagination" not in found
    refusal(api.get("/v2/catalog/templates", params={"source": "mine"}), 422)


def test_pod_from_a_template(sandbox: ServerThread, api: Api) -> None:
    base = template(
        api,
        env={"A": "template", "B": "template"},
        ports=["22/tcp", "8888/http"],
        disk=33,
        mounts={"persistent": {"size": 30, "path": "/workspace"}},
        allowedCudaVersions=["12.4"],
    )
    api.call("PUT", "/v2/account/ssh-keys", json={"keys": ["ssh-ed25519 AAAA of-the-account"]})
    pod = api.running(templateId=base["id"], image=None, ports=None, disk=None, env={"B": "body"})
    assert pod["template"] is None
    assert (pod["image"], pod["disk"], pod["ports"]) == (IMAGE, 33, ["22/tcp", "8888/http"])
    assert pod["env"] == {"A": "template", "B": "body"}
    assert pod["mounts"] == base["mounts"] and pod["cudaVersion"] == "12.4"
    env = sandbox.pods.specs[0].env  # a template starts SSH and Jupyter unless told otherwise
    assert "of-the-account" in env["PUBLIC_KEY"] and "JUPYTER_PASSWORD" in env


def test_body_goes_before_the_template(sandbox: ServerThread, api: Api) -> None:
    base = template(api, args="sleep 1", disk=33, allowedCudaVersions=["12.4"])
    gpu = {**wanted()["gpu"], "minCudaVersion": "12.8"}
    pod = api.running(templateId=base["id"], args="sleep 2", disk=44, gpu=gpu, startJupyter=False)
    assert (pod["args"], pod["disk"]) == ("sleep 2", 44) and pod["cudaVersion"] != "12.4"
    assert "JUPYTER_PASSWORD" not in sandbox.pods.specs[0].env


def test_template_that_a_pod_cannot_have(api: Api) -> None:
    assert refusal(api.create(templateId="unknown"), 404) == "resource not found"
    workers = template(api, serverless=True)
    assert "serverless" in refusal(api.create(templateId=workers["id"]), 422)
    assert api.names() == []


def test_template_in_use_is_kept(api: Api) -> None:
    base = template(api)
    pod = api.made(templateId=base["id"])
    path = f"/v2/templates/{base['id']}"
    assert "in use" in refusal(api.delete(path), 400)
    api.fault("template-delete-unguarded", times=1)
    assert api.delete(path).status_code == 204
    again = template(api)
    api.made(templateId=again["id"])
    api.delete(f"/v2/pods/{pod['id']}")
    for one in api.get("/v2/pods").json()["pods"]:
        api.delete(f"/v2/pods/{one['id']}")
    assert api.delete(f"/v2/templates/{again['id']}").status_code == 204


def test_template_at_a_change_of_a_pod(api: Api) -> None:
    pod = api.running(env={"OLD": "1"})
    base = template(api, env={"A": "template"}, disk=33, mounts={"persistent": {"size": 30, "path": "/workspace"}})
    changed = api.call("PATCH", f"/v2/pods/{pod['id']}", json={"templateId": base["id"], "env": {"B": "2"}}).json()
    assert changed["env"] == {"A": "template", "B": "2"} and changed["disk"] == 33 and changed["mounts"] == {}


# Registry credentials


def test_registry_life(api: Api) -> None:
    first = registry(api)
    path = f"/v2/registries/{first['id']}"
    assert first == {"id": first["id"], "name": "hub"} == api.get(path).json()
    assert api.get("/v2/registries").json()["registries"] == [first]
    assert "password" in refusal(api.post("/v2/registries", {"name": "hub", "username": "me"}), 422)
    pod = api.made(registry=first["id"])
    assert pod["registry"] == first["id"]
    base = template(api, registry=first["id"])
    assert "in use" in refusal(api.delete(path), 400)
    api.delete(f"/v2/pods/{pod['id']}")
    assert api.delete(path).status_code == 204
    assert api.get(f"/v2/templates/{base['id']}").json()["registry"] is None
    assert refusal(api.create(registry=first["id"]), 404) == "resource not found"


def test_delegations_are_not_served(api: Api) -> None:
    assert api.get("/v2/registries/delegations").status_code == 501


# Lists


@pytest.mark.parametrize("kind", sorted(PATHS))
def test_pages(api: Api, kind: str) -> None:
    ids = [{"networkVolumes": volume, "templates": template, "registries": registry}[kind](api)["id"] for _i in "abc"]
    first = api.get(PATHS[kind], params={"limit": 2, "unknown": "x"}).json()
    assert [one["id"] for one in first[kind]] == ids[:2] and first["pagination"]["hasNextPage"] is True
    cursor = first["pagination"]["nextCursor"]
    last = api.get(PATHS[kind], params={"limit": 2, "cursor": cursor}).json()
    assert [one["id"] for one in last[kind]] == ids[2:]
    assert last["pagination"] == {"hasNextPage": False, "nextCursor": None}
    assert "cursor" in refusal(api.get("/v2/pods", params={"cursor": cursor}), 422)
    assert "cursor" in refusal(api.get(PATHS[kind], params={"cursor": "cG9kczox"}), 422)
    api.fault("older-service")
    assert set(api.get(PATHS[kind]).json()) == {kind}


def test_wrong_methods(api: Api) -> None:
    answer = api.delete("/v2/templates")
    assert answer.status_code == 405 and answer.headers["Allow"] == "GET, POST"
    assert api.post("/v2/registries", {"name": "x" * 110_000}).status_code == 413


def test_volume_contents_go_with_the_volume(sandbox: ServerThread, api: Api) -> None:
    kept = volume(api)
    folder = sandbox.pods._folder / ".volumes" / kept["id"]
    folder.mkdir(parents=True)
    (folder / "data").write_text("x", encoding="utf-8")
    api.delete(f"/v2/network-volumes/{kept['id']}")
    until(folder.exists, lambda there: not there)
