# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: kept, never shown, and put into the environment of the pods that name them."""

from __future__ import annotations

from stand_in import Api, ServerThread, is_running


def test_life(api: Api) -> None:
    answer = api.post("/v2/secrets", {"name": "token", "value": "hush", "description": "for the hub"})
    assert answer.status_code == 201
    made = answer.json()
    assert set(made) == {"id", "name", "description", "createdAt", "valueLastUpdatedAt"}
    path = f"/v2/secrets/{made['id']}"
    assert api.get(path).json() == made
    assert api.get("/v2/secrets").json()["secrets"] == [made]
    assert api.call("PATCH", path, json={"description": ""}).json()["description"] == ""
    assert api.call("PATCH", path, json={}).status_code == 422
    assert api.call("PATCH", path, json={"value": "new"}).status_code == 200
    twice = api.post("/v2/secrets", {"name": "token", "value": "x"})
    assert twice.status_code == 400 and "already exists" in twice.json()["detail"]
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


def test_environment(sandbox: ServerThread, api: Api) -> None:
    made = api.post("/v2/secrets", {"name": "token", "value": "hush"}).json()
    env = {"A": "{{ RUNPOD_SECRET_token }}", "B": "x-{{RUNPOD_SECRET_token}}-y", "C": "{{ RUNPOD_SECRET_other }}"}
    pod = api.running(env=env)
    assert pod["env"] == env  # answers show what was asked for
    inside = sandbox.pods.specs[0].env
    assert (inside["A"], inside["B"], inside["C"]) == ("hush", "x-hush-y", env["C"])
    api.call("PATCH", f"/v2/secrets/{made['id']}", json={"value": "changed"})
    api.act(pod["id"], "restart")
    api.until(pod["id"], is_running)
    assert sandbox.pods.specs[1].env["A"] == "changed"


def test_came_later(api: Api) -> None:
    api.fault("older-service")
    for answer in (api.get("/v2/secrets"), api.post("/v2/secrets", {"name": "a", "value": "b"})):
        assert answer.status_code == 404
        assert answer.json()["detail"] == "The requested path was not found."
