# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an instance gets from one state to the next.

::

    create    -> actual null     the machine is told
              -> loading         the image comes
              -> created         the container is made
              -> running         ports filled; sshd answers later
    stop      -> exited          cur, intended and next stopped; GPUs free, the disk kept and billed
    start     -> loading -> running, with a new direct port and the disk as it was
    reboot    -> rebooting -> running, without giving the GPUs away
    recycle   -> recycling -> loading -> running, in a new container
    destroy   -> and no longer there
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from podyard_sandbox.faults import Fault, Faults, bad_hosts
from podyard_sandbox.faults.bad_hosts import trouble_of
from podyard_sandbox.pace import Pace
from podyard_sandbox.pods import PodError, PodRuntime
from podyard_sandbox.stages import ADDRESSED, RUNNING, Stages
from podyard_sandbox.vastai.account import Account
from podyard_sandbox.vastai.environment import container_env, pod_spec
from podyard_sandbox.vastai.instance import SSH_PORT, Instance

_logger = logging.getLogger(__name__)

# An instance that ends itself still hears the answer (seconds).
LAST_WORDS = 0.1
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


class Overtaken(Exception):
    """A stop, an end or another start came in between."""


class Lifecycle:
    """Moves instances through their states; the only one to start and end their containers."""

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

    # What is done to an instance

    def begin(self, instance: Instance, broken: str | None = None) -> None:
        """Bring up an instance that was just rented; ``broken`` is why its container will never start."""
        self._log(instance, f"create instance {instance.id} on machine {instance.machine.id}")
        self._boot(instance, broken=broken)

    def start(self, instance: Instance) -> bool:
        """Start a stopped instance; False if its GPUs are with another, and it has to wait."""
        instance.intended = instance.wish = "running"
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
        """Stop an instance, because its owner or the platform wants it: the disk stays, the GPUs are free."""
        instance.queued = False
        await self._halt(instance, wipe=False)
        instance.machine.give_back(instance.id)
        instance.holds_gpu = False
        instance.intended = instance.cur = instance.next = "stopped"
        instance.started_at = None
        instance.actual = "exited" if instance.made else "stopped"
        if why is not None:
            instance.status_msg = why
        self._note(instance)

    async def restart(self, instance: Instance, *, anew: bool) -> None:
        """Restart the container in its place, or make a new one and pull its image again."""
        await self._halt(instance, wipe=anew)
        self._boot(instance, first="recycling" if anew else "rebooting", pull=anew)

    def freeze(self, instance: Instance) -> None:
        """Pause an instance: its GPUs stay its own and are billed."""
        instance.intended = instance.wish = "frozen"
        instance.actual = "frozen"
        self._note(instance)

    def end(self, instance: Instance) -> None:
        """End an instance for good: nothing is billed from now on, and soon nothing is left of it."""
        instance.boots += 1
        instance.bill()
        instance.gone_at = time.time()
        instance.meter.close(instance.gone_at)
        instance.machine.give_back(instance.id)
        instance.holds_gpu = False
        instance.cur = instance.next = "unloaded"
        self._changed(instance)
        self.later(LAST_WORDS, lambda: self.remove(instance))

    async def remove(self, instance: Instance) -> None:
        """Remove what an instance was made of, disk and all."""
        await instance.entrance.close()
        async with instance.lock:
            await self._runtime.destroy(instance.pod_id)
            instance.running = None

    def set_keys(self, instance: Instance, *, rewrite: bool = False) -> None:
        """Let the running container know which keys may log in."""
        if instance.running is not None and instance.config.launched:
            self._runtime.set_keys(instance.pod_id, instance.lines(), rewrite=rewrite)
            if instance.lines():
                instance.stages.key_there()

    def later(self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something in a while."""

        async def wait() -> None:
            await asyncio.sleep(seconds)
            await work()

        self._spawn(wait())

    async def close(self) -> None:
        """Stop moving instances."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # The way to running

    def _boot(
        self, instance: Instance, *, first: str | None = None, pull: bool = True, broken: str | None = None
    ) -> None:
        instance.boots += 1
        instance.queued = False
        instance.started_at = None
        instance.stages = Stages(instance.created_at if instance.boots == 1 else None)
        instance.cur = instance.next = instance.intended = "running"
        instance.actual, instance.status_msg = first, None
        self._note(instance)
        self._spawn(self._booting(instance, instance.boots, pull and not instance.made, broken))

    async def _booting(self, instance: Instance, boot: int, pull: bool, broken: str | None) -> None:
        try:
            host = await self._load(instance, boot, pull)
            if broken is None:
                await self._run(instance, boot, host)
            else:
                self._become(instance, boot, "created", broken)
        except Overtaken:
            return
        except PodError as error:
            self._log(instance, str(error))
            self._become(instance, boot, "created", f"Error: OCI runtime create failed: {error}")
        except Exception:
            _logger.exception("instance %s could not be brought up", instance.id)

    async def _load(self, instance: Instance, boot: int, pull: bool) -> str | None:
        """Pass the stages before the container starts; returns what is wrong with the host that only shows later."""
        image = instance.config.image
        await self._pause(instance, boot, self.pace.provisioning)
        self._become(instance, boot, "loading", f"Pulling from {image.split(':')[0]}")
        self._log(instance, f"pulling image {image}")
        if pull and (fault := self._faults.strike("vast-slow-pull", name=instance.words)):
            await self._pause(instance, boot, fault.params["seconds"])
        await self._pause(instance, boot, self.pace.starting if pull else self.pace.restarting)
        if (fault := self._faults.strike("vast-bad-image", name=instance.words, image=image)) is not None:
            text = (DENIED if fault.params["text"] == "denied" else MANIFEST).format(image=image)
            self._become(instance, boot, "loading", text)
            await self._pause(instance, boot, fault.params["seconds"])
            instance.intended = "stopped"
            self._note(instance)
            raise Overtaken
        host = trouble_of(self._faults, "vastai", instance.machine.id, instance.words)
        if host == bad_hosts.LOADING:
            raise Overtaken
        if host == bad_hosts.OCI or self._faults.strike("vast-oci-fail", name=instance.words):
            self._become(instance, boot, "created", OCI)
            raise Overtaken
        return host

    async def _run(self, instance: Instance, boot: int, host: str | None) -> None:
        self._become(instance, boot, "created", "Status: Image is up to date")
        await self._pause(instance, boot, self.pace.direct / 2)
        late = self._faults.strike("vast-key-late", name=instance.words)
        never = self._faults.strike("vast-key-never", name=instance.words)
        absent = never is not None and never.params["reading"] == "absent"
        instance.take_over([] if absent else self._account.ssh_keys)
        keys = () if late or absent else instance.lines()
        spoiled = never is not None and never.params["reading"] == "mode"
        refused = self._faults.strike("vast-direct-refused", name=instance.words) is not None
        env = container_env(instance, self._account.variables)
        delay = bad_hosts.NEVER if host == bad_hosts.NO_SSH else self.pace.sshd
        spec = pod_spec(instance, env, delay, self.find_links, keys, spoiled)
        spec = replace(spec, gpu_lost=host == bad_hosts.NO_GPU)
        async with instance.lock:
            self._check(instance, boot)
            instance.running = await self._runtime.start(spec)
        self._check(instance, boot)
        instance.made = True
        await self._open_entrance(instance)
        if refused:
            instance.running.ports[SSH_PORT] = instance.entrance.nobody
        instance.started_at = time.time()
        image, mode = instance.config.image.replace(":", "_", 1), "ssh" if instance.config.launched else "args"
        self._follow(instance, keyed=bool(keys) and not spoiled)
        self._become(instance, boot, "running", f"success, running {image}/{mode}")
        if late is not None:
            self.later(late.params["seconds"], lambda: self._keys_arrive(instance, boot))
        self._strike_running(instance)

    def _follow(self, instance: Instance, *, keyed: bool) -> None:
        """Note what it has reached, and what it will."""
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

    async def _keys_arrive(self, instance: Instance, boot: int) -> None:
        if instance.boots == boot:
            self.set_keys(instance)

    async def _open_entrance(self, instance: Instance) -> None:
        """Have the gateway lead to the instance: in jupyter modes by the second of its ports, else by the first."""
        config, running = instance.config, instance.running
        assert running is not None
        if not config.launched or self._faults.strike("vast-proxy-refused", name=instance.words):
            return
        fault = self._faults.strike("vast-jupyter-plus-one", name=instance.words)
        second = config.jupyter if fault is None else fault.params["reading"] == "everywhere"
        port = running.gateway if running.gateway is not None else running.ports.get(SSH_PORT)
        await instance.entrance.open(second=second, target=lambda: port)

    def _strike_running(self, instance: Instance) -> None:
        """Faults that wait for the next instance that runs."""
        instance.ports_null = self._faults.strike("vast-ports-null", name=instance.words) is not None
        instance.proxy_only = self._faults.strike("vast-proxy-only", name=instance.words) is not None
        instance.newline = self._faults.strike("vast-ip-with-newline", name=instance.words) is not None
        if (fault := self._faults.strike("vast-key-vanishes", name=instance.words)) is not None:
            boot = instance.boots
            self.later(fault.params["after"], lambda: self._vanish(instance, boot))
        for name in LIVING:
            if (fault := self._faults.strike(name, pod=instance.words)) is not None:
                self.befall(instance, fault)

    async def _vanish(self, instance: Instance, boot: int) -> None:
        if instance.boots == boot:
            self.set_keys(instance, rewrite=True)

    # What befalls a running instance

    def befall(self, instance: Instance, fault: Fault) -> None:
        """Let something happen to an instance that runs, when the fault says."""
        boot = instance.boots

        async def strike() -> None:
            if instance.boots == boot and instance.gone_at is None:
                await BEFALL[fault.kind.name](self, instance, fault)

        self.later(fault.params["after"], strike)

    async def _outbid(self, instance: Instance, fault: Fault) -> None:
        await self.stop(instance)
        if fault.params["seconds"] > 0:
            boot = instance.boots
            self.later(fault.params["seconds"], lambda: self._win(instance, boot))

    async def _win(self, instance: Instance, boot: int) -> None:
        if instance.boots == boot and instance.gone_at is None and instance.wish == "running":
            self.start(instance)

    async def _expire(self, instance: Instance, _fault: Fault) -> None:
        instance.expired, instance.ends_at = True, time.time()
        await self.stop(instance)

    async def _lose(self, instance: Instance, fault: Fault) -> None:
        """The host does not answer; what runs there goes on, out of reach, and may come back."""
        instance.lost = fault.params["status"]
        await instance.entrance.shut()
        if fault.params["dead"]:
            async with instance.lock:
                await self._runtime.stop(instance.pod_id, wipe=False)
                instance.running = None
        self._note(instance)
        if fault.params["seconds"] > 0:
            boot = instance.boots
            self.later(fault.params["seconds"], lambda: self._find(instance, boot))

    async def _find(self, instance: Instance, boot: int) -> None:
        if instance.boots == boot and instance.gone_at is None:
            instance.lost = None
            if instance.running is not None:
                await self._open_entrance(instance)
            self._note(instance)

    # Small things

    def notice_exit(self, instance: Instance) -> None:
        """See whether the container's own command has ended."""
        running = instance.running
        if running is not None and running.exit_code is not None and instance.actual == "running":
            instance.status_msg = f"container exited with code {running.exit_code}"
            instance.actual = "exited"
            self._note(instance)

    async def _halt(self, instance: Instance, *, wipe: bool) -> None:
        instance.boots += 1
        await instance.entrance.shut()
        async with instance.lock:
            if instance.running is not None:
                await self._runtime.stop(instance.pod_id, wipe=wipe)
                instance.running = None
            elif wipe and instance.made:
                await self._runtime.destroy(instance.pod_id)
        if wipe:
            instance.made = False

    async def _pause(self, instance: Instance, boot: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._check(instance, boot)

    def _check(self, instance: Instance, boot: int) -> None:
        if instance.boots != boot:
            raise Overtaken

    def _become(self, instance: Instance, boot: int, actual: str, text: str) -> None:
        self._check(instance, boot)
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


BEFALL: dict[str, Callable[[Lifecycle, Instance, Fault], Coroutine[Any, Any, None]]] = {
    "vast-outbid": Lifecycle._outbid,
    "vast-expired": Lifecycle._expire,
    "vast-offline": Lifecycle._lose,
}
LIVING = tuple(BEFALL)
