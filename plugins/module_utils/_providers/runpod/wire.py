# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's JSON <-> our plain data. Pure functions; every nested field may be null or absent. Private to this
collection.

Source: the REST v2 description and what clients saw of the running service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..._core.errors import BadAnswer
from ..._core.pod import (
    FAILED,
    GONE,
    PROVISIONING,
    RUNNING,
    STARTING,
    STOPPED,
    UNKNOWN,
    Cpu,
    Endpoint,
    Mount,
    Pod,
    Reference,
)
from ..._core.values import amount, host_name, identifier, integer, listing, mapping, number, text
from ..base import TEMPLATE, Template

PROVIDER = "runpod"
#: Observed states -> phases. RUNNING is refined in ``phase``.
_PHASES = {
    "PROVISIONING": PROVISIONING,
    "STARTING": STARTING,
    "RUNNING": RUNNING,
    "EXITED": STOPPED,
    "ERROR": FAILED,
    "TERMINATED": GONE,
}
#: Words of the catalogue; capitals in v2, mixed case in older services.
_LEVELS = {"HIGH": "high", "MEDIUM": "medium", "LOW": "low", "NONE": "none"}


def level(value: Any) -> str:
    """A word of stock as one of AVAILABILITIES."""
    return _LEVELS.get(str(value or "").upper(), "unknown")


def gpu_title(gpu_id: str | None) -> str | None:
    """A GPU's id as people call it: ``NVIDIA GeForce RTX 4090`` -> ``RTX 4090``, ``NVIDIA  RTX A4500`` -> ``RTX
    A4500``.
    """
    if not gpu_id:
        return None
    words = [word for word in gpu_id.split() if word.lower() not in ("nvidia", "geforce", "amd")]
    return " ".join(words) or gpu_id


def phase(pod: Mapping[str, Any]) -> str:
    """The phase of a pod object. RUNNING without telemetry and without an address is still starting: the
    documentation
    says that such a pod may not be usable yet, and names the filled ``runtime`` as the sign.
    """
    found = _PHASES.get(str(pod.get("status") or "").upper(), UNKNOWN)
    if found == RUNNING and not mapping(pod.get("runtime")) and endpoint(pod) is None:
        return STARTING
    return found


def endpoint(pod: Mapping[str, Any]) -> Endpoint | None:
    """Where SSH answers directly. The proxy route is no use to Ansible: it has neither commands without a terminal
    nor
    files.
    """
    direct = mapping(mapping(pod.get("ssh")).get("direct"))
    host, port = host_name(direct.get("host")), integer(direct.get("port"))
    if host is None or not port or str(pod.get("status") or "").upper() != "RUNNING":
        return None
    return Endpoint(host, port, text(direct.get("username")) or "root", "direct")


def mounts(pod: Mapping[str, Any]) -> tuple[Mount, ...]:
    """The storage that outlives a stop."""
    found = []
    value = mapping(pod.get("mounts"))
    persistent = mapping(value.get("persistent"))
    if persistent:
        found.append(Mount("disk", text(persistent.get("path")), integer(persistent.get("size"))))
    for entry in listing(value.get("network")):
        volume = mapping(entry)
        found.append(
            Mount("network", text(volume.get("path")), integer(volume.get("size")), text(volume.get("volumeId")))
        )
    return tuple(found)


def cpu(pod: Mapping[str, Any]) -> Cpu | None:
    """The processor of a CPU pod; None for a pod with GPUs, of which newer services also tell the vCPUs."""
    value = mapping(pod.get("cpu"))
    flavour, count = text(value.get("id")), integer(value.get("vcpuCount"))
    if flavour is None or count is None:
        return None
    return Cpu(flavour, count, number(value.get("memory")))


def utilisation(runtime: Mapping[str, Any]) -> dict[str, Any] | None:
    """Percentages of the last moment: {"gpus": [{"gpu", "memory"}], "cpu", "memory"}; None without telemetry."""
    if not runtime:
        return None
    gpus = [mapping(gpu) for gpu in listing(runtime.get("gpus"))]
    return {
        "gpus": [{"gpu": number(gpu.get("util")), "memory": number(gpu.get("memoryUtil"))} for gpu in gpus],
        "cpu": number(mapping(runtime.get("cpu")).get("util")),
        "memory": number(mapping(runtime.get("memory")).get("util")),
    }


def pod(value: Any) -> Pod:
    """A pod object as a Pod.

    :raises BadAnswer: when it has no id: nothing can be done with it, and to drop it could hide a pod that costs money.
    """
    raw = mapping(value)
    pod_id = identifier(raw.get("id"))
    if pod_id is None:
        raise BadAnswer("RunPod sent a pod without an id; its answer cannot be trusted.")
    gpu, runtime = mapping(raw.get("gpu")), mapping(raw.get("runtime"))
    networking = mapping(raw.get("globalNetworking"))
    env = raw.get("env")
    return Pod(
        provider=PROVIDER,
        id=pod_id,
        name=text(raw.get("name")) or "",
        phase=phase(raw),
        raw_status=text(raw.get("status")),
        gpu=gpu_title(text(gpu.get("id"))),
        gpu_id=text(gpu.get("id")),
        gpu_count=integer(gpu.get("count")),
        usd_per_hour=amount(raw.get("cost")),
        region=text(raw.get("dataCenterId")),
        cloud=text(raw.get("cloud")),
        image=text(raw.get("image")),
        endpoint=endpoint(raw),
        created_at=text(raw.get("createdAt")),
        started_at=text(raw.get("startedAt")),
        actions=tuple(str(action) for action in listing(raw.get("actions"))),
        disk_gb=integer(raw.get("disk")),
        ports=tuple(str(port) for port in listing(raw.get("ports"))),
        mounts=mounts(raw),
        cuda_version=text(raw.get("cudaVersion")),
        uptime=number(runtime.get("uptime")),
        utilisation=utilisation(runtime),
        args=text(raw.get("args")),
        registry=text(raw.get("registry")),
        locked=bool(raw.get("locked")),
        cpu=cpu(raw),
        global_networking=bool(networking.get("enabled")) if networking else None,
        internal_host=text(networking.get("internalDns")),
        env={str(name): str(value) for name, value in mapping(env).items()},
    )


def reference(kind: str, raw: Mapping[str, Any], asked: str) -> Reference:
    """A network volume or the credentials of a registry, as a pod names them."""
    name, region = text(raw.get("name")), text(raw.get("dataCenter"))
    size = integer(raw.get("size"))
    return Reference(kind, text(raw.get("id")) or asked, name=name, region=region, size_gb=size)


def template(raw: Mapping[str, Any], asked: str) -> Template:
    """A template; fields that it does not have say nothing, and no ports are known where it has no list of them."""
    ports, disks = raw.get("ports"), mounts(raw)
    return Template(
        TEMPLATE,
        text(raw.get("id")) or asked,
        name=text(raw.get("name")),
        image=text(raw.get("image")),
        ports=tuple(str(port) for port in ports) if isinstance(ports, list) else None,
        args=text(raw.get("args")),
        disk_gb=integer(raw.get("disk")),
        registry=text(raw.get("registry")),
        volume=disks[0] if disks else None,
        env={str(name): str(value) for name, value in mapping(raw.get("env")).items()},
    )


def error_is_capacity(words: str) -> bool:
    """True when a refusal's text means that nothing is free; the service has no code for it."""
    return _CAPACITY.search(words) is not None


_CAPACITY = re.compile(
    r"no longer any instances available"
    r"|no instances (currently )?available"
    r"|could not find any pods with required specifications"
    r"|not enough free gpus"
    r"|does not have the resources to deploy",
    re.IGNORECASE,
)
