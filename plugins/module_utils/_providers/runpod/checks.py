# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What RunPod is known to refuse or to misunderstand, found before it costs anything. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..._core.errors import BadRequest
from ..._core.pod import Mount, Pod, PodRequest
from ..._core.values import to_json
from . import bodies

#: The documented number of environment variables, ours included.
MOST_ENV = 50
#: Bytes of a request's body: 100 KiB, beyond which the service answers 413.
MOST_BYTES = 102400
#: Characters of a name in the older service; the newer one does not say.
LONGEST_NAME = 191
#: The documented number of HTTP ports of one pod.
MOST_HTTP_PORTS = 10
#: GB of the smallest volume disk.
LEAST_VOLUME = 10
#: Number of vCPUs of the smallest CPU pod.
LEAST_VCPUS = 2
_VERSION = re.compile(r"^\d+\.\d+$")
_PORT = re.compile(r"^(\d{1,5})/(tcp|http)$")
_KEY = re.compile(r"^(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/]+=* ?.*$")


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
    yield from _environment(bodies.environment(request), account_key)
    yield from _size(bodies.create_body(request))


def check_changes(pod: Pod, changes: Mapping[str, Any], account_key: str) -> None:
    """The same for a change. :raises BadRequest: with one sentence."""
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
    yield from _size(bodies.update_body(changes, pod))


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
            if version and not _VERSION.fullmatch(version):
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
        # Above 70000 the service takes the number as a wish for a public port that equals the private one.
        if match is None or not 1 <= int(match[1]) <= 99999:
            yield f"the option ports holds {port!r}; a port is written like 22/tcp or 8888/http (there is no udp)."
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
    for line in env.get("PUBLIC_KEY", "").splitlines():
        if line.strip() and not _KEY.fullmatch(line.strip()):
            yield (
                f"the option public_keys holds what is no public SSH key: {line.strip()[:30]!r}; give the content of a "
                ".pub file, which begins with the key's type, like ssh-ed25519."
            )


def _size(body: Mapping[str, Any]) -> Iterator[str]:
    size = len(to_json(body).encode())
    if size > MOST_BYTES:
        largest = "args" if len(str(body.get("args", ""))) > MOST_BYTES // 2 else "env"
        yield (
            f"the request has {size} bytes, mostly from the option {largest}; the most is {MOST_BYTES}. Copy large "
            "values to the pod as files."
        )
