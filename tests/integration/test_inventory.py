# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of pods as users call it: ansible-inventory and ansible, against a sandbox and over real SSH."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import requests
from harness import BIN, REPOSITORY, Cloud, wait_for

RUN = "20260102_030405_abcd"
NAME = f"podyard-inventory-{RUN}-0-1"
TEMPLATE = "{{ 'exe' ~ 'cuted' }}"


class Api:
    """The sandbox's API as another client than the collection's speaks it."""

    def __init__(self, cloud: Cloud) -> None:
        self.url = cloud.settings["RUNPOD_API_BASE_URL"] + "/v2/pods"
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {cloud.settings['RUNPOD_API_KEY']}"

    def create(self, name: str, public_key: str, **changes) -> dict:
        body = {
            "name": name,
            "image": "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
            "gpu": {"id": "NVIDIA GeForce RTX 4090", "count": 1},
            "ports": ["22/tcp"],
            "disk": 20,
            "env": {"PUBLIC_KEY": public_key, "HF_TOKEN": "hf_secret"},
            **changes,
        }
        answer = self.session.post(self.url, json=body, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def get(self, pod_id: str) -> dict:
        return self.session.get(f"{self.url}/{pod_id}", timeout=30).json()

    def until_addressed(self, pod_id: str) -> dict:
        """The pod once it runs and says where SSH will answer."""
        return wait_for(lambda: pod if (pod := self.get(pod_id))["ssh"]["direct"] else None, "an address")


class Inventory:
    """One inventory file, and the commands that read it."""

    def __init__(self, directory: Path, cloud: Cloud) -> None:
        self.directory = directory
        self.cloud = cloud
        home = directory / "home"
        home.mkdir()
        ours = ("ANSIBLE_", "RUNPOD_", "VAST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        config = {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_NOCOLOR": "true", "HOME": str(home)}
        self.environ = {**kept, **cloud.settings, **config}

    def call(self, program: str, *arguments: str, **config) -> subprocess.CompletedProcess[str]:
        """Run the program on an inventory with this configuration."""
        file = self.directory / "mine.yml"
        runs = str(self.directory / "runs")
        file.write_text(json.dumps({"plugin": "podyard.gpu.pods", "runs_dir": runs, **config}))
        command = [str(BIN / program), "-i", str(file), *arguments]
        return subprocess.run(
            command, env=self.environ, cwd=self.directory, capture_output=True, text=True, timeout=120, check=False
        )

    def list(self, **config) -> dict:
        """What ansible-inventory --list says."""
        done = self.call("ansible-inventory", "--list", **config)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def rented(cloud, tmp_path_factory):
    """A run directory with its key, two pods of the run, and one of another name that is a template."""
    directory = tmp_path_factory.mktemp("inventory")
    key = directory / "runs" / RUN / "ssh" / "id_ed25519"
    key.parent.mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public_key = key.with_suffix(".pub").read_text().strip()
    api = Api(cloud)
    reachable = api.create(NAME, public_key)
    templated = api.create(f"other {TEMPLATE}", public_key)
    unreachable = api.create(NAME.replace("-0-1", "-1-1"), public_key, ports=["8888/http"])
    api.until_addressed(reachable["id"])
    api.until_addressed(templated["id"])
    wait_for(lambda: api.get(unreachable["id"])["status"] == "RUNNING", "the pod without an address")
    return Inventory(directory, cloud)


def test_pods_are_listed_with_plain_strings_and_native_groups(rented):
    listed = rented.list()
    host = listed["_meta"]["hostvars"][NAME]
    assert host["ansible_host"] == "127.0.0.1"
    assert isinstance(host["ansible_port"], int)
    assert host["ansible_user"] == "root"
    assert host["ansible_ssh_private_key_file"] == str(rented.directory / "runs" / RUN / "ssh" / "id_ed25519")
    assert host["pod_phase"] == "running"
    assert host["pod_run_id"] == RUN
    assert "__ansible_unsafe" not in json.dumps(host)
    for group in ("provider_runpod", "phase_running", "gpu_rtx_4090", "project_inventory", f"run_{RUN}"):
        assert NAME in listed[group]["hosts"]
    assert [name for name in listed if name.startswith("region_")]


def test_text_of_the_api_that_could_be_a_template_stays_unsafe(rented):
    hosts = rented.list(compose={"copy": "pod_name"})["_meta"]["hostvars"]
    (host,) = [variables for name, variables in hosts.items() if name.startswith("other")]
    assert host["pod_name"] == host["copy"] == {"__ansible_unsafe": f"other {TEMPLATE}"}
    assert "executed" not in json.dumps(hosts)


def test_no_environment_is_exported(rented):
    assert "hf_secret" not in json.dumps(rented.list(include_unaddressed=True))


def test_a_pod_without_an_address_is_listed_only_when_asked_for(rented):
    unreachable = NAME.replace("-0-1", "-1-1")
    assert unreachable not in rented.list()["_meta"]["hostvars"]
    host = rented.list(include_unaddressed=True)["_meta"]["hostvars"][unreachable]
    assert "ansible_host" not in host


def test_constructed_groups_come_on_top(rented):
    listed = rented.list(
        strict=True,
        groups={"cheap": "pod_usd_per_hour < 5"},
        keyed_groups=[{"key": "pod_gpu", "prefix": "model"}],
        run=RUN,
    )
    assert listed["cheap"]["hosts"] == [NAME]
    assert [name for name in listed if name.startswith("model_")] == ["model_RTX_4090"]


@pytest.mark.parametrize("host_keys", ["unknown", "known"])
def test_ansible_reaches_the_pod_with_nothing_but_the_inventory(rented, host_keys):
    port = rented.list()["_meta"]["hostvars"][NAME]["ansible_port"]
    known_hosts = rented.directory / "runs" / RUN / "known_hosts"
    if host_keys == "known":
        scan = ["ssh-keyscan", "-p", str(port), "127.0.0.1"]
        keys = wait_for(lambda: subprocess.run(scan, capture_output=True, text=True, check=False).stdout, "host keys")
        known_hosts.write_text(keys)
    mine = rented.directory / "host keys"
    ping = ["-m", "ansible.builtin.ping", f"run_{RUN}"]
    done = wait_for(
        lambda: call if (call := rented.call("ansible", *ping, known_hosts_file=str(mine))).returncode == 0 else None,
        "an answer to a ping over SSH",
    )
    assert "pong" in done.stdout
    assert "[WARNING]" not in done.stdout + done.stderr
    assert mine.exists(), "the host key of an unknown pod is remembered, and not in the user's own file"
    assert not (rented.directory / "home" / ".ssh" / "known_hosts").exists()


def test_a_wrong_host_key_is_refused(rented, tmp_path, monkeypatch):
    # A connection that an earlier test left open would answer without asking for the key again.
    monkeypatch.setitem(rented.environ, "ANSIBLE_SSH_CONTROL_PATH_DIR", str(tmp_path))
    known_hosts = rented.directory / "runs" / RUN / "known_hosts"
    port = rented.list()["_meta"]["hostvars"][NAME]["ansible_port"]
    other_key = (rented.directory / "runs" / RUN / "ssh" / "id_ed25519.pub").read_text()
    known_hosts.write_text(f"[127.0.0.1]:{port} {other_key}")
    done = rented.call("ansible", "-m", "ansible.builtin.ping", f"run_{RUN}")
    known_hosts.unlink()
    assert done.returncode != 0
    assert "UNREACHABLE" in done.stdout


def test_an_api_that_refuses_fails_the_inventory(rented, monkeypatch):
    monkeypatch.setitem(rented.environ, "RUNPOD_API_KEY", "rpa_wrong")
    done = rented.call("ansible-inventory", "--list")
    assert done.returncode != 0
    assert "RunPod answered 401" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_there_is_no_key_one_sentence_says_where_it_would_be(rented, monkeypatch):
    monkeypatch.delitem(rented.environ, "RUNPOD_API_KEY")
    monkeypatch.delitem(rented.environ, "VAST_API_KEY")
    # Not even Ansible's own configuration has a say.
    monkeypatch.setitem(rented.environ, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED", "false")
    done = rented.call("ansible-inventory", "--list", on_failure="run")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("RUNPOD_API_KEY=") == done.stderr.count("[ERROR]") == 1
    assert "VAST_API_KEY" in done.stderr
    assert "[WARNING]" not in done.stderr


def test_one_provider_down_and_its_last_answer(rented):
    directory = str(rented.directory / "cache")
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": directory}
    assert NAME in rented.list(**cache)["_meta"]["hostvars"]
    rented.cloud.fault("forbidden", "--param", "operation=listPods")
    try:
        refused = rented.call("ansible-inventory", "--list", "--flush-cache", **cache)
        done = rented.call("ansible-inventory", "--list", "--flush-cache", strict_providers=False, **cache)
        bare = rented.call("ansible-inventory", "--list", strict_providers=False)
    finally:
        rented.cloud.clear_faults()
    assert refused.returncode != 0
    assert "With strict_providers: false" in " ".join(refused.stderr.split())
    assert NAME in json.loads(done.stdout)["_meta"]["hostvars"], done.stderr
    assert "The answer of runpod from" in " ".join(done.stderr.split())
    assert json.loads(bare.stdout)["_meta"]["hostvars"] == {}
    assert "The pods of runpod are missing" in " ".join(bare.stderr.split())


# -- AWX -----------------------------------------------------------------------------------------------------------


def awx_value(variables: dict, path: str) -> object:
    """A host variable as AWX finds it: dots lead into dicts."""
    found: object = variables
    for part in path.split("."):
        found = found.get(part, "") if isinstance(found, dict) else ""
    return found


def awx_enabled(variables: dict, name: str, wanted: str) -> bool:
    """AWX compares the texts of both."""
    return str(awx_value(variables, name)) == wanted


def test_awx_imports_hosts_with_their_ids_and_disables_those_that_do_not_run(rented, monkeypatch):
    environ = {
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_INVENTORY_EXPORT": "True",
        "ANSIBLE_VERBOSE_TO_STDERR": "True",
        "ANSIBLE_HOST_PATTERN_MISMATCH": "error",
    }
    for name, value in environ.items():
        monkeypatch.setitem(rented.environ, name, value)
    output = rented.directory / "output.json"
    words = ["--list", "--export", "--output", str(output), "--playbook-dir", str(rented.directory), "-vvv"]
    done = rented.call("ansible-inventory", *words, include_unaddressed=True, run=RUN)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    found = json.loads(output.read_text())
    hosts = found["_meta"]["hostvars"]
    unreachable = NAME.replace("-0-1", "-1-1")
    assert {name: awx_enabled(each, "pod_reachable", "True") for name, each in hosts.items()} == {
        NAME: True,
        unreachable: False,
    }
    assert {name: awx_enabled(each, "pod_phase", "running") for name, each in hosts.items()} == {
        NAME: True,
        unreachable: True,
    }
    ids = {name: str(awx_value(each, "pod_id")) for name, each in hosts.items()}
    assert all(re.fullmatch(r"[a-z0-9]+", each) for each in ids.values())
    assert len(set(ids.values())) == 2
    for name in ("ansible_host", "ansible_user", "ansible_ssh_private_key_file"):
        assert isinstance(hosts[NAME][name], str)
    assert set(found[f"run_{RUN}"]["hosts"]) == {NAME, unreachable}


def test_the_shipped_inventory_of_the_sandbox_needs_a_sandbox(rented, monkeypatch):
    file = str(REPOSITORY / "inventory" / "sandbox.yml")
    command = [str(BIN / "ansible-inventory"), "-i", file, "--graph"]
    options = {"env": rented.environ, "cwd": rented.directory, "capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run(command, check=False, **options)
    assert done.returncode == 0, done.stderr
    assert f"--{NAME}" in done.stdout
    monkeypatch.delitem(rented.environ, "RUNPOD_API_BASE_URL")
    done = subprocess.run(command, check=False, **options)
    assert done.returncode != 0
    assert "podyard-sandbox env" in " ".join(done.stderr.split())
