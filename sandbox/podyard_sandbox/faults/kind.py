# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of faults: their shape, the operations they can hit, and the parameters that many of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from podyard_sandbox.vastai.operations import NAMES

_RUNPOD = (
    "listPods", "createPod", "getPod", "updatePod", "deletePod", "podAction", "getPodLogs",
    "listNetworkVolumes", "createNetworkVolume", "getNetworkVolume", "updateNetworkVolume", "deleteNetworkVolume",
    "listTemplates", "createTemplate", "getTemplate", "updateTemplate", "deleteTemplate", "listPublicTemplates",
    "listRegistries", "createRegistry", "getRegistry", "deleteRegistry",
    "listSecrets", "createSecret", "getSecret", "updateSecret", "deleteSecret",
    "listBilling", "listPodBilling", "listNetworkVolumeBilling", "listServerlessBilling", "listEndpointBilling",
    "listClusterBilling",
    "getSshKeys", "updateSshKeys", "listGpuTypes", "getGpuType", "listCpuTypes", "getCpuType", "listDataCenters",
    "getDataCenter", "graphql",
)  # fmt: skip
OPERATIONS = (*_RUNPOD, *NAMES)
READS = ",".join(name for name in _RUNPOD if name.startswith(("list", "get")) and name != "getPodLogs")


@dataclass(frozen=True)
class Param:
    """One parameter of a fault.

    Attributes:
        type: int, float, str or bool.
        default: its value when it is not given.
        sentence: what it means, with its unit; shown to the user.
        choices: the only values allowed, if any.
        filter: True if the value is a pattern that selects pods, GPUs and so on.
        among: the only words allowed in a comma-separated list.
    """

    type: type
    default: Any
    sentence: str
    choices: tuple[Any, ...] = ()
    filter: bool = False
    among: tuple[str, ...] = ()


@dataclass(frozen=True)
class FaultKind:
    """A fault that can be switched on."""

    name: str
    sentence: str
    params: Mapping[str, Param] = field(default_factory=dict)


def name_filter(what: str) -> Param:
    """Return a parameter that limits a fault to matching pods, GPUs, and so on."""
    return Param(str, "*", f"only {what} that match this pattern (* and ?)", filter=True)


def operation_filter(default: str) -> Param:
    """Return a parameter that limits a fault to operations of the API."""
    return Param(str, default, "only these operations of the API, comma-separated, * and ? match anything", filter=True)


SKIP = Param(int, 0, "ignore the first N matching cases")
POD = name_filter("pods whose name or id")
NAME = name_filter("pods with a name")
AFTER = Param(float, 0.0, "seconds after RUNNING, or from now for a pod that is already running")
BODIES = ("json", "html", "empty")
READ_COUNT = "number of reads (get or list)"
