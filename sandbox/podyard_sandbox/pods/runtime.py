# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods of one sandbox: start, stop, destroy, restart, and the clean-up after a sandbox that was killed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from . import container, disk, host_support, images, launch, leftovers
from .log import PodLog
from .ports import PublicPorts
from .spec import PodError, PodSpec, RunningPod, Utilisation
from .usage import IDLE, UsageMeter

# Seconds between the end of a container and its restart: short at first, since someone may be watching, then longer, so
# that a command that always fails does not keep the machine busy.
_FIRST_PAUSE, _MAX_PAUSE = 0.5, 8.0
# After this many seconds, a container counts as started, and the pauses begin again.
_SETTLED = 10.0
# Seconds between two samples of a pod's processes: clients of the API poll no faster.
_SAMPLE = 1.0
# Below the directory of all pods; no pod's id begins with a dot.
_VOLUMES = ".volumes"

_T = TypeVar("_T")


@dataclass
class _Pod:
    """A pod that was started at least once and not destroyed."""

    spec: PodSpec
    folder: Path
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    ports: PublicPorts | None = None
    last_ports: frozenset[int] = frozenset()
    built: bool = False
    running: RunningPod | None = None
    container: container.Container | None = None
    meter: UsageMeter | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class PodRuntime:
    """All pods of one sandbox, below `home`/pods. Use it from one event loop in the main thread only.

    `network` is "shared": pods use this machine's network and can reach everything it can.
    """

    network = "shared"

    def __init__(self, home: Path) -> None:
        self._root = home / "pods"
        # A unique name, by which `sweep` recognises the processes that belong here.
        self._folder = self._root / f"podyard-{secrets.token_hex(8)}"
        self._programs = images.ProgramDirs(self._folder / ".images")
        self._pods: dict[str, _Pod] = {}
        self._logs: dict[tuple[str, str], PodLog] = {}
        self._host_support: host_support.HostSupport | None = None
        self._checking = asyncio.Lock()

    async def check(self) -> None:
        """Check that this machine can run pods; raise PodError with one sentence if it cannot."""
        async with self._checking:
            if self._host_support is None:
                self._host_support = await _finish(host_support.check_host())

    async def start(self, spec: PodSpec) -> RunningPod:
        """Start a pod in a fresh container: new disk, new public port, new host keys. Its volume is kept.

        Returns once the pod's own command runs; sshd listens later. Raises PodError if the pod is already running, or
        its container cannot be started.
        """
        words = images.command(spec)
        await self.check()
        pod = self._pods.setdefault(spec.id, _Pod(spec, self._folder / spec.id))
        async with pod.lock:
            if pod.running is not None:
                raise PodError(f"pod {spec.id} is already running; stop it first")
            self._pods[spec.id], pod.spec = pod, spec
            pod.ports = PublicPorts(spec.ports, avoid=pod.last_ports, gateway=spec.launch is not None)
            pod.last_ports = frozenset(pod.ports.ports.values())
            try:
                made = await self._launch(pod, words)
            except BaseException:
                await self._end(pod)
                raise
            pod.meter = UsageMeter(spec)
            pod.running = RunningPod(
                spec.id, dict(pod.ports.ports), datetime.now(UTC), made.pid, gateway=pod.ports.gateway
            )
            pod.tasks = [asyncio.create_task(self._supervise(pod, words)), asyncio.create_task(self._measure(pod))]
            return pod.running

    async def stop(self, pod_id: str, *, wipe: bool = True) -> None:
        """End every process of the pod, and wipe everything but its volume; with `wipe` False, keep everything."""
        pod = self._known(pod_id)
        async with pod.lock:
            await self._end(pod, wipe=wipe)

    def set_keys(self, pod_id: str, keys: tuple[str, ...], *, rewrite: bool = False) -> None:
        """Change the keys that may log in to a Vast.ai instance; its own script picks them up within a second."""
        launch.set_keys(self._known(pod_id).folder / "launch", keys, rewrite=rewrite)

    async def destroy(self, pod_id: str) -> None:
        """End the pod and remove all of it, its volume and logs too, if it exists."""
        pod = self._pods.get(pod_id)
        if pod is not None:
            async with pod.lock:
                await self._end(pod)
                await _in_thread(disk.remove, pod.folder)
                if self._pods.get(pod_id) is pod:
                    del self._pods[pod_id]
        for source in ("container", "system"):
            log = self._logs.pop((pod_id, source), None)
            if log is not None:
                log.close()

    async def destroy_volume(self, volume_id: str) -> None:
        """Delete the data of a network volume, also under a pod that has it mounted."""
        await _in_thread(disk.remove, self._folder / _VOLUMES / volume_id)

    async def restart(self, pod_id: str) -> RunningPod:
        """Stop the pod and start it again; as after any reset, its public port and host keys are new."""
        spec = self._known(pod_id).spec
        await self.stop(pod_id)
        return await self.start(spec)

    async def close(self) -> None:
        """Destroy all pods and remove everything that this runtime created, for an orderly shutdown."""
        await asyncio.gather(*(self.destroy(pod_id) for pod_id in list(self._pods)))
        await _in_thread(disk.remove, self._folder)

    async def sweep(self) -> None:
        """Remove every leftover process and directory below `home`/pods, of this runtime and of killed ones.

        No other sandbox may use the same home. Raises TimeoutError if a process does not end.
        """
        await self.close()
        if self._root.is_dir():
            for folder in sorted(self._root.iterdir()):
                await leftovers.sweep(folder)
            await _in_thread(disk.remove, self._root)

    def utilisation(self, pod_id: str) -> Utilisation:
        """Return the pod's load in the last second; all zero while it does not run."""
        pod = self._known(pod_id)
        return pod.meter.last if pod.running is not None and pod.meter is not None else IDLE

    def log(self, pod_id: str, source: str = "container") -> PodLog:
        """Return the pod's log: "container" is what its processes print, "system" what happened to its container.

        A log exists from its first use, even before the pod's first start, until `destroy`.
        """
        if source not in ("container", "system"):
            raise PodError(f"a pod has the logs container and system, not {source!r}")
        return self._logs.setdefault((pod_id, source), PodLog(source))

    def _known(self, pod_id: str) -> _Pod:
        if pod_id not in self._pods:
            raise PodError(f"there is no pod {pod_id!r}")
        return self._pods[pod_id]

    async def _launch(self, pod: _Pod, words: list[str]) -> container.Container:
        """Create the disk and start the container on it."""
        assert pod.ports is not None and self._host_support is not None
        spec, system = pod.spec, self.log(pod.spec.id, "system")
        system.add(f"create container for {spec.id}")
        arguments = await _in_thread(self._prepare, pod, pod.ports, self._host_support)
        system.add(f"start container for {spec.id}: begin")
        pod.container = await container.Container.start(pod.folder, arguments, words, self.log(spec.id))
        return pod.container

    def _prepare(self, pod: _Pod, ports: PublicPorts, found: host_support.HostSupport) -> list[str]:
        """Do the blocking part of a start: create directories and return bubblewrap's options."""
        # These disks hold the pods' secrets, which other users of this machine must not read.
        for folder in (self._root, self._folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place, volume = pod.folder / "disk", self._volume(pod)
        volume.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not pod.built:
            disk.remove(place)
            disk.build(place, pod.spec, sshd_port=ports.sshd, penalties=found.penalties)
            self._programs.copy(pod.spec.profile, place, gpu=pod.spec.gpu_count > 0)
            pod.built = pod.spec.launch is not None  # a RunPod container never gets its disk back
        return container.options(pod.spec, place, volume, self._programs, self._environment(pod, ports, found))

    def _environment(self, pod: _Pod, ports: PublicPorts, found: host_support.HostSupport) -> dict[str, str]:
        """Return the variables that name a container's ports; for Vast.ai, also write its launch files."""
        if pod.spec.launch is None or ports.gateway is None:
            return ports.environment()
        script = images.script("vast.sh").replace("@SSHD_DELAY@", f"{max(0.0, pod.spec.sshd_delay):g}")
        both = (ports.sshd, ports.gateway)
        launch.prepare(pod.folder / "launch", pod.spec.launch, script, ports=both, penalties=found.penalties)
        return launch.environment(ports.ports)

    def _volume(self, pod: _Pod) -> Path:
        """Return the directory that the pod sees at its mount."""
        shared = pod.spec.network_volume
        return pod.folder / "volume" if shared is None else self._folder / _VOLUMES / shared

    async def _supervise(self, pod: _Pod, words: list[str]) -> None:
        """Restart the container whenever its command ends, on a fresh disk and with the same port."""
        system, pause, clock = self.log(pod.spec.id, "system"), _FIRST_PAUSE, asyncio.get_running_loop().time
        while True:
            began = clock()
            if pod.container is not None:
                code = await pod.container.wait()
                pod.container = None
                system.add(f"container exited with code {code}")
                if pod.spec.launch is not None and pod.running is not None:
                    pod.running.exit_code = code
                    return
            pause = _FIRST_PAUSE if clock() - began > _SETTLED else pause
            system.add(f"restarting container in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(_MAX_PAUSE, 2 * pause)
            try:
                made = await self._launch(pod, words)
            except (PodError, OSError) as error:
                system.add(f"error starting container: {error}")
            else:
                assert pod.running is not None
                pod.running.pid = made.pid

    async def _measure(self, pod: _Pod) -> None:
        """Sample the pod's processes for as long as it runs."""
        assert pod.meter is not None
        while True:
            pod.meter.sample(pod.container.pid if pod.container is not None else None)
            await asyncio.sleep(_SAMPLE)

    async def _end(self, pod: _Pod, *, wipe: bool = True) -> None:
        """End the pod's processes, release its ports and wipe its disk; also after a start that failed halfway."""
        for task in pod.tasks:
            task.cancel()
        await asyncio.gather(*pod.tasks, return_exceptions=True)
        if pod.container is not None:
            await pod.container.kill()
        if pod.running is not None:
            self.log(pod.spec.id, "system").add(f"stop container for {pod.spec.id}")
        if pod.ports is not None:
            pod.ports.release()
        pod.tasks, pod.container, pod.running, pod.ports, pod.meter = [], None, None, None, None
        if wipe:
            pod.built = False
            await _in_thread(disk.remove, pod.folder / "disk")


async def _in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run blocking file work in a thread."""
    return await _finish(asyncio.to_thread(function, *arguments))


async def _finish(work: Coroutine[Any, Any, _T]) -> _T:
    """Wait for `work` even when cancelled, so that no directory is deleted while it is still being filled."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
