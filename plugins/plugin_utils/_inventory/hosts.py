# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods -> hosts of an inventory: names, variables, groups. No request."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible import template

from ...module_utils._core.names import PodName
from .filters import compiled
from .ssh import Connections, address, safe

# How a native group is called by the user, and which of the host's variables it is made of.
GROUPS = {
    "provider": "pod_provider",
    "phase": "pod_phase",
    "gpu": "pod_gpu",
    "region": "pod_region",
    "run": "pod_run_id",
    "project": "pod_project",
}
# Fields of a pod that become the host variable `pod_<field>`. Few, since each of them costs time and space with every
# host, and its environment is not among them.
_FIELDS = (
    "provider", "id", "name", "phase", "raw_status", "gpu", "gpu_count", "usd_per_hour", "region", "cloud", "image",
    "created_at", "started_at",
)  # fmt: skip
_VARIABLES = {field: f"pod_{field}" for field in _FIELDS}
#: Every variable that a host can have.
NAMES = (
    *_VARIABLES.values(),
    *("pod_interruptible", "pod_reachable", "pod_run_id", "pod_project"),
    *("ansible_host", "ansible_port", "ansible_user", "ansible_ssh_private_key_file", "ansible_pipelining"),
    *("ansible_ssh_args", "ansible_ssh_common_args", "ansible_python_interpreter"),
)
# A pod of this name would take the place of the controller itself, or of a group that is always there.
_RESERVED_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "all", "ungrouped"})

#: Gives a host its name, of its variables; None for the pod's own.
Namer = Callable[[Mapping[str, Any]], "str | None"]


@dataclass(frozen=True)
class Wanted:
    """Which pods become hosts, and in which groups.

    ``name_prefix``, ``run`` and ``phases`` select (empty means all), and so do ``filters``, expressions of JMESPath
    over the variables of a host; ``group_by`` holds keys of GROUPS.
    """

    name_prefix: str = ""
    run: str = ""
    phases: tuple[str, ...] = ()
    include_unaddressed: bool = False
    filters: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()


@dataclass
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
        return value if "{" in value or "#jinja2:" in value else _trusted(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


@functools.lru_cache(maxsize=4096)
def _trusted(text: str) -> str:
    """Thousands of hosts share providers, GPUs, places and images."""
    return template.trust_as_template(text)


def hosts_of(
    pods: Iterable[Mapping[str, Any]], wanted: Wanted, connections: Connections, namer: Namer | None = None
) -> list[InventoryHost]:
    """Return the hosts for those pods (in the shape of ``Pod.to_result()``) that are wanted, ordered by name.

    :raises BadRequest: for a filter that cannot be.
    """
    judge = compiled(wanted.filters, NAMES)
    hosts = []
    for pod in pods:
        name = PodName.parse(pod["name"])
        if not _is_wanted(pod, name, wanted):
            continue
        variables = _variables(pod, name, connections)
        if judge(variables):
            hosts.append(_host(variables, wanted, namer))
    _tell_apart(hosts)
    return sorted(hosts, key=lambda host: host.name)


@functools.lru_cache(maxsize=4096)
def group_name(kind: str, value: str | None) -> str | None:
    """Return the native group of a value, ``gpu_rtx_4090`` for the GPU ``RTX 4090``; None for a pod without one."""
    words = re.sub(r"[^a-z0-9]+", "_", (value or "").lower()).strip("_")
    return f"{kind}_{words}" if words else None


def _is_wanted(pod: Mapping[str, Any], name: PodName | None, wanted: Wanted) -> bool:
    return (
        (pod["name"] or "").startswith(wanted.name_prefix)
        and (not wanted.run or (name is not None and name.run_id == wanted.run))
        and (not wanted.phases or pod["phase"] in wanted.phases)
        and (wanted.include_unaddressed or address(pod) is not None)
    )


def _variables(pod: Mapping[str, Any], name: PodName | None, connections: Connections) -> dict[str, Any]:
    variables = {variable: pod[field] for field, variable in _VARIABLES.items()}
    variables["pod_interruptible"] = bool(pod["interruptible"])
    variables["pod_reachable"] = address(pod) is not None
    variables["pod_run_id"] = name.run_id if name else None
    variables["pod_project"] = name.project if name else None
    variables.update(connections.variables(pod, name.run_id if name else None))
    return variables


def _host(variables: Mapping[str, Any], wanted: Wanted, namer: Namer | None) -> InventoryHost:
    groups = (group_name(kind, variables[GROUPS[kind]]) for kind in wanted.group_by)
    marked = {name: plain(value) for name, value in variables.items()}
    name = (namer(marked) if namer is not None else None) or variables["pod_name"] or ""
    return InventoryHost(
        _called(name) or _called(variables["pod_id"]), marked, tuple(group for group in groups if group)
    )


def _called(text: str) -> str:
    """Return a name that no command line takes for an option either."""
    return safe(text).lstrip("-")


def _tell_apart(hosts: Sequence[InventoryHost]) -> None:
    """Give the id to hosts that share a name, and where that is not enough the provider too.

    So a name depends on which pods exist and not on their order. No host has the controller's name or a group's.
    """
    taken = _RESERVED_HOSTS.union(*(host.groups for host in hosts))
    for suffix in (("pod_id",), ("pod_provider", "pod_id")):
        shared = Counter(host.name for host in hosts)
        for host in hosts:
            if shared[host.name] > 1 or host.name in taken:
                host.name = "-".join([host.name, *(safe(host.variables[each]) for each in suffix)])
