# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a pod does not come up stands in the message: in the pod's log, or before anything is rented."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from stand_in import IMAGE, Api, ServerThread

from ansible_collections.podyard.gpu.plugins.modules import runpod_pod
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from podyard_sandbox.settings import Settings

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEqMdNDkPqKOLzmoxtuAYCfQJ3M5+Wbh4yZ0rRzYkDxj why"


@pytest.fixture(name="server", scope="module")
def _server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("why")
    # `make test` looks through what was said here, too.
    server = ServerThread(folder, Settings(traffic=Path(os.environ.get("PODYARD_SANDBOX_TRAFFIC", folder)) / "why"))
    try:
        yield server
    finally:
        server.close()


class Shop:
    """The module against a sandbox whose pods are only as real as their SSH port."""

    def __init__(self, server, runner):
        self.server, self.runner = server, runner
        self.api = Api(server.url, server.home.api_key())

    def fault(self, name):
        answer = self.api.post("/_sandbox/faults", json={"name": name, "times": None, "params": {}})
        assert answer.status_code == 201, answer.text

    def refused(self, **changes):
        given = {
            "name": "why", "image": IMAGE, "gpus": ["RTX 4090"], "public_keys": [KEY], "wait_for": "port_open",
            "poll_interval": 0.05, "consistency_grace": 0.5, "api_key": self.server.home.api_key(),
            "api_url": self.server.url, **changes,
        }  # fmt: skip
        return self.runner.fail(runpod_pod.main, **given)["msg"]

    def creates(self):
        asked = [(each["method"], each["path"]) for each in self.api.status()["requests"]]
        return asked.count(("POST", "/v2/pods"))


@pytest.fixture(name="shop")
def _shop(server, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PODYARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    shop = Shop(server, Runner(capsys, tmp_path))
    yield shop
    shop.api.delete("/_sandbox/faults")


def test_an_image_that_cannot_be_pulled(shop):
    shop.fault("image-not-found")
    message = shop.refused(image="nosuch/image:1")
    assert "failed (the provider says ERROR)" in message and "system log:" in message
    assert "nosuch/image:1" in message and ("pull" in message or "manifest" in message), message


def test_a_driver_that_is_too_old(shop):
    shop.fault("cuda-too-old")
    message = shop.refused()
    assert "log:" in message and "cuda" in message.lower(), message


def test_no_key_is_refused_before_anything_is_rented(shop):
    """The account has none, so that the service would put the word null in its place."""
    shop.fault("public-key-null")
    before = shop.creates()
    assert "without a public key (option public_keys)" in shop.refused(public_keys=None)
    assert "an entry that is not a public SSH key" in shop.refused(public_keys=None, env={"PUBLIC_KEY": "null"})
    assert shop.creates() == before
