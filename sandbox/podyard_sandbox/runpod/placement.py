# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a pod is placed, and its price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from podyard_sandbox.faults import Fact, Faults
from podyard_sandbox.faults.bad_hosts import placement_spread
from podyard_sandbox.runpod.bodies import CreatePod
from podyard_sandbox.runpod.cpus import CPUS
from podyard_sandbox.runpod.data_centers import DATA_CENTERS
from podyard_sandbox.runpod.gpus import GPUS
from podyard_sandbox.runpod.pod import Pod
from podyard_sandbox.runpod.problems import NO_DISK, Problem, capacity
from podyard_sandbox.runpod.resources import Volumes
from podyard_sandbox.runpod.stock import Machine, MachineRequest, Stock


def machine_facts(machine: Machine) -> dict[str, Fact]:
    """Return the facts by which a fault can select a machine."""
    name = GPUS[machine.gpu_id].name if machine.gpu_id in GPUS else machine.gpu_id
    return {"gpu": (machine.gpu_id, name), "data_center": machine.data_center, "cloud": machine.cloud}


class Placement:
    """Finds machines for new pods."""

    def __init__(self, stock: Stock, faults: Faults, volumes: Volumes) -> None:
        self._stock = stock
        self._faults = faults
        self._volumes = volumes

    def price(self, body: CreatePod) -> float:
        """Return the catalogue's price of the whole pod, USD per hour.

        Raises:
            Problem: 400 if no such machine exists.
        """
        if body.cpu is not None:
            if body.cpu.id not in CPUS:
                raise capacity()
            return CPUS[body.cpu.id].price(body.cpu.vcpuCount)
        gpu = body.gpu
        # A create without gpu.count was seen to get the capacity text, whatever the stock.
        if gpu is None or not gpu.given("count") or gpu.id not in GPUS:
            raise capacity()
        return GPUS[gpu.id].price(body.cloud) * gpu.count

    def connected(self, pod: Pod) -> bool:
        """Return whether the pod's machine has global networking."""
        return pod.cpu is None and DATA_CENTERS[pod.machine.data_center].global_network

    def contract(self, body: CreatePod) -> float:
        """Return the price that the pod is billed at, USD per hour."""
        gpu = GPUS[body.gpu.id] if body.gpu is not None else None
        words: Fact = (gpu.id, gpu.name) if gpu is not None else body.cpu.id if body.cpu is not None else ""
        fault = self._faults.trigger("price-above", gpu=words)
        return round(self.price(body) * (fault.params["factor"] if fault else 1.0), 4)

    def place(self, body: CreatePod, any_case: bool = False) -> Machine:
        """Reserve what the pod needs on a machine.

        Args:
            any_case: accept data centres in lower case, too.

        Raises:
            Problem: 400 if no machine is available.
        """
        wanted = _machine_request(body, any_case)
        homes = {self._volumes.find(mount.volumeId).data_center for mount in body.mounts.network}
        faults = self._faults.on("no-capacity")
        decided: dict[int, bool] = {}  # a create is one match for each fault, however many machines there are

        def refuse(machine: Machine) -> bool:
            if homes and machine.data_center not in homes:
                return True
            if body.globalNetworking and not DATA_CENTERS[machine.data_center].global_network:
                return True
            fitting = [fault for fault in faults if fault.fits(machine_facts(machine))]
            for fault in fitting:
                if fault.number not in decided:
                    decided[fault.number] = fault.triggers()
            return any(decided[fault.number] for fault in fitting)

        spread = placement_spread(self._faults, "runpod")
        machine = self._stock.place(wanted, refuse, spread.rng if spread is not None else None)
        if machine is None:
            raise self._nothing_left(wanted, refuse)
        return machine

    def _nothing_left(self, wanted: MachineRequest, refuse: Callable[[Machine], bool]) -> Problem:
        """Return the refusal; it has its own text if only the disks are too large."""
        others = [machine for machine in self._stock.fitting(replace(wanted, disk=0)) if machine.free >= wanted.count]
        return Problem(400, NO_DISK) if wanted.disk and any(not refuse(machine) for machine in others) else capacity()


def _machine_request(body: CreatePod, any_case: bool) -> MachineRequest:
    places = tuple(place.upper() if any_case else place for place in body.dataCenterIds)
    ordered = body.dataCenterPriority == "custom"
    disk = body.disk + (body.mounts.persistent.size if body.mounts.persistent is not None else 0)
    if body.cpu is not None:
        if not CPUS[body.cpu.id].fits(body.cpu.vcpuCount):
            flavour = CPUS[body.cpu.id]
            raise Problem(  # made up
                400,
                f"cpu.vcpuCount must be a power of two "
                f"from {flavour.min_vcpus} to {flavour.max_vcpus} for {flavour.id}",
            )
        return MachineRequest(body.cpu.id, body.cpu.vcpuCount, body.cloud, places, disk=disk, ordered=ordered)
    gpu = body.gpu
    assert gpu is not None
    return MachineRequest(
        gpu_id=gpu.id,
        count=gpu.count,
        cloud=body.cloud,
        data_centers=places,
        cuda_versions=tuple(gpu.allowedCudaVersions),
        min_cuda=gpu.minCudaVersion if gpu.given("minCudaVersion") else None,
        min_ram=gpu.minRamPerGpu,
        min_vcpus=gpu.minVcpuCountPerGpu,
        disk=disk,
        ordered=ordered,
    )
