# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Vast.ai is known to refuse or to misunderstand, found before it costs anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..._core.errors import BadRequest
from ..._core.pod import SSH_PORT, Pod, PodRequest
from ..._core.public_keys import public_key_problem
from ..._core.units import usd
from . import wire
from .wire import MOST_SCRIPT

#: Characters of a label: a create takes 256.
LONGEST_NAME = 256
#: Variables and characters of the environment.
MOST_ENV, MOST_ENV_CHARACTERS = 256, 32768
#: Ports beside 22.
MOST_PORTS = 64
#: USD per hour of a bid, for a new pod; a change takes up to 32 for each GPU.
LEAST_BID, MOST_BID, MOST_BID_PER_GPU = 0.001, 128.0, 32.0
_PORT = re.compile(r"^(\d{1,5})/(tcp|udp)$")
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PATH = re.compile(r"/[^\s:]*[^\s:/]")
#: What can be changed of an instance that is there.
CHANGEABLE = ("name", "image", "args", "env", "onstart", "template", "bid")


def check(request: PodRequest, account_key: str) -> None:
    """Raise for the first thing that is wrong. :raises BadRequest: with one sentence."""
    for problem in problems(request, account_key):
        raise BadRequest(f"The pod {request.name} was not rented, since Vast.ai would refuse it: {problem}")


def problems(request: PodRequest, account_key: str) -> Iterator[str]:
    """Everything that is wrong with the request, as sentences that name the option, its value and a remedy."""
    yield from _name(request.name)
    if request.cpu is not None:
        yield "the option cpu asks for a pod without a GPU, and Vast.ai has none; name gpus."
    if not request.image and not request.template_id:
        yield "it needs an image (option image), or a template that names one (option template)."
    if request.disk_gb is not None and request.disk_gb < 1:
        yield f"the option disk is {request.disk_gb}; give it 1 GB at least. It cannot be changed later."
    if request.gpu_count < 1:
        yield f"the option gpu_count is {request.gpu_count}; ask for 1 GPU at least."
    if request.bid is not None:
        yield from _bid(request.bid, MOST_BID)
    if request.global_networking:
        yield "the option global_networking is true, and Vast.ai has no such thing; leave it out."
    if request.volume is not None:
        yield (
            "the option volume is a disk beside the container's own, which Vast.ai does not offer: its own disk "
            "outlives a stop; ask for a larger disk, or make a volume with podyard.gpu.vastai_volume."
        )
    yield from _ports(request)
    yield from _keys(request)
    yield from _environment(request.env, account_key)
    yield from _script(request)
    yield from _docker(request)


def check_changes(pod: Pod, changes: Mapping[str, Any], account_key: str) -> None:
    """Check a change in the same way.

    :raises BadRequest: with one sentence.
    """
    for problem in _problems_of_changes(pod, changes, account_key):
        raise BadRequest(f"The pod {pod.label()} was not changed, since Vast.ai would refuse it: {problem}")


def _problems_of_changes(pod: Pod, changes: Mapping[str, Any], account_key: str) -> Iterator[str]:
    fixed = [name for name in changes if name not in CHANGEABLE]
    if fixed:
        yield (
            f"{', '.join(fixed)} of a pod cannot be changed once it is rented; end it (state absent) and rent another, "
            "or leave the option out."
        )
    if "name" in changes:
        yield from _name(str(changes["name"]))
    if "bid" in changes:
        if pod.interruptible is False:
            yield "it was rented on demand and takes no bid; leave the option bid out."
        yield from _bid(float(changes["bid"]), MOST_BID_PER_GPU * (pod.gpu_count or 1))
    if "env" in changes:
        yield from _environment(changes["env"], account_key)


def _name(name: str) -> Iterator[str]:
    if not 1 <= len(name) <= LONGEST_NAME:
        yield f"the option name has {len(name)} characters; give it 1 to {LONGEST_NAME}."


def _bid(bid: float, most: float) -> Iterator[str]:
    if not LEAST_BID <= bid <= most:
        yield f"the option bid is {bid}; a bid is {usd(LEAST_BID)} to {usd(most)} per hour for the whole pod."


def _ports(request: PodRequest) -> Iterator[str]:
    others = [port for port in request.ports or () if port != SSH_PORT]
    for port in others:
        match = _PORT.fullmatch(port)
        # From 70000 on the number is a request for a public port that equals the private one.
        if match is None or not 1 <= int(match[1]) <= 99999:
            yield f"the option ports holds {port!r}; write a port like 8080/tcp or 8081/udp (http is not supported)."
    if len(others) > MOST_PORTS:
        yield f"the option ports holds {len(others)} ports beside {SSH_PORT}; leave {MOST_PORTS} at most."


def _keys(request: PodRequest) -> Iterator[str]:
    wrong = public_key_problem(request.public_keys)
    if wrong is not None:
        yield wrong


def _environment(env: Mapping[str, str], account_key: str) -> Iterator[str]:
    size = sum(len(name) + len(value) for name, value in env.items())
    if len(env) > MOST_ENV or size > MOST_ENV_CHARACTERS:
        yield (
            f"the option env has {len(env)} variables of {size} characters; the most is {MOST_ENV} and "
            f"{MOST_ENV_CHARACTERS}. Put the others into a file that you copy to the pod."
        )
    for name, value in env.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or "\0" in value:
            yield f"the option env holds {name!r}, which cannot be the name of an environment variable; rename it."
        if account_key and account_key in value:
            yield (
                f"the environment variable {name} (option env) holds the account's API key, which no pod may get; "
                "leave it out."
            )


def _docker(request: PodRequest) -> Iterator[str]:
    extra, mount = request.extra, request.network_volume
    hostname, network = extra.get("hostname"), extra.get("network")
    if hostname is not None and not _HOSTNAME.fullmatch(str(hostname)):
        yield f"the option hostname is {hostname!r}; a host name has letters, digits and hyphens, 63 at most."
    if network is not None and not _NETWORK.fullmatch(str(network)):
        yield f"the option network is {network!r}; give the name of an overlay network, without blanks."
    paths = [mount.path] if mount is not None and mount.path else []
    paths += [str(volume["path"]) for volume in extra.get("more_volumes") or ()]
    for path in paths:
        if not _PATH.fullmatch(path):
            yield f"a volume is to be mounted at {path!r}; give an absolute path without blanks and colons."
    if len(set(paths)) < len(paths):
        yield f"two volumes are to be mounted at one path ({', '.join(paths)}); give each its own."
    if mount is not None and mount.size_gb is not None and mount.size_gb < 1:
        yield f"the option volume.size is {mount.size_gb}; give it 1 GB at least."
    if extra.get("vm") and (mount is not None or network is not None):
        what = "volume" if mount is not None else "network"
        yield f"the options vm and {what} exclude each other: a virtual machine gets neither volumes nor networks."


def _script(request: PodRequest) -> Iterator[str]:
    asked = request.extra.get("runtype")
    has_args = bool(request.args or request.extra.get("args_list"))
    if has_args and asked not in (None, "args"):
        yield (
            f"the options args and runtype={asked} exclude each other, for Vast.ai replaces the image's entrypoint "
            "where it starts an SSH server; use onstart."
        )
    listed = sum(len(str(each)) for each in request.extra.get("args_list") or ())
    size = len(wire.onstart(request)) + len(request.args or "") + listed
    if size > MOST_SCRIPT:
        what = "options args and onstart have" if has_args else "option onstart, with what sets up SSH, has"
        yield f"the {what} {size} characters; the most is {MOST_SCRIPT}. Copy a script to the pod and start that."
