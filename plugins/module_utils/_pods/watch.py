# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at pods that all processes of a user share: one list for all who want to look.

Fifty pods that are waited for are fifty module processes. Each says how old a look may be; the first one that finds
none so young lists all pods and leaves what it saw for the others, without anything secret: no environment, no start
arguments. So a wait costs the same number of requests for one pod as for fifty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from .._core import errors
from .._core.clock import Clock
from .._core.pod import Endpoint, Mount, Pod
from .._http.shared_file import SharedFile
from .._providers.base import Provider

#: What may be left for the others of each pod, and nothing else. What a look does not tell stays as it was known.
_HARMLESS = {
    *("provider", "id", "name", "phase", "raw_status", "gpu", "gpu_id", "gpu_count", "usd_per_hour", "region", "cloud"),
    *("endpoint", "created_at", "started_at", "actions", "disk_gb", "ports", "mounts", "cuda_version", "uptime"),
    *("utilisation", "locked", "global_networking", "internal_host", "alternates", "host", "interruptible", "bid"),
    *("billing", "stopped_usd_per_hour", "interruption", "template"),
}
SEEN = tuple(field.name for field in fields(Pod) if field.name in _HARMLESS)
#: Seconds to wait for the process that is listing: longer than an answer takes, short of the time that a line which is
#: down costs. Then one looks oneself.
PATIENCE = 20.0
#: The same for a look that proves a pod gone, which costs money until then.
URGENT_PATIENCE = 3.0
#: Failures that one process can leave for the others: they would all get the same.
SHARED_FAILURES = (errors.ServerError, errors.Unreachable, errors.RateLimited)


class PodWatcher:
    """The looks of one process at a provider's pods; for a provider without an ``account_mark`` they are not shared.

    What it returns never goes back in time: a look that is older than the one before is not taken.
    """

    def __init__(self, provider: Provider, clock: Clock, *, file: SharedFile | None = None) -> None:
        self._provider = provider
        self._clock = clock
        mark = provider.account_mark
        self._file = None if mark is None else file or SharedFile(f"pods-{mark}")
        self._newest = float("-inf")
        self._secondhand = False

    def moment(self) -> float:
        """When the last look began; without one it is now."""
        return self._newest if self._newest > float("-inf") else self._clock.monotonic()

    def see(self, known: Pod, *, since: float, young: bool = False) -> Pod:
        """Return a pod as seen by a look that began at ``since`` or later and is new to this process.

        :param known: the pod as last read; what another's look does not hold (its environment) is taken from it.
        :param young: the pod was made moments ago, and need not be in the list yet: then it is not asked for singly.
        :raises NotFound: when the provider has no such pod, or (young) does not show it yet.
        """
        if self._file is None:
            return self._provider.get_pod(known.id)
        pods = self.pods(since=since)
        pod = next((pod for pod in pods if pod.id == known.id), None)
        if pod is not None:
            return replace(known, **{name: getattr(pod, name) for name in SEEN}) if self._secondhand else pod
        if young:
            raise errors.NotFound(f"The pod {known.label()} is not in the list yet.", status=404)
        begun = self._clock.monotonic()
        pod = self._provider.get_pod(known.id)
        self._newest = begun
        return pod

    def pods(self, *, since: float, urgent: bool = False) -> list[Pod]:
        """Return all pods of the account, by a complete list that is new to this process.

        The list began at ``since`` or later. Pods that others saw have no environment.

        :raises CloudError: when they cannot be listed, by this process or by the one that tried for all.
        """
        if self._file is None:
            return self._provider.list_pods()
        found = self._found(since)
        if found is None:
            with self._file.lock(URGENT_PATIENCE if urgent else PATIENCE):
                found = self._found(since)
                if found is None:
                    return self._list(self._file)
        return found

    def _list(self, file: SharedFile) -> list[Pod]:
        """List them for everybody."""
        begun = self._clock.monotonic()
        try:
            pods = self._provider.list_pods()
        except SHARED_FAILURES as error:
            file.write({"begun": begun, "failure": type(error).__name__, "message": error.message})
            raise
        file.write({"begun": begun, "pods": [_to_shared(pod) for pod in pods]})
        self._newest, self._secondhand = begun, False
        return pods

    def _found(self, since: float) -> list[Pod] | None:
        """Return what another process has left, if it is young enough.

        :raises CloudError: its failure.
        """
        data = self._file.read() if self._file is not None else {}
        begun = data.get("begun")
        if not isinstance(begun, (int, float)) or not max(since, self._newest) <= begun <= self._clock.monotonic():
            return None
        if begun == self._newest:
            return None
        kind = next((kind for kind in SHARED_FAILURES if kind.__name__ == data.get("failure")), None)
        if kind is not None:
            self._newest = begun
            raise kind(str(data.get("message")))
        try:
            pods = [_pod_of(shown) for shown in data["pods"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            # Written by another release of this collection, or by another program.
            return None
        self._newest, self._secondhand = begun, True
        return pods


def _to_shared(pod: Pod) -> dict[str, Any]:
    """Return what others may see of a pod."""
    shown = {name: getattr(pod, name) for name in SEEN}
    shown["endpoint"] = asdict(pod.endpoint) if pod.endpoint is not None else None
    shown["alternates"] = [asdict(endpoint) for endpoint in pod.alternates]
    shown["mounts"] = [asdict(mount) for mount in pod.mounts]
    shown["utilisation"] = dict(pod.utilisation) if pod.utilisation is not None else None
    return shown


def _pod_of(shown: Mapping[str, Any]) -> Pod:
    """Return the pod that another process saw.

    :raises TypeError, KeyError, ValueError: when that is no pod.
    """
    told = {name: shown[name] for name in SEEN}
    told["endpoint"] = Endpoint(**told["endpoint"]) if told["endpoint"] is not None else None
    told["alternates"] = tuple(Endpoint(**endpoint) for endpoint in told["alternates"])
    told["mounts"] = tuple(Mount(**mount) for mount in told["mounts"])
    told["actions"], told["ports"] = tuple(told["actions"]), tuple(told["ports"])
    return Pod(**told)
