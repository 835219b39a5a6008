# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the sandbox's API share: the server in a thread, a client, and pods that cost nothing to start."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from podyard_sandbox.home import Home
from podyard_sandbox.pace import Pace
from podyard_sandbox.pods import PodLog, PodRuntime, PodSpec, RunningPod, Utilisation
from podyard_sandbox.serve import Server
from podyard_sandbox.settings import Settings

# Nothing here takes long; a busy machine may.
PATIENCE = 30.0
QUICK = Pace("quick", 0.05, 0.05, 0.05, 0.05, 0.05, (100_000, 100_000, 100_000))
IMAGE = "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"
CAPACITY = (
    "There are no longer any instances available with the requested specifications. Please refresh and try again."
)


class BannerPods(PodRuntime):
    """Pods of which only the SSH port is real: it says a banner, sshd_delay after the start.

    The pods' inside has its own tests; what the API says of pods, and when, needs no more than this.
    """

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.specs: list[PodSpec] = []
        self.mounts: set[str] = set()
        self.keys: dict[str, tuple[tuple[str, ...], bool]] = {}
        self._live: dict[str, tuple[asyncio.Task[None], RunningPod]] = {}
        self._pod_logs: dict[tuple[str, str], PodLog] = {}

    async def check(self) -> None:
        """Any machine can make these pods."""

    async def start(self, spec: PodSpec) -> RunningPod:
        assert spec.id not in self._live, "a pod was started twice"
        self.specs.append(spec)
        self.mounts.add(spec.id)
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        ports = {"22/tcp": held.getsockname()[1]} if "22/tcp" in spec.ports else {}
        running = RunningPod(spec.id, ports, datetime.now(UTC), 1, gateway=held.getsockname()[1])
        self._live[spec.id] = (asyncio.create_task(self._greet(held, spec.sshd_delay)), running)
        self.log(spec.id).add("Pod Started")
        return running

    async def _greet(self, held: socket.socket, delay: float) -> None:
        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-banner\r\n")
            writer.close()

        try:
            await asyncio.sleep(delay)
            async with await asyncio.start_server(answer, sock=held) as server:
                await server.serve_forever()
        finally:
            held.close()

    async def stop(self, pod_id: str, *, wipe: bool = True) -> None:
        task, _running = self._live[pod_id]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._live.pop(pod_id)

    def set_keys(self, pod_id: str, keys: tuple[str, ...], *, rewrite: bool = False) -> None:
        self.keys[pod_id] = (keys, rewrite)

    async def destroy(self, pod_id: str) -> None:
        if pod_id in self._live:
            await self.stop(pod_id)
        self.mounts.discard(pod_id)
        for source in ("container", "system"):
            if (pod_id, source) in self._pod_logs:
                self._pod_logs.pop((pod_id, source)).close()

    async def sweep(self) -> None:
        for pod_id in list(self._live):
            await self.destroy(pod_id)

    def utilisation(self, pod_id: str) -> Utilisation:
        assert pod_id in self._live, "the load of a pod that does not run was asked for"
        return Utilisation(0.0, 0.0, 0.0, 0.0)

    def log(self, pod_id: str, source: str = "container") -> PodLog:
        return self._pod_logs.setdefault((pod_id, source), PodLog(source))


class ServerThread:
    """The sandbox's server in a thread of this process."""

    def __init__(self, home: Path, settings: Settings = Settings(), pace: Pace | None = QUICK) -> None:  # noqa: B008
        self.home = Home(home)
        self.pods = BannerPods(home)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server = Server(self.home, self.pods, settings)
        self.url: str = self._run(self.server.start())
        if pace is not None:
            self.server.cloud.pace = self.server.vast.pace = pace

    def close(self) -> None:
        self._run(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)


class Api:
    """A plain client: it repeats nothing, and hides nothing."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key}"

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=PATIENCE, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> requests.Response:
        return self.call("POST", path, json=json, **options)

    def delete(self, path: str) -> requests.Response:
        return self.call("DELETE", path)

    def create(self, **changes: Any) -> requests.Response:
        return self.post("/v2/pods", json=wanted(**changes))

    def made(self, **changes: Any) -> dict[str, Any]:
        answer = self.create(**changes)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def pod(self, pod_id: str) -> dict[str, Any]:
        answer = self.get(f"/v2/pods/{pod_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def names(self) -> list[str]:
        answer = self.get("/v2/pods")
        assert answer.status_code == 200, answer.text
        return [pod["name"] for pod in answer.json()["pods"]]

    def act(self, pod_id: str, action: str) -> requests.Response:
        return self.post(f"/v2/pods/{pod_id}/action", json={"action": action})

    def until(self, pod_id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        return until(lambda: self.pod(pod_id), wanted)

    def running(self, **changes: Any) -> dict[str, Any]:
        return self.until(self.made(**changes)["id"], is_running)

    def answering(self, **changes: Any) -> dict[str, Any]:
        """A running pod whose SSH port answers."""
        pod = self.running(**changes)
        until(lambda: banner(pod["ssh"]["direct"]["port"]), lambda said: said is not None)
        return pod

    def fault(self, name: str, times: int | None = None, share: float | None = None, **params: Any) -> None:
        body = {"name": name, "times": times, "share": share, "params": params}
        answer = self.post("/_sandbox/faults", json=body)
        assert answer.status_code == 201, answer.text

    def status(self) -> dict[str, Any]:
        return self.get("/_sandbox/status").json()


def wanted(**changes: Any) -> dict[str, Any]:
    """The body of a good create, with changes; None takes a field away."""
    body = {
        "name": "podyard-digits-r1-0-1",
        "image": IMAGE,
        "gpu": {"id": "NVIDIA GeForce RTX 4090", "count": 1},
        "ports": ["22/tcp"],
        "disk": 20,
        "env": {"PUBLIC_KEY": "ssh-ed25519 AAAA test"},
    }
    body.update(changes)
    return {name: value for name, value in body.items() if value is not None}


def is_running(pod: dict[str, Any]) -> bool:
    return pod["status"] == "RUNNING" and pod["ssh"]["direct"] is not None


def until(look: Callable[[], Any], wanted: Callable[[Any], bool], patience: float = PATIENCE) -> Any:
    """Look again and again until what is seen is what is wanted; fails with what was seen last."""
    end = time.monotonic() + patience
    while True:
        seen = look()
        if wanted(seen):
            return seen
        assert time.monotonic() < end, f"waited {patience} s; last seen: {seen}"
        time.sleep(0.01)


def banner(port: int) -> bytes | None:
    """What the SSH port says, or None if it refuses."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            return connection.recv(100)
    except ConnectionError:
        return None
