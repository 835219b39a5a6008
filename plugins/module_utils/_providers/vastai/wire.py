# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vast.ai's JSON of an instance -> our plain data. Pure functions; every field may be null or absent. Private to this
collection.

Source: Vast.ai's description of its API, its own command line tool, and what clients saw of the running service.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ..._core import pod as pod_states
from ..._core.errors import BadAnswer
from ..._core.pod import Endpoint, Mount, Pod, PodRequest
from ..._core.values import amount, host_name, identifier, integer, listing, mapping, number, text
from . import bodies

PROVIDER = "vastai"
STOPPED = "stopped"
#: What the host reports of the container -> phases. Null is a contract whose container nobody has reported yet.
_PHASES = {
    "": pod_states.PROVISIONING,
    "loading": pod_states.STARTING,
    "created": pod_states.STARTING,
    "rebooting": pod_states.STARTING,
    "restarting": pod_states.STARTING,
    "recycling": pod_states.STARTING,
    "running": pod_states.RUNNING,
    "stopped": pod_states.STOPPED,
    "exited": pod_states.STOPPED,
    "frozen": pod_states.STOPPED,
    "offline": pod_states.UNKNOWN,
    "unknown": pod_states.UNKNOWN,
}
#: Words of the host that mean that this container will never run; they stand in ``status_msg`` while the status goes on
#: saying that it loads.
_DEAD = re.compile(
    r"manifest .*(not found|unknown)|manifest unknown|pull access denied|repository does not exist|invalid reference"
    r"|OCI runtime create failed|port is already allocated|address already in use|no space left on device"
    r"|failed to create task for container",
    re.IGNORECASE,
)
#: Characters of such words that are shown.
QUOTED = 200
#: Keys of the environment that are no variables but ports, mounts and networks.
_FLAG = re.compile(r"^-[a-z]\b|^--")
_PORT = re.compile(r"^-p\s+(?:\d+:)?(\d+)(?:/(tcp|udp))?$")
#: The runtypes in which Vast.ai starts an SSH server.
_SSH = re.compile(r"ssh|jupyter")


def contract(value: Any) -> str | None:
    """The number of a contract as text; None for what cannot be one."""
    found = identifier(value)
    return found if found is not None and found.isdigit() and int(found) > 0 else None


def word(raw: Mapping[str, Any], key: str) -> str:
    """A word of the state in small letters; empty for null."""
    return (text(raw.get(key)) or "").lower()


def all_stopped(raw: Mapping[str, Any]) -> bool:
    """True when the contract is stopped in every respect: what an outbid or unpaid instance shows, and one of ours that
    was stopped.
    """
    states = [word(raw, key) for key in ("intended_status", "cur_state")]
    return states == [STOPPED, STOPPED] and word(raw, "next_state") in ("", STOPPED)


def never_ran(raw: Mapping[str, Any]) -> bool:
    """True when the contract sits stopped though its container was never reported to run."""
    return all_stopped(raw) and word(raw, "actual_status") in ("", "loading", "created")


def phase(raw: Mapping[str, Any]) -> str:
    """The phase, of what the host reports, what the owner wants, what is allocated, and what the host says in words."""
    actual = word(raw, "actual_status")
    if word(raw, "cur_state") == "unloaded":
        return pod_states.GONE
    if actual in ("", "loading", "created"):
        if _DEAD.search(text(raw.get("status_msg")) or ""):
            return pod_states.FAILED
        # The platform gives up on a start by a wish to stop, for which the host may never find words.
        if word(raw, "intended_status") == STOPPED:
            return pod_states.STOPPED
    if actual == "running" and all_stopped(raw):
        # The contract was stopped, and the host has not reported yet that the container was.
        return pod_states.STOPPED
    return _PHASES.get(actual, pod_states.UNKNOWN)


def raw_status(raw: Mapping[str, Any]) -> str:
    """The provider's own words: what the host reports, where it differs what is wanted, and why it fails."""
    actual = word(raw, "actual_status") or "none yet"
    intended, message = word(raw, "intended_status"), text(raw.get("status_msg"))
    parts = [actual]
    if intended and intended != actual:
        parts.append(f"intended {intended}")
    # Of a pod that has stopped the last success goes on standing there.
    old = message is not None and message.lower().startswith("success")
    if (
        message
        and not old
        and phase(raw) in (pod_states.FAILED, pod_states.PROVISIONING, pod_states.STARTING, pod_states.STOPPED)
    ):
        parts.append(" ".join(message.split())[:QUOTED])
    return ", ".join(parts)


def endpoints(raw: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """Where SSH answers: the machine's own address and mapped port, then the gateway. Never one's host with the other's
    port.

    The gateway's port is one higher in the Jupyter modes, for there the two ports of an instance change places.
    """
    if phase(raw) != pod_states.RUNNING:
        return ()
    found = []
    mapped = listing(mapping(raw.get("ports")).get("22/tcp"))
    host = host_name(raw.get("public_ipaddr"))
    port = next((number_ for each in mapped if (number_ := integer(mapping(each).get("HostPort")))), None)
    if host and port:
        found.append(Endpoint(host, port, "root", "direct"))
    runtype = word(raw, "image_runtype")
    host, port = host_name(raw.get("ssh_host")), integer(raw.get("ssh_port"))
    if host and port and (not runtype or _SSH.search(runtype)):
        found.append(Endpoint(host, port + ("jupyter" in runtype), "root", "proxy"))
    return tuple(found)


def billing(raw: Mapping[str, Any]) -> str:
    """What is billed now: the GPU only while the container runs or is frozen, the disk from the create on, and nothing
    while the host is away.
    """
    found, actual = phase(raw), word(raw, "actual_status")
    if found == pod_states.GONE or actual == "offline":
        return pod_states.BILLS_NOTHING
    # Of a host that is silent for a moment nobody says that it stops billing: better too much told than too little.
    silent = found == pod_states.UNKNOWN and word(raw, "cur_state") == "running"
    return (
        pod_states.BILLS_GPU if found == pod_states.RUNNING or actual == "frozen" or silent else pod_states.BILLS_DISK
    )


def storage_usd_per_hour(raw: Mapping[str, Any]) -> float | None:
    """What the disk costs while the pod is stopped."""
    total = amount(raw.get("storage_total_cost"))
    if total is not None:
        return total
    cost, size = amount(raw.get("storage_cost")), amount(raw.get("disk_space"))
    # The listed cost is for a GB and a month of 720 hours.
    return cost * size / 720 if cost is not None and size is not None else None


def extra_env(raw: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Environment and flags as pairs: a list of pairs on the wire, an object in the vendor's own tool."""
    given = raw.get("extra_env")
    if isinstance(given, dict):
        return [(str(name), str(value)) for name, value in given.items()]
    return [(str(pair[0]), str(pair[1])) for pair in listing(given) if isinstance(pair, list) and len(pair) == 2]


def environment(raw: Mapping[str, Any]) -> dict[str, str]:
    """The variables without the flags for ports, mounts and networks."""
    return {name: value for name, value in extra_env(raw) if not _FLAG.match(name)}


def ports(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The ports that were asked for; 22 is there in every mode in which Vast.ai starts the SSH server."""
    found = []
    runtype = word(raw, "image_runtype")
    if not runtype or _SSH.search(runtype):
        found.append(pod_states.SSH_PORT)
    for name, _value in extra_env(raw):
        match = _PORT.match(name)
        if match:
            found.append(f"{match[1]}/{match[2] or 'tcp'}")
    return tuple(dict.fromkeys(found))


def mounts(raw: Mapping[str, Any]) -> tuple[Mount, ...]:
    """Volumes of the machine. The instance's own disk outlives a stop as well; it is ``disk_gb``."""
    found = []
    given = raw.get("volume_info")
    for entry in [given] if isinstance(given, dict) else listing(given):
        volume = mapping(entry)
        # A volume is known by its number; some answers have it behind ``V.`` as in its name.
        volume_id = (text(volume.get("volume_id") or volume.get("id") or volume.get("name")) or "").rpartition("V.")[2]
        path = text(volume.get("mount_path") or volume.get("path"))
        if volume_id or path:
            found.append(Mount("network", path, integer(volume.get("size")), volume_id or None))
    return tuple(found)


def country(geolocation: Any) -> str | None:
    """The country's two letters in ``Texas, US``."""
    last = (text(geolocation) or "").rpartition(",")[2].strip()
    return last.upper() if len(last) == 2 and last.isalpha() else None


def moment(value: Any) -> str | None:
    """Seconds since 1970 as RFC 3339 UTC text."""
    seconds = number(value)
    if seconds is None or not 0 < seconds < 1e11:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def actions(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """What may be asked for now."""
    allowed = {
        pod_states.RUNNING: ("stop", "restart", "recycle"),
        pod_states.STOPPED: ("start",),
        pod_states.STARTING: ("stop",),
    }
    return (*allowed.get(phase(raw), ()), "terminate") if phase(raw) != pod_states.GONE else ()


def interruption(raw: Mapping[str, Any], *, now: float | None = None) -> str | None:
    """Who took the pod away, as far as the row alone tells; a stop by its owner looks like one for lack of credit, and
    is None here.
    """
    actual, end = word(raw, "actual_status"), number(raw.get("end_date"))
    if actual in ("offline", "unknown"):
        return pod_states.HOST_LOST
    if phase(raw) != pod_states.STOPPED or not all_stopped(raw):
        return None
    if end is not None and end <= (time.time() if now is None else now):
        return pod_states.EXPIRED
    return pod_states.OUTBID if raw.get("is_bid") else None


def utilisation(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """Percentages of the last moment; None without telemetry."""
    gpu, cpu = number(raw.get("gpu_util")), number(raw.get("cpu_util"))
    if gpu is None and cpu is None:
        return None
    used, limit = number(raw.get("mem_usage")), number(raw.get("mem_limit"))
    memory = round(100 * used / limit, 1) if used is not None and limit else None
    return {"gpus": [{"gpu": gpu, "memory": None}], "cpu": cpu, "memory": memory}


def pod(value: Any) -> Pod:
    """An instance as a Pod.

    :raises BadAnswer: when it has no id: nothing can be done with it, and to drop it could hide a pod that costs money.
    """
    raw = mapping(value)
    pod_id = contract(raw.get("id"))
    if pod_id is None:
        raise BadAnswer("Vast.ai sent an instance without an id; its answer cannot be trusted.")
    routes, minutes = endpoints(raw), number(raw.get("uptime_mins"))
    gpu = gpu_name(raw.get("gpu_name"))
    return Pod(
        provider=PROVIDER,
        id=pod_id,
        name=text(raw.get("label")) or "",
        phase=phase(raw),
        raw_status=raw_status(raw),
        gpu=gpu,
        gpu_id=gpu,
        gpu_count=integer(raw.get("num_gpus")),
        usd_per_hour=amount(raw.get("dph_total")),
        region=country(raw.get("geolocation")),
        image=text(raw.get("image_uuid")),
        endpoint=routes[0] if routes else None,
        alternates=routes[1:],
        created_at=moment(raw.get("start_date")),
        actions=actions(raw),
        disk_gb=integer(raw.get("disk_space")),
        ports=ports(raw),
        mounts=mounts(raw),
        cuda_version=text(raw.get("cuda_max_good")),
        uptime=minutes * 60 if minutes is not None else None,
        utilisation=utilisation(raw),
        args=" ".join(str(each) for each in listing(raw.get("image_args"))) or None,
        host=text(raw.get("machine_id")),
        interruptible=bool(raw.get("is_bid")) if raw.get("is_bid") is not None else None,
        billing=billing(raw),
        stopped_usd_per_hour=storage_usd_per_hour(raw),
        interruption=interruption(raw),
        bid=number(raw.get("dph_base")) if raw.get("is_bid") else None,
        template=text(raw.get("template_hash_id")),
        onstart=bodies.own_part(text(raw.get("onstart"))),
        env=environment(raw),
    )


def made(request: PodRequest, pod_id: str) -> Pod:
    """The pod as far as its own create tells."""
    return Pod(
        provider=PROVIDER,
        id=pod_id,
        name=request.name,
        phase=pod_states.PROVISIONING,
        raw_status="none yet",
        gpu=request.gpu or None,
        gpu_id=request.gpu_id or None,
        gpu_count=request.gpu_count,
        region=request.regions[0] if len(request.regions) == 1 else None,
        image=request.image,
        disk_gb=request.disk_gb,
        ports=request.ports or (),
        host=request.host,
        env=request.env,
    )


def gpu_name(value: Any) -> str | None:
    """A GPU as people write it; the query language of the vendor's tool has underscores for blanks."""
    found = text(value)
    return " ".join(found.replace("_", " ").split()) if found else None


def unwrapped(data: Any) -> Mapping[str, Any] | None:
    """The one instance in an answer, None when it says that there is none.

    :raises BadAnswer: when it says neither: that is not the same.
    """
    if isinstance(data, dict) and "instances" in data:
        found = data["instances"]
        if isinstance(found, list):
            found = found[0] if len(found) == 1 else found or None
        if found is None or isinstance(found, dict):
            return found or None
    elif isinstance(data, dict) and data.get("id"):
        return data
    raise BadAnswer("Vast.ai's answer holds no instance and does not say that there is none; it cannot be read.")
