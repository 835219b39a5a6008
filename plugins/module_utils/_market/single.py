# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The market of one provider that is asked alone: what fits, in which order, and why the rest does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .._core.errors import BadRequest, CloudError, NoCapacity, TooExpensive
from .._core.offer import AVAILABILITIES, PRICE, Offer, OfferQuery
from .._core.pod import usd
from .._providers.base import Provider
from . import fit

#: Machines of a market of which a message tells why they will not do.
MACHINES_TOLD = 3


def search(providers: Sequence[Provider], query: OfferQuery) -> tuple[list[Offer], str | None]:
    """The offers that match the query, cheapest first: what people compare; and why there are none, if so.

    With ``include_unavailable`` also what is out of stock, too large or too expensive.

    :raises BadRequest: for a GPU that no spelling rule finds, or finds twice.
    """
    found: list[Offer] = []
    refusals: list[str] = []
    wished = query
    for provider in providers:
        query = usual(provider, wished)
        everything = provider.offers(query)
        wanted = fit.resolve(query.gpus, everything)
        named = [offer for offer in everything if not wanted or offer.gpu_id in wanted]
        fitting = [offer for offer in named if query.include_unavailable or objection(offer, query) is None]
        found += fitting
        if not fitting:
            refusals.append(_refusal(provider.name, named, query).message)
    found.sort(key=lambda offer: (fit.price(offer), offer.gpu, offer.cloud or ""))
    return found, None if found else " ".join(refusals)


def rank(provider: Provider, query: OfferQuery) -> tuple[list[Offer], list[str]]:
    """The offers to try, the first one first; and of what was asked for and is not tried, why not.

    With ``query.prefer`` of ORDER: as the GPUs are listed, then the clouds, then the regions, each region an offer of
    its own; what the lists leave open is decided by stock, then price. With PRICE: the cheapest, then stock, then the
    order of the lists; the provider chooses among the regions.

    :raises BadRequest: when what is asked for is not for rent at all.
    :raises NoCapacity: when none is in stock, saying of each wanted GPU why not.
    :raises TooExpensive: when what is in stock costs more than the cap, naming the cheapest.
    """
    query = usual(provider, query)
    everything = provider.offers(query)
    wanted = fit.resolve(query.gpus, everything)
    named = [offer for offer in everything if offer.gpu_id in wanted] if wanted else everything
    placed = [each for offer in named for each in _in_regions(offer, query)]
    fitting = [offer for offer in placed if objection(offer, query) is None]
    if not fitting:
        raise _refusal(provider.name, named, query)
    clouds, regions = list(query.clouds), [region.upper() for region in query.regions]

    def key(offer: Offer) -> tuple[Any, ...]:
        listed = (_place(offer.gpu_id, wanted), _place(offer.cloud, clouds), _place(offer.region, regions))
        stock, price = AVAILABILITIES.index(offer.availability), fit.price(offer)
        return (price, stock, listed) if query.prefer == PRICE else (listed, stock, price)

    return sorted(fitting, key=key), _left_out(placed, query)


def usual(provider: Provider, query: OfferQuery) -> OfferQuery:
    """The query with the clouds that the provider means when nobody says."""
    return query if query.clouds else replace(query, clouds=provider.usual_clouds)


def _left_out(offers: Sequence[Offer], query: OfferQuery) -> list[str]:
    """Why offers are not tried, each reason once. Where each is one machine's, they are counted: there are hundreds."""
    reasons = {f"{each.title} {why}": None for each in offers if not each.id and (why := objection(each, query))}
    machines = Counter(each.title for each in offers if each.id and objection(each, query))
    return [*reasons, *(f"{count} offers of {title} do not fit or cost too much" for title, count in machines.items())]


def _place(value: str | None, listed: Sequence[str]) -> int:
    """Where a value stands in a list; what is not in it comes last."""
    return listed.index(value) if value in listed else len(listed)


def _in_regions(offer: Offer, query: OfferQuery) -> list[Offer]:
    """The offer once for each region that is asked for, where their order matters; else as it is."""
    if query.prefer == PRICE or len(query.regions) < 2 or offer.id is not None:
        return [offer]
    known = offer.availability not in ("none", "unknown")
    return [
        replace(offer, region=region, availability=offer.regions.get(region, "none") if known else offer.availability)
        for region in dict.fromkeys(region.upper() for region in query.regions)
    ]


def objection(offer: Offer, query: OfferQuery) -> str | None:
    """Why this offer of a provider that is asked alone is not to be had; None when it is. The price is judged last: it
    is the only reason that is the caller's own.
    """
    regions = [offer.region] if offer.region and query.regions else [region.upper() for region in query.regions]
    where = f" in {', '.join(regions)}" if regions else ""
    if offer.obstacle is not None:
        return offer.obstacle
    if not offer.offered or (offer.cpu is None and offer.max_count == 0):
        return f"is not for rent{offer.where}"
    if fit.too_many(offer, query):
        return f"comes at most {offer.max_count} to a pod{offer.where}"
    if offer.availability == "none":
        return f"is out of stock{offer.where}{where}"
    if query.max_price is not None and offer.usd_per_hour is None:
        return "has no price, so that the cap cannot be kept"
    if fit.over(offer.usd_per_hour, query.max_price):
        return f"costs {usd(offer.usd_per_hour)} per hour{offer.where}, above the cap of {usd(query.max_price)}"
    return None


def _reasons(offers: Sequence[Offer], query: OfferQuery) -> str:
    """Why each offer is not to be had. Of machines, of which there are hundreds, only the nearest bids are told."""
    machines = sorted((each for each in offers if each.id), key=lambda each: (each.min_bid or 0.0, each.title))
    near = list(dict.fromkeys(f"{offer.title} {objection(offer, query)}" for offer in machines))
    others = sorted({f"{offer.title} {objection(offer, query)}" for offer in offers if not offer.id})
    more = [f"and {len(near) - MACHINES_TOLD} more"] if len(near) > MACHINES_TOLD else []
    return "; ".join([*near[:MACHINES_TOLD], *more, *others])


def _refusal(provider: str, named: Sequence[Offer], query: OfferQuery) -> CloudError:
    """The error for a query that nothing fits: what was asked for, and of each GPU the reason."""
    reasons = _reasons(named, query)
    uncapped = replace(query, max_price=None)
    stocked = [offer for offer in named if objection(offer, uncapped) is None and offer.usd_per_hour is not None]
    if stocked:
        cheapest = min(stocked, key=fit.price)
        return TooExpensive(
            f"Nothing was rented: every offer of {provider} for {query.words()} is above the cap of "
            f"{usd(query.max_price)} per hour (option max_price). "
            f"The cheapest is {cheapest.title} at {usd(cheapest.usd_per_hour)} per hour{cheapest.where}. "
            "Raise the cap, or name other GPUs."
        )
    if named and all(not offer.offered or fit.too_many(offer, query) for offer in named):
        return BadRequest(
            f"Nothing was rented: {provider} never has what was asked for ({query.words()}): {reasons}. Change "
            f"{'the option cpu' if query.cpu else 'one of the options gpus, gpu_count'} or clouds."
        )
    wider = "clouds or data centres" if query.clouds else "countries"
    return NoCapacity(
        f"Nothing was rented: {provider} has nothing now that passes these filters: {query.words()}. Of what was asked "
        f"for, {reasons or 'the catalogue is empty'}. Loosen a filter, name more GPUs, {wider}, or try "
        "again later."
    )
