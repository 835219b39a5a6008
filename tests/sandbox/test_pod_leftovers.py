# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left when the sandbox is killed, who removes it, and the sandbox of a normal user."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pods_conftest import LOOK, PATIENCE, SANDBOX, Lab, lab, new_key, pod_processes

from podyard_sandbox.pods import PodError

__all__ = ["lab"]

# A sandbox in a process of its own: starts a pod, tells about it, and goes on for ever.
DAEMON = """
import asyncio, json, sys
from pathlib import Path
from podyard_sandbox.pods import PodRuntime, PodSpec

async def main():
    home, key = Path(sys.argv[1]), Path(sys.argv[2]).read_text()
    runtime = PodRuntime(home)
    await runtime.sweep()
    pod = await runtime.start(PodSpec("p1", "left-over", "runpod", {"PUBLIC_KEY": key}))
    print(json.dumps([pod.ports["22/tcp"], pod.pid]), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def wait_for(condition, what: str) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {PATIENCE:g} s"
        time.sleep(LOOK)


@pytest.fixture
def killed(lab: Lab) -> subprocess.Popen[str]:
    """A sandbox in the lab's home, killed without a chance to clean up while its pod ran."""
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, lab.home, lab.key.with_suffix(".pub")],
        text=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SANDBOX)},
    )
    assert daemon.stdout is not None
    assert json.loads(daemon.stdout.readline())
    assert pod_processes(lab.home)
    daemon.kill()
    daemon.wait()
    return daemon


def test_pods_die_with_the_sandbox(lab: Lab, killed: subprocess.Popen[str]) -> None:
    assert killed.returncode == -signal.SIGKILL
    wait_for(lambda: not pod_processes(lab.home), "the end of the pod's processes")
    assert list((lab.home / "pods").glob("*/p1/volume"))


def test_sweep_removes_what_a_killed_sandbox_left(lab: Lab, killed: subprocess.Popen[str]) -> None:
    lab.do(lab.runtime.sweep())
    assert pod_processes(lab.home) == [] and not (lab.home / "pods").exists()


def test_sweep_ends_processes_that_did_not_die(lab: Lab, killed: subprocess.Popen[str]) -> None:
    # As a pod whose "die with parent" was not yet armed when the sandbox was killed.
    [folder] = (lab.home / "pods").iterdir()
    survivor = subprocess.Popen(
        [
            "bwrap",
            "--unshare-pid",
            *([] if os.geteuid() == 0 else ["--unshare-user"]),
            "--ro-bind",
            "/",
            "/",
            "--bind",
            folder / "p1" / "volume",
            "/mnt",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "sleep",
            "infinity",
        ]
    )
    # As bubblewrap's child that was born and never let go: it has nothing mounted yet.
    newborn = subprocess.Popen(["sleep", "infinity"], env={**os.environ, "PODYARD_SANDBOX_PODS": f"{folder}/p1"})
    bystander = subprocess.Popen(["sleep", "infinity"], env={**os.environ, "OTHER": f"{folder}/p1"})
    try:
        wait_for(lambda: pod_processes(lab.home), "the survivor's mounts")
        lab.do(lab.runtime.sweep())
        assert survivor.wait(PATIENCE) != 0 and newborn.wait(PATIENCE) == -signal.SIGKILL
        assert bystander.poll() is None
        assert not (lab.home / "pods").exists()
    finally:
        for process in (survivor, newborn, bystander):
            process.kill()
            process.wait()


def test_a_new_sandbox_starts_where_the_killed_one_was(lab: Lab, killed: subprocess.Popen[str]) -> None:
    lab.do(lab.runtime.sweep())
    pod = lab.ready()
    assert lab.ssh(pod, "ls -A /workspace", check=True).out == ""


def test_sweep_of_nothing_is_nothing(lab: Lab) -> None:
    lab.do(lab.runtime.sweep())
    assert not lab.home.exists()


def test_sweep_ends_running_pods_too(lab: Lab) -> None:
    lab.ready()
    lab.do(lab.runtime.sweep())
    assert pod_processes(lab.home) == []
    assert lab.ssh(lab.ready(), "echo again", check=True).out == "again\n"


def test_missing_programs_are_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    which, lost = shutil.which, ("bwrap", "sshd")
    monkeypatch.setattr(shutil, "which", lambda name, path: which(name, path=path) if name not in lost else None)
    with pytest.raises(
        PodError,
        match=r"^pods need bwrap, sshd below /usr of this machine \(Debian: apt-get install "
        r"bubblewrap openssh-server\)$",
    ):
        lab.start()


def test_a_kernel_without_namespaces_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Stands for a kernel that refuses: bubblewrap then says so and ends with 1.
    refusing = tmp_path / "bin" / "bwrap"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(
        "podyard_sandbox.pods.host_support.BARE_ENVIRONMENT", {"PATH": f"{refusing.parent}:/usr/bin:/bin"}
    )
    with pytest.raises(
        PodError,
        match=r"^this kernel does not let .* make the namespaces that pods live in "
        r"\(bwrap: No permissions to create new namespace\): ",
    ) as caught:
        lab.start()
    assert "\n" not in str(caught.value)


@pytest.fixture
def stranger() -> Iterator[tuple[int, Path]]:
    """A normal user (any free number will do) and a directory of its own with the sandbox's code."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user; all other tests have just run as a normal user")
    python = shutil.which("python3", path="/usr/bin")
    if (
        python is None
        or subprocess.run([python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False).returncode
        != 0
    ):
        pytest.skip("the normal user needs a Python 3.11 below /usr, for root's own may be out of reach")
    number = 50_000 + os.getpid() % 10_000
    folder = Path(tempfile.mkdtemp(prefix="podyard-stranger-", dir="/var/tmp"))
    shutil.copytree(
        SANDBOX / "podyard_sandbox" / "pods",
        folder / "podyard_sandbox" / "pods",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    new_key(folder / "key")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, number, number)
    yield number, folder
    shutil.rmtree(folder)


def test_a_normal_user_has_pods_too(lab: Lab, stranger: tuple[int, Path]) -> None:
    number, folder = stranger
    (folder / "home").mkdir()
    os.chown(folder / "home", number, number)
    daemon = subprocess.Popen(
        [
            "setpriv",
            f"--reuid={number}",
            f"--regid={number}",
            "--clear-groups",
            "--no-new-privs",
            "/usr/bin/python3",
            "-c",
            DAEMON,
            folder / "home",
            folder / "key.pub",
        ],
        text=True,
        stdout=subprocess.PIPE,
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
    )
    try:
        assert daemon.stdout is not None
        port, pid = json.loads(daemon.stdout.readline())
        assert Path("/proc", str(pid)).stat().st_uid == number
        # The client is root's, and may read the stranger's key all the same.
        ssh = [
            "ssh",
            "-F",
            "none",
            "-p",
            str(port),
            "-i",
            str(folder / "key"),
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        ]
        look_around(ssh)
        (folder / "sent").write_bytes(b"x" * 100_000)
        subprocess.run(["rsync", "-a", "-e", " ".join(ssh), folder / "sent", "root@127.0.0.1:/workspace/"], check=True)
        [sent] = (folder / "home").glob("pods/*/p1/volume/sent")
        assert sent.stat().st_size == 100_000 and sent.stat().st_uid == number
    finally:
        daemon.kill()
        daemon.wait()
    wait_for(lambda: not pod_processes(folder / "home"), "the end of the pod's processes")


def look_around(ssh: list[str]) -> None:
    """What a pod of a normal user must be able to do as one of root's can."""
    wait_for(lambda: subprocess.run([*ssh, "root@127.0.0.1", "true"], check=False).returncode == 0, "SSH")
    commands = (
        "id -un",
        "hostname",
        "tty",
        "touch /workspace/a /etc/b",
        "python3 -m venv v",
        "v/bin/python -c 'print(1 + 1)'",
        "nvidia-smi -L | cut -c1-6",
        "ps -e | wc -l",
    )
    told = subprocess.run(
        [*ssh, "-tt", "root@127.0.0.1", " && ".join(commands)], text=True, stdout=subprocess.PIPE, check=True
    ).stdout.split()
    assert told[:2] == ["root", "left-over"] and told[2].startswith("/dev/pts/")
    assert told[3:-1] == ["2", "GPU", "0:"] and int(told[-1]) < 15
