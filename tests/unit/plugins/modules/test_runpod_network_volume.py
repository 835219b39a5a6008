# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules runpod_network_volume and runpod_network_volume_info."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.modules import runpod_network_volume, runpod_network_volume_info
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner

RAW = {"id": "v1", "name": "data", "size": 100, "dataCenter": "EU-RO-1", "type": "STANDARD"}
SHOWN = {
    "id": "v1",
    "name": "data",
    "size": 100,
    "data_center": "EU-RO-1",
    "type": "STANDARD",
    "usd_per_month": 7.0,
}
WANTED = {"size": 100, "data_center": "EU-RO-1"}
PLACES = {
    "dataCenters": [
        {"id": "EU-RO-1", "networkVolumeTypes": ["STANDARD", "HIGH_PERFORMANCE"]},
        {"id": "US-KS-2", "networkVolumeTypes": ["STANDARD"]},
        {"id": "US-TX-1", "networkVolumeTypes": []},
    ]
}
LIST = expect("GET", "/v2/network-volumes")
POST = expect("POST", "/v2/network-volumes")
CATALOGUE = expect("GET", "/v2/catalog/datacenters").reply(PLACES)
PODS = expect("GET", "/v2/pods", query={"includeClusterPods": "true"})


def listed(*volumes):
    return LIST.reply({"networkVolumes": list(volumes)})


def using(volume, **changes):
    mounts = {"network": [{"volumeId": volume, "path": "/workspace"}]}
    return {"id": "p1", "name": "trainer", "status": "EXITED", "mounts": mounts, **changes}


@pytest.fixture(name="module")
def made_module(capsys, tmp_path):
    return Runner(capsys, tmp_path)


@pytest.fixture(name="ensure")
def ensuring(module):
    def ensure(*script, check=False, failing=False, name="data", **options):
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            given = {"poll_interval": 0.01, "consistency_grace": 0.1, "api_key": KEY, "api_url": api.url, **options}
            return how(runpod_network_volume.main, check, name=name, **given)

    return ensure


def test_a_volume_is_made_and_its_cost_is_said(ensure):
    """The data centre is sent in capitals: in lower case it was accepted and the volume then was of no use."""
    body = {"name": "data", "size": 100, "dataCenter": "EU-RO-1"}
    result = ensure(
        listed(),
        CATALOGUE,
        expect("POST", "/v2/network-volumes", body=body).reply(RAW, 201),
        size=100,
        data_center="eu-ro-1",
    )
    assert (result["changed"], result["network_volume"]) == (True, SHOWN)
    assert "about USD 7.00 a month" in result["msg"]
    assert result["diff"] == {"before": {}, "after": SHOWN}
    again = ensure(listed(RAW), size=100, data_center="eu-ro-1", type="STANDARD")
    assert (again["changed"], again["network_volume"]) == (False, SHOWN)


def test_check_mode_predicts_the_volume_and_its_cost(ensure):
    result = ensure(listed(), CATALOGUE, check=True, **WANTED)
    assert result["changed"] is True
    assert result["network_volume"] == {**SHOWN, "id": None, "type": None}
    assert "would be created. It costs about USD 7.00 a month" in result["msg"]
    assert ensure(listed(RAW), check=True, **WANTED)["changed"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data_center": "US-TX-1"}, "US-TX-1 has no network volumes. These have some: EU-RO-1, US-KS-2."),
        ({"data_center": "XX-1"}, "no data centre 'XX-1'. These have some: EU-RO-1, US-KS-2."),
        (
            {"data_center": "us-ks-2", "type": "HIGH_PERFORMANCE"},
            "only STANDARD. These have some of the type HIGH_PERFORMANCE: EU-RO-1.",
        ),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_a_place_without_volumes_is_refused_before_the_create(ensure, check, options, words):
    assert words in ensure(listed(), CATALOGUE, failing=True, check=check, size=100, **options)["msg"]


@pytest.mark.parametrize("size", [9, 4097])
def test_a_size_that_there_is_not_is_refused_before_any_request(ensure, size):
    result = ensure(failing=True, size=size, data_center="EU-RO-1")
    assert f"size must be 10 to 4096 GB, not {size}." in result["msg"]


def test_a_volume_grows(ensure):
    patch = expect("PATCH", "/v2/network-volumes/v1", body={"size": 2000}).reply({**RAW, "size": 2000})
    result = ensure(listed(RAW), patch, size=2000)
    # 1000 GB at USD 0.07 and 1000 GB at USD 0.05.
    assert result["network_volume"]["usd_per_month"] == 120.0
    assert (result["diff"]["before"]["usd_per_month"], result["diff"]["after"]["usd_per_month"]) == (7.0, 120.0)
    assert ensure(listed(RAW), check=True, size=2000)["diff"] == result["diff"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 50}, "its size is 100 and can only grow, not shrink to 50. Set 100 or more"),
        (
            {"data_center": "US-KS-2"},
            "its data_center is EU-RO-1 and cannot be changed to US-KS-2. A volume cannot be moved",
        ),
        ({"type": "HIGH_PERFORMANCE"}, "its type is STANDARD and cannot be changed to HIGH_PERFORMANCE"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_what_a_volume_cannot_do_is_refused_before_any_change(ensure, check, options, words):
    message = ensure(listed(RAW), failing=True, check=check, **options)["msg"]
    assert message.startswith(f"The network volume {RAW['name']} ({RAW['id']}) was not changed: ")
    assert words in message


def test_a_volume_gets_another_name_by_its_id(ensure):
    patch = expect("PATCH", "/v2/network-volumes/v1", body={"name": "new"}).reply({**RAW, "name": "new"})
    assert ensure(listed(RAW), patch, id="v1", name="new")["network_volume"]["name"] == "new"


@pytest.mark.parametrize("check", [False, True])
def test_a_volume_in_use_is_not_deleted(ensure, check):
    """The service deletes a volume that a pod uses; so its pods are looked for first, on every page."""
    first = PODS.reply({"pods": [], "pagination": {"hasNextPage": True, "nextCursor": "c"}})
    query = {"includeClusterPods": "true", "cursor": "c"}
    last = expect("GET", "/v2/pods", query=query).reply({"pods": [using("v2"), using("v1")]})
    result = ensure(listed(RAW), first, last, failing=True, check=check, state="absent")
    assert "is in use by the pod trainer (p1, exited), and was not deleted" in result["msg"]
    assert result["used_by"] == ["the pod trainer (p1, exited)"]


def test_pods_that_cannot_be_listed_are_not_none(ensure):
    result = ensure(listed(RAW), PODS.reply({"pods": None}), failing=True, state="absent")
    assert result["failure"]["kind"] == "BadAnswer"


def test_a_volume_that_nobody_uses_is_deleted(ensure):
    pods = PODS.reply({"pods": [using("v2"), {"id": "p2", "mounts": {}}, {"id": "p3", "mounts": None}]})
    result = ensure(listed(RAW), pods, expect("DELETE", "/v2/network-volumes/v1").reply(None, 204), state="absent")
    assert (result["changed"], result["network_volume"]) == (True, None)
    assert result["diff"] == {"before": SHOWN, "after": {}}
    assert ensure(listed(RAW), pods, check=True, state="absent")["changed"] is True
    assert ensure(listed(), state="absent")["changed"] is False


def test_two_of_one_name_are_not_guessed_between(ensure):
    both = listed(RAW, {**RAW, "id": "v2"})
    assert "(v1, v2)" in ensure(both, failing=True, state="absent")["msg"]


def test_a_create_whose_answer_is_lost_is_not_sent_twice(ensure):
    result = ensure(listed(), CATALOGUE, POST.problem(500, "oops"), listed(), listed(RAW), **WANTED)
    assert (result["changed"], result["network_volume"]["id"]) == (True, "v1")


@pytest.mark.parametrize("kind", ["PaymentRequired", "Forbidden", "BadRequest"])
def test_a_refused_create_is_one_sentence(ensure, kind):
    status = {"PaymentRequired": 402, "Forbidden": 403, "BadRequest": 400}[kind]
    result = ensure(listed(), CATALOGUE, POST.problem(status, "no, since size is odd"), failing=True, **WANTED)
    assert "create the network volume data on RunPod" in result["msg"]
    assert "no, since size is odd" in result["msg"]
    assert result["failure"]["kind"] == kind


# -- runpod_network_volume_info


def test_volumes_are_read_with_their_cost(module):
    fast = {**RAW, "id": "v2", "name": "fast", "type": "HIGH_PERFORMANCE"}
    with Conversation(listed(RAW, fast), listed(RAW, fast), listed()) as api:
        given = {"api_key": KEY, "api_url": api.url}
        result = module.run(runpod_network_volume_info.main, **given)
        assert result["changed"] is False
        assert result["network_volumes"][0] == SHOWN
        assert result["network_volumes"][1]["usd_per_month"] is None
        (only,) = module.run(runpod_network_volume_info.main, name="fast", **given)["network_volumes"]
        assert only["id"] == "v2"
        assert module.run(runpod_network_volume_info.main, **given)["network_volumes"] == []


def test_a_list_that_cannot_be_read_is_an_error(module):
    with Conversation(LIST.reply({"volumes": []})) as api:
        result = module.fail(runpod_network_volume_info.main, api_key=KEY, api_url=api.url)
    assert result["failure"]["kind"] == "BadAnswer"
