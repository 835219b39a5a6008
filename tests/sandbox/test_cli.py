# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program: up, down, status, env, and that it survives its own kill. The pods here are real."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from click.testing import CliRunner
from stand_in import PATIENCE, Api, banner, is_running, until

from podyard_sandbox.cli import main
from podyard_sandbox.pods import PodError, PodRuntime

PACKAGE = Path(__file__).resolve().parents[2] / "sandbox"
PATIENT = 120.0  # a whole command on a busy machine


class Program:
    """``podyard-sandbox`` with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {**os.environ, "PYTHONPATH": str(PACKAGE), "PODYARD_SANDBOX_HOME": str(home)}

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "podyard_sandbox", *words],
            env=self.environ,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __call__(self, *words: str, fails: bool = False) -> str:
        """Run a command to its end; returns what it printed, on the stream that fits."""
        process = self.begin(*words)
        out, err = process.communicate(timeout=PATIENT)
        assert (process.returncode != 0) == fails, f"{words}: {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err
        return err if fails else out

    def status(self) -> dict[str, Any]:
        return json.loads(self("status", "--json"))

    def api(self) -> Api:
        values = dict(re.findall(r"^export (\w+)=(\S+)$", self("env"), re.MULTILINE))
        names = {"RUNPOD_API_KEY", "RUNPOD_API_BASE_URL", "VAST_API_KEY", "VAST_URL", "PODYARD_VAST_THRESHOLD_SCALE"}
        assert set(values) == names
        assert float(values["PODYARD_VAST_THRESHOLD_SCALE"]) == self.status()["vast_limits"]
        return Api(values["RUNPOD_API_BASE_URL"], values["RUNPOD_API_KEY"])

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this home: the daemon, and all of its pods."""
        return [process for process in psutil.process_iter() if self._mine(process)]

    def _mine(self, process: psutil.Process) -> bool:
        try:
            if any(str(self.home) in word for word in process.cmdline()):
                return True
            mounts = Path(f"/proc/{process.pid}/mountinfo").read_text(encoding="utf-8", errors="replace")
            return f"{self.home}/pods/" in mounts and process.pid != os.getpid()
        except (psutil.Error, OSError):
            return False


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    found = Program(tmp_path / "home")
    yield found
    found("down")
    assert until(found.processes, lambda left: not left) == []
    assert not (found.home / "pods").exists()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, stdin=subprocess.DEVNULL)
    return path


def ssh(pod: dict[str, Any], key: Path, command: str) -> subprocess.CompletedProcess[str]:
    direct = pod["ssh"]["direct"]
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    words = ["ssh", "-F", "none", "-i", str(key), "-p", str(direct["port"]), *(f"-o{option}" for option in options)]
    return subprocess.run(
        [*words, f"root@{direct['host']}", command], text=True, capture_output=True, check=False, timeout=PATIENT
    )


def has_ended(pid: int) -> bool:
    """Return whether a process is gone, or a zombie: when it is reaped is up to this machine's init."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def listening(api: Api, pod_id: str) -> dict[str, Any]:
    """Return the pod once something listens on the SSH port that it has by then; a look costs less than a client."""
    until(lambda: banner(api.until(pod_id, is_running)["ssh"]["direct"]["port"]), bool, PATIENT)
    return api.until(pod_id, is_running)


def reach(api: Api, pod: dict[str, Any], key: Path, command: str) -> str:
    """Run a command on the pod once its sshd answers, on the port that it has by then."""
    seen = until(lambda: ssh(listening(api, pod["id"]), key, command), lambda done: done.returncode == 0, PATIENT)
    return seen.stdout


def rent(api: Api, key: Path, **changes: Any) -> dict[str, Any]:
    public = key.with_suffix(".pub").read_text(encoding="utf-8").strip()
    volume = {"persistent": {"size": 10, "path": "/workspace"}}
    return api.running(env={"PUBLIC_KEY": public}, mounts=volume, **changes)


def test_up_twice_down_twice(program: Program) -> None:
    first = program("up")
    assert re.search(r"^The sandbox is up: http://127\.0\.0\.1:\d+ \(pid \d+\), state in ", first)
    second = program("up")
    assert second == first.replace("is up:", "is up already:")
    status = program.status()
    assert (status["pace"], status["balance_usd"], status["pods"], status["faults"]) == ("fast", 100.0, [], [])
    assert status["pod_network"] == "shared"
    said = "Pods share this machine's network: they reach its services on loopback"
    assert said in first and said in program("status")
    assert program.api().names() == []
    assert program("down") == "The sandbox is down.\n"
    assert program("down") == "The sandbox was not running; nothing is left of it.\n"
    assert program.processes() == []
    assert program.status()["url"] is None


def test_options_reach_a_sandbox_that_is_up(program: Program) -> None:
    program("up")
    program("up", "--pace", "real", "--balance", "7.5")
    assert (program.status()["pace"], program.status()["balance_usd"]) == ("real", 7.5)
    program("up")
    assert program.status()["pace"] == "real"
    program("up", "--bad-hosts", "0.3", "--seed", "9")
    [fault] = program.status()["faults"]
    assert (fault["name"], fault["share"], fault["params"]["seed"]) == ("bad-hosts", 0.3, 9)
    program("up", "--bad-hosts", "0")
    assert program.status()["faults"] == []


def test_two_at_once_start_one(program: Program) -> None:
    both = [program.begin("up") for _each in range(2)]
    said = [process.communicate(timeout=PATIENT) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    pids = {re.search(r"\(pid (\d+)\)", out)[1] for out, _err in said}  # type: ignore[index]
    assert pids == {str(program.status()["pid"])}
    assert sorted("already" in out for out, _err in said) == [False, True]
    assert [process.pid for process in program.processes()] == [program.status()["pid"]]


def test_daemon_stands_alone_and_tells_no_secret(program: Program) -> None:
    program("up")
    key = program.api().session.headers["Authorization"].split()[1]  # type: ignore[union-attr]
    daemon = psutil.Process(program.status()["pid"])
    assert os.getsid(daemon.pid) == daemon.pid
    assert key not in " ".join(daemon.cmdline())
    assert key not in " ".join(daemon.environ().values())
    assert "RUNPOD_API_KEY" not in daemon.environ()
    assert stat.S_IMODE(program.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((program.home / "api_key").stat().st_mode) == 0o600
    program("down")
    program("up")
    assert program.api().session.headers["Authorization"] == f"Bearer {key}", "the key is kept"


def test_a_pod_from_rent_to_end(program: Program, key: Path) -> None:
    program("up")
    api = program.api()
    pod = rent(api, key)
    command = "touch /root/wiped /workspace/kept; hostname; ls -d /root/wiped /workspace/kept"
    first = reach(api, pod, key, command).split()
    assert first[1:] == ["/root/wiped", "/workspace/kept"]
    port = pod["ssh"]["direct"]["port"]
    api.act(pod["id"], "stop")
    assert ssh(pod, key, "true").returncode == 255
    api.act(pod["id"], "start")
    again = reach(api, pod, key, "hostname; ls -d /root/wiped /workspace/kept || true").split()
    assert again[1:] == ["/workspace/kept"], "a stop wipes all but the mount"
    assert again[0] != first[0]
    assert api.until(pod["id"], is_running)["ssh"]["direct"]["port"] != port
    assert api.delete(f"/v2/pods/{pod['id']}").status_code == 204
    assert [process.pid for process in program.processes()] == [program.status()["pid"]]
    assert pod["id"] in program("status")


@pytest.mark.parametrize("then", ["up", "down"])
def test_kill_of_the_daemon(program: Program, key: Path, then: str) -> None:
    """Whatever a killed daemon leaves, the next command removes; the ledger still tells of it."""
    program("up")
    api = program.api()
    pod = rent(api, key)
    reach(api, pod, key, "true")
    killed = program.status()["pid"]
    os.kill(killed, signal.SIGKILL)
    until(lambda: has_ended(killed), bool)
    assert program.status()["url"] is None
    assert [entry["id"] for entry in program.status()["pods"]] == [pod["id"]]
    assert (program.home / "pods").exists()
    program(then)
    status = program.status()
    assert status["pid"] != killed
    left = [process.pid for process in program.processes()]
    assert left == ([status["pid"]] if then == "up" else [])
    assert ssh(pod, key, "true").returncode == 255
    assert [(entry["state"], entry["gone_at"] is not None) for entry in status["pods"]] == [("SWEPT", True)]
    if then == "up":
        assert program.api().names() == []
        assert not any((program.home / "pods").glob("*/" + pod["id"]))


def test_lost_host_of_a_real_pod(program: Program, key: Path) -> None:
    program("up")
    api = program.api()
    pod = rent(api, key)
    reach(api, pod, key, "true")
    said = program("fault", "add", "host-lost", "--times", "1", "--param", f"pod={pod['id']}")
    assert said.startswith("On: host-lost")
    until(lambda: api.get(f"/v2/pods/{pod['id']}").status_code, lambda status: status == 404)
    assert [process.pid for process in program.processes()] == [program.status()["pid"]]


def test_key_that_is_the_word_null(program: Program, key: Path) -> None:
    """The trap: PUBLIC_KEY is set, to nothing of use; sshd runs and refuses everybody."""
    program("up")
    program("fault", "add", "public-key-null")
    api = program.api()
    pod = api.running(env={}, startSsh=True)
    refused = until(lambda: ssh(pod, key, "true"), lambda done: "refused" not in done.stderr, PATIENT)
    assert (refused.returncode, "Permission denied (publickey)" in refused.stderr) == (255, True)


def test_wheels(program: Program, tmp_path: Path, key: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "thing-1.0-py3-none-any.whl").write_bytes(b"a wheel")
    (tmp_path / "secret").write_text("no", encoding="utf-8")
    program("up", "--wheels", str(wheels))
    api = program.api()
    page = requests.get(f"{api.url}/_sandbox/wheels/", timeout=PATIENCE)
    assert '<a href="thing-1.0-py3-none-any.whl">' in page.text
    assert requests.get(f"{api.url}/_sandbox/wheels/thing-1.0-py3-none-any.whl", timeout=PATIENCE).content == b"a wheel"
    assert requests.get(f"{api.url}/_sandbox/wheels/..%2Fsecret", timeout=PATIENCE).status_code == 404
    pod = rent(api, key)
    assert f"{api.url}/_sandbox/wheels/" in reach(api, pod, key, "cat /etc/pip.conf")


def test_foreground(program: Program) -> None:
    process = program.begin("up", "--foreground")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("The sandbox is up: http://127.0.0.1:")
    assert program.status()["pid"] == process.pid
    assert "is already running" in program("up", "--foreground", fails=True)
    process.terminate()
    assert process.wait(PATIENT) == 0
    assert program.status()["url"] is None


def test_what_cannot_be_is_said_in_one_sentence(program: Program, tmp_path: Path) -> None:
    assert "No sandbox is running in" in program("env", fails=True)
    assert "Invalid value for '--pace'" in program("up", "--pace", "slow", fails=True)
    for option in ("--balance", "--vast-limits", "--bad-hosts"):
        assert f"Invalid value for '{option}'" in program("up", option, "nan", fails=True)
    assert "does not exist" in program("up", "--wheels", str(tmp_path / "nothing"), fails=True)
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    for command in ("up", "status"):
        said = program("--home", str(blocked / "home"), command, fails=command == "up")
        assert len(said.splitlines()) == 1
    assert program("status").startswith("The sandbox is down; state in ")


def test_machine_that_can_make_no_pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(_runtime: PodRuntime) -> None:
        raise PodError("bwrap is missing; install bubblewrap")

    monkeypatch.setattr(PodRuntime, "check", check)
    result = CliRunner().invoke(main, ["--home", str(tmp_path / "home"), "up", "--foreground"])
    assert (result.exit_code, result.output) == (1, "Error: bwrap is missing; install bubblewrap\n")


def test_traffic_is_recorded_where_the_option_or_the_environment_says(program, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    program("up", "--traffic", str(first))
    assert program.api().names() == []
    program.environ["PODYARD_SANDBOX_TRAFFIC"] = str(second)
    program("up")
    assert program.api().names() == []
    for directory in (first, second):
        [line] = [line for path in directory.iterdir() for line in path.read_text().splitlines()]
        assert json.loads(line)["operation"] == "listPods"
