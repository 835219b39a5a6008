# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin around the pure part: options, cache, errors, Constructable."""

from __future__ import annotations

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.doc_fragments import constructed, inventory_cache

from ansible_collections.podyard.gpu.plugins.inventory import pods as plugin_file
from ansible_collections.podyard.gpu.plugins.module_utils._errors import AuthError
from ansible_collections.podyard.gpu.plugins.module_utils._pod import Endpoint, Pod

RUN = "20260102_030405_abcd"


class Provider:
    """Stands for a driver: answers one list after the other, and remembers how it was reached."""

    def __init__(self):
        self.answers = []
        self.reached = []

    def connect(self, name, *, api_key=None, api_url=None):
        self.reached.append((name, api_key, api_url))
        return self

    def tell(self, say):
        """Has nothing to tell."""

    def list(self):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def provider(monkeypatch):
    stand_in = Provider()
    monkeypatch.setattr(plugin_file._providers, "connect", stand_in.connect)
    return stand_in


@pytest.fixture(autouse=True, scope="module")
def documentation():
    """The options as Ansible's plugin loader would read them from the documentation."""
    options = yaml.safe_load(plugin_file.DOCUMENTATION)["options"]
    for fragment in (constructed, inventory_cache):
        options.update(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"])
    for option in options.values():
        # the deprecated spellings of the fragments refer to a loader that is not here
        option.pop("deprecated", None)
    constants.config.initialize_plugin_configuration_definitions("inventory", "podyard.gpu.pods", options)


@pytest.fixture
def parse(tmp_path):
    """Parse a configuration as Ansible does; returns the inventory."""

    def run(refresh=False, **config):
        file = tmp_path / "any-name.yml"
        file.write_text(yaml.safe_dump({"plugin": "podyard.gpu.pods", **config}))
        plugin = plugin_file.InventoryModule()
        plugin._load_name = "podyard.gpu.pods"
        plugin._redirected_names = ["podyard.gpu.pods"]
        inventory = InventoryData()
        assert plugin.verify_file(str(file))
        plugin.parse(inventory, DataLoader(), str(file), not refresh)
        if config.get("cache"):
            plugin.update_cache_if_changed()
        return inventory

    return run


def pod(**changes):
    values = {
        "provider": "runpod",
        "id": "abc123",
        "name": f"podyard-digits-{RUN}-0-1",
        "phase": "running",
        "gpu": "RTX 4090",
        "gpu_count": 2,
        "usd_per_hour": 0.69,
        "endpoint": Endpoint("203.0.113.7", 40022),
        "env": {"HF_TOKEN": "hf_secret"},
        **changes,
    }
    return Pod(**values)


def members(inventory, group):
    return [host.name for host in inventory.groups[group].hosts]


def test_hosts_and_native_groups(provider, parse):
    provider.answers = [[pod()]]
    inventory = parse()
    (name,) = inventory.hosts
    assert inventory.get_host(name).vars["ansible_port"] == 40022
    assert members(inventory, "gpu_rtx_4090") == members(inventory, f"run_{RUN}") == [name]


def test_compose_groups_and_keyed_groups_see_the_variables_of_the_host(provider, parse):
    provider.answers = [[pod()]]
    inventory = parse(
        strict=True,
        compose={"usd_per_gpu": "pod_usd_per_hour / pod_gpu_count", "address": "ansible_host"},
        groups={"cheap": "usd_per_gpu < 0.5 and pod_phase == 'running'"},
        keyed_groups=[{"key": "pod_gpu_count | string", "prefix": "gpus"}, {"key": "address", "prefix": "at"}],
    )
    (name,) = inventory.hosts
    assert inventory.get_host(name).vars["usd_per_gpu"] == pytest.approx(0.345)
    assert members(inventory, "cheap") == members(inventory, "gpus_2") == members(inventory, "at_203_0_113_7") == [name]


def test_an_error_in_an_expression_fails_only_when_strict(provider, parse):
    provider.answers = [[pod()], [pod()]]
    broken = {"compose": {"x": "no_such_variable + 1"}}
    assert len(parse(**broken).hosts) == 1
    with pytest.raises(AnsibleError, match="no_such_variable"):
        parse(strict=True, **broken)


def test_an_api_that_fails_fails_the_inventory(provider, parse):
    provider.answers = [AuthError("RunPod refused the API key (401).")]
    with pytest.raises(AnsibleParserError, match=r"runpod could not be listed: RunPod refused the API key"):
        parse()


def test_key_and_url_reach_the_driver_and_may_be_templates(provider, parse, monkeypatch):
    monkeypatch.setenv("MY_URL", "http://127.0.0.1:1")
    provider.answers = [[]]
    parse(api_key="secret", api_url="{{ lookup('env', 'MY_URL') }}")
    assert provider.reached == [("runpod", "secret", "http://127.0.0.1:1")]


def test_the_cache_is_used_and_holds_no_environment(provider, parse, tmp_path):
    cache = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    provider.answers = [[pod()], [pod(id="new"), pod(id="newer")]]
    first = parse(**cache)
    again = parse(**cache)
    assert len(provider.reached) == 1
    assert set(again.hosts) == set(first.hosts)
    assert set(again.groups) == set(first.groups), "a cache hit makes the same groups"
    (file,) = (tmp_path / "cache").iterdir()
    assert "hf_secret" not in file.read_text()


def test_a_refresh_asks_anew_and_is_remembered(provider, parse, tmp_path):
    cache = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    provider.answers = [[pod()], [pod(id="new"), pod(id="newer")]]
    parse(**cache)
    assert len(parse(refresh=True, **cache).hosts) == 2
    assert len(parse(**cache).hosts) == 2
    assert len(provider.reached) == 2


def test_a_cache_of_another_shape_is_asked_anew(provider, parse, tmp_path, monkeypatch):
    cache = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    provider.answers = [[pod()], [pod(id="new"), pod(id="newer")]]
    parse(**cache)
    monkeypatch.setattr(plugin_file, "CACHE_SCHEMA", plugin_file.CACHE_SCHEMA + 1)
    assert len(parse(**cache).hosts) == 2


@pytest.mark.parametrize(
    "name, text", [("x.yml", "plugin: other.collection.pods\n"), ("x.txt", "plugin: podyard.gpu.pods\n")]
)
def test_files_of_others_are_left_alone(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert not plugin_file.InventoryModule().verify_file(str(tmp_path / name))


def test_user_and_key_come_from_options_and_else_from_settings(provider, parse, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("key")
    (tmp_path / "other").write_text("key")
    monkeypatch.setenv("RUNPOD_SSH_PRIVATE_KEY_PATH", "key")
    (tmp_path / ".env").write_text("RUNPOD_DIRECT_SSH_USER=ubuntu\n")
    provider.answers = [[pod()], [pod()]]
    (host,) = parse().hosts.values()
    assert host.vars["ansible_user"] == "ubuntu"
    assert host.vars["ansible_ssh_private_key_file"] == str(tmp_path / "key")
    (host,) = parse(ssh_user="me", private_key_file=str(tmp_path / "other")).hosts.values()
    assert host.vars["ansible_user"] == "me"
    assert host.vars["ansible_ssh_private_key_file"] == str(tmp_path / "other")


def test_a_bad_setting_is_told(provider, parse, monkeypatch):
    provider.answers = [[pod()]]
    monkeypatch.setenv("RUNPOD_DIRECT_SSH_USER", "two words")
    with pytest.raises(AnsibleError, match="RUNPOD_DIRECT_SSH_USER, set in the environment, must be one word"):
        parse()
