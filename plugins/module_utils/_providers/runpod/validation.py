# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what RunPod is known to refuse or to misunderstand before it costs anything, and read its refusals.

A refusal of a create or of a change is put in the words of our options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..._core import errors
from ..._core.errors import BadRequest
from ..._core.pod import Mount, Pod, PodRequest
from ..._core.public_keys import public_key_problem
from ..._core.units import is_cuda_version
from ..._core.values import to_json
from ..base import OPTIONS as OPTIONS_OF_CHANGES
from . import wire
from .config import LEAST_VOLUME

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
    """Return the error that a refused create stands for. "No capacity" has no code, only its text, and is a 400."""
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
        error.add(advice(words, request))
    return error


def of_update(error: errors.CloudError, changes: Mapping[str, Any]) -> errors.CloudError:
    """Return the error that a refused change stands for."""
    words = error.detail or ""
    if error.status == 422:
        error.add(schema_advice(words))
    if error.status == 404:
        named = " or ".join(f"{name} ({changes[name]})" for name in ("registry", "template") if changes.get(name))
        if named:
            error.add(f"The pod is gone, or the option {named} is wrong.")
    if error.status == 409:
        error.add("A locked pod is changed only after locked: false, a pod of a cluster only with its cluster.")
    if error.status in (400, 413, 422):
        options = sorted(OPTIONS_OF_CHANGES.get(name, name) for name in changes)
        error.add(f"The requested change was: {', '.join(options)}. Nothing was changed.")
    return error


def _hint(words: str, request: PodRequest) -> str:
    """Say what is worth trying first: one text covers every reason why nothing fits."""
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
    return f" The request was: {asked(request)}."


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
        return " The request contained no id: check the address of the API (option api_url)."
    return f" The id is wrong in the option {' or '.join(sent)}: the object was deleted, or belongs to another account."


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
    """Describe the filters of a request, each with its option's name where that is not plain."""
    parts = [request.cpu.describe() if request.cpu is not None else f"{request.gpu_count} x {request.gpu_id}"]
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
    what = request.cpu.describe() if request.cpu is not None else request.gpu_id
    return f" On a create it mostly means that this account may not rent {what}: name others as well."


def _payment(_words: str, _request: PodRequest) -> str:
    return " Top up the account: a pod needs credit for at least one hour."


def _too_large(_words: str, _request: PodRequest) -> str:
    return " Shorten the options env and args, and copy large values to the pod as files."


def _conflict(_words: str, request: PodRequest) -> str:
    return f" The request was: {asked(request)}. Look for pods of that name in the console, then try again."


_ADVICE = {
    400: _bad_request,
    402: _payment,
    403: _forbidden,
    404: _not_found,
    409: _conflict,
    413: _too_large,
    422: _unprocessable,
}


#: The documented number of environment variables, ours included.
MOST_ENV = 50
#: Bytes of a request's body: 100 KiB, beyond which the service answers 413.
MOST_BYTES = 102400
#: Characters of a name in the older service; the newer one does not say.
LONGEST_NAME = 191
#: The documented number of HTTP ports of one pod.
MOST_HTTP_PORTS = 10
#: Number of vCPUs of the smallest CPU pod.
LEAST_VCPUS = 2
_PORT = re.compile(r"^(\d{1,5})/(tcp|http)$")


def check(request: PodRequest, account_key: str) -> None:
    """Raise for the first thing that is wrong. :raises BadRequest: with one sentence."""
    for problem in problems(request, account_key):
        raise BadRequest(f"The pod {request.name} was not rented, since RunPod would refuse it: {problem}")


def problems(request: PodRequest, account_key: str) -> Iterator[str]:
    """Everything that is wrong with the request, as sentences that name the option, its value and a remedy."""
    yield from _shape(request)
    yield from _compute(request)
    yield from _cuda(request)
    yield from _storage(request)
    yield from _ports(request.ports or ())
    if "PUBLIC_KEY" in request.env and request.public_keys:
        yield "SSH keys came both in public_keys and as the variable PUBLIC_KEY of env; give one of them."
    yield from _environment(wire.environment(request), account_key)
    yield from _size(wire.create_body(request))


def check_changes(pod: Pod, changes: Mapping[str, Any], account_key: str) -> None:
    """Check a change in the same way.

    :raises BadRequest: with one sentence.
    """
    for problem in _problems_of_changes(pod, changes, account_key):
        raise BadRequest(f"The pod {pod.label()} was not changed, since RunPod would refuse it: {problem}")


def _problems_of_changes(pod: Pod, changes: Mapping[str, Any], account_key: str) -> Iterator[str]:
    if "name" in changes:
        yield from _name(str(changes["name"]))
    if "disk_gb" in changes:
        yield from _disk(changes["disk_gb"])
    yield from _ports(changes.get("ports") or ())
    if changes.get("global_networking"):
        yield from _networking(pod.gpu_id or "", pod.cpu is not None)
    if "mount_path" in changes:
        yield from _path(changes["mount_path"], "volume.path or network_volume.path")
    if "env" in changes:
        yield from _environment(changes["env"], account_key)
    yield from _size(wire.update_body(changes, pod))


def _name(name: str) -> Iterator[str]:
    if not 1 <= len(name) <= LONGEST_NAME:
        yield f"the option name has {len(name)} characters; give it 1 to {LONGEST_NAME}."


def _disk(disk_gb: int | None) -> Iterator[str]:
    if disk_gb is not None and disk_gb < 1:
        yield f"the option disk is {disk_gb}; give it 1 GB at least."


def _shape(request: PodRequest) -> Iterator[str]:
    yield from _name(request.name)
    if not request.image and not request.template_id:
        yield "it needs an image (option image), or a template that names one (option template)."
    yield from _disk(request.disk_gb)
    if request.cloud not in (None, "SECURE", "COMMUNITY"):
        yield f"the option clouds holds {request.cloud!r}; there are SECURE and COMMUNITY."


def _compute(request: PodRequest) -> Iterator[str]:
    cpu = request.cpu
    if cpu is None:
        if request.gpu_count < 1:
            yield f"the option gpu_count is {request.gpu_count}; ask for 1 GPU at least."
        for option in ("min_ram_per_gpu", "min_vcpu_count_per_gpu"):
            value = getattr(request, option)
            if value is not None and value < 1:
                yield f"the option {option} is {value}; give it 1 at least, or leave it out."
    else:
        count = cpu.vcpu_count
        if count < LEAST_VCPUS or count & (count - 1):
            yield f"the option cpu.vcpu_count is {count}; it is a power of two from {LEAST_VCPUS} on, such as 4."
        for option in ("min_ram_per_gpu", "min_vcpu_count_per_gpu", "min_cuda_version", "cuda_versions"):
            if getattr(request, option):
                yield f"the option {option} is for GPUs, and this is a CPU pod (option cpu); leave it out."
    if request.global_networking:
        yield from _networking(request.gpu_id, cpu is not None)


def _networking(gpu_id: str, cpu: bool) -> Iterator[str]:
    if cpu:
        yield "the option global_networking is true, and a CPU pod (option cpu) cannot have it; leave it out."
    elif gpu_id.upper().startswith("AMD"):
        yield f"the option global_networking is true, and {gpu_id} (option gpus) cannot have it; name an NVIDIA GPU."


def _cuda(request: PodRequest) -> Iterator[str]:
    if request.min_cuda_version and request.cuda_versions:
        yield "the options min_cuda_version and cuda_versions exclude each other; give one of them."
    versions = {"min_cuda_version": (request.min_cuda_version,), "cuda_versions": request.cuda_versions}
    for option, values in versions.items():
        for version in values:
            if version and not is_cuda_version(version):
                yield f"the option {option} holds {version!r}; a CUDA version is written like 12.8, in quotes."


def _storage(request: PodRequest) -> Iterator[str]:
    volume, network = request.volume, request.network_volume
    if volume is not None and network is not None:
        yield "the options volume and network_volume exclude each other; give one of them."
    if volume is not None and request.cpu is not None:
        yield "the option volume is a disk that CPU pods (option cpu) do not have; use a network_volume."
    if volume is not None and (volume.size_gb or 0) < LEAST_VOLUME:
        yield f"the option volume.size is {volume.size_gb}; ask for {LEAST_VOLUME} GB at least."
    if network is not None and not network.volume_id:
        yield "the option network_volume has no id and no name; give one of them."
    if network is not None and request.cloud == "COMMUNITY":
        yield (
            f"the option clouds allows COMMUNITY, and the network volume {network.volume_id} (option network_volume) "
            "can be used in the SECURE cloud only; take COMMUNITY out of clouds."
        )
    yield from _mount(volume, "volume.path")
    yield from _mount(network, "network_volume.path")


def _mount(mount: Mount | None, option: str) -> Iterator[str]:
    if mount is not None:
        yield from _path(mount.path, option)


def _path(path: str | None, option: str) -> Iterator[str]:
    if not (path or "").startswith("/") or path == "/":
        yield f"the option {option} is {path!r}; give an absolute path, such as /workspace."


def _ports(ports: Sequence[str]) -> Iterator[str]:
    for port in ports:
        match = _PORT.fullmatch(port)
        # Above 70000 the service reads the number as a request for a public port that equals the private one.
        if match is None or not 1 <= int(match[1]) <= 99999:
            yield f"the option ports holds {port!r}; a port is written like 22/tcp or 8888/http (udp is not supported)."
    http = sum(port.endswith("/http") for port in ports)
    if http > MOST_HTTP_PORTS:
        yield f"the option ports holds {http} HTTP ports; leave {MOST_HTTP_PORTS} at most, or use tcp for the others."


def _environment(env: Mapping[str, str], account_key: str) -> Iterator[str]:
    if len(env) > MOST_ENV:
        yield (
            f"the option env has {len(env)} environment variables (public_keys takes one); the most is {MOST_ENV}. Put "
            "the others into a file that you copy to the pod."
        )
    for name, value in env.items():
        if not name or "=" in name or "\0" in name + value:
            yield f"the option env holds {name!r}, which cannot be the name of an environment variable; rename it."
        if account_key and account_key in value:
            yield (
                f"the environment variable {name} (option env) holds the account's API key, which no pod may get; "
                "leave it out."
            )
    problem = public_key_problem(line.strip() for line in env.get("PUBLIC_KEY", "").splitlines() if line.strip())
    if problem:
        yield problem


def _size(body: Mapping[str, Any]) -> Iterator[str]:
    size = len(to_json(body).encode())
    if size > MOST_BYTES:
        largest = "args" if len(str(body.get("args", ""))) > MOST_BYTES // 2 else "env"
        yield (
            f"the request has {size} bytes, mostly from the option {largest}; the most is {MOST_BYTES}. Copy large "
            "values to the pod as files."
        )
