# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What RunPod's refusals of a create and of a change mean, in the words of our options. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..._core import errors
from ..._core.pod import PodRequest
from ..base import OPTIONS as OPTIONS_OF_CHANGES
from . import wire

#: The wire's names of fields -> the options of runpod_pod that they come from.
OPTIONS: Mapping[str, str] = {
    "name": "name",
    "image": "image",
    "args": "args",
    "disk": "disk",
    "ports": "ports",
    "env": "env",
    "registry": "registry",
    "cloud": "clouds",
    "gpu": "gpus",
    "id": "gpus",
    "count": "gpu_count",
    "cpu": "cpu",
    "vcpuCount": "cpu.vcpu_count",
    "dataCenterIds": "data_centers",
    "minCudaVersion": "min_cuda_version",
    "allowedCudaVersions": "cuda_versions",
    "minRamPerGpu": "min_ram_per_gpu",
    "minVcpuCountPerGpu": "min_vcpu_count_per_gpu",
    "globalNetworking": "global_networking",
    "mounts": "volume or network_volume",
    "persistent": "volume",
    "network": "network_volume",
    "volumeId": "network_volume",
    "startSsh": "start_ssh",
    "startJupyter": "start_jupyter",
    "templateId": "template",
    "locked": "locked",
}
_DISK = re.compile(r"enough disk space", re.IGNORECASE)
_BETWEEN_SERVICES = re.compile(r"is not defined by type|Cannot query field", re.IGNORECASE)
#: An error of a schema: ``$.gpu: additional properties 'a', 'b' not allowed``. Newer ones put a path before the text.
_ENTRY = re.compile(r"\$(?P<path>[\w.\[\]]*): (?P<text>[^;]*)")
_QUOTED = re.compile(r"'([^']+)'")


def of_create(error: errors.CloudError, request: PodRequest) -> errors.CloudError:
    """The error that a refused create stands for. "No capacity" has no code, only its text, and comes as a 400."""
    words = error.detail or ""
    if error.status == 400 and wire.error_is_capacity(words):
        return errors.NoCapacity(
            f"{error.message} The filters of this try were: {asked(request)}.{_hint(words, request)}",
            status=error.status,
            request_id=error.request_id,
            detail=error.detail,
        )
    if error.status == 400:
        error.elsewhere = "once"
    advice = _ADVICE.get(error.status or 0)
    if advice is not None:
        error.message += advice(words, request)
    error.args = (error.message,)
    return error


def of_update(error: errors.CloudError, changes: Mapping[str, Any]) -> errors.CloudError:
    """The same for a change."""
    words = error.detail or ""
    if error.status == 422:
        error.message += schema_advice(words)
    if error.status == 404:
        named = " or ".join(f"{name} ({changes[name]})" for name in ("registry", "template") if changes.get(name))
        error.message += f" The pod is gone, or the option {named} is wrong." if named else ""
    if error.status == 409:
        error.message += " A locked pod is changed only after locked: false, a pod of a cluster only with its cluster."
    if error.status in (400, 413, 422):
        options = sorted(OPTIONS_OF_CHANGES.get(name, name) for name in changes)
        error.message += f" It was to change: {', '.join(options)}. Nothing was changed."
    error.args = (error.message,)
    return error


def _hint(words: str, request: PodRequest) -> str:
    """What is worth trying first, for one text covers every reason why nothing fits."""
    if _DISK.search(words):
        return " Ask for a smaller disk or volume.size, or for another GPU: its hosts may have more room."
    hints = []
    if request.regions:
        hints.append("data_centers is kept strictly: name more of them")
    if request.cuda_versions:
        hints.append("cuda_versions must match exactly: min_cuda_version finds more hosts")
    if request.min_ram_per_gpu or request.min_vcpu_count_per_gpu:
        hints.append("lower min_ram_per_gpu or min_vcpu_count_per_gpu")
    return f" If the console shows stock: {'; '.join(hints)}." if hints else ""


def _bad_request(words: str, request: PodRequest) -> str:
    if _BETWEEN_SERVICES.search(words):
        return " That is a fault between RunPod's own services, not in any option: try again later, and tell RunPod."
    return f" It was asked for: {asked(request)}."


def _not_found(_words: str, request: PodRequest) -> str:
    """Which ids were sent: one of them is wrong."""
    sent = []
    if request.network_volume is not None:
        sent.append(f"network_volume ({request.network_volume.volume_id})")
    if request.template_id:
        sent.append(f"template ({request.template_id})")
    if request.registry:
        sent.append(f"registry ({request.registry})")
    if not sent:
        return " No id was sent that could be wrong: is the address of the API right (option api_url)?"
    return f" Wrong is the id in the option {' or '.join(sent)}: it was deleted, or is another account's."


def _unprocessable(words: str, request: PodRequest) -> str:
    found = schema_advice(words)
    if found:
        return found
    image = f"image ({request.image})" if request.image else ""
    template = f"template ({request.template_id})" if request.template_id else ""
    options = " and ".join(option for option in (image, template) if option)
    return f" Check the option {options}: the name and tag of the image, and the right to pull it (option registry)."


def schema_advice(words: str) -> str:
    """Options for the fields that the schema does not take; empty where the text is not the schema's."""
    entries = list(_ENTRY.finditer(words))
    missing = [entry for entry in entries if "missing propert" in entry["text"]]
    # With a field missing, a composed schema also calls all the valid ones not allowed.
    told = []
    for entry in missing or entries:
        unknown = "not allowed" in entry["text"]
        path = [part for part in re.split(r"[.\[\]\d]+", entry["path"]) if part]
        names = _QUOTED.findall(entry["text"]) if unknown or missing else path[-1:]
        for name in names:
            option = OPTIONS.get(name, name)
            if missing:
                told.append(f"the option {option} is needed")
            elif unknown:
                told.append(f"this service does not know {name}: leave the option {option} out")
            else:
                told.append(f"the value of the option {option} is not allowed")
    return f" That is: {'; '.join(dict.fromkeys(told))}." if told else ""


def asked(request: PodRequest) -> str:
    """The filters of a request in words, each with its option's name where that is not plain."""
    parts = [request.cpu.words() if request.cpu is not None else f"{request.gpu_count} x {request.gpu_id}"]
    parts.append(f"cloud {request.cloud or 'SECURE'}")
    parts.append(f"disk {request.disk_gb} GB" if request.disk_gb is not None else "disk as in the template")
    parts.append(f"data centres {', '.join(request.regions) or 'any'}")
    if request.min_cuda_version:
        parts.append(f"CUDA {request.min_cuda_version} or later")
    if request.cuda_versions:
        parts.append("CUDA exactly " + " or ".join(request.cuda_versions))
    if request.min_ram_per_gpu:
        parts.append(f"{request.min_ram_per_gpu} GB of memory per GPU")
    if request.min_vcpu_count_per_gpu:
        parts.append(f"{request.min_vcpu_count_per_gpu} vCPUs per GPU")
    if request.volume is not None:
        parts.append(f"volume {request.volume.size_gb} GB")
    if request.network_volume is not None:
        parts.append(f"network volume {request.network_volume.volume_id}")
    if request.global_networking:
        parts.append("global networking")
    return "; ".join(parts)


def _forbidden(_words: str, request: PodRequest) -> str:
    what = request.cpu.words() if request.cpu is not None else request.gpu_id
    return f" On a create it mostly means that this account may not rent {what}: name others as well."


def _payment(_words: str, _request: PodRequest) -> str:
    return " Top up the account: a pod needs credit for at least one hour."


def _too_large(_words: str, _request: PodRequest) -> str:
    return " Shorten the options env and args, and copy large values to the pod as files."


def _conflict(_words: str, request: PodRequest) -> str:
    return f" It was asked for: {asked(request)}. Look for pods of that name in the console, then try again."


_ADVICE = {
    400: _bad_request,
    402: _payment,
    403: _forbidden,
    404: _not_found,
    409: _conflict,
    413: _too_large,
    422: _unprocessable,
}
