# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container runs, names of secrets, and what an unknown registry credential gets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stand_in import Api, ServerThread
from test_graphql import data, deployed, refused

BOTH = json.dumps({"entrypoint": ["/bin/sh", "-c"], "cmd": ["echo a b"]})
# What is sent, and what all three are then.
SHOWN: tuple[tuple[dict[str, Any], tuple[str, list[str], list[str]]], ...] = (
    ({}, ("", [], [])),
    ({"args": "python x.py --name 'a b'"}, ("python x.py --name 'a b'", [], ["python", "x.py", "--name", "a b"])),
    ({"args": BOTH}, (BOTH, ["/bin/sh", "-c"], ["echo a b"])),
    ({"cmd": ["bash", "-lc", "python x"]}, ("bash -lc 'python x'", [], ["bash", "-lc", "python x"])),
    ({"cmd": ["echo a b"], "entrypoint": ["/bin/sh", "-c"]}, (BOTH, ["/bin/sh", "-c"], ["echo a b"])),
    ({"entrypoint": ["/init"]}, ('{"entrypoint": ["/init"], "cmd": []}', ["/init"], [])),
    ({"args": "a b", "cmd": ["a", "b"]}, ("a b", [], ["a", "b"])),
    ({"args": BOTH, "cmd": ["echo a b"], "entrypoint": ["/bin/sh", "-c"]}, (BOTH, ["/bin/sh", "-c"], ["echo a b"])),
    ({"args": "a b", "entrypoint": ["/init"]}, ('{"entrypoint": ["/init"], "cmd": ["a", "b"]}', ["/init"], ["a", "b"])),
    ({"args": "", "cmd": ["a"]}, ("a", [], ["a"])),
    ({"args": "a", "cmd": [], "entrypoint": []}, ("a", [], ["a"])),
    ({"args": "echo 'open"}, ("echo 'open", [], ["echo 'open"])),
    ({"args": '{"cmd": 1}'}, ('{"cmd": 1}', [], ['{"cmd": 1}'])),
    ({"args": "{" * 3000}, ("{" * 3000, [], ["{" * 3000])),
)  # fmt: skip


def three(shown: dict[str, Any]) -> tuple[str, list[str], list[str]]:
    return (shown["args"], shown["entrypoint"], shown["cmd"])


@pytest.mark.parametrize(("sent", "expected"), SHOWN)
def test_answers_show_what_is_run(api: Api, sent: dict[str, Any], expected: Any) -> None:
    made = api.made(**sent)
    assert three(made) == three(api.pod(made["id"])) == three(api.get("/v2/pods").json()["pods"][0]) == expected
    template = api.post("/v2/templates", {"name": "t", "image": "i", **sent})
    assert template.status_code == 201
    assert three(template.json()) == three(api.get(f"/v2/templates/{template.json()['id']}").json()) == expected


def test_it_is_what_runs(sandbox: ServerThread, api: Api) -> None:
    api.running(cmd=["bash", "-c", "sleep 9"])
    assert sandbox.pods.specs[0].args == "bash -c 'sleep 9'"
    assert three(api.pod(deployed(api, dockerArgs=BOTH))) == (BOTH, ["/bin/sh", "-c"], ["echo a b"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"args": "a b", "cmd": ["a b"]},
        {"args": "a", "cmd": ["b"]},
        {"args": BOTH, "cmd": ["other"]},
        {"args": BOTH, "entrypoint": ["/other"]},
    ],
)
def test_two_that_say_different_things(api: Api, wrong: dict[str, Any]) -> None:
    pod, template = api.made(name="kept", args="x"), api.post("/v2/templates", {"name": "t", "image": "i"}).json()
    answers = [api.create(**wrong), api.call("PATCH", f"/v2/pods/{pod['id']}", json=wrong)]
    answers += [api.post("/v2/templates", {"name": "u", "image": "i", **wrong})]
    answers += [api.call("PATCH", f"/v2/templates/{template['id']}", json={"image": "j", **wrong})]
    said = [(answer.status_code, "different things" in answer.json()["detail"]) for answer in answers]
    assert said == [(400, True)] * 4
    assert api.names() == ["kept"] and api.pod(pod["id"])["args"] == "x"
    (shown,) = api.get("/v2/templates").json()["templates"]
    assert (shown["image"], shown["args"]) == ("i", ""), "nothing of it was done"


def test_a_change_of_one_keeps_the_other(api: Api) -> None:
    made = api.made(entrypoint=["/bin/sh", "-c"], cmd=["one"])

    def changed(**change: Any) -> Any:
        return three(api.call("PATCH", f"/v2/pods/{made['id']}", json=change).json())[1:]

    assert changed(cmd=["two"]) == (["/bin/sh", "-c"], ["two"])
    assert changed(entrypoint=[]) == ([], ["two"])
    assert changed(entrypoint=["/init"], cmd=[]) == (["/init"], [])
    assert changed(args="x y") == ([], ["x", "y"])
    assert changed(args="") == ([], [])


def test_a_template_s_command_lies_under_the_pod_s(api: Api) -> None:
    body = {"name": "t", "image": "i", "entrypoint": ["/init"], "cmd": ["one"]}
    template = api.post("/v2/templates", body).json()["id"]

    def made(**given: Any) -> Any:
        return three(api.made(templateId=template, image=None, **given))[1:]

    assert made() == (["/init"], ["one"])
    assert made(cmd=["two"]) == (["/init"], ["two"])
    assert made(entrypoint=[]) == ([], ["one"])
    assert made(args="x y") == ([], ["x", "y"])


def test_the_older_service_shows_neither(api: Api) -> None:
    api.fault("older-service")
    pod = api.made(args="a b")
    assert not {"cmd", "entrypoint"} & set(pod) and pod["args"] == "a b"
    answer = api.post("/v2/templates", {"name": "t", "image": "i", "cmd": ["x"]})
    assert (answer.status_code, answer.json()["errors"]) == (422, ["$: additional properties 'cmd' not allowed"])
    assert "cmd" not in api.post("/v2/templates", {"name": "t", "image": "i"}).json()


@pytest.mark.parametrize("name", ["a", "_", "Token_1", "a.b-c/d", "x" * 191, "my_RUNPOD"])
def test_names_of_secrets(api: Api, name: str) -> None:
    assert api.post("/v2/secrets", {"name": name, "value": "v"}).status_code == 201


NO_NAMES = (
    "", "1a", "-a", ".a", "/a", "a b", "a\n", "é", "a$", "a:b", "x" * 192, "RUNPOD", "RUNPOD_A", "runpod_x",
    "RunPodKey",
)  # fmt: skip


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_no_secret_has(api: Api, name: str) -> None:
    answer = api.post("/v2/secrets", {"name": name, "value": "v"})
    assert (answer.status_code, answer.json()["errors"][0].split(":")[0]) == (422, "$.name")
    create = "mutation ($i: SecretCreateInput!) { secretCreate(input: $i) { id } }"
    assert refused(api, create, i={"name": name, "value": "v"})["message"].startswith("$.name")
    assert api.get("/v2/secrets").json()["secrets"] == []


def test_an_unknown_registry(api: Api) -> None:
    for unknown in ("none", "x" * 300):
        answer = api.delete(f"/v2/registries/{unknown}")
        assert (answer.status_code, answer.json()["detail"]) == (400, "Registry auth not found")
        assert api.get(f"/v2/registries/{unknown}").status_code == 404
    delete = "mutation ($id: String) { deleteRegistryAuth(registryAuthId: $id) }"
    assert refused(api, delete, id="none")["message"] == "Registry auth not found"
    made = api.post("/v2/registries", {"name": "r", "username": "u", "password": "p"}).json()["id"]
    assert data(api, delete, id=made) == {"deleteRegistryAuth": True}
    assert api.delete(f"/v2/registries/{made}").status_code == 400
