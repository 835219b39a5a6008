# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients in use send by GraphQL: runpodctl, price lists without a key, launchers, code made from the schema."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType
from stand_in import CAPACITY, Api, ServerThread
from test_graphql import DEPLOY, RTX_4090, ask, data, deployed, pod, refused, wanted

from podyard_sandbox.runpod.graphql.engine import schema
from podyard_sandbox.runpod.responses import dumps

RTX_3090, H100 = "NVIDIA GeForce RTX 3090", "NVIDIA H100 80GB HBM3"


# Numbers


def test_whole_numbers_have_no_fraction(api: Api) -> None:
    pod_id = deployed(api, volumeInGb=20, gpuCount=2)
    fields = "memoryInGb vcpuCount volumeInGb costPerHr"
    asked = f'{{ pod(input: {{podId: "{pod_id}"}}) {{ {fields} }} myself {{ clientBalance }} }}'
    text = ask(api, asked).text
    assert re.search(r'"memoryInGb": 96, "vcpuCount": 16, "volumeInGb": 20, "costPerHr": 1.38', text), text
    listed = ask(api, "{ gpuTypes { memoryInGb securePrice } cpuFlavors { ramMultiplier } }").text
    assert '"ramMultiplier": 2}' in listed
    api.act(pod_id, "stop")
    answers = [text, listed, api.get(f"/v2/pods/{pod_id}").text, api.get("/v2/catalog/cpus").text]
    answers += [api.get(f"/v2/billing/{family}?lastN=1").text for family in ("pods", "clusters", "network-volumes")]
    assert [re.findall(r'": -?\d+\.0\b', answer) for answer in answers] == [[]] * len(answers)


def test_numbers_are_written_as_javascript_writes_them() -> None:
    assert dumps({"a": [48.0, -0.5, 1e20, 3], "b": True}) == '{"a": [48, -0.5, 100000000000000000000, 3], "b": true}'
    with pytest.raises(ValueError, match="JSON"):
        dumps({"a": float("nan")})


# Keys


CATALOGUE = """query GpuTypes {
  countryCodes
  dataCenters { id name listed __typename }
  gpuTypes {
    maxGpuCountCommunityCloud maxGpuCountSecureCloud minPodGpuCount id displayName memoryInGb secureCloud communityCloud
    __typename
  }
  cpuFlavors {
    id minVcpu maxVcpu diskLimitPerVcpu specifics(input: {dataCenterId: "EU-RO-1"}) { stockStatus securePrice }
  }
}"""


def keyless(sandbox: ServerThread) -> Api:
    client = Api(sandbox.url, "")
    del client.session.headers["Authorization"]
    return client


def test_the_catalogue_needs_no_key(sandbox: ServerThread, api: Api) -> None:
    found = data(keyless(sandbox), CATALOGUE)
    assert found == data(api, CATALOGUE)
    assert "RO" in found["countryCodes"] and all(place["listed"] for place in found["dataCenters"])
    (rtx,) = [gpu for gpu in found["gpuTypes"] if gpu["id"] == RTX_4090]
    assert (rtx["maxGpuCountSecureCloud"], rtx["minPodGpuCount"]) == (8, 1)
    cpus = {cpu["id"]: cpu["specifics"] for cpu in found["cpuFlavors"]}
    assert cpus["cpu3c"] == {"stockStatus": "High", "securePrice": 0.06}
    assert cpus["cpu5m"]["stockStatus"] is None, "there is none in that place"


@pytest.mark.parametrize(
    "query",
    [
        "{ myself { id } }",
        '{ pod(input: {podId: "x"}) { id } }',
        "{ podTemplates { id } }",
        'mutation { podTerminate(input: {podId: "x"}) }',
        "mutation { updateUserSettings(input: {}) { id } }",
    ],
)
def test_the_account_needs_one(sandbox: ServerThread, query: str) -> None:
    answer = ask(keyless(sandbox), query)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert "data" not in answer.json()


def test_of_a_mixed_query_the_catalogue_is_answered(sandbox: ServerThread) -> None:
    answer = ask(keyless(sandbox), f'{{ gpuTypes(input: {{id: "{RTX_4090}"}}) {{ id }} myself {{ id }} }}')
    assert answer.status_code == 200
    shown = answer.json()
    assert shown["data"] == {"gpuTypes": [{"id": RTX_4090}], "myself": None}
    (error,) = shown["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["myself"], "UNAUTHENTICATED")


def test_a_wrong_key_is_worse_than_none(sandbox: ServerThread) -> None:
    assert ask(Api(sandbox.url, "rpa_wrong"), "{ gpuTypes { id } }").status_code == 401
    answer = keyless(sandbox).post("/graphql?api_key=rpa_wrong", {"query": "{ gpuTypes { id } }"})
    assert answer.status_code == 401


def test_nothing_is_changed_without_a_key(sandbox: ServerThread, api: Api) -> None:
    pod_id = deployed(api)
    for query in (f'mutation {{ podTerminate(input: {{podId: "{pod_id}"}}) }}', "mutation { deleteTemplate }"):
        assert ask(keyless(sandbox), query).status_code == 401
    assert ask(keyless(sandbox), DEPLOY, input=wanted()).status_code == 401
    assert pod(api, pod_id, "desiredStatus") == {"desiredStatus": "RUNNING"}
    assert api.names() == ["by-graphql"]


def test_a_fault_of_any_request_meets_the_keyless_too(sandbox: ServerThread, api: Api) -> None:
    api.fault("rate-limited", operation="graphql", times=1)
    assert ask(keyless(sandbox), "{ gpuTypes { id } }").status_code == 429


# The schema


FIELDS = {
    "Query": {"podTemplates": "[PodTemplate]", "podTemplate": "PodTemplate"},
    "User": {"notifyPodsStale": "Boolean", "notifyPodsGeneral": "Boolean", "notifyLowBalance": "Boolean"},
    "LowestPrice": {"gpuName": "String", "gpuTypeId": "String", "minMemory": "Int", "minVcpu": "Int"},
    "GpuLowestPriceInput": {
        "gpuCount": "Int!", "minMemoryInGb": "Int", "minVcpuCount": "Int", "totalDisk": "Int", "countryCode": "String",
        "dataCenterId": "String",
    },
    "DataCenter": {"storageSupport": "Boolean", "listed": "Boolean"},
    "GpuAvailability": {"available": "Boolean", "id": "String"},
    "PodFindAndDeployOnDemandInput": {"dataCenterIds": "[String]"},
    "CreateNetworkVolumeInput": {"name": "String", "size": "Int", "dataCenterId": "String!"},
    "UpdateUserSettingsInput": {"pubKey": "String"},
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_types_and_their_fields(name: str) -> None:
    found = schema().type_map[name]
    assert isinstance(found, (GraphQLObjectType, GraphQLInputObjectType))
    assert {field: str(found.fields[field].type) for field in FIELDS[name]} == FIELDS[name]


def test_arguments_have_the_names_that_documents_say(api: Api) -> None:
    query = schema().query_type.fields
    assert str(query["podTemplates"].args["input"].type) == "PodTemplateInput"
    assert str(query["podTemplate"].args["id"].type) == "String!"
    mutation = "mutation Mutation($input: UpdateUserSettingsInput) { updateUserSettings(input: $input) { id pubKey } }"
    keys = "ssh-ed25519 AAAA a\n\nssh-ed25519 BBBB b"
    assert data(api, mutation, input={"pubKey": keys})["updateUserSettings"]["pubKey"] == keys.replace("\n\n", "\n")


# Account and templates


def test_notices_of_the_account(api: Api) -> None:
    shown = data(api, "{ myself { notifyPodsStale notifyPodsGeneral notifyLowBalance } }")["myself"]
    assert shown == {"notifyPodsStale": True, "notifyPodsGeneral": True, "notifyLowBalance": True}


TEMPLATES = "query PodTemplates($input: PodTemplateInput) { podTemplates(input: $input) { id isPublic category } }"
TEMPLATE = """query GetTemplate($id: String!) {
  podTemplate(id: $id) { name imageName isRunpod ports volumeInGb env { key } }
}"""


def test_templates_of_everybody(api: Api) -> None:
    own = api.post("/v2/templates", {"name": "own", "image": "i", "env": {"A": "1"}}).json()["id"]
    shared = api.post("/v2/templates", {"name": "shared", "image": "i", "public": True}).json()["id"]

    def ids(**given: Any) -> set[str]:
        found = data(api, TEMPLATES, **given)["podTemplates"]
        assert all(each["isPublic"] or each["id"] == own for each in found)
        return {each["id"] for each in found}

    official, others = ids(input={"isRunpod": True}), ids(input={"isRunpod": False})
    rest = {each["id"] for each in api.get("/v2/catalog/templates?source=official").json()["templates"]}
    assert official == rest
    assert not official & others and shared in others and own not in others
    assert ids() == ids(input=None) == official | others | {own}
    assert data(api, TEMPLATE, id=own)["podTemplate"] == {
        "name": "own", "imageName": "i", "isRunpod": False, "ports": "", "volumeInGb": 0, "env": [{"key": "A"}],
    }  # fmt: skip
    shown = data(api, TEMPLATE, id="runpod-torch-v280")["podTemplate"]
    assert (shown["isRunpod"], shown["ports"], shown["volumeInGb"]) == (True, "8888/http,22/tcp", 20)
    assert data(api, TEMPLATE, id="none-such") == {"podTemplate": None}


# Prices and places


LOWEST = """query LowestPrice($id: String, $input: GpuLowestPriceInput!) {
  gpuTypes(input: {id: $id}) {
    lowestPrice(input: $input) {
      gpuName gpuTypeId minMemory minVcpu stockStatus uninterruptablePrice minimumBidPrice maxUnreservedGpuCount
      availableGpuCounts rentedCount totalCount countryCode compliance maxGpuCount
    }
  }
}"""


def lowest(api: Api, gpu_id: str = RTX_4090, **given: Any) -> dict[str, Any]:
    (found,) = data(api, LOWEST, id=gpu_id, input={"gpuCount": 1, **given})["gpuTypes"]
    return found["lowestPrice"]


def test_the_lowest_price_says_what_comes_with_it(api: Api) -> None:
    one, two = lowest(api), lowest(api, gpuCount=2, secureCloud=True)
    assert (one["gpuName"], one["gpuTypeId"], one["uninterruptablePrice"]) == ("RTX 4090", RTX_4090, 0.34)
    assert (one["minMemory"], one["minVcpu"]) == (48, 8)
    assert (two["minMemory"], two["minVcpu"], two["uninterruptablePrice"]) == (96, 16, 0.69)
    made = api.pod(deployed(api, gpuCount=2))
    assert (made["gpu"]["memory"], made["gpu"]["vcpuCount"]) == (two["minMemory"], two["minVcpu"])
    after = lowest(api, gpuCount=2, secureCloud=True)
    assert (after["totalCount"], after["rentedCount"] - two["rentedCount"]) == (two["totalCount"], 2)


@pytest.mark.parametrize(
    ("fits", "not_any_more"),
    [
        ({"minMemoryInGb": 48}, {"minMemoryInGb": 49}),
        ({"minMemoryInGb": 96, "gpuCount": 2}, {"minMemoryInGb": 97, "gpuCount": 2}),
        ({"minVcpuCount": 8}, {"minVcpuCount": 9}),
        ({"totalDisk": 8000}, {"totalDisk": 8001}),
        ({"totalDisk": 2000, "secureCloud": False}, {"totalDisk": 2001, "secureCloud": False}),
        ({"countryCode": "RO"}, {"countryCode": "JP"}),
        ({"dataCenterId": "EU-RO-1"}, {"dataCenterId": "AP-JP-1"}),
        ({"dataCenterId": "EU-RO-1", "countryCode": "RO"}, {"dataCenterId": "EU-RO-1", "countryCode": "US"}),
        ({"minCudaVersion": "12.8", "dataCenterId": "EU-RO-1"}, {"minCudaVersion": "99.0", "dataCenterId": "EU-RO-1"}),
        ({"compliance": ["GDPR"]}, {"compliance": ["ITAR"]}),
    ],
)
def test_what_narrows_the_lowest_price(api: Api, fits: dict[str, Any], not_any_more: dict[str, Any]) -> None:
    found, nothing = lowest(api, **fits), lowest(api, **not_any_more)
    assert found["stockStatus"] is not None and found["minMemory"] is not None
    assert "countryCode" not in fits or found["countryCode"] == fits["countryCode"]
    assert (nothing["stockStatus"], nothing["minMemory"], nothing["minVcpu"]) == (None, None, None)
    assert (nothing["uninterruptablePrice"], nothing["availableGpuCounts"], nothing["totalCount"]) == (None, [], 0)


def test_what_the_lowest_price_promises_can_be_deployed(api: Api) -> None:
    assert lowest(api, RTX_3090, secureCloud=True)["stockStatus"] == "Low"
    deployed(api, gpuTypeId=RTX_3090)
    assert lowest(api, RTX_3090, secureCloud=True)["stockStatus"] == "None"
    assert refused(api, DEPLOY, input=wanted(gpuTypeId=RTX_3090))["message"] == CAPACITY
    no_disk = "There are no longer any instances available with enough disk space."
    assert refused(api, DEPLOY, input=wanted(containerDiskInGb=8001))["message"] == no_disk
    assert refused(api, DEPLOY, input=wanted(containerDiskInGb=4001, volumeInGb=4000))["message"] == no_disk
    answer = api.create(disk=8001)
    assert (answer.status_code, answer.json()["detail"]) == (400, no_disk)
    assert api.create(disk=8001, gpu={"id": RTX_3090, "count": 1}).json()["detail"] == CAPACITY, "no GPU is the cause"


def test_gpu_types_by_several_ids(api: Api) -> None:
    query = "query ($input: GpuTypeFilter) { gpuTypes(input: $input) { id } }"
    found = data(api, query, input={"ids": [H100, RTX_4090, "none such"]})["gpuTypes"]
    assert {each["id"] for each in found} == {H100, RTX_4090}
    assert data(api, query, input={"cluster": True}) == {"gpuTypes": []}


def test_data_centers_say_what_they_have(api: Api) -> None:
    fields = "id storageSupport listed compliance gpuAvailability { id gpuTypeId available stockStatus displayName }"
    places = {each["id"]: each for each in data(api, f"{{ dataCenters {{ {fields} }} }}")["dataCenters"]}
    assert (places["EU-RO-1"]["storageSupport"], places["US-TX-4"]["storageSupport"]) == (True, False)
    rest = {each["id"]: each for each in api.get("/v2/catalog/datacenters").json()["dataCenters"]}
    assert {name: each["storageSupport"] for name, each in places.items()} == {
        name: bool(each["networkVolumeTypes"]) for name, each in rest.items()
    }
    assert all(each["listed"] for each in places.values())
    stock = {each["id"]: each for each in places["EU-RO-1"]["gpuAvailability"]}
    assert stock[RTX_4090]["available"] is True and stock[RTX_4090]["gpuTypeId"] == RTX_4090
    api.fault("no-capacity", catalogue=True, gpu=RTX_4090)
    asked = data(api, "{ dataCenters { id gpuAvailability(input: {gpuCount: 1}) { id available stockStatus } } }")
    (here,) = [each["gpuAvailability"] for each in asked["dataCenters"] if each["id"] == "EU-RO-1"]
    assert {"id": RTX_4090, "available": False, "stockStatus": "None"} in here


def test_several_data_centers_place_a_pod(api: Api) -> None:
    def place(**given: Any) -> str:
        return api.until(deployed(api, **given), lambda shown: shown["dataCenterId"] is not None)["dataCenterId"]

    assert place(dataCenterIds=["AP-JP-1", "EU-RO-1"]) == "EU-RO-1"
    assert place(dataCenterIds=["EU-RO-1", None], cloudType="ALL") == "EU-RO-1"
    assert place(dataCenterIds=[], dataCenterId="EU-RO-1") == "EU-RO-1"
    assert place(dataCenterIds=["EU-RO-1", "US-IL-1"], countryCode="RO") == "EU-RO-1"
    for nowhere in ({"dataCenterIds": ["AP-JP-1"]}, {"dataCenterIds": ["US-IL-1"], "dataCenterId": "EU-RO-1"}):
        assert refused(api, DEPLOY, input=wanted(**nowhere))["message"] == CAPACITY


def test_a_volume_without_name_or_size_is_not_made(api: Api) -> None:
    create = "mutation ($input: CreateNetworkVolumeInput!) { createNetworkVolume(input: $input) { name size } }"
    for missing in ("name", "size"):
        given = {"name": "v", "size": 10, "dataCenterId": "EU-RO-1"}
        for without in ({**given, missing: None}, {each: given[each] for each in given if each != missing}):
            assert f"missing property '{missing}'" in refused(api, create, input=without)["message"]
    assert ask(api, create, input={"name": "v", "size": 10}).status_code == 400
    assert api.get("/v2/network-volumes").json()["networkVolumes"] == []
    assert data(api, create, input=given)["createNetworkVolume"] == {"name": "v", "size": 10}


# Size


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("{ " + " ".join(f"a{number}: myself {{ id }}" for number in range(1000)) + " }", 200),
        ("{ " + " ".join(f"a{number}: gpuTypes {{ id }}" for number in range(1000)) + " }", 200),
        ("{ " + "id " * 20_000 + "}", 400),
        ("{ myself { " + "id " * 5_000 + "} }", 400),
        ("{ " + " ".join(f"a{n}: dataCenters {{ ...f }}" for n in range(500)) + " } fragment f on DataCenter { "
         + " ".join(f"b{n}: gpuAvailability {{ id }}" for n in range(500)) + " }", 400),
        ("{" + "a{" * 30_000 + "}" * 30_000 + "}", 400),
        ("{ myself " + "{ pods " * 300 + "{ id }" + " }" * 301, 400),
        ("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }", 400),
        ("{ ...a } fragment a on Query { ...a }", 400),
        ('{ pod(input: {podId: ' + "[" * 40_000 + "]" * 40_000 + "}) { id } }", 400),
    ],
)  # fmt: skip
def test_a_large_query_is_answered_soon(api: Api, query: str, status: int) -> None:
    began = time.monotonic()
    answer = ask(api, query)
    assert (answer.status_code, time.monotonic() - began < 10) == (status, True), answer.text[:300]
    assert status == 200 or answer.json()["errors"][0]["message"]
