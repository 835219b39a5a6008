# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rent on the best offer there is, of one provider or of several, until a pod is accepted.

The offers of a call are one pool, best first, for one pod or for several that are rented at the same time.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Callable

from .._core import errors
from .._core.offer import Offer
from .._core.pod import RENTED, UNKNOWN, Pod, PodRequest
from .._core.units import duration, usd
from .._market.search import over
from . import attempts
from .attempts import AttemptLog
from .context import PodContext
from .create import create_once
from .readiness import ADVICE, DEADLINES, Reached
from .replacement import FINAL, HOST, PROVIDER, Fault, fault_of, replaces_host
from .terminate import require_gone

#: Offers of single machines that may be refused since the search: what was listed minutes ago is mostly gone by then.
MOST_REFUSED = 10


class OfferPool:
    """Offers that several threads take from.

    The offer of a single machine is taken once; one that stands for many machines stays until it is refused.

    :param more: searches the market again once there is nothing left, but at these providers; None: there is no second
        search.
    :param remember: told of the machine (or the kind of GPU in a region) whose pod did not get ready, and why.
    :param pods: how many are rented at the same time.
    """

    def __init__(
        self,
        offers: Sequence[Offer],
        more: Callable[[frozenset[str]], Sequence[Offer]] | None = None,
        remember: Callable[[Offer, str | None, str], None] = lambda offer, region, reason: None,
        pods: int = 1,
    ) -> None:
        self._offers = list(offers)
        self._more = more
        self._remember = remember
        self._most_refused = MOST_REFUSED * pods
        self._refused = 0
        self._taken: set[tuple[str, str]] = set()
        self._bad: set[tuple[str, str]] = set()
        self._closed: set[str] = set()
        self._lock = threading.RLock()

    def take(self) -> Offer | None:
        """Take the best offer that is left, None when there is none."""
        with self._lock:
            if self._refused >= self._most_refused:
                self._offers = [offer for offer in self._offers if offer.id is None]
            if not self._offers:
                self._search()
            if not self._offers:
                return None
            offer = self._offers[0]
            if offer.id is not None:
                self._taken.add((offer.provider, offer.id))
                del self._offers[0]
            return offer

    def _search(self) -> None:
        """Once more, for what has come meanwhile: what was had or refused already is not."""
        if self._more is None:
            return
        more, self._more, self._refused = self._more, None, 0
        self._offers = [
            offer
            for offer in more(frozenset(self._closed))
            if (offer.provider, offer.id or "") not in self._taken
            and (offer.provider, offer.host or "") not in self._bad
        ]

    def drop(self, offer: Offer) -> None:
        """Drop an offer: it is not tried again."""
        with self._lock:
            self._offers = [each for each in self._offers if _key(each) != _key(offer)]

    def refused(self, offer: Offer) -> None:
        """Note that an offer was refused."""
        with self._lock:
            self._refused += offer.id is not None
            self.drop(offer)

    def failed(self, offer: Offer, region: str | None, reason: str) -> None:
        """Note that an offer's pod did not become ready.

        The same machine is not rented again, and where machines have no number, the same kind of GPU in the same region
        comes last.
        """
        with self._lock:
            self._remember(offer, region, reason)
            if offer.host is not None:
                self._bad.add((offer.provider, offer.host))
                self._offers = [
                    each for each in self._offers if (each.provider, each.host) != (offer.provider, offer.host)
                ]
                return
            same = [each for each in self._offers if _alike(each, offer, region)]
            if _key(offer) not in map(_key, same) and offer.id is None:
                same.append(offer)
            self._offers = [each for each in self._offers if _key(each) not in map(_key, same)] + same

    def close(self, provider: str) -> bool:
        """Close this provider: it has nothing left. False when no other provider has anything either."""
        with self._lock:
            self._closed.add(provider)
            self._offers = [each for each in self._offers if each.provider != provider]
            return bool(self._offers) or self._more is not None


def _key(offer: Offer) -> tuple[str, ...]:
    """Return what an offer is known by."""
    cpu = offer.cpu.describe() if offer.cpu is not None else ""
    return (offer.provider, offer.id or "", offer.gpu_id, offer.cloud or "", offer.region or "", cpu)


def _alike(one: Offer, other: Offer, region: str | None) -> bool:
    """Return whether both are the same kind of GPU at the same provider, in that region or in any."""
    same_kind = all(getattr(one, name) == getattr(other, name) for name in ("provider", "gpu_id", "cpu", "cloud"))
    return same_kind and one.id is None and (one.region is None or one.region == region)


Accept = Callable[[Pod], Reached]


@dataclass(frozen=True)
class RentTarget:
    """Where the pods of one provider are rented.

    :param request: the request for an offer and the number of the create.
    :param accept: waits for the pod and says how far it got; a CloudError means that the pod is no good.
    """

    work: PodContext
    request: Callable[[Offer, int], PodRequest]
    accept: Accept


@dataclass(frozen=True)
class RentLimits:
    """What a pod may cost in money, tries and time.

    :param cap: USD per hour at most.
    :param most: pods that may be rented and given up at most.
    :param rented: seconds in which an order must be taken, from the first one or from the last pod that was given back.
    :param strict: a pod whose contract is not as it was asked for counts as given up, and the next offer is tried.
    :param before: asked before each try; it raises what ends the renting.
    """

    cap: float | None
    most: int
    rented: float = DEADLINES[RENTED]
    strict: bool = False
    before: Callable[[], None] = lambda: None


def rent(
    targets: Mapping[str, RentTarget], pool: OfferPool, first_attempt: int, limits: RentLimits, history: AttemptLog
) -> Reached:
    """Rent on the best offer that can be had, and keep the pod that is accepted.

    An offer that is refused is left out from then on. A pod that is not accepted (it does not get ready, or its
    contract costs more than the cap) is ended and proved gone, and its machine is not rented again. Where no offer of a
    provider can be had, those of the others are tried.

    :param targets: provider -> where its pods are rented.
    :raises CloudError: when nothing was rented for good; ``facts`` hold the attempts and the pods that were ended.
    """
    number, tries = first_attempt, _Tries(pool, limits, history)
    try:
        while (offer := pool.take()) is not None:
            tries.refuse_to_go_on()
            target = targets[offer.provider]
            request = target.request(offer, number)
            number += 1
            kept = request.volume.size_gb or 0 if request.volume is not None else 0
            history.begin(target.work.provider.rates(offer, request.disk_gb or 0, kept))
            try:
                return _tried(target, request, offer, limits.cap, history)
            except FINAL:
                raise
            except errors.CloudError as error:
                if not tries.another(offer, error):
                    raise
    except errors.CloudError as error:
        _with_facts(error, history)
        raise
    raise _with_facts(nothing_left(tries.refusals), history)


class _Tries:
    """What came of the tries for one pod so far, and whether there is another one."""

    def __init__(self, pool: OfferPool, limits: RentLimits, history: AttemptLog) -> None:
        self._pool, self._limits, self._history = pool, limits, history
        self.refusals: list[errors.CloudError] = []
        self._unclear: Counter[str] = Counter()
        self._since = history.clock.monotonic()

    def refuse_to_go_on(self) -> None:
        """Refuse to try another offer once the call must end.

        :raises BaseException: the reason.
        """
        self._limits.before()
        if self.refusals and self._history.clock.monotonic() - self._since > self._limits.rented:
            raise _not_rented(self.refusals, self._limits.rented)

    def another(self, offer: Offer, error: errors.CloudError) -> bool:
        """Put the offer where it belongs after its refusal. False: no other one will do better."""
        self.refusals.append(error)
        self._unclear[offer.provider] += error.elsewhere == "once"
        made, unclear = self._history.meter.made is not None, self._unclear[offer.provider]
        fault = fault_of(error, made=made, unclear=unclear, strict=self._limits.strict)
        if fault.given_up:
            return self._replaced(offer, error, fault)
        if fault.blame == PROVIDER:
            return self._pool.close(offer.provider)
        self._pool.refused(offer)
        return True

    def _replaced(self, offer: Offer, error: errors.CloudError, fault: Fault) -> bool:
        """Say whether another pod is rented in place of one that was rented and given up."""
        self._history.given_up += 1
        self._since = self._history.clock.monotonic()
        if not fault.everywhere and fault.blame == HOST:
            self._pool.failed(offer, self._history.attempts[-1]["region"], error.message)
        elif not fault.everywhere:
            self._pool.drop(offer)
        left = self._limits.most - self._history.given_up
        if not fault.everywhere and left <= 0:
            _last_attempt(error, self._history.given_up)
        return replaces_host(left, math.inf, everywhere=fault.everywhere)


def _tried(target: RentTarget, request: PodRequest, offer: Offer, cap: float | None, history: AttemptLog) -> Reached:
    """One try on one offer."""
    pod = _asked(target.work, request, offer, history)
    history.reach(pod, RENTED)
    result = _accepted(target.work, pod, request, offer, target.accept, cap, history)
    entry = history.record(target.work.provider.name, request, offer, attempts.RENTED, result.pod)
    entry["stage"] = result.stage
    return result


def _asked(work: PodContext, request: PodRequest, offer: Offer, history: AttemptLog) -> Pod:
    """One create; a refusal is recorded and shown. :raises CloudError: the refusal."""
    try:
        return create_once(work, request, history)
    except errors.CloudError as error:
        if error.made:
            # The provider made a pod and called it a failure: it costs money, whatever the answer says.
            half = Pod(work.provider.name, error.made, request.name, UNKNOWN, gpu=request.gpu)
            history.reach(half, RENTED)
            _give_back(work, half, request, offer, error, history)
            raise
        reason = error.detail or error.message
        history.record(work.provider.name, request, offer, attempts.REFUSED, reason=reason)
        work.progress.say(f"Not rented: {error.message}")
        raise


def _accepted(
    work: PodContext,
    pod: Pod,
    request: PodRequest,
    offer: Offer,
    accept: Accept,
    cap: float | None,
    history: AttemptLog,
) -> Reached:
    """Return what ``accept`` makes of the pod; give a pod that is no good back before its error goes on.

    The same happens for an error that is not ours, even an interrupt: a pod without a task that waits for it must not
    go on costing money.
    """
    try:
        said = pod.usd_per_hour
        pod = work.provider.finish_create(pod, request)
        if said is None and pod.usd_per_hour is not None:
            work.progress.say(f"The contract of {pod.label()} says {usd(pod.usd_per_hour)} per hour")
        _within_cap(pod, cap)
        result = accept(pod)
        _within_cap(result.pod, cap)
    except BaseException as error:
        _give_back(work, pod, request, offer, error, history)
        raise
    return result


def _within_cap(pod: Pod, cap: float | None) -> None:
    """Check the price in the contract, read back.

    :raises TooExpensive: when it is above the cap.
    """
    if over(pod.usd_per_hour, cap):
        raise errors.TooExpensive(
            f"The contract of the pod {pod.label()} says {usd(pod.usd_per_hour)} per hour, above the cap of "
            f"{usd(cap)}; "
            "it was given back at once."
        )


def _give_back(
    work: PodContext, pod: Pod, request: PodRequest, offer: Offer, error: BaseException, history: AttemptLog
) -> None:
    """End a pod that is not kept.

    :raises NotProvedGone: when it may still cost money, with the first error's words too.
    """
    if isinstance(error, errors.CloudError) and error.pod is not None:
        pod = error.pod
    reason = error.message if isinstance(error, errors.CloudError) else f"interrupted ({error or type(error).__name__})"
    entry = history.record(work.provider.name, request, offer, attempts.GIVEN_BACK, pod, reason)
    work.progress.say(f"Giving back {pod.label()}: {reason}")
    results = work.end([pod], settle=work.grace)
    history.settle(entry)
    history.gone.extend(results)
    work.progress.say(attempts.describe(entry))
    try:
        require_gone(work.provider, results)
    except errors.NotProvedGone as unproved:
        unproved.reword(f"{reason} {unproved.message}")
        raise _with_facts(unproved, history) from error


def _last_attempt(error: errors.CloudError, given_up: int) -> None:
    """Say that the limit ends it, and not this last trouble alone."""
    pods = "The only pod that may be" if given_up == 1 else f"All {given_up} pods that may be"
    error.add(f"{pods} rented and given up for one (option attempts): no other offer is tried.")


def _not_rented(refusals: Sequence[errors.CloudError], seconds: float) -> errors.CloudError:
    """Return the error when no order was accepted for too long."""
    last = refusals[-1]
    return errors.NoCapacity(
        f"Nothing was rented within {duration(seconds)}: {len(refusals)} offers were refused, the last one in the "
        f"provider's words: {(last.detail or last.message).rstrip('.')}. {ADVICE[RENTED]}",
        status=last.status,
        detail=last.detail,
    )


def nothing_left(refusals: Sequence[errors.CloudError]) -> errors.CloudError:
    """Return the error when every offer was tried: the only one's own, or one that lists them all."""
    texts = list(dict.fromkeys(error.detail or error.message for error in refusals))
    if len({type(error) for error in refusals}) == 1:
        last = refusals[-1]
        if isinstance(last, errors.Forbidden):
            last.add("Every offer was refused so: the key may lack the right to rent.")
        elif len(refusals) > 1:
            last.add(f"All {len(refusals)} offers that fit were tried.")
        return last
    if not refusals:
        return errors.NoCapacity("Nothing was rented: every offer that fits is taken by another pod of this call.")
    return errors.NoCapacity(
        f"Nothing was rented: all {len(refusals)} offers that fit were refused, in the provider's words: "
        f"{' | '.join(texts)}"
    )


def _with_facts(error: errors.CloudError, history: AttemptLog) -> errors.CloudError:
    error.facts.update(history.facts())
    return error
