# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud as a whole: its account, its machines, its pods, and what may be done to them."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator
from typing import Any

from podyard_sandbox.faults import Fault, Faults
from podyard_sandbox.ledger import Ledger
from podyard_sandbox.meter import Meter, VolumeMeter
from podyard_sandbox.pace import Pace
from podyard_sandbox.pods import PodError, PodRuntime
from podyard_sandbox.runpod.account import Account
from podyard_sandbox.runpod.bodies import CreatePod, CreateVolume, UpdatePod
from podyard_sandbox.runpod.gpus import GPUS
from podyard_sandbox.runpod.lifecycle import Lifecycle, lag
from podyard_sandbox.runpod.places import DATA_CENTERS
from podyard_sandbox.runpod.pod import Pod
from podyard_sandbox.runpod.problems import GPU_TAKEN, Problem, capacity, conflict, not_found
from podyard_sandbox.runpod.resources import Registries, Templates, Volume, Volumes
from podyard_sandbox.runpod.resources.merging import changed_by, created_from
from podyard_sandbox.runpod.rules import changed_config, new_config, resets
from podyard_sandbox.runpod.stock import Machine, Stock, Wanted

_logger = logging.getLogger(__name__)
# How often the balance is looked at. The service charges every five minutes; a test wants to see it sooner.
_BALANCE_INTERVAL = 1.0


def machine_words(machine: Machine) -> dict[str, str | tuple[str, ...]]:
    """By what a fault may single out a machine."""
    gpu = GPUS[machine.gpu_id]
    return {"gpu": (gpu.id, gpu.name), "data_center": machine.data_center, "cloud": machine.cloud}


class Cloud:
    """The stand-in's state; what the API does to it, it does through these methods."""

    def __init__(self, runtime: PodRuntime, faults: Faults, ledger: Ledger, pace: Pace, balance: float) -> None:
        self.runtime = runtime
        self.faults = faults
        self.stock = Stock()
        self.account = Account(balance)
        self._ledger = ledger
        self._pods: dict[str, Pod] = {}
        self._meters: list[Meter | VolumeMeter] = []
        self._made = 0
        self.volumes = Volumes()
        self.templates = Templates()
        self.registries = Registries()
        self._life = Lifecycle(runtime, self.stock, self.account, faults, self._note, self._vanish)
        self.pace = pace

    @property
    def pace(self) -> Pace:
        """How fast pods come up."""
        return self._life.pace

    @pace.setter
    def pace(self, pace: Pace) -> None:
        self._life.pace = pace

    def serve_wheels_at(self, url: str | None) -> None:
        """Tell the pods that start from now on where to look for packages."""
        self._life.find_links = url

    def balance(self) -> float:
        """USD that the account has left."""
        fault = self.faults.peek("low-balance")
        return fault.params["usd"] if fault else self.account.balance(self._meters, time.time())

    def set_balance(self, usd: float) -> None:
        """Pay in or take out, so that so much is left."""
        self.account.deposit += usd - self.account.balance(self._meters, time.time())

    def spend(self) -> float:
        """USD per hour that the account spends now, stopped disks included."""
        return round(sum(meter.rate() for meter in self._meters), 6)

    # What pods use

    def create_volume(self, body: CreateVolume, lower_case_ok: bool = False) -> Volume:
        """Make a network volume, which is billed from now on.

        Raises:
            Problem: 400 if it cannot be had there.
        """
        volume = self.volumes.create(body, lower_case_ok)
        self._meters.append(volume.meter)
        return volume

    async def delete_volume(self, volume: Volume) -> None:
        """Remove a network volume and what is on it."""
        self.volumes.delete(volume)
        await self.runtime.destroy_volume(volume.id)

    def uses_volume(self, volume_id: str) -> list[str]:
        """The ids of the pods, stopped ones too, that have the volume."""
        return [pod.id for pod in self if pod.leaving is None and pod.config.network_volume == volume_id]

    def uses_template(self, template_id: str) -> bool:
        """Whether a pod that is still there was made from the template."""
        return any(pod.leaving is None and pod.template_id == template_id for pod in self)

    def uses_registry(self, registry_id: str) -> bool:
        """Whether a pod that is still there pulls its image with the credential."""
        return any(pod.leaving is None and pod.config.registry == registry_id for pod in self)

    def completed(self, body: CreatePod) -> CreatePod:
        """The body of a create with what its template adds.

        Raises:
            Problem: 404 if the template is not there, 422 if it is none for pods.
        """
        return created_from(self.templates.readable(body.templateId), body) if body.given("templateId") else body

    def completed_change(self, body: UpdatePod) -> UpdatePod:
        """The same for the body of a change."""
        return changed_by(self.templates.readable(body.templateId), body) if body.given("templateId") else body

    def check_references(self, body: CreatePod | UpdatePod) -> None:
        """See that what a body names is there.

        Raises:
            Problem: 404 if the registry credential or the network volume is not.
        """
        if body.registry is not None:
            self.registries.find(body.registry)
        for mount in body.mounts.network:
            self.volumes.find(mount.volumeId)

    # Rent

    def rent(self, body: CreatePod) -> Pod:
        """Make a pod of a body that keeps the rules.

        Raises:
            Problem: 402 if the balance does not cover an hour, 400 if no machine is to be had.
        """
        gpu = body.gpu
        # A create without gpu.count was seen to get the capacity text, whatever the stock; there are no CPU hosts.
        if gpu is None or not gpu.given("count") or gpu.id not in GPUS:
            raise capacity()
        if self.balance() < GPUS[gpu.id].price(body.cloud) * gpu.count:
            self.faults.strike("low-balance")
            raise Problem(402, "insufficient balance")  # the text is made up
        machine = self._place(body)
        self._made += 1
        return Pod(
            seq=self._made,
            config=new_config(body),
            cloud=body.cloud,
            gpu_id=gpu.id,
            gpu_count=gpu.count,
            machine=machine,
            usd_per_hour=round(self._price(gpu.id, body.cloud) * gpu.count, 4),
            start_ssh=body.startSsh,
            jupyter_password=secrets.token_urlsafe(12) if body.startJupyter else None,
            template_id=body.templateId if body.given("templateId") else None,
        )

    def admit(self, pod: Pod) -> None:
        """Take a rented pod in, and bring it up."""
        pod.hidden = lag(self.faults.strike("invisible-after-create", name=pod.words))
        self._pods[pod.id] = pod
        self._meters.append(pod.meter)
        self._life.begin(pod)

    def drop(self, pod: Pod) -> None:
        """Forget a rented pod that was never there."""
        self.stock.give_back(pod.machine, pod.gpu_count)

    def _price(self, gpu_id: str, cloud: str) -> float:
        gpu = GPUS[gpu_id]
        fault = self.faults.strike("price-above", gpu=(gpu.id, gpu.name))
        return gpu.price(cloud) * (fault.params["factor"] if fault else 1.0)

    def _place(self, body: CreatePod) -> Machine:
        gpu = body.gpu
        assert gpu is not None
        wanted = Wanted(
            gpu_id=gpu.id,
            count=gpu.count,
            cloud=body.cloud,
            data_centers=tuple(body.dataCenterIds),
            cuda_versions=tuple(gpu.allowedCudaVersions),
            min_cuda=gpu.minCudaVersion if gpu.given("minCudaVersion") else None,
        )
        faults = self.faults.on("no-capacity")
        decided: dict[int, bool] = {}  # a create is one chance for each fault, however many machines there are

        homes = {self.volumes.find(mount.volumeId).data_center for mount in body.mounts.network}

        def refuse(machine: Machine) -> bool:
            if homes and machine.data_center not in homes:
                return True
            if body.globalNetworking and not DATA_CENTERS[machine.data_center].global_network:
                return True
            fitting = [fault for fault in faults if fault.fits(machine_words(machine))]
            for fault in fitting:
                if fault.number not in decided:
                    decided[fault.number] = fault.strikes()
            return any(decided[fault.number] for fault in fitting)

        machine = self.stock.place(wanted, refuse)
        if machine is None:
            raise capacity()
        return machine

    # Read

    async def read_all(self) -> list[Pod]:
        """Every pod that a list shows now, in the order in which they were made."""
        return [pod for pod in list(self._pods.values()) if await self._seen(pod)]

    async def read(self, pod_id: str) -> Pod:
        """The pod that a get shows now.

        Raises:
            Problem: 404.
        """
        pod = self._pods.get(pod_id)
        if pod is None or not await self._seen(pod):
            raise not_found()
        return pod

    def find(self, pod_id: str) -> Pod:
        """The pod to do something to, visible or not.

        Raises:
            Problem: 404.
        """
        pod = self._pods.get(pod_id)
        if pod is None:
            raise not_found()
        return pod

    def __iter__(self) -> Iterator[Pod]:
        return iter(list(self._pods.values()))

    async def _seen(self, pod: Pod) -> bool:
        """Count a read of the pod; False if the read does not show it."""
        if pod.leaving is not None:
            if pod.leaving.over():
                self._forget(pod, "TERMINATED")
                return False
            return True
        if pod.stopping is not None and pod.stopping.over():
            pod.stopping = None
            await self._life.stop(pod)
        if pod.hidden is not None:
            if not pod.hidden.over():
                return False
            pod.hidden = None
        return True

    # Change

    async def act(self, pod: Pod, action: str) -> None:
        """Start, stop or restart a pod.

        Raises:
            Problem: 409 if that is not legal now, 400, 409 or 500 if the GPU was rented by another.
        """
        if action not in pod.actions or pod.leaving is not None:
            raise conflict(action, pod.status)
        if pod.config.locked and action in ("stop", "restart"):
            raise Problem(409, "pod is locked")  # the text is made up
        if action == "start":
            self._start(pod)
        elif action == "restart":
            await self._life.restart(pod)
        elif (fault := self.faults.strike("stop-late", name=pod.words)) is not None:
            pod.stopping = lag(fault)
        else:
            await self._life.stop(pod)

    async def change(self, pod: Pod, body: UpdatePod) -> None:
        """Change a pod's settings; most start a running container anew."""
        old, pod.config = pod.config, changed_config(pod.config, body)
        if resets(old, pod.config) and pod.status == "RUNNING":
            await self._life.restart(pod)
        else:
            self._note(pod)

    async def terminate(self, pod: Pod, shown: dict[str, Any]) -> Fault | None:
        """End a pod for good; returns the fault that had it otherwise, if any.

        Args:
            shown: the pod as reads show it now, and may go on showing it for a while.
        """
        if (fault := self.faults.strike("terminate-ignored", name=pod.words)) is not None:
            return fault
        if pod.leaving is not None:
            return None
        fault = self.faults.strike("terminate-late", name=pod.words)
        if fault is not None:
            pod.last_shown = shown if fault.params["shown"] == "before" else None
            pod.leaving = lag(fault)
        await self._life.end(pod)
        if fault is None:
            self._forget(pod, "TERMINATED")
        return fault

    def lose_host(self, fault: Fault) -> int:
        """Let the host die under the running pods that the fault is for; returns under how many."""
        running = [pod for pod in self if pod.status == "RUNNING" and fault.fits({"pod": pod.words})]
        struck = [pod for pod in running if not fault.spent and fault.strikes()]
        for pod in struck:
            self._life.lose_host(pod, fault)
        return len(struck)

    def _start(self, pod: Pod) -> None:
        fault = self.faults.strike("gpu-taken", name=pod.words)
        if fault is not None or not self._life.start(pod):
            raise Problem(fault.params["status"] if fault else 400, GPU_TAKEN)

    # Housekeeping

    async def watch_balance(self) -> None:
        """End the pods, as the service does, once the money is spent."""
        while True:
            await asyncio.sleep(_BALANCE_INTERVAL)
            if self.account.balance(self._meters, time.time()) > 0:
                continue
            for pod in self:
                if pod.leaving is None:
                    _logger.warning("the balance is spent: pod %s ends", pod.id)
                    await self._end(pod)

    async def close(self) -> None:
        """End every pod; the sandbox goes down."""
        await self._life.close()
        await asyncio.gather(*(self._end(pod) for pod in self))

    async def _end(self, pod: Pod) -> None:
        """End a pod without having been asked to; what cannot be removed is left to the sweep."""
        try:
            await self._life.end(pod)
        except (PodError, OSError):
            _logger.exception("pod %s could not be ended in good order", pod.id)
        self._forget(pod, "TERMINATED")

    def _vanish(self, pod: Pod, state: str) -> None:
        pod.status = state
        self._forget(pod, state)

    def _forget(self, pod: Pod, state: str) -> None:
        if self._pods.pop(pod.id, None) is not None:
            pod.status = state
            pod.gone_at = time.time()
            self._note(pod)

    def _note(self, pod: Pod) -> None:
        self._ledger.put_pod(pod.ledger_entry())
