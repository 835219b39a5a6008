# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating pods: this API's inputs as the body of a REST create, and what only this API can do."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any

from podyard_sandbox.runpod.bodies import CreatePod, Mounts, NetworkMount, PersistentMount
from podyard_sandbox.runpod.cloud import Cloud, machine_facts
from podyard_sandbox.runpod.graphql.machine_filter import CLOUDS, data_centers_of
from podyard_sandbox.runpod.graphql.pods import show_pod
from podyard_sandbox.runpod.pod import Pod
from podyard_sandbox.runpod.problems import Problem, capacity
from podyard_sandbox.runpod.rent import rent
from podyard_sandbox.runpod.stock import MachineRequest
from podyard_sandbox.runpod.validation import parse
from podyard_sandbox.runpod.wire import pod_json
from podyard_sandbox.timestamps import parse_time

_WITHDRAWN = "Spot pods are no longer offered"
_SMALLEST_CPU = "cpu3c-2-4"
_VOLUME_PATH = "/workspace"
# Inputs that REST has under other names; an empty text means "not given".
_SAME = {
    "imageName": "image",
    "dockerArgs": "args",
    "containerDiskInGb": "disk",
    "containerRegistryAuthId": "registry",
    "templateId": "templateId",
    "startSsh": "startSsh",
    "startJupyter": "startJupyter",
}
# The tasks that stop and terminate pods at a given time; the event loop keeps only weak references.
_ending: set[asyncio.Task[None]] = set()


def deploy_fields(cloud: Cloud) -> dict[str, Callable[..., Any]]:
    """Return the resolvers of the mutations that create a pod."""

    def deploy_gpu(_info: Any, input: dict[str, Any]) -> dict[str, Any]:
        count = input.get("gpuCount") or 1
        gpu: dict[str, Any] = {"id": input.get("gpuTypeId") or "", "count": count}
        gpu |= {name: input[name] for name in ("allowedCudaVersions", "minCudaVersion") if input.get(name)}
        for given, name in (("minVcpuCount", "minVcpuCountPerGpu"), ("minMemoryInGb", "minRamPerGpu")):
            if (input.get(given) or 0) > 1:  # a client's "any" is 1
                gpu[name] = math.ceil(input[given] / count)
        return _deploy(cloud, input, {"gpu": gpu})

    def deploy_cpu(_info: Any, input: dict[str, Any]) -> dict[str, Any]:
        flavour, _dash, size = (input.get("instanceId") or _SMALLEST_CPU).partition("-")
        count = size.partition("-")[0]
        if not count.isdecimal():
            raise capacity()
        return _deploy(cloud, input, {"cpu": {"id": flavour, "vcpuCount": int(count)}})

    def refuse_spot(_info: Any, input: dict[str, Any]) -> None:
        raise Problem(400, _WITHDRAWN)

    return {
        "podFindAndDeployOnDemand": deploy_gpu,
        "deployCpuPod": deploy_cpu,
        "podRentInterruptable": refuse_spot,
        "podBidResume": refuse_spot,
    }


def _deploy(cloud: Cloud, given: dict[str, Any], machine: dict[str, Any]) -> dict[str, Any]:
    if not given.get("imageName") and not given.get("templateId"):
        raise Problem(400, "imageName or templateId is required")  # made up
    places = _places(given)
    raw = {
        **settings(given),
        **machine,
        "name": given.get("name") or given.get("imageName") or "pod",
        "dataCenterIds": places,
    }
    body = parse(CreatePod, raw)
    body = body.model_copy(update={"cloud": _cloud(cloud, given, body)})
    if (mounts := _mounts(given)) is not None:
        body = body.model_copy(update={"mounts": mounts})
    try:
        times = {action: parse_time(given[name]) for name, action in _AT.items() if given.get(name)}
    except ValueError as error:
        raise Problem(400, str(error)) from None
    pod = rent(cloud, body, operation="graphql")
    for action, moment in times.items():
        _at(cloud, pod, moment, action)
    return show_pod(cloud, pod)


def settings(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that pods and templates share, under REST's names."""
    raw = {name: given[each] for each, name in _SAME.items() if given.get(each) not in (None, "")}
    if given.get("ports") is not None:
        raw["ports"] = [port.strip() for port in given["ports"].split(",") if port.strip()]
    if given.get("env") is not None:
        raw["env"] = {each["key"]: each["value"] for each in given["env"]}
    return raw


def _mounts(given: dict[str, Any]) -> Mounts | None:
    """Return the storage; this API takes smaller volume disks than REST."""
    path = given.get("volumeMountPath") or _VOLUME_PATH
    if given.get("networkVolumeId"):
        return Mounts(network=[NetworkMount(volumeId=given["networkVolumeId"], path=path)])
    if given.get("volumeInGb"):
        return Mounts.model_construct(persistent=PersistentMount.model_construct(size=given["volumeInGb"], path=path))
    return None


def _places(given: dict[str, Any]) -> list[str]:
    """Return the data centres that match the input; empty if it has no filter.

    Raises:
        Problem: no data centre matches.
    """
    named = [each for each in given.get("dataCenterIds") or () if each]
    if one := given.get("dataCenterId"):
        named = [each for each in named if each == one] if named else [one]
        if not named:
            raise capacity()
    found = data_centers_of(given, named)
    if found == []:
        raise capacity()
    return found or []


def _cloud(cloud: Cloud, given: dict[str, Any], body: CreatePod) -> str:
    """Return the cloud to rent from: with ALL, the first that has a machine left."""
    asked = given.get("cloudType") or "ALL"
    if asked != "ALL":
        return str(asked)
    if given.get("networkVolumeId") or body.gpu is None:
        return "SECURE"
    for name in CLOUDS:
        wanted = MachineRequest(
            body.gpu.id,
            body.gpu.count,
            name,
            data_centers=tuple(body.dataCenterIds),
            cuda_versions=tuple(body.gpu.allowedCudaVersions),
            min_cuda=body.gpu.minCudaVersion or None,
            min_ram=body.gpu.minRamPerGpu,
            min_vcpus=body.gpu.minVcpuCountPerGpu,
        )
        for machine in cloud.stock.fitting(wanted):
            if machine.free >= body.gpu.count and cloud.faults.peek("no-capacity", **machine_facts(machine)) is None:
                return name
    return "SECURE"


# What REST cannot do: stop or terminate at a given time.
_AT = {"stopAfter": "stop", "terminateAfter": "terminate"}


def _at(cloud: Cloud, pod: Pod, moment: float, action: str) -> None:
    loop = asyncio.get_running_loop()

    async def act() -> None:
        with contextlib.suppress(Problem):  # it is gone, or stopped already
            if action == "terminate":
                await cloud.terminate(cloud.find(pod.id), pod_json(pod, cloud.runtime))
            else:
                await cloud.act(cloud.find(pod.id), action)

    def begin() -> None:
        task = loop.create_task(act())
        _ending.add(task)
        task.add_done_callback(_ending.discard)

    loop.call_later(max(0.0, moment - pod.created_at), begin)
