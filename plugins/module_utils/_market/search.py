# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Search the market: which offers fit, in which order, and why the others do not.

``survey`` asks several providers, or one, for the module that rents at any of them. ``rank`` and ``cheapest`` ask one
for the modules of its own, whose options are in its own words. All of them judge and order by ``ProviderSearch``.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Optional

from .._core import gpus
from .._core.errors import BadRequest, CloudError, NoCapacity
from .._core.offer import AVAILABILITIES, PRICE, VALUE, Objection, Offer, OfferQuery
from .._providers.base import Provider
from . import explain, fit
from .explain import NearMiss
from .fit import over

__all__ = ["NearMiss", "SearchResult", "cheapest", "over", "rank", "survey"]

#: Why an offer is not to be rented for a reason of the caller's own, as the end of a sentence; None: no objection.
Avoid = Callable[[Offer], Optional[str]]


@dataclass
class ProviderSearch:
    """Search one provider. ``requirements`` are what the caller asks for, ``query`` the same in the provider's words.

    ``fitting`` and ``judged`` are its offers that fit and that do not, ``near`` what it filters away by itself.
    ``strange`` are the GPUs that it does not know, ``error`` why it could not be asked.
    """

    name: str
    provider: Provider
    requirements: OfferQuery
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
        clouds = self.requirements.clouds or self.provider.usual_clouds
        self.query = replace(self.requirements, clouds=clouds, elsewhere=self.shared)
        if self.requirements.interruptible and not able.interruptible:
            why = able.because.get("interruptible", "it has no pods that may be taken away")
            self._leave_out(f"{why} (option interruptible)")

    @property
    def open(self) -> bool:
        """Whether it takes part."""
        return self.error is None and not self.left_out

    def read_places(self) -> None:
        """Ask which of the words that are no countries it knows."""
        try:
            self.places = self.provider.known_regions(fit.places(self.requirements.regions)[1])
        except CloudError as error:
            self.error = error

    def go_to_places(self) -> None:
        """The regions as this provider takes them."""
        if not self.open or not self.requirements.regions:
            return
        countries, others = fit.places(self.requirements.regions)
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
                for placed in self._placed(offer):
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
        """Find the GPUs that are asked for by their ids here; which of them it does not know the caller judges."""
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

    def _placed(self, offer: Offer) -> list[Offer]:
        """The offer as it is tried: once for each place."""
        return in_places(offer, self.query)

    def _objections(self, offer: Offer) -> list[Objection]:
        found = fit.objections(offer, self.query)
        why = self.avoid(offer)
        return [*found, Objection(fit.AVOIDED, why)] if why else found

    def _hint(self, offer: Offer) -> None:
        """Note another GPU than those that are named, of at least their throughput: worth a word when nothing fits."""
        named = [kind for gpu in self.query.gpus if (kind := gpus.model(gpu))]
        least = min((kind.tflops for kind in named if kind.tflops is not None), default=None)
        kind = gpus.model(offer.gpu_id, offer.gpu)
        tflops = kind.tflops if kind is not None else None
        if least is not None and tflops is not None and tflops >= least and not self._objections(offer):
            words = "fits, and is none of the GPUs that are named"
            self.near.append(NearMiss(offer, (Objection("gpus", words, 2.0),)))

    def rank(self, offer: Offer) -> tuple[Any, ...]:
        """The key to sort offers of all providers by, the best first."""
        query, (gpu, cloud, region) = self.query, self._listed(offer)
        if query.rank_by == PRICE:
            first: tuple[Any, ...] = (_price(offer),)
        elif query.rank_by == VALUE:
            first = (offer.tflops is None, _value(offer), _price(offer))
        else:
            first = (gpu, _price(offer))
        return (*first, AVAILABILITIES.index(offer.availability), *_quality(offer), gpu, cloud, region)

    def _listed(self, offer: Offer) -> tuple[int, int, int]:
        """Where its GPU, its cloud and its region stand in the lists of the query."""
        query = self.query
        regions = [*(region.upper() for region in query.regions), *query.countries]
        gpu = self.order.get(offer.gpu_id, len(self.order))
        return gpu, _place(offer.cloud, query.clouds), _place(offer.region, regions)

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
    """An offer that is no machine's once for each place that is asked for and where something is left, so that each
    is tried by itself; as it is where nothing is left or no place is asked for.
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


#: Prices are compared to a tenth of a cent per hour, values to a cent per hour and PFLOPS.
DIGITS = 3
#: A provider that does not tell how reliable and how well connected its hosts are is taken to have in a data centre
#: (the cloud SECURE) what such hosts have, and elsewhere what we ask for at least.
ASSUMED = {"SECURE": (0.99, 1000.0)}
AT_LEAST = (0.95, 100.0)


def ranked(searches: Sequence[ProviderSearch]) -> list[Offer]:
    """The offers that fit, of all these providers, the best first."""
    found = [(each, offer) for each in searches for offer in each.fitting]
    return [offer for search, offer in sorted(found, key=lambda each: each[0].rank(each[1]))]


def _price(offer: Offer) -> float:
    """What an hour costs with the disk, whether the provider puts it into the offer's price or bills it beside."""
    told = offer.billed_usd_per_hour if offer.billed_usd_per_hour is not None else offer.usd_per_hour
    return round(told, DIGITS) if told is not None else float("inf")


def _value(offer: Offer) -> float:
    """USD per hour and PFLOPS."""
    return round(_price(offer) / offer.tflops * 1000, DIGITS - 1) if offer.tflops else float("inf")


def _quality(offer: Offer) -> tuple[float, float]:
    """The more reliable first, then the faster line."""
    reliability, mbps = ASSUMED.get(offer.cloud or "", AT_LEAST)
    told = offer.reliability if offer.reliability is not None else reliability
    return -round(told, 3), -(offer.down_mbps if offer.down_mbps is not None else mbps)


def _place(value: str | None, listed: Sequence[str]) -> int:
    """Where a value stands in a list; what is not in it comes last."""
    return listed.index(value) if value in listed else len(listed)


@dataclass(frozen=True)
class SearchResult:
    """What the market has over all providers.

    ``offers`` are those that fit, the best one first; an offer's ``region`` is set where places were asked for.
    ``others`` are those that do not, with what speaks against each. ``notes`` tell what is not tried and
    why. ``down`` are the providers that could not be asked. ``misses``, when nothing fits, are what comes nearest.
    """

    offers: Sequence[Offer] = ()
    notes: Sequence[str] = ()
    down: Mapping[str, CloudError] = field(default_factory=dict)
    misses: Sequence[NearMiss] = ()
    others: Sequence[NearMiss] = ()
    refused: CloudError | None = None

    def refusal(self) -> CloudError:
        """The error for a market in which nothing fits, to be raised by the caller."""
        return self.refused or NoCapacity("Nothing was rented: no offer fits any more; try again later.")


def survey(
    providers: Mapping[str, Provider],
    queries: Mapping[str, OfferQuery],
    avoid: Avoid = lambda offer: None,
    *,
    near: bool = True,
    whole: bool = True,
) -> SearchResult:
    """Ask all providers at the same time, each in a thread of its own, and rank what fits over all of them.

    :param providers: name -> provider; each object is used by one thread at a time.
    :param queries: name -> what is asked for, of every provider the same but for what only one of them knows. Regions
        are data centres, countries and regions of the world: each provider takes those that it knows.
    :param avoid: why an offer is not to be rented although it fits, as the end of a sentence, such as a host that
        failed before; None: no objection.
    :param near: when nothing fits, ask once more for what comes nearest.
    :param whole: these are all providers that are meant. False: another one is not asked, and may know a GPU or a place
        that these do not know.
    :raises BadRequest: for options that contradict each other, or mean nothing at any provider.
    :raises CloudError: when no provider could be asked.
    """
    for query in queries.values():
        fit.check(providers, query)
    desks = [
        ProviderSearch(name, provider, queries[name], avoid, len(providers) > 1 or not whole)
        for name, provider in providers.items()
    ]
    _placed(desks, whole)
    asked = [desk for desk in desks if desk.open]
    at_the_same_time(desk.ask for desk in asked)
    _refuse_if_nobody(desks)
    _refuse_unknown_gpus([desk for desk in asked if desk.open], whole and not any(desk.error for desk in asked))
    asked = [desk for desk in asked if desk.open]
    if near and not any(desk.fitting for desk in asked):
        at_the_same_time(desk.look_around for desk in asked)
    return _summed_up(desks, asked)


def _placed(desks: Sequence[ProviderSearch], whole: bool) -> None:
    """Each provider takes the places that it knows; a provider that knows none is left out.

    :raises BadRequest: for a word that is neither a country nor a place of any provider.
    """
    strange: dict[str, None] = {}
    for desk in desks:
        if desk.open and desk.query.regions:
            strange.update(dict.fromkeys(fit.places(desk.query.regions)[1]))
    if strange:
        at_the_same_time(desk.read_places for desk in desks if desk.open)
        if whole and not any(desk.error for desk in desks):
            # Who is down may know the word.
            fit.refuse_strange(list(strange), {desk.name: desk.places for desk in desks if desk.open})
    for desk in desks:
        desk.go_to_places()


def _refuse_if_nobody(desks: Sequence[ProviderSearch]) -> None:
    """:raises CloudError: the first one's, with the words of all, when nobody answered."""
    failed = [desk.error for desk in desks if desk.error is not None]
    if not failed or any(desk.open for desk in desks):
        return
    first = failed[0]
    more = [error.message for error in failed[1:]] + [note for desk in desks for note in desk.notes]
    first.add(" ".join(more))
    raise first


def _refuse_unknown_gpus(desks: Sequence[ProviderSearch], whole: bool) -> None:
    """:raises BadRequest: for a GPU that nobody has; what one of them has is a note. Where not all have answered, only
    when none of the GPUs is known.
    """
    passed_over = not whole and any(desk.order for desk in desks)
    for gpu in desks[0].query.gpus if desks else ():
        problems = {desk.name: desk.strange[gpu] for desk in desks if gpu in desk.strange}
        if len(problems) == len(desks) and not passed_over:
            # One that could mean several things is more to the point than one that means nothing.
            raise sorted(problems.values(), key=lambda error: _SEVERAL not in error.message)[0]
        for desk in desks:
            if desk.name in problems:
                problem = problems[desk.name].message
                desk.notes.append(f"{desk.name}: {problem}" if _SEVERAL in problem else f"{desk.name} has no GPU {gpu}")


#: In the message for a name that fits several GPUs.
_SEVERAL = "could be any of"


def _summed_up(desks: Sequence[ProviderSearch], asked: Sequence[ProviderSearch]) -> SearchResult:
    fitting = ranked(asked)
    others = [miss for desk in asked for miss in desk.judged]
    notes = [note for desk in desks for note in desk.notes]
    # A request that one provider refuses is no reason against the others, and it is not down.
    notes += [f"{desk.name} is left out: {desk.error.message}" for desk in desks if isinstance(desk.error, BadRequest)]
    down = {desk.name: desk.error for desk in desks if desk.error and not isinstance(desk.error, BadRequest)}
    notes += [note for desk in asked for note in _not_tried(desk)]
    if fitting:
        return SearchResult(tuple(fitting), (*notes, *_unranked(fitting, asked)), down, others=tuple(others))
    misses = explain.nearest([*others, *(miss for desk in asked for miss in desk.near)])
    words = asked[0].requirements.describe() if asked else ""
    refused = explain.refusal(misses, words, [desk.name for desk in asked], down, notes)
    return SearchResult((), tuple(notes), down, tuple(misses), tuple(others), refused)


def _not_tried(desk: ProviderSearch) -> list[str]:
    """Why offers are not tried: of a GPU that is named each reason, of machines and of a whole catalogue the number."""
    named = bool(desk.query.gpus or desk.query.cpu)
    single = [miss for miss in desk.judged if miss.offer.id is None and named]
    counted = [miss for miss in desk.judged if miss.offer.id is not None or not named]
    told = dict.fromkeys(f"{miss.offer.title} on {desk.name} {miss.reasons}" for miss in single)
    reasons = Counter(miss.objections[0].requirement for miss in counted)
    if counted:
        sums = ", ".join(f"{count} {_WORDS.get(name, name)}" for name, count in reasons.most_common())
        told[f"{len(counted)} offers of {desk.name} do not fit ({sums})"] = None
    return list(told)


_WORDS: Mapping[str, Any] = {
    fit.STOCK: "out of stock",
    fit.NEVER: "not for rent",
    fit.AVOIDED: "avoided",
    "search": "filtered by search",
}


def _unranked(offers: Sequence[Offer], desks: Sequence[ProviderSearch]) -> list[str]:
    """That the ranking by value says nothing of a GPU."""
    if not any(desk.query.rank_by == VALUE for desk in desks):
        return []
    names = dict.fromkeys(offer.title for offer in offers if offer.tflops is None)
    return [f"the throughput of {name} is not known, so it is ranked last" for name in names]


class SingleSearch(ProviderSearch):
    """Search one provider for a module of its own.

    What that module asks for is in the provider's words, and the provider filters by it; so only stock, size and price
    are judged here. An option ``search`` may loosen any filter of the provider, and is not judged again.
    """

    def __init__(self, provider: Provider, query: OfferQuery) -> None:
        super().__init__(provider.name, provider, query, lambda offer: None)
        self.query = replace(query, clouds=query.clouds or provider.usual_clouds)

    def ask(self) -> None:
        """Ask for the offers and judge each.

        :raises CloudError: when they cannot be read.
        :raises BadRequest: for a GPU that no spelling rule finds, or finds twice.
        """
        super().ask()
        for problem in (self.error, *self.strange.values()):
            if problem is not None:
                raise problem

    def _placed(self, offer: Offer) -> list[Offer]:
        """The offer once for each region that is asked for, where their order matters; else as it is."""
        query = self.query
        if query.prefer == PRICE or len(query.regions) < 2 or offer.id is not None:
            return [offer]
        known = offer.availability not in ("none", "unknown")
        return [
            replace(
                offer, region=region, availability=offer.regions.get(region, "none") if known else offer.availability
            )
            for region in dict.fromkeys(region.upper() for region in query.regions)
        ]

    def _objections(self, offer: Offer) -> list[Objection]:
        return fit.unfiltered(offer, self.query)

    def _completed(self, offer: Offer) -> Offer:
        return offer

    def _hint(self, offer: Offer) -> None:
        """Another GPU is no answer to a question in the provider's own words."""

    def rank(self, offer: Offer) -> tuple[Any, ...]:
        """As the GPUs are listed, then the clouds, then the regions; what the lists leave open is decided by stock,
        then price. With ``prefer`` of PRICE the cheapest, then stock, then the lists.
        """
        price, stock, listed = fit.price(offer), AVAILABILITIES.index(offer.availability), self._listed(offer)
        return (price, stock, listed) if self.query.prefer == PRICE else (listed, stock, price)


def rank(provider: Provider, query: OfferQuery) -> tuple[list[Offer], list[str]]:
    """The offers of one provider to try, the first one first; and of what was asked for and is not tried, why not.

    With ``query.prefer`` of ORDER each region is an offer of its own; with PRICE the provider chooses among them.

    :raises BadRequest: when what is asked for is not for rent at all.
    :raises NoCapacity: when none is in stock, saying of each wanted GPU why not.
    :raises TooExpensive: when what is in stock costs more than the cap, naming the cheapest.
    """
    search = SingleSearch(provider, query)
    search.ask()
    if not search.fitting:
        raise explain.refusal_of_one(search.name, search.judged, search.query)
    return ranked([search]), explain.not_tried(search.judged)


def cheapest(provider: Provider, query: OfferQuery) -> tuple[list[Offer], str | None]:
    """The offers of one provider that match the query, cheapest first: what people compare; and why there are none.

    With ``include_unavailable`` also what is out of stock, too large or too expensive.

    :raises BadRequest: for a GPU that no spelling rule finds, or finds twice.
    """
    search = SingleSearch(provider, replace(query, prefer=PRICE))
    search.ask()
    more = [miss.offer for miss in search.judged] if query.include_unavailable else []
    found = sorted([*search.fitting, *more], key=lambda each: (fit.price(each), each.gpu, each.cloud or ""))
    return found, None if found else explain.refusal_of_one(search.name, search.judged, search.query).message
