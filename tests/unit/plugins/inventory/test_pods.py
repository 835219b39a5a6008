# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin around the pure part: options, cache, errors, Constructable."""

from __future__ import annotations

import re
import threading

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.doc_fragments import constructed, inventory_cache
from ansible.utils.display import Display

from ansible_collections.podyard.gpu.plugins.inventory import pods as plugin_file
from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import AuthError, ServerError
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Endpoint, Pod
from ansible_collections.podyard.gpu.plugins.plugin_utils._inventory import cache as cache_module

RUN = "20260102_030405_abcd"


class Provider:
    """Stands for a driver: answers one list after the other, and remembers how it was reached."""

    def __init__(self, name="runpod"):
        self.name = name
        self.account_mark = "first"
        self.clock_ahead = None
        self.answers = []
        self.reached = []
        self.lists = 0

    def tell(self, say):
        """Has nothing to tell."""

    #: Its accounts cannot be distinguished.
    key_hash = None

    def end_command(self, pod_id):
        return f"end {pod_id}"

    def list_pods(self):
        self.lists += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


@pytest.fixture
def providers(monkeypatch, tmp_path):
    """A stand-in for each provider, and nobody's keys."""
    found = {name: Provider(name) for name in ("runpod", "vastai")}
    connect = plugin_file.registry.connect

    def reach(name, *, api_key=None, api_url=None):
        connect(name, api_key=api_key)  # a key is looked for as ever
        found[name].reached.append((name, api_key, api_url))
        return found[name]

    monkeypatch.setattr(plugin_file.registry, "connect", reach)
    for name in ("RUNPOD_API_KEY", "VAST_API_KEY", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return found


@pytest.fixture
def provider(providers, monkeypatch):
    """The one provider for which there is a key."""
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_mine")
    return providers["runpod"]


@pytest.fixture
def both(providers, monkeypatch):
    """Both providers, with a key for each."""
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_mine")
    monkeypatch.setenv("VAST_API_KEY", "mine")
    return providers


@pytest.fixture
def warned(monkeypatch):
    """What people are warned of."""
    lines = []
    monkeypatch.setattr(Display, "warning", lambda self, line, **options: lines.append(line))
    return lines


@pytest.fixture
def cache(tmp_path):
    """Options by which answers are remembered for a minute."""
    directory = str(tmp_path / "cache")
    return {"cache": True, "cache_plugin": "jsonfile", "cache_connection": directory, "cache_timeout": 60}


@pytest.fixture
def later(monkeypatch):
    """Lets time pass for what the cache remembers."""
    now = cache_module.time.time

    def wait(seconds):
        monkeypatch.setattr(cache_module.Memory.__init__, "__defaults__", (lambda: now() + seconds,))

    return wait


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

    def run(refresh=False, inventory=None, **config):
        file = tmp_path / "any-name.yml"
        file.write_text(yaml.safe_dump({"plugin": "podyard.gpu.pods", **config}))
        plugin = plugin_file.InventoryModule()
        plugin._load_name = "podyard.gpu.pods"
        plugin._redirected_names = ["podyard.gpu.pods"]
        inventory = inventory or InventoryData()
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


def test_jinja_is_left_alone_where_there_is_none(provider, parse, monkeypatch):
    provider.answers = [[pod()]]
    monkeypatch.setattr(plugin_file.InventoryModule, "_set_composite_vars", None)
    assert len(parse().hosts) == 1


def test_a_host_is_called_by_its_template(provider, parse):
    name = "{{ pod_project }}-{{ pod_gpu_count }}x{{ pod_gpu }}"
    provider.answers = [[pod(), pod(id="def"), pod(id="ghi", gpu_count=8), pod(id="jkl", name="{{ 1 }}", gpu="A40")]]
    hosts = ["2xA40", "digits-2xRTX_4090-abc123", "digits-2xRTX_4090-def", "digits-8xRTX_4090"]
    assert sorted(parse(hostname=name).hosts) == hosts


def test_a_name_that_cannot_be_made_fails_only_when_strict(provider, parse):
    provider.answers = [[pod()], [pod()], [pod()]]
    assert list(parse(hostname="{{ no_such_variable }}").hosts) == [f"podyard-digits-{RUN}-0-1"]
    assert list(parse(hostname="{{ pod_region }}").hosts) == [f"podyard-digits-{RUN}-0-1"]
    with pytest.raises(AnsibleParserError, match=r"name of the pod .* \(abc123\) cannot be built: .*no_such_var"):
        parse(hostname="{{ no_such_variable }}", strict=True)


def test_a_filter_takes_pods_and_a_wrong_one_fails_the_inventory(provider, parse):
    provider.answers = [[pod(), pod(id="def", gpu_count=8, name="big")], [pod()]]
    assert list(parse(filters=["pod_gpu_count > `4`"]).hosts) == ["big"]
    with pytest.raises(AnsibleParserError, match="The filter 'pod_gpu >' is not a JMESPath expression"):
        parse(filters=["pod_gpu >"])


def test_an_error_in_an_expression_fails_only_when_strict(provider, parse):
    provider.answers = [[pod()], [pod()]]
    broken = {"compose": {"x": "no_such_variable + 1"}}
    assert len(parse(**broken).hosts) == 1
    inventory = InventoryData()
    inventory.add_host("other")
    with pytest.raises(AnsibleError, match="no_such_variable"):
        parse(strict=True, inventory=inventory, **broken)
    assert list(inventory.hosts) == ["other"], "half an inventory is none"
    assert [host for group in inventory.groups.values() for host in group.hosts] == []


def test_an_api_that_fails_fails_the_inventory(provider, parse):
    provider.answers = [AuthError("RunPod refused the API key (401).")]
    with pytest.raises(AnsibleParserError, match=r"^RunPod refused the API key \(401\)\.$"):
        parse()


def test_a_failure_may_end_the_whole_run(provider, parse, monkeypatch):
    errors = []
    monkeypatch.setattr(Display, "error", lambda self, line, **options: errors.append(line))
    provider.answers = [AuthError("RunPod refused the API key (401).")]
    with pytest.raises(SystemExit) as end:
        parse(on_failure="run")
    assert end.value.code == 1
    assert [line.partition(" (inventory")[0] for line in errors] == ["RunPod refused the API key (401)."]


def test_a_wrong_option_may_end_the_whole_run_too(provider, parse, monkeypatch):
    errors = []
    monkeypatch.setattr(Display, "error", lambda self, line, **options: errors.append(line))
    with pytest.raises(SystemExit):
        parse(on_failure="run", phases=["runing"])
    assert len(errors) == 1 and "runing" in errors[0] and "\n" not in errors[0]
    with pytest.raises(AnsibleError, match="runing"):
        parse(phases=["runing"])


def test_an_option_that_there_is_not_is_warned_of(provider, parse, warned):
    provider.answers = [[pod()]]
    parse(filter=["pod_gpu == 'L4'"], strict=True)
    assert [line.partition(" has ")[2] for line in warned] == ["an unknown option filter; did you mean filters?"]


def test_key_and_url_reach_the_driver_and_may_be_templates(providers, parse, monkeypatch):
    monkeypatch.setenv("MY_URL", "http://127.0.0.1:1")
    providers["runpod"].answers = providers["vastai"].answers = [[], [], []]
    parse(providers=["runpod"], api_key="secret", api_url="{{ lookup('env', 'MY_URL') }}")
    parse(api_key={"runpod": "one", "vastai": "{{ 'tw' ~ 'o' }}"}, api_url={"vastai": "http://127.0.0.1:2"})
    assert providers["runpod"].reached == [("runpod", "secret", "http://127.0.0.1:1"), ("runpod", "one", None)]
    assert providers["vastai"].reached == [("vastai", "two", "http://127.0.0.1:2")]


@pytest.mark.parametrize(
    "config, said",
    [
        ({"api_key": "secret"}, "api_key is one text, so providers must name the one"),
        ({"api_url": "http://127.0.0.1:1", "providers": ["runpod", "vastai"]}, "api_url is one text"),
        ({"api_key": {"vast": "x"}}, "api_key names vast, which is not among the providers"),
        ({"api_key": {"vastai": "x"}, "providers": ["runpod"]}, "api_key names vastai"),
    ],
)
def test_a_key_without_a_provider_is_told(both, parse, config, said):
    with pytest.raises(AnsibleParserError, match=said):
        parse(**config)
    assert not both["runpod"].lists


# -- several providers ---------------------------------------------------------------------------------------------


def vast_pod(**changes):
    return pod(provider="vastai", id="77", name="by hand", **changes)


def test_a_provider_without_a_key_is_left_out_unless_it_is_named(provider, providers, parse):
    provider.answers = [[pod()]]
    assert len(parse().hosts) == 1
    assert providers["vastai"].reached == []
    with pytest.raises(AnsibleParserError, match=r"There is no API key for Vast\.ai"):
        parse(providers=["runpod", "vastai"])


def test_without_any_key_every_place_is_named(providers, parse):
    with pytest.raises(AnsibleParserError, match=r"(?s)RUNPOD_API_KEY.*VAST_API_KEY"):
        parse()


def test_all_providers_are_asked_at_the_same_time(both, parse):
    together = threading.Barrier(2, timeout=30)
    both["runpod"].answers = [lambda: together.wait() * 0 or [pod()]]
    both["vastai"].answers = [lambda: together.wait() * 0 or [vast_pod()]]
    assert sorted(parse().hosts) == ["by_hand", f"podyard-digits-{RUN}-0-1"]


def test_one_that_is_late_fails_the_inventory(both, parse):
    ended = threading.Event()
    both["runpod"].answers = [[pod()]]
    both["vastai"].answers = [lambda: ended.wait() and []]
    with pytest.raises(AnsibleParserError, match=r"vastai gave no complete list of its pods within 0\.2 s"):
        parse(timeout=0.2)
    ended.set()


def test_a_provider_that_fails_fails_all_and_says_what_can_be_done(both, parse):
    both["runpod"].answers = [[pod()]]
    both["vastai"].answers = [ServerError("Vast.ai is down.")]
    with pytest.raises(AnsibleParserError, match=r"^Vast\.ai is down\. With strict_providers: false the pods of"):
        parse()


def test_not_strictly_the_others_are_listed_and_the_missing_one_is_told(both, parse, warned):
    both["runpod"].answers = [[pod()]]
    both["vastai"].answers = [ServerError("Vast.ai is down.")]
    assert list(parse(strict_providers=False).hosts) == [f"podyard-digits-{RUN}-0-1"]
    assert warned == ["Vast.ai is down. The pods of vastai are missing from this inventory."]


def test_when_none_is_left_it_is_an_error_and_no_empty_list(both, parse):
    both["runpod"].answers = both["vastai"].answers = [ServerError("It is down."), ServerError("It is down.")]
    with pytest.raises(AnsibleParserError, match="an error is not an empty list"):
        parse(strict_providers=False)


@pytest.mark.parametrize("refresh", [False, True])
def test_not_strictly_an_old_answer_stands_in(both, parse, warned, later, refresh, cache):
    config = {**cache, "strict_providers": False}
    both["runpod"].answers = [[pod()], [pod(id="new", name="new")]]
    both["vastai"].answers = [[vast_pod()], ServerError("Vast.ai is down.")]
    parse(**config)
    if not refresh:
        later(850)
    found = parse(refresh=refresh, **config)
    assert sorted(found.hosts) == ["by_hand", "new"]
    (line,) = warned
    age = r"\d s" if refresh else "14 min"
    assert re.fullmatch(rf"Vast\.ai is down\. The answer of vastai from {age} ago is used\.", line)


def test_the_cache_is_used_and_holds_no_environment(provider, parse, tmp_path, cache):
    provider.answers = [[pod()], [pod(id="new"), pod(id="newer")]]
    first = parse(**cache)
    again = parse(**cache)
    assert provider.lists == 1
    assert set(again.hosts) == set(first.hosts)
    assert set(again.groups) == set(first.groups), "a cache hit makes the same groups"
    (file,) = (tmp_path / "cache").iterdir()
    assert "hf_secret" not in file.read_text()
    assert "rpa_mine" not in file.name + file.read_text()


def test_each_account_has_its_own_answers(provider, parse, cache):
    provider.answers = [[pod()], [pod(id="other", name="other")]]
    parse(**cache)
    provider.account_mark = "second"
    assert list(parse(**cache).hosts) == ["other"]
    provider.account_mark = "first"
    assert list(parse(**cache).hosts) == [f"podyard-digits-{RUN}-0-1"]


def test_a_garbled_cache_is_asked_anew(provider, parse, tmp_path, cache):
    provider.answers = [[pod()], [pod()]]
    parse(**cache)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_text("{")
    assert len(parse(**cache).hosts) == 1
    assert provider.lists == 2


def test_an_answer_that_is_too_old_is_not_used(provider, parse, later, cache):
    provider.answers = [[pod()], [pod(), pod(id="new")]]
    parse(**cache)
    for seconds, hosts in ((30, 1), (90, 2)):
        later(seconds)
        assert len(parse(**cache).hosts) == hosts


def test_an_answer_of_the_future_is_not_used(provider, parse, later, cache):
    provider.answers = [[pod()], [pod(), pod(id="new")]]
    parse(**cache)
    later(-3600)
    assert len(parse(**cache).hosts) == 2


def test_a_refresh_asks_anew_and_is_remembered(provider, parse, cache):
    provider.answers = [[pod()], [pod(id="new"), pod(id="newer")]]
    parse(**cache)
    assert len(parse(refresh=True, **cache).hosts) == 2
    assert len(parse(**cache).hosts) == 2
    assert provider.lists == 2


def test_a_cache_of_another_shape_is_asked_anew(provider, parse, monkeypatch, cache):
    provider.answers = [[pod()], [pod(id="new"), pod(id="newer")]]
    parse(**cache)
    monkeypatch.setattr(cache_module, "SCHEMA", cache_module.SCHEMA + 1)
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
