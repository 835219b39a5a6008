# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a pod moves from one status to the next.

::

    create    -> PROVISIONING  the machine is not shown yet
              -> STARTING      the machine is known; no runtime, no direct SSH
              -> RUNNING       runtime filled; ssh.direct some time later; sshd listens later still
              -> ERROR         image or driver at fault
    stop      -> EXITED        processes ended, GPU free, everything outside the mount wiped
    start     -> STARTING -> RUNNING, with a new port and new host keys
    terminate -> TERMINATED    gone
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from podyard_sandbox.faults import Fault, Faults, bad_hosts
from podyard_sandbox.faults.bad_hosts import host_problem
from podyard_sandbox.pace import Pace
from podyard_sandbox.pods import PodError, PodRuntime
from podyard_sandbox.runpod.account import Account
from podyard_sandbox.runpod.environment import container_env, ending, pod_spec
from podyard_sandbox.runpod.image_errors import image_error
from podyard_sandbox.runpod.pod import SSH_PORT, Pod, VisibilityDelay
from podyard_sandbox.runpod.stock import Stock
from podyard_sandbox.stages import ADDRESSED, RUNNING, Stages

_logger = logging.getLogger(__name__)

# Users saw the port from before a restart in the first reads after it.
_STALE_READS = 2
# As container engines word it.
_OCI = (
    "error starting container: OCI runtime create failed: runc create failed: unable to start container process: error "
    "during container init: error running hook #0: nvidia-container-cli: detection error: nvml error: unknown error"
)


class Lifecycle:
    """Moves pods through their statuses.

    Args:
        changed: called with each pod whose state changed.
        vanished: called with each pod that ends without being terminated, and with its state for the ledger.
    """

    def __init__(
        self,
        runtime: PodRuntime,
        stock: Stock,
        account: Account,
        faults: Faults,
        changed: Callable[[Pod], None],
        vanished: Callable[[Pod, str], None],
    ) -> None:
        self.pace: Pace
        self.find_links: str | None = None
        self._runtime = runtime
        self._stock = stock
        self._account = account
        self._faults = faults
        self._changed = changed
        self._vanished = vanished
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, pod: Pod) -> None:
        """Start a pod that was just rented, and its bill."""
        pod.meter.hold_gpu(pod.usd_per_hour, pod.created_at)
        pod.mounted_gb = pod.config.volume_gb
        self._system(pod, f"create pod {pod.id} on {pod.machine.data_center}")
        self._boot(pod, fresh=True)

    def start(self, pod: Pod) -> bool:
        """Start a stopped or failed pod; return False if its machine's GPU is rented by someone else."""
        if not pod.holds_gpu:
            if not self._stock.retake(pod.machine, pod.units):
                return False
            pod.holds_gpu = True
            pod.meter.hold_gpu(pod.usd_per_hour, time.time())
        pod.mounted_gb = pod.config.volume_gb
        self._boot(pod, fresh=False)
        return True

    async def stop(self, pod: Pod) -> None:
        """Stop a pod: end its processes, free its GPU, wipe everything outside the mount."""
        await self._halt(pod)
        self._free_gpu(pod)
        pod.meter.keep_disk(pod.config.volume_gb, time.time())
        pod.assigned = True  # a stopped pod keeps its machine, even if it was stopped while being placed
        self._become(pod, "EXITED")

    async def restart(self, pod: Pod) -> None:
        """Recreate the container in place: new port, new host keys, everything outside the mount wiped."""
        await self._halt(pod)
        if pod.lost:
            pod.meter.hold_gpu(pod.usd_per_hour, time.time())
        self._boot(pod, fresh=False)

    async def end(self, pod: Pod) -> None:
        """Terminate a pod with its mount, and stop its bill."""
        pod.generation += 1
        pod.meter.close(time.time())
        self._free_gpu(pod)
        pod.status = "TERMINATED"
        async with pod.lock:
            await self._runtime.destroy(pod.id)
        pod.running = None
        self._changed(pod)

    def lose_host(self, pod: Pod, fault: Fault) -> None:
        """Take the host of a pod down when the fault is due."""
        self._spawn(self._lose_host(pod, pod.generation, fault))

    async def close(self) -> None:
        """Cancel all pending changes of pods."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _boot(self, pod: Pod, fresh: bool) -> None:
        pod.generation += 1
        pod.lost = False
        pod.started_at = None
        pod.direct_at = None
        pod.stages = Stages(pod.created_at if fresh else None)
        pod.network_at_start = pod.config.global_networking
        if fresh:
            self._changed(pod)
        else:
            self._become(pod, "STARTING")
        self._spawn(self._booting(pod, pod.generation, fresh))

    async def _booting(self, pod: Pod, generation: int, fresh: bool) -> None:
        try:
            if await self._reach_start(pod, generation, fresh):
                await self._run(
                    pod, generation, host_problem(self._faults, "runpod", pod.machine.number, pod.id_and_name)
                )
        except PodError as error:
            self._fail(pod, generation, str(error))
        except Exception:
            _logger.exception("pod %s could not be brought up", pod.id)
            self._fail(pod, generation, "the sandbox could not start the pod; its daemon.log says why")

    async def _reach_start(self, pod: Pod, generation: int, fresh: bool) -> bool:
        """Pass the stages before the container starts; return False if the pod gets stuck or fails."""
        hang = self._faults.trigger("never-ready", name=pod.id_and_name)
        if fresh:
            await asyncio.sleep(self._seconds(pod, "provisioning"))
            if pod.generation != generation or pod.never_placed or (hang and hang.params["status"] == "PROVISIONING"):
                return False
            pod.assigned = True
            self._become(pod, "STARTING")
        self._system(pod, f"pulling image {pod.config.image}")
        await asyncio.sleep(self._seconds(pod, "starting" if fresh else "restarting"))
        if pod.generation != generation or hang:
            return False
        if (trouble := image_error(self._faults, pod)) is not None:
            self._fail(pod, generation, trouble)
            return False
        return True

    async def _run(self, pod: Pod, generation: int, host: str | None) -> None:
        if host in (bad_hosts.LOADING, bad_hosts.OCI):
            if host == bad_hosts.OCI:
                self._fail(pod, generation, _OCI)
            return
        late = self._faults.trigger("sshd-late", name=pod.id_and_name)
        literal_null = pod.start_ssh and self._faults.trigger("public-key-null", name=pod.id_and_name) is not None
        env = self._account.secrets.resolve(container_env(pod, self._account.ssh_keys, literal_null))
        direct = self._seconds(pod, "direct")
        delay = direct + self._seconds(pod, "sshd") + (late.params["seconds"] if late else 0.0)
        packages = self._faults.trigger("package-mirror-down", name=pod.id_and_name) is None
        delay = bad_hosts.NEVER if host == bad_hosts.NO_SSH else delay
        spec = replace(pod_spec(pod, env, delay, self.find_links, packages), gpu_lost=host == bad_hosts.NO_GPU)
        if self._faults.trigger("restart-loop", name=pod.id_and_name):
            spec = ending(spec)
        if pod.mounted_gb:
            self._system(pod, f"mount volume of {pod.mounted_gb} GB at {pod.config.mount_path}")
        async with pod.lock:
            if pod.generation != generation:
                return
            pod.running = await self._runtime.start(spec)
        if pod.generation != generation:
            return  # whatever superseded this start is waiting for the lock, and ends what was started
        pod.started_at = time.time()
        self._show_port(pod, direct)
        self._follow(pod, direct, delay)
        self._become(pod, "RUNNING")
        if (fault := self._faults.trigger("host-lost", pod=pod.id_and_name)) is not None:
            self.lose_host(pod, fault)

    def _follow(self, pod: Pod, direct: float, delay: float) -> None:
        """Record the stages reached so far, and those still to come."""
        assert pod.running is not None and pod.started_at is not None
        stages, port = pod.stages, pod.running.ports.get(SSH_PORT)
        stages.keyed = bool(pod.config.env.get("PUBLIC_KEY") or (pod.start_ssh and self._account.ssh_keys))
        stages.reach(RUNNING, pod.started_at)
        if pod.direct_at is not None:
            stages.reach(ADDRESSED, pod.started_at + direct)

        async def follow() -> None:
            await stages.follow(port or 0, delay)
            self._changed(pod)

        if port is not None and delay < bad_hosts.NEVER:
            self._spawn(follow())

    def _seconds(self, pod: Pod, stage: str) -> float:
        """Return how long a stage lasts, seconds."""
        slow = self._faults.trigger("slow-stage", name=pod.id_and_name, stage=stage)
        return getattr(self.pace, stage) + (slow.params["seconds"] if slow else 0.0)

    def _show_port(self, pod: Pod, after: float) -> None:
        if self._faults.trigger("no-direct-ssh", name=pod.id_and_name):
            pod.direct_at = None
        else:
            pod.direct_at = time.monotonic() + after
        named = self._faults.trigger("ssh-user-told", name=pod.id_and_name)
        user = named.params["user"] if named else "root"
        pod.ssh_user = None if user == "null" else user
        if pod.old_port is not None:
            fault = self._faults.trigger("stale-port", name=pod.id_and_name)
            pod.stale_reads = fault.params["reads"] if fault else _STALE_READS

    async def _halt(self, pod: Pod) -> None:
        """End the container, even one that is just being started."""
        pod.generation += 1
        async with pod.lock:
            if pod.running is not None:
                pod.old_port = pod.running.ports.get(SSH_PORT)
                if not pod.lost:
                    await self._runtime.stop(pod.id)
                pod.running = None

    async def _lose_host(self, pod: Pod, generation: int, fault: Fault) -> None:
        await asyncio.sleep(fault.params["after"])
        if pod.generation != generation or pod.running is None:
            return
        pod.lost = True  # before it ends, so that no read asks for its load
        async with pod.lock:
            await self._runtime.destroy(pod.id)
        pod.meter.close(time.time())  # no charge while the host is unavailable
        if fault.params["reading"] == "stuck":
            self._changed(pod)
            return
        pod.generation += 1
        pod.running = None
        self._free_gpu(pod)
        self._vanished(pod, "LOST")

    def _fail(self, pod: Pod, generation: int, why: str) -> None:
        if pod.generation == generation:
            self._system(pod, why)
            self._become(pod, "ERROR")

    def _become(self, pod: Pod, status: str) -> None:
        pod.status = status
        self._changed(pod)

    def _free_gpu(self, pod: Pod) -> None:
        if pod.holds_gpu:
            pod.holds_gpu = False
            self._stock.give_back(pod.machine, pod.units)

    def _system(self, pod: Pod, line: str) -> None:
        self._runtime.log(pod.id, "system").add(line)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def visibility_delay(fault: Fault | None) -> VisibilityDelay | None:
    """Return the delay that a fault's reads and seconds ask for."""
    return None if fault is None else VisibilityDelay(fault.params["reads"], fault.params.get("seconds", 0.0))
