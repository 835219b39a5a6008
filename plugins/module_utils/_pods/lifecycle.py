# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod towards a wanted state: find, plan, apply, wait.

Check mode takes the same path and stops before the first write; what it returns is what would be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Callable

from .._core import errors
from .._core.names import PodName
from .._core.offer import Offer
from .._core.pod import GONE, STAGES, Pod
from .._market import search
from . import create, diff
from . import lease as pod_lease
from .attempts import AttemptLog
from .bad_hosts import NoBadHosts
from .context import PodContext
from .existing import ExistingPod
from .group_call import GroupCall, ProviderContext
from .group_find import GroupNames
from .group_rent import GroupRental
from .order import LOGIN, PodOrder, is_of
from .outcome import PodOutcome
from .readiness import Reached, Readiness
from .rent import OfferPool
from .spec import PodSpec, refuse_impossible, resolve
from .terminate import QUICK, require_gone

#: Offers that a message names as not tried; a market of single machines has thousands.
TOLD = 10
STATES = ("present", "running", "stopped", "restarted", "absent")
#: The same where a container can also be replaced in place.
ALL_STATES = (*STATES[:-1], "recycled", "absent")


class SingleRental(GroupRental):
    """Rent the one pod of a module of one provider: offers are searched once, in that provider's own words."""

    strict_contract = False

    def __init__(self, call: GroupCall, name: str, first_attempt: Callable[[], int]) -> None:
        super().__init__(call, call.sides, {name: 1})
        self._first_attempt = first_attempt
        self._not_tried: Sequence[str] = ()

    def _search(self, closed: frozenset[str]) -> Sequence[Offer]:
        order = self._order()
        number = self._first_attempt()
        self._first = dict.fromkeys(self._first, number)
        offers, self._not_tried = search.rank(order.work.provider, order.wanted.query())
        order.check(offers, number)
        return offers

    @property
    def wanted(self) -> PodSpec:
        """The pod as it was ordered, with everything that settings and templates say."""
        return self._order().wanted

    def _order(self) -> PodOrder:
        """Return the only order there is: one pod at one provider."""
        return next(iter(self._orders.values()))

    def _pool(self, offers: Sequence[Offer]) -> OfferPool:
        return OfferPool(offers)

    def _say_rented(self, history: AttemptLog) -> None:
        """There is one pod, and its wait has said that it is ready."""

    def rent(self, outcome: PodOutcome) -> dict[str, Reached]:
        """See GroupRental."""
        try:
            return super().rent(outcome)
        except errors.NoCapacity as error:
            if self._not_tried and self.wanted.gpus:
                more = f"; and {len(self._not_tried) - TOLD} more" if len(self._not_tried) > TOLD else ""
                error.add(f"Not tried, since the catalogue says so: {'; '.join(self._not_tried[:TOLD])}{more}.")
            raise


@dataclass
class PodLifecycle:
    """One pod and its wanted state.

    :param readiness: how far to wait; None: not at all.
    :param most: pods that may be rented at most until one gets ready.
    :param check: nothing is written.
    :param lease: that of a pod that is rented or logged in to, once ``ensure`` has begun.
    """

    work: PodContext
    wanted: PodSpec
    readiness: Readiness | None = None
    most: int = 1
    check: bool = False
    lease: pod_lease.Lease | None = None

    def ensure(self, state: str) -> PodOutcome:
        """Bring the pod into ``state`` (one of ALL_STATES).

        :raises CloudError: one sentence; ``facts`` hold ``attempts`` and ``pods_gone`` where something had been tried.
        """
        self.lease = self._leased()
        outcome = self._ensure(state)
        if self.lease is not None and outcome.reached is not None and state != "stopped" and not self.check:
            reached = outcome.reached
            outcome.warnings += pod_lease.doubts(reached.pod, reached.lease, STAGES.index(reached.stage) >= LOGIN)
        return outcome

    def _leased(self) -> pod_lease.Lease | None:
        provider = self.work.provider
        return pod_lease.lease(self.wanted.lease, provider.capabilities.own_end, provider.name)

    def _ensure(self, state: str) -> PodOutcome:
        refuse_impossible(self.wanted)
        if state == "absent":
            with self.work.provider.urgently():
                return self._absent(self.find() or self._look_again())
        if state not in ("present", "running") or self.check or self.wanted.id:
            pods = self.find()
        else:
            with create.alone(self.work, self._identity()):
                pods = self.find()
                if not pods:
                    return self._missing(state)
        if len(pods) > 1:
            listed = ", ".join(f"{pod.name} ({pod.id}, {pod.phase})" for pod in pods)
            raise errors.Conflict(
                f"{len(pods)} pods answer to the name {self.wanted.name}: {listed}. Say which by its id, or "
                "end them (state absent)."
            )
        if not pods:
            return self._missing(state)
        if state in ("present", "running"):
            self._refuse_taken(pods[0])
            self.wanted = resolve(self.wanted, self.work.provider, pods[0])
        standing = self._standing()
        steps: Mapping[str, Callable[[Pod], PodOutcome]] = {
            "present": standing.present,
            "running": standing.running,
            "stopped": standing.stopped,
            "restarted": standing.restarted,
            "recycled": standing.recycled,
        }
        return steps[state](pods[0])

    def _standing(self) -> ExistingPod:
        readiness = replace(self.readiness, lease=self.lease) if self.readiness is not None else None
        return ExistingPod(self.work, self.wanted, readiness, self.check)

    def find(self) -> list[Pod]:
        """Find the living pods: by id, else by name: all of one identity, or of exactly that name.

        Pods that the run's ledger knows and the list does not show are looked for first: a pod made a moment ago would
        else be rented twice.

        :raises NotFound: for an id that does not exist, unless the state is absent: something else is never made in its
            place.
        """
        if self.wanted.id:
            return self._by_id(self.wanted.id)
        pods = self._listed()
        if self.check:
            return pods
        for name in create.unsettled(self.work, self._mine, pods):
            found = create.settle(self.work, name)
            if found is not None:
                pods.append(found)
        return pods

    def _refuse_taken(self, pod: Pod) -> None:
        """Refuse a name that another pod has: providers give it to both, and then it names neither."""
        name = self.wanted.name
        if not self.wanted.id or not name or name == pod.name:
            return
        for other in self.work.provider.list_pods():
            if other.name == name and other.id != pod.id and other.phase != GONE:
                raise errors.Conflict(
                    f"The pod {pod.label()} was not renamed: {other.label()} is called {name} already (option name). "
                    "Choose another, or end that pod first."
                )

    def _by_id(self, pod_id: str) -> list[Pod]:
        try:
            pod = self.work.provider.get_pod(pod_id)
        except errors.NotFound:
            return []
        return [pod] if pod.phase != GONE else []

    def _listed(self) -> list[Pod]:
        """Return the living pods by a complete list of our own."""
        meant = self.wanted.id
        return [
            pod
            for pod in self.work.provider.list_pods()
            if pod.phase != GONE and (pod.id == meant if meant else self._mine(pod.name))
        ]

    def _look_again(self) -> list[Pod]:
        """Look a second time where the first look showed nothing.

        A provider need not show a pod that was made moments ago in every answer, and a pod that is taken for gone goes
        on costing money. A pod with an id must be missing in the list, too.
        """
        self.work.polls.pause(QUICK)
        return (self._by_id(self.wanted.id) if self.wanted.id else []) or self._listed()

    def _identity(self) -> str:
        """Return what all attempts at this pod have in common."""
        identity = PodName.parse_identity(self.wanted.name)
        return identity.identity if identity is not None else str(self.wanted.name)

    def _mine(self, name: str) -> bool:
        return is_of(self.wanted.name, name)

    def _missing(self, state: str) -> PodOutcome:
        """There is no such pod."""
        if self.wanted.id:
            raise errors.NotFound(
                f"There is no pod with the id {self.wanted.id} on {self.work.provider.name}; none is made in "
                "its place. "
                "To rent one by its name, leave the id out."
            )
        if state in ("stopped", "restarted", "recycled"):
            raise errors.NotFound(
                f"There is no pod named {self.wanted.name} on {self.work.provider.name}, so it cannot be {state}."
            )
        return self._create()

    # -- renting
    # ------------------------------------------------------------------------------------------------------------

    def _create(self) -> PodOutcome:
        """Rent, after everything that can be checked for nothing: a group of one pod at one provider."""
        name, work = str(self.wanted.name), self.work
        side = ProviderContext(work, lambda: work.provider, self.wanted, self.readiness)
        call = GroupCall(GroupNames(name), {work.provider.name: side}, NoBadHosts(), self.most, None, check=self.check)
        rental = SingleRental(call, name, self._first_attempt)
        rental.prepare()
        outcome = PodOutcome(True)
        reached = rental.rent(outcome)[name]
        outcome.pods = [reached]
        if self.check:
            outcome.after = diff.managed(reached.pod)
            return outcome
        if rental.wanted.locked:
            self._lock(reached, outcome)
        if rental.wanted.max_price is not None and not reached.pod.usd_per_hour:
            outcome.warnings.append(
                f"The provider does not say what {reached.pod.label()} costs; the cap could not be checked."
            )
        outcome.after = diff.managed(outcome.pods[0].pod)
        return outcome

    def differences(self, pod: Pod) -> list[diff.Change]:
        """Return how an existing pod differs from the options.

        :raises CloudError: for what cannot be mended.
        """
        refuse_impossible(self.wanted)
        return diff.compare(pod, resolve(self.wanted, self.work.provider, pod))

    def standing(self) -> ExistingPod:
        """Return an existing pod, with what the options say of it."""
        self.lease = self._leased()
        return self._standing()

    def _lock(self, reached: Reached, outcome: PodOutcome) -> None:
        """Lock a pod once nothing stands in the way of giving it back any more."""
        try:
            locked = self.work.provider.update(reached.pod.id, {"locked": True})
        except errors.CloudError as error:
            outcome.warnings.append(f"The pod {reached.pod.label()} was rented but not locked: {error.message}")
        else:
            outcome.pods = [replace(reached, pod=replace(reached.pod, locked=locked.locked))]

    def _first_attempt(self) -> int:
        """Return the number after every attempt that the list (ended pods too) or the ledger has for this identity."""
        names = [pod.name for pod in self.work.provider.list_pods()] if PodName.parse_identity(self.wanted.name) else []
        parsed = [PodName.parse(name) for name in [*names, *self.work.ledger.names()] if self._mine(name)]
        return max((name.attempt for name in parsed if name is not None), default=0) + 1

    # -- giving back
    # --------------------------------------------------------------------------------------------------------

    def _absent(self, pods: list[Pod]) -> PodOutcome:
        """All pods of the identity ended and proved gone; of any other name, only one is."""
        if len(pods) > 1 and PodName.parse_identity(self.wanted.name) is None:
            listed = ", ".join(f"{pod.id} ({pod.phase})" for pod in pods)
            raise errors.Conflict(
                f"{len(pods)} pods have the name {self.wanted.name}: {listed}. Say which to end by its id."
            )
        standing = self._standing()
        for pod in pods:
            standing.refuse_locked(pod, "ended")
        before = diff.managed(pods[0]) if pods else {}
        outcome = PodOutcome(bool(pods), before=before)
        if self.check or not pods:
            return outcome
        for pod in pods:
            try:
                standing.unlock(pod)
            except errors.CloudError as error:
                # The others are ended all the same; that this one is not is said then.
                self.work.progress.say(f"The pod {pod.label()} could not be unlocked: {error.message}")
        outcome.gone = self.work.end(pods)
        require_gone(self.work.provider, outcome.gone)
        return outcome
