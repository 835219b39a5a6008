# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole program as a normal user of this machine: up, a pod by its API, SSH into it, down."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pods_conftest import SANDBOX, new_key
from stand_in import PATIENCE, Api, is_running, until

PATIENT = 120.0  # seconds; a whole command on a busy machine
SITE = Path(sysconfig.get_path("purelib"))

# The rights with which setpriv starts a program are not yet those of the programs that it starts.
TRY = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'podyard_sandbox', '--version'], check=True)"

# In the place of a raw image's command: SSH from the image's own packages, started as a service.
BOOTSTRAP = (
    "bash -c 'apt-get update && apt-get install -y openssh-server rsync && mkdir -p ~/.ssh && "
    'echo "$PUBLIC_KEY" >> ~/.ssh/authorized_keys && service ssh start && sleep infinity\''
)


def skip(why: str) -> None:
    """Skip so that nobody can miss it."""
    warnings.warn(f"the sandbox was not tried as a normal user: {why}", stacklevel=2)
    pytest.skip(why)


class Stranger:
    """A normal user with a home of its own, and a Python that it may run."""

    def __init__(self, number: int, home: Path, python: str) -> None:
        self.home = home
        self._number = number
        self._python = python

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the sandbox's as that user."""
        return self.python("-m", "podyard_sandbox", *words)

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Python as that user."""
        become = ["setpriv", f"--reuid={self._number}", f"--regid={self._number}", "--clear-groups", "--no-new-privs"]
        return subprocess.run(
            [*(become if os.geteuid() == 0 else []), self._python, *words],
            check=False,
            text=True,
            capture_output=True,
            timeout=PATIENT,
            cwd="/",
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.home),
                "PODYARD_SANDBOX_HOME": str(self.home / "state"),
                "PYTHONPATH": f"{self.home / 'code'}{os.pathsep}{SITE}",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    number = 50_000 + os.getpid() % 10_000 if os.geteuid() == 0 else os.geteuid()
    home = Path(tempfile.mkdtemp(prefix="podyard-stranger-", dir="/var/tmp"))
    try:
        shutil.copytree(
            SANDBOX / "podyard_sandbox", home / "code" / "podyard_sandbox", ignore=shutil.ignore_patterns("__pycache__")
        )
        new_key(home / "key")
        if os.geteuid() == 0:
            for path in (home, *home.rglob("*")):
                os.chown(path, number, number)
        yield Stranger(number, home, _python(number, home))
    finally:
        shutil.rmtree(home)


def _python(number: int, home: Path) -> str:
    """A Python that the user may run, and for which this one's packages are made."""
    version = "python{}.{}".format(*sys.version_info)
    for python in (sys.executable, f"/usr/bin/{version}"):
        if Path(python).exists() and Stranger(number, home, python).python("-c", TRY).returncode == 0:
            return python
    skip(f"that user can run neither {sys.executable} nor a {version} below /usr with the packages in {SITE}")
    raise AssertionError


def told_by(stranger: Stranger, pod: dict[str, Any], command: str) -> str:
    """What a command on the pod prints, once its sshd answers."""
    ssh = [
        "ssh",
        "-F",
        "none",
        "-p",
        str(pod["ssh"]["direct"]["port"]),
        "-i",
        str(stranger.home / "key"),
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
        "root@127.0.0.1",
    ]
    until(lambda: subprocess.run([*ssh, "true"], check=False).returncode, lambda code: code == 0, 2 * PATIENCE)
    return subprocess.run([*ssh, command], text=True, capture_output=True, check=True).stdout


def by_vastai(stranger: Stranger, values: dict[str, str]) -> None:
    """A container as Vast.ai launches it: its sshd asks PAM, and the gateway reads keys that the daemon wrote."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {values['VAST_API_KEY']}"
    api = f"{values['VAST_URL']}/api/v0"
    key = (stranger.home / "key.pub").read_text(encoding="utf-8")
    assert session.post(f"{api}/ssh/", json={"ssh_key": key}, timeout=PATIENCE).status_code == 200
    (offer, *_more) = session.post(f"{api}/bundles/", json={"direct_port_count": {"gte": 1}}, timeout=PATIENCE).json()[
        "offers"
    ]
    body = {
        "image": "vastai/pytorch",
        "runtype": "ssh_direc ssh_proxy",
        "env": {"WORD": "kept"},
        "onstart": "env | grep ^WORD >> /etc/environment; touch /root/done",
    }
    made = session.put(f"{api}/asks/{offer['id']}/", json=body, timeout=PATIENCE).json()["new_contract"]

    def shown() -> dict[str, Any]:
        return session.get(f"{api}/instances/{made}/", timeout=PATIENCE).json()["instances"]

    row = until(shown, lambda row: row["actual_status"] == "running", 2 * PATIENCE)
    pod = {"ssh": {"direct": {"port": row["ports"]["22/tcp"][0]["HostPort"]}}}
    assert told_by(stranger, pod, "until [ -e done ]; do sleep 0.1; done; id -un").endswith("root\n")
    assert told_by(stranger, pod, "echo $WORD") == "kept\n"


def test_up_pod_ssh_down_as_a_normal_user(stranger: Stranger) -> None:
    began = stranger("up", "--vast-limits", "0")
    if began.returncode != 0:
        # The one thing that may be wrong is the kernel, and then it is said in one sentence with the remedy.
        assert began.stderr.startswith("Error: this kernel does not let the user"), began.stderr
        assert "run the sandbox as root, or have an administrator allow it" in began.stderr
        assert began.stderr.count("\n") == 1
        skip(began.stderr.strip())
    try:
        values = dict(re.findall(r"^export (\w+)=(\S+)$", stranger("env").stdout, re.MULTILINE))
        api = Api(values["RUNPOD_API_BASE_URL"], values["RUNPOD_API_KEY"])
        env = {"PUBLIC_KEY": (stranger.home / "key.pub").read_text(encoding="utf-8").strip()}
        pod = api.running(env=env)
        told = told_by(stranger, pod, "id -un; cat /proc/1/cmdline | tr '\\0' ' '; nvidia-smi -L")
        assert told.startswith("root\n/bin/bash /start.sh") and "GPU 0: NVIDIA GeForce RTX 4090" in told
        raw = api.running(image="pytorch/pytorch:2.8.0-cuda12.8-cudnn9-runtime", args=BOOTSTRAP, env=env)
        assert told_by(stranger, raw, "command -v rsync") == "/usr/bin/rsync\n"
        assert api.act(pod["id"], "stop").status_code == 200
        assert api.act(pod["id"], "start").status_code == 200
        api.until(pod["id"], is_running)
        by_vastai(stranger, values)
    finally:
        ended = stranger("down")
    assert ended.stdout == "The sandbox is down.\n", ended.stderr
    status = json.loads(stranger("status", "--json").stdout)
    assert [row["state"] for row in status["pods"]] == ["TERMINATED", "TERMINATED", "destroyed"]
    assert not (stranger.home / "state" / "pods").exists()
