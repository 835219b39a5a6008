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
from .group_call import GroupCall, GroupOutcome, ProviderContext
from .group_find import REFUSED_KEY
from .lifecycle import PodLifecycle
from .readiness import Reached
from .rent import OfferPool, RentLimits, rent_any

#: Remarks on the market that are shown; a market of single machines has thousands.
TOLD = 10


class GroupRental:
    """What is missing.

    :param first: name -> the number of its first create.
    """

    def __init__(self, call: GroupCall, sides: Mapping[str, ProviderContext], first: Mapping[str, int]) -> None:
        self._call, self._sides, self._first = call, dict(sides), first
        self._lives: dict[str, PodLifecycle] = {}
        self._offers: Sequence[Offer] = ()
        self._histories: list[AttemptLog] = []

    def prepare(self) -> None:
        """Everything that can be checked for nothing, and the offers. A provider that cannot serve is left out.

        :raises CloudError: when none can.
        """
        refusals: list[errors.CloudError] = []
        self._refuse_no_wish()
        name = max(self._first, key=len)
        for provider, side in self._sides.items():
            life = PodLifecycle(side.work, replace(side.wanted, name=name), side.readiness, 1, self._call.check)
            try:
                self._lives[provider] = life.prepared()
            except REFUSED_KEY:
                raise
            except errors.CloudError as error:
                refusals.append(error)
                if self._call.strict and not isinstance(error, errors.BadRequest):
                    raise
                if len(self._sides) > 1:
                    self._call.note(f"{provider} is left out: {error.message}")
        if not self._lives:
            raise _all_of(refusals)
        self._offers = self._search(frozenset())
        if all(offer.id is not None for offer in self._offers) and len(self._offers) < len(self._first):
            raise errors.NoCapacity(
                f"Nothing was rented: {len(self._first)} pods are missing, and only {len(self._offers)} of them would "
                "be rented: no other offer fits the wishes. Loosen one (max_price, gpus, regions), or ask for fewer."
            )

    def _refuse_no_wish(self) -> None:
        """:raises BadRequest: when nothing says which GPUs will do, at no provider."""
        wishes = [side.wanted.completed() for side in self._sides.values()]
        said = ("gpus", "min_gpu_memory", "min_compute_capability", "filters")
        if not any(getattr(wanted, name) for wanted in wishes for name in said):
            raise errors.BadRequest(
                "Nothing was rented: say which GPUs will do (option gpus, in order of preference), or what they must "
                "have (options min_gpu_memory, min_compute_capability)."
            )

    def _search(self, closed: frozenset[str]) -> Sequence[Offer]:
        """What fits now at all providers but these. :raises CloudError: when nothing does."""
        asked = {name: life for name, life in self._lives.items() if name not in closed}
        survey = search.survey(
            {name: life.work.provider for name, life in asked.items()},
            {name: life.wanted.query() for name, life in asked.items()},
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
        wanted = self._lives[offer.provider].wanted
        if wanted.interruptible and wanted.bid is None and offer.min_bid is None:
            return "does not say its least bid (option bid)"
        return self._call.bad_hosts.why(offer)

    def rent(self, outcome: GroupOutcome) -> dict[str, Reached]:
        """Rent all that are missing; when one cannot be had, what was rented for the others is given back.

        :raises CloudError: then; ``facts`` hold all attempts and all pods that were ended.
        """
        offers = self._call.bad_hosts.last(self._offers)
        if self._call.check:
            return self._predicted(offers)
        with self._call.crew.hearing():
            return self._all(OfferPool(offers, self._again, self._remember, len(self._first)), outcome)

    def _all(self, supply: OfferPool, outcome: GroupOutcome) -> dict[str, Reached]:
        """All at the same time."""
        crew = self._call.crew
        jobs = [(lambda name=name: self._one(name, supply)) for name in self._first]
        results = crew.work(jobs, all_or_none=True)
        for history in self._histories:
            outcome.attempts += history.attempts
            outcome.gone += history.gone
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures or crew.signalled:
            rented = [result for result in results if isinstance(result, Reached)]
            raise self._given_up(rented, failures, outcome)
        return dict(zip(self._first, results))

    def _predicted(self, offers: Sequence[Offer]) -> dict[str, Reached]:
        """The pods that would be rented."""
        supply = OfferPool(offers, pods=len(self._first))
        made: dict[str, Reached] = {}
        for name, number in self._first.items():
            offer = supply.take()
            if offer is None:
                raise errors.NoCapacity(
                    f"Only {len(made)} of {len(self._first)} pods would be rented: no other offer fits the wishes."
                )
            life = replace(self._lives[offer.provider], wanted=replace(self._lives[offer.provider].wanted, name=name))
            made[name] = Reached(RENTED, life.predicted(offer, number))
        return made

    def _again(self, closed: frozenset[str]) -> Sequence[Offer]:
        """The second search: a market moves."""
        if set(self._lives) <= closed:
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

    def _one(self, name: str, supply: OfferPool) -> Reached:
        """One pod, in a thread with connections of its own."""
        call = self._call
        history = AttemptLog(clock=call.polls.clock)
        self._histories.append(history)
        lives = {provider: self._own(provider, name, history) for provider in self._lives}
        desks = {}
        for provider, life in lives.items():
            waits = replace(life.work, polls=replace(life.work.polls, clock=call.crew.waiting()))
            desks[provider] = life.desk(waits)
        wanted = next(iter(lives.values())).wanted
        seconds = pod_readiness.rented(next(iter(lives.values())).readiness)
        terms = RentLimits(wanted.max_price, call.most, seconds, True, call.before_try)
        reached = rent_any(desks, supply, self._first[name], terms, history)
        try:
            for life in lives.values() if history.uncertain else ():
                history.gone.extend(life.end_twins(reached.pod, history))
        except BaseException:
            # The call fails, so nobody would use it.
            history.gone.extend(lives[reached.pod.provider].work.end([reached.pod]))
            raise
        call.progress.say(attempt_log.told(history.attempts[-1]))
        return reached

    def _own(self, provider: str, name: str, history: AttemptLog) -> PodLifecycle:
        """The pod of this name at this provider, with a connection of its own."""
        call, life = self._call, self._lives[provider]
        work = replace(life.work, provider=self._sides[provider].connect(), halt=call.crew.halt)
        readiness = call.bounded(life.readiness, name)
        if readiness is not None:
            readiness = replace(readiness, reached=history.reach)
        return replace(life, work=work, wanted=replace(life.wanted, name=name), readiness=readiness)

    def _given_up(
        self, rented: Sequence[Reached], failures: Sequence[BaseException], outcome: GroupOutcome
    ) -> BaseException:
        """Give back what this call has rented; the first failure, with all that was tried."""
        call = self._call
        real = [failure for failure in failures if not isinstance(failure, Interrupted)]
        error: BaseException
        if real:
            error = next((each for each in real if isinstance(each, errors.NotProvedGone)), real[0])
        else:
            error = errors.CloudError(
                f"Interrupted by {call.crew.signalled}: what this call had rented was given back and is proved gone."
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
            error.facts.update(attempts=outcome.attempts, pods_gone=outcome.gone, notes=call.notes)
        return error


def _close(attempts: Sequence[dict[str, Any]], gone: Sequence[Mapping[str, Any]]) -> None:
    """Pods that got ready and were given back for the others' sake."""
    ended = {(each["provider"], each["id"]) for each in gone}
    for entry in attempts:
        if entry["outcome"] == attempt_log.RENTED and (entry["provider"], entry["id"]) in ended:
            entry.update(outcome=attempt_log.GIVEN_BACK, reason="another pod of the same call could not be had")


def _all_of(refusals: Sequence[errors.CloudError]) -> errors.CloudError:
    """The only refusal, or one with the words of all."""
    texts = list(dict.fromkeys(error.message for error in refusals))
    if len(texts) == 1:
        return refusals[0]
    if any(isinstance(error, errors.BadRequest) for error in refusals):
        return errors.BadRequest(" ".join(texts))
    return errors.ServerError(" ".join(texts))
