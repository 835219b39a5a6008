# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renting: exactly one pod for each create that is meant, whatever the line does. Private to this collection."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.podyard.gpu.plugins.module_utils import _errors as errors
from ansible_collections.podyard.gpu.plugins.module_utils import _ledger, _pod
from ansible_collections.podyard.gpu.plugins.module_utils._fence import creating
from ansible_collections.podyard.gpu.plugins.module_utils._lookup import Work, look_up
from ansible_collections.podyard.gpu.plugins.module_utils._market import over
from ansible_collections.podyard.gpu.plugins.module_utils._offer import Offer
from ansible_collections.podyard.gpu.plugins.module_utils._pod import Pod, PodRequest, usd
from ansible_collections.podyard.gpu.plugins.module_utils._readiness import Reached
from ansible_collections.podyard.gpu.plugins.module_utils._termination import require_gone, write_quietly

#: How often a create is sent for one name: again only after the first was proved not to exist.
SENDS = 2
#: Offers of single machines that may be refused in a row: what was listed minutes ago is mostly gone by then.
MOST_REFUSED = 10


@dataclass
class History:
    """What was tried: ``attempts`` (of each create {"name", "gpu", "gpu_id", "cpu", "cloud", "region",
    "usd_per_hour", "outcome", "id", "reason"}) and ``gone`` (results of ``terminate_and_prove``). ``uncertain`` is True
    once a create was ambiguous: a twin may turn up late.
    """

    attempts: list[dict[str, Any]] = field(default_factory=list)
    gone: list[dict[str, Any]] = field(default_factory=list)
    uncertain: bool = False

    def record(
        self, request: PodRequest, price: float | None, outcome: str, pod: Pod | None = None, reason: str | None = None
    ) -> None:
        """Add one create and what came of it; its region is the pod's, else the only one that was asked for."""
        asked = request.regions[0] if len(request.regions) == 1 else None
        self.attempts.append(
            {
                "name": request.name,
                "gpu": request.gpu or None,
                "gpu_id": request.gpu_id or None,
                "cpu": request.cpu.words() if request.cpu is not None else None,
                "cloud": request.cloud,
                "region": (pod.region if pod is not None else None) or asked,
                "usd_per_hour": pod.usd_per_hour if pod is not None and pod.usd_per_hour is not None else price,
                "outcome": outcome,
                "id": pod.id if pod is not None else None,
                "reason": reason,
            }
        )

    def facts(self) -> dict[str, Any]:
        """For the result of a failure."""
        return {"attempts": self.attempts, "pods_gone": self.gone}


def create_once(work: Work, request: PodRequest, history: History | None = None) -> Pod:
    """Rent one pod, and exactly one, under ``request.name``, which must be unique.

    A create whose outcome is unknown is looked for by its name; what is found is adopted, and only what is proved
    absent, twice and past the grace, is asked for again.

    :raises Fenced: when the run was given back meanwhile.
    :raises Ambiguous: when the outcome stays unknown: then the pod may exist.
    :raises CloudError: any other refusal; no pod exists then.
    """
    history = history if history is not None else History()
    work.provider.check(request)
    sends = 0
    while True:
        try:
            return _create_fenced(work, request)
        except errors.Ambiguous as error:
            sends += 1
            history.uncertain = True
            work.progress.say(f"{error.message} Looking for the pod by its name for {work.grace:.0f} s")
            found = look_up(work, request.name, error)
            if found is not None:
                write_quietly(work.ledger, work.progress, _ledger.CREATED, found, reason="found by its name")
                work.progress.say(f"{found.label()} exists after all and is taken on")
                return found
            if sends >= SENDS:
                nothing = Pod(work.provider.name, "", request.name, _pod.GONE, gpu=request.gpu)
                write_quietly(work.ledger, work.progress, _ledger.GONE, nothing, reason="never appeared")
                error.message += (
                    f" It was sent {sends} times, and no pod named {request.name} appeared. Try again later."
                )
                error.args = (error.message,)
                raise


class _Fence:
    """The run's fence around each send of one create, and in the ledger the intent before it and the outcome after it.

    A create may wait minutes until it may be sent, or sent again. The fence is free meanwhile: who gives the run back
    waits for what is in flight and for nothing else, and what has waited is not sent then.
    """

    def __init__(self, work: Work, request: PodRequest) -> None:
        self._work, self._request = work, request
        self._held = contextlib.ExitStack()
        self._open = False

    def __enter__(self) -> _Fence:
        return self

    def __exit__(self, *_error: object) -> None:
        self._held.close()

    def enter(self) -> None:
        """See Gate. :raises CloudError: when nothing may be sent."""
        work, request = self._work, self._request
        self._held.enter_context(creating(work.run_dir))
        try:
            work.ledger.write(_ledger.CREATING, request.name, work.provider.name, gpu=request.gpu)
        except OSError as error:
            raise errors.CloudError(
                f"Nothing was rented, since the run's ledger in {work.run_dir} cannot be written: {error.strerror}."
            ) from error
        self._open = True

    def leave(self) -> None:
        """See Gate."""
        self.note(_ledger.REFUSED, reason="not carried out, and to be sent again")
        self._held.close()

    def note(self, event: str, pod: Pod | None = None, reason: str | None = None) -> None:
        """What came of what was sent; of nothing sent there is nothing to say."""
        if self._open:
            nothing = Pod(self._work.provider.name, "", self._request.name, _pod.UNKNOWN, gpu=self._request.gpu)
            write_quietly(self._work.ledger, self._work.progress, event, pod or nothing, reason)
        self._open = False


def _create_fenced(work: Work, request: PodRequest) -> Pod:
    """Intent to the ledger, one POST, outcome to the ledger, all inside the fence."""
    with _Fence(work, request) as fence:
        try:
            pod = work.provider.rent(request, fence)
        except errors.CloudError as error:
            event = _ledger.AMBIGUOUS if isinstance(error, errors.Ambiguous) else _ledger.REFUSED
            made = None
            if error.made:
                event = _ledger.CREATED
                made = Pod(work.provider.name, error.made, request.name, _pod.UNKNOWN, gpu=request.gpu)
            fence.note(event, made, error.message)
            raise
        fence.note(_ledger.CREATED, pod)
    price = f", {usd(pod.usd_per_hour)} per hour" if pod.usd_per_hour is not None else ""
    work.progress.say(f"Rented {pod.label()}: {request.compute()}{price}")
    return pod


Accept = Callable[[Pod], Reached]


def rent(
    work: Work,
    offers: Sequence[Offer],
    make_request: Callable[[Offer, int], PodRequest],
    first_attempt: int,
    accept: Accept,
    *,
    cap: float | None,
    most: int,
    history: History,
) -> Reached:
    """Rent on the best offer that can be had, and keep the pod that ``accept`` accepts.

    An offer that is refused is left out from then on. A pod that is not accepted (it does not get ready, or its
    contract costs more than the cap) is ended and proved gone, and its offer goes to the end of the queue.

    :param make_request: the request for an offer and the number of the create.
    :param accept: waits for the pod and says how far it got; a CloudError means that the pod is no good.
    :param most: pods that may be rented and given up at most.
    :raises CloudError: when nothing was rented for good; ``facts`` hold the attempts and the pods that were ended.
    """
    queue, number, given_up = deque(offers), first_attempt, 0
    refusals: list[errors.CloudError] = []
    while queue:
        offer = queue.popleft()
        request = make_request(offer, number)
        number += 1
        try:
            pod = _asked(work, request, offer, history)
            result = _accepted(work, pod, request, offer, accept, cap, history)
        except errors.NotProvedGone:
            raise
        except errors.CloudError as error:
            refusals.append(error)
            bad_host = isinstance(error, (errors.WaitTimeout, errors.PodLost)) and error.code != errors.EVERYWHERE
            given_up += bad_host
            hopeless = error.elsewhere == "no" and not bad_host
            if hopeless or given_up >= most or _twice(refusals):
                error.facts.update(history.facts())
                raise
            if offer.id is not None and len(refusals) - given_up >= MOST_REFUSED:
                break
            if bad_host:
                queue = _without_host(queue, offer)
            continue
        history.record(request, offer.usd_per_hour, "rented", result.pod)
        return result
    raise _with_facts(_nothing_left(refusals), history)


def _without_host(queue: deque[Offer], offer: Offer) -> deque[Offer]:
    """The queue after this offer's pod did not get ready: other hosts first, and the same machine never again."""
    if offer.host is None:
        return deque([*queue, offer])
    return deque(each for each in queue if each.host != offer.host)


def _asked(work: Work, request: PodRequest, offer: Offer, history: History) -> Pod:
    """One create; a refusal is recorded and shown. :raises CloudError: the refusal."""
    try:
        return create_once(work, request, history)
    except errors.CloudError as error:
        if error.made:
            # The provider made a pod and called it a failure: it costs money, whatever the answer says.
            half = Pod(work.provider.name, error.made, request.name, _pod.UNKNOWN, gpu=request.gpu)
            _give_back(work, half, request, offer, error, history)
            raise
        history.record(request, offer.usd_per_hour, "refused", reason=error.detail or error.message)
        work.progress.say(f"Not rented: {error.message}")
        raise


def _accepted(
    work: Work, pod: Pod, request: PodRequest, offer: Offer, accept: Accept, cap: float | None, history: History
) -> Reached:
    """What ``accept`` makes of the pod; a pod that is no good is given back before its error goes on.

    Also when the error is none of ours, even an interrupt: a pod that nobody waits for must not go on costing money.
    """
    try:
        said = pod.usd_per_hour
        pod = work.provider.settle(pod, request)
        if said is None and pod.usd_per_hour is not None:
            work.progress.say(f"The contract of {pod.label()} says {usd(pod.usd_per_hour)} per hour")
        _within_cap(pod, cap)
        result = accept(pod)
        _within_cap(result.pod, cap)
    except BaseException as error:
        _give_back(work, pod, request, offer, error, history)
        raise
    return result


def _twice(refusals: Sequence[errors.CloudError]) -> bool:
    """True when a second offer was refused with a text that does not say why: then it was the request."""
    return sum(error.elsewhere == "once" for error in refusals) > 1


def _within_cap(pod: Pod, cap: float | None) -> None:
    """The price in the contract, read back. :raises TooExpensive: when it is above the cap."""
    if over(pod.usd_per_hour, cap):
        raise errors.TooExpensive(
            f"The contract of the pod {pod.label()} says {usd(pod.usd_per_hour)} per hour, above the cap of "
            f"{usd(cap)}; "
            "it was given back at once."
        )


def _give_back(work: Work, pod: Pod, request: PodRequest, offer: Offer, error: BaseException, history: History) -> None:
    """End a pod that is not kept. :raises NotProvedGone: when it may still cost money, with the first error's words
    too.
    """
    reason = error.message if isinstance(error, errors.CloudError) else f"interrupted ({type(error).__name__})"
    history.record(request, offer.usd_per_hour, "given back", pod, reason)
    work.progress.say(f"Giving back {pod.label()}: {reason}")
    results = work.end([pod], settle=work.grace)
    history.gone.extend(results)
    try:
        require_gone(work.provider, results)
    except errors.NotProvedGone as unproved:
        unproved.message = f"{reason} {unproved.message}"
        unproved.args = (unproved.message,)
        raise _with_facts(unproved, history) from error


def _nothing_left(refusals: Sequence[errors.CloudError]) -> errors.CloudError:
    """The error when every offer was tried: the only one's own, or one that lists them all."""
    texts = list(dict.fromkeys(error.detail or error.message for error in refusals))
    if len({type(error) for error in refusals}) == 1:
        last = refusals[-1]
        if isinstance(last, errors.Forbidden):
            last.message += " Every offer was refused so: the key may lack the right to rent."
        elif len(refusals) > 1:
            last.message += f" All {len(refusals)} offers that fit were tried."
        last.args = (last.message,)
        return last
    return errors.NoCapacity(
        f"Nothing was rented: all {len(refusals)} offers that fit were refused, in the provider's words: "
        f"{' | '.join(texts)}"
    )


def _with_facts(error: errors.CloudError, history: History) -> errors.CloudError:
    error.facts.update(history.facts())
    return error
