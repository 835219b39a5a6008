# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider is a folder and one row: Tiny, which the collection does not know, is planned, rented, listed, inventoried
and ended by the collection as it is, with the folder `tiny/` and a row in the registry put into a copy of it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import BIN, REPOSITORY
from third_provider.stand_in import KEY, TinyServer

FOLDER = Path(__file__).parent / "third_provider" / "tiny"
PROVIDERS = Path("plugins/module_utils/_providers")
IMPORT, ROW = "from .tiny.info import TINY", "(RUNPOD, VASTAI, TINY)"
RUN = "20260102_030405_abcd"
NAME = f"podyard-tinytest-{RUN}"
WANTED = {"gpus": ["RTX 4090", "L40S"], "image": "any/image:1", "max_price": 0.5}
# A playbook of a few tasks takes seconds on a loaded machine; a hang must still end the test.
TIMEOUT = 240


def copied(root: Path) -> Path:
    """A copy of the collection as git has it, in a tree of collections below the root."""
    collection = root / "ansible_collections" / "podyard" / "gpu"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "galaxy.yml", "meta", "plugins",
         "roles", "playbooks"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (collection / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, collection / name)
    return collection


def add_provider(collection: Path) -> None:
    """What docs/adding-a-provider.md tells to do: put the folder there, and write its row."""
    shutil.copytree(FOLDER, collection / PROVIDERS / "tiny", ignore=shutil.ignore_patterns("__pycache__"))
    registry = collection / PROVIDERS / "registry.py"
    text = registry.read_text()
    last_import = "from .vastai.info import VASTAI\n"
    assert text.count(last_import) == text.count("(RUNPOD, VASTAI)") == 1
    text = text.replace(last_import, f"{last_import}{IMPORT}\n")
    registry.write_text(text.replace("(RUNPOD, VASTAI)", ROW))


def contents(collection: Path) -> dict[str, str]:
    files = [path for path in collection.rglob("*") if path.is_file() and path.suffix not in (".pyc", ".pyo")]
    return {str(path.relative_to(collection)): path.read_text() for path in files}


@dataclass
class Controller:
    """A user's machine with that collection and nothing but a key for Tiny."""

    directory: Path
    server: TinyServer
    environ: dict[str, str]

    def call(self, *command: str) -> str:
        """Run one of Ansible's programs, which must succeed."""
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]], env=self.environ, cwd=self.directory, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=TIMEOUT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def task(self, module: str, check: bool = False, **options: Any) -> dict[str, Any]:
        """The result of one task, which must succeed."""
        answer = self.directory / "result.json"
        tasks = [
            {"name": "Do it", f"podyard.gpu.{module}": options, "register": "result"},
            {
                "name": "Keep the result",
                "ansible.builtin.copy": {"content": "{{ result | to_json }}", "dest": str(answer)},
                "check_mode": False,
            },
        ]
        play = {"name": "Test", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        (self.directory / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        self.call("ansible-playbook", *(["--check"] if check else []), "play.yml")
        return json.loads(answer.read_text())

    def rent(self, **options: Any) -> dict[str, Any]:
        """The pod that all tests look at, brought into a state."""
        return self.task(
            "pod",
            name=f"{NAME}-0", poll_interval=0.1, consistency_grace=0.5, run_dir=str(self.directory / "runs" / RUN),
            private_key_file=str(self.key), public_keys=[self.key.with_suffix(".pub").read_text().strip()],
            **{**WANTED, **options},
        )  # fmt: skip

    @property
    def key(self) -> Path:
        return self.directory / "runs" / RUN / "ssh" / "id_ed25519"


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    directory = tmp_path_factory.mktemp("tiny")
    add_provider(copied(directory / "tree"))
    home, pods = directory / "home", directory / "pods"
    home.mkdir(), pods.mkdir()
    server = TinyServer(pods)
    strange = ("ANSIBLE_", "RUNPOD_", "VAST_", "PODYARD_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    found = Controller(
        directory,
        server,
        {
            **kept,
            "HOME": str(home),
            "PATH": f"{BIN}{os.pathsep}{kept['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(directory / "tree"),
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "true",
            "PODYARD_STATE_DIR": str(directory / "state"),
            "TINY_API_KEY": KEY,
            "TINY_URL": server.url,
        },
    )
    found.key.parent.mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", found.key], check=True)
    try:
        yield found
    finally:
        server.close()


def test_a_provider_is_a_folder_and_one_row(tmp_path):
    collection = copied(tmp_path)
    before = contents(collection)
    add_provider(collection)
    after = contents(collection)
    changed = {name for name in after if after[name] != before.get(name)}
    folder = {str(PROVIDERS / "tiny" / path.name) for path in FOLDER.glob("*.py")}
    registry = str(PROVIDERS / "registry.py")
    assert changed == {*folder, registry}
    lines = {*after[registry].splitlines()} - {*before[registry].splitlines()}
    assert len(lines) == 2 and IMPORT in lines and any(ROW in line for line in lines)


def test_it_is_planned(controller):
    """By the playbook of the whole cycle, in check mode: of its own accord, for only it has a key here."""
    source = controller.directory / "code"
    source.mkdir()
    (source / "train.py").write_text("print('trained')\n")
    job = {
        "train_name": "tinytest", "train_gpus": WANTED["gpus"], "train_image": WANTED["image"], "train_max_price": 0.5,
        "train_max_hours": 1, "train_lease_hours": 0, "train_code": str(source), "train_command": "python3 train.py",
        "train_artifacts": ["*.bin"], "train_runs_dir": str(controller.directory / "runs"),
    }  # fmt: skip
    (controller.directory / "job.yml").write_text(yaml.safe_dump(job))
    said = controller.call("ansible-playbook", "podyard.gpu.train", "--check", "-e", "@job.yml")
    assert "tiny" in said and "RTX 4090" in said and "TINY_API_KEY" in said
    assert controller.server.account.creates == []


def test_its_key_never_reaches_a_pod(controller):
    """The list of account keys comes from the row: this is the place that nobody may forget."""
    job = controller.directory / "bad.yml"
    job.write_text(yaml.safe_dump({
        "train_name": "tinytest", "train_gpus": ["RTX 4090"], "train_image": "any/image:1", "train_command": "true",
        "train_env": {"TINY_API_KEY": "t_else"},
    }))  # fmt: skip
    with pytest.raises(AssertionError, match=r"train_env must not hold\s+TINY_API_KEY"):
        controller.call("ansible-playbook", "podyard.gpu.train", "--check", "-e", f"@{job}")


def test_it_is_rented_listed_inventoried_and_ended(controller):
    account = controller.server.account
    assert controller.rent(check=True)["changed"] and account.creates == []

    rented = controller.rent(providers=["tiny"], tiny={"colour": "green"})
    assert rented["changed"] and rented["pod"]["provider"] == "tiny" and rented["pod"]["stage"] == "ready"
    assert (rented["pod"]["gpu"], rented["pod"]["usd_per_hour"]) == ("RTX 4090", 0.30)
    assert [each["colour"] for each in account.creates] == ["green"], "its own option reaches its driver"
    assert controller.rent()["changed"] is False, "a second run rents nothing"

    pod = rented["pod"]["id"]
    (listed,) = controller.task("pod_info", run_id=RUN)["pods"]
    assert (listed["id"], listed["provider"], listed["phase"]) == (pod, "tiny", "running")
    status = controller.task("run_status", runs_dir=str(controller.directory / "runs"), format="table")
    assert pod in json.dumps(status["pods"]) and "tiny" in status["table"]

    inventory = controller.directory / "pods.yml"
    inventory.write_text(json.dumps({"plugin": "podyard.gpu.pods", "runs_dir": str(controller.directory / "runs")}))
    hosts = json.loads(controller.call("ansible-inventory", "-i", "pods.yml", "--list"))
    assert hosts["provider_tiny"]["hosts"] == [f"{NAME}-0-1"]
    said = controller.call(
        "ansible", "-i", "pods.yml", "provider_tiny", "-m", "ansible.builtin.raw", "-a", "echo $((6*7))"
    )
    assert "42" in said, "the inventory's host answers over SSH"

    ended = controller.rent(state="absent")
    assert [(each["id"], each["gone_proved"]) for each in ended["pods_gone"]] == [(pod, True)]
    assert account.pods == {} and controller.rent(state="absent")["changed"] is False
    assert len(account.creates) == 1
