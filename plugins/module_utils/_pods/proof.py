# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending pods and proving that they are gone.

"Gone" is read, never assumed: a pod is proved gone when it was absent from ``get`` and from a complete ``list``,
twice, with a pause between, for the account that rented it. An error is never an absence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._core import errors
from .._core import pod as pod_states
from .._core.clock import PollInterval
from .._core.pod import Pod
from .._core.times import utc_now
from .._core.units import duration, usd
from .._providers.base import Provider
from .holder import Holder, doubt
from .ledger import GONE, Ledger
from .progress import Progress
from .watch import PodWatcher

#: Seconds for a pod to be proved gone. Ending takes seconds; two minutes also ride out a full window of the rate limit.
PATIENCE = 120.0
#: Seconds after a create for which the provider may not show the pod yet, neither in ``get`` nor in ``list``.
GRACE = 60.0
#: Seconds between the first looks: the second absence is usually there at once, and every second of a pod is paid for.
QUICK = 2.0
#: How many looks are quick; then the polite interval, for the rate limit's sake.
QUICK_LOOKS = 5
#: Seconds after which an order to end is given again when the pod is still there: it may have been lost on the
#: provider's side.
AGAIN = 20.0
#: Absences in a row that are a proof: one read right after a delete may be stale, in either direction.
PROOF = 2
#: Seconds by which the wait for the request budget may prolong the patience: what was not asked has proved nothing, but
#: a person should know before long.
HELD_BACK = 600.0


@dataclass
class Target:
    """One pod on its way out."""

    pod: Pod
    #: The account that the ledger names as its renter; None: it comes from the provider's own list.
    renter: Holder | None = None
    #: The account in force has shown it, or has taken the order to end it: then it is its own.
    seen: bool = False
    ordered: bool = False
    ordered_at: float = float("-inf")
    absences: int = 0
    absent_since: float = 0.0
    gone_at: str | None = None
    reason: str | None = None
    stuck: bool = False

    def to_result(self) -> dict[str, Any]:
        return {
            "provider": self.pod.provider,
            "id": self.pod.id,
            "name": self.pod.name,
            "usd_per_hour": self.pod.usd_per_hour,
            "gone_proved": self.gone_at is not None,
            "gone_at": self.gone_at,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Ending:
    """How pods are ended.

    :param settle: seconds for which "no such pod" is not believed, because the pods were made moments ago.
    """

    provider: Provider
    polls: PollInterval = field(default_factory=PollInterval)
    progress: Progress = field(default_factory=Progress)
    ledger: Ledger = field(default_factory=lambda: Ledger(None))
    patience: float = PATIENCE
    settle: float = 0.0
    looks: PodWatcher = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "looks", PodWatcher(self.provider, self.polls.clock))


def terminate_and_prove(
    provider: Provider,
    pods: Sequence[Pod],
    *,
    polls: PollInterval | None = None,
    progress: Progress | None = None,
    ledger: Ledger | None = None,
    patience: float = PATIENCE,
    settle: float = 0.0,
) -> list[dict[str, Any]]:
    """End these pods and prove that they are gone; never raises, for the caller must learn of every pod.

    :returns: of each pod {"provider", "id", "name", "usd_per_hour", "gone_proved", "gone_at" (RFC 3339 UTC or None),
        "reason" (why it is not proved, or None)}. ``require_gone`` turns what is not proved into an error.
    """
    ending = Ending(provider, polls or PollInterval(), progress or Progress(), ledger or Ledger(None), patience, settle)
    renters = {(event["provider"], event["id"]): Holder.of(event) for event in ending.ledger.made()}
    targets = [Target(pod, renters.get((pod.provider, pod.id)), pod.phase != pod_states.UNKNOWN) for pod in pods]
    prove(ending, targets)
    return [target.to_result() for target in targets]


def prove(ending: Ending, targets: Sequence[Target]) -> None:
    """Prove the same for targets, some of which may have been told to end already."""
    if not targets:
        return
    provider, patience, settle = ending.provider, ending.patience, ending.settle
    clock = ending.polls.clock
    begun, held_back, looks = clock.monotonic(), provider.held_back, 0
    while True:
        elapsed = clock.monotonic() - begun
        left = [target for target in targets if target.gone_at is None and not target.stuck]
        with provider.urgently():
            order(ending, left, elapsed)
            _look(ending, [target for target in left if not target.stuck], elapsed)
        left = [target for target in targets if target.gone_at is None and not target.stuck]
        looks += 1
        prolonged = min(HELD_BACK, provider.held_back - held_back)
        prolonged += provider.capabilities.watched
        remaining = patience + settle + prolonged - (clock.monotonic() - begun)
        if not left or remaining <= 0:
            break
        ending.progress.remind(
            f"Still ending {', '.join(target.pod.label() for target in left)}, {duration(elapsed)} so far"
        )
        _pause(ending.polls, looks, remaining)
    for target in targets:
        if target.gone_at is None and target.reason is None:
            target.reason = f"it was still there after {duration(patience + settle)}"


def _pause(polls: PollInterval, looks: int, at_most: float) -> None:
    """Pause between looks: the first ones come quickly, the later ones politely."""
    if looks < QUICK_LOOKS:
        polls = replace(polls, interval=min(QUICK, polls.interval) if polls.interval is not None else QUICK)
    polls.pause(at_most)


def order(ending: Ending, targets: Iterable[Target], elapsed: float) -> None:
    """Tell the provider to end each pod that it was not told to end yet, or that is still there a while after."""
    for target in targets:
        if target.ordered and (target.absences > 0 or elapsed - target.ordered_at < AGAIN):
            continue
        if not target.ordered and target.ordered_at == float("-inf"):
            price = f" ({usd(target.pod.usd_per_hour)} per hour)" if target.pod.usd_per_hour else ""
            ending.progress.say(f"Ending {target.pod.label()}{price}")
        try:
            target.ordered = ending.provider.terminate(target.pod.id) or target.ordered
            target.seen |= target.ordered
            target.reason = None
        except errors.CloudError as error:
            _note(target, error)
        target.ordered_at = elapsed


def _look(ending: Ending, targets: Sequence[Target], elapsed: float) -> None:
    """One look at all of them: absent from ``get`` and from the complete list, or not."""
    if not targets:
        return
    try:
        # Begun after the orders: a list from before them would prove nothing.
        seen = ending.looks.pods(since=ending.polls.clock.monotonic(), urgent=True)
        listed = {pod.id for pod in seen if pod.phase != pod_states.GONE}
    except errors.CloudError as error:
        for target in targets:
            _note(target, error)
        return
    for target in targets:
        try:
            absent = target.pod.id not in listed and _absent(ending.provider, target)
        except errors.CloudError as error:
            _note(target, error)
            continue
        target.seen |= not absent
        target.absences = target.absences + 1 if absent else 0
        target.absent_since = elapsed if target.absences <= 1 else target.absent_since
        believed = target.ordered or elapsed >= ending.settle
        watched = elapsed - target.absent_since >= ending.provider.capabilities.watched
        if target.absences >= PROOF and believed and watched:
            _proved(ending, target)


def _absent(provider: Provider, target: Target) -> bool:
    """Return True when ``get`` says that the pod does not exist, or that it has ended."""
    try:
        phase = provider.get_pod(target.pod.id).phase
    except errors.NotFound:
        return True
    target.seen = True
    return phase == pod_states.GONE


def _proved(ending: Ending, target: Target) -> None:
    """Note a target as gone, if this account can say so.

    It sees nothing of another account's pod, whether that lives or not.
    """
    why = None if target.seen or target.renter is None else doubt(ending.provider, target.renter)
    if why is not None:
        target.reason, target.stuck = why, True
        return
    target.gone_at = utc_now()
    target.reason = None
    pod = target.pod
    ending.progress.say(f"{pod.label()} is gone: absent {PROOF} times")
    renter = (
        target.renter if target.renter is not None and target.renter.known else Holder(None, ending.provider.key_hash)
    )
    write_quietly(ending.ledger, ending.progress, GONE, pod, holder=renter)


def _note(target: Target, error: errors.CloudError) -> None:
    """Remember why it is not proved; an error is no absence. A refused key will not be accepted by asking again."""
    target.reason = error.message
    target.absences = 0
    target.stuck = isinstance(error, (errors.AuthError, errors.Forbidden))


def pod_of(event: dict[str, Any]) -> Pod:
    """Return the pod of a ledger's entry: what is known of it without asking the provider."""
    return Pod(
        event["provider"],
        event["id"],
        event["name"],
        pod_states.UNKNOWN,
        gpu=event.get("gpu"),
        usd_per_hour=event.get("usd_per_hour"),
        created_at=event["time"],
    )


def write_quietly(
    ledger: Ledger, progress: Progress, event: str, pod: Pod, reason: str | None = None, holder: Holder | None = None
) -> None:
    """Write to the ledger about a pod that exists or existed.

    A full disk must not lose the pod, so a failure is only remarked.
    """
    try:
        ledger.write(
            event,
            pod.name,
            pod.provider,
            pod_id=pod.id or None,
            gpu=pod.gpu,
            usd_per_hour=pod.usd_per_hour,
            reason=reason,
            holder=holder,
        )
    except OSError as error:
        progress.say(
            f"The ledger of the run could not be written ({error.strerror}); {pod.label()} is not recorded as {event}"
        )
