# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain client of Vast.ai's API for the tests of the sandbox: it repeats nothing, and hides nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import requests
from stand_in import PATIENCE, Api, ServerThread, until

IMAGE = "pytorch/pytorch:2.4.0-cuda12.4-cudnn9-devel"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEqMdNDkPqKOLzmoxtuAYCfQJ3M5+Wbh4yZ0rRzYkDxj one"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBdNDkPqKOLzmoxtuAYCfQJ3M5+Wbh4yZ0rRzYkDxj two"


class Vast:
    """A client of one sandbox with the account's key."""

    def __init__(self, sandbox: ServerThread, key: str | None = None) -> None:
        self.sandbox = sandbox
        self.control = Api(sandbox.url, sandbox.home.api_key())
        self.session = requests.Session()
        self.key = sandbox.home.vast_api_key() if key is None else key
        if self.key:
            self.session.headers["Authorization"] = f"Bearer {self.key}"

    @property
    def fault(self) -> Callable[..., None]:
        """Switch a fault on."""
        return self.control.fault

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.session.request(
            method, f"{self.sandbox.url}/api{path}", timeout=PATIENCE, **({"json": body} if body is not None else {}),
            **options,
        )  # fmt: skip

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.call("GET", path, **options)

    def put(self, path: str, body: Any = None) -> requests.Response:
        return self.call("PUT", path, body)

    def post(self, path: str, body: Any = None) -> requests.Response:
        return self.call("POST", path, body)

    def delete(self, path: str, body: Any = None) -> requests.Response:
        return self.call("DELETE", path, body)

    def search(self, **filters: Any) -> requests.Response:
        return self.post("/v0/bundles/", filters)

    def offers(self, **filters: Any) -> list[dict[str, Any]]:
        answer = self.search(**filters)
        assert answer.status_code == 200, answer.text
        return answer.json()["offers"]

    def offer(self, **filters: Any) -> dict[str, Any]:
        """The cheapest RTX 4090 alone."""
        wanted = {"gpu_name": {"eq": "RTX 4090"}, "num_gpus": {"eq": 1}, "direct_port_count": {"gte": 1}}
        return self.offers(order=[["dph_total", "asc"]], **{**wanted, **filters})[0]

    def create(self, offer: int | None = None, **changes: Any) -> requests.Response:
        return self.put(f"/v0/asks/{offer or self.offer()['id']}/", wanted(**changes))

    def made(self, offer: int | None = None, **changes: Any) -> int:
        answer = self.create(offer, **changes)
        assert answer.status_code == 200 and answer.json()["success"] is True, answer.text
        return answer.json()["new_contract"]

    def show(self, number: int) -> dict[str, Any] | None:
        answer = self.get(f"/v0/instances/{number}/?owner=me")
        assert answer.status_code == 200, answer.text
        return answer.json()["instances"]

    def list(self, **query: Any) -> list[dict[str, Any]]:
        answer = self.get("/v1/instances/", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["instances"]

    def until(self, number: int, seen: Callable[[Any], bool]) -> Any:
        return until(lambda: self.show(number), seen)

    def running(self, offer: int | None = None, **changes: Any) -> dict[str, Any]:
        return self.until(self.made(offer, **changes), lambda row: row["actual_status"] == "running")

    def state(self, number: int, state: str) -> requests.Response:
        return self.put(f"/v0/instances/{number}/", {"state": state})

    def requests(self) -> Any:
        return self.control.status()["requests"]

    def pods(self) -> Any:
        return self.control.status()["pods"]


def wanted(**changes: Any) -> dict[str, Any]:
    """The body of a good create, with changes; None takes a field away."""
    body = {
        "client_id": "me",
        "image": IMAGE,
        "disk": 20,
        "label": "podyard-digits-r1-0-1",
        "runtype": "ssh_direc ssh_proxy",
        "cancel_unavail": True,
        "env": {"RUN_ID": "7f3a"},
        "onstart": "touch ~/.no_auto_tmux",
    }
    body.update(changes)
    return {name: value for name, value in body.items() if value is not None}


def states(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["actual_status"], row["intended_status"], row["cur_state"], row["next_state"]


def direct_port(row: dict[str, Any]) -> int:
    return int(row["ports"]["22/tcp"][0]["HostPort"])


def says(host: str, port: int) -> bytes | None:
    """What answers there, or None if nobody does."""
    try:
        with socket.create_connection((host, port), timeout=PATIENCE) as connection:
            return connection.recv(100) or None
    except ConnectionError:
        return None
