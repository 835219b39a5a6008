# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which offers fit, in which order, and why the others do not. Private to this collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.podyard.gpu.plugins.module_utils import _gpus
from ansible_collections.podyard.gpu.plugins.module_utils._errors import (
    BadRequest,
    CloudError,
    NoCapacity,
    TooExpensive,
)
from ansible_collections.podyard.gpu.plugins.module_utils._pod import AVAILABILITIES, Offer, OfferQuery, usd
from ansible_collections.podyard.gpu.plugins.module_utils._provider import Provider


def search(providers: Sequence[Provider], query: OfferQuery) -> tuple[list[Offer], str | None]:
    """The offers that match the query, cheapest first: what people compare; and why there are none, if so.

    With ``include_unavailable`` also what is out of stock, too large or too expensive.

    :raises BadRequest: for a GPU that no spelling rule finds, or finds twice.
    """
    found: list[Offer] = []
    refusals: list[str] = []
    for provider in providers:
        everything = provider.offers(query)
        wanted = resolve(query.gpus, everything)
        named = [offer for offer in everything if not wanted or offer.gpu_id in wanted]
        fitting = [offer for offer in named if query.include_unavailable or objection(offer, query) is None]
        found += fitting
        if not fitting:
            refusals.append(refusal(provider.name, named, query).message)
    found.sort(key=lambda offer: (_price(offer), offer.gpu, offer.cloud or ""))
    return found, None if found else " ".join(refusals)


def rank(provider: Provider, query: OfferQuery) -> list[Offer]:
    """The offers to try, best first: by the order of ``query.gpus``, then by stock, then by price.

    :raises NoCapacity: when none is in stock, saying of each wanted GPU why not.
    :raises TooExpensive: when what is in stock costs more than the cap, naming the cheapest.
    """
    everything = provider.offers(query)
    wanted = resolve(query.gpus, everything)
    named = [offer for offer in everything if offer.gpu_id in wanted] if wanted else everything
    fitting = [offer for offer in named if objection(offer, query) is None]
    if not fitting:
        raise refusal(provider.name, named, query)
    order = {gpu_id: place for place, gpu_id in enumerate(wanted)}
    return sorted(
        fitting,
        key=lambda offer: (order.get(offer.gpu_id, 0), AVAILABILITIES.index(offer.availability), _price(offer)),
    )


def resolve(gpus: Sequence[str], offers: Sequence[Offer]) -> list[str]:
    """Ids of the GPUs that these spellings mean, in the same order, each once.

    :raises BadRequest: for the first that means none or several.
    """
    catalogue = {offer.gpu_id: offer.gpu for offer in offers}
    if gpus and not catalogue:
        raise BadRequest("The provider's catalogue holds no GPU at all, so none can be chosen; try again later.")
    return list(dict.fromkeys(_gpus.resolve(gpu, catalogue) for gpu in gpus))


def objection(offer: Offer, query: OfferQuery) -> str | None:
    """Why this offer is not to be had; None when it is. The price is judged last: it is the only reason that is the
    caller's own.
    """
    where = f" in {', '.join(region.upper() for region in query.regions)}" if query.regions else ""
    if not offer.offered:
        return f"is not for rent in the cloud {offer.cloud}"
    if offer.max_count is not None and query.gpu_count > offer.max_count:
        return f"comes at most {offer.max_count} to a pod in the cloud {offer.cloud}"
    if offer.availability == "none":
        return f"is out of stock in the cloud {offer.cloud}{where}"
    if query.max_price is not None and offer.usd_per_hour is None:
        return "has no price, so that the cap cannot be kept"
    if over(offer.usd_per_hour, query.max_price):
        return (
            f"costs {usd(offer.usd_per_hour)} per hour in the cloud {offer.cloud}, above the cap of "
            f"{usd(query.max_price)}"
        )
    return None


def over(usd_per_hour: float | None, cap: float | None) -> bool:
    """True when the price is above the cap by more than rounding."""
    return usd_per_hour is not None and cap is not None and usd_per_hour > cap + 1e-6


def refusal(provider: str, named: Sequence[Offer], query: OfferQuery) -> CloudError:
    """The error for a query that nothing fits: what was asked for, and of each GPU the reason."""
    reasons = {f"{offer.gpu} {objection(offer, query)}" for offer in named}
    uncapped = replace(query, max_price=None)
    stocked = [offer for offer in named if objection(offer, uncapped) is None and offer.usd_per_hour is not None]
    asked = f"{query.gpu_count} x {' or '.join(query.gpus) if query.gpus else 'any GPU'}"
    if stocked:
        cheapest = min(stocked, key=_price)
        return TooExpensive(
            f"Nothing was rented: every offer of {provider} for {asked} is above the cap of "
            f"{usd(query.max_price)} per hour. "
            f"The cheapest is {cheapest.gpu} at {usd(cheapest.usd_per_hour)} per hour (cloud {cheapest.cloud}). "
            "Raise the cap, or name other GPUs."
        )
    return NoCapacity(
        f"Nothing was rented: {provider} has no offer for {asked} now: "
        f"{'; '.join(sorted(reasons)) or 'the catalogue is empty'}. "
        "Name more GPUs, clouds or data centres, or try again later."
    )


def _price(offer: Offer) -> float:
    return offer.usd_per_hour if offer.usd_per_hour is not None else float("inf")
