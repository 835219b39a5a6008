# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the pods of a name at all providers, and keep the host keys of several pods in one file."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from .._core import errors
from .._core.names import PodName
from .._core.pod import GONE, Pod
from .._core.workers import WorkerPool
from .._providers import registry
from . import create, ssh
from .context import PodContext
from .ledger import AMBIGUOUS, CREATED, CREATING, Ledger


class KnownHosts:
    """Files of their own for as long as pods are waited for: what is learned of one replaces what its file holds."""

    def __init__(self, several: bool) -> None:
        self._several = several
        self._own: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def own(self, path: str, name: str, keep: bool) -> str:
        """Return the file of one pod; ``keep`` says that it is an older one, whose key may be known already."""
        if not self._several:
            return path
        mine = f"{path}.{name}"
        with self._lock:
            self._own.setdefault(path, []).append(mine)
            if keep:
                ssh.merge_known_hosts(mine, [path])
        return mine

    def merge(self) -> None:
        """Everything into the one file."""
        for path, others in self._own.items():
            if any(map(os.path.exists, others)):
                ssh.merge_known_hosts(path, others)
            for other in others:
                with contextlib.suppress(OSError):
                    os.unlink(other)
        self._own = {}


#: A provider that says one of these was reached and refuses the key: never "nothing there", and never "it is down".
REFUSED_KEY = (errors.AuthError, errors.Forbidden, errors.Blocked)


@dataclass(frozen=True)
class GroupNames:
    """The names of the pods of one name.

    That is the name itself, and with a count ``<name>-0``, ``<name>-1``, …
    """

    name: str
    count: int | None = None

    def wanted(self) -> list[str]:
        """Return the names of all pods of the group."""
        return [self.name] if self.count is None else [f"{self.name}-{number}" for number in range(self.count)]

    def of(self, pod_name: str) -> str | None:
        """Return the name that a pod's own name stands for; None when it is not one of this group.

        A name of our pattern stands for one that all attempts share.
        """
        parsed = PodName.parse(pod_name)
        known = pod_name if parsed is None or pod_name == self.name else parsed.identity
        if known == self.name or self.number(known) is not None:
            return known
        return None

    def number(self, name: str) -> int | None:
        """Return the number at the end of one of several."""
        match = re.fullmatch(re.escape(self.name) + r"-(0|[1-9]\d{0,5})", name)
        return int(match[1]) if match else None

    def is_ours(self, pod_name: str) -> bool:
        """Return True for a pod of this name."""
        return self.of(pod_name) is not None


@dataclass
class FoundPods:
    """What exists of a group.

    ``pods`` are by the name they stand for, ``listed`` is every name in the lists, also of ended pods; the rest are the
    providers that could not be asked.
    """

    pods: dict[str, list[Pod]] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)
    down: dict[str, errors.CloudError] = field(default_factory=dict)

    def one(self, name: str) -> Pod | None:
        """Return the only living pod of this name.

        :raises Conflict: when there are several.
        """
        pods = self.pods.get(name, [])
        if len(pods) > 1:
            listed = ", ".join(f"{pod.label()}, {pod.phase}" for pod in pods)
            raise errors.Conflict(
                f"{len(pods)} pods answer to the name {name}: {listed}. Nothing was changed. End those that are too "
                f"many by their id with {' or '.join(registry.pod_modules())}, or all of them (state absent)."
            )
        return pods[0] if pods else None

    def next_attempt(self, names: GroupNames, name: str, works: Mapping[str, PodContext]) -> int:
        """Return the number after every attempt that a list or the ledger has for this name."""
        known = [*self.listed, *(each for work in works.values() for each in work.ledger.names())]
        parsed = [PodName.parse(each) for each in known if names.of(each) == name]
        return max((each.attempt for each in parsed if each is not None), default=0) + 1


def find(names: GroupNames, works: Mapping[str, PodContext], pool: WorkerPool, check: bool) -> FoundPods:
    """Ask all providers at the same time. What the run's ledger knows of and a list does not show is looked for."""
    listing = {name: (lambda work=work: _list(names, work, check)) for name, work in works.items()}
    found = FoundPods()
    for name, result in zip(listing, pool.run(list(listing.values()))):
        if isinstance(result, errors.CloudError):
            found.down[name] = result
        elif isinstance(result, BaseException):
            raise result
        else:
            living, listed = result
            found.listed += listed
            for pod in living:
                found.pods.setdefault(str(names.of(pod.name)), []).append(pod)
    return found


def _list(names: GroupNames, work: PodContext, check: bool) -> tuple[list[Pod], list[str]]:
    """Return the living pods of this name at one provider, and every name that it lists."""
    everything = work.provider.list_pods()
    living = [pod for pod in everything if pod.phase != GONE and names.is_ours(pod.name)]
    for name in [] if check else create.unsettled(work, names.is_ours, living):
        settled = create.settle(work, name)
        if settled is not None:
            living.append(settled)
    return living, [pod.name for pod in everything]


def elsewhere(names: GroupNames, ledger: Ledger, asked: Collection[str]) -> list[str]:
    """Return providers that are not asked, and where the run's ledger says that a pod of this name may be."""
    last = {event["name"]: event for event in ledger.read()}
    found = {
        event["provider"]: None
        for name, event in last.items()
        if event["event"] in (CREATING, AMBIGUOUS, CREATED) and names.is_ours(name)
    }
    return [provider for provider in found if provider not in asked]


def may_be_there(names: GroupNames, work: PodContext) -> bool:
    """Whether the run's ledger says that a pod of this name may be at a provider that cannot be asked."""
    return bool(create.unsettled(work, names.is_ours, []))
