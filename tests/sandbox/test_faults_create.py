# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that meet a create, at the wire."""

from __future__ import annotations

import pytest
import requests
from stand_in import CAPACITY, IMAGE, Api, ServerThread, wanted

RTX_4090 = "NVIDIA GeForce RTX 4090"


def last_request(api: Api) -> dict:
    return api.status()["requests"][-1]


def test_no_capacity_for_a_gpu(api: Api) -> None:
    api.fault("no-capacity", gpu="RTX 4090")
    for _again in range(2):
        answer = api.create()
        assert (answer.status_code, answer.json()["detail"]) == (400, CAPACITY)
    assert api.create(gpu={"id": "NVIDIA L40S", "count": 1}).status_code == 201
    catalogue = f"/v2/catalog/gpus/{RTX_4090}?include=AVAILABILITY&product=POD"
    assert api.get(catalogue).json()["availability"] == "HIGH", "stock is advisory"


def test_no_capacity_of_which_the_catalogue_knows(api: Api) -> None:
    api.fault("no-capacity", gpu=RTX_4090, data_center="EU-*", catalogue=True)
    found = api.get(f"/v2/catalog/gpus/{RTX_4090}?include=AVAILABILITY&product=POD").json()
    levels = {place["id"]: place["availability"] for place in found["dataCenters"]}
    assert levels["EU-RO-1"] == "NONE" and levels["US-IL-1"] == "HIGH"
    assert api.create(dataCenterIds=["EU-RO-1"]).json()["detail"] == CAPACITY
    assert api.running()["dataCenterId"] == "US-IL-1"


def test_no_capacity_in_a_cloud_for_the_next_create(api: Api) -> None:
    api.fault("no-capacity", times=1, cloud="COMMUNITY")
    assert api.create().status_code == 201
    assert api.create(cloud="COMMUNITY").json()["detail"] == CAPACITY
    assert api.create(cloud="COMMUNITY").status_code == 201


def test_500_although_the_pod_was_made(api: Api) -> None:
    api.fault("create-500-but-made", times=1)
    answer = api.create(name="ghost")
    assert answer.status_code == 500
    assert answer.json()["detail"] == "Something went wrong. Please try again later or contact support."
    assert api.names() == ["ghost"]
    pod = api.status()["pods"][0]
    assert pod["gone_at"] is None
    request = last_request(api)
    assert (request["status"], request["pod_id"], request["fault"]) == (500, pod["id"], "create-500-but-made")
    assert api.create(name="next").status_code == 201


@pytest.mark.parametrize(("name", "made"), [("create-drops-line", True), ("create-drops-line-unmade", False)])
def test_dropped_line(api: Api, name: str, made: bool) -> None:
    api.fault(name, times=1)
    with pytest.raises(requests.ConnectionError):
        api.create(name="ghost")
    assert api.names() == (["ghost"] if made else [])
    assert len(api.status()["pods"]) == int(made)
    request = last_request(api)
    assert (request["status"], request["fault"], request["name"]) == (None, name, "ghost")
    assert (request["pod_id"] is not None) == made


def test_refused_in_any_words(api: Api) -> None:
    api.fault("create-refused", times=1)
    answer = api.create()
    assert (answer.status_code, "objectMounts" in answer.json()["detail"]) == (400, True)
    api.fault("create-refused", times=1, status=403, detail="access denied", gpu="*A6000")
    assert api.create().status_code == 201
    answer = api.create(gpu={"id": "NVIDIA RTX A6000", "count": 1})
    assert (answer.status_code, answer.json()["title"], answer.json()["detail"]) == (403, "Forbidden", "access denied")


def test_where_a_create_is_refused(api: Api) -> None:
    """As in the service's outage, the other API goes on, unless the fault says otherwise."""
    wish = {"name": "other", "imageName": IMAGE, "gpuTypeId": "NVIDIA GeForce RTX 4090", "gpuCount": 1}
    query = "mutation ($i: PodFindAndDeployOnDemandInput) { podFindAndDeployOnDemand(input: $i) { id } }"

    def graphql() -> str:
        answer = api.post("/graphql", {"query": query, "variables": {"i": wish}}).json()
        return answer["errors"][0]["message"] if "errors" in answer else "made"

    api.fault("create-refused", detail="broken")
    assert (api.create().status_code, graphql()) == (400, "made")
    api.delete("/_sandbox/faults")
    api.fault("create-refused", detail="broken", operation="graphql")
    assert (api.create().status_code, graphql()) == (201, "broken")
    api.delete("/_sandbox/faults")
    api.fault("create-refused", detail="broken", operation="createPod,graphql")
    assert (api.create().status_code, graphql()) == (400, "broken")
    assert last_request(api)["fault"] == "create-refused"


def test_phantom(api: Api) -> None:
    api.fault("phantom", times=1)
    answer = api.create()
    assert answer.status_code == 201
    assert api.get(f"/v2/pods/{answer.json()['id']}").status_code == 404
    assert api.names() == [] and api.status()["pods"] == []


def test_price_above_the_catalogue(api: Api) -> None:
    api.fault("price-above", times=1, factor=3)
    pod = api.made()
    assert pod["cost"] == pytest.approx(3 * 0.69)
    assert api.status()["pods"][0]["usd_per_hour"] == pytest.approx(3 * 0.69)
    assert api.made()["cost"] == 0.69


def test_low_balance(api: Api) -> None:
    api.fault("low-balance", usd=0.5)
    answer = api.post("/graphql", {"query": "{ myself { clientBalance } }"})
    assert answer.json()["data"]["myself"]["clientBalance"] == 0.5
    assert api.create().status_code == 402
    assert api.create(gpu={"id": "NVIDIA L4", "count": 1}).status_code == 201, "0.43 USD is covered"


def test_image_that_the_registry_does_not_have(api: Api) -> None:
    api.fault("image-not-found", image="nosuch/*", reading="refused")
    answer = api.create(image="nosuch/image:1")
    assert answer.status_code == 422
    assert "errors" not in answer.json() and "nosuch/image:1" in answer.json()["detail"]
    assert api.create().status_code == 201


def test_invisible_after_create(api: Api) -> None:
    api.fault("invisible-after-create", times=1, reads=2)
    pod = api.made(name="shy")
    assert api.names() == []
    assert api.get(f"/v2/pods/{pod['id']}").status_code == 404
    assert api.names() == ["shy"]
    assert api.get(f"/v2/pods/{pod['id']}").status_code == 200


def test_invisible_pod_can_be_ended(api: Api) -> None:
    api.fault("invisible-after-create", reads=0, seconds=1000)
    pod = api.made()
    assert api.names() == []
    assert api.delete(f"/v2/pods/{pod['id']}").status_code == 204
    assert api.status()["pods"][0]["gone_at"] is not None


def test_older_service(api: Api) -> None:
    api.fault("older-service")
    assert set(api.get("/v2/pods").json()) == {"pods"}
    gpu = {"id": RTX_4090, "count": 1, "minRamPerGpu": 8}
    answer = api.create(cmd=["x"], entrypoint=[], gpu=gpu)
    assert answer.json()["errors"] == [
        "$: additional properties 'cmd', 'entrypoint' not allowed",
        "$.gpu: additional properties 'minRamPerGpu' not allowed",
    ]
    assert api.create().status_code == 201


def test_validator_that_blames_valid_fields(api: Api) -> None:
    api.fault("blames-valid-fields")
    answer = api.post("/v2/pods", json={"name": "x", "disk": 10, "imageName": "i"})
    assert answer.json()["errors"] == [
        "$: missing property 'image'",
        "$: additional properties 'disk', 'imageName', 'name' not allowed",
    ]
    assert api.post("/v2/pods", json=wanted()).status_code == 201


def test_literal_null_for_a_missing_account_key(sandbox: ServerThread, api: Api) -> None:
    api.fault("public-key-null")

    def key(**changes: object) -> str | None:
        api.running(**changes)
        return sandbox.pods.specs[-1].env.get("PUBLIC_KEY")

    assert key(env={}, startSsh=True) == "null"
    assert key(env={}) is None
    assert key(env={"PUBLIC_KEY": "mine"}, startSsh=True) == "mine"
    api.call("PUT", "/v2/account/ssh-keys", json={"keys": ["ssh-ed25519 AAAA"]})
    assert key(env={}, startSsh=True) == "ssh-ed25519 AAAA"
