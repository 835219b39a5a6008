# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catalogue, SSH keys, balance."""

from __future__ import annotations

from typing import Any

import pytest
from stand_in import Api

RTX_4090 = "NVIDIA GeForce RTX 4090"
AVAILABLE = "include=AVAILABILITY&product=POD"


def gpus(api: Api, query: str = AVAILABLE) -> dict[str, dict[str, Any]]:
    answer = api.get(f"/v2/catalog/gpus?{query}")
    assert answer.status_code == 200, answer.text
    return {gpu["id"]: gpu for gpu in answer.json()["gpus"]}


def test_gpus_without_availability(api: Api) -> None:
    found = gpus(api, "")
    assert found[RTX_4090] == {
        "id": RTX_4090,
        "name": "RTX 4090",
        "pool": "ADA_24",
        "manufacturer": "NVIDIA",
        "memory": 24,
        "secure": True,
        "community": True,
        "price": {"secure": 0.69, "community": 0.34},
        "maxCount": {"secure": 8, "community": 4},
    }
    common = {
        "NVIDIA GeForce RTX 5090", "NVIDIA GeForce RTX 3090", "NVIDIA A40", "NVIDIA RTX A5000", "NVIDIA RTX A6000",
        "NVIDIA L4", "NVIDIA L40", "NVIDIA L40S", "NVIDIA RTX 6000 Ada Generation", "NVIDIA A100 80GB PCIe",
        "NVIDIA A100-SXM4-80GB", "NVIDIA H100 PCIe", "NVIDIA H100 NVL", "NVIDIA H100 80GB HBM3", "NVIDIA H200",
        "NVIDIA H200 NVL", "NVIDIA B200", "NVIDIA RTX PRO 6000 Blackwell Server Edition", "AMD Instinct MI300X OAM",
        "NVIDIA  RTX A4500",
    }  # fmt: skip
    assert common <= set(found)


def test_gpus_with_availability(api: Api) -> None:
    found = gpus(api)
    card = found[RTX_4090]
    assert card["availability"] == "HIGH"
    assert {"id": "EU-RO-1", "name": "EU Romania 1", "availability": "HIGH"} in card["dataCenters"]
    assert [entry["version"] for entry in card["cudaVersions"]] == ["12.4", "12.8", "12.9"]
    assert all(entry["available"] for entry in card["cudaVersions"])
    assert found["NVIDIA GeForce RTX 3090"]["availability"] == "LOW"
    quoted = found["NVIDIA B200"]
    assert quoted["community"] is False and quoted["price"]["community"] > 0
    amd = found["AMD Instinct MI300X OAM"]
    assert amd["availability"] == "NONE" and "cudaVersions" not in amd and "dataCenters" not in amd


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("count=8", {"EU-RO-1", "US-IL-1"}),
        ("cloud=COMMUNITY", {"US-TX-3", "EU-SE-1"}),
        ("minCudaVersion=12.8", {"EU-RO-1", "US-IL-1"}),
        ("minCudaVersion=12", {"EU-RO-1", "US-IL-1", "EUR-IS-2"}),
        ("cudaVersions=12.4,12.9", {"EUR-IS-2", "US-IL-1"}),
        ("countryCodes=RO", {"EU-RO-1"}),
        ("countryCodes=IS,US", {"EUR-IS-2", "US-IL-1"}),
    ],
)
def test_scope_of_availability(api: Api, query: str, places: set[str]) -> None:
    found = gpus(api, f"{AVAILABLE}&{query}")[RTX_4090]
    assert {place["id"] for place in found["dataCenters"]} == places


def test_scope_that_nothing_fits(api: Api) -> None:
    found = gpus(api, f"{AVAILABLE}&count=16")[RTX_4090]
    assert found["availability"] == "NONE" and "dataCenters" not in found
    found = gpus(api, "include=AVAILABILITY&product=SERVERLESS")[RTX_4090]
    assert found["availability"] == "NONE"


def test_countries_narrow_the_list_but_not_the_single_gpu(api: Api) -> None:
    assert RTX_4090 not in gpus(api, f"{AVAILABLE}&countryCodes=JP")
    answer = api.get(f"/v2/catalog/gpus/{RTX_4090}?{AVAILABLE}&countryCodes=JP")
    assert answer.status_code == 200
    assert answer.json()["availability"] == "NONE" and "dataCenters" not in answer.json()


def test_single_gpu(api: Api) -> None:
    assert api.get(f"/v2/catalog/gpus/{RTX_4090}").json() == gpus(api, "")[RTX_4090]
    assert api.get("/v2/catalog/gpus/NVIDIA  RTX A4500").json()["name"] == "RTX A4500"
    assert api.get("/v2/catalog/gpus/RTX 4090").status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("include=AVAILABILITY", 400),
        ("product=POD", 400),
        ("count=2", 400),
        ("cloud=SECURE", 400),
        ("countryCodes=RO", 400),
        (f"{AVAILABLE}&cudaVersions=12.8&minCudaVersion=12.4", 400),
        (f"{AVAILABLE}&countryCodes=ro", 422),
        (f"{AVAILABLE}&cudaVersions=12", 422),
        (f"{AVAILABLE}&cloud=ALL", 422),
        (f"{AVAILABLE}&count=0", 422),
        ("include=PRICES", 422),
        ("include=AVAILABILITY&product=pod", 422),
        ("unknown=1", 200),
    ],
)
def test_questions_that_do_not_fit(api: Api, query: str, status: int) -> None:
    assert api.get(f"/v2/catalog/gpus?{query}").status_code == status


def test_data_centers(api: Api) -> None:
    places = {place["id"]: place for place in api.get("/v2/catalog/datacenters").json()["dataCenters"]}
    assert len(places) == 26
    assert places["EU-RO-1"]["region"] == "EUROPE" and places["EU-RO-1"]["globalNetwork"] is True
    assert set(places["EU-RO-1"]) == {"id", "name", "region", "globalNetwork", "networkVolumeTypes", "compliance"}
    europe = api.get("/v2/catalog/datacenters?regions=EUROPE,ASIA&globalNetwork=false").json()["dataCenters"]
    assert {place["region"] for place in europe} == {"EUROPE", "ASIA"}
    assert not any(place["globalNetwork"] for place in europe)
    fast = api.get("/v2/catalog/datacenters?networkVolumeTypes=STANDARD,HIGH_PERFORMANCE").json()["dataCenters"]
    assert all(place["networkVolumeTypes"] == ["STANDARD", "HIGH_PERFORMANCE"] for place in fast) and fast
    assert api.get("/v2/catalog/datacenters?regions=MARS").status_code == 422


def test_data_center_with_its_gpus(api: Api) -> None:
    place = api.get("/v2/catalog/datacenters/EU-RO-1?include=GPU_AVAILABILITY").json()
    assert {"id": RTX_4090, "name": "RTX 4090", "availability": "HIGH"} in place["gpuAvailability"]
    assert "gpuAvailability" not in api.get("/v2/catalog/datacenters/EU-RO-1").json()
    assert api.get("/v2/catalog/datacenters/EU-XX-9").status_code == 404


def test_ssh_keys_are_replaced_as_a_whole(api: Api) -> None:
    path = "/v2/account/ssh-keys"
    assert api.get(path).json() == {"keys": []}
    first, second = "ssh-ed25519 AAAA me@example.com", "sk-ssh-ed25519@openssh.com BBBB"
    assert api.call("PUT", path, json={"keys": [first]}).json() == {"keys": [first]}
    assert api.call("PUT", path, json={"keys": [second]}).status_code == 200
    assert api.get(path).json() == {"keys": [second]}
    for wrong in ({"keys": ["nonsense"]}, {"keys": [f"{first}\n{second}"]}, {}, {"keys": [], "extra": 1}):
        assert api.call("PUT", path, json=wrong).status_code == 422
    assert api.call("PUT", path, json={"keys": []}).json() == {"keys": []}


def ask(api: Api, query: str) -> Any:
    return api.post("/graphql", {"query": query})


def test_balance_and_spend(api: Api) -> None:
    query = "query { myself { clientBalance currentSpendPerHr } }"
    assert ask(api, query).json() == {"data": {"myself": {"clientBalance": 100.0, "currentSpendPerHr": 0.0}}}
    api.made()
    after = ask(api, query).json()["data"]["myself"]
    assert after["currentSpendPerHr"] == 0.69
    assert after["clientBalance"] < 100


def test_other_fields_of_myself(api: Api) -> None:
    key = "ssh-ed25519 AAAA me"
    api.call("PUT", "/v2/account/ssh-keys", json={"keys": [key]})
    answer = ask(api, "query Me { __typename myself { id, email pubKey spendLimit } } # done")
    found = answer.json()["data"]["myself"]
    assert found == {"id": found["id"], "email": found["email"], "pubKey": key, "spendLimit": 80.0}
    assert "RateLimit" not in answer.headers


def test_graphql_takes_the_key_in_the_url_too(api: Api, sandbox: Any) -> None:
    stranger = Api(sandbox.url, "")
    query = {"query": "{ myself { id } }"}
    assert stranger.post("/graphql", query).status_code == 401
    assert stranger.post(f"/graphql?api_key={sandbox.home.api_key()}", query).status_code == 200
