# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real SSH server for the tests of what works on a pod: every connection is an sshd of its own, so that each can be
cut.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from harness import REPOSITORY, wait_for

BIN = Path(sys.executable).parent
# One playbook of a few tasks takes seconds; a hang must still end the test.
PLAY_TIMEOUT = 180


class SshServer:
    """Listens on a port that the kernel chose and hands each connection to an `sshd -i`.

    `path` is the search path of its sessions, `home` their home directory. `refusing` closes new connections at once,
    `cut` ends the present ones.
    """

    def __init__(self, directory: Path, *, path: str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin") -> None:
        self.directory = directory
        self.home = directory / "home"
        self.home.mkdir()
        self.refusing = False
        self.accepted = 0
        self._children: list[subprocess.Popen[bytes]] = []
        self._write_keys_and_configuration(path)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _write_keys_and_configuration(self, path: str) -> None:
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / name], check=True)
        self.key = self.directory / "user"
        shutil.copy(self.directory / "user.pub", self.directory / "authorized")
        self.configuration = self.directory / "sshd_config"
        self.configuration.write_text(
            f"HostKey {self.directory}/host\nAuthorizedKeysFile {self.directory}/authorized\n"
            f"StrictModes no\nUsePAM no\nPidFile none\nMaxSessions 100\nPermitRootLogin yes\n"
            f"SetEnv PATH={path} HOME={self.home}\n"
        )

    def _serve(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin") or "/usr/sbin/sshd"
        with (self.directory / "sshd.log").open("ab") as log:
            while True:
                try:
                    connection, _address = self._socket.accept()
                except OSError:
                    return
                with connection:
                    self.accepted += 1
                    if self.refusing:
                        continue
                    line = connection.fileno()
                    command = [program, "-i", "-e", "-f", str(self.configuration)]
                    child = subprocess.Popen(command, stdin=line, stdout=line, stderr=log, start_new_session=True)
                    self._children.append(child)

    def _living(self) -> list[psutil.Process]:
        """The sshd processes of the present connections, without what they started."""
        found = []
        for child in self._children:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(child.pid)
                found += [process, *(part for part in process.children(recursive=True) if part.name() == "sshd")]
        return found

    def signal(self, number: int) -> None:
        """Send a signal to the sshd of every connection: SIGSTOP makes it hang, SIGKILL cuts it."""
        for process in self._living():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def cut(self) -> None:
        """End every present connection."""
        self.signal(signal.SIGKILL)
        for child in self._children:
            child.wait(timeout=10)

    def close(self) -> None:
        """End everything, also what sessions left behind."""
        self._socket.close()
        sessions = [part for process in self._living() for part in _family(process)]
        for process in sessions:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for child in self._children:
            child.wait(timeout=10)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def path_without(directory: Path, *missing: str) -> str:
    """A search path with all programs of this machine but some."""
    folder = directory / "programs"
    folder.mkdir()
    for place in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for program in Path(place).iterdir():
            link = folder / program.name
            if program.name not in missing and not link.exists() and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


def put_program(folder: str | Path, name: str, text: str) -> None:
    """Place an executable script into a directory of a search path, before what is there under this name."""
    place = Path(folder) / name
    place.unlink(missing_ok=True)
    place.write_text(text)
    place.chmod(0o755)


@dataclass
class Ran:
    """A finished ansible-playbook; `results` are the results of its tasks by name."""

    code: int
    output: str
    results: dict[str, dict[str, Any]]

    def __getitem__(self, task: str) -> dict[str, Any]:
        assert task in self.results, f"no result of {task!r} in:\n{self.output}"
        return self.results[task]


@dataclass
class Plays:
    """Runs plays of a few tasks against an SSH server, with nothing of the user's settings."""

    server: SshServer
    directory: Path
    variables: dict[str, Any] = field(default_factory=dict)
    extra_environment: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The path of a socket has at most 107 bytes, and a test's own directory is longer.
        self.sockets = tempfile.mkdtemp(prefix="pod-")
        self.count = 0

    @property
    def host(self) -> dict[str, Any]:
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.server.port,
            "ansible_user": getpass.getuser(),
            "ansible_ssh_private_key_file": str(self.server.key),
            "ansible_ssh_common_args": (
                f"-o UserKnownHostsFile={self.directory}/known_hosts -o StrictHostKeyChecking=accept-new"
            ),
            "ansible_pipelining": True,
            "ansible_python_interpreter": "/usr/bin/python3",
            **self.variables,
        }

    def start(self, *tasks: dict[str, Any], arguments: tuple[str, ...] = (), **play: Any) -> subprocess.Popen[str]:
        """Start a play of these tasks; its output goes to `output` of the returned process's directory."""
        self.count += 1
        folder = self.directory / f"play{self.count}"
        folder.mkdir()
        book = [{"name": "Test", "hosts": "pod", "gather_facts": False, "tasks": list(tasks), **play}]
        (folder / "play.yml").write_text(yaml.safe_dump(book, sort_keys=False))
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"pod": self.host}}}))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "HOME": str(self.directory),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": self.sockets,
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            **self.extra_environment,
        }
        self.last = folder
        with (folder / "output").open("w") as output:
            process = subprocess.Popen(
                [BIN / "ansible-playbook", "-v", "-i", folder / "hosts.yml", *arguments, folder / "play.yml"],
                cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                text=True, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        process.folder = folder  # type: ignore[attr-defined]
        return process

    def finish(self, process: subprocess.Popen[str], timeout: float = PLAY_TIMEOUT) -> Ran:
        process.wait(timeout=timeout)
        output = (process.folder / "output").read_text()  # type: ignore[attr-defined]
        return Ran(process.returncode, output, dict(_results(output)))

    def run(self, *tasks: dict[str, Any], **options: Any) -> Ran:
        return self.finish(self.start(*tasks, **options))

    def good(self, *tasks: dict[str, Any], **options: Any) -> Ran:
        """Run tasks that must succeed."""
        ran = self.run(*tasks, **options)
        assert ran.code == 0, ran.output
        return ran

    def output(self) -> str:
        """What the play started last has printed so far."""
        return (self.last / "output").read_text()

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill ansible-playbook with its workers, which have sessions of their own and would go on."""
        if process.poll() is None:
            for part in reversed(_family(psutil.Process(process.pid))):
                with contextlib.suppress(psutil.NoSuchProcess):
                    part.kill()
                    part.wait(timeout=10) if part.pid != process.pid else None
            process.wait(timeout=10)

    def close(self) -> None:
        for process in self.processes:
            self.kill(process)
        for control in Path(self.sockets).iterdir():
            command = ["ssh", "-o", f"ControlPath={control}", "-O", "exit", "none"]
            subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)
        # A master that ends removes its socket at the same time.
        shutil.rmtree(self.sockets, ignore_errors=True)


def _results(output: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the results that `-v` prints as JSON after each task's name."""
    task = ""
    for line in output.splitlines():
        if match := re.match(r"TASK \[(.*?)\] \**$", line):
            task = match[1]
        elif match := re.match(r"(?:ok|changed|fatal|failed|skipping): \[pod\](?:: \w+!)? => (\{.*\})$", line):
            yield task, json.loads(match[1])


@contextlib.contextmanager
def serving(directory: Path, **options: Any) -> Iterator[SshServer]:
    """An SSH server for the time of a with block."""
    directory.mkdir(parents=True, exist_ok=True)
    server = SshServer(directory, **options)
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def playing(server: SshServer, directory: Path) -> Iterator[Plays]:
    """Plays against a server, of which nothing keeps running after the with block."""
    directory.mkdir(parents=True, exist_ok=True)
    plays = Plays(server, directory)
    try:
        yield plays
    finally:
        plays.close()


__all__ = ["Plays", "Ran", "SshServer", "path_without", "playing", "put_program", "serving", "wait_for"]
