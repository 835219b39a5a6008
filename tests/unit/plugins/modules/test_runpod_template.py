# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules runpod_template and runpod_template_info."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.modules import runpod_template, runpod_template_info
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner

SECRET = "hf_abcdefghijklmnop"
IMAGE = "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"
#: What a create without any wish but the image sends, and what the service then has.
BODY = {
    "name": "training",
    "image": IMAGE,
    "disk": 20,
    "ports": ["22/tcp"],
    "startSsh": True,
    "startJupyter": False,
    "category": "NVIDIA",
    "public": False,
    "serverless": False,
}
RAW = {
    **BODY,
    "id": "t1",
    "args": "",
    "mounts": {},
    "env": {},
    "registry": None,
    "allowedCudaVersions": [],
}
ALL = {
    "image": IMAGE,
    "args": "bash -c 'sleep 1'",
    "disk": 40,
    "volume": {"size": 100},
    "ports": ["8888/http", "22/tcp"],
    "env": {"HF_TOKEN": SECRET, "DEBUG": True, "N": 3},
    "registry": "dockerhub",
    "start_ssh": True,
    "start_jupyter": True,
    "cuda_versions": ["12.8"],
    "category": "AMD",
    "public": True,
    "serverless": False,
}
ALL_RAW = {
    "id": "t1",
    "name": "training",
    "image": IMAGE,
    "args": "bash -c 'sleep 1'",
    "disk": 40,
    "mounts": {"persistent": {"size": 100, "path": "/workspace"}},
    "ports": ["8888/http", "22/tcp"],
    "env": {"HF_TOKEN": SECRET, "DEBUG": "true", "N": "3"},
    "registry": "r1",
    "startSsh": True,
    "startJupyter": True,
    "allowedCudaVersions": ["12.8"],
    "category": "AMD",
    "public": True,
    "serverless": False,
}
LIST = expect("GET", "/v2/templates")
PODS = expect("GET", "/v2/pods", query={"includeClusterPods": "true"})
REGISTRIES = expect("GET", "/v2/registries").reply({"registries": [{"id": "r1", "name": "dockerhub"}]})


def listed(*templates):
    return LIST.reply({"templates": list(templates)})


@pytest.fixture(name="module")
def made_module(capsys, tmp_path):
    return Runner(capsys, tmp_path)


@pytest.fixture(name="ensure")
def ensuring(module):
    def ensure(*script, check=False, failing=False, name="training", **options):
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            given = {"poll_interval": 0.01, "consistency_grace": 0.1, "api_key": KEY, "api_url": api.url, **options}
            result = how(runpod_template.main, check, name=name, **given)
        assert SECRET not in module.printed
        assert KEY not in module.printed
        return result

    return ensure


def test_a_template_is_reachable_by_ssh_without_a_wish(ensure):
    result = ensure(listed(), expect("POST", "/v2/templates", body=BODY).reply(RAW, 201), image=IMAGE)
    template = result["template"]
    assert result["changed"] is True
    assert (template["ports"], template["start_ssh"], template["public"]) == (["22/tcp"], True, False)
    assert result["diff"] == {"before": {}, "after": template}
    again = ensure(listed(RAW), image=IMAGE)
    assert (again["changed"], again["template"]) == (False, template)
    assert again["diff"]["before"] == again["diff"]["after"]


def test_check_mode_predicts_the_template(ensure):
    made = ensure(listed(), expect("POST", "/v2/templates").reply(RAW, 201), image=IMAGE)
    predicted = ensure(listed(), image=IMAGE, check=True)
    assert predicted["changed"] is True
    assert predicted["template"] == {**made["template"], "id": None}
    assert ensure(listed(RAW), image=IMAGE, check=True)["changed"] is False


def test_every_field_goes_there_and_back(ensure):
    body = {name: value for name, value in ALL_RAW.items() if name != "id"}
    made = ensure(listed(), REGISTRIES, expect("POST", "/v2/templates", body=body).reply(ALL_RAW, 201), **ALL)
    template = made["template"]
    assert template["volume"] == {"size": 100, "path": "/workspace"}
    assert template["env"] == {"DEBUG": "(set)", "HF_TOKEN": "(set)", "N": "(set)"}
    assert (template["registry"], template["cuda_versions"], template["category"]) == ("r1", ["12.8"], "AMD")
    assert ensure(listed(ALL_RAW), REGISTRIES, **ALL)["changed"] is False


@pytest.mark.parametrize(
    ("options", "patch"),
    [
        ({"disk": 60}, {"disk": 60}),
        ({"args": ""}, {"args": ""}),
        ({"volume": {"size": 50}}, {"mounts": {"persistent": {"size": 50, "path": "/workspace"}}}),
        ({"ports": []}, {"ports": []}),
        ({"registry": ""}, {"registry": None}),
        ({"cuda_versions": []}, {"allowedCudaVersions": []}),
        ({"start_ssh": False, "public": False}, {"startSsh": False, "public": False}),
        ({"env": {"HF_TOKEN": "hf_another_token"}}, {"env": {"HF_TOKEN": "hf_another_token"}}),
    ],
)
def test_only_what_differs_is_sent(ensure, options, patch):
    script = (listed(ALL_RAW), expect("PATCH", "/v2/templates/t1", body=patch).reply({**ALL_RAW, **patch}))
    result = ensure(*script, **options)
    assert (result["changed"], sorted(result["changes"])) == (True, sorted(options))
    predicted = ensure(listed(ALL_RAW), check=True, **options)
    assert predicted["diff"] == result["diff"]
    assert predicted["diff"]["before"] != predicted["diff"]["after"]


def test_the_order_of_ports_is_no_difference(ensure):
    assert ensure(listed(ALL_RAW), ports=["22/tcp", "8888/http"])["changed"] is False


def test_a_template_without_the_port_of_ssh_is_warned_of(ensure):
    made = expect("POST", "/v2/templates").reply({**RAW, "ports": ["8888/http"]})
    result = ensure(listed(), made, image=IMAGE, ports=["8888/http"])
    assert any("lack 22/tcp" in str(warning) for warning in result["warnings"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"disk": 0}, "disk must be 1 GB or more, not 0"),
        ({"volume": {"size": 5}}, "volume needs a size of 10 GB or more, not 5"),
        ({"volume": {"size": 50, "path": "data"}}, "volume needs a path that begins with /"),
        ({"ports": ["22", "9/udp"]}, "ports are written like 22/tcp or 8888/http, not '22', '9/udp'"),
        ({"cuda_versions": ["12"]}, "cuda_versions are written like 12.8, not '12'"),
        ({"env": {"A B": "1"}}, "env has names that no shell accepts: 'A B'"),
        ({"env": {f"V{number}": "1" for number in range(51)}}, "env may hold 50 variables, not 51"),
    ],
)
def test_bad_input_is_refused_before_any_request(ensure, options, words):
    result = ensure(failing=True, image=IMAGE, **options)
    assert words in result["msg"]
    assert result["failure"]["kind"] == "BadRequest"


def test_an_image_is_needed(ensure):
    assert "To create the template training, also set: image." in ensure(listed(), failing=True)["msg"]


def test_a_registry_that_is_not_there_is_said_before_the_create(ensure):
    none = expect("GET", "/v2/registries").reply({"registries": []})
    assert (
        "no registry credential with the id or name 'x'"
        in ensure(listed(), none, failing=True, image=IMAGE, registry="x")["msg"]
    )


def test_a_refusal_names_the_option(ensure):
    refused = expect("POST", "/v2/templates").problem(422, "Request validation failed.", ["$.image: no such image"])
    result = ensure(listed(), refused, failing=True, image="nope", env={"HF_TOKEN": SECRET})
    assert "the option image is 'nope'" in result["msg"]
    assert result["failure"]["status"] == 422


def test_a_request_that_is_too_large_names_the_option(ensure):
    refused = expect("PATCH", "/v2/templates/t1").problem(413, "request body exceeds 102400 bytes")
    result = ensure(listed(RAW), refused, failing=True, disk=30, env={"HF_TOKEN": "x" * 102400})
    assert "Most of the request is the option env" in result["msg"]


def test_a_template_in_use_is_not_deleted_and_its_pods_are_named(ensure):
    """The service refuses to delete a template that a pod uses."""
    pods = [{"id": "p1", "name": "trainer", "status": "EXITED", "template": "t1"}, {"id": "p2", "template": "t2"}]
    used = PODS.reply({"pods": pods})
    for check in (True, False):
        result = ensure(listed(RAW), used, failing=True, check=check, state="absent")
        assert "the pod trainer (p1, exited)" in result["msg"]
        assert "p2" not in result["msg"]
        assert "End these pods first" in result["msg"]
        assert result["used_by"] == ["the pod trainer (p1, exited)"]


def test_a_template_is_deleted_when_its_last_pod_is_gone(ensure):
    used = PODS.reply({"pods": [{"id": "p1", "name": "trainer", "status": "RUNNING", "template": "t1"}]})
    delete = expect("DELETE", "/v2/templates/t1")
    refused = delete.problem(400, "template is in use by a pod")
    free = PODS.reply({"pods": []})
    script = (listed(RAW), used, free, refused, free, delete.reply(None, 204))
    result = ensure(*script, state="absent", wait_timeout=20)
    assert (result["changed"], result["template"]) == (True, None)
    assert ensure(listed(), state="absent")["changed"] is False


def test_a_refused_delete_says_what_to_do(ensure):
    refused = expect("DELETE", "/v2/templates/t1").problem(400, "template is bound to an endpoint")
    result = ensure(listed(RAW), PODS.reply({"pods": []}), refused, failing=True, state="absent")
    assert "bound to an endpoint" in result["msg"]
    assert "Nothing was deleted." in result["msg"]


def test_a_create_whose_answer_is_lost_is_not_sent_twice(ensure):
    result = ensure(listed(), expect("POST", "/v2/templates").drop(), listed(), listed(RAW), image=IMAGE)
    assert (result["changed"], result["template"]["id"]) == (True, "t1")


# -- runpod_template_info


@pytest.fixture(name="info")
def reading(module):
    def info(*script, failing=False, **options):
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            result = how(runpod_template_info.main, api_key=KEY, api_url=api.url, **options)
        assert SECRET not in module.printed
        return result

    return info


def test_own_templates_are_read_with_their_secrets_masked(info):
    result = info(listed(ALL_RAW, RAW))
    assert [template["env"] for template in result["templates"]] == [
        {"DEBUG": "(set)", "HF_TOKEN": "(set)", "N": "(set)"},
        {},
    ]
    other = {**RAW, "id": "t2", "name": "other"}
    assert [each["id"] for each in info(listed(RAW, other), name="other")["templates"]] == ["t2"]
    assert info(listed())["templates"] == []


@pytest.mark.parametrize("source", ["official", "verified", "community"])
def test_those_of_others_are_read(info, source):
    catalogue = expect("GET", "/v2/catalog/templates", query={"source": source}).reply({"templates": [RAW]})
    assert info(catalogue, source=source)["templates"][0]["id"] == "t1"


def test_one_of_somebody_else_is_read_by_its_id(info):
    public = expect("GET", "/v2/templates/t9")
    assert info(listed(), public.reply({**RAW, "id": "t9"}), id="t9")["templates"][0]["id"] == "t9"
    assert info(listed(), public.problem(404, "resource not found"), id="t9")["templates"] == []


def test_a_refused_key_is_one_sentence(info):
    result = info(LIST.problem(401, "invalid api key"), failing=True)
    assert "invalid api key" in result["msg"]
