# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our plain data -> the bodies that RunPod's REST v2 takes. Pure functions. Private to this collection.

Source: the REST v2 description and what clients saw of the running service.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ..._core.pod import Pod, PodRequest
from ..._core.values import to_json
from ..base import OwnEnd

#: Refused tries of a pod to end itself before it stops itself instead.
LAST_TRIES = 18


def create_body(request: PodRequest) -> dict[str, Any]:
    """The body of a create. What is not asked for is left out: an empty ``args`` was seen to disable the image's own
    command, data centres are enforced though called preferred, and fields that are newer than a service are refused by
    it. What comes from a template must be left out too, for the body wins over it.
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
    """The count is always sent: without it the service was seen to say, falsely, that there are no instances."""
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
    """The environment to send: the asked one and the keys as ``PUBLIC_KEY``, one a line. Explicit keys make SSH
    independent of the account's, and avoid the literal ``null`` that the service puts there when the account has
    none.
    """
    env = dict(request.env)
    if request.public_keys:
        env["PUBLIC_KEY"] = "\n".join(request.public_keys)
    return env


def own_end(api_url: str) -> OwnEnd:
    """What a pod's own key may do is not written anywhere, except that the vendor's program in a pod uses it to end
    that pod. So the API is asked, then that program in both its spellings; and after an hour of refusals a stop is
    tried, which ends the bill for the GPU, and the container with whoever could go on trying.
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
    """An entrypoint and a command as ``args``.

    The newer service has fields of these names, which an older one refuses; but it folds them into ``args`` itself, so
    that ``args`` says the same to both. A command alone is its words, quoted as a shell needs them: so the service's
    guide to the change from v1 has it. An entrypoint can only be said in the JSON object that ``args`` may hold.
    """
    if entrypoint:
        return to_json({"entrypoint": list(entrypoint), **({"cmd": list(cmd)} if cmd else {})})
    return shlex.join(cmd or ())


def update_body(changes: Mapping[str, Any], now: Pod) -> dict[str, Any]:
    """The body of a PATCH for ``changes`` (keys of ``_provider.CHANGES``). ``env`` replaces the whole map; the entry of
    a mount must be complete.
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
