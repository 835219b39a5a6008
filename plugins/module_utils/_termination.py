# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending pods and proving that they are gone. Private to this collection.

"Gone" is read, never assumed: a pod is proved gone when it was absent from ``get`` and from a complete ``list``,
twice, with a pause between. An error is never an absence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.podyard.gpu.plugins.module_utils import _errors as errors
from ansible_collections.podyard.gpu.plugins.module_utils import _ledger, _pod
from ansible_collections.podyard.gpu.plugins.module_utils._ledger import Ledger
from ansible_collections.podyard.gpu.plugins.module_utils._names import PodName
from ansible_collections.podyard.gpu.plugins.module_utils._pod import Pod, usd
from ansible_collections.podyard.gpu.plugins.module_utils._progress import Progress
from ansible_collections.podyard.gpu.plugins.module_utils._provider import Provider
from ansible_collections.podyard.gpu.plugins.module_utils._wait import Polls
from ansible_collections.podyard.gpu.plugins.module_utils._watch import Looks

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
class _Target:
    """One pod on its way out."""

    pod: Pod
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
    polls: Polls = field(default_factory=Polls)
    progress: Progress = field(default_factory=Progress)
    ledger: Ledger = field(default_factory=lambda: Ledger(None))
    patience: float = PATIENCE
    settle: float = 0.0
    looks: Looks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "looks", Looks(self.provider, self.polls.clock))


def terminate_and_prove(
    provider: Provider,
    pods: Sequence[Pod],
    *,
    polls: Polls | None = None,
    progress: Progress | None = None,
    ledger: Ledger | None = None,
    patience: float = PATIENCE,
    settle: float = 0.0,
) -> list[dict[str, Any]]:
    """End these pods and prove that they are gone; never raises, for the caller must learn of every pod.

    :returns: of each pod {"provider", "id", "name", "usd_per_hour", "gone_proved", "gone_at" (RFC 3339 UTC or None),
        "reason" (why it is not proved, or None)}. ``require_gone`` turns what is not proved into an error.
    """
    ending = Ending(provider, polls or Polls(), progress or Progress(), ledger or Ledger(None), patience, settle)
    targets = [_Target(pod) for pod in pods]
    if not targets:
        return []
    clock = ending.polls.clock
    begun, held_back, looks = clock.monotonic(), provider.held_back, 0
    while True:
        elapsed = clock.monotonic() - begun
        left = [target for target in targets if target.gone_at is None and not target.stuck]
        with provider.urgently():
            _order(ending, left, elapsed)
            _look(ending, [target for target in left if not target.stuck], elapsed)
        left = [target for target in targets if target.gone_at is None and not target.stuck]
        looks += 1
        prolonged = min(HELD_BACK, provider.held_back - held_back)
        prolonged += provider.capabilities.watched
        remaining = patience + settle + prolonged - (clock.monotonic() - begun)
        if not left or remaining <= 0:
            break
        ending.progress.remind(
            f"Still ending {', '.join(target.pod.label() for target in left)}, {elapsed:.0f} s so far"
        )
        _pause(ending.polls, looks, remaining)
    for target in targets:
        if target.gone_at is None and target.reason is None:
            target.reason = f"it was still there after {patience + settle:.0f} s"
    return [target.to_result() for target in targets]


def _pause(polls: Polls, looks: int, at_most: float) -> None:
    """The first looks come quickly, the later ones politely."""
    if looks < QUICK_LOOKS:
        polls = replace(polls, interval=min(QUICK, polls.interval) if polls.interval is not None else QUICK)
    polls.pause(at_most)


def _order(ending: Ending, targets: Iterable[_Target], elapsed: float) -> None:
    """Tell the provider to end each pod that was not told yet, or that is still there a while after it was told."""
    for target in targets:
        if target.ordered and (target.absences > 0 or elapsed - target.ordered_at < AGAIN):
            continue
        if not target.ordered and target.ordered_at == float("-inf"):
            price = f" ({usd(target.pod.usd_per_hour)} per hour)" if target.pod.usd_per_hour else ""
            ending.progress.say(f"Ending {target.pod.label()}{price}")
        try:
            target.ordered = ending.provider.terminate(target.pod.id) or target.ordered
            target.reason = None
        except errors.CloudError as error:
            _note(target, error)
        target.ordered_at = elapsed


def _look(ending: Ending, targets: Sequence[_Target], elapsed: float) -> None:
    """One look at all of them: absent from ``get`` and from the complete list, or not."""
    if not targets:
        return
    try:
        # Begun after the orders: a list from before them would prove nothing.
        seen = ending.looks.pods(since=ending.polls.clock.monotonic(), urgent=True)
        listed = {pod.id for pod in seen if pod.phase != _pod.GONE}
    except errors.CloudError as error:
        for target in targets:
            _note(target, error)
        return
    for target in targets:
        try:
            absent = target.pod.id not in listed and _absent(ending.provider, target.pod.id)
        except errors.CloudError as error:
            _note(target, error)
            continue
        target.absences = target.absences + 1 if absent else 0
        target.absent_since = elapsed if target.absences <= 1 else target.absent_since
        believed = target.ordered or elapsed >= ending.settle
        watched = elapsed - target.absent_since >= ending.provider.capabilities.watched
        if target.absences >= PROOF and believed and watched:
            _proved(ending, target)


def _absent(provider: Provider, pod_id: str) -> bool:
    """True when ``get`` says that the pod does not exist, or that it has ended."""
    try:
        return provider.get(pod_id).phase == _pod.GONE
    except errors.NotFound:
        return True


def _proved(ending: Ending, target: _Target) -> None:
    target.gone_at = utc_now()
    target.reason = None
    pod = target.pod
    ending.progress.say(f"{pod.label()} is gone: absent {PROOF} times")
    write_quietly(ending.ledger, ending.progress, _ledger.GONE, pod)


def _note(target: _Target, error: errors.CloudError) -> None:
    """Remember why it is not proved; an error is no absence. A refused key will not be accepted by asking again."""
    target.reason = error.message
    target.absences = 0
    target.stuck = isinstance(error, (errors.AuthError, errors.Forbidden))


def require_gone(
    provider: Provider, results: Sequence[dict[str, Any]], *, all_results: Sequence[dict[str, Any]] | None = None
) -> None:
    """Raise when a pod is not proved gone.

    :param all_results: what the error's facts hold as ``pods_gone``, if that is more than ``results``.
    :raises NotProvedGone: with id, provider, price per hour and the command that ends each of them.
    """
    alive = [result for result in results if not result["gone_proved"]]
    if not alive:
        return
    sentences = [
        f"the pod {result['name']} ({result['id']}) on {result['provider']} may still bill "
        f"{usd(result['usd_per_hour'])} per hour "
        f"({str(result['reason']).rstrip('.')}); end it by: {provider.end_command(result['id'])}"
        for result in alive
    ]
    raise errors.NotProvedGone(
        f"NOT PROVED GONE: {'; '.join(sentences)}", facts={"pods_gone": list(all_results or results)}
    )


def give_back_run(
    provider: Provider,
    prefix: str,
    *,
    grace: float = GRACE,
    ledger: Ledger | None = None,
    polls: Polls | None = None,
    progress: Progress | None = None,
    patience: float = PATIENCE,
) -> list[dict[str, Any]]:
    """End every pod of one run, wherever its name came from, and prove that they are gone.

    Pods are found in the complete list by the run's prefix, and only names of our own pattern count. When the ledger
    knows of a create without an outcome, or of a pod so young that the list may not show it yet, the looking goes on
    for ``grace`` seconds after it, so that a late pod is found too. A pod that the ledger knows and the list does not
    show (its host was lost) is proved gone like the others. Raise the fence first, or a create may come after the
    last look.

    :param prefix: ``podyard-<project>-<run_id>-`` (``_names.prefix_of_run``).
    :raises CloudError: when the pods cannot be listed: an error is never "nothing there".
    """
    polls, progress, ledger = polls or Polls(), progress or Progress(), ledger or Ledger(None)
    done: dict[str, dict[str, Any]] = {}
    begun, late = polls.clock.monotonic(), 0
    while True:
        elapsed = polls.clock.monotonic() - begun
        listed = _listed(Ending(provider, polls, progress, ledger), prefix)
        # Read after the list: what was made meanwhile is in one of them.
        recorded = _recorded(ledger, prefix, provider.name)
        fresh = {pod.id: pod for pod in recorded + listed if pod.id not in done}
        # A young pod may not be shown yet; of an older one the provider's "no such pod" is believed.
        young = any(seconds_since(str(pod.created_at)) < grace for pod in recorded if pod.id in fresh)
        results = terminate_and_prove(
            provider,
            list(fresh.values()),
            polls=polls,
            progress=progress,
            ledger=ledger,
            patience=patience,
            settle=grace if young else 0.0,
        )
        done.update({result["id"]: result for result in results})
        late += elapsed >= grace
        waiting = [event for event in ledger.pending() if _expected(event, prefix, provider.name)]
        if not waiting or (late >= PROOF and not fresh):
            break
        progress.remind(f"Looking for pods that were asked for but not seen yet, {elapsed:.0f} of {grace:.0f} s")
        polls.pause(max(QUICK, grace - elapsed))
    _never_appeared(ledger, prefix, provider.name)
    return list(done.values())


def _listed(ending: Ending, prefix: str) -> list[Pod]:
    """The run's pods that the provider lists. When it does not, those of the ledger are told to end all the same: they
    cost money, and the proof is for the next try.

    :raises CloudError: when they cannot be listed.
    """
    provider = ending.provider
    with provider.urgently():
        try:
            return [pod for pod in provider.list() if _of_run(pod, prefix)]
        except errors.CloudError:
            _order(ending, [_Target(pod) for pod in _recorded(ending.ledger, prefix, provider.name)], 0.0)
            raise


def pods_of_run(provider: Provider, prefix: str) -> list[dict[str, Any]]:
    """What ``give_back_run`` would end now, in the form of its results; nothing is done."""
    return [_Target(pod).to_result() for pod in provider.list() if _of_run(pod, prefix)]


def _of_run(pod: Pod, prefix: str) -> bool:
    name = PodName.parse(pod.name)
    return pod.phase != _pod.GONE and name is not None and name.prefix_of_run == prefix


def _expected(event: dict[str, Any], prefix: str, provider: str) -> bool:
    name = PodName.parse(event.get("name"))
    return name is not None and name.prefix_of_run == prefix and event.get("provider") == provider


def _recorded(ledger: Ledger, prefix: str, provider: str) -> list[Pod]:
    """The run's pods of which the ledger knows that they were made and not that they are gone.

    The list may not show them yet, or no longer: a host that was lost takes its pod out of the list, and that it is
    gone still has to be proved.
    """
    last = {event["name"]: event for event in ledger.read()}
    return [
        pod_of(event)
        for event in last.values()
        if event["event"] == _ledger.CREATED and event.get("id") and _expected(event, prefix, provider)
    ]


def pod_of(event: dict[str, Any]) -> Pod:
    """The pod that an entry of the ledger tells of: what is known of it without asking the provider."""
    return Pod(
        event["provider"],
        event["id"],
        event["name"],
        _pod.UNKNOWN,
        gpu=event.get("gpu"),
        usd_per_hour=event.get("usd_per_hour"),
        created_at=event["time"],
    )


def seconds_since(moment: str) -> float:
    """Seconds since an RFC 3339 time in UTC, by our own clock."""
    return (datetime.now(timezone.utc) - datetime.fromisoformat(moment.replace("Z", "+00:00"))).total_seconds()


def _never_appeared(ledger: Ledger, prefix: str, provider: str) -> None:
    """Close the entries of creates that never became a pod, so that nobody looks for them again."""
    for event in ledger.pending():
        if _expected(event, prefix, provider):
            ledger.write(_ledger.GONE, event["name"], provider, gpu=event.get("gpu"), reason="never appeared")


def write_quietly(ledger: Ledger, progress: Progress, event: str, pod: Pod, reason: str | None = None) -> None:
    """Write to the ledger about a pod that exists or existed: a full disk must not lose the pod, so it is only
    remarked.
    """
    try:
        ledger.write(
            event, pod.name, pod.provider, pod_id=pod.id, gpu=pod.gpu, usd_per_hour=pod.usd_per_hour, reason=reason
        )
    except OSError as error:
        progress.say(
            f"The ledger of the run could not be written ({error.strerror}); {pod.label()} is not recorded as {event}"
        )


def utc_now() -> str:
    """The present time as RFC 3339 UTC text with seconds."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
