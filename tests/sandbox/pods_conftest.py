# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of pods share: a runtime with its own home and key, and real clients that talk to its pods."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

SANDBOX = Path(__file__).resolve().parents[2] / "sandbox"
sys.path.insert(0, str(SANDBOX))

from podyard_sandbox.pods import PodRuntime, PodSpec, RunningPod  # noqa: E402

# Only a hung pod takes so long (seconds): one is ready within one, but this machine may be busy with other tests.
PATIENCE = 60.0
# A file system in memory, which Linux has there.
MEMORY = Path("/dev/shm")
# Between two looks at something that is about to happen (seconds).
LOOK = 0.05

T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """What a client ended with."""

    code: int
    out: str
    err: str


class Lab:
    """One sandbox's pods, from the outside. Its event loop runs only while `do` waits for something."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self.folder = folder
        self.home = folder / "home" if home is None else home
        self.key = new_key(folder / "key")
        self.public_key = (folder / "key.pub").read_text(encoding="utf-8").strip()
        self.runtime = PodRuntime(self.home)
        self._runner = asyncio.Runner()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the sandbox's event loop until `work` is done."""
        return self._runner.run(work)

    def spec(
        self, pod_id: str = "p1", *, profile: str = "runpod", env: dict[str, str] | None = None, **changes: Any
    ) -> PodSpec:
        """A pod that lets this lab's key in, unless its environment says something else."""
        variables = {"PUBLIC_KEY": self.public_key} if env is None else env
        return PodSpec(**{"id": pod_id, "hostname": f"host-{pod_id}", "profile": profile, "env": variables, **changes})

    def start(self, pod_id: str = "p1", **changes: Any) -> RunningPod:
        """Start a pod."""
        return self.do(self.runtime.start(self.spec(pod_id, **changes)))

    def ready(self, pod_id: str = "p1", **changes: Any) -> RunningPod:
        """Start a pod and wait until it lets the key in."""
        pod = self.start(pod_id, **changes)
        self.until(lambda: self.ssh(pod, "true").code == 0, f"SSH of {pod_id}")
        return pod

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something to become true; the sandbox goes on meanwhile."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not come within {PATIENCE:g} s; container log: {self.log_texts()}")
            self.do(asyncio.sleep(LOOK))

    def ssh(
        self,
        pod: RunningPod,
        command: str,
        *,
        options: tuple[str, ...] = (),
        key: Path | None = None,
        check: bool = False,
        stdin: str = "",
    ) -> Result:
        """Run a command on the pod by a real SSH client; `check` fails the test when it does not end with 0."""
        result = self.call("ssh", *self.ssh_options(pod, key), *options, "root@127.0.0.1", command, stdin=stdin)
        assert not check or result.code == 0, result
        return result

    def ssh_options(self, pod: RunningPod, key: Path | None = None) -> list[str]:
        """Options that make a client use only the given key, and no file of the user's."""
        return [
            "-F",
            "none",
            "-p",
            str(pod.ports["22/tcp"]),
            "-i",
            str(key or self.key),
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "IdentityAgent=none",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
            "-o",
            f"ConnectTimeout={PATIENCE:g}",
        ]

    def call(self, *words: str, stdin: str = "") -> Result:
        """Run a client while the sandbox's event loop runs."""
        return self.do(_call(words, stdin))

    def log_texts(self, pod_id: str = "p1", source: str = "container") -> list[str]:
        """The lines of a pod's log."""
        return [line.text for line in self.runtime.log(pod_id, source).lines()]

    def close(self) -> None:
        """Remove all pods, and prove that nothing is left of them."""
        try:
            self.do(self.runtime.sweep())
            assert not (self.home / "pods").exists()
        finally:
            self._runner.close()


async def _call(words: tuple[str, ...], stdin: str) -> Result:
    process = await asyncio.create_subprocess_exec(
        *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await within(process.communicate(stdin.encode()))
    return Result(process.returncode or 0, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


async def within(work: Awaitable[T]) -> T:
    """Wait for `work`, but not for ever."""
    return await asyncio.wait_for(work, PATIENCE)


def new_key(path: Path) -> Path:
    """A key pair of its own; returns the private one's path."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)], check=True)
    return path


def pod_processes(home: Path) -> list[int]:
    """This machine's processes that have a directory of a pod below `home` mounted."""
    names = [folder.name.encode() for folder in (home / "pods").iterdir()] if (home / "pods").is_dir() else []
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                mounts = Path("/proc", entry, "mountinfo").read_bytes()
            except OSError:
                continue
            found += [int(entry)] if any(b"/" + name + b"/" in mounts for name in names) else []
    return found


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab whose pods are gone after the test.

    Its home is in memory where that is possible: each lab makes some thousand links for its pods' programs, and a disk
    with many files takes a second or more for them. The tests of the program (test_cli) have theirs on the disk.
    """
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else tmp_path) as place:
        made = Lab(tmp_path, Path(place) / "home")
        yield made
        made.close()
