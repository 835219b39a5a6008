# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the key that lies in a pod may do: of everything that is served, a few things to that pod."""

from __future__ import annotations

import re

from stand_in import Api, ServerThread
from vast_stand_in import Vast

from podyard_sandbox.vastai.operations import NO_KEY, OPERATIONS


def test_an_instance_s_key_may_show_manage_and_destroy_it_and_nothing_else(sandbox: ServerThread) -> None:
    vast = Vast(sandbox)
    body = vast.create().json()
    own, number = Vast(sandbox, body["instance_api_key"]), body["new_contract"]
    assert {name for name, each in OPERATIONS.items() if each.own} == {
        "showInstance", "manageInstance", "destroyInstance",
    }  # fmt: skip
    tried = 0
    for name, operation in OPERATIONS.items():
        if operation.own or operation.right == NO_KEY:
            continue
        # The instance's own number wherever a number is asked for: that alone opens nothing.
        path = re.sub(r"\{\w+\}", str(number), operation.path)
        answer = own.call(operation.method, f"{path}/", {} if operation.method != "GET" else None)
        assert (answer.status_code, answer.json()["error"]) == (401, "auth_error"), (name, answer.text)
        tried += 1
    assert tried > 40 and vast.show(number) is not None
    assert own.delete(f"/v0/instances/{number}/").json()["success"] is True
    assert vast.show(number) is None


def test_a_pod_s_key_may_read_stop_and_end_it_and_nothing_else(sandbox: ServerThread, api: Api) -> None:
    pod = api.running()
    own = Api(sandbox.url, sandbox.pods.specs[0].env["RUNPOD_API_KEY"])
    mine = f"/v2/pods/{pod['id']}"
    others = [
        ("GET", "/v2/pods"),
        ("POST", "/v2/pods"),
        ("PATCH", mine),
        ("GET", "/v2/account/ssh-keys"),
        ("PUT", "/v2/account/ssh-keys"),
        ("GET", "/v2/templates"),
        ("GET", "/v2/network-volumes"),
        ("GET", "/v2/catalog/gpus"),
    ]
    for method, path in others:
        answer = own.call(method, path, json={})
        assert answer.status_code == 403, (method, path, answer.text)
    assert own.get(mine).json()["status"] == "RUNNING"
    assert own.act(pod["id"], "stop").status_code == 200
    assert own.delete(mine).status_code == 204
    assert api.names() == []
