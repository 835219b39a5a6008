# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod or several of one name towards a wanted state, at whichever provider they are or fit best."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._core import errors
from .._core.pod import FAILED, STOPPED, Pod
from .._core.workers import Interrupted
from .._providers import registry
from . import create, diff, group_find, lease
from .context import PodContext
from .group_call import LOGINS, GroupCall, ProviderContext
from .group_find import REFUSED_KEY, FoundPods, KnownHosts
from .group_rent import GroupRental
from .lifecycle import PodLifecycle
from .outcome import PodOutcome
from .readiness import Reached, stage_of
from .terminate import QUICK

STATES = ("present", "running", "stopped", "absent")
IN_PLACE = (
    "Pods are not changed in place by podyard.gpu.pod: end it (state absent) and rent another, or change it with "
    f"the module of its provider ({', '.join(registry.pod_modules())})."
)


@dataclass
class PodGroup(GroupCall):
    """Bring the pods of one name into a state."""

    def ensure(self, state: str) -> PodOutcome:
        """Bring the pods into ``state`` (one of STATES).

        :raises CloudError: one sentence; ``facts`` hold ``attempts`` and ``pods_gone`` where something had been tried.
        """
        if state == "absent":
            return self._absent()
        if state == "stopped":
            return self._stopped()
        if self.check:
            return self._there(state)
        with contextlib.ExitStack() as alone:
            for name in sorted(self.sides):
                left = max(0.0, self._until - self.polls.clock.monotonic()) if self._until is not None else create.TURN
                alone.enter_context(create.alone(self.sides[name].work, self.names.name, min(create.TURN, left)))
            return self._there(state)

    # -- finding -------------------------------------------------------------------------------------------------------

    def _find(self, everywhere: bool) -> FoundPods:
        """Find the pods that exist.

        :raises CloudError: when a provider that must answer does not.
        """
        found = self._asked()
        for name, error in found.down.items():
            if isinstance(error, REFUSED_KEY):
                raise error
            ledger = group_find.may_be_there(self.names, self.sides[name].work)
            if everywhere or self.strict or ledger or len(found.down) == len(self.sides):
                raise self._unknown(found)
            self.note(f"{name} cannot be asked and is left out, also for a pod that may be there: {error.message}")
        return found

    def _asked(self) -> FoundPods:
        """Return what exists at all providers that answer.

        :raises Conflict: when one that must answer does not.
        """
        works = self._works()
        for name in group_find.elsewhere(self.names, next(iter(works.values())).ledger, works):
            raise errors.Conflict(
                f"The run's ledger says that a pod {self.names.name} may be on {name}, and {name} is not asked: it "
                f"would be rented twice, or go on costing money. Name {name} too (option providers), and give its key."
            )
        found = group_find.find(self.names, works, self.workers, self.check)
        self._refuse_to_end_early()
        return found

    def _unknown(self, found: FoundPods) -> errors.CloudError:
        """Return the first error of the providers that did not answer, with the words of all."""
        first, texts = next(iter(found.down.values())), []
        for name, error in found.down.items():
            ledger = group_find.may_be_there(self.names, self.sides[name].work)
            why = " The run's ledger says that a pod may be there; another one is not rented." if ledger else ""
            texts.append(f"Whether a pod {self.names.name} is on {name} is unknown: {error.message}{why}")
        first.reword(" ".join(texts))
        return first

    def _refuse_to_end_early(self) -> None:
        if self.workers.signalled:
            raise errors.CloudError(f"Interrupted by {self.workers.signalled}; nothing was rented by this call.")

    def _life(self, name: str, provider: str, work: PodContext | None = None) -> PodLifecycle:
        side = self.sides[provider]
        return PodLifecycle(work or side.work, replace(side.wanted, name=name), side.readiness, self.most, self.check)

    def _own(self, provider: str) -> PodContext:
        """Work with a connection of its own, for a thread."""
        side = self.sides[provider]
        return replace(side.work, provider=side.connect())

    # -- there ---------------------------------------------------------------------------------------------------------

    def _there(self, state: str) -> PodOutcome:
        """Make the group complete: every pod exists, and none is surplus."""
        found = self._find(everywhere=False)
        wanted = self.names.wanted()
        if state == "running" and self.names.count is None and found.pods and self.names.name not in found.pods:
            # All pods of the name: they were rented by a count that this call does not say.
            wanted = sorted(found.pods, key=lambda name: self.names.number(name) or 0)
        pods = {name: found.one(name) for name in wanted}
        there = {name: pod for name, pod in pods.items() if pod is not None}
        for name, pod in there.items():
            self._refuse_changes(name, pod)
        self._remark_strangers(found)
        renting = None
        missing = [name for name, pod in pods.items() if pod is None]
        if missing:
            # Everything that can be known to be wrong is said before anything is ended or rented.
            first = {name: found.next_attempt(self.names, name, self._works()) for name in missing}
            fit = {name: side for name, side in self.sides.items() if name not in found.down and not side.unfit}
            self._refuse_no_gpu(fit)
            renting = GroupRental(self, fit, first)
            renting.prepare()
        outcome = PodOutcome(before=self._diff_side(found))
        self._remove(self._too_many(found), outcome)
        self._hosts = KnownHosts(len(wanted) > 1)
        try:
            kept = self._keep(state, there, outcome)
            if renting is not None:
                outcome.changed = True
                kept.update(self._rented(renting, outcome))
        finally:
            self._hosts.merge()
        outcome.pods = [kept[name] for name in wanted]
        outcome.after = {name: diff.managed(kept[name].pod) for name in wanted}
        outcome.warnings += [warning for name in wanted for warning in self._doubts(kept[name])]
        return outcome

    def _rented(self, renting: GroupRental, outcome: PodOutcome) -> dict[str, Reached]:
        """Rent what is missing; an error carries the notes of the call, too."""
        try:
            return renting.rent(outcome)
        except errors.CloudError as error:
            error.facts["notes"] = self.notes
            raise

    def _refuse_no_gpu(self, sides: Mapping[str, ProviderContext]) -> None:
        """Refuse a call that does not say which GPUs will do, at no provider.

        :raises BadRequest: for such a call.
        """
        pods = [side.wanted.completed() for side in sides.values()]
        said = ("gpus", "min_gpu_memory", "min_compute_capability", "filters")
        if not any(getattr(wanted, name) for wanted in pods for name in said):
            raise errors.BadRequest(
                "Nothing was rented: say which GPUs will do (option gpus, in order of preference), or what they must "
                "have (options min_gpu_memory, min_compute_capability)."
            )

    def _doubts(self, reached: Reached) -> list[str]:
        """Return what may keep a lease from ending a pod."""
        if self.check or not self.sides[reached.pod.provider].wanted.lease or reached.pod.phase == STOPPED:
            return []
        return lease.doubts(reached.pod, reached.lease, reached.stage in LOGINS)

    def _works(self) -> dict[str, PodContext]:
        return {name: side.work for name, side in self.sides.items()}

    def _diff_side(self, found: FoundPods) -> dict[str, Any]:
        return {name: diff.managed(pods[0]) for name, pods in sorted(found.pods.items())}

    def _refuse_changes(self, name: str, pod: Pod) -> None:
        """Refuse a pod that differs from what the options say.

        :raises Conflict: for such a pod.
        """
        if pod.phase == FAILED:
            raise errors.Conflict(
                f"The pod {pod.label()} has failed ({pod.raw_status}) and does not recover; end it (state absent) and "
                "rent another."
            )
        unfit = self.sides[pod.provider].unfit
        if unfit:
            raise errors.Conflict(
                f"The pod {pod.label()} exists, but {pod.provider} cannot provide what you asked for: {unfit} "
                f"{IN_PLACE}"
            )
        try:
            changes = self._life(name, pod.provider).differences(pod)
        except (errors.Conflict, errors.BadRequest) as error:
            error.add(IN_PLACE)
            raise
        if changes:
            options = ", ".join(sorted({change.field for change in changes}))
            raise errors.Conflict(
                f"The pod {pod.label()} exists and differs in {options} from what you asked for. {IN_PLACE}",
                facts={"diff": {"before": diff.managed(pod), "after": diff.after(pod, changes)}},
            )

    def _remark_strangers(self, found: FoundPods) -> None:
        """Remark a pod of the name without a number, which is not one of the group."""
        if self.names.count is not None and self.names.name in found.pods:
            self.note(
                f"There is also a pod named {self.names.name}, which is not one of the "
                f"{self.names.count} of this task; it is left alone and goes on costing money."
            )

    def _too_many(self, found: FoundPods) -> list[Pod]:
        """Those with numbers beyond the count, the highest first."""
        if self.names.count is None:
            return []
        numbers = {name: number for name in found.pods if (number := self.names.number(name)) is not None}
        beyond = sorted(
            (name for name, number in numbers.items() if number >= self.names.count), key=numbers.__getitem__
        )
        return [pod for name in reversed(beyond) for pod in found.pods[name]]

    def _keep(self, state: str, there: Mapping[str, Pod], outcome: PodOutcome) -> dict[str, Reached]:
        """Wait for the pods that exist, and with ``running`` start them."""
        stopped = [name for name, pod in there.items() if pod.phase == STOPPED]
        outcome.changed |= state == "running" and bool(stopped)

        def keep(name: str, pod: Pod) -> Any:
            work = self._own(pod.provider)
            waits = replace(work, polls=replace(work.polls, clock=self.workers.waiting()))
            standing = self._life(name, pod.provider, waits).standing()
            standing = replace(standing, readiness=self.bounded(standing.readiness, name, keep=True))
            return standing.running(pod) if state == "running" else standing.present(pod)

        jobs = [(lambda name=name, pod=pod: keep(name, pod)) for name, pod in there.items()]
        results = self.workers.run(jobs)
        kept = {}
        for name, result in zip(there, results):
            if isinstance(result, Interrupted):
                raise errors.CloudError(
                    f"Interrupted by {self.workers.signalled}; the pods that were there are left alone."
                )
            if isinstance(result, BaseException):
                raise result
            outcome.warnings += result.warnings
            kept[name] = result.reached or Reached(stage_of(there[name]), there[name])
        return kept

    # -- stopped, absent -----------------------------------------------------------------------------------------------

    def _stopped(self) -> PodOutcome:
        """All pods of the name, stopped by their providers."""
        found = self._find(everywhere=True)
        if not found.pods:
            raise errors.NotFound(f"There is no pod named {self.names.name}, so there is nothing to stop.")
        outcome = PodOutcome(before=self._diff_side(found))
        jobs = []
        order = sorted(found.pods, key=lambda name: self.names.number(name) or 0)
        for name in order:
            pod = found.one(name)
            if pod is not None:
                work = self._own(pod.provider)
                jobs.append(
                    lambda name=name, pod=pod, work=work: self._life(name, pod.provider, work).standing().stopped(pod)
                )
        for name, result in zip(order, self.workers.run(jobs)):
            if isinstance(result, BaseException):
                raise result
            outcome.changed |= result.changed
            outcome.warnings += result.warnings
            outcome.pods.append(result.reached)
            outcome.after[name] = result.after
        return outcome

    def _absent(self) -> PodOutcome:
        """End all pods of the name and prove them gone.

        A provider that cannot be asked is a failure once those of the others are ended: they cost money meanwhile.
        """
        found = self._asked()
        if not found.pods and not found.down and not self.check:
            # A provider need not show a pod that was made moments ago in every answer.
            self.polls.pause(QUICK)
            found = self._asked()
        outcome = PodOutcome(before=self._diff_side(found))
        pods = [pod for _name, several in sorted(found.pods.items()) for pod in several]
        if self.condemned and not self.check:
            for pod in pods:
                self.note(self.bad_hosts.add(pod.provider, pod.host, pod.gpu, pod.region, self.condemned))
        self._remove(pods, outcome)
        if found.down:
            error = self._unknown(found)
            if outcome.gone:
                error.add("What was found elsewhere is ended and proved gone.")
            error.facts.update(pods_gone=outcome.gone, notes=self.notes)
            raise error
        return outcome

    def _remove(self, pods: Sequence[Pod], outcome: PodOutcome) -> None:
        """End these and prove it; a lock is respected."""
        for pod in pods:
            self._life(pod.name, pod.provider).standing().refuse_locked(pod, "ended")
        outcome.changed |= bool(pods)
        if pods and not self.check:
            self.end(pods, outcome.gone)
