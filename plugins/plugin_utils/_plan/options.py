# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan reads of a pod's options, and what these are called where the user gave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...module_utils._pods.spec import DISK_GB
from ...module_utils._providers import registry
from .._job.pod import PLANNED

#: The module's name for what a plan, as a job, calls otherwise.
RENAMED = {
    "volume_size": "volume.size",
    "network_volume": "network_volume.name",
    "lease_hours": "lease",
}
#: Options of the pod that no sentence but those of a plan names.
OF_A_POD = frozenset({*PLANNED, *RENAMED, "name", "gpu_count", "clouds", "regions", "interruptible", "search", "disk"})


@dataclass(frozen=True)
class Names:
    """What the user calls the options.

    :param prefix: what stands before the plan's own, such as ``train_``.
    :param pod_prefix: what stands before the pod's. With a dot at its end they are members of a mapping that is handed
        to the module pod, and have that module's names; otherwise they have the plan's.
    """

    prefix: str = ""
    pod_prefix: str = "pod."

    def __call__(self, option: str) -> str:
        """Return the user's name for an option that the plan calls so."""
        if option not in OF_A_POD:
            return self.prefix + option
        return self.pod_prefix + (RENAMED.get(option, option) if self.pod_prefix.endswith(".") else option)


def of_pod(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan's options for a pod. `pod` holds all options of the module pod, null for what is not given."""
    providers = {name: pod[name] for name in registry.names()}
    volume, network = pod["volume"] or {}, pod["network_volume"] or {}
    return {
        **{name: pod[name] for name in ("name", *PLANNED)},
        **providers,
        "gpu_count": pod["gpu_count"] or 1,
        "clouds": pod["clouds"] or [],
        "regions": pod["regions"] or [],
        "interruptible": bool(pod["interruptible"]),
        "search": next((own["search"] for own in providers.values() if own and own.get("search")), None),
        "disk": DISK_GB if pod["disk"] is None else pod["disk"],
        "volume_size": volume.get("size"),
        "network_volume": network.get("name") or network.get("id"),
        "lease_hours": pod["lease"],
    }
