# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module runpod_pod with settings of the environment in the place of options."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._pods import bootstrap
from ansible_collections.podyard.gpu.plugins.module_utils._providers import registry
from ansible_collections.podyard.gpu.plugins.modules import runpod_pod
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples as examples

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFake run"
IMAGE = examples.RUNNING["image"]
NOTHING = expect("GET", "/v2/pods").reply({"pods": []})
NO_TEMPLATE = expect("GET", "/v2/templates").reply({"templates": []})
UNKNOWN = expect("GET", "/v2/templates/none").reply({"title": "Not Found", "status": 404, "detail": "no"}, 404)
NO_VOLUME = expect("GET", "/v2/network-volumes").reply({"networkVolumes": []})
CATALOGUE = expect("GET", "/v2/catalog/gpus").reply({"gpus": [examples.gpu(), examples.A100_PCIE]})
BODY = {
    "name": "notebook",
    "image": IMAGE,
    "gpu": {"id": "NVIDIA GeForce RTX 4090", "count": 1},
    "cloud": "SECURE",
    "disk": 20,
    "ports": ["22/tcp"],
    "env": {"PUBLIC_KEY": PUBLIC},
    "startSsh": True,
}


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for setting in registry.settings("runpod"):
        monkeypatch.delenv(setting.name, raising=False)
    (tmp_path / "id.pub").write_text(f"# mine\n{PUBLIC}\n")


@pytest.fixture(name="ensure")
def ensuring(capsys, tmp_path):
    module = Runner(capsys, tmp_path)

    def ensure(*script, failing=False, **options):
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            given = {"name": "notebook", "wait": False, "api_key": KEY, "api_url": api.url, **options}
            return how(runpod_pod.main, False, **given)

    return ensure


def create(**changes):
    body = {name: value for name, value in {**BODY, **changes}.items() if value is not None}
    return expect("POST", "/v2/pods", body=body).reply(examples.fresh(name="notebook"), 201)


def environment(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setenv(f"RUNPOD_{name}", value)


ALL = {"GPU_TYPE": "4090", "WORKER_IMAGE": IMAGE, "SSH_PUBLIC_KEY_PATH": "id.pub"}


def test_a_pod_is_rented_by_settings_alone(ensure, monkeypatch):
    environment(monkeypatch, **ALL, CONTAINER_DISK_GB="40", DISK_SIZE_GB="50", VOLUME_MOUNT_PATH="/data")
    volume = {"persistent": {"size": 50, "path": "/data"}}
    assert ensure(NOTHING, CATALOGUE, create(disk=40, mounts=volume))["changed"] is True


def test_options_win(ensure, monkeypatch):
    environment(monkeypatch, **{**ALL, "GPU_TYPE": "H100", "WORKER_IMAGE": "another"}, CONTAINER_DISK_GB="ten")
    ensure(NOTHING, CATALOGUE, create(), gpus=["4090"], image=IMAGE, disk=20)


def test_an_options_volume_gets_the_settings_path(ensure, monkeypatch):
    environment(monkeypatch, **ALL, VOLUME_MOUNT_PATH="/data")
    mounts = {"persistent": {"size": 10, "path": "/data"}}
    ensure(NOTHING, CATALOGUE, create(mounts=mounts), volume={"size": 10})
    mounts = {"persistent": {"size": 10, "path": "/own"}}
    ensure(NOTHING, CATALOGUE, create(mounts=mounts), volume={"size": 10, "path": "/own"})


def test_a_network_volume_is_found_by_its_name(ensure, monkeypatch):
    environment(monkeypatch, **ALL, STORAGE_NAME="data", DISK_SIZE_GB="50")
    volumes = expect("GET", "/v2/network-volumes").reply(
        {"networkVolumes": [{"id": "vol1", "name": "data", "size": 100, "dataCenter": "EU-RO-1", "type": "STANDARD"}]}
    )
    mounts = {"network": [{"volumeId": "vol1", "path": "/workspace"}]}
    places = expect("GET", "/v2/catalog/datacenters").reply({"dataCenters": [{"id": "EU-RO-1"}]})
    ensure(NOTHING, volumes, places, CATALOGUE, create(mounts=mounts, dataCenterIds=["EU-RO-1"]))


def test_a_pod_that_is_there_is_not_compared_with_settings(ensure, monkeypatch):
    environment(monkeypatch, **{**ALL, "GPU_TYPE": "H100", "WORKER_IMAGE": "another"}, CONTAINER_DISK_GB="500")
    there = expect("GET", "/v2/pods").reply({"pods": [examples.pod(name="notebook")]})
    assert ensure(there)["changed"] is False


def test_settings_can_be_left_aside(ensure, monkeypatch):
    environment(monkeypatch, **ALL)
    assert "name the GPUs" in ensure(NOTHING, failing=True, settings=False)["msg"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DISK_SIZE_GB", "ten", "RUNPOD_DISK_SIZE_GB, set in the environment, must be a whole number of GB"),
        ("SSH_PUBLIC_KEY_PATH", "nowhere.pub", "RUNPOD_SSH_PUBLIC_KEY_PATH, set in the environment, names"),
        ("SSH_PUBLIC_KEY_PATH", "id", "which contains no public key"),
    ],
)
def test_a_bad_value_is_refused_before_any_request(ensure, monkeypatch, tmp_path, name, value, words):
    (tmp_path / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    environment(monkeypatch, **{**ALL, name: value})
    assert words in ensure(failing=True)["msg"]


def test_a_bad_value_keeps_nobody_from_ending_a_pod(ensure, monkeypatch):
    environment(monkeypatch, DISK_SIZE_GB="ten")
    assert ensure(NOTHING, NOTHING, state="absent", consistency_grace=0, poll_interval=0.01)["changed"] is False


def test_a_named_user_is_in_the_result_even_without_a_login(ensure, monkeypatch):
    environment(monkeypatch, DIRECT_SSH_USER="ubuntu")
    there = expect("GET", "/v2/pods").reply({"pods": [examples.pod(name="notebook")]})
    result = ensure(there, wait=True, wait_for="addressed")
    assert result["pod"]["endpoint"]["user"] == "ubuntu"


def test_an_image_without_a_server_gets_our_start_command(ensure, monkeypatch):
    environment(monkeypatch, **ALL)
    ensure(NOTHING, CATALOGUE, create(image="ubuntu:24.04", args=bootstrap.wrap()), image="ubuntu:24.04")
    ensure(NOTHING, CATALOGUE, create(image="ubuntu:24.04"), image="ubuntu:24.04", bootstrap_ssh="never")
    ensure(NOTHING, CATALOGUE, create(args=bootstrap.wrap("python x.py")), args="python x.py")


@pytest.mark.parametrize(
    ("changes", "script", "words"),
    [
        ({"GPU_TYPE": "409x"}, [NOTHING, CATALOGUE], "gpus from RUNPOD_GPU_TYPE in the environment"),
        (
            {"TEMPLATE_ID": "none", "WORKER_IMAGE": ""},
            [NOTHING, NO_TEMPLATE, UNKNOWN],
            "template from RUNPOD_TEMPLATE_ID",
        ),
        ({"STORAGE_NAME": "none"}, [NOTHING, NO_VOLUME], "network_volume from RUNPOD_STORAGE_NAME"),
        (
            {"VOLUME_MOUNT_PATH": "data", "DISK_SIZE_GB": "20"},
            [NOTHING],
            "volume.path from RUNPOD_VOLUME_MOUNT_PATH",
        ),
    ],
)
def test_a_setting_that_only_the_service_can_judge_is_named_too(ensure, monkeypatch, changes, script, words):
    environment(monkeypatch, **{**ALL, **changes})
    message = ensure(*script, failing=True)["msg"]
    assert "What came from settings" in message and words in message


def test_an_option_of_the_users_own_is_not_blamed_on_a_setting(ensure, monkeypatch):
    environment(monkeypatch, **ALL)
    assert "What came from settings" not in ensure(NOTHING, CATALOGUE, failing=True, gpus=["409x"])["msg"]
