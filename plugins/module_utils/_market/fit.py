# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an offer fits, and which wishes exclude it. Pure functions. Private to this collection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._core import gpus as gpu_models
from .._core.errors import BadRequest
from .._core.offer import Objection, Offer, OfferQuery
from .._core.pod import usd
from .._core.values import number

#: What excludes an offer and is nobody's wish: that nothing of it is left, that the provider never has it, and that the
#: caller has a reason of its own, such as a host that failed before.
STOCK, NEVER, AVOIDED = "stock", "never", "avoided"
#: What of the sizes told and wished may differ by rounding.
ROUNDING = 1e-6


def resolve(gpus: Sequence[str], offers: Sequence[Offer]) -> list[str]:
    """Ids of the GPUs that these spellings mean, in the same order, each once.

    :raises BadRequest: for the first that means none or several.
    """
    catalogue = {offer.gpu_id: offer.gpu for offer in offers}
    if gpus and not catalogue:
        raise BadRequest("The provider's catalogue holds no GPU at all, so none can be chosen; try again later.")
    return list(dict.fromkeys(gpu_models.resolve(gpu, catalogue) for gpu in gpus))


def price(offer: Offer) -> float:
    """What it costs, to sort by; what has no price comes last."""
    return offer.usd_per_hour if offer.usd_per_hour is not None else float("inf")


def over(usd_per_hour: float | None, cap: float | None) -> bool:
    """True when the price is above the cap by more than rounding."""
    return usd_per_hour is not None and cap is not None and usd_per_hour > cap + ROUNDING


def too_many(offer: Offer, query: OfferQuery) -> bool:
    """True when no pod of this kind has so many GPUs."""
    return offer.cpu is None and offer.max_count is not None and query.gpu_count > offer.max_count


def objections(offer: Offer, query: OfferQuery) -> list[Objection]:
    """Everything that speaks against an offer; nothing when it fits. The driver's own objections come first."""
    found = [*offer.objections]
    known = {each.wish for each in found}
    return found + [each for each in _judged(offer, query) if each.wish not in known]


def _judged(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    gone = _gone(offer, query)
    if gone is not None:
        # Of what is not there nothing else matters.
        yield gone
        return
    if offer.obstacle is not None and query.bid is not None and offer.min_bid is not None:
        yield Objection("bid", offer.obstacle, (offer.min_bid - query.bid) / query.bid)
    if too_many(offer, query):
        wished = f"and {query.gpu_count} are wished"
        yield Objection("gpu_count", f"comes at most {offer.max_count} to a pod{offer.where}, {wished}")
    elif offer.id is not None and offer.gpu_count != query.gpu_count:
        yield Objection("gpu_count", f"is {offer.gpu_count} to a pod there, and {query.gpu_count} are wished")
    if offer.cpu is None:
        yield from _of_gpu(offer, query)
    yield from _of_host(offer, query)
    if query.clouds and offer.cloud is not None and offer.cloud not in query.clouds:
        yield Objection("clouds", f"is in the cloud {offer.cloud}, and {' or '.join(query.clouds)} is wished", 0.2)
    yield from _of_price(offer, query)


def _gone(offer: Offer, query: OfferQuery) -> Objection | None:
    """That it cannot be had at all, whatever else is wished."""
    if offer.obstacle is not None and not (query.bid and offer.min_bid is not None and query.bid < offer.min_bid):
        return Objection(STOCK, offer.obstacle)
    if not offer.offered or (offer.cpu is None and offer.max_count == 0):
        return Objection(NEVER, f"is not for rent{offer.where}")
    if offer.availability == "none" and not too_many(offer, query):
        return Objection(STOCK, f"is out of stock{offer.where}{_in(offer, query)}")
    return None


def _in(offer: Offer, query: OfferQuery) -> str:
    wished = [region.upper() for region in (*query.regions, *query.countries)]
    places = [offer.region] if offer.region and wished else wished
    more = f" or {len(places) - 5} more places" if len(places) > 5 else ""
    return f" in {', '.join(places[:5])}{more}" if places else ""


def _of_gpu(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    least = query.min_gpu_memory
    if least is not None and (offer.memory_gb is None or offer.memory_gb + ROUNDING < least):
        yield _short("min_gpu_memory", offer.memory_gb, least, "GB per GPU")
    floor = query.min_compute_capability
    if floor is not None and (offer.compute_capability is None or offer.compute_capability + ROUNDING < floor):
        yield _short("min_compute_capability", offer.compute_capability, floor, "as compute capability")


def _of_host(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    """What the machine must have; where an offer is no machine's, the create asks for what nobody tells before."""
    machine = offer.id is not None
    for wish, has, least, unit in (
        ("min_memory", offer.ram_gb, query.min_ram_gb, "GB of memory"),
        ("min_vcpus", offer.vcpus, query.min_vcpus, "vCPUs"),
        ("disk", offer.disk_gb, query.disk_gb, "GB of disk"),
        ("hours", offer.hours_left, query.hours, "hours left"),
    ):
        if least is not None and machine and (has is None or has + ROUNDING < least):
            yield _short(wish, has, least, unit)
    wished = {each.upper() for each in (*query.regions, *query.countries)}
    if machine and wished and offer.region not in wished:
        yield Objection("regions", f"is in {offer.region or 'no known place'}{_not_in(query)}")
    yield from _of_cuda(offer, query)


def _not_in(query: OfferQuery) -> str:
    wished = [each.upper() for each in (*query.regions, *query.countries)]
    more = f" or {len(wished) - 5} more" if len(wished) > 5 else ""
    return f", and not in {' or '.join(wished[:5])}{more}"


def _of_cuda(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    has = [told for each in offer.cuda_versions if (told := version(each)) is not None]
    if not has:
        return
    newest, floor = max(has), version(query.min_cuda_version)
    if floor is not None and newest < floor:
        yield Objection(
            "min_cuda_version",
            f"has CUDA {newest[0]}.{newest[1]} at most, and {query.min_cuda_version} is wished",
            0.1 * (floor[0] - newest[0]) + 0.01 * max(0, floor[1] - newest[1]),
        )
    wished = [told for each in query.cuda_versions if (told := version(each)) is not None]
    # A driver runs what was made for older versions too, so of a machine only the newest is told.
    fits = newest >= min(wished, default=newest) if offer.id is not None else set(has) & set(wished)
    if wished and not fits:
        yield Objection("cuda_versions", f"has not CUDA {' or '.join(query.cuda_versions)}", 0.1)


def version(text: str | None) -> tuple[int, int] | None:
    """12.8 as numbers, for 12.10 is newer than 12.9."""
    major, _dot, minor = (text or "").strip().partition(".")
    return (int(major), int(minor or 0)) if major.isdigit() and (minor or "0").isdigit() else None


def _of_price(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    cap = query.max_price
    if cap is None:
        return
    if offer.usd_per_hour is None:
        if offer.availability != "none":
            yield Objection("max_price", "has no price, so that the cap cannot be kept")
    elif over(offer.usd_per_hour, cap):
        gap = (offer.usd_per_hour - cap) / cap if cap else 1.0
        yield Objection("max_price", f"exceeds the cap of {usd(cap)} per hour", gap)


def _short(wish: str, has: float | None, least: float, unit: str) -> Objection:
    told = number(has)
    if told is None:
        return Objection(wish, f"does not tell its {unit}, and at least {least:g} is wished")
    return Objection(wish, f"has {told:g} {unit}, and at least {least:g} is wished", (least - told) / (least or 1.0))
