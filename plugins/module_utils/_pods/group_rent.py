# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods that a call lacks, rented at the same time from all providers' offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._core import errors
from .._core.offer import Offer
from .._core.pod import RENTED
from .._core.units import usd
from .._core.workers import Interrupted
from .._market import search
from . import attempts as attempt_log
from . import readiness as pod_readiness
from .attempts import AttemptLog
from .group_call import GroupCall, ProviderContext
from .group_find import REFUSED_KEY
from .order import PodOrder
from .outcome import PodOutcome
from .readiness import Reached
from .rent import OfferPool, RentLimits, rent

#: Remarks on the market that are shown; a market of single machines has thousands.
TOLD = 10


class GroupRental:
    """Rent the pods that a call lacks: one, or several at the same time.

    :param first: name -> the number of its first create.
    """

    #: A pod whose contract is not as it was asked for counts as given up; see ``RentLimits``.
    strict_contract = True

    def __init__(self, call: GroupCall, sides: Mapping[str, ProviderContext], first: Mapping[str, int]) -> None:
        self._call, self._sides, self._first = call, dict(sides), dict(first)
        self._orders: dict[str, PodOrder] = {}
        self._offers: Sequence[Offer] = ()
        self._histories: list[AttemptLog] = []

    def prepare(self) -> None:
        """Everything that can be checked for nothing, and the offers. A provider that cannot serve is left out.

        :raises CloudError: when none can.
        """
        refusals: list[errors.CloudError] = []
        name = max(self._first, key=len)
        for provider, side in self._sides.items():
            order = PodOrder(side.work, replace(side.wanted, name=name), side.readiness)
            try:
                self._orders[provider] = order.prepared()
            except REFUSED_KEY:
                raise
            except errors.CloudError as error:
                refusals.append(error)
                if self._call.strict and not isinstance(error, errors.BadRequest):
                    raise
                if len(self._sides) > 1:
                    self._call.note(f"{provider} is left out: {error.message}")
        if not self._orders:
            raise _all_of(refusals)
        self._offers = self._search(frozenset())
        if all(offer.id is not None for offer in self._offers) and len(self._offers) < len(self._first):
            raise errors.NoCapacity(
                f"Nothing was rented: {len(self._first)} pods are missing, and only {len(self._offers)} of them would "
                "be rented: no other offer meets the requirements. Loosen one (max_price, gpus, regions), or ask for "
                "fewer."
            )

    def _search(self, closed: frozenset[str]) -> Sequence[Offer]:
        """Search all providers but these for what fits now.

        :raises CloudError: when nothing does.
        """
        asked = {name: order for name, order in self._orders.items() if name not in closed}
        survey = search.survey(
            {name: order.work.provider for name, order in asked.items()},
            {name: order.wanted.query() for name, order in asked.items()},
            self._avoid,
            whole=len(asked) == len(self._call.sides),
        )
        for name, error in survey.down.items():
            if isinstance(error, REFUSED_KEY) or self._call.strict:
                raise error
            self._call.note(f"{name} cannot be asked for offers and is left out: {error.message}")
        for note in survey.notes[:TOLD]:
            self._call.note(note)
        if not survey.offers:
            raise survey.refusal()
        return survey.offers

    def _avoid(self, offer: Offer) -> str | None:
        """Why a machine is not rented although its offer fits."""
        wanted = self._orders[offer.provider].wanted
        if wanted.interruptible and wanted.bid is None and offer.min_bid is None:
            return "does not say its least bid (option bid)"
        return self._call.bad_hosts.why(offer)

    def rent(self, outcome: PodOutcome) -> dict[str, Reached]:
        """Rent all that are missing; when one fails, what was rented for the others is given back.

        :raises CloudError: then; ``facts`` hold all attempts and all pods that were ended.
        """
        offers = self._call.bad_hosts.last(self._offers)
        if self._call.check:
            return self._predicted(offers)
        with self._call.workers.catch_signals():
            return self._all(self._pool(offers), outcome)

    def _pool(self, offers: Sequence[Offer]) -> OfferPool:
        """Return the offers as a pool from which all threads take."""
        return OfferPool(offers, self._again, self._remember, len(self._first))

    def _all(self, pool: OfferPool, outcome: PodOutcome) -> dict[str, Reached]:
        """Rent all of them at the same time."""
        workers = self._call.workers
        jobs = [(lambda name=name: self._one(name, pool)) for name in self._first]
        results = workers.run(jobs, all_or_none=True)
        for history in self._histories:
            outcome.attempts += history.attempts
            outcome.gone += history.gone
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures or workers.signalled:
            rented = [result for result in results if isinstance(result, Reached)]
            raise self._given_up(rented, failures, outcome)
        return dict(zip(self._first, results))

    def _predicted(self, offers: Sequence[Offer]) -> dict[str, Reached]:
        """Return the pods that would be rented."""
        pool = OfferPool(offers, pods=len(self._first))
        made: dict[str, Reached] = {}
        for name, number in self._first.items():
            offer = pool.take()
            if offer is None:
                raise errors.NoCapacity(
                    f"Only {len(made)} of {len(self._first)} pods would be rented: no other offer meets the "
                    "requirements."
                )
            order = self._orders[offer.provider]
            order = replace(order, wanted=replace(order.wanted, name=name))
            made[name] = Reached(RENTED, order.predicted(offer, number))
        return made

    def _again(self, closed: frozenset[str]) -> Sequence[Offer]:
        """Search once more: a market moves."""
        if set(self._orders) <= closed:
            return ()
        self._call.note("All offers that were found first are gone; the market was searched once more.")
        try:
            return self._call.bad_hosts.last(self._search(closed))
        except REFUSED_KEY:
            raise
        except errors.CloudError as error:
            self._call.note(error.message)
            return ()

    def _remember(self, offer: Offer, region: str | None, reason: str) -> None:
        self._call.note(self._call.bad_hosts.add(offer.provider, offer.host, offer.gpu, region, reason))

    def _one(self, name: str, pool: OfferPool) -> Reached:
        """One pod, in a thread with connections of its own."""
        call = self._call
        history = AttemptLog(clock=call.polls.clock)
        self._histories.append(history)
        orders = {provider: self._own(provider, name, history) for provider in self._orders}
        targets = {provider: order.target(call.workers.waiting()) for provider, order in orders.items()}
        first = next(iter(orders.values()))
        seconds = pod_readiness.rented(first.readiness)
        limits = RentLimits(first.wanted.max_price, call.most, seconds, self.strict_contract, call.before_try)
        reached = rent(targets, pool, self._first[name], limits, history)
        try:
            for order in orders.values() if history.uncertain else ():
                history.gone.extend(order.end_twins(reached.pod, history))
        except BaseException as error:
            if isinstance(error, errors.NotProvedGone):
                history.gone.extend(error.facts["pods_gone"])
            # The call fails, so it would serve no purpose.
            history.gone.extend(orders[reached.pod.provider].work.end([reached.pod]))
            raise
        self._say_rented(history)
        return reached

    def _say_rented(self, history: AttemptLog) -> None:
        """Say what a pod that is ready is and cost: with several at once, who waits wants to know which."""
        self._call.progress.say(attempt_log.describe(history.attempts[-1]))

    def _own(self, provider: str, name: str, history: AttemptLog) -> PodOrder:
        """Return the order for the pod of this name at this provider, with a connection of its own."""
        call, order = self._call, self._orders[provider]
        work = replace(order.work, provider=self._sides[provider].connect(), halt=call.workers.check)
        readiness = call.bounded(order.readiness, name)
        if readiness is not None:
            readiness = replace(readiness, reached=history.reach)
        return replace(order, work=work, wanted=replace(order.wanted, name=name), readiness=readiness)

    def _given_up(
        self, rented: Sequence[Reached], failures: Sequence[BaseException], outcome: PodOutcome
    ) -> BaseException:
        """Give back what this call has rented; the first failure, with all that was tried."""
        call = self._call
        real = [failure for failure in failures if not isinstance(failure, Interrupted)]
        error: BaseException
        if real:
            error = next((each for each in real if isinstance(each, errors.NotProvedGone)), real[0])
        else:
            error = errors.CloudError(
                f"Interrupted by {call.workers.signalled}: what this call had rented was given back and is proved gone."
            )
        pods = [reached.pod for reached in rented]
        if pods:
            told = ", ".join(f"{pod.label()} ({usd(pod.usd_per_hour)} per hour)" for pod in pods)
            call.progress.say(f"Giving back what this call has rented for its other pods: {told}")
            try:
                call.end(pods, outcome.gone, settle=call.grace)
            except errors.NotProvedGone as unproved:
                error = errors.NotProvedGone(f"{error} {unproved.message}")
            _close(outcome.attempts, outcome.gone)
        if isinstance(error, errors.CloudError):
            if pods and not isinstance(error, errors.NotProvedGone):
                error.add(f"The other {len(pods)} pods of this call were given back, too.")
            error.facts.update(attempts=outcome.attempts, pods_gone=outcome.gone)
        return error


def _close(attempts: Sequence[dict[str, Any]], gone: Sequence[Mapping[str, Any]]) -> None:
    """Pods that got ready and were given back for the others' sake."""
    ended = {(each["provider"], each["id"]) for each in gone}
    for entry in attempts:
        if entry["outcome"] == attempt_log.RENTED and (entry["provider"], entry["id"]) in ended:
            entry.update(outcome=attempt_log.GIVEN_BACK, reason="another pod of the same call could not be rented")


def _all_of(refusals: Sequence[errors.CloudError]) -> errors.CloudError:
    """Return the only refusal, or one with the words of all."""
    texts = list(dict.fromkeys(error.message for error in refusals))
    if len(texts) == 1:
        return refusals[0]
    if any(isinstance(error, errors.BadRequest) for error in refusals):
        return errors.BadRequest(" ".join(texts))
    return errors.ServerError(" ".join(texts))
