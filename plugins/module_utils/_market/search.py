# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Search the market: which offers fit, in which order, and why the others do not.

``survey`` asks one or several providers, for the module that rents from any of them. ``rank`` and ``cheapest`` ask one
provider, for its own modules, whose options are in its own words. All of them judge and order by ``ProviderSearch``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Optional

from .._core import gpus
from .._core.errors import BadRequest, CloudError, NoCapacity
from .._core.offer import AVAILABILITIES, PRICE, VALUE, Objection, Offer, OfferQuery
from .._core.threads import run_together
from .._providers.base import Provider
from . import explain, fit
from .explain import NearMiss
from .fit import over

__all__ = ["NearMiss", "SearchResult", "cheapest", "over", "rank", "survey"]

#: Returns the caller's own reason not to rent an offer, as the end of a sentence; None when there is none.
Avoid = Callable[[Offer], Optional[str]]


@dataclass
class ProviderSearch:
    """One provider in a search.

    ``requirements`` are what the caller asks for, ``query`` the same in the provider's words. ``fitting`` are its
    offers that fit, ``judged`` those that do not, ``near`` those that the provider itself filters out. ``strange`` are
    the GPUs that it does not know, ``error`` is why it could not be asked.
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
            why = able.because.get("interruptible", "it has no interruptible pods")
            self._leave_out(f"{why} (option interruptible)")

    @property
    def open(self) -> bool:
        """Whether it takes part: it is not left out, and has not failed."""
        return self.error is None and not self.left_out

    def read_places(self) -> None:
        """Ask the provider which words of the option regions that are not countries it knows."""
        try:
            self.places = self.provider.known_regions(fit.places(self.requirements.regions)[1])
        except CloudError as error:
            self.error = error

    def go_to_places(self) -> None:
        """Put the regions into the query as this provider takes them; leave it out when it knows none of them."""
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
        """Ask for the offers and judge each. Keep an error instead of raising it, since the other providers go on."""
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
        """Ask for the offers that the provider filtered out, when nothing fits anywhere.

        They only help to explain the result, so a failure becomes a note.
        """
        try:
            found = self.provider.near_offers(self.query)
        except CloudError as error:
            self.notes.append(f"the nearest offers on {self.name} could not be read: {error.message}")
            return
        for offer in found:
            if not self.query.gpus or offer.gpu_id in self.wanted:
                against = self._objections(offer)
                # An offer that fits now became free between the two requests, and can be rented.
                self.near += [NearMiss(offer, tuple(against))] if against else []
                self.fitting += [] if against else [self._completed(offer)]

    def _name(self, everything: list[Offer]) -> None:
        """Find the ids of the requested GPUs; keep those that the provider does not know for the caller to judge."""
        catalogue = {offer.gpu_id: offer.gpu for offer in everything}
        for place, gpu in enumerate(self.query.gpus):
            try:
                if not catalogue:
                    raise BadRequest(f"The catalogue of {self.name} lists no GPUs at all; try again later.")
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
        """Return the offer as it is tried: once for each place."""
        return in_places(offer, self.query)

    def _objections(self, offer: Offer) -> list[Objection]:
        found = fit.objections(offer, self.query)
        why = self.avoid(offer)
        return [*found, Objection(fit.AVOIDED, why)] if why else found

    def _hint(self, offer: Offer) -> None:
        """Keep a GPU that is not named but has at least the throughput of those, to mention it when nothing fits."""
        named = [kind for gpu in self.query.gpus if (kind := gpus.model(gpu))]
        least = min((kind.tflops for kind in named if kind.tflops is not None), default=None)
        kind = gpus.model(offer.gpu_id, offer.gpu)
        tflops = kind.tflops if kind is not None else None
        if least is not None and tflops is not None and tflops >= least and not self._objections(offer):
            reason = "would fit but is not one of the GPUs you named"
            self.near.append(NearMiss(offer, (Objection("gpus", reason, 2.0),)))

    def rank(self, offer: Offer) -> tuple[Any, ...]:
        """Return the key that sorts the offers of all providers, the best first."""
        query, (gpu, cloud, region) = self.query, self._listed(offer)
        if query.rank_by == PRICE:
            first: tuple[Any, ...] = (_price(offer),)
        elif query.rank_by == VALUE:
            first = (offer.tflops is None, _value(offer), _price(offer))
        else:
            first = (gpu, _price(offer))
        return (*first, AVAILABILITIES.index(offer.availability), *_quality(offer), gpu, cloud, region)

    def _listed(self, offer: Offer) -> tuple[int, int, int]:
        """Return the positions of the offer's GPU, cloud and region in the lists of the query."""
        query = self.query
        regions = [*(region.upper() for region in query.regions), *query.countries]
        gpu = self.order.get(offer.gpu_id, len(self.order))
        return gpu, _place(offer.cloud, query.clouds), _place(offer.region, regions)

    def _completed(self, offer: Offer) -> Offer:
        """Add what needs both the provider and the query: the whole price, and the throughput."""
        kind = gpus.model(offer.gpu_id, offer.gpu) if offer.cpu is None else None
        billed = self.provider.rates(offer, self.query.disk_gb or 0, 0).hourly
        return replace(
            offer,
            billed_usd_per_hour=round(billed, 6) if billed is not None else None,
            tflops=round(kind.tflops * offer.gpu_count, 1) if kind is not None and kind.tflops is not None else None,
        )


def in_places(offer: Offer, query: OfferQuery) -> list[Offer]:
    """Return an offer once for each requested place that has stock, so that each place is tried on its own.

    An offer of one machine stays as it is, and so does one without stock or when no place is requested.
    """
    if offer.id is not None or not (query.regions or query.countries):
        return [offer]
    if offer.availability == "unknown" and query.regions:
        return [replace(offer, region=region.upper()) for region in query.regions]
    left = {name: stock for name, stock in offer.regions.items() if stock != "none"}
    if offer.availability == "none" or not left:
        return [replace(offer, availability="none")]
    return [replace(offer, region=name, availability=stock) for name, stock in left.items()]


#: Decimals to compare: a tenth of a cent per hour for prices, a cent per hour and PFLOPS for values (one less).
DIGITS = 3
#: The reliability and Mbps assumed where a provider reports none: in a data centre (the cloud SECURE) what such hosts
#: usually have, otherwise our own minimum.
ASSUMED = {"SECURE": (0.99, 1000.0)}
AT_LEAST = (0.95, 100.0)


def ranked(searches: Sequence[ProviderSearch]) -> list[Offer]:
    """Return the offers of all these providers that fit, the best first."""
    found = [(each, offer) for each in searches for offer in each.fitting]
    return [offer for search, offer in sorted(found, key=lambda each: each[0].rank(each[1]))]


def _price(offer: Offer) -> float:
    """Return the price per hour including the disk, whether or not the offer's own price includes it."""
    told = offer.billed_usd_per_hour if offer.billed_usd_per_hour is not None else offer.usd_per_hour
    return round(told, DIGITS) if told is not None else float("inf")


def _value(offer: Offer) -> float:
    """Return USD per hour and PFLOPS."""
    return round(_price(offer) / offer.tflops * 1000, DIGITS - 1) if offer.tflops else float("inf")


def _quality(offer: Offer) -> tuple[float, float]:
    """Return a key that sorts by reliability, then by bandwidth, the best first."""
    reliability, mbps = ASSUMED.get(offer.cloud or "", AT_LEAST)
    told = offer.reliability if offer.reliability is not None else reliability
    return -round(told, 3), -(offer.down_mbps if offer.down_mbps is not None else mbps)


def _place(value: str | None, listed: Sequence[str]) -> int:
    """Return the position of a value in a list; the end for one that is not in it."""
    return listed.index(value) if value in listed else len(listed)


@dataclass(frozen=True)
class SearchResult:
    """The result of a search of all providers.

    ``offers`` are those that fit, the best first; an offer's ``region`` is set where places were requested. ``others``
    are those that do not fit, each with the reasons. ``notes`` say what is not tried and why. ``down`` are the
    providers that could not be asked. ``misses`` are the nearest offers, when nothing fits.
    """

    offers: Sequence[Offer] = ()
    notes: Sequence[str] = ()
    down: Mapping[str, CloudError] = field(default_factory=dict)
    misses: Sequence[NearMiss] = ()
    others: Sequence[NearMiss] = ()
    refused: CloudError | None = None

    def refusal(self) -> CloudError:
        """Return the error for a market in which nothing fits; the caller raises it."""
        return self.refused or NoCapacity("Nothing was rented: no offer fits any more; try again later.")


def survey(
    providers: Mapping[str, Provider],
    queries: Mapping[str, OfferQuery],
    avoid: Avoid = lambda offer: None,
    *,
    near: bool = True,
    whole: bool = True,
) -> SearchResult:
    """Ask all providers at the same time, each in its own thread, and rank all offers that fit.

    :param providers: name -> provider; each object is used by one thread at a time.
    :param queries: name -> requirements, the same for every provider except for options that only one of them has.
        Regions are data centres, countries and regions of the world: each provider takes those that it knows.
    :param avoid: returns the caller's own reason not to rent an offer, such as a host that failed before.
    :param near: when nothing fits, ask once more for the nearest offers.
    :param whole: no other provider is meant. False: another provider, which is not asked now, may know a GPU or a place
        that these do not know.
    :raises BadRequest: for options that contradict each other, or that no provider understands.
    :raises CloudError: when no provider could be asked.
    """
    for query in queries.values():
        fit.check(providers, query)
    searches = [
        ProviderSearch(name, provider, queries[name], avoid, len(providers) > 1 or not whole)
        for name, provider in providers.items()
    ]
    _placed(searches, whole)
    asked = [search for search in searches if search.open]
    run_together((search.ask for search in asked), "podyard-market")
    _refuse_if_none_answered(searches)
    _refuse_unknown_gpus(
        [search for search in asked if search.open], whole and not any(search.error for search in asked)
    )
    asked = [search for search in asked if search.open]
    if near and not any(search.fitting for search in asked):
        run_together((search.look_around for search in asked), "podyard-market")
    return _summed_up(searches, asked)


def _placed(searches: Sequence[ProviderSearch], whole: bool) -> None:
    """Give each provider the places that it knows; leave out a provider that knows none.

    :raises BadRequest: for a word that is neither a country nor a place of any provider.
    """
    strange: dict[str, None] = {}
    for search in searches:
        if search.open and search.query.regions:
            strange.update(dict.fromkeys(fit.places(search.query.regions)[1]))
    if strange:
        run_together((search.read_places for search in searches if search.open), "podyard-market")
        if whole and not any(search.error for search in searches):
            # A provider that is down may know the word.
            fit.refuse_strange(list(strange), {search.name: search.places for search in searches if search.open})
    for search in searches:
        search.go_to_places()


def _refuse_if_none_answered(searches: Sequence[ProviderSearch]) -> None:
    """Raise the first provider's error, with the messages of the others, when no provider answered."""
    failed = [search.error for search in searches if search.error is not None]
    if not failed or any(search.open for search in searches):
        return
    first = failed[0]
    more = [error.message for error in failed[1:]] + [note for search in searches for note in search.notes]
    first.add(" ".join(more))
    raise first


def _refuse_unknown_gpus(searches: Sequence[ProviderSearch], whole: bool) -> None:
    """Refuse a GPU that no provider has; note one that only some of them have.

    :param whole: all providers have answered. False: refuse only when none of the GPUs is known.
    :raises BadRequest: for the first such GPU.
    """
    passed_over = not whole and any(search.order for search in searches)
    for gpu in searches[0].query.gpus if searches else ():
        problems = {search.name: search.strange[gpu] for search in searches if gpu in search.strange}
        if len(problems) == len(searches) and not passed_over:
            # "It could be any of these" helps more than "there is no such GPU".
            raise sorted(problems.values(), key=lambda error: _SEVERAL not in error.message)[0]
        for search in searches:
            if search.name in problems:
                problem = problems[search.name].message
                search.notes.append(
                    f"{search.name}: {problem}" if _SEVERAL in problem else f"{search.name} has no GPU {gpu}"
                )


#: Part of the message for a name that fits several GPUs.
_SEVERAL = "could be any of"


def _summed_up(searches: Sequence[ProviderSearch], asked: Sequence[ProviderSearch]) -> SearchResult:
    fitting = ranked(asked)
    others = [miss for search in asked for miss in search.judged]
    notes = [note for search in searches for note in search.notes]
    # A provider that refuses the request is not down, and the others may accept it.
    notes += [
        f"{search.name} is left out: {search.error.message}"
        for search in searches
        if isinstance(search.error, BadRequest)
    ]
    down = {
        search.name: search.error for search in searches if search.error and not isinstance(search.error, BadRequest)
    }
    notes += [note for search in asked for note in _not_tried(search)]
    if fitting:
        return SearchResult(tuple(fitting), (*notes, *_unranked(fitting, asked)), down, others=tuple(others))
    misses = explain.nearest([*others, *(miss for search in asked for miss in search.near)])
    requirements = asked[0].requirements.describe() if asked else ""
    refused = explain.refusal(misses, requirements, [search.name for search in asked], down, notes)
    return SearchResult((), tuple(notes), down, tuple(misses), tuple(others), refused)


def _not_tried(search: ProviderSearch) -> list[str]:
    """Say why offers are not tried: each reason for a GPU that is named; counts for machines and a whole catalogue."""
    named = bool(search.query.gpus or search.query.cpu)
    single = [miss for miss in search.judged if miss.offer.id is None and named]
    counted = [miss for miss in search.judged if miss.offer.id is not None or not named]
    told = dict.fromkeys(f"{miss.offer.title} on {search.name} {miss.reasons}" for miss in single)
    reasons = Counter(miss.objections[0].requirement for miss in counted)
    if counted:
        sums = ", ".join(f"{count} {_WORDS.get(name, name)}" for name, count in reasons.most_common())
        told[f"offers of {search.name} that do not fit: {len(counted)} ({sums})"] = None
    return list(told)


_WORDS: Mapping[str, Any] = {
    fit.STOCK: "out of stock",
    fit.NEVER: "not for rent",
    fit.AVOIDED: "avoided",
    "search": "filtered by search",
}


def _unranked(offers: Sequence[Offer], searches: Sequence[ProviderSearch]) -> list[str]:
    """Note each GPU that cannot be ranked by value."""
    if not any(search.query.rank_by == VALUE for search in searches):
        return []
    names = dict.fromkeys(offer.title for offer in offers if offer.tflops is None)
    return [f"the throughput of {name} is not known, so it is ranked last" for name in names]


class SingleSearch(ProviderSearch):
    """One provider in a search for one of its own modules.

    Such a module's options are in the provider's words, and the provider filters by them; so only stock, size and price
    are judged here. The option ``search`` may relax any filter of the provider, and is not judged a second time.
    """

    def __init__(self, provider: Provider, query: OfferQuery) -> None:
        super().__init__(provider.name, provider, query, lambda offer: None)
        self.query = replace(query, clouds=query.clouds or provider.usual_clouds)

    def ask(self) -> None:
        """Ask for the offers and judge each.

        :raises CloudError: when they cannot be read.
        :raises BadRequest: for a GPU whose name matches nothing, or several GPUs.
        """
        super().ask()
        for problem in (self.error, *self.strange.values()):
            if problem is not None:
                raise problem

    def _placed(self, offer: Offer) -> list[Offer]:
        """Return the offer once for each requested region where their order matters; else as it is."""
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
        """Suggest nothing: the caller asks in the provider's own words."""

    def rank(self, offer: Offer) -> tuple[Any, ...]:
        """Return the key that sorts the provider's offers, the best first.

        By the order of GPUs, then clouds, then regions, then stock, then price; with ``prefer`` PRICE by price, then
        stock, then the lists.
        """
        price, stock, listed = fit.price(offer), AVAILABILITIES.index(offer.availability), self._listed(offer)
        return (price, stock, listed) if self.query.prefer == PRICE else (listed, stock, price)


def rank(provider: Provider, query: OfferQuery) -> tuple[list[Offer], list[str]]:
    """Return the offers of one provider in the order to try them, and why other requested offers are not tried.

    With ``query.prefer`` ORDER each region is a separate offer; with PRICE the provider chooses among the regions.

    :raises BadRequest: when the provider never rents out what is requested.
    :raises NoCapacity: when nothing is in stock, with the reason for each requested GPU.
    :raises TooExpensive: when everything in stock costs more than the cap, naming the cheapest.
    """
    search = SingleSearch(provider, query)
    search.ask()
    if not search.fitting:
        raise explain.refusal_of_one(search.name, search.judged, search.query)
    return ranked([search]), explain.not_tried(search.judged)


def cheapest(provider: Provider, query: OfferQuery) -> tuple[list[Offer], str | None]:
    """Return the offers of one provider that match the query, cheapest first, and the reason when there are none.

    :raises BadRequest: for a GPU whose name matches nothing, or several GPUs.
    """
    search = SingleSearch(provider, replace(query, prefer=PRICE))
    search.ask()
    found = sorted(search.fitting, key=lambda each: (fit.price(each), each.gpu, each.cloud or ""))
    return found, None if found else explain.refusal_of_one(search.name, search.judged, search.query).message
