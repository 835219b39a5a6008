# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell whether an offer fits, which requirements exclude it, and which requirements contradict each other. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .._core import gpus
from .._core.errors import BadRequest
from .._core.offer import RANKINGS, Objection, Offer, OfferQuery
from .._core.places import REGIONS, sort
from .._core.units import major_minor, usd
from .._core.values import number
from .._providers.base import Provider
from . import fit

CLOUDS = ("SECURE", "COMMUNITY")
#: The largest number of GPUs in one machine of any provider.
MOST_GPUS = 16


def check(providers: Mapping[str, Provider], query: OfferQuery) -> None:
    """Refuse what no provider can ever keep.

    :raises BadRequest: naming both options that exclude each other, or the one that means nothing.
    """
    for found in (_numbers(query), _words(query), _of_bids(providers, query), _of_gpus(query)):
        for problem in found:
            raise BadRequest(f"Nothing was rented: {problem}")


def _numbers(query: OfferQuery) -> Iterator[str]:
    if query.cpu is None and query.gpu_count < 1:
        yield f"the option gpu_count is {query.gpu_count}; a pod has one GPU or more."
    if query.gpu_count > MOST_GPUS:
        yield f"the option gpu_count is {query.gpu_count}; no machine has more than {MOST_GPUS}, so rent several pods."
    for option, value in (
        ("max_price", query.max_price),
        ("bid", query.bid),
        ("disk", query.disk_gb),
        ("hours", query.hours),
        ("min_gpu_memory", query.min_gpu_memory),
        ("min_compute_capability", query.min_compute_capability),
        ("min_memory", query.min_ram_gb),
        ("min_vcpus", query.min_vcpus),
    ):
        if value is not None and value <= 0:
            yield f"the option {option} is {value:g}; it is a number above 0, or left out."
    if query.min_compute_capability is not None and query.min_compute_capability >= 30:
        yield (
            f"the option min_compute_capability is {query.min_compute_capability:g}; it is written like 8.9, without a "
            "factor of 10 or 100."
        )


def _words(query: OfferQuery) -> Iterator[str]:
    if query.rank_by not in RANKINGS:
        yield f"the option rank_by is {query.rank_by!r}; it is one of: {', '.join(RANKINGS)}."
    for cloud in query.clouds:
        if cloud not in CLOUDS:
            yield f"the option clouds holds {cloud!r}; there are: {', '.join(CLOUDS)}."
    if query.min_cuda_version is not None and major_minor(query.min_cuda_version) is None:
        yield f"the option min_cuda_version is {query.min_cuda_version!r}; it is written like 12.8."
    if query.min_cuda_version and query.cuda_versions:
        yield "the options min_cuda_version and cuda_versions exclude each other: name a least version or exact ones."


def _of_bids(providers: Mapping[str, Provider], query: OfferQuery) -> Iterator[str]:
    if query.bid is not None and not query.interruptible:
        yield (
            f"the option bid is {usd(query.bid)}, and interruptible is false: only a pod that may be taken away is bid "
            "for. Set interruptible to true, or leave bid out."
        )
    if query.bid is not None and fit.over(query.bid, query.max_price):
        yield (
            f"the option bid ({usd(query.bid)} per hour) is above the option max_price ({usd(query.max_price)} per "
            "hour): a contract at that bid would be given back at once."
        )
    if query.interruptible and not any(each.capabilities.interruptible for each in providers.values()):
        why = "; ".join(
            each.capabilities.because.get("interruptible", f"{name} has none") for name, each in providers.items()
        )
        yield (
            f"the option interruptible is true, and none of the providers {', '.join(providers)} has such pods "
            f"({why}). Leave it out, or name another provider."
        )


def _of_gpus(query: OfferQuery) -> Iterator[str]:
    """Named GPUs of which none can have what else is required; of one that the table does not know nothing is said."""
    models = [gpus.model(gpu) for gpu in query.gpus]
    if query.cpu is not None:
        for option, value in (
            ("min_gpu_memory", query.min_gpu_memory),
            ("min_compute_capability", query.min_compute_capability),
        ):
            if value is not None:
                yield f"the options cpu and {option} exclude each other: a CPU pod has no GPU."
        return
    known = [model for model in models if model is not None]
    if not models or len(known) < len(models):
        return
    memory, capability = query.min_gpu_memory, query.min_compute_capability
    if memory is not None and all(max(model.memory_gb) < memory for model in known):
        has = ", ".join(f"{model.name} has {max(model.memory_gb)}" for model in known)
        yield (
            f"the option min_gpu_memory is {memory:g} GB, and no GPU of the option gpus has so much: {has}. Name other "
            "GPUs, or ask for less."
        )
    if capability is not None and all((model.capability or 0) < capability for model in known):
        has = ", ".join(f"{model.name} has {model.capability or 'none'}" for model in known)
        yield (
            f"the option min_compute_capability is {capability:g}, and no GPU of the option gpus has it: {has}. Name "
            "other GPUs, or ask for less."
        )


def places(regions: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Countries, and what only a provider can know. :raises BadRequest: for two letters that are no country."""
    return sort(regions)


def refuse_strange(words: Sequence[str], known: Mapping[str, Sequence[str]]) -> None:
    """Refuse words of the option regions that mean nothing to any provider.

    :param known: of each provider that could be asked, the words that it knows.
    :raises BadRequest: naming the first.
    """
    for word in words:
        if known and not any(word in each for each in known.values()):
            raise BadRequest(
                f"Nothing was rented: {word!r} (option regions) is no country and no data centre of "
                f"{' or '.join(known)}. Countries are two letters, such as US or DE; there are also the regions "
                f"{', '.join(REGIONS)}."
            )


#: What excludes an offer and comes from no option: that nothing of it is left, that the provider never has it, and that
#: the caller has a reason of its own, such as a host that failed before.
STOCK, NEVER, AVOIDED = "stock", "never", "avoided"
#: What of the sizes found and required may differ by rounding.
ROUNDING = 1e-6


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
    known = {each.requirement for each in found}
    return found + [each for each in _judged(offer, query) if each.requirement not in known]


def unfiltered(offer: Offer, query: OfferQuery) -> list[Objection]:
    """What speaks against an offer that its provider has filtered by everything else: stock, bid, size and price.

    At most one, for what is not there has no price to speak of.
    """
    gone = _gone(offer, query)
    found = [gone] if gone is not None else [*_of_bid(offer, query), *_of_size(offer, query), *_of_price(offer, query)]
    return found[:1]


def _judged(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    gone = _gone(offer, query)
    if gone is not None:
        # Of what is not there nothing else matters.
        yield gone
        return
    yield from _of_bid(offer, query)
    yield from _of_size(offer, query)
    if not too_many(offer, query) and offer.id is not None and offer.gpu_count != query.gpu_count:
        yield Objection("gpu_count", f"is {offer.gpu_count} to a pod there, and {query.gpu_count} are wished")
    if offer.cpu is None:
        yield from _of_gpu(offer, query)
    yield from _of_host(offer, query)
    if query.clouds and offer.cloud is not None and offer.cloud not in query.clouds:
        yield Objection("clouds", f"is in the cloud {offer.cloud}, and {' or '.join(query.clouds)} is wished", 0.2)
    yield from _of_price(offer, query)


def _of_bid(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    if offer.obstacle is not None and query.bid is not None and offer.min_bid is not None:
        yield Objection("bid", offer.obstacle, (offer.min_bid - query.bid) / query.bid)


def _of_size(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    if too_many(offer, query):
        asked = f"and {query.gpu_count} are wished"
        yield Objection("gpu_count", f"comes at most {offer.max_count} to a pod{offer.where}, {asked}")


def _gone(offer: Offer, query: OfferQuery) -> Objection | None:
    """That it cannot be had at all, whatever else is required."""
    if offer.obstacle is not None and not (query.bid and offer.min_bid is not None and query.bid < offer.min_bid):
        return Objection(STOCK, offer.obstacle)
    if not offer.offered or (offer.cpu is None and offer.max_count == 0):
        return Objection(NEVER, f"is not for rent{offer.where}")
    if offer.availability == "none" and not too_many(offer, query):
        return Objection(STOCK, f"is out of stock{offer.where}{_in(offer, query)}")
    return None


def _in(offer: Offer, query: OfferQuery) -> str:
    listed = [region.upper() for region in (*query.regions, *query.countries)]
    places = [offer.region] if offer.region and listed else listed
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
    for option, has, least, unit in (
        ("min_memory", offer.ram_gb, query.min_ram_gb, "GB of memory"),
        ("min_vcpus", offer.vcpus, query.min_vcpus, "vCPUs"),
        ("disk", offer.disk_gb, query.disk_gb, "GB of disk"),
        ("hours", offer.hours_left, query.hours, "hours left"),
    ):
        if least is not None and machine and (has is None or has + ROUNDING < least):
            yield _short(option, has, least, unit)
    listed = {each.upper() for each in (*query.regions, *query.countries)}
    if machine and listed and offer.region not in listed:
        yield Objection("regions", f"is in {offer.region or 'no known place'}{_not_in(query)}")
    yield from _of_cuda(offer, query)


def _not_in(query: OfferQuery) -> str:
    listed = [each.upper() for each in (*query.regions, *query.countries)]
    more = f" or {len(listed) - 5} more" if len(listed) > 5 else ""
    return f", and not in {' or '.join(listed[:5])}{more}"


def _of_cuda(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    has = [told for each in offer.cuda_versions if (told := major_minor(each)) is not None]
    if not has:
        return
    newest, floor = max(has), major_minor(query.min_cuda_version)
    if floor is not None and newest < floor:
        yield Objection(
            "min_cuda_version",
            f"has CUDA {newest[0]}.{newest[1]} at most, and {query.min_cuda_version} is wished",
            0.1 * (floor[0] - newest[0]) + 0.01 * max(0, floor[1] - newest[1]),
        )
    exact = [told for each in query.cuda_versions if (told := major_minor(each)) is not None]
    # A driver runs what was made for older versions too, so of a machine only the newest is told.
    fits = newest >= min(exact, default=newest) if offer.id is not None else set(has) & set(exact)
    if exact and not fits:
        yield Objection("cuda_versions", f"has not CUDA {' or '.join(query.cuda_versions)}", 0.1)


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


def _short(option: str, has: float | None, least: float, unit: str) -> Objection:
    told = number(has)
    if told is None:
        return Objection(option, f"does not tell its {unit}, and at least {least:g} is wished")
    return Objection(option, f"has {told:g} {unit}, and at least {least:g} is wished", (least - told) / (least or 1.0))
