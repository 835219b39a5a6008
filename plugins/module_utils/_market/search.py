# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the market has over all providers: which offers fit, in which order, and why the others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadRequest, CloudError, NoCapacity
from .._core.offer import VALUE, Offer, OfferQuery
from .._providers.base import Provider
from . import explain, fit, ranking
from .desk import Avoid, ProviderSearch, at_the_same_time
from .explain import NearMiss
from .fit import over
from .single import rank, search

__all__ = ["NearMiss", "SearchResult", "over", "rank", "search", "survey"]


@dataclass(frozen=True)
class SearchResult:
    """What the market has over all providers.

    ``offers`` are those that fit, the best one first; an offer's ``region`` is set where places were wished for.
    ``others`` are those that do not, with what speaks against each. ``notes`` tell what of the wishes is not tried and
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
    :param queries: name -> the wishes, of every provider the same but for what only one of them knows. Regions are data
        centres, countries and regions of the world: each provider takes those that it knows.
    :param avoid: why an offer is not to be rented although it fits, as the end of a sentence, such as a host that
        failed before; None: no objection.
    :param near: when nothing fits, ask once more for what comes nearest.
    :param whole: these are all providers that are meant. False: another one is not asked, and may know a GPU or a place
        that these do not know.
    :raises BadRequest: for wishes that contradict each other, or mean nothing at any provider.
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
    fitting = ranking.ranked([(desk, offer) for desk in asked for offer in desk.fitting])
    others = [miss for desk in asked for miss in desk.judged]
    notes = [note for desk in desks for note in desk.notes]
    # A request that one provider refuses is no reason against the others, and it is not down.
    notes += [f"{desk.name} is left out: {desk.error.message}" for desk in desks if isinstance(desk.error, BadRequest)]
    down = {desk.name: desk.error for desk in desks if desk.error and not isinstance(desk.error, BadRequest)}
    notes += [note for desk in asked for note in _not_tried(desk)]
    if fitting:
        return SearchResult(tuple(fitting), (*notes, *_unranked(fitting, asked)), down, others=tuple(others))
    misses = explain.nearest([*others, *(miss for desk in asked for miss in desk.near)])
    words = asked[0].wished.words() if asked else ""
    refused = explain.refusal(misses, words, [desk.name for desk in asked], down, notes)
    return SearchResult((), tuple(notes), down, tuple(misses), tuple(others), refused)


def _not_tried(desk: ProviderSearch) -> list[str]:
    """Why offers are not tried: of a GPU that is named each reason, of machines and of a whole catalogue the number."""
    named = bool(desk.query.gpus or desk.query.cpu)
    single = [miss for miss in desk.judged if miss.offer.id is None and named]
    counted = [miss for miss in desk.judged if miss.offer.id is not None or not named]
    told = dict.fromkeys(f"{miss.offer.title} on {desk.name} {miss.reasons}" for miss in single)
    reasons = Counter(miss.objections[0].wish for miss in counted)
    if counted:
        sums = ", ".join(f"{count} {_WORDS.get(wish, wish)}" for wish, count in reasons.most_common())
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
