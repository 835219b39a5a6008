# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in the documentation, as `ansible-doc` prints them: each is run as it stands, against the sandbox.

What an example takes for granted is there: an SSH key in ~/.ssh, a directory with data, and a run that is under way
and bears the id that all examples use. Nothing is put into an example or taken out of it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from harness import BIN, REPOSITORY, Cloud, Job, Playbook, ran, running_for, wait_for

RUN = "20260715_140000_1f2e"
# The run of which the examples of the roles' modules speak; its code and data are those of the other one.
ANOTHER = "20261122_101500_4f2a"
MODULES = sorted(path.stem for path in (REPOSITORY / "plugins" / "modules").glob("*.py"))
# Their examples are for hosts that are pods; all others are for the controller.
ON_A_POD = (
    *("gpu_info", "pod_setup", "run_results", "text_files"),
    *("training", "training_info", "training_progress", "transfer"),
)
# These build on what those before them left on the pod; the last one ends it.
IN_THIS_ORDER = ("training", "training_info", "training_progress", "transfer", "pod_termination")
# Two minutes are many times what any of them takes on a loaded machine.
PATIENCE = 120
LONG_TRAINING = """\
import argparse, json, time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--out", type=Path, required=True)
arguments = parser.parse_args()
assert list(arguments.data.iterdir())
arguments.out.mkdir(parents=True, exist_ok=True)
(arguments.out / "model.safetensors").write_bytes(bytes(1000))
for step in range(10_000):
    with open(arguments.out / "metrics.jsonl", "a") as metrics:
        metrics.write(json.dumps({"epoch": step, "loss": 1 / (step + 1)}) + "\\n")
    print("step", step, flush=True)
    time.sleep(0.2)
"""


def in_order() -> list[str]:
    """The modules, those that build on another after it."""
    return [*(name for name in MODULES if name not in IN_THIS_ORDER), *IN_THIS_ORDER]


@pytest.fixture(scope="module")
def documentation(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Name -> examples, of all modules and of the inventory plugin, from ansible-doc."""
    found: dict[str, str] = {}
    for kind, names in (("module", MODULES), ("inventory", ["pods"])):
        environ = {**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")}
        listing = [BIN / "ansible-doc", "--json", "-t", kind, *(f"podyard.gpu.{name}" for name in names)]
        done = ran(listing, env=environ, cwd=tmp_path_factory.getbasetemp())
        assert done.returncode == 0, done.stderr
        for name, page in json.loads(done.stdout).items():
            found[name.rsplit(".", 1)[-1]] = page["examples"]
    return found


@dataclass
class Shop:
    """A directory in which a user works: data, a run under way in runs/, and that run's pod as an inventory."""

    directory: Path
    job: Path
    inventory: Path
    environ: dict[str, str]

    def play(self, name: str, tasks: str) -> str:
        """Run the tasks as a play on the pod or on the controller; fail with its output when it fails."""
        pod = name in ON_A_POD
        head = {"hosts": "pod" if pod else "localhost", "gather_facts": False}
        if not pod:
            head |= {"connection": "local", "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}}
        text = yaml.safe_dump([head], sort_keys=False) + "  tasks:\n" + textwrap.indent(tasks, "    ")
        book = self.directory / f"example-{name}.yml"
        book.write_text(text, encoding="utf-8")
        return self.call("ansible-playbook", str(book), "-i", str(self.inventory), "-e", f"@{self.job}")

    def call(self, program: str, *arguments: str) -> str:
        """Run one of Ansible's programs in this directory and return what it printed."""
        done = ran([str(BIN / program), *arguments], cwd=self.directory, env=self.environ, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def shop(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A run of the project digits that trains until it is ended, in the directory of its user."""
    directory = tmp_path_factory.mktemp("shop")
    job = Job(directory)
    (directory / "code" / "train.py").write_text(LONG_TRAINING, encoding="utf-8")
    job.variables |= {
        "train_name": "digits",
        "train_run_id": RUN,
        "train_command": "python3 train.py --data {{ train_dataset_dir }} --out {{ train_output_dir }}",
        "train_artifacts": ["model.safetensors"],
    }
    playbook = Playbook(cloud, directory, REPOSITORY)
    ssh = directory / "home" / ".ssh"
    ssh.mkdir(mode=0o700)
    made = ran(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@laptop", "-f", str(ssh / "id_ed25519")])
    assert made.returncode == 0, made.stderr
    playbook.start(job)
    record = directory / "runs" / RUN / "train.log"
    try:
        wait_for(lambda: record.is_file() and "step 3" in record.read_text(), "the training", timeout=PATIENCE)
        connection = json.loads((directory / "runs" / RUN / "connection.json").read_text())
        runs = "/workspace/podyard/digits/runs"
        copy = f"mkdir {runs}/{ANOTHER} && cp -r {runs}/{RUN}/code {runs}/{RUN}/data {runs}/{ANOTHER}/"
        copied = ran([*shlex.split(connection["ssh"]), copy], stdin=subprocess.DEVNULL)
        assert copied.returncode == 0, copied.stderr
        inventory = directory / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"all": {"hosts": {"pod": host_variables(connection)}}}))
        yield Shop(directory, directory / "job.yml", inventory, playbook.environ)
    finally:
        playbook.end_all()
        # The guard gives the run's pod back while there is still a sandbox to give it to, and ends.
        wait_for(
            lambda: not [line for line in running_for(directory / "home") if not line.startswith("ssh:")],
            "the end of the guard",
        )


def host_variables(connection: dict[str, str]) -> dict[str, object]:
    """What Ansible needs to reach the pod of a connection.json."""
    return {
        "ansible_host": connection["host"],
        "ansible_port": connection["port"],
        "ansible_user": connection["user"],
        "ansible_ssh_private_key_file": connection["private_key_file"],
        "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={connection['known_hosts_file']}",
        "ansible_python_interpreter": "/usr/bin/python3",
    }


@pytest.mark.parametrize("name", in_order())
def test_the_examples_of_a_module_run_as_they_stand(name: str, shop: Shop, documentation: dict[str, str]) -> None:
    tasks = documentation[name]
    listed = yaml.safe_load(tasks)
    shown = shop.play(name, tasks)
    assert any(f"podyard.gpu.{name}" in task for task in listed), "the examples do not use the module"
    # What a condition rules out is skipped; the rest was run.
    ok, skipped = (int(re.search(rf" {word}=(\d+)", shown)[1]) for word in ("ok", "skipped"))
    assert ok + skipped == len(listed)
    assert skipped <= sum("when" in task for task in listed)


def test_the_examples_of_the_inventory_run_as_they_stand(shop: Shop, documentation: dict[str, str]) -> None:
    documents = [part for part in documentation["pods"].split("\n---\n") if part.strip()]
    assert len(documents) >= 3
    for number, text in enumerate(documents):
        source = shop.directory / f"inventory-{number}.yml"
        source.write_text(text, encoding="utf-8")
        shop.call("ansible-inventory", "-i", str(source), "--list")
