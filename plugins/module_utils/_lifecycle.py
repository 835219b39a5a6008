# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod towards a wanted state: find, plan, apply, wait. Private to this collection.

Check mode takes the same path and stops before the first write; what it returns is what would be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from ansible_collections.podyard.gpu.plugins.module_utils import _changes, _creation, _market, _pod, _readiness
from ansible_collections.podyard.gpu.plugins.module_utils import _errors as errors
from ansible_collections.podyard.gpu.plugins.module_utils._changes import Wanted
from ansible_collections.podyard.gpu.plugins.module_utils._creation import History, Work, create_once
from ansible_collections.podyard.gpu.plugins.module_utils._names import MAX_LENGTH, PodName
from ansible_collections.podyard.gpu.plugins.module_utils._pod import Offer, Pod, PodRequest
from ansible_collections.podyard.gpu.plugins.module_utils._readiness import Reached, Readiness
from ansible_collections.podyard.gpu.plugins.module_utils._termination import (
    give_back_run,
    pods_of_run,
    require_gone,
    terminate_and_prove,
)

__all__ = [
    "Lifecycle",
    "Outcome",
    "Wanted",
    "Work",
    "create_once",
    "give_back_run",
    "pods_of_run",
    "require_gone",
    "terminate_and_prove",
]

STATES = ("present", "running", "stopped", "restarted", "absent")
#: Seconds for a pod to be seen stopped: its processes get a grace of their own, a container's end takes seconds.
STOP_DEADLINE = 120.0


@dataclass
class Outcome:
    """What ``Lifecycle.ensure`` did, or in check mode would do. ``before`` and ``after`` are for the diff."""

    changed: bool = False
    reached: Reached | None = None
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    gone: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def to_result(self) -> dict[str, Any]:
        """The result of a module, warnings left out."""
        return {
            "changed": self.changed,
            "pod": self.reached.to_result() if self.reached is not None else None,
            "pods_gone": self.gone,
            "attempts": self.attempts,
            "diff": {"before": self.before, "after": self.after},
        }


@dataclass
class Lifecycle:
    """One pod and its wanted state.

    :param readiness: how far to wait; None: not at all.
    :param most: pods that may be rented at most until one gets ready.
    :param check: nothing is written.
    """

    work: Work
    wanted: Wanted
    readiness: Readiness | None = None
    most: int = 1
    check: bool = False

    def ensure(self, state: str) -> Outcome:
        """Bring the pod into ``state`` (one of STATES).

        :raises CloudError: one sentence; ``facts`` hold ``attempts`` and ``pods_gone`` where something had been tried.
        """
        pods = self.find()
        if state == "absent":
            return self._absent(pods)
        if len(pods) > 1:
            listed = ", ".join(f"{pod.name} ({pod.id}, {pod.phase})" for pod in pods)
            raise errors.Conflict(
                f"{len(pods)} pods answer to the name {self.wanted.name}: {listed}. Say which by its id, or "
                "end them (state absent)."
            )
        if not pods:
            return self._missing(state)
        steps: Mapping[str, Callable[[Pod], Outcome]] = {
            "present": self._present,
            "running": self._running,
            "stopped": self._stopped,
            "restarted": self._restarted,
        }
        return steps[state](pods[0])

    def find(self) -> list[Pod]:
        """The living pods that are meant: by id, else by name: all of one identity, or of exactly that name.

        What the run's ledger knows of and the list does not show is looked for first: a pod made a moment ago would
        else be rented twice.

        :raises NotFound: for an id that does not exist, unless it is wanted gone: something else is never made in its
            place.
        """
        provider, wanted = self.work.provider, self.wanted
        if wanted.id:
            try:
                pod = provider.get(wanted.id)
            except errors.NotFound:
                return []
            return [pod] if pod.phase != _pod.GONE else []
        pods = [pod for pod in provider.list() if pod.phase != _pod.GONE and self._mine(pod.name)]
        if self.check:
            return pods
        for name in _creation.unsettled(self.work, self._mine, pods):
            found = _creation.settle(self.work, name)
            if found is not None:
                pods.append(found)
        return pods

    def _mine(self, name: str) -> bool:
        """True when this name is the wanted one: an identity stands for all its attempts, any other name for itself."""
        identity = PodName.parse_identity(self.wanted.name)
        if identity is None:
            return name == self.wanted.name
        parsed = PodName.parse(name)
        return parsed is not None and parsed.identity == identity.identity

    def _missing(self, state: str) -> Outcome:
        """There is no such pod."""
        if self.wanted.id:
            raise errors.NotFound(
                f"There is no pod with the id {self.wanted.id} on {self.work.provider.name}; none is made in "
                "its place. "
                "Leave the id out to rent one by its name."
            )
        if state in ("stopped", "restarted"):
            raise errors.NotFound(
                f"There is no pod named {self.wanted.name} on {self.work.provider.name}, so it cannot be {state}."
            )
        return self._create()

    # -- renting
    # ------------------------------------------------------------------------------------------------------------

    def _create(self) -> Outcome:
        """Rent, after everything that can be checked for nothing."""
        wanted, work = self.wanted, self.work
        if not wanted.gpus:
            raise errors.BadRequest(
                f"To rent the pod {wanted.name}, name the GPUs that will do (option gpus), in order of preference."
            )
        first = self._first_attempt()
        _changes.refuse_unreachable(wanted, self.readiness.target if self.readiness is not None else _pod.RENTED)
        offers = _market.rank(work.provider, wanted.query())
        for offer in offers:
            work.provider.check(self._request(offer, first))
        if self.check:
            pod = _changes.predicted(self._request(offers[0], first), work.provider.name, offers[0])
            return Outcome(True, Reached(_pod.RENTED, pod), {}, _changes.managed(pod))
        history = History()
        reached = _creation.rent(
            work, offers, self._request, first, self._accept, cap=wanted.max_price, most=self.most, history=history
        )
        history.gone.extend(self._end_twins(reached.pod, history))
        outcome = Outcome(True, reached, {}, _changes.managed(reached.pod), history.attempts, history.gone)
        if wanted.max_price is not None and not reached.pod.usd_per_hour:
            outcome.warnings.append(
                f"The provider does not say what {reached.pod.label()} costs; the cap could not be checked."
            )
        return outcome

    def _request(self, offer: Offer, attempt: int) -> PodRequest:
        identity = PodName.parse_identity(self.wanted.name)
        name = str(identity.with_attempt(attempt)) if identity is not None else str(self.wanted.name)
        if identity is not None and len(name) > MAX_LENGTH:
            raise errors.BadRequest(
                f"The name {name} has {len(name)} characters; the most is {MAX_LENGTH}. Shorten the project."
            )
        return self.wanted.request(offer, name)

    def _first_attempt(self) -> int:
        """The number after every attempt that the list (ended pods too) or the ledger knows of this identity."""
        names = [pod.name for pod in self.work.provider.list()] if PodName.parse_identity(self.wanted.name) else []
        parsed = [PodName.parse(name) for name in [*names, *self.work.ledger.names()] if self._mine(name)]
        return max((name.attempt for name in parsed if name is not None), default=0) + 1

    def _accept(self, pod: Pod) -> Reached:
        """Wait for a pod that was rented by this call."""
        return self._climb(pod, grace=self.work.grace)

    def _climb(self, pod: Pod, *, grace: float = 0.0, before: Pod | None = None) -> Reached:
        """Up the ladder, or not at all when no waiting is wanted or allowed."""
        if self.readiness is None or self.check:
            return Reached(_readiness.stage_of(pod), pod)
        return _readiness.climb(
            self.work.provider, pod, self.readiness, self.work.polls, self.work.progress, grace=grace, before=before
        )

    def _end_twins(self, kept: Pod, history: History) -> Sequence[dict[str, Any]]:
        """After an ambiguous create a second pod may have turned up late: it is ended, if its name is of our own
        pattern.
        """
        if not history.uncertain or PodName.parse(kept.name) is None:
            return []
        twins = [
            pod
            for pod in self.work.provider.list()
            if pod.id != kept.id and pod.phase != _pod.GONE and self._mine(pod.name)
        ]
        results = self.work.end(twins)
        try:
            require_gone(self.work.provider, results)
        except errors.NotProvedGone as error:
            # The task fails, so nobody would use the pod that was kept: it is given back too.
            error.facts["pods_gone"] = results + self.work.end([kept])
            raise
        return results

    # -- a pod that is there
    # ------------------------------------------------------------------------------------------------

    def _present(self, pod: Pod, phase: str | None = None) -> Outcome:
        """Changed as wanted, whatever its phase; waited for unless it is stopped."""
        self._refuse_failed(pod)
        changes = _changes.compare(pod, self.wanted)
        outcome = Outcome(bool(changes), None, _changes.managed(pod), _changes.after(pod, changes, phase))
        before, pod = pod, self._apply(pod, changes)
        if pod.phase == _pod.STOPPED:
            outcome.reached = Reached(_pod.RENTED, pod)
        elif phase is None:
            reset = any(change.resets for change in changes)
            outcome.reached = self._climb(pod, before=before if reset else None)
        if any(change.field == "volume_size_gb" for change in changes):
            outcome.warnings.append(f"The volume of {pod.label()} shows its new size only after a stop and a start.")
        return outcome

    def _apply(self, pod: Pod, changes: list[_changes.Change]) -> Pod:
        """One PATCH of what differs. :raises Conflict: when it would reset a running container unasked."""
        if not changes:
            return pod
        resetting = [change.field for change in changes if change.resets]
        if resetting and pod.phase != _pod.STOPPED and not self.wanted.allow_reset:
            raise errors.Conflict(
                f"The pod {pod.label()} is {pod.phase}, and changing its {', '.join(resetting)} would make its "
                "container anew and lose "
                "everything outside its mounts. Set allow_reset if that is meant."
            )
        if self.check:
            return replace(pod, **_fields(changes))
        self.work.progress.say(f"Changing {', '.join(change.field for change in changes)} of {pod.label()}")
        return self.work.provider.update(pod.id, {change.field: change.value for change in changes})

    def _running(self, pod: Pod) -> Outcome:
        """Changed as wanted, and started when it is stopped."""
        if pod.phase != _pod.STOPPED:
            return self._present(pod)
        outcome = self._present(pod, phase=_pod.RUNNING)
        outcome.changed = True
        return self._act(pod, "start", outcome)

    def _restarted(self, pod: Pod) -> Outcome:
        """Restarted always; a stopped pod is started."""
        self._refuse_failed(pod)
        outcome = Outcome(True, None, _changes.managed(pod), _changes.after(pod, [], _pod.RUNNING))
        return self._act(pod, "start" if pod.phase == _pod.STOPPED else "restart", outcome)

    def _act(self, pod: Pod, action: str, outcome: Outcome) -> Outcome:
        """Start or restart, then wait for the new container."""
        if self.check:
            outcome.reached = Reached(_pod.RENTED, replace(pod, phase=_pod.STARTING, endpoint=None))
            return outcome
        self._order(pod, action, (_pod.STARTING, _pod.RUNNING) if action == "start" else ())
        outcome.reached = self._climb(self.work.provider.get(pod.id), before=pod)
        return outcome

    def _stopped(self, pod: Pod) -> Outcome:
        """Stopped by the provider; what that loses and goes on to cost is shown."""
        self._refuse_failed(pod)
        capabilities = self.work.provider.capabilities
        if not capabilities.stop:
            raise errors.BadRequest(
                f"The pod {pod.label()} cannot be stopped: {capabilities.because.get('stop', 'not offered')}."
            )
        cost = self.work.provider.stop_cost(pod).sentence()
        outcome = Outcome(
            False, Reached(_pod.RENTED, pod), _changes.managed(pod), _changes.managed(pod), warnings=[cost]
        )
        if pod.phase == _pod.STOPPED:
            return outcome
        if pod.locked:
            raise errors.Conflict(f"The pod {pod.label()} is locked and cannot be stopped; unlock it in the console.")
        outcome.changed = True
        outcome.after = _changes.after(pod, [], _pod.STOPPED)
        if self.check:
            outcome.reached = Reached(_pod.RENTED, replace(pod, phase=_pod.STOPPED, endpoint=None))
            return outcome
        self.work.progress.say(cost)
        self._order(pod, "stop", (_pod.STOPPED,))
        outcome.reached = Reached(_pod.RENTED, self._wait_for(pod, _pod.STOPPED))
        return outcome

    def _order(self, pod: Pod, action: str, fulfilled: Sequence[str]) -> None:
        """One action. A 409 or an unknown outcome is settled by reading the pod: it may be there already.

        :raises Conflict: when the pod's present status does not allow the action.
        """
        provider = self.work.provider
        act: Mapping[str, Callable[[str], Pod]] = {
            "start": provider.start,
            "stop": provider.stop,
            "restart": provider.restart,
        }
        self.work.progress.say(f"Asking for the {action} of {pod.label()}")
        try:
            act[action](pod.id)
        except (errors.Conflict, errors.Ambiguous) as error:
            now = provider.get(pod.id)
            if now.phase in fulfilled:
                return
            allowed = ", ".join(now.actions) or "nothing"
            error.message += f" The pod {now.label()} is {now.phase} ({now.raw_status}) and allows: {allowed}."
            error.args = (error.message,)
            raise

    def _wait_for(self, pod: Pod, phase: str) -> Pod:
        """Wait for a phase. :raises WaitTimeout: after STOP_DEADLINE."""
        for gone in self.work.polls.until(STOP_DEADLINE):
            pod = self.work.provider.get(pod.id)
            if pod.phase == phase:
                return pod
            self.work.progress.remind(f"{pod.label()}: waiting for {phase}, {gone:.0f} of {STOP_DEADLINE:.0f} s")
        raise errors.WaitTimeout(
            f"The pod {pod.label()} is {pod.phase} ({pod.raw_status}) and not {phase} after "
            f"{STOP_DEADLINE:.0f} s; look at it in the console.",
            stage=_readiness.stage_of(pod),
        )

    def _refuse_failed(self, pod: Pod) -> None:
        if pod.phase == _pod.FAILED:
            raise errors.Conflict(
                f"The pod {pod.label()} has failed ({pod.raw_status}) and does not recover; end it (state "
                "absent) and rent another."
            )

    # -- giving back
    # --------------------------------------------------------------------------------------------------------

    def _absent(self, pods: list[Pod]) -> Outcome:
        """All pods of the identity ended and proved gone; of any other name, only one is."""
        if len(pods) > 1 and PodName.parse_identity(self.wanted.name) is None:
            listed = ", ".join(f"{pod.id} ({pod.phase})" for pod in pods)
            raise errors.Conflict(
                f"{len(pods)} pods have the name {self.wanted.name}: {listed}. Say which to end by its id."
            )
        before = _changes.managed(pods[0]) if pods else {}
        outcome = Outcome(bool(pods), None, before, {})
        if self.check or not pods:
            return outcome
        outcome.gone = self.work.end(pods)
        require_gone(self.work.provider, outcome.gone)
        return outcome


def _fields(changes: Sequence[_changes.Change]) -> dict[str, Any]:
    """Changes as fields of a Pod, for a prediction; a grown volume shows in the diff only."""
    return {
        change.field: tuple(change.value) if change.field == "ports" else change.value
        for change in changes
        if change.field != "volume_size_gb"
    }
