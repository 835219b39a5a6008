# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One provider in a survey of the market: what it is asked, what it answers, and what of that fits."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Callable, Optional

from .._core import gpus
from .._core.errors import BadRequest, CloudError
from .._core.offer import Objection, Offer, OfferQuery
from .._providers.base import Provider
from . import fit
from .explain import NearMiss

#: Why an offer is not to be rented for a reason of the caller's own, as the end of a sentence; None: no objection.
Avoid = Callable[[Offer], Optional[str]]


@dataclass
class ProviderSearch:
    """One provider. ``wished`` is what the caller asks for, ``query`` the same in the provider's words.

    ``fitting`` and ``judged`` are its offers that fit and that do not, ``near`` what it filters away by itself.
    ``strange`` are the GPUs that it does not know, ``error`` why it could not be asked.
    """

    name: str
    provider: Provider
    wished: OfferQuery
    avoid: Avoid
    shared: bool = False
    query: OfferQuery = field(default_factory=OfferQuery)
    places: tuple[str, ...] = ()
    wanted: list[str] = field(default_factory=list)
    order: dict[str, int] = field(default_factory=dict)
    fitting: list[Offer] = field(default_factory=list)
    judged: list[NearMiss] = field(default_factory=list)
    near: list[NearMiss] = field(default_factory=list)
    strange: dict[str, BadRequest] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    error: CloudError | None = None
    left_out: bool = False

    def __post_init__(self) -> None:
        able = self.provider.capabilities
        clouds = self.wished.clouds or self.provider.usual_clouds
        self.query = replace(self.wished, clouds=clouds, elsewhere=self.shared)
        if self.wished.interruptible and not able.interruptible:
            why = able.because.get("interruptible", "it has no pods that may be taken away")
            self._leave_out(f"{why} (option interruptible)")

    @property
    def open(self) -> bool:
        """Whether it takes part."""
        return self.error is None and not self.left_out

    def read_places(self) -> None:
        """Ask which of the words that are no countries it knows."""
        try:
            self.places = self.provider.known_regions(fit.places(self.wished.regions)[1])
        except CloudError as error:
            self.error = error

    def go_to_places(self) -> None:
        """The regions as this provider takes them."""
        if not self.open or not self.wished.regions:
            return
        countries, others = fit.places(self.wished.regions)
        self.query = replace(self.query, regions=self.places, countries=countries)
        unknown = [word for word in others if word not in self.places]
        if not self.places and not countries:
            self._leave_out(f"it has no place {' or '.join(unknown)} (option regions)")
        elif unknown:
            self.notes.append(f"{self.name} has no place {' and no '.join(unknown)} (option regions)")

    def _leave_out(self, why: str) -> None:
        self.left_out = True
        self.notes.append(f"{self.name} is left out: {why}")

    def ask(self) -> None:
        """Ask for the offers and judge each. What is raised is kept: the other providers go on."""
        try:
            everything = self.provider.offers(self.query)
            self._name(everything)
        except CloudError as error:
            self.error = error
            return
        for offer in everything:
            if not self.query.gpus or offer.gpu_id in self.wanted:
                for placed in in_places(offer, self.query):
                    self._judge(placed)
            elif self.wanted and offer.id is None:
                self._hint(offer)

    def look_around(self) -> None:
        """Nothing fits anywhere: ask for what the provider filtered away. That is a kindness, so a failure is none."""
        try:
            found = self.provider.near_offers(self.query)
        except CloudError as error:
            self.notes.append(f"what comes nearest on {self.name} could not be read: {error.message}")
            return
        for offer in found:
            if not self.query.gpus or offer.gpu_id in self.wanted:
                against = self._objections(offer)
                # What fits now was rented or moved between the two looks, and will do.
                self.near += [NearMiss(offer, tuple(against))] if against else []
                self.fitting += [] if against else [self._completed(offer)]

    def _name(self, everything: list[Offer]) -> None:
        """The GPUs that are wished, by their ids here; which of them it does not know is for the caller to judge."""
        catalogue = {offer.gpu_id: offer.gpu for offer in everything}
        for place, gpu in enumerate(self.query.gpus):
            try:
                if not catalogue:
                    raise BadRequest(f"The catalogue of {self.name} holds no GPU at all; try again later.")
                self.order.setdefault(gpus.resolve(gpu, catalogue), place)
            except BadRequest as problem:
                self.strange[gpu] = problem
        self.wanted = list(self.order)

    def _judge(self, offer: Offer) -> None:
        against = self._objections(offer)
        if against:
            self.judged.append(NearMiss(offer, tuple(against)))
        else:
            self.fitting.append(self._completed(offer))

    def _objections(self, offer: Offer) -> list[Objection]:
        found = fit.objections(offer, self.query)
        why = self.avoid(offer)
        return [*found, Objection(fit.AVOIDED, why)] if why else found

    def _hint(self, offer: Offer) -> None:
        """Another GPU than those that are wished, of at least their throughput: worth a word when nothing fits."""
        named = [kind for gpu in self.query.gpus if (kind := gpus.model(gpu))]
        least = min((kind.tflops for kind in named if kind.tflops is not None), default=None)
        kind = gpus.model(offer.gpu_id, offer.gpu)
        tflops = kind.tflops if kind is not None else None
        if least is not None and tflops is not None and tflops >= least and not self._objections(offer):
            words = "fits, and is none of the GPUs that are named"
            self.near.append(NearMiss(offer, (Objection("gpus", words, 2.0),)))

    def _completed(self, offer: Offer) -> Offer:
        """With what only both together tell: the whole price, and what one gets for it."""
        kind = gpus.model(offer.gpu_id, offer.gpu) if offer.cpu is None else None
        billed = self.provider.rates(offer, self.query.disk_gb or 0, 0).hourly
        return replace(
            offer,
            billed_usd_per_hour=round(billed, 6) if billed is not None else None,
            tflops=round(kind.tflops * offer.gpu_count, 1) if kind is not None and kind.tflops is not None else None,
        )


def in_places(offer: Offer, query: OfferQuery) -> list[Offer]:
    """An offer that is no machine's once for each place that was wished for and where something is left, so that each
    is tried by itself; as it is where nothing is left or no place was wished for.
    """
    if offer.id is not None or not (query.regions or query.countries):
        return [offer]
    if offer.availability == "unknown" and query.regions:
        return [replace(offer, region=region.upper()) for region in query.regions]
    left = {name: stock for name, stock in offer.regions.items() if stock != "none"}
    if offer.availability == "none" or not left:
        return [replace(offer, availability="none")]
    return [replace(offer, region=name, availability=stock) for name, stock in left.items()]


def at_the_same_time(works: Iterable[Callable[[], None]]) -> None:
    """Do all of it, each in a thread of its own but the first. Signals reach the caller's thread only, which is the one
    that acts on them; what it raises then is raised at once, and the others are not waited for.

    :raises BaseException: the first that one of them raised, after all have ended.
    """
    faults: list[BaseException] = []

    def safely(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as fault:  # noqa: BLE001 - raised in the caller's thread
            faults.append(fault)

    first, *others = [*works] or [lambda: None]
    threads = [threading.Thread(target=safely, args=(work,), name="podyard-market", daemon=True) for work in others]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        for thread in threads:
            thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    first()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
