# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an instance moves from one state to the next.

::

    create    -> actual null     the machine is notified
              -> loading         the image is pulled
              -> created         the container is created
              -> running         ports filled; sshd listens later
    stop      -> exited          cur, intended and next stopped; GPUs free, the disk kept and billed
    start     -> loading -> running, with a new direct port and the disk as it was
    reboot    -> rebooting -> running, without releasing the GPUs
    recycle   -> recycling -> loading -> running, in a new container
    destroy   -> gone
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
from podyard_sandbox.stages import ADDRESSED, RUNNING, Stages
from podyard_sandbox.vastai.account import Account
from podyard_sandbox.vastai.environment import container_env, pod_spec
from podyard_sandbox.vastai.instance import SSH_PORT, Instance

_logger = logging.getLogger(__name__)

# Seconds that an instance which destroys itself has to receive the response.
REPLY_DELAY = 0.1
MANIFEST = "Error response from daemon: manifest for {image} not found: manifest unknown: manifest unknown"
DENIED = "Error response from daemon: pull access denied for {image}, repository does not exist or may require login"
OCI = (
    "Error: OCI runtime create failed: container_linux.go:380: starting container process caused: "
    "process_linux.go:545: container init caused: Running hook #0: nvidia-container-cli: device error"
)
PORT_TAKEN = (
    "Error response from daemon: driver failed programming external connectivity on endpoint C.{id}: "
    "Bind for 0.0.0.0:40022 failed: port is already allocated"
)


class Superseded(Exception):
    """A stop, an end or another start came first."""


class Lifecycle:
    """Moves instances through their states; nothing else starts or ends their containers."""

    def __init__(
        self, runtime: PodRuntime, account: Account, faults: Faults, pace: Pace, changed: Callable[[Instance], None]
    ) -> None:
        self.pace = pace
        self.find_links: str | None = None
        self._runtime = runtime
        self._account = account
        self._faults = faults
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()

    # Operations on an instance

    def begin(self, instance: Instance, broken: str | None = None) -> None:
        """Start an instance that was just rented; ``broken`` is why its container will never start."""
        self._log(instance, f"create instance {instance.id} on machine {instance.machine.id}")
        self._boot(instance, broken=broken)

    def start(self, instance: Instance) -> bool:
        """Start a stopped instance; return False if its GPUs are rented and it has to wait."""
        instance.intended = instance.wanted_state = "running"
        if not instance.holds_gpu:
            if not instance.machine.free(instance.slots):
                instance.queued = True
                self._note(instance)
                return False
            instance.machine.take(instance.slots, instance.id)
            instance.holds_gpu = True
        self._boot(instance)
        return True

    async def stop(self, instance: Instance, why: str | None = None) -> None:
        """Stop an instance for its owner or the platform: keep its disk, free its GPUs."""
        instance.queued = False
        await self._halt(instance, wipe=False)
        instance.machine.give_back(instance.id)
        instance.holds_gpu = False
        instance.intended = instance.cur = instance.next = "stopped"
        instance.started_at = None
        instance.actual = "exited" if instance.has_container else "stopped"
        if why is not None:
            instance.status_msg = why
        self._note(instance)

    async def restart(self, instance: Instance, *, recreate: bool) -> None:
        """Restart the container in place, or recreate it and pull its image again."""
        await self._halt(instance, wipe=recreate)
        self._boot(instance, first="recycling" if recreate else "rebooting", pull=recreate)

    def freeze(self, instance: Instance) -> None:
        """Pause an instance, which keeps its GPUs and pays for them."""
        instance.intended = instance.wanted_state = "frozen"
        instance.actual = "frozen"
        self._note(instance)

    def end(self, instance: Instance) -> None:
        """Destroy an instance: stop its bill now, and remove it shortly after."""
        instance.generation += 1
        instance.bill()
        instance.gone_at = time.time()
        instance.meter.close(instance.gone_at)
        instance.machine.give_back(instance.id)
        instance.holds_gpu = False
        instance.cur = instance.next = "unloaded"
        self._changed(instance)
        self.schedule(REPLY_DELAY, lambda: self.remove(instance))

    async def remove(self, instance: Instance) -> None:
        """Remove an instance's container and disk."""
        await instance.gateway.close()
        async with instance.lock:
            await self._runtime.destroy(instance.pod_id)
            instance.running = None

    def set_keys(self, instance: Instance, *, rewrite: bool = False) -> None:
        """Tell the running container which keys may log in."""
        if instance.running is not None and instance.config.launched:
            self._runtime.set_keys(instance.pod_id, instance.key_lines(), rewrite=rewrite)
            if instance.key_lines():
                instance.stages.key_installed()

    def schedule(self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run something after a delay."""

        async def wait() -> None:
            await asyncio.sleep(seconds)
            await work()

        self._spawn(wait())

    async def close(self) -> None:
        """Cancel all pending changes of instances."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # The way to running

    def _boot(
        self, instance: Instance, *, first: str | None = None, pull: bool = True, broken: str | None = None
    ) -> None:
        instance.generation += 1
        instance.queued = False
        instance.started_at = None
        instance.stages = Stages(instance.created_at if instance.generation == 1 else None)
        instance.cur = instance.next = instance.intended = "running"
        instance.actual, instance.status_msg = first, None
        self._note(instance)
        self._spawn(self._booting(instance, instance.generation, pull and not instance.has_container, broken))

    async def _booting(self, instance: Instance, generation: int, pull: bool, broken: str | None) -> None:
        try:
            host = await self._load(instance, generation, pull)
            if broken is None:
                await self._run(instance, generation, host)
            else:
                self._become(instance, generation, "created", broken)
        except Superseded:
            return
        except PodError as error:
            self._log(instance, str(error))
            self._become(instance, generation, "created", f"Error: OCI runtime create failed: {error}")
        except Exception:
            _logger.exception("instance %s could not be brought up", instance.id)

    async def _load(self, instance: Instance, generation: int, pull: bool) -> str | None:
        """Pass the stages before the container starts; return the host's problem that only shows later."""
        image = instance.config.image
        await self._pause(instance, generation, self.pace.provisioning)
        self._become(instance, generation, "loading", f"Pulling from {image.split(':')[0]}")
        self._log(instance, f"pulling image {image}")
        if pull and (fault := self._faults.trigger("vast-slow-pull", name=instance.id_and_label)):
            await self._pause(instance, generation, fault.params["seconds"])
        await self._pause(instance, generation, self.pace.starting if pull else self.pace.restarting)
        if (fault := self._faults.trigger("vast-bad-image", name=instance.id_and_label, image=image)) is not None:
            text = (DENIED if fault.params["text"] == "denied" else MANIFEST).format(image=image)
            self._become(instance, generation, "loading", text)
            await self._pause(instance, generation, fault.params["seconds"])
            instance.intended = "stopped"
            self._note(instance)
            raise Superseded
        host = host_problem(self._faults, "vastai", instance.machine.id, instance.id_and_label)
        if host == bad_hosts.LOADING:
            raise Superseded
        if host == bad_hosts.OCI or self._faults.trigger("vast-oci-fail", name=instance.id_and_label):
            self._become(instance, generation, "created", OCI)
            raise Superseded
        return host

    async def _run(self, instance: Instance, generation: int, host: str | None) -> None:
        self._become(instance, generation, "created", "Status: Image is up to date")
        await self._pause(instance, generation, self.pace.direct / 2)
        late = self._faults.trigger("vast-key-late", name=instance.id_and_label)
        never = self._faults.trigger("vast-key-never", name=instance.id_and_label)
        absent = never is not None and never.params["reading"] == "absent"
        instance.adopt_account_keys([] if absent else self._account.ssh_keys)
        keys = () if late or absent else instance.key_lines()
        spoiled = never is not None and never.params["reading"] == "mode"
        refused = self._faults.trigger("vast-direct-refused", name=instance.id_and_label) is not None
        env = container_env(instance, self._account.variables)
        delay = bad_hosts.NEVER if host == bad_hosts.NO_SSH else self.pace.sshd
        spec = pod_spec(instance, env, delay, self.find_links, keys, spoiled)
        spec = replace(spec, gpu_lost=host == bad_hosts.NO_GPU)
        async with instance.lock:
            self._check(instance, generation)
            instance.running = await self._runtime.start(spec)
        self._check(instance, generation)
        instance.has_container = True
        await self._open_gateway(instance)
        if refused:
            instance.running.ports[SSH_PORT] = instance.gateway.unused_port
        instance.started_at = time.time()
        image, mode = instance.config.image.replace(":", "_", 1), "ssh" if instance.config.launched else "args"
        self._follow(instance, keyed=bool(keys) and not spoiled)
        self._become(instance, generation, "running", f"success, running {image}/{mode}")
        if late is not None:
            self.schedule(late.params["seconds"], lambda: self._keys_arrive(instance, generation))
        self._trigger_while_running(instance)

    def _follow(self, instance: Instance, *, keyed: bool) -> None:
        """Record the stages reached so far, and those still to come."""
        assert instance.running is not None
        stages, running = instance.stages, instance.running
        stages.keyed = keyed
        for stage in (RUNNING, ADDRESSED):
            stages.reach(stage, instance.started_at)
        port = running.gateway if running.gateway is not None else running.ports.get(SSH_PORT)

        async def follow() -> None:
            await stages.follow(port or 0, self.pace.sshd)
            self._changed(instance)

        if port is not None and instance.config.launched:
            self._spawn(follow())

    async def _keys_arrive(self, instance: Instance, generation: int) -> None:
        if instance.generation == generation:
            self.set_keys(instance)

    async def _open_gateway(self, instance: Instance) -> None:
        """Open the gateway to the instance: on its second port in jupyter modes, else on its first."""
        config, running = instance.config, instance.running
        assert running is not None
        if not config.launched or self._faults.trigger("vast-proxy-refused", name=instance.id_and_label):
            return
        fault = self._faults.trigger("vast-jupyter-plus-one", name=instance.id_and_label)
        second = config.jupyter if fault is None else fault.params["reading"] == "everywhere"
        port = running.gateway if running.gateway is not None else running.ports.get(SSH_PORT)
        await instance.gateway.open(second=second, target=lambda: port)

    def _trigger_while_running(self, instance: Instance) -> None:
        """Apply the faults that wait for the next running instance."""
        instance.ports_null = self._faults.trigger("vast-ports-null", name=instance.id_and_label) is not None
        instance.proxy_only = self._faults.trigger("vast-proxy-only", name=instance.id_and_label) is not None
        instance.newline = self._faults.trigger("vast-ip-with-newline", name=instance.id_and_label) is not None
        if (fault := self._faults.trigger("vast-key-vanishes", name=instance.id_and_label)) is not None:
            generation = instance.generation
            self.schedule(fault.params["after"], lambda: self._vanish(instance, generation))
        for name in LIVE_FAULT_NAMES:
            if (fault := self._faults.trigger(name, pod=instance.id_and_label)) is not None:
                self.apply_fault(instance, fault)

    async def _vanish(self, instance: Instance, generation: int) -> None:
        if instance.generation == generation:
            self.set_keys(instance, rewrite=True)

    # Faults of a running instance

    def apply_fault(self, instance: Instance, fault: Fault) -> None:
        """Apply a fault to a running instance when it is due."""
        generation = instance.generation

        async def apply() -> None:
            if instance.generation == generation and instance.gone_at is None:
                await LIVE_FAULTS[fault.kind.name](self, instance, fault)

        self.schedule(fault.params["after"], apply)

    async def _outbid(self, instance: Instance, fault: Fault) -> None:
        await self.stop(instance)
        if fault.params["seconds"] > 0:
            generation = instance.generation
            self.schedule(fault.params["seconds"], lambda: self._win(instance, generation))

    async def _win(self, instance: Instance, generation: int) -> None:
        if instance.generation == generation and instance.gone_at is None and instance.wanted_state == "running":
            self.start(instance)

    async def _expire(self, instance: Instance, _fault: Fault) -> None:
        instance.expired, instance.ends_at = True, time.time()
        await self.stop(instance)

    async def _lose(self, instance: Instance, fault: Fault) -> None:
        """Take the host offline; what runs there continues out of reach, and may come back."""
        instance.lost = fault.params["status"]
        await instance.gateway.shut()
        if fault.params["dead"]:
            async with instance.lock:
                await self._runtime.stop(instance.pod_id, wipe=False)
                instance.running = None
        self._note(instance)
        if fault.params["seconds"] > 0:
            generation = instance.generation
            self.schedule(fault.params["seconds"], lambda: self._find(instance, generation))

    async def _find(self, instance: Instance, generation: int) -> None:
        if instance.generation == generation and instance.gone_at is None:
            instance.lost = None
            if instance.running is not None:
                await self._open_gateway(instance)
            self._note(instance)

    # Small things

    def notice_exit(self, instance: Instance) -> None:
        """Notice when the container's own command has ended."""
        running = instance.running
        if running is not None and running.exit_code is not None and instance.actual == "running":
            instance.status_msg = f"container exited with code {running.exit_code}"
            instance.actual = "exited"
            self._note(instance)

    async def _halt(self, instance: Instance, *, wipe: bool) -> None:
        instance.generation += 1
        await instance.gateway.shut()
        async with instance.lock:
            if instance.running is not None:
                await self._runtime.stop(instance.pod_id, wipe=wipe)
                instance.running = None
            elif wipe and instance.has_container:
                await self._runtime.destroy(instance.pod_id)
        if wipe:
            instance.has_container = False

    async def _pause(self, instance: Instance, generation: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._check(instance, generation)

    def _check(self, instance: Instance, generation: int) -> None:
        if instance.generation != generation:
            raise Superseded

    def _become(self, instance: Instance, generation: int, actual: str, text: str) -> None:
        self._check(instance, generation)
        instance.actual, instance.status_msg = actual, text
        self._note(instance)

    def _note(self, instance: Instance) -> None:
        instance.bill()
        self._changed(instance)

    def _log(self, instance: Instance, line: str) -> None:
        self._runtime.log(instance.pod_id, "system").add(line)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


LIVE_FAULTS: dict[str, Callable[[Lifecycle, Instance, Fault], Coroutine[Any, Any, None]]] = {
    "vast-outbid": Lifecycle._outbid,
    "vast-expired": Lifecycle._expire,
    "vast-offline": Lifecycle._lose,
}
LIVE_FAULT_NAMES = tuple(LIVE_FAULTS)
