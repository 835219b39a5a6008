# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translate Vast.ai's JSON of an instance to our plain data, and our requests to its bodies and start script.

Pure functions; every field may be null or absent. Source: Vast.ai's description of its API, its own command line tool,
and what clients saw of the running service.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..._core import pod as pod_states
from ..._core.errors import BadAnswer
from ..._core.pod import SSH_PORT, Endpoint, Mount, Pod, PodRequest
from ..._core.times import rfc3339
from ..._core.values import amount, docker_port, host_name, identifier, integer, listing, mapping, number, text
from ..base import OwnEnd

#: Our words for how a pod is reached -> the service's. Those of the direct modes lack their last letter there.
RUNTYPES: Mapping[str, str] = {
    "direct": "ssh_direc ssh_proxy",
    "proxy": "ssh_proxy",
    "jupyter": "jupyter_direc ssh_direc ssh_proxy",
    "jupyter_proxy": "jupyter_proxy ssh_proxy",
    "args": "args",
}
#: What only this provider knows and passes on as it is: our option -> the wire's field.
PLAIN: Mapping[str, str] = {
    "user": "user",
    "vm": "vm",
    "use_jupyter_lab": "use_jupyter_lab",
    "jupyter_dir": "jupyter_dir",
    "python_utf8": "python_utf8",
    "lang_utf8": "lang_utf8",
    "force": "force",
    "extra": "extra",
}
#: Characters of arguments and start script together. Three different limits are documented; this is below all.
MOST_SCRIPT = 4000
WORKSPACE = "/workspace"
#: Refused tries of a pod to end itself before it stops itself instead.
LAST_TRIES = 18
#: What a session of SSH takes its variables from.
ENVIRONMENT = "/etc/environment"
#: Divides, in the script of an instance, what this collection needs from what the user wants.
MARK = "# podyard: the user's own part"


def create_body(
    request: PodRequest, place: int | None = None, mounts: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the body of a create. A contract that cannot start at once is refused: it would bill its disk.

    :param place: where a new volume goes: the number of the offer of disk at the same machine.
    :param mounts: flags for more volumes than one.
    """
    extra = request.extra
    body: dict[str, Any] = {
        "client_id": "me",
        "label": request.name,
        "runtype": runtype(request),
        "target_state": extra.get("target_state") or "running",
        "cancel_unavail": True,
        "env": {**environment_and_flags(request), **(mounts or {})},
        "onstart": onstart(request),
    }
    optional = {
        "image": request.image,
        "disk": request.disk_gb,
        "template_hash_id": request.template_id,
        "price": request.bid,
        "args_str": request.args,
        "args": list(extra.get("args_list") or ()) or None,
        "image_login": image_login(extra.get("registry_login")),
        "volume_info": volume_info(request, place),
        **{field: extra.get(option) for option, field in PLAIN.items()},
    }
    body.update({name: value for name, value in optional.items() if value not in (None, "", {}, False)})
    return body


def runtype(request: PodRequest) -> str:
    """How the container is started, and by which ways SSH reaches it. Arguments for an entrypoint exclude SSH."""
    asked = request.extra.get("runtype")
    if asked is None:
        asked = "args" if request.args or request.extra.get("args_list") else "direct"
    return RUNTYPES[asked]


def environment_and_flags(request: PodRequest) -> dict[str, str]:
    """Return variables, and ports, host name and network as flags.

    The service takes all in one object, and a string of flags was seen to be ignored.
    """
    env = dict(request.env)
    env.update({docker_port(port): "1" for port in request.ports or () if port != SSH_PORT})
    if request.extra.get("hostname"):
        env["-h"] = str(request.extra["hostname"])
    if request.extra.get("network"):
        env[f"-n {request.extra['network']}"] = "1"
    if runtype(request) == RUNTYPES["args"] and request.public_keys:
        # No keys are installed there; images made for other clouds read them from these.
        env.setdefault("PUBLIC_KEY", "\n".join(request.public_keys))
        env.setdefault("SSH_PUBLIC_KEY", env["PUBLIC_KEY"])
    return env


def onstart(request: PodRequest) -> str:
    """Return what the container runs at each start.

    That is our own first words where there is room for them, keys, no tmux at login, a place to work in, the variables
    for SSH sessions, then the user's own text.

    It runs again after every stop, so nothing in it may add up. Keys are quoted once: a key that was quoted twice was
    seen in the file and was refused.
    """
    if runtype(request) == RUNTYPES["args"]:
        return request.onstart or ""
    lines = ["touch ~/.no_auto_tmux", f"mkdir -p {WORKSPACE}"]
    if request.public_keys:
        lines += install_keys(request.public_keys)
    # Variables are seen by this script and not by SSH sessions, unless they stand here.
    lines.append(f"grep -qs ^CONTAINER_ID= {ENVIRONMENT} || env >> {ENVIRONMENT}")
    text = with_own_part("\n".join(lines), request.onstart)
    more = f"{request.boot}\n{text}" if request.boot else text
    return more if len(more) + len(request.args or "") <= MOST_SCRIPT else text


def own_part(script: str | None) -> str | None:
    """Return the user's part of a script; a script that is none of ours is the user's as a whole."""
    if script is None or MARK not in script:
        return None if script is not None and script.endswith(f">> {ENVIRONMENT}") else script
    return script.partition(f"{MARK}\n")[2]


def with_own_part(script: str | None, own: str | None) -> str:
    """Return a script of ours with another part of the user's."""
    ours = (script or "").partition(f"\n{MARK}\n")[0]
    return f"{ours}\n{MARK}\n{own}" if own else ours


def install_keys(keys: Sequence[str]) -> list[str]:
    """Shell lines that put keys into authorized_keys once, with the rights that sshd insists on."""
    lines = ["mkdir -p ~/.ssh", "touch ~/.ssh/authorized_keys"]
    quoted = " ".join(shlex.quote(" ".join(key.split())) for key in keys)
    add = 'grep -qxF "$key" ~/.ssh/authorized_keys || echo "$key" >> ~/.ssh/authorized_keys'
    lines.append(f"for key in {quoted}; do {add}; done")
    return [*lines, "chown -R $(id -u):$(id -g) ~/.ssh", "chmod 700 ~/.ssh", "chmod 600 ~/.ssh/authorized_keys"]


def own_end(api_url: str) -> OwnEnd:
    """Return how an instance ends itself: its container's own key may start, stop and destroy it.

    A stop, after an hour of refusals, would at least end the bill for the GPU; it ends the container as well, so that
    nothing would go on trying afterwards.
    """
    path = '"/api/v0/instances/$id/"'
    stop = f'{{ [ $try -gt {LAST_TRIES} ] && ask PUT {path} \'{{"state":"stopped"}}\'; }}'
    return OwnEnd("CONTAINER_API_KEY", "CONTAINER_ID", api_url.rstrip("/"), f"ask DELETE {path} {{}} || {stop}")


def image_login(login: Any) -> str | None:
    """Credentials of a registry as the service wants them."""
    if not login:
        return None
    server = login.get("server") or "docker.io"
    return f"-u {login['username']} -p {login['password']} {server}"


def volume_info(request: PodRequest, place: int | None = None) -> dict[str, Any] | None:
    """Return the volume of the machine: one that exists already, or a new one."""
    mount = request.network_volume
    if mount is None:
        return None
    path = mount.path or WORKSPACE
    if mount.volume_id:
        number = int(mount.volume_id) if mount.volume_id.isdigit() else mount.volume_id
        return {"create_new": False, "volume_id": number, "mount_path": path}
    if place is None:
        return None
    size = mount.size_gb
    return {"create_new": True, "volume_id": place, "size": size, "mount_path": path, "name": volume_name(request)}


def volume_name(request: PodRequest) -> str:
    """Return the name of a new volume: as the user says, else like its pod."""
    return str(request.extra.get("volume_name") or request.name)


def secrets(request: PodRequest) -> list[str]:
    """Values that no message may repeat."""
    login = request.extra.get("registry_login") or {}
    password = login.get("password")
    return [*(value for value in request.env.values() if len(value) > 5), *([str(password)] if password else [])]


PROVIDER = "vastai"
STOPPED = "stopped"
#: What the host reports of the container -> phases. Null is a contract whose container has not been reported yet.
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
#: Keys of the environment that are not variables but ports, mounts and networks.
_FLAG = re.compile(r"^-[a-z]\b|^--")
_PORT = re.compile(r"^-p\s+(?:\d+:)?(\d+)(?:/(tcp|udp))?$")
#: The runtypes in which Vast.ai starts an SSH server.
_SSH = re.compile(r"ssh|jupyter")


def contract(value: Any) -> str | None:
    """Return the number of a contract as text; None for what cannot be one."""
    found = identifier(value)
    return found if found is not None and found.isdigit() and int(found) > 0 else None


def word(raw: Mapping[str, Any], key: str) -> str:
    """Return a word of the state in small letters; empty for null."""
    return (text(raw.get(key)) or "").lower()


def all_stopped(raw: Mapping[str, Any]) -> bool:
    """Return True when the contract is stopped in every respect.

    An outbid or unpaid instance shows that, and one of ours that was stopped.
    """
    states = [word(raw, key) for key in ("intended_status", "cur_state")]
    return states == [STOPPED, STOPPED] and word(raw, "next_state") in ("", STOPPED)


def never_ran(raw: Mapping[str, Any]) -> bool:
    """Return True when the contract sits stopped though its container was never reported to run."""
    return all_stopped(raw) and word(raw, "actual_status") in ("", "loading", "created")


def phase(raw: Mapping[str, Any]) -> str:
    """Return the phase.

    It follows from what the host reports, what the owner intends, what is allocated, and what the host says in words.
    """
    actual = word(raw, "actual_status")
    if word(raw, "cur_state") == "unloaded":
        return pod_states.GONE
    if actual in ("", "loading", "created"):
        if _DEAD.search(text(raw.get("status_msg")) or ""):
            return pod_states.FAILED
        # The platform gives up on a start by intending a stop, for which the host may never find words.
        if word(raw, "intended_status") == STOPPED:
            return pod_states.STOPPED
    if actual == "running" and all_stopped(raw):
        # The contract was stopped, and the host did not report the container's stop yet.
        return pod_states.STOPPED
    return _PHASES.get(actual, pod_states.UNKNOWN)


def raw_status(raw: Mapping[str, Any]) -> str:
    """Return the provider's own words: what the host reports, the intended state where it differs, and why it fails."""
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
    """Return where SSH answers: the machine's own address and mapped port, then the gateway.

    One's host is never combined with the other's port. The gateway's port is one higher in the Jupyter modes, for there
    the two ports of an instance change places.
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
    """Return what is billed now.

    The GPU bills only while the container runs or is frozen, the disk from the create on, and nothing while the host is
    away.
    """
    found, actual = phase(raw), word(raw, "actual_status")
    if found == pod_states.GONE or actual == "offline":
        return pod_states.BILLS_NOTHING
    # Whether a host that is silent for a moment bills is not documented: better to show too much than too little.
    silent = found == pod_states.UNKNOWN and word(raw, "cur_state") == "running"
    return (
        pod_states.BILLS_GPU if found == pod_states.RUNNING or actual == "frozen" or silent else pod_states.BILLS_DISK
    )


def storage_usd_per_hour(raw: Mapping[str, Any]) -> float | None:
    """Return what the disk costs while the pod is stopped."""
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
    """Return the variables without the flags for ports, mounts and networks."""
    return {name: value for name, value in extra_env(raw) if not _FLAG.match(name)}


def ports(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the requested ports; 22 is there in every mode in which Vast.ai starts the SSH server."""
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
    """Return the country's two letters in ``Texas, US``."""
    last = (text(geolocation) or "").rpartition(",")[2].strip()
    return last.upper() if len(last) == 2 and last.isalpha() else None


def moment(value: Any) -> str | None:
    """Seconds since 1970 as RFC 3339 UTC text."""
    seconds = number(value)
    if seconds is None or not 0 < seconds < 1e11:
        return None
    return rfc3339(seconds)


def actions(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what may be ordered now."""
    allowed = {
        pod_states.RUNNING: ("stop", "restart", "recycle"),
        pod_states.STOPPED: ("start",),
        pod_states.STARTING: ("stop",),
    }
    return (*allowed.get(phase(raw), ()), "terminate") if phase(raw) != pod_states.GONE else ()


def interruption(raw: Mapping[str, Any], *, now: float | None = None) -> str | None:
    """Return why the pod was taken away (one of INTERRUPTIONS), as far as the row alone says.

    A stop by its owner looks like one for lack of credit, and is None here.
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
    """Read an instance as a Pod.

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
        onstart=own_part(text(raw.get("onstart"))),
        env=environment(raw),
    )


def made(request: PodRequest, pod_id: str) -> Pod:
    """Return the pod as far as its own create describes it."""
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
    """Return a GPU as people write it; the query language of the vendor's tool has underscores for blanks."""
    found = text(value)
    return " ".join(found.replace("_", " ").split()) if found else None


def unwrapped(data: Any) -> Mapping[str, Any] | None:
    """Return the one instance in an answer, None when it says that there is none.

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
