# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the integration tests share: the sandbox, a small job, ansible-playbook as a process, waiting for conditions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# A run on a loaded two-core machine takes half a minute; a hang must still end the test.
RUN_TIMEOUT = 240
T = TypeVar("T")

TRAINING = """\
import json, os, sys, time
from pathlib import Path

steps, mode = int(sys.argv[1]), sys.argv[2]
out = Path(os.environ.get("OUT", sys.argv[3]))
out.mkdir(parents=True, exist_ok=True)
print("training starts with", steps, "steps", flush=True)
for step in range(steps):
    if Path("/tmp/enough").exists():
        break
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        sum(range(1000))
    with open(out / "metrics.jsonl", "a") as metrics:
        metrics.write(json.dumps({"epoch": step, "loss": 1 / (step + 1), "accuracy": 0.5}) + "\\n")
    print("step", step, flush=True)
if mode == "fail":
    print("the loss is not a number", file=sys.stderr, flush=True)
    sys.exit(7)
(out / "model.bin").write_bytes(os.urandom(5000))
print("training ended", flush=True)
"""


def wait_for(condition: Callable[[], T], what: str, timeout: float = 90) -> T:
    """Return the first true value of `condition`; fail with `what` and the last value after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain for {what}; last seen: {value!r}")
        time.sleep(0.1)  # the pace of looking, not a wait for anything


def ran(command: Sequence[str | Path] | str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a short command to its end and return what came of it, whatever that is."""
    # Two minutes are many times what any of these commands takes on a loaded machine.
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


class Cloud:
    """A sandbox with its own state directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.settings: dict[str, str] = {}

    def command(self, *arguments: str) -> str:
        environ = {**os.environ, "PODYARD_SANDBOX_HOME": str(self.home)}
        done = ran([BIN / "podyard-sandbox", *arguments], env=environ)
        if done.returncode != 0:
            raise AssertionError(f"podyard-sandbox {' '.join(arguments)} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def up(self) -> None:
        wheels = REPOSITORY / ".cache" / "wheels"
        self.command("up", *(["--wheels", str(wheels)] if wheels.is_dir() else []))
        for line in self.command("env").splitlines():
            name, value = line.removeprefix("export ").split("=", 1)
            self.settings[name] = value.strip("'\"")
        # The sandbox's limits are a fiftieth of Vast.ai's: who keeps within them need not wait much longer.
        self.settings["PODYARD_VAST_THRESHOLD_SCALE"] = "0.05"

    def down(self) -> None:
        self.command("down")

    def status(self) -> dict[str, Any]:
        return json.loads(self.command("status", "--json"))

    def pods(self, name_part: str) -> list[dict[str, Any]]:
        """Every pod ever made whose name contains `name_part`."""
        return [pod for pod in self.status()["pods"] if name_part in pod["name"]]

    def living(self, name_part: str) -> list[dict[str, Any]]:
        return [pod for pod in self.pods(name_part) if not pod["gone_at"]]

    def creates(self, name_part: str = "") -> list[dict[str, Any]]:
        """Every request that tried to create a pod, whether it succeeded or not."""
        return [
            request
            for request in self.status()["requests"]
            if request["method"] == "POST"
            and request["path"] == "/v2/pods"
            and name_part in (request.get("name") or "")
        ]

    def fault(self, name: str, *options: str) -> None:
        self.command("fault", "add", name, *options)

    def clear_faults(self) -> None:
        self.command("fault", "clear")


@dataclass
class Job:
    """Job variables and the files they name, all below one directory."""

    directory: Path
    variables: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        code, data = self.directory / "code", self.directory / "data"
        code.mkdir(), data.mkdir()
        (code / "train.py").write_text(textwrap.dedent(TRAINING))
        for number in range(3):
            (data / f"part {number}.bin").write_bytes(os.urandom(2000))
        self.name = f"t{os.urandom(3).hex()}"
        self.variables = {
            "train_name": self.name,
            # The sandbox has keys for all of them.
            "train_providers": ["runpod"],
            "train_gpus": ["RTX 4090"],
            "train_image": "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
            "train_code": str(code),
            "train_dataset": str(data),
            "train_artifacts": ["model.bin", "metrics.jsonl"],
            "train_runs_dir": str(self.directory / "runs"),
            "train_ssh_public_keys": [],
            "train_poll_interval": 0.3,
            # The sandbox forgets and remembers within fractions of a second; the real cloud needs a minute.
            "train_consistency_grace": 3,
        }
        self.train(5)

    def train(self, steps: int, mode: str = "succeed") -> None:
        """Make the training take `steps` fifths of a second and then succeed or fail.

        A file /tmp/enough on the pod ends it early: see `end_training`.
        """
        self.variables["train_command"] = (
            f"python3 {{{{ train_code_dir }}}}/train.py {steps} {mode} {{{{ train_output_dir }}}}"
        )

    def write(self) -> Path:
        path = self.directory / "job.yml"
        path.write_text(yaml.safe_dump(self.variables))
        return path

    def end_training(self) -> None:
        """Let a training that runs on the newest run's pod end by itself, as if its steps were done."""
        ssh = json.loads((self.run / "connection.json").read_text())["ssh"]
        done = ran(f"{ssh} touch /tmp/enough", shell=True)
        assert done.returncode == 0, done.stderr

    @property
    def run(self) -> Path:
        """Directory of the newest run."""
        return (self.directory / "runs" / "latest").resolve()

    @property
    def record(self) -> dict[str, Any]:
        """The newest run's run.json."""
        return json.loads((self.run / "run.json").read_text())


def running_for(home: Path) -> list[str]:
    """Command lines of the processes that were started with this home directory, a zombie's left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


@dataclass
class Done:
    """A finished ansible-playbook."""

    code: int
    output: str


def heed_signals() -> None:
    """Undo what a shell's background job or nohup hands down: there, SIGINT and SIGHUP are ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Playbook:
    """Starts ansible-playbook with the sandbox's settings and nothing of the user's."""

    def __init__(self, cloud: Cloud, directory: Path, repository: Path) -> None:
        self.cloud, self.directory, self.repository = cloud, directory, repository
        self.environ = self._environment()
        self.processes: list[subprocess.Popen[str]] = []

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "RUNPOD_", "VAST_"))
        }
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        return {
            **kept,
            **self.cloud.settings,
            "HOME": str(home),
            "PATH": f"{BIN}{os.pathsep}{kept['PATH']}",
            "ANSIBLE_CONFIG": str(self.repository / "ansible.cfg"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
        }

    def program_before(self, name: str, script: str) -> None:
        """Put an executable `name` before the real one on the PATH of what is started after this."""
        folder = self.directory / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
        if str(folder) not in self.environ["PATH"]:
            self.environ["PATH"] = f"{folder}{os.pathsep}{self.environ['PATH']}"

    def start(self, job: Job, *arguments: str, book: str = "podyard.gpu.train") -> subprocess.Popen[str]:
        """Start a playbook in a session of its own, its output in `output.txt` of the test's directory."""
        command = [str(BIN / "ansible-playbook"), book, "-e", f"@{job.write()}", *arguments]
        with open(self.directory / "output.txt", "w") as output:
            process = subprocess.Popen(
                command,
                env=self.environ,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                preexec_fn=heed_signals,
            )
        self.processes.append(process)
        return process

    def output(self) -> str:
        return (self.directory / "output.txt").read_text()

    def run(self, job: Job, *arguments: str, book: str = "podyard.gpu.train") -> Done:
        process = self.start(job, *arguments, book=book)
        code = process.wait(timeout=RUN_TIMEOUT)
        return Done(code, self.output())

    def end_all(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
