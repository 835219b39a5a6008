# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod that is there, towards a wanted state: changed, started, restarted, stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Callable

from .._core import errors
from .._core.pod import FAILED, RENTED, RUNNING, STARTING, STOPPED, Pod
from .._core.units import duration
from .._providers.base import OPTIONS
from . import diff
from . import readiness as pod_readiness
from .context import PodContext
from .outcome import PodOutcome
from .readiness import Reached, Readiness
from .spec import PodSpec
from .watch import PodWatcher

#: Seconds for a pod to be seen stopped: its processes get a grace of their own, a container's end takes seconds.
STOP_DEADLINE = 120.0


@dataclass(frozen=True)
class ExistingPod:
    """One pod that is there, and how it is wanted.

    :param readiness: how far to wait; None: not at all.
    :param check: nothing is written.
    """

    work: PodContext
    wanted: PodSpec
    readiness: Readiness | None = None
    check: bool = False

    def wait_until_ready(self, pod: Pod, *, grace: float = 0.0, before: Pod | None = None) -> Reached:
        """Up the ladder, or not at all when no waiting is wanted or allowed."""
        if self.readiness is None or self.check:
            return Reached(pod_readiness.stage_of(pod), pod)
        return pod_readiness.wait_until_ready(
            self.work.provider, pod, self.readiness, self.work.polls, self.work.progress, grace=grace, before=before
        )

    def present(self, pod: Pod, phase: str | None = None) -> PodOutcome:
        """Change the pod as the options say, whatever its phase; wait for it unless it is stopped."""
        self._refuse_failed(pod)
        changes = diff.compare(pod, self.wanted)
        outcome = PodOutcome(bool(changes), [], diff.managed(pod), diff.after(pod, changes, phase))
        before, pod = pod, self._apply(pod, changes)
        if pod.phase == STOPPED:
            outcome.reached = Reached(RENTED, pod)
        elif phase is None:
            reset = any(change.resets for change in changes)
            outcome.reached = self.wait_until_ready(pod, before=before if reset else None)
        changed = {change.field for change in changes}
        if "volume_size_gb" in changed:
            outcome.warnings.append(f"The volume of {pod.label()} shows its new size only after a stop and a start.")
        if "global_networking" in changed:
            outcome.warnings.append(f"Global networking of {pod.label()} changes only with its next start or restart.")
        return outcome

    def refuse_locked(self, pod: Pod, what: str) -> None:
        """Refuse to touch a locked pod, unless the options unlock it.

        :raises Conflict: for a locked pod.
        """
        if pod.locked and self.wanted.locked is not False:
            raise errors.Conflict(
                f"The pod {pod.label()} is locked and is not {what}: somebody meant it to stay as it is. Set locked to "
                "false as well, and it is unlocked first, or unlock it in the console."
            )

    def unlock(self, pod: Pod) -> Pod:
        """Unlock the pod, where it is locked. ``refuse_locked`` comes first."""
        if not pod.locked or self.check:
            return pod
        self.work.progress.say(f"Unlocking {pod.label()}")
        return self.work.provider.update(pod.id, {"locked": False})

    def _apply(self, pod: Pod, changes: list[diff.Change]) -> Pod:
        """One PATCH of what differs; a lock in the way of it is taken off before, if that is wanted.

        :raises Conflict: when it would reset a running container unasked; its facts hold the diff.
        """
        if not changes:
            return pod
        provider = self.work.provider
        values = diff.sent(pod, self.wanted, {change.field: change.value for change in changes})
        provider.check_changes(pod, values)
        resetting = [OPTIONS.get(change.field, change.field) for change in changes if change.resets]
        if resetting and pod.phase != STOPPED and not self.wanted.allow_reset:
            raise errors.Conflict(
                f"The pod {pod.label()} is {pod.phase}, and to change its {', '.join(resetting)} resets the container: "
                f"{diff.losses(pod)}. To accept that, set allow_reset to true.",
                facts={"diff": {"before": diff.managed(pod), "after": diff.after(pod, changes)}},
            )
        if resetting:
            self.refuse_locked(pod, "changed")
        if self.check:
            return replace(pod, **diff.fields(pod, changes))
        if resetting and pod.locked:
            pod = self.unlock(pod)
            del values["locked"]
        options = [OPTIONS.get(change.field, change.field) for change in changes]
        self.work.progress.say(f"Changing {', '.join(options)} of {pod.label()}")
        return provider.update(pod.id, values)

    def running(self, pod: Pod) -> PodOutcome:
        """Change the pod as the options say, and start it when it is stopped."""
        if pod.phase != STOPPED:
            return self.present(pod)
        outcome = self.present(pod, phase=RUNNING)
        outcome.changed = True
        return self._act(pod, "start", outcome)

    def restarted(self, pod: Pod) -> PodOutcome:
        """Restarted always; a stopped pod is started."""
        self._refuse_failed(pod)
        outcome = PodOutcome(True, [], diff.managed(pod), diff.after(pod, [], RUNNING))
        return self._act(pod, "start" if pod.phase == STOPPED else "restart", outcome)

    def recycled(self, pod: Pod) -> PodOutcome:
        """Replace the container in place, always, and show what that loses."""
        if not self.work.provider.capabilities.recycle:
            raise errors.BadRequest(
                f"The container of {pod.label()} cannot be replaced in place: "
                f"{self.work.provider.capabilities.because.get('recycle', 'not offered')}."
            )
        outcome = PodOutcome(True, [], diff.managed(pod), diff.after(pod, [], RUNNING))
        outcome.warnings.append(f"The container of {pod.label()} is replaced: {diff.losses(pod)}.")
        return self._act(pod, "recycle", outcome)

    def _act(self, pod: Pod, action: str, outcome: PodOutcome) -> PodOutcome:
        """Start or restart, then wait for the new container."""
        if self.check:
            outcome.reached = Reached(RENTED, replace(pod, phase=STARTING, endpoint=None))
            return outcome
        self._order(pod, action, (STARTING, RUNNING) if action == "start" else ())
        outcome.reached = self.wait_until_ready(self.work.provider.get_pod(pod.id), before=pod)
        return outcome

    def stopped(self, pod: Pod) -> PodOutcome:
        """Stop the pod, and show what that loses and what it goes on costing."""
        self._refuse_failed(pod)
        capabilities = self.work.provider.capabilities
        if not capabilities.stop:
            raise errors.BadRequest(
                f"The pod {pod.label()} cannot be stopped: {capabilities.because.get('stop', 'not offered')}."
            )
        cost = self.work.provider.stop_cost(pod).sentence()
        outcome = PodOutcome(False, [Reached(RENTED, pod)], diff.managed(pod), diff.managed(pod), warnings=[cost])
        if pod.phase == STOPPED:
            return outcome
        self.refuse_locked(pod, "stopped")
        outcome.changed = True
        outcome.after = {**diff.after(pod, [], STOPPED), "locked": False}
        if self.check:
            outcome.reached = Reached(RENTED, replace(pod, phase=STOPPED, endpoint=None))
            return outcome
        self.work.progress.say(cost)
        pod = self.unlock(pod)
        self._order(pod, "stop", (STOPPED,))
        outcome.reached = Reached(RENTED, self._wait_for(pod, STOPPED))
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
            "recycle": provider.recycle,
        }
        self.work.progress.say(f"Asking for the {action} of {pod.label()}")
        try:
            act[action](pod.id)
        except errors.NoCapacity as error:
            error.add(_instead_of_waiting(pod, provider.capabilities.keeps_disk))
            raise
        except (errors.Conflict, errors.Ambiguous) as error:
            now = provider.get_pod(pod.id)
            if now.phase in fulfilled:
                return
            allowed = ", ".join(now.actions) or "nothing"
            error.add(f"The pod {now.label()} is {now.phase} ({now.raw_status}) and allows: {allowed}.")
            raise

    def _wait_for(self, pod: Pod, phase: str) -> Pod:
        """Wait for a phase. :raises WaitTimeout: after STOP_DEADLINE."""
        polls = self.work.polls
        begun, looks = polls.clock.monotonic(), PodWatcher(self.work.provider, polls.clock)
        for gone in polls.until(STOP_DEADLINE):
            pod = looks.see(pod, since=max(begun, polls.clock.monotonic() - polls.least))
            if pod.phase == phase:
                return pod
            self.work.progress.remind(
                f"{pod.label()}: waiting for {phase}, {duration(gone)} of {duration(STOP_DEADLINE)}"
            )
        raise errors.WaitTimeout(
            f"The pod {pod.label()} is {pod.phase} ({pod.raw_status}) and not {phase} after "
            f"{duration(STOP_DEADLINE)}; look at it in the console.",
            stage=pod_readiness.stage_of(pod),
        )

    def _refuse_failed(self, pod: Pod) -> None:
        if pod.phase == FAILED:
            raise errors.Conflict(
                f"The pod {pod.label()} has failed ({pod.raw_status}) and does not recover; end it (state "
                "absent) and rent another."
            )


def _instead_of_waiting(pod: Pod, keeps_disk: bool) -> str:
    """Say what to do about a stopped pod whose GPU another customer has rented meanwhile."""
    networks = [mount for mount in pod.mounts if mount.kind == "network"]
    disks = [mount for mount in pod.mounts if mount.kind == "disk"]
    if networks:
        volumes = " and ".join(str(mount.volume_id) for mount in networks)
        return (
            f" What it wrote to the network volume {volumes} is safe there: end this pod (state absent) and rent a new "
            "one with the same network_volume, on any GPU of that data centre."
        )
    if disks:
        kept = " and ".join(mount.path or "its volume" for mount in disks)
        return (
            f" What is in {kept} is on that one host and bills while the pod is stopped: try again later, or start it "
            "without a GPU in the console and save the data. Then end it (state absent) and rent a new pod."
        )
    if keeps_disk:
        return (
            " Its disk is on that one machine and bills while the pod is stopped; the GPU there may never get free "
            "again. Try again later, or end the pod (state absent) and go on from a checkpoint on another machine."
        )
    return " It keeps nothing while it is stopped, so nothing is lost: end it (state absent) and rent a new one."
