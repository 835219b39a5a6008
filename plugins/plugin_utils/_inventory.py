# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods -> hosts of an inventory: names, variables, groups. Plain functions, no request. Private to this collection."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.template import trust_as_template

from ansible_collections.podyard.gpu.plugins.module_utils import _pod
from ansible_collections.podyard.gpu.plugins.module_utils._names import PodName

# How a native group is called by the user, and which of the host's variables it is made of.
GROUPS = {
    "provider": "pod_provider",
    "phase": "pod_phase",
    "gpu": "pod_gpu",
    "data_center": "pod_region",
    "project": "pod_project",
    "run": "pod_run_id",
}
# Fields of a pod that become the host variable `pod_<field>`; its environment is not among them.
_FIELDS = (
    "provider", "id", "name", "phase", "raw_status", "gpu", "gpu_id", "gpu_count", "usd_per_hour", "region", "cloud",
    "image", "created_at", "started_at", "actions", "disk_gb", "ports",
)  # fmt: skip
# A pod of this name would take the place of the controller itself.
_RESERVED_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "all", "ungrouped"})
# What ansible-core uses when nobody says otherwise; set here, because a user's ansible.cfg may say otherwise.
_SSH_ARGS = "-C -o ControlMaster=auto -o ControlPersist=60s"


@dataclass(frozen=True)
class Wanted:
    """Which pods become hosts, and where their keys are.

    ``name_prefix``, ``run`` and ``phases`` select (empty means all); ``group_by`` holds keys of GROUPS; ``runs_dir`` is
    where the run directories are; ``ssh_user`` is the user of pods that no run directory knows, empty for the one whom
    the provider names; ``known_hosts_file`` takes the host keys of pods that no run directory knows.
    """

    name_prefix: str
    run: str
    phases: tuple[str, ...]
    include_unaddressed: bool
    group_by: tuple[str, ...]
    runs_dir: Path
    private_key_file: str
    known_hosts_file: str
    ssh_user: str = ""


@dataclass(frozen=True)
class InventoryHost:
    """One host: its name in the inventory, its variables, the names of its native groups."""

    name: str
    variables: dict[str, Any]
    groups: tuple[str, ...]


def plain(value: Any) -> Any:
    """Mark text that cannot be a template as trusted, at any depth, and leave the rest untrusted.

    Untrusted text is shown as ``{"__ansible_unsafe": …}`` by ansible-inventory, which AWX cannot read. Text from an API
    may have been written by anybody, so what could be a template stays untrusted: what has a brace, and what has the
    header by which a text names other delimiters than braces.
    """
    if isinstance(value, str):
        return value if "{" in value or "#jinja2:" in value else trust_as_template(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def hosts_of(pods: Iterable[Mapping[str, Any]], wanted: Wanted) -> list[InventoryHost]:
    """Return the hosts for those pods (in the shape of ``Pod.to_result()``) that are wanted, ordered by name."""
    chosen = [pod for pod in pods if _is_wanted(pod, wanted)]
    shared = Counter(_host_name(pod) for pod in chosen)
    hosts = []
    for pod in chosen:
        name = _host_name(pod)
        if shared[name] > 1 or name in _RESERVED_HOSTS:
            name = f"{name}-{_safe(str(pod['id']))}"
        variables = _variables(pod, wanted)
        groups = (group_name(kind, variables[GROUPS[kind]]) for kind in wanted.group_by)
        hosts.append(InventoryHost(plain(name), plain(variables), tuple(plain(group) for group in groups if group)))
    return sorted(hosts, key=lambda host: host.name)


def group_name(kind: str, value: str | None) -> str | None:
    """Return the native group of a value, ``gpu_rtx_4090`` for the GPU ``RTX 4090``; None for a pod without one."""
    words = re.sub(r"[^a-z0-9]+", "_", (value or "").lower()).strip("_")
    return f"{kind}_{words}" if words else None


def _is_wanted(pod: Mapping[str, Any], wanted: Wanted) -> bool:
    name = PodName.parse(pod["name"])
    return (
        (pod["name"] or "").startswith(wanted.name_prefix)
        and (not wanted.run or (name is not None and name.run_id == wanted.run))
        and (not wanted.phases or pod["phase"] in wanted.phases)
        and (wanted.include_unaddressed or _address(pod) is not None)
    )


def _address(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Where Ansible can go. RunPod's proxy gives no command channel without a terminal; the gateway of others is an SSH
    server like any.
    """
    endpoint = pod["endpoint"]
    if pod["phase"] != _pod.RUNNING or not endpoint:
        return None
    return endpoint if endpoint["mode"] == "direct" or pod["provider"] != "runpod" else None


def _safe(text: str) -> str:
    """A name that no pattern of --limit and no file name misreads."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text)


def _host_name(pod: Mapping[str, Any]) -> str:
    return _safe(pod["name"] or "") or _safe(str(pod["id"]))


def _variables(pod: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    name = PodName.parse(pod["name"])
    variables: dict[str, Any] = {f"pod_{field}": pod[field] for field in _FIELDS}
    variables["pod_run_id"] = name.run_id if name else None
    variables["pod_project"] = name.project if name else None
    run = wanted.runs_dir / name.run_id if name else None
    proven = _proven(pod, run)
    address = _address(pod)
    if address is not None:
        user = proven.get("user") or wanted.ssh_user or address["user"]
        variables.update(ansible_host=address["host"], ansible_port=address["port"], ansible_user=user)
    return {**variables, **_connection(pod, run, proven, wanted)}


def _proven(pod: Mapping[str, Any], run: Path | None) -> Mapping[str, Any]:
    """The connection.json of the pod's run, which holds who was let in with which key; empty when there is none."""
    try:
        connection = json.loads((run / "connection.json").read_text(encoding="utf-8")) if run is not None else None
    except (OSError, ValueError):
        return {}
    return connection if isinstance(connection, dict) and connection.get("pod_id") == pod["id"] else {}


def _connection(pod: Mapping[str, Any], run: Path | None, proven: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """How Ansible connects: fast, with the run's own key and host keys, never with the user's known_hosts."""
    options = []
    connection: dict[str, Any] = {}
    keys = [Path(proven["private_key_file"])] if proven.get("private_key_file") else []
    keys += [run / "ssh" / "id_ed25519"] if run else []
    keys += [Path(wanted.private_key_file)] if wanted.private_key_file else []
    key = next((each for each in keys if each.is_file()), None)
    if key is not None:
        connection["ansible_ssh_private_key_file"] = str(key)
        options.append("IdentitiesOnly=yes")  # a full agent would use up the server's attempts first
    return {
        **connection,
        "ansible_pipelining": True,
        "ansible_ssh_args": _SSH_ARGS,
        "ansible_ssh_common_args": ssh_options([*options, *_host_key_options(pod, run, wanted)]),
        # Silent, since which Python a pod has is a matter of its image.
        "ansible_python_interpreter": "auto_silent",
    }


def _host_key_options(pod: Mapping[str, Any], run: Path | None, wanted: Wanted) -> list[str]:
    if run is not None and (run / "known_hosts").is_file():
        # Empty: the provider could not tell the host key before the first connection.
        checking = "yes" if (run / "known_hosts").stat().st_size else "accept-new"
        return [f"UserKnownHostsFile={_quoted(run / 'known_hosts')}", f"StrictHostKeyChecking={checking}"]
    # Addresses are used again for other pods, and every start makes new host keys: remembered is this start's key.
    alias = _safe(f"{pod['provider']}-{pod['id']}-{pod['started_at'] or 'unknown'}")
    known_hosts = _quoted(wanted.known_hosts_file)
    return [f"UserKnownHostsFile={known_hosts}", f"HostKeyAlias={alias}", "StrictHostKeyChecking=accept-new"]


def _quoted(path: str | Path) -> str:
    """A path as ssh's own configuration wants it: it splits at spaces and expands percent signs."""
    return '"' + str(path).replace("%", "%%") + '"'


def ssh_options(options: Iterable[str]) -> str:
    """Return ssh options (``Name=value``) as one string of arguments, quoted for a shell."""
    return " ".join(f"-o {shlex.quote(option)}" for option in options)
