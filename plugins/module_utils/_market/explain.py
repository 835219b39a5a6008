# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explain why nothing fits: the nearest offers, and the requirements that exclude them. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import BadRequest, CloudError, NoCapacity, TooExpensive
from .._core.offer import AVAILABILITIES, Objection, Offer, OfferQuery
from .._core.units import usd
from . import fit

#: How many near misses are reported.
HANDFUL = 5
#: For how many machines a message about one provider says why they do not fit.
MACHINES_TOLD = 3
#: Reasons that no option causes, so that there is nothing to relax.
NO_OPTIONS = (fit.STOCK, fit.NEVER, fit.AVOIDED)


@dataclass(frozen=True)
class NearMiss:
    """An offer that does not fit, with all objections to it."""

    offer: Offer
    objections: tuple[Objection, ...]

    @property
    def requirements(self) -> tuple[str, ...]:
        """The options that exclude it."""
        return tuple(each.requirement for each in self.objections)

    @property
    def hopeless(self) -> bool:
        """Whether it would not fit, whichever option is relaxed."""
        return any(each in NO_OPTIONS for each in self.requirements)

    @property
    def text(self) -> str:
        """``RTX 4090 at USD 0.44 per hour exceeds the cap of USD 0.40 per hour (option max_price); …``."""
        offer = self.offer
        price = f" at {usd(offer.usd_per_hour)} per hour" if offer.usd_per_hour is not None else ""
        if self.requirements == ("max_price",) and price:
            cheapest = f"the cheapest is {usd(offer.usd_per_hour)} on {offer.provider}{self._place}"
            return f"{offer.title}{price} {self.objections[0].reason} (option max_price); {cheapest}"
        return f"{offer.title} on {offer.provider}{price}{self._place} {self.reasons}"

    @property
    def reasons(self) -> str:
        """All objections, as the end of a sentence."""
        return " and ".join(f"{each.reason}{_option(each)}" for each in self.objections)

    @property
    def _place(self) -> str:
        offer = self.offer
        if "regions" in self.requirements:
            return ""
        left = sorted(offer.regions.items(), key=lambda each: AVAILABILITIES.index(each[1]))
        if offer.region or (left and fit.STOCK not in self.requirements):
            return f" in {offer.region or left[0][0]}"
        return "" if self.hopeless or "clouds" in self.requirements else offer.where

    def to_result(self) -> dict[str, Any]:
        """Return the near miss as a JSON-able dict."""
        names = ("provider", "gpu", "gpu_count", "usd_per_hour", "cloud", "region", "id")
        shown = {name: getattr(self.offer, name) for name in names}
        return {**shown, "wishes": list(self.requirements), "words": self.text}


def _option(objection: Objection) -> str:
    told = objection.requirement in NO_OPTIONS or "option" in objection.reason or "search:" in objection.reason
    return "" if told else f" (option {objection.requirement})"


def nearest(judged: Sequence[NearMiss]) -> list[NearMiss]:
    """Return the near misses to report: at most five, the closest first, then the cheapest; one of each kind.

    For one GPU at one provider, only offers that a single requirement excludes are reported if there are any, because
    relaxing that one gets a pod; otherwise those that two exclude, and so on. GPUs that are out of stock come last,
    followed by one GPU that was not named: one is a hint, more would be a list of the market.
    """
    hints = [miss for miss in judged if "gpus" in miss.requirements]
    gone = [miss for miss in judged if miss.hopeless]
    fewest: dict[tuple[str, str], int] = {}
    best: dict[tuple[Any, ...], NearMiss] = {}
    hopeful = [miss for miss in judged if "gpus" not in miss.requirements and not miss.hopeless]
    for miss in sorted(hopeful, key=_distance):
        offer = miss.offer
        if len(miss.objections) == fewest.setdefault((offer.provider, offer.gpu_id), len(miss.objections)):
            best.setdefault((offer.provider, offer.gpu_id, offer.cloud, frozenset(miss.requirements)), miss)
    told = {(miss.offer.provider, miss.offer.gpu_id) for miss in best.values()}
    for miss in sorted(gone, key=_distance):
        if (miss.offer.provider, miss.offer.gpu_id) not in told:
            best.setdefault((miss.offer.provider, miss.offer.gpu_id, miss.offer.cloud), miss)
    return [*list(best.values())[: HANDFUL - bool(hints)], *sorted(hints, key=_distance)[:1]]


def _distance(miss: NearMiss) -> tuple[Any, ...]:
    return len(miss.objections), sum(each.gap for each in miss.objections), fit.price(miss.offer)


def refusal(
    misses: Sequence[NearMiss],
    requirements: str,
    providers: Sequence[str],
    down: Mapping[str, CloudError],
    notes: Sequence[str],
) -> CloudError:
    """Return the error for requirements that no offer meets: the requirements, and what excludes the nearest offers.

    :param requirements: a description of every filter of the search.
    :param providers: those that answered and have nothing that fits.
    """
    told = [f"{miss.text}." for miss in misses]
    near = f" Nearest: {' '.join(told)}" if told else " The catalogue has nothing like it."
    away = [f" {name} could not be asked: {error.message}" for name, error in down.items()]
    left_out = [f" {note}" if note.endswith(".") else f" {note}." for note in notes] if not told else []
    kind = _kind(misses)
    advice = {
        TooExpensive: "Raise the cap, or name other GPUs.",
        BadRequest: "Change the option gpus or gpu_count.",
    }.get(kind, "Relax one of these requirements, or try again later.")
    return kind(
        f"Nothing was rented: no offer on {' or '.join(providers) or 'any provider'} fits {requirements}.{near}"
        f"{''.join(left_out)} {advice}{''.join(away)}",
        facts={"misses": [miss.to_result() for miss in misses]},
    )


def _kind(misses: Sequence[NearMiss]) -> type[CloudError]:
    """Return TooExpensive if only the price excludes an offer, BadRequest if no provider ever rents it out."""
    if any(miss.requirements == ("max_price",) for miss in misses):
        return TooExpensive
    named = [miss for miss in misses if "gpus" not in miss.requirements]
    if named and all({"gpu_count", fit.NEVER} & set(miss.requirements) for miss in named):
        return BadRequest
    return NoCapacity


def refusal_of_one(provider: str, misses: Sequence[NearMiss], query: OfferQuery) -> CloudError:
    """Return the error for a query that no offer of one provider fits: the query, and the reason for each GPU.

    :param misses: all offers of the GPUs that are named, with the first objection to each (``fit.unfiltered``).
    """
    priced = [miss.offer for miss in misses if miss.requirements == ("max_price",)]
    cheapest = min((offer for offer in priced if offer.usd_per_hour is not None), key=fit.price, default=None)
    if cheapest is not None:
        return TooExpensive(
            f"Nothing was rented: every offer on {provider} for {query.describe()} is above the cap of "
            f"{usd(query.max_price)} per hour (option max_price). "
            f"The cheapest is {cheapest.title} at {usd(cheapest.usd_per_hour)} per hour{cheapest.where}. "
            "Raise the cap, or name other GPUs."
        )
    reasons = _reasons(misses)
    if misses and all({"gpu_count", fit.NEVER} & set(miss.requirements) for miss in misses):
        return BadRequest(
            f"Nothing was rented: {provider} does not rent out what you asked for ({query.describe()}): {reasons}. "
            f"Change {'the option cpu' if query.cpu else 'one of the options gpus, gpu_count'} or clouds."
        )
    wider = ", clouds or data centres" if query.clouds else " or countries"
    return NoCapacity(
        f"Nothing was rented: {provider} has no offer now that passes these filters: {query.describe()}. The reason: "
        f"{reasons or 'the catalogue is empty'}. Relax a filter, name more GPUs{wider}, or try again later."
    )


def _reasons(misses: Sequence[NearMiss]) -> str:
    """Say why each offer does not fit; for machines, of which there are hundreds, only the lowest bids."""
    machines = sorted(
        (miss for miss in misses if miss.offer.id), key=lambda miss: (miss.offer.min_bid or 0.0, miss.offer.title)
    )
    near = list(dict.fromkeys(_sentence(miss) for miss in machines))
    others = sorted({_sentence(miss) for miss in misses if not miss.offer.id})
    more = [f"and {len(near) - MACHINES_TOLD} more"] if len(near) > MACHINES_TOLD else []
    return "; ".join([*near[:MACHINES_TOLD], *more, *others])


def _sentence(miss: NearMiss) -> str:
    """Return ``RTX 4090 at USD 0.69 per hour exceeds the cap of USD 0.50 per hour``; the price if it is the reason."""
    offer = miss.offer
    price = f" at {usd(offer.usd_per_hour)} per hour{offer.where}" if miss.requirements == ("max_price",) else ""
    return f"{offer.title}{price if offer.usd_per_hour is not None else ''} {miss.objections[0].reason}"


def not_tried(misses: Sequence[NearMiss]) -> list[str]:
    """Say why offers of one provider are not tried, each reason once. Machines are counted: there are hundreds."""
    reasons = dict.fromkeys(_sentence(miss) for miss in misses if not miss.offer.id)
    machines = Counter(miss.offer.title for miss in misses if miss.offer.id)
    counts = [f"offers of {title} that do not fit or cost too much: {count}" for title, count in machines.items()]
    return [*reasons, *counts]
