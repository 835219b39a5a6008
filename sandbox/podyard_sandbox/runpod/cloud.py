# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod as a whole: its account, its machines, its pods, and all operations on them."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator
from typing import Any

from podyard_sandbox.faults import Fault, Faults
from podyard_sandbox.ledger import Ledger
from podyard_sandbox.pace import Pace
from podyard_sandbox.pods import PodError, PodRuntime
from podyard_sandbox.runpod.bodies import CreatePod, UpdatePod
from podyard_sandbox.runpod.fake_pods import make_fake_pods
from podyard_sandbox.runpod.lifecycle import Lifecycle, visibility_delay
from podyard_sandbox.runpod.placement import Placement, machine_facts
from podyard_sandbox.runpod.pod import Pod
from podyard_sandbox.runpod.problems import (
    GPU_TAKEN,
    Problem,
    conflict,
    fake_pod_refusal,
    locked,
    no_network,
    not_found,
)
from podyard_sandbox.runpod.resources.account_resources import AccountResources
from podyard_sandbox.runpod.rules import changed_config, cpu_share, new_config, resets
from podyard_sandbox.runpod.stock import Stock

__all__ = ["Cloud", "machine_facts"]

_logger = logging.getLogger(__name__)
# Seconds between two checks of the balance. The service charges every five minutes, too slowly for a test.
_BALANCE_INTERVAL = 1.0


class Cloud(AccountResources):
    """The stand-in's state, which the API changes only through these methods."""

    def __init__(self, runtime: PodRuntime, faults: Faults, ledger: Ledger, pace: Pace, balance: float) -> None:
        super().__init__(runtime, balance)
        self.faults = faults
        self.stock = Stock()
        self._ledger = ledger
        self._pods: dict[str, Pod] = {}
        self._made = 0
        self.seed = 1
        self._placement = Placement(self.stock, faults, self.volumes)
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
        """Set where the pods that start from now on look for packages."""
        self._life.find_links = url

    def balance(self) -> float:
        """Return the account's balance in USD."""
        fault = self.faults.peek("low-balance")
        return fault.params["usd"] if fault else self.money()

    def set_fake_pods(self, count: int) -> None:
        """Replace the fake pods by this many."""
        self._pods = {pod_id: pod for pod_id, pod in self._pods.items() if not pod.is_fake}
        self._pods.update((pod.id, pod) for pod in make_fake_pods(count, self.seed, self._made + 1))
        self._made += count

    # Rent

    def rent(self, body: CreatePod) -> Pod:
        """Rent a pod for a valid body.

        Raises:
            Problem: 402 if the balance does not cover an hour, 400 if no machine is available.
        """
        if self.balance() < self._placement.price(body):
            self.faults.trigger("low-balance")
            raise Problem(402, "insufficient balance")  # the text is made up
        lower = any(place != place.upper() for place in body.dataCenterIds)
        never_placed = lower and self.faults.trigger("lower-case-data-center") is not None
        machine = self._placement.place(body, any_case=never_placed)
        self._made += 1
        return Pod(
            seq=self._made,
            config=new_config(body),
            cloud=body.cloud,
            gpu_id=body.gpu.id if body.gpu is not None else "",
            gpu_count=body.gpu.count if body.gpu is not None else 0,
            machine=machine,
            usd_per_hour=self._placement.contract(body),
            start_ssh=body.startSsh,
            jupyter_password=secrets.token_urlsafe(12) if body.startJupyter else None,
            template_id=body.templateId if body.given("templateId") else None,
            cpu=cpu_share(body),
            never_placed=never_placed,
        )

    def admit(self, pod: Pod) -> None:
        """Add a rented pod to the account, and start it."""
        pod.hidden = visibility_delay(self.faults.trigger("invisible-after-create", name=pod.id_and_name))
        self._pods[pod.id] = pod
        self._meters.append(pod.meter)
        self.pod_history.append(pod)
        self._life.begin(pod)

    def drop(self, pod: Pod) -> None:
        """Release the machine of a rented pod that never comes into being."""
        self.stock.give_back(pod.machine, pod.units)

    # Read

    async def read_all(self) -> list[Pod]:
        """Return every pod that a list shows now, in order of creation."""
        return [pod for pod in list(self._pods.values()) if await self._seen(pod)]

    async def read(self, pod_id: str) -> Pod:
        """Return the pod that a get shows now.

        Raises:
            Problem: 404.
        """
        pod = self._pods.get(pod_id)
        if pod is None or not await self._seen(pod):
            raise not_found()
        return pod

    def find(self, pod_id: str) -> Pod:
        """Return the pod for a change, whether reads show it or not.

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
        """Count a read of the pod, and return whether the read shows it."""
        if pod.leaving is not None:
            if pod.leaving.is_over():
                self._forget(pod, "TERMINATED")
                return False
            return True
        if pod.stopping is not None and pod.stopping.is_over():
            pod.stopping = None
            await self._life.stop(pod)
        if pod.hidden is not None:
            if not pod.hidden.is_over():
                return False
            pod.hidden = None
        return True

    # Change

    async def act(self, pod: Pod, action: str) -> None:
        """Start, stop or restart a pod.

        Raises:
            Problem: 409 if the status does not allow it, 400, 409 or 500 if the GPU is rented by someone else.
        """
        if action not in pod.actions or pod.leaving is not None:
            raise conflict(action, pod.status)
        if pod.is_fake:
            raise fake_pod_refusal(pod.id)
        if pod.config.locked and action in ("stop", "restart"):
            raise locked()
        if action == "start":
            self._start(pod)
        elif action == "restart":
            await self._life.restart(pod)
        elif (fault := self.faults.trigger("stop-late", name=pod.id_and_name)) is not None:
            pod.stopping = visibility_delay(fault)
        else:
            await self._life.stop(pod)

    async def change(self, pod: Pod, body: UpdatePod) -> None:
        """Change a pod's settings; most changes recreate a running container.

        Raises:
            Problem: 409 if the pod is locked, 400 if its data centre has no global networking.
        """
        if pod.is_fake:
            raise fake_pod_refusal(pod.id)
        old, new = pod.config, changed_config(pod.config, body)
        if old.locked and new.locked and pod.status == "RUNNING" and resets(old, new):
            raise locked()
        if new.global_networking and not old.global_networking and not self._placement.connected(pod):
            raise no_network()
        pod.config = new
        if resets(old, pod.config) and pod.status == "RUNNING":
            await self._life.restart(pod)
        else:
            self._note(pod)

    async def terminate(self, pod: Pod, shown: dict[str, Any]) -> Fault | None:
        """Terminate a pod, and return the fault that interfered, if any.

        Args:
            shown: the pod as reads show it now, and may continue to show it for a while.
        """
        if (fault := self.faults.trigger("terminate-ignored", name=pod.id_and_name)) is not None:
            return fault
        if pod.leaving is not None:
            return None
        fault = self.faults.trigger("terminate-late", name=pod.id_and_name)
        if fault is not None:
            pod.last_shown = shown if fault.params["shown"] == "before" else None
            pod.leaving = visibility_delay(fault)
        if pod.is_fake:
            pod.status = "TERMINATED"
        else:
            await self._life.end(pod)
        if fault is None:
            self._forget(pod, "TERMINATED")
        return fault

    def lose_host(self, fault: Fault) -> int:
        """Take the hosts of the matching running pods down, and return how many pods that hit."""
        living = [pod for pod in self if pod.status == "RUNNING" and not pod.is_fake]
        running = [pod for pod in living if fault.fits({"pod": pod.id_and_name})]
        hit = [pod for pod in running if not fault.spent and fault.triggers()]
        for pod in hit:
            self._life.lose_host(pod, fault)
        return len(hit)

    def _start(self, pod: Pod) -> None:
        fault = self.faults.trigger("gpu-taken", name=pod.id_and_name)
        if fault is not None or not self._life.start(pod):
            raise Problem(fault.params["status"] if fault else 400, GPU_TAKEN)

    # Housekeeping

    async def watch_balance(self) -> None:
        """Stop or terminate the pods, as the service does, once the balance is spent."""
        while True:
            await asyncio.sleep(_BALANCE_INTERVAL)
            if self.money() > 0:
                continue
            for pod in self:
                if pod.leaving is None and not pod.is_fake:
                    await self._run_out(pod)

    async def _run_out(self, pod: Pod) -> None:
        """Stop a pod whose data is on a network volume, terminate any other, since the balance is spent."""
        if pod.config.network_volume is None:
            _logger.warning("the balance is spent: pod %s ends", pod.id)
            await self._end(pod)
        elif pod.status != "EXITED":
            _logger.warning("the balance is spent: pod %s stops", pod.id)
            await self._life.stop(pod)

    async def close(self) -> None:
        """Terminate every pod, since the sandbox goes down."""
        await self._life.close()
        await asyncio.gather(*(self._end(pod) for pod in self if not pod.is_fake))

    async def _end(self, pod: Pod) -> None:
        """Terminate a pod on the sandbox's own account; what cannot be removed is left to the sweep."""
        try:
            await self._life.end(pod)
        except (PodError, OSError):
            _logger.exception("pod %s could not be terminated properly", pod.id)
        self._forget(pod, "TERMINATED")

    def _vanish(self, pod: Pod, state: str) -> None:
        pod.status = state
        self._forget(pod, state)

    def _forget(self, pod: Pod, state: str) -> None:
        if self._pods.pop(pod.id, None) is not None:
            pod.status = state
            pod.gone_at = time.time()
            if not pod.is_fake:
                self._note(pod)

    def _note(self, pod: Pod) -> None:
        self._ledger.put_pod(pod.ledger_entry())
