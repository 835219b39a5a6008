# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option apply_template of runpod_pod: a pod that is there against what its template says now; and predictions."""

from __future__ import annotations

import json

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._pods import bootstrap
from ansible_collections.podyard.gpu.plugins.modules import runpod_pod
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples as examples

NAME = "notebook"
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFake run"
SECRET, OTHER = "hf_of_the_template", "hf_of_the_task"
LIST = expect("GET", "/v2/pods")
NOTHING = LIST.reply({"pods": []})
CATALOGUE = expect("GET", "/v2/catalog/gpus").reply({"gpus": [examples.gpu()]})
TEMPLATE = {
    "id": "t1",
    "name": "torch",
    "image": "runpod/torch:2",
    "args": "",
    "disk": 30,
    "registry": None,
    "ports": ["22/tcp", "8888/http"],
    "env": {"HF_TOKEN": SECRET},
    "mounts": {},
    "serverless": False,
}
ALIKE = {
    "image": "runpod/torch:2",
    "args": "",
    "disk": 30,
    "ports": ["8888/http", "22/tcp"],
    "registry": None,
    "env": {"HF_TOKEN": SECRET, "PUBLIC_KEY": PUBLIC},
}
APPLY = {"name": NAME, "template": "torch", "apply_template": "always", "public_keys": [PUBLIC], "wait": False}


def made(**changes):
    return examples.pod(**{"id": "p1", "name": NAME, "mounts": {}, **ALIKE, **changes})


def listed(pod):
    return LIST.reply({"pods": [pod]})


def saying(**changes):
    return expect("GET", "/v2/templates").reply({"templates": [{**TEMPLATE, **changes}]})


def patch(body, answer):
    return expect("PATCH", "/v2/pods/p1", body=body).reply(answer)


@pytest.fixture(name="module")
def made_module(capsys, tmp_path):
    return Runner(capsys, tmp_path)


@pytest.fixture(name="ensure")
def ensuring(module):
    def ensure(*script, check=False, failing=False, **options):
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            given = {"poll_interval": 0.01, "consistency_grace": 0.2, "api_key": KEY, "api_url": api.url, **options}
            return how(runpod_pod.main, check, **given)

    return ensure


def test_a_pod_becomes_what_its_template_says_and_then_stays(ensure, module):
    """Do, do again, check, check when done, diff. The task says nothing, so that the template decides all."""
    old = made(
        image="runpod/torch:1", args="sleep 1", disk=20, ports=["22/tcp"], env={"PUBLIC_KEY": PUBLIC, "OLD": "1"}
    )
    body = {
        "image": "runpod/torch:2",
        "args": "",
        "disk": 30,
        "ports": ["22/tcp", "8888/http"],
        "env": {"HF_TOKEN": SECRET, "PUBLIC_KEY": PUBLIC},
        "templateId": "t1",
    }
    foreseen = ensure(listed(old), saying(), check=True, **APPLY, allow_reset=True)
    result = ensure(listed(old), saying(), patch(body, made()), **APPLY, allow_reset=True)
    for each in (foreseen, result):
        after = each["diff"]["after"]
        assert each["changed"] is True
        assert (after["image"], after["args"], after["disk_gb"]) == ("runpod/torch:2", None, 30)
        assert after["ports"] == ["22/tcp", "8888/http"]
        assert after["env"] == {"HF_TOKEN": "(set)", "PUBLIC_KEY": "(set)"}
        assert after["effect"] == "resets the container: everything on its disk is lost"
        assert "template" not in after
        assert each["pod"]["image"] == "runpod/torch:2"
    assert ensure(listed(made()), saying(), **APPLY)["changed"] is False
    assert ensure(listed(made()), saying(), check=True, **APPLY)["changed"] is False
    assert SECRET not in module.printed


def test_only_when_it_is_wanted_a_pod_is_compared_with_its_template(ensure):
    assert ensure(listed(made(disk=20)), **{**APPLY, "apply_template": "on_create"})["changed"] is False


def test_what_the_task_says_stays_and_is_sent_beside_the_template(ensure):
    """The service would else overwrite it with the template's, and take the variables of the task away."""
    options = {**APPLY, "image": "mine:1", "ports": ["22/tcp"], "env": {"HF_TOKEN": OTHER}, "allow_reset": True}
    mine = {"image": "mine:1", "ports": ["22/tcp"], "env": {"HF_TOKEN": OTHER, "PUBLIC_KEY": PUBLIC}}
    body = {**mine, "disk": 30, "templateId": "t1"}
    ensure(listed(made(**mine, disk=20)), saying(), patch(body, made(**mine)), **options)
    assert ensure(listed(made(**mine)), saying(), **options)["changed"] is False


def test_variables_of_the_task_and_of_the_template_are_merged(ensure):
    body = {"env": {"HF_TOKEN": SECRET, "N": "1", "PUBLIC_KEY": PUBLIC}, "templateId": "t1"}
    options = {**APPLY, "env": {"N": "1"}, "allow_reset": True}
    result = ensure(listed(made()), saying(), patch(body, made(**body)), **options)
    assert result["diff"]["after"]["env"] == {"HF_TOKEN": "(set)", "N": "(set)", "PUBLIC_KEY": "(set)"}
    changed = saying(env={"HF_TOKEN": OTHER})
    again = ensure(listed(made(env=body["env"])), changed, check=True, **options)
    assert again["diff"]["after"]["env"] == {"HF_TOKEN": "(changed)", "N": "(set)", "PUBLIC_KEY": "(set)"}


def test_a_running_container_is_reset_only_if_that_is_allowed(ensure):
    for check in (False, True):
        refused = ensure(listed(made(disk=20, env={})), saying(), failing=True, check=check, **APPLY)
        assert "to change its disk, env resets the container" in refused["msg"]
        assert refused["diff"]["after"]["disk_gb"] == 30


def test_the_credentials_of_a_template_come_with_it_and_are_not_named(ensure):
    body = {"env": ALIKE["env"], "templateId": "t1"}
    options = {**APPLY, "allow_reset": True}
    result = ensure(listed(made()), saying(registry="r7"), patch(body, made(registry="r7")), **options)
    assert result["diff"]["after"]["registry"] == "r7"
    assert ensure(listed(made(registry="r7")), saying(registry="r7"), **options)["changed"] is False
    taken = {"registry": None, "env": ALIKE["env"], "templateId": "t1"}
    ensure(listed(made(registry="r7")), saying(), patch(taken, made()), **options)
    kept = ensure(listed(made(registry="r1")), saying(registry="r7"), **options, registry="r1")
    assert kept["changed"] is False


def test_a_template_of_somebody_else_is_read_by_its_id(ensure):
    mine = expect("GET", "/v2/templates").reply({"templates": []})
    public = expect("GET", "/v2/templates/pub").reply({**TEMPLATE, "id": "pub", "disk": 40})
    body = {"disk": 40, "env": ALIKE["env"], "templateId": "pub"}
    options = {**APPLY, "template": "pub", "allow_reset": True}
    assert ensure(listed(made()), mine, public, patch(body, made(disk=40)), **options)["changed"] is True


@pytest.mark.parametrize(
    ("there", "becomes"),
    [
        ({"size": 50, "path": "/workspace"}, {"size": 80, "path": "/workspace"}),
        ({"size": 90, "path": "/workspace"}, None),
    ],
)
def test_a_volume_grows_to_the_templates_and_never_shrinks(ensure, there, becomes):
    disk = {"persistent": {"size": 80, "path": "/workspace"}}
    pod = made(mounts={"persistent": there})
    grown = (
        [expect("GET", "/v2/pods/p1").reply(pod), patch({"mounts": {"persistent": becomes}}, pod)] if becomes else []
    )
    assert ensure(listed(pod), saying(mounts=disk), *grown, **APPLY)["changed"] is bool(becomes)


def test_a_pod_without_a_volume_gets_none(ensure):
    disk = {"persistent": {"size": 80, "path": "/workspace"}}
    network = {"network": [{"volumeId": "v1", "path": "/data"}]}
    for mounts in ({}, network):
        assert ensure(listed(made(mounts=mounts)), saying(mounts=disk), **APPLY)["changed"] is False


def test_settings_of_the_environment_are_no_difference_and_name_no_template_for_a_pod_that_is_there(
    ensure, monkeypatch
):
    monkeypatch.setenv("RUNPOD_CONTAINER_DISK_GB", "55")
    monkeypatch.setenv("RUNPOD_TEMPLATE_ID", "t9")
    assert ensure(listed(made(disk=55)), saying(), **APPLY)["changed"] is False
    assert ensure(listed(made(disk=12)), **{**APPLY, "template": None})["changed"] is False
    body = {"disk": 55, "image": "runpod/torch:2", "env": ALIKE["env"], "templateId": "t1"}
    options = {**APPLY, "allow_reset": True}
    ensure(listed(made(disk=55, image="runpod/torch:1")), saying(), patch(body, made(disk=55)), **options)


def test_no_template_to_apply_is_refused(ensure):
    refused = ensure(failing=True, **{**APPLY, "template": None})
    assert "option apply_template is always" in refused["msg"]
    assert "name it (option template)" in refused["msg"]


def test_our_start_command_stays_around_the_templates(ensure):
    """The words of another template are changed inside it; the script is none of the template's business."""
    wrapped = made(args=bootstrap.wrap("python serve.py"))
    assert ensure(listed(wrapped), saying(args="python serve.py"), **APPLY)["changed"] is False
    body = {"args": bootstrap.wrap("python other.py"), "env": ALIKE["env"], "templateId": "t1"}
    ensure(listed(wrapped), saying(args="python other.py"), patch(body, wrapped), **APPLY, allow_reset=True)


# -- renting


def test_a_new_pod_is_foreseen_with_what_its_template_says(ensure, module):
    disk = {"persistent": {"size": 80, "path": "/workspace"}}
    script = (NOTHING, saying(mounts=disk, args="run --token x", registry="r7"), CATALOGUE)
    options = {"name": NAME, "template": "torch", "gpus": ["4090"], "public_keys": [PUBLIC], "env": {"N": "1"}}
    for always in ("on_create", "always"):
        result = ensure(*script, check=True, **options, wait=False, apply_template=always)
        after = result["diff"]["after"]
        assert (after["image"], after["disk_gb"], after["registry"]) == ("runpod/torch:2", 30, "r7")
        assert after["ports"] == ["22/tcp", "8888/http"]
        assert after["env"] == {"HF_TOKEN": "(set)", "N": "(set)", "PUBLIC_KEY": "(set)"}
        assert after["args"] == "(set)"
        assert after["mounts"] == [{"kind": "disk", "path": "/workspace", "size_gb": 80, "volume_id": None}]
        assert (result["pod"]["image"], result["pod"]["disk_gb"]) == ("runpod/torch:2", 30)
        assert SECRET not in module.printed


def test_what_the_task_says_of_a_new_pod_is_foreseen_instead(ensure):
    own = {"image": "runpod/mine:1", "disk": 5, "ports": [], "registry": "", "volume": {"size": 10, "path": "/d"}}
    options = {"name": NAME, "template": "torch", "gpus": ["4090"], "wait": False}
    after = ensure(NOTHING, saying(), CATALOGUE, check=True, **options, **own)["diff"]["after"]
    assert (after["image"], after["disk_gb"], after["ports"], after["registry"]) == ("runpod/mine:1", 5, [], None)
    assert after["mounts"][0]["size_gb"] == 10


def test_the_start_command_of_a_template_is_kept_inside_ours(ensure):
    """An image without an SSH server gets one; what the template runs must not be lost by that."""

    def body(sent):
        return bootstrap.is_wrapped(sent["args"]) and bootstrap.unwrap(sent["args"]) == "python serve.py"

    fresh = examples.fresh(id="p1", name=NAME, mounts={})
    options = {"name": NAME, "template": "torch", "image": "debian:12", "gpus": ["4090"], "public_keys": [PUBLIC]}
    create = expect("POST", "/v2/pods", body=body).reply(fresh, 201)
    script = (NOTHING, saying(args="python serve.py"), CATALOGUE)
    ensure(*script, create, **options, wait=False)
    entry = json.dumps({"entrypoint": ["/serve"]})
    plain = expect("POST", "/v2/pods", body=lambda sent: sent.get("args") == entry).reply(fresh, 201)
    ensure(NOTHING, saying(args=entry), CATALOGUE, plain, **options, wait=False)
