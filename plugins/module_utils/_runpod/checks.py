# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What RunPod is known to refuse or to misunderstand, found before it costs anything. Private to this collection."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ansible_collections.podyard.gpu.plugins.module_utils._errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._pod import PodRequest
from ansible_collections.podyard.gpu.plugins.module_utils._runpod import wire

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
_VERSION = re.compile(r"^\d+\.\d+$")
_PORT = re.compile(r"^(\d{1,5})/(tcp|http)$")
_KEY = re.compile(r"^(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/]+=* ?.*$")


def check(request: PodRequest, account_key: str) -> None:
    """Raise for the first thing that is wrong. :raises BadRequest: with one sentence."""
    for problem in problems(request, account_key):
        raise BadRequest(f"The pod {request.name} was not rented, since RunPod would refuse it: {problem}")


def problems(request: PodRequest, account_key: str) -> Iterator[str]:
    """Everything that is wrong with the request, as sentences."""
    yield from _shape(request)
    yield from _cuda(request)
    yield from _storage(request)
    yield from _ports(request)
    yield from _environment(request, account_key)


def _shape(request: PodRequest) -> Iterator[str]:
    if not 1 <= len(request.name) <= LONGEST_NAME:
        yield f"a name has 1 to {LONGEST_NAME} characters, this one has {len(request.name)}."
    if not request.image and not request.template_id:
        yield "it needs an image, or a template that names one."
    if request.gpu_count < 1:
        yield f"the number of GPUs is {request.gpu_count}; the least is 1."
    if request.disk_gb < 1:
        yield f"the disk is {request.disk_gb} GB; the least is 1."
    if request.cloud not in (None, "SECURE", "COMMUNITY"):
        yield f"the cloud is {request.cloud!r}; there are SECURE and COMMUNITY."


def _cuda(request: PodRequest) -> Iterator[str]:
    if request.min_cuda_version and request.cuda_versions:
        yield "a least CUDA version and a list of exact ones exclude each other; give one of them."
    for version in (request.min_cuda_version, *request.cuda_versions):
        if version and not _VERSION.fullmatch(version):
            yield f"a CUDA version is written like 12.8, not {version!r}."


def _storage(request: PodRequest) -> Iterator[str]:
    volume, network = request.volume, request.network_volume
    if volume is not None and network is not None:
        yield "a volume disk and a network volume exclude each other; give one of them."
    if volume is not None and (volume.size_gb or 0) < LEAST_VOLUME:
        yield f"the volume is {volume.size_gb} GB; the least is {LEAST_VOLUME}."
    if network is not None and not network.volume_id:
        yield "the network volume has no id."
    if network is not None and request.cloud == "COMMUNITY":
        yield "network volumes exist in the SECURE cloud only."
    for mount in (volume, network):
        if mount is not None and not (mount.path or "").startswith("/"):
            yield f"a volume is mounted at an absolute path, not at {mount.path!r}."


def _ports(request: PodRequest) -> Iterator[str]:
    for port in request.ports:
        match = _PORT.fullmatch(port)
        # Above 70000 the service takes the number as a wish for a public port that equals the private one.
        if match is None or not 1 <= int(match[1]) <= 99999:
            yield f"a port is written like 22/tcp or 8888/http, not {port!r}."
    if sum(port.endswith("/http") for port in request.ports) > MOST_HTTP_PORTS:
        yield f"a pod has {MOST_HTTP_PORTS} HTTP ports at most."


def _environment(request: PodRequest, account_key: str) -> Iterator[str]:
    if "PUBLIC_KEY" in request.env and request.public_keys:
        yield "SSH keys came both as keys and as the variable PUBLIC_KEY; give one of them."
    env = wire.environment(request)
    if len(env) > MOST_ENV:
        yield f"it has {len(env)} environment variables (SSH keys take one); the most is {MOST_ENV}."
    for name, value in env.items():
        if not name or "=" in name or "\0" in name + value:
            yield f"{name!r} cannot be the name of an environment variable."
        if account_key and account_key in value:
            yield f"the environment variable {name} holds the account's API key, which no pod may get."
    for line in env.get("PUBLIC_KEY", "").splitlines():
        if line.strip() and not _KEY.fullmatch(line.strip()):
            yield f"this is no public SSH key: {line.strip()[:30]!r} (a key begins with its type, like ssh-ed25519)."
    size = len(json.dumps(wire.create_body(request)).encode())
    if size > MOST_BYTES:
        yield f"the request has {size} bytes, mostly of its environment; the most is {MOST_BYTES}."
