# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The set-up on machines that lack something, and that it costs nothing where nothing is missing."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from arrows import ROOT

# What the scripts call of a bare Debian; rsync and bwrap are what the machine lacks.
BARE = [
    "awk", "bash", "cat", "cut", "dirname", "flock", "grep", "mkdir", "readlink", "sha256sum", "ssh", "ssh-keygen",
    "ssh-keyscan", "tr",
]  # fmt: skip


class Machine:
    """A copy of the scripts, and a PATH that holds little more than a bare Debian does."""

    def __init__(self, directory: Path) -> None:
        self.clone = directory / "clone"
        shutil.copytree(ROOT / "scripts", self.clone / "scripts")
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.calls = directory / "calls"
        self.calls.touch()
        for name in BARE:
            (self.bin / name).symlink_to(shutil.which(name) or name)

    def program(self, name: str, script: str) -> None:
        """Put a stand-in for a program on the PATH. It notes its call first."""
        file = self.bin / name
        file.write_text(f'#!{shutil.which("bash")}\necho "{name} $*" >>"{self.calls}"\n{script}\n')
        file.chmod(0o755)

    def user(self, uid: int, *, sudo: bool) -> None:
        self.program("id", f"echo {uid}")
        self.program("sudo", 'shift; exec "$@"' if sudo else "exit 1")
        self.program("true", "exit 0")

    def set_up(self) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": str(self.bin), "HOME": str(self.clone)}
        command = [str(self.clone / "scripts" / "setup.sh"), "train"]
        bash = shutil.which("bash") or "bash"
        return subprocess.run([bash, *command], env=environ, capture_output=True, text=True, timeout=60, check=False)

    def step(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run steps of the set-up by their names, without the rest of it."""
        whole = (self.clone / "scripts" / "setup.sh").read_text()
        steps = self.clone / "scripts" / "steps.sh"
        steps.write_text(whole[: whole.index("case $LEVEL in")] + script)
        environ = {"PATH": str(self.bin), "HOME": str(self.clone)}
        command = [shutil.which("bash") or "bash", str(steps), "test"]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    def called(self, name: str) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if line.startswith(name + " ")]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_without_root_the_administrators_command_is_printed_and_nothing_is_installed(machine):
    machine.user(1000, sudo=False)
    machine.program("apt-get", "exit 0")
    done = machine.set_up()
    assert done.returncode != 0
    command = [line for line in done.stderr.splitlines() if "sudo sh -c" in line]
    assert len(command) == 1
    assert "apt-get install" in command[0]
    assert "rsync bubblewrap" in command[0]
    assert machine.called("apt-get") == []


@pytest.mark.parametrize("uid, sudo", [(0, False), (1000, True)])
def test_as_root_or_with_sudo_only_what_is_missing_is_installed(machine, uid, sudo):
    machine.user(uid, sudo=sudo)
    machine.program("apt-get", "exit 0")  # says that all went well, and has installed nothing
    done = machine.set_up()
    assert "installing Debian packages" in done.stderr
    (install,) = [call for call in machine.called("apt-get") if "install" in call]
    assert install.endswith("rsync bubblewrap")
    assert bool(machine.called("sudo")) == sudo
    assert done.returncode != 0
    assert "still missing" in done.stderr


def test_a_start_up_script_that_fails_does_not_matter_when_the_programs_are_there(machine):
    machine.user(0, sudo=False)
    links = " && ".join(f'ln -sf {shutil.which("true")} "{machine.bin}/{name}"' for name in ("rsync", "bwrap"))
    machine.program("apt-get", f"[ $1 = update ] || {{ {links}; exit 100; }}")
    (machine.bin / "ln").symlink_to(shutil.which("ln") or "ln")
    done = machine.set_up()
    assert "apt-get reported a failure" in done.stderr
    assert "still missing" not in done.stderr, done.stderr
    assert "Python" in done.stderr, "it went on to the next step"


def test_a_machine_without_apt_is_told_what_it_lacks(machine):
    machine.user(0, sudo=False)
    done = machine.set_up()
    assert done.returncode != 0
    assert "no apt-get: rsync bubblewrap" in done.stderr


@pytest.mark.parametrize("installs", [True, False])
def test_the_sdk_is_installed_or_its_absence_is_said(machine, installs):
    for name in ("rm", "touch", "true"):
        (machine.bin / name).symlink_to(shutil.which(name) or name)
    shutil.copy(ROOT / "requirements-sdk.txt", machine.clone)
    machine.program("pip", f"exit {0 if installs else 1}")
    # A Python that makes of a virtual environment what the set-up looks at.
    made = f'mkdir -p "$3/bin"; : >"$3/pyvenv.cfg"; for each in python pip; do {shutil.which("cp")} '
    machine.program("python", f'[ "$2" != venv ] || {{ {made} "{machine.bin}/$each" "$3/bin/$each"; done; }}')
    (machine.clone / ".venv" / "bin").mkdir(parents=True)
    (machine.clone / ".venv" / "bin" / "python").symlink_to(machine.bin / "python")
    done = machine.step("set_up_sdk; sdk_is_ready || exit 3; set_up_sdk")
    assert done.returncode == 0, done.stderr
    environment, note = machine.clone / ".venv-runpod-sdk", machine.clone / ".cache" / "no-runpod-sdk"
    assert (environment / ".podyard-test").exists() == installs
    assert note.exists() != installs
    assert ("will be skipped" in done.stderr) != installs
    # What is there is not installed again; what could not be had is tried again at the next set-up.
    assert len(machine.called("pip")) == (1 if installs else 2)


def test_an_unknown_level_is_refused(machine):
    machine.user(0, sudo=False)
    bash = shutil.which("bash") or "bash"
    command = [bash, str(machine.clone / "scripts" / "setup.sh"), "tarin"]
    done = subprocess.run(command, env={"PATH": str(machine.bin)}, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "tarin" in done.stderr


@pytest.mark.skipif(not (ROOT / ".venv/.podyard-test").exists(), reason="this clone was not set up by its own scripts")
@pytest.mark.parametrize("level", ["train", "test"])
def test_a_set_up_that_is_complete_costs_nothing(level):
    started = time.monotonic()
    done = subprocess.run([ROOT / "scripts/setup.sh", level], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert time.monotonic() - started < 1.0
