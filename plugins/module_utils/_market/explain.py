# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes nearest when nothing fits, and which wish excludes it. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import BadRequest, CloudError, NoCapacity, TooExpensive
from .._core.offer import AVAILABILITIES, Objection, Offer
from .._core.pod import usd
from . import fit

#: How many are told.
HANDFUL = 5
#: Reasons that are no wish of the market's: they are no option that could be loosened.
NO_OPTIONS = (fit.STOCK, fit.NEVER, fit.AVOIDED)


@dataclass(frozen=True)
class NearMiss:
    """An offer that does not fit, and everything that speaks against it."""

    offer: Offer
    objections: tuple[Objection, ...]

    @property
    def wishes(self) -> tuple[str, ...]:
        """The options that exclude it."""
        return tuple(each.wish for each in self.objections)

    @property
    def hopeless(self) -> bool:
        """Whether no wish that is loosened would help."""
        return any(wish in NO_OPTIONS for wish in self.wishes)

    @property
    def words(self) -> str:
        """``RTX 4090 at 0.44 USD per hour exceeds the cap of 0.40 USD per hour (option max_price); …``."""
        offer = self.offer
        price = f" at {usd(offer.usd_per_hour)} per hour" if offer.usd_per_hour is not None else ""
        if self.wishes == ("max_price",) and price:
            cheapest = f"cheapest is {usd(offer.usd_per_hour)} on {offer.provider}{self._place}"
            return f"{offer.title}{price} {self.objections[0].words} (option max_price); {cheapest}"
        return f"{offer.title} on {offer.provider}{price}{self._place} {self.reasons}"

    @property
    def reasons(self) -> str:
        """What speaks against it, as the end of a sentence."""
        return " and ".join(f"{each.words}{_option(each)}" for each in self.objections)

    @property
    def _place(self) -> str:
        offer = self.offer
        if "regions" in self.wishes:
            return ""
        left = sorted(offer.regions.items(), key=lambda each: AVAILABILITIES.index(each[1]))
        if offer.region or (left and fit.STOCK not in self.wishes):
            return f" in {offer.region or left[0][0]}"
        return "" if self.hopeless or "clouds" in self.wishes else offer.where

    def to_result(self) -> dict[str, Any]:
        """The miss as a JSON-able dict."""
        names = ("provider", "gpu", "gpu_count", "usd_per_hour", "cloud", "region", "id")
        shown = {name: getattr(self.offer, name) for name in names}
        return {**shown, "wishes": list(self.wishes), "words": self.words}


def _option(objection: Objection) -> str:
    told = objection.wish in NO_OPTIONS or "option" in objection.words or "search:" in objection.words
    return "" if told else f" (option {objection.wish})"


def nearest(judged: Sequence[NearMiss]) -> list[NearMiss]:
    """At most a handful, the closest first and then the cheapest; of alike ones the best.

    Of one GPU at one provider, what a single wish excludes comes alone where there is any: who loosens that wish has a
    pod. Else what two exclude, and so on. GPUs of which nothing is left whatever one wishes come last, and then another
    GPU than those that are wished: one is a hint, more are a list of the market.
    """
    hints = [miss for miss in judged if "gpus" in miss.wishes]
    gone = [miss for miss in judged if miss.hopeless]
    fewest: dict[tuple[str, str], int] = {}
    best: dict[tuple[Any, ...], NearMiss] = {}
    for miss in sorted((each for each in judged if "gpus" not in each.wishes and not each.hopeless), key=_distance):
        offer = miss.offer
        if len(miss.objections) == fewest.setdefault((offer.provider, offer.gpu_id), len(miss.objections)):
            best.setdefault((offer.provider, offer.gpu_id, offer.cloud, frozenset(miss.wishes)), miss)
    told = {(miss.offer.provider, miss.offer.gpu_id) for miss in best.values()}
    for miss in sorted(gone, key=_distance):
        if (miss.offer.provider, miss.offer.gpu_id) not in told:
            best.setdefault((miss.offer.provider, miss.offer.gpu_id, miss.offer.cloud), miss)
    return [*list(best.values())[: HANDFUL - bool(hints)], *sorted(hints, key=_distance)[:1]]


def _distance(miss: NearMiss) -> tuple[Any, ...]:
    return len(miss.objections), sum(each.gap for each in miss.objections), fit.price(miss.offer)


def refusal(
    misses: Sequence[NearMiss],
    wishes: str,
    providers: Sequence[str],
    down: Mapping[str, CloudError],
    notes: Sequence[str],
) -> CloudError:
    """The error for wishes that nothing fits: what was asked for, and of what comes nearest the wish that excludes it.

    :param wishes: everything that took part in the search, in words.
    :param providers: those that were asked and have nothing that fits.
    """
    told = [f"{miss.words}." for miss in misses]
    near = f" Nearest: {' '.join(told)}" if told else " The catalogue holds nothing of the kind."
    away = [f" {name} could not be asked: {error.message}" for name, error in down.items()]
    left_out = [f" {note}" if note.endswith(".") else f" {note}." for note in notes] if not told else []
    kind = _kind(misses)
    advice = {
        TooExpensive: "Raise the cap, or name other GPUs.",
        BadRequest: "Change the option gpus or gpu_count.",
    }.get(kind, "Loosen one of these wishes, or try again later.")
    return kind(
        f"Nothing was rented: no offer of {' and '.join(providers) or 'any provider'} fits {wishes}.{near}"
        f"{''.join(left_out)} {advice}{''.join(away)}",
        facts={"misses": [miss.to_result() for miss in misses]},
    )


def _kind(misses: Sequence[NearMiss]) -> type[CloudError]:
    """Too expensive if but for the price there is something; a wrong request if it can never be had."""
    if any(miss.wishes == ("max_price",) for miss in misses):
        return TooExpensive
    wished = [miss for miss in misses if "gpus" not in miss.wishes]
    if wished and all({"gpu_count", fit.NEVER} & set(miss.wishes) for miss in wished):
        return BadRequest
    return NoCapacity
