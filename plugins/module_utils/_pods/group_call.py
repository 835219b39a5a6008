# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold what every step of one call for a group of pods needs, and what the call came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from .._core import errors
from .._core.pod import AUTHENTICATED, READY, RENTED, Pod
from .._core.units import duration
from .._core.workers import WorkerPool
from .._providers.base import Provider
from .bad_hosts import BadHosts
from .context import PodContext
from .group_find import GroupNames, KnownHosts
from .readiness import Readiness
from .spec import PodSpec
from .terminate import require_gone

#: Stages that need host keys.
LOGINS = (AUTHENTICATED, READY)


@dataclass(frozen=True)
class ProviderContext:
    """What the pods of a call are at one provider.

    :param work: the call's own connection; it is used by one thread at a time.
    :param connect: another connection, for a thread of its own.
    :param wanted: one pod, whatever its name.
    :param unfit: why no pod can be rented here; those that are there are found all the same.
    """

    work: PodContext
    connect: Callable[[], Provider]
    wanted: PodSpec
    readiness: Readiness | None = None
    unfit: str = ""


@dataclass
class GroupCall:
    """One call for the pods of one name, whatever their state is to be.

    :param most: pods that may be rented and given up, for each that is wanted.
    :param deadline: seconds for the whole call; None: as long as its stages may take.
    :param strict: a provider that does not answer is a failure.
    :param condemned: why the machines of pods that are ended are not to be rented again.
    """

    names: GroupNames
    sides: Mapping[str, ProviderContext]
    bad_hosts: BadHosts
    most: int = 5
    deadline: float | None = 3600.0
    strict: bool = False
    check: bool = False
    condemned: str | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        first = next(iter(self.sides.values())).work
        self.polls, self.progress = first.polls, first.progress
        self.grace = first.grace
        self._until = self.polls.clock.monotonic() + self.deadline if self.deadline is not None else None
        self.workers = WorkerPool(self.polls.clock)
        self._hosts = KnownHosts(several=False)

    def note(self, text: str) -> None:
        """Show a remark, and keep it for the result."""
        if text not in self.notes:
            self.notes.append(text)
            self.progress.say(text)

    def before_try(self) -> None:
        """Refuse another attempt when the call is over.

        :raises WaitTimeout: when its deadline has passed.
        :raises Interrupted: when it was told to end.
        """
        self.workers.check()
        if self._until is not None and self.polls.clock.monotonic() >= self._until:
            raise errors.WaitTimeout(
                f"No pod {self.names.name} got ready within the {duration(self.deadline)} of the whole call (option "
                "deadline), and no further one is rented.",
                stage=RENTED,
                code=errors.OVERDUE,
            )

    def bounded(self, readiness: Readiness | None, name: str, keep: bool = False) -> Readiness | None:
        """For one of the pods, with the deadline of the whole call; ``keep`` as for ``KnownHosts.own``."""
        if readiness is None:
            return None
        hosts = self._hosts.own(readiness.known_hosts, name, keep) if readiness.target in LOGINS else ""
        return replace(readiness, until=self._until, known_hosts=hosts)

    def end(self, pods: Sequence[Pod], gone: list[dict[str, Any]], settle: float = 0.0) -> None:
        """End these at their providers, all at the same time. :raises NotProvedGone: for those that may be there."""
        by_provider = {name: [pod for pod in pods if pod.provider == name] for name in self.sides}
        names = [name for name, theirs in by_provider.items() if theirs]
        pool = WorkerPool(self.polls.clock)
        jobs = [(lambda name=name: self.sides[name].work.end(by_provider[name], settle=settle)) for name in names]
        unproved: list[errors.NotProvedGone] = []
        for name, results in zip(names, pool.run(jobs)):
            if isinstance(results, BaseException):
                raise results
            gone += results
            try:
                require_gone(self.sides[name].work.provider, results)
            except errors.NotProvedGone as error:
                unproved.append(error)
        if unproved:
            message = " ".join(error.message for error in unproved)
            raise errors.NotProvedGone(message, facts={"pods_gone": gone})
