# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods become hosts: names, variables, groups, and what of an API's text may be a template."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, is_trusted_as_template, trust_as_template

from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Endpoint, Pod
from ansible_collections.podyard.gpu.plugins.plugin_utils._inventory import ssh
from ansible_collections.podyard.gpu.plugins.plugin_utils._inventory.hosts import (
    GROUPS,
    NAMES,
    Wanted,
    group_name,
    hosts_of,
    plain,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._inventory.ssh import Connections

RUN = "20260102_030405_abcd"
NAME = f"podyard-digits-{RUN}-0-1"
TEMPLATES = [
    "{{ 'exe' ~ 'cuted' }}",
    "{% set x = 1 %}executed",
    "{# hidden #}",
    "#jinja2:variable_start_string:'[%',variable_end_string:'%]'\n[% 'exe' ~ 'cuted' %]",
]


def pod(**changes):
    values = {
        "provider": "runpod",
        "id": "abc123",
        "name": NAME,
        "phase": "running",
        "gpu": "RTX 4090",
        "gpu_id": "NVIDIA GeForce RTX 4090",
        "gpu_count": 1,
        "usd_per_hour": 0.69,
        "region": "EU-RO-1",
        "endpoint": Endpoint("203.0.113.7", 40022),
        "started_at": "2026-01-02T03:04:05Z",
        "env": {"HF_TOKEN": "hf_secret"},
        **changes,
    }
    return Pod(**values).to_result()


@pytest.fixture
def hosts(tmp_path):
    """Hosts of the pods given, with the options given."""

    def make(*pods, namer=None, private_key_file="", ssh_user="", **changes):
        known_hosts = str(tmp_path / "known hosts")
        connections = Connections(tmp_path / "runs", private_key_file, known_hosts, ssh_user)
        return hosts_of(pods, Wanted(**{"group_by": tuple(GROUPS), **changes}), connections, namer)

    return make


def ssh_config(host):
    """The options of ansible_ssh_common_args as a dict."""
    words = shlex.split(host.variables["ansible_ssh_common_args"])
    assert words[::2] == ["-o"] * (len(words) // 2)
    return dict(word.split("=", 1) for word in words[1::2])


def make_run(tmp_path, *, known_hosts=None):
    run = tmp_path / "runs" / RUN
    (run / "ssh").mkdir(parents=True)
    (run / "ssh" / "id_ed25519").write_text("key")
    if known_hosts is not None:
        (run / "known_hosts").write_text(known_hosts)
    return run


def test_a_pod_becomes_a_host_that_ssh_can_reach(hosts):
    (host,) = hosts(pod())
    assert host.name == NAME
    assert host.variables["ansible_host"] == "203.0.113.7"
    assert host.variables["ansible_port"] == 40022
    assert host.variables["ansible_user"] == "root"
    assert host.variables["ansible_pipelining"] is True
    assert "ControlPersist" in host.variables["ansible_ssh_args"]
    assert host.variables["pod_id"] == "abc123"
    assert host.variables["pod_run_id"] == RUN
    assert host.variables["pod_project"] == "digits"
    assert "ansible_ssh_private_key_file" not in host.variables, "there is no key file"


def test_the_user_and_the_key_that_were_let_in_are_in_the_run_directory(hosts, tmp_path):
    run = make_run(tmp_path)
    (tmp_path / "mine").write_text("key")
    proven = {"ssh": "ssh root@h", "pod_id": "abc123", "user": "ubuntu", "private_key_file": str(tmp_path / "mine")}
    (run / "connection.json").write_text(json.dumps(proven))
    (host,) = hosts(pod(), ssh_user="other")
    assert host.variables["ansible_user"] == "ubuntu"
    assert host.variables["ansible_ssh_private_key_file"] == str(tmp_path / "mine")
    for text in (json.dumps({**proven, "pod_id": "another"}), "[]", "{"):
        (run / "connection.json").write_text(text)
        (host,) = hosts(pod(), ssh_user="other")
        assert host.variables["ansible_user"] == "other"
        assert host.variables["ansible_ssh_private_key_file"] == str(run / "ssh" / "id_ed25519")


def test_the_environment_is_never_exported(hosts):
    (host,) = hosts(pod())
    assert "hf_secret" not in repr(host)


def test_no_variable_has_a_reserved_name():
    from ansible.vars.reserved import get_reserved_names

    ours = {name for name in NAMES if not name.startswith("ansible_")}
    assert ours
    assert not ours & get_reserved_names()
    assert all(name.startswith("pod_") and name.isidentifier() for name in ours)


def test_the_names_are_all_that_a_host_has_and_the_documentation_tells_each(hosts, tmp_path):
    (tmp_path / "mine").write_text("key")
    (host,) = hosts(pod(), private_key_file=str(tmp_path / "mine"))
    assert set(host.variables) == set(NAMES)
    page = Path(__file__).resolve().parents[5] / "docs" / "inventory.md"
    if not page.exists():
        pytest.skip("the guides are not part of an installed collection")
    assert [name for name in NAMES if f"| `{name}`" not in page.read_text(encoding="utf-8")] == []


def test_native_groups(hosts):
    (host,) = hosts(pod())
    assert set(host.groups) == {
        "provider_runpod",
        "phase_running",
        "gpu_rtx_4090",
        "region_eu_ro_1",
        "project_digits",
        f"run_{RUN}",
    }


def test_only_the_groups_asked_for_and_none_for_what_is_unknown(hosts):
    (host,) = hosts(pod(region=None, name="by hand"), group_by=("region", "run", "provider"))
    assert host.groups == ("provider_runpod",)


@pytest.mark.parametrize("value, name", [("RTX PRO 6000 (96 GB)", "gpu_rtx_pro_6000_96_gb"), ("–", None), (None, None)])
def test_group_names_are_valid_without_a_warning(value, name):
    assert group_name("gpu", value) == name


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": None},
        {"endpoint": Endpoint("ssh.example.org", 22, "abc123-64410", "proxy")},
        {"phase": "stopped"},
        {"phase": "starting"},
    ],
)
def test_a_pod_that_ssh_cannot_reach_is_left_out_unless_asked_for(hosts, changes):
    assert hosts(pod(**changes)) == []
    (host,) = hosts(pod(**changes), include_unaddressed=True)
    assert not {"ansible_host", "ansible_port", "ansible_user"} & set(host.variables)
    assert host.variables["pod_reachable"] is False


def test_a_gateway_that_carries_commands_is_an_address(hosts):
    (host,) = hosts(pod(provider="vastai", endpoint=Endpoint("ssh5.example.org", 15678, "root", "proxy")))
    assert (host.variables["ansible_host"], host.variables["ansible_port"]) == ("ssh5.example.org", 15678)


def test_selection_by_prefix_run_and_phase(hosts):
    other = pod(id="def", name="podyard-other-20260102_030405_ffff-0-1")
    by_hand = pod(id="ghi", name="by-hand")
    stopped = pod(id="jkl", name=f"podyard-digits-{RUN}-1-1", phase="stopped")
    pods = (pod(), other, by_hand, stopped)
    everything = {"include_unaddressed": True}
    assert len(hosts(*pods, **everything)) == 4
    assert [host.variables["pod_id"] for host in hosts(*pods, name_prefix="podyard-o")] == ["def"]
    assert [host.variables["pod_id"] for host in hosts(*pods, run=RUN, **everything)] == ["abc123", "jkl"]
    assert [host.variables["pod_id"] for host in hosts(*pods, phases=("stopped",), **everything)] == ["jkl"]


def test_pods_of_one_name_are_told_apart_whatever_their_order(hosts):
    first, second = pod(id="one"), pod(id="two")
    names = [f"{NAME}-one", f"{NAME}-two"]
    assert [host.name for host in hosts(first, second)] == names
    assert [host.name for host in hosts(second, first)] == names


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "all", "phase_running", "region_us"])
def test_a_pod_cannot_take_the_place_of_the_controller_or_of_a_group(hosts, name):
    found = {host.variables["pod_id"]: host.name for host in hosts(pod(name=name), pod(id="def", region="US"))}
    assert found == {"abc123": f"{name}-abc123", "def": NAME}


def test_pods_of_one_name_and_id_at_two_providers_are_told_apart(hosts):
    pods = [pod(), pod(provider="vastai"), pod(id="other")]
    names = [f"{NAME}-abc123-runpod-abc123", f"{NAME}-abc123-vastai-abc123", f"{NAME}-other"]
    assert [host.name for host in hosts(*pods)] == [host.name for host in hosts(*reversed(pods))] == names


def test_a_host_may_be_called_by_its_variables(hosts):
    def namer(variables):
        return f"{variables['pod_project']} on {variables['pod_gpu']}" if variables["pod_project"] else None

    found = hosts(pod(), pod(id="def"), pod(id="ghi", name="by hand"), namer=namer)
    assert [host.name for host in found] == ["by_hand", "digits_on_RTX_4090-abc123", "digits_on_RTX_4090-def"]


def test_filters_see_the_variables_by_the_names_that_a_host_has(hosts):
    pods = [pod(), pod(id="def", gpu_count=8), pod(id="ghi", phase="stopped")]
    many = hosts(*pods, filters=("pod_gpu_count > `4`", "ansible_host == '203.0.113.7'"))
    assert [host.variables["pod_id"] for host in many] == ["def"]
    away = hosts(*pods, filters=("!pod_reachable",), include_unaddressed=True)
    assert [host.variables["pod_id"] for host in away] == ["ghi"]


def test_a_run_directory_is_read_once_for_all_its_pods(hosts, tmp_path, monkeypatch):
    make_run(tmp_path, known_hosts="")
    reads = []
    monkeypatch.setattr(ssh, "_read_run", lambda run: reads.append(run) or ssh._NO_RUN)
    hosts(*(pod(id=str(number)) for number in range(5)))
    hosts(pod(name="podyard-digits-20260102_030405_ffff-0-1"))
    assert reads == [tmp_path / "runs" / RUN]


@pytest.mark.parametrize("name, expected", [("my pod:[1]", "my_pod_1_"), ("", "abc123"), ("{{ 1 }}", "_1_")])
def test_a_host_name_is_no_pattern_and_no_template(hosts, name, expected):
    (host,) = hosts(pod(name=name))
    assert host.name == expected
    assert host.variables["pod_name"] == name


def test_the_runs_key_and_host_keys_are_used_where_they_are(hosts, tmp_path):
    run = make_run(tmp_path, known_hosts="[203.0.113.7]:40022 ssh-ed25519 AAAA")
    (host,) = hosts(pod())
    assert host.variables["ansible_ssh_private_key_file"] == str(run / "ssh" / "id_ed25519")
    config = ssh_config(host)
    assert config["UserKnownHostsFile"] == f"{run}/known_hosts"
    assert config["StrictHostKeyChecking"] == "yes"
    assert config["IdentitiesOnly"] == "yes"


@pytest.mark.parametrize("known_hosts", ["", None])
def test_a_run_that_could_not_learn_the_host_key_accepts_the_first(hosts, tmp_path, known_hosts):
    make_run(tmp_path, known_hosts=known_hosts)
    (host,) = hosts(pod())
    assert ssh_config(host)["StrictHostKeyChecking"] == "accept-new"


def test_a_pod_without_a_run_directory_has_its_host_key_remembered_for_one_start(hosts, tmp_path):
    key = tmp_path / "mine"
    key.write_text("key")
    (before,) = hosts(pod(), private_key_file=str(key))
    (after,) = hosts(pod(started_at="2026-01-02T09:00:00Z"), private_key_file=str(key))
    assert before.variables["ansible_ssh_private_key_file"] == str(key)
    config = ssh_config(before)
    assert config["UserKnownHostsFile"] == f'"{tmp_path}/known hosts"'
    assert config["StrictHostKeyChecking"] == "accept-new"
    assert config["HostKeyAlias"] != ssh_config(after)["HostKeyAlias"]


def test_a_key_file_that_is_not_there_is_not_named(hosts):
    (host,) = hosts(pod(), private_key_file="/nowhere/key")
    assert "ansible_ssh_private_key_file" not in host.variables
    assert "IdentitiesOnly" not in ssh_config(host)


def strings(value):
    """All text in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in (*value, *value.values()):
            yield from strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from strings(item)


def test_all_harmless_text_is_plain(hosts):
    (host,) = hosts(pod())
    assert all(is_trusted_as_template(text) for text in strings(list(host.variables.values())))


@pytest.mark.parametrize("text", TEMPLATES)
def test_text_that_could_be_a_template_is_never_one(hosts, text):
    (host,) = hosts(pod(gpu=text, name=text, image=text, raw_status=text, endpoint=Endpoint(text, 22, text)))
    templar = Templar(loader=DataLoader(), variables=host.variables)
    for name in ("pod_gpu", "pod_name", "pod_image", "pod_raw_status", "ansible_host", "ansible_user"):
        assert not is_trusted_as_template(host.variables[name])
        assert templar.template(trust_as_template(f"{{{{ {name} }}}}")) == text
        assert templar.template(host.variables[name]) == text


@pytest.mark.parametrize("text", TEMPLATES)
def test_the_attacks_are_real(text):
    """Trusted by mistake, each of these texts is changed by templating: the tests above can fail."""
    assert Templar(loader=DataLoader(), variables={}).template(trust_as_template(text)) != text


def test_plain_reaches_into_lists_and_dicts():
    made = plain({"key": ["a", {"b": "{{ 1 }}"}], "n": 1, "none": None})
    assert made == {"key": ["a", {"b": "{{ 1 }}"}], "n": 1, "none": None}
    assert [text for text in strings(made) if not is_trusted_as_template(text)] == ["{{ 1 }}"]
