# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translate RunPod's JSON to our plain data, and our requests to the bodies of REST v2.

Pure functions; every nested field may be null or absent. Source: the REST v2 description and what clients saw of the
running service.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
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
    PodRequest,
    Reference,
)
from ..._core.values import amount, host_name, identifier, integer, listing, mapping, number, text, to_json
from ..base import TEMPLATE, OwnEnd, Template

#: Refused tries of a pod to end itself before it stops itself instead.
LAST_TRIES = 18


def create_body(request: PodRequest) -> dict[str, Any]:
    """Return the body of a create; it leaves out what is not requested.

    An empty ``args`` was seen to disable the image's own command, data centres are enforced though called preferred,
    and fields that are newer than a service are refused by it. What comes from a template must be left out too, for the
    body wins over it.
    """
    body: dict[str, Any] = {"name": request.name, "env": environment(request), "startSsh": request.start_ssh}
    if request.ports is not None:
        body["ports"] = list(request.ports)
    optional = {
        "image": request.image,
        "disk": request.disk_gb,
        "cloud": request.cloud,
        "dataCenterIds": [region.upper() for region in request.regions],
        "registry": request.registry,
        "args": request.args,
        "templateId": request.template_id,
        "mounts": _mounts_body(request),
        "globalNetworking": request.global_networking,
        "startJupyter": request.start_jupyter,
    }
    body.update({name: value for name, value in optional.items() if value})
    if request.cpu is not None:
        body["cpu"] = {"id": request.cpu.id, "vcpuCount": request.cpu.vcpu_count}
    else:
        body["gpu"] = _gpu_body(request)
    return body


def _gpu_body(request: PodRequest) -> dict[str, Any]:
    """Return the body's part for GPUs.

    The count is always sent: without it the service was seen to say, falsely, that there are no instances.
    """
    body: dict[str, Any] = {"id": request.gpu_id, "count": request.gpu_count}
    optional = {
        "minCudaVersion": request.min_cuda_version,
        "allowedCudaVersions": list(request.cuda_versions),
        "minRamPerGpu": request.min_ram_per_gpu,
        "minVcpuCountPerGpu": request.min_vcpu_count_per_gpu,
    }
    body.update({name: value for name, value in optional.items() if value})
    return body


def environment(request: PodRequest) -> dict[str, str]:
    """Return the environment to send: the requested one, and the keys as ``PUBLIC_KEY``, one a line.

    Explicit keys make SSH independent of the account's, and avoid the literal ``null`` that the service puts there when
    the account has none.
    """
    env = dict(request.env)
    if request.public_keys:
        env["PUBLIC_KEY"] = "\n".join(request.public_keys)
    return env


def own_end(api_url: str) -> OwnEnd:
    """Return how a pod of this service ends itself.

    What a pod's own key may do is not documented, except that the vendor's program in a pod uses it to end that pod. So
    the API is asked, then that program in both its spellings; and after an hour of refusals a stop is tried, which ends
    the bill for the GPU, and the container with whatever could go on trying.
    """
    path = '"/v2/pods/$id'
    return OwnEnd(
        "RUNPOD_API_KEY",
        "RUNPOD_POD_ID",
        api_url.rstrip("/"),
        f'ask DELETE {path}" && return\n'
        "if has runpodctl; then\n"
        "export RUNPOD_API_KEY=$key\n"
        "runpodctl pod delete $id && return\n"
        "runpodctl remove pod $id && return\n"
        "fi\n"
        f'[ $try -gt {LAST_TRIES} ] && ask POST {path}/action" \'{{"action":"stop"}}\'',
    )


def _mounts_body(request: PodRequest) -> dict[str, Any]:
    if request.volume is not None:
        return {"persistent": {"size": request.volume.size_gb, "path": request.volume.path}}
    if request.network_volume is not None:
        return {"network": [{"volumeId": request.network_volume.volume_id, "path": request.network_volume.path}]}
    return {}


def start_command(entrypoint: Sequence[str] | None, cmd: Sequence[str] | None) -> str:
    """Return an entrypoint and a command as ``args``.

    The newer service has fields of these names, which an older one refuses; but it folds them into ``args`` itself, so
    that ``args`` says the same to both. A command alone is its words, quoted as a shell needs them: so the service's
    guide to the change from v1 has it. An entrypoint can only be said in the JSON object that ``args`` may hold.
    """
    if entrypoint:
        return to_json({"entrypoint": list(entrypoint), **({"cmd": list(cmd)} if cmd else {})})
    return shlex.join(cmd or ())


def update_body(changes: Mapping[str, Any], now: Pod) -> dict[str, Any]:
    """Return the body of a PATCH for ``changes`` (keys of ``base.CHANGES``).

    ``env`` replaces the whole map; the entry of a mount must be complete.
    """
    names = {"disk_gb": "disk", "global_networking": "globalNetworking", "template": "templateId"}
    apart = ("volume_size_gb", "mount_path")
    body = {names.get(name, name): value for name, value in changes.items() if name not in apart}
    if "ports" in body:
        body["ports"] = list(body["ports"])
    mount = next(iter(now.mounts), None)
    if mount is not None and any(name in changes for name in apart):
        path = changes.get("mount_path", mount.path)
        if mount.kind == "network":
            body["mounts"] = {"network": [{"volumeId": mount.volume_id, "path": path}]}
        else:
            body["mounts"] = {"persistent": {"size": changes.get("volume_size_gb", mount.size_gb), "path": path}}
    return body


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
    """Return a word of stock as one of AVAILABILITIES."""
    return _LEVELS.get(str(value or "").upper(), "unknown")


def gpu_title(gpu_id: str | None) -> str | None:
    """Return a GPU's id as people call it.

    ``NVIDIA GeForce RTX 4090`` -> ``RTX 4090``, ``NVIDIA  RTX A4500`` -> ``RTX A4500``.
    """
    if not gpu_id:
        return None
    words = [word for word in gpu_id.split() if word.lower() not in ("nvidia", "geforce", "amd")]
    return " ".join(words) or gpu_id


def phase(pod: Mapping[str, Any]) -> str:
    """Return the phase of a pod object.

    RUNNING without telemetry and without an address is still starting: the documentation says that such a pod may not
    be usable yet, and names the filled ``runtime`` as the sign.
    """
    found = _PHASES.get(str(pod.get("status") or "").upper(), UNKNOWN)
    if found == RUNNING and not mapping(pod.get("runtime")) and endpoint(pod) is None:
        return STARTING
    return found


def endpoint(pod: Mapping[str, Any]) -> Endpoint | None:
    """Return where SSH answers directly.

    The proxy route is no use to Ansible: it has neither commands without a terminal nor files.
    """
    direct = mapping(mapping(pod.get("ssh")).get("direct"))
    host, port = host_name(direct.get("host")), integer(direct.get("port"))
    if host is None or not port or str(pod.get("status") or "").upper() != "RUNNING":
        return None
    return Endpoint(host, port, text(direct.get("username")) or "root", "direct")


def mounts(pod: Mapping[str, Any]) -> tuple[Mount, ...]:
    """Return the storage that outlives a stop."""
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
    """Return the processor of a CPU pod; None for a pod with GPUs, of which newer services also give the vCPUs."""
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
    """Read a pod object as a Pod.

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
    """Return a network volume or the credentials of a registry, as a pod names them."""
    name, region = text(raw.get("name")), text(raw.get("dataCenter"))
    size = integer(raw.get("size"))
    return Reference(kind, text(raw.get("id")) or asked, name=name, region=region, size_gb=size)


def template(raw: Mapping[str, Any], asked: str) -> Template:
    """Read a template. Fields that it lacks say nothing, and no ports are known where it has no list of them."""
    ports, disks = raw.get("ports"), mounts(raw)
    return Template(
        kind=TEMPLATE,
        id=text(raw.get("id")) or asked,
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
    """Return True when a refusal's text means that nothing is free; the service has no code for it."""
    return _CAPACITY.search(words) is not None


_CAPACITY = re.compile(
    r"no longer any instances available"
    r"|no instances (currently )?available"
    r"|could not find any pods with required specifications"
    r"|not enough free gpus"
    r"|does not have the resources to deploy",
    re.IGNORECASE,
)
