# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules runpod_registry and runpod_registry_info."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._http import session
from ansible_collections.podyard.gpu.plugins.modules import runpod_registry, runpod_registry_info
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner

PASSWORD = "correct-horse-battery-staple"
RAW = {"id": "r1", "name": "hub"}
LOGIN = {"username": "trainer", "password": PASSWORD}
LIST = expect("GET", "/v2/registries")
POST = expect("POST", "/v2/registries", body={"name": "hub", **LOGIN})
DELETE = expect("DELETE", "/v2/registries/r1")
PODS = expect("GET", "/v2/pods", query={"includeClusterPods": "true"})
TEMPLATES = expect("GET", "/v2/templates")
UNUSED = (PODS.reply({"pods": [{"id": "p2", "registry": "r2"}]}), TEMPLATES.reply({"templates": [{"registry": None}]}))


def listed(*registries):
    return LIST.reply({"registries": list(registries)})


@pytest.fixture(name="module")
def made_module(capsys, tmp_path):
    return Runner(capsys, tmp_path)


@pytest.fixture(name="ensure")
def ensuring(module):
    def ensure(*script, check=False, failing=False, name="hub", **options):
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            given = {"poll_interval": 0.01, "consistency_grace": 0.1, "api_key": KEY, "api_url": api.url, **options}
            result = how(runpod_registry.main, check, name=name, **given)
        assert PASSWORD not in module.printed
        return result

    return ensure


def test_credentials_are_made_and_then_left_alone(ensure):
    result = ensure(listed(), POST.reply(RAW, 201), **LOGIN)
    assert (result["changed"], result["registry"]) == (True, RAW)
    assert result["diff"] == {"before": {}, "after": RAW}
    again = ensure(listed(RAW), username="other", password=PASSWORD)
    assert (again["changed"], again["registry"]) == (False, RAW)
    predicted = ensure(listed(), check=True, **LOGIN)
    assert (predicted["changed"], predicted["registry"]) == (True, {"id": None, "name": "hub"})


def test_both_user_and_password_are_needed(ensure):
    assert "also set: username, password" in ensure(listed(), failing=True)["msg"]
    assert "password" in ensure(failing=True, update_password="always", username="trainer")["msg"]


def test_a_new_password_makes_them_anew(ensure):
    new = {**RAW, "id": "r2"}
    script = (listed(RAW), *UNUSED, DELETE.reply(None, 204), POST.reply(new, 201))
    result = ensure(*script, update_password="always", **LOGIN)
    assert (result["changed"], result["registry"]) == (True, new)
    predicted = ensure(listed(RAW), *UNUSED, check=True, update_password="always", **LOGIN)
    assert (predicted["changed"], predicted["registry"]["id"]) == (True, None)


def test_by_their_id_they_are_made_anew_under_their_own_name(ensure):
    script = (listed(RAW), *UNUSED, DELETE.reply(None, 204), POST.reply({**RAW, "id": "r2"}, 201))
    assert ensure(*script, id="r1", name=None, update_password="always", **LOGIN)["registry"]["id"] == "r2"
    result = ensure(listed(RAW), failing=True, id="r9", name=None, **LOGIN)
    assert "no registry credential with the id 'r9'" in result["msg"]
    assert "cannot be renamed to new" in ensure(listed(RAW), failing=True, id="r1", name="new", **LOGIN)["msg"]


def test_a_missing_library_is_named(ensure, monkeypatch):
    monkeypatch.setattr(session, "LIBRARY_PROBLEM", ImportError("gone"))
    assert "requests" in ensure(failing=True)["msg"]


@pytest.mark.parametrize("options", [{"state": "absent"}, {"update_password": "always", **LOGIN}])
@pytest.mark.parametrize("check", [False, True])
def test_credentials_in_use_are_kept(ensure, check, options):
    pods = PODS.reply({"pods": [{"id": "p1", "name": "trainer", "status": "RUNNING", "registry": "r1"}]})
    templates = TEMPLATES.reply({"templates": [{"id": "t1", "name": "training", "registry": "r1"}]})
    result = ensure(listed(RAW), pods, templates, failing=True, check=check, **options)
    assert result["used_by"] == ["the pod trainer (p1, running)", "the template training (t1)"]
    assert "give them another credential" in result["msg"]


def test_a_refused_delete_keeps_them(ensure):
    refused = DELETE.problem(400, "registry credential is in use")
    result = ensure(listed(RAW), *UNUSED, refused, failing=True, update_password="always", **LOGIN)
    assert "Nothing was deleted" in result["msg"]


def test_a_replacement_that_fails_half_way_says_so(ensure):
    script = (listed(RAW), *UNUSED, DELETE.reply(None, 204), POST.problem(422, f"the password {PASSWORD} is odd"))
    result = ensure(*script, failing=True, update_password="always", **LOGIN)
    assert "was already deleted" in result["msg"]
    assert "the option password is a secret that is not shown" in result["msg"]


def test_credentials_are_deleted(ensure):
    assert ensure(listed(RAW), *UNUSED, DELETE.reply(None, 204), state="absent")["registry"] is None
    assert ensure(listed(), state="absent")["changed"] is False


def test_a_create_whose_answer_is_lost_is_not_sent_twice(ensure):
    assert ensure(listed(), POST.drop(), listed(), listed(RAW), **LOGIN)["registry"] == RAW


def test_names_and_ids_are_read(module):
    with Conversation(listed(RAW, {"id": "r2", "name": "other"}), listed(RAW)) as api:
        given = {"api_key": KEY, "api_url": api.url}
        result = module.run(runpod_registry_info.main, name="hub", **given)
        assert (result["changed"], result["registries"]) == (False, [RAW])
        assert module.run(runpod_registry_info.main, id="r9", **given)["registries"] == []
