# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our plain data -> the bodies that Vast.ai takes, and the script that its containers run at each start. Pure
functions. Private to this collection.

Source: Vast.ai's description of its API, its own command line tool, and what clients saw of the running service.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ..._core.pod import SSH_PORT, PodRequest
from ..._core.values import docker_port
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
    """The body of a create. A contract that cannot start at once is not wanted: it would bill its disk.

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
        "env": {**environment(request), **(mounts or {})},
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


def environment(request: PodRequest) -> dict[str, str]:
    """Variables, and ports, host name and network as flags: the service takes all in one object, and a string of flags
    was seen to be ignored.
    """
    env = dict(request.env)
    env.update({docker_port(port): "1" for port in request.ports or () if port != SSH_PORT})
    if request.extra.get("hostname"):
        env["-h"] = str(request.extra["hostname"])
    if request.extra.get("network"):
        env[f"-n {request.extra['network']}"] = "1"
    if runtype(request) == RUNTYPES["args"] and request.public_keys:
        # Nobody installs keys there; images made for other clouds read them from these.
        env.setdefault("PUBLIC_KEY", "\n".join(request.public_keys))
        env.setdefault("SSH_PUBLIC_KEY", env["PUBLIC_KEY"])
    return env


def onstart(request: PodRequest) -> str:
    """What the container runs at each start: our own first words where there is room for them, keys, no tmux at login,
    a place to work in, the variables for SSH sessions, then the user's own text.

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
    """The user's part of a script; a script that is none of ours is the user's as a whole."""
    if script is None or MARK not in script:
        return None if script is not None and script.endswith(f">> {ENVIRONMENT}") else script
    return script.partition(f"{MARK}\n")[2]


def with_own_part(script: str | None, own: str | None) -> str:
    """A script of ours with another part of the user's."""
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
    """A container's own key may start, stop and destroy its instance. A stop, after an hour of refusals, would at least
    end the bill for the GPU; it ends the container as well, so that nobody would go on trying afterwards.
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
    """The volume of the machine: one that exists already, or a new one."""
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
    """What a new volume is called: as the user says, else like its pod."""
    return str(request.extra.get("volume_name") or request.name)


def secrets(request: PodRequest) -> list[str]:
    """Values that no message may repeat."""
    login = request.extra.get("registry_login") or {}
    password = login.get("password")
    return [*(value for value in request.env.values() if len(value) > 5), *([str(password)] if password else [])]
