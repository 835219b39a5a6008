# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod towards a wanted state: find, plan, apply, wait.

Check mode takes the same path and stops before the first write; what it returns is what would be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable

from .._core import errors
from .._core.names import MAX_LENGTH, PodName
from .._core.offer import Offer
from .._core.pod import AUTHENTICATED, GONE, RENTED, STAGES, Pod, PodRequest
from .._market import search
from . import bootstrap, create, diff, rent
from . import lease as pod_lease
from .attempts import AttemptLog
from .context import PodContext
from .create import create_once
from .existing import ExistingPod, PodOutcome
from .readiness import Reached, Readiness, rented
from .spec import CLOUDS, PodSpec, refuse_impossible, refuse_unreachable, resolve
from .terminate import QUICK, give_back_run, pods_of_run, require_gone, terminate_and_prove

__all__ = [
    "PodContext",
    "PodLifecycle",
    "PodOutcome",
    "PodSpec",
    "create_once",
    "give_back_run",
    "pods_of_run",
    "require_gone",
    "terminate_and_prove",
]

#: Offers that a message names as not tried; a market of single machines has thousands.
TOLD = 10
#: The first stage that proves a login.
LOGIN = STAGES.index(AUTHENTICATED)
STATES = ("present", "running", "stopped", "restarted", "absent")
#: The same where a container can also be made anew in place.
ALL_STATES = (*STATES[:-1], "recycled", "absent")


@dataclass
class PodLifecycle:
    """One pod and its wanted state.

    :param readiness: how far to wait; None: not at all.
    :param most: pods that may be rented at most until one gets ready.
    :param check: nothing is written.
    :param lease: that of a pod that is rented or logged in to, once ``ensure`` has read the wish.
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
        """The living pods that are meant: by id, else by name: all of one identity, or of exactly that name.

        What the run's ledger knows of and the list does not show is looked for first: a pod made a moment ago would
        else be rented twice.

        :raises NotFound: for an id that does not exist, unless it is wanted gone: something else is never made in its
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
        """A name that another pod has would mean neither of them afterwards. Providers give it to both."""
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
        """The living pods that are meant, by a complete list of our own."""
        meant = self.wanted.id
        return [
            pod
            for pod in self.work.provider.list_pods()
            if pod.phase != GONE and (pod.id == meant if meant else self._mine(pod.name))
        ]

    def _look_again(self) -> list[Pod]:
        """The second look where the first one showed nothing: a provider need not show a pod that was made moments ago
        in every answer, and a pod that is taken for gone goes on costing money. A pod with an id must be missing in the
        list, too.
        """
        self.work.polls.pause(QUICK)
        return (self._by_id(self.wanted.id) if self.wanted.id else []) or self._listed()

    def _identity(self) -> str:
        """What all attempts at the wanted pod have in common."""
        identity = PodName.parse_identity(self.wanted.name)
        return identity.identity if identity is not None else str(self.wanted.name)

    def _mine(self, name: str) -> bool:
        """True when this name is the wanted one: an identity stands for all its attempts, any other name for itself."""
        identity = PodName.parse_identity(self.wanted.name)
        if identity is None:
            return name == self.wanted.name
        parsed = PodName.parse(name)
        return parsed is not None and parsed.identity == identity.identity

    def _missing(self, state: str) -> PodOutcome:
        """There is no such pod."""
        if self.wanted.id:
            raise errors.NotFound(
                f"There is no pod with the id {self.wanted.id} on {self.work.provider.name}; none is made in "
                "its place. "
                "Leave the id out to rent one by its name."
            )
        if state in ("stopped", "restarted", "recycled"):
            raise errors.NotFound(
                f"There is no pod named {self.wanted.name} on {self.work.provider.name}, so it cannot be {state}."
            )
        return self._create()

    # -- renting
    # ------------------------------------------------------------------------------------------------------------

    def _create(self) -> PodOutcome:
        """Rent, after everything that can be checked for nothing."""
        self.wanted = self.wanted.completed()
        self._refuse_early()
        wanted, work = self.wanted, self.work
        first = self._first_attempt()
        offers, not_tried = search.rank(work.provider, wanted.query())
        for offer in offers:
            work.provider.check(self._request(offer, first))
        if self.check:
            pod = self.predicted(offers[0], first)
            return PodOutcome(True, Reached(RENTED, pod), {}, diff.managed(pod))
        history = AttemptLog(clock=work.polls.clock)
        terms = rent.RentLimits(wanted.max_price, self.most, rented(self.readiness))
        try:
            reached = rent.rent(work, offers, self._request, first, self._accept, terms, history)
        except errors.NoCapacity as error:
            if not_tried and wanted.gpus:
                more = f"; and {len(not_tried) - TOLD} more" if len(not_tried) > TOLD else ""
                error.add(f"Not tried, since the catalogue says so: {'; '.join(not_tried[:TOLD])}{more}.")
            raise
        try:
            history.gone.extend(self.end_twins(reached.pod, history))
        except errors.CloudError as error:
            # The task fails, so nobody would use the pod that was kept: it is given back too.
            error.facts["pods_gone"] = [*error.facts.get("pods_gone", []), *work.end([reached.pod])]
            raise
        outcome = PodOutcome(True, reached, {}, {}, history.attempts, history.gone)
        if wanted.locked:
            self._lock(reached, outcome)
        if wanted.max_price is not None and not reached.pod.usd_per_hour:
            outcome.warnings.append(
                f"The provider does not say what {reached.pod.label()} costs; the cap could not be checked."
            )
        outcome.after = diff.managed(outcome.reached.pod if outcome.reached is not None else reached.pod)
        return outcome

    def prepared(self) -> PodLifecycle:
        """The same, ready to rent: with what settings and templates say, and everything checked that needs no offer.

        :raises BadRequest: for what this provider has not, or does not take.
        """
        life = replace(self, wanted=self.wanted.completed())
        refuse_impossible(life.wanted)
        life.lease = life._leased()
        life._refuse_early()
        return life

    def desk(self, waits: PodContext) -> rent.RentTarget:
        """Where this pod is rented; ``waits`` is the work whose clock its waits have."""
        return rent.RentTarget(self.work, self._request, replace(self, work=waits)._accept)

    def predicted(self, offer: Offer, attempt: int) -> Pod:
        """The pod that would be rented on this offer. :raises BadRequest: when it would be refused."""
        self.work.provider.check(self._request(offer, attempt))
        request = diff.expanded(self._request(offer, attempt), self.wanted.template)
        return replace(diff.predicted(request, self.work.provider.name, offer), locked=bool(self.wanted.locked))

    def differences(self, pod: Pod) -> list[diff.Change]:
        """What of a pod that is there is not as it is wanted. :raises CloudError: for what cannot be mended."""
        refuse_impossible(self.wanted)
        return diff.compare(pod, resolve(self.wanted, self.work.provider, pod))

    def standing(self) -> ExistingPod:
        """A pod that is there, with the wishes of this one."""
        self.lease = self._leased()
        return self._standing()

    def _refuse_early(self) -> None:
        """Everything that can be known to be wrong before the offers are, first what needs no request."""
        wanted, target = self.wanted, self.readiness.target if self.readiness is not None else RENTED
        others = wanted.filters or wanted.min_gpu_memory or wanted.min_compute_capability
        if not wanted.gpus and wanted.cpu is None and not others:
            raise errors.BadRequest(
                f"To rent the pod {wanted.name}, name the GPUs that will do (option gpus), in order of preference, or "
                "a processor for a pod without GPUs (option cpu)."
            )
        refuse_unreachable(wanted, target)
        for cloud in wanted.clouds or CLOUDS:
            self.work.provider.check(replace(self._request(None, 1), cloud=cloud))
        self.wanted = resolve(wanted, self.work.provider)
        refuse_unreachable(self.wanted, target)

    def _lock(self, reached: Reached, outcome: PodOutcome) -> None:
        """A pod is locked when nothing stands in the way of giving it back any more."""
        try:
            locked = self.work.provider.update(reached.pod.id, {"locked": True})
        except errors.CloudError as error:
            outcome.warnings.append(f"The pod {reached.pod.label()} was rented but not locked: {error.message}")
        else:
            outcome.reached = replace(reached, pod=replace(reached.pod, locked=locked.locked))

    def _request(self, offer: Offer | None, attempt: int) -> PodRequest:
        identity = PodName.parse_identity(self.wanted.name)
        name = str(identity.with_attempt(attempt)) if identity is not None else str(self.wanted.name)
        if identity is not None and len(name) > MAX_LENGTH:
            raise errors.BadRequest(
                f"The name {name} has {len(name)} characters; the most is {MAX_LENGTH}. Shorten the project."
            )
        request = replace(self.wanted.request(offer, name), boot=self._boot())
        how, images = self.wanted.bootstrap, self.work.provider.capabilities.ssh_images
        made = bootstrap.bootstrapped(how, request, images)
        own = diff.expanded(request, self.wanted.template).args
        if made is request or own == request.args:
            return made
        # Ours would take the place of the start command that comes with the template.
        return bootstrap.bootstrapped(how, replace(request, args=own), images)

    def _boot(self) -> str:
        """What arms the lease from the container's start on; who waits for a login renews it soon."""
        if self.lease is None:
            return ""
        soon = self.readiness is not None and STAGES.index(self.readiness.target) >= LOGIN
        return self.lease.at_boot(pod_lease.BOOT_GRACE) if soon else self.lease.at_boot(self.lease.seconds)

    def _first_attempt(self) -> int:
        """The number after every attempt that the list (ended pods too) or the ledger knows of this identity."""
        names = [pod.name for pod in self.work.provider.list_pods()] if PodName.parse_identity(self.wanted.name) else []
        parsed = [PodName.parse(name) for name in [*names, *self.work.ledger.names()] if self._mine(name)]
        return max((name.attempt for name in parsed if name is not None), default=0) + 1

    def _accept(self, pod: Pod) -> Reached:
        """Wait for a pod that was rented by this call."""
        return self._standing().climb(pod, grace=self.work.grace)

    def end_twins(self, kept: Pod, history: AttemptLog) -> Sequence[dict[str, Any]]:
        """After an ambiguous create a second pod may have turned up late: it is ended, if its name is of our own
        pattern. :raises NotProvedGone: when it may still cost money.
        """
        if not history.uncertain or PodName.parse(kept.name) is None:
            return []
        twins = [
            pod
            for pod in self.work.provider.list_pods()
            if pod.id != kept.id and pod.phase != GONE and self._mine(pod.name)
        ]
        results = self.work.end(twins)
        require_gone(self.work.provider, results)
        return results

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
        outcome = PodOutcome(bool(pods), None, before, {})
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
