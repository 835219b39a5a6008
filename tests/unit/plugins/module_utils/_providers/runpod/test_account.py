# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What RunPod has beside pods: finding it by id or name."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._http.session import ApiSession
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod.account import find
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect

VOLUMES = {
    "networkVolumes": [
        {"id": "v1", "name": "data", "size": 100, "dataCenter": "EU-RO-1", "type": "STANDARD"},
        {"id": "v2", "name": "twin", "size": 100, "dataCenter": "EU-RO-1", "type": "STANDARD"},
        {"id": "v3", "name": "twin", "size": 100, "dataCenter": "US-KS-2", "type": "STANDARD"},
        {"id": "data", "name": "other", "size": 10, "dataCenter": "US-KS-2", "type": "STANDARD"},
    ]
}


def found(script, kind, reference):
    with Conversation(*script) as api:
        return find(ApiSession("RunPod", api.url, KEY), kind, reference)


@pytest.mark.parametrize(("reference", "id_"), [("v1", "v1"), ("other", "data"), ("data", "data"), ("v3", "v3")])
def test_an_id_comes_before_a_name(reference, id_):
    assert found([expect("GET", "/v2/network-volumes").reply(VOLUMES)], "network_volume", reference)["id"] == id_


def test_two_of_one_name_are_not_guessed_between():
    with pytest.raises(errors.BadRequest, match=r"'twin'.*v2, v3"):
        found([expect("GET", "/v2/network-volumes").reply(VOLUMES)], "network_volume", "twin")


def test_none_says_which_there_are():
    with pytest.raises(errors.BadRequest, match=r"no network volume with the id or name 'x'.*data \(v1\)"):
        found([expect("GET", "/v2/network-volumes").reply(VOLUMES)], "network_volume", "x")
    with pytest.raises(errors.BadRequest, match="The account has none"):
        found([expect("GET", "/v2/registries").reply({"registries": []})], "registry", "x")


def test_all_pages_are_read():
    first = {"registries": [{"id": "r1", "name": "a"}], "pagination": {"hasNextPage": True, "nextCursor": "c"}}
    last = {"registries": [{"id": "r2", "name": "b"}], "pagination": {"hasNextPage": False, "nextCursor": None}}
    script = [
        expect("GET", "/v2/registries", query={}).reply(first),
        expect("GET", "/v2/registries", query={"cursor": "c"}).reply(last),
    ]
    assert found(script, "registry", "b")["id"] == "r2"


def test_a_list_without_an_end_is_an_error():
    page = {"registries": [], "pagination": {"hasNextPage": True, "nextCursor": "c"}}
    with pytest.raises(errors.BadAnswer, match=r"pages of the list .* repeat"):
        found([expect("GET", "/v2/registries").reply(page)] * 2, "registry", "b")
    page = {"registries": [], "pagination": {"hasNextPage": True, "nextCursor": None}}
    with pytest.raises(errors.BadAnswer, match="does not say which"):
        found([expect("GET", "/v2/registries").reply(page)], "registry", "b")


@pytest.mark.parametrize("answer", [{}, {"registries": None}, {"registries": ["x"]}, [], "text", None])
def test_an_answer_that_cannot_be_read_is_not_empty(answer):
    with pytest.raises(errors.BadAnswer, match="That does not mean that there are none"):
        found([expect("GET", "/v2/registries").reply(answer)], "registry", "b")


def test_somebody_elses_template_is_read_by_its_id():
    script = [
        expect("GET", "/v2/templates").reply({"templates": [{"id": "t1", "name": "mine"}]}),
        expect("GET", "/v2/templates/runpod-torch").reply({"id": "runpod-torch", "name": "PyTorch"}),
    ]
    assert found(script, "template", "runpod-torch")["name"] == "PyTorch"
    script[1] = expect("GET", "/v2/templates/runpod-torch").problem(404, "resource not found")
    with pytest.raises(errors.BadRequest, match=r"no template with the id or name 'runpod-torch'.*mine \(t1\)"):
        found(script, "template", "runpod-torch")
    with pytest.raises(errors.BadRequest, match="no template with the id or name 'a b/c'"):
        found(script[:1], "template", "a b/c")
