# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge whether an offer fits, which requirements exclude it, and which requirements contradict each other. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .._core import gpus
from .._core.errors import BadRequest
from .._core.offer import RANKINGS, Objection, Offer, OfferQuery
from .._core.places import REGIONS, sort
from .._core.units import major_minor, usd
from .._core.values import number
from .._providers.base import Provider

CLOUDS = ("SECURE", "COMMUNITY")
#: The largest number of GPUs in one machine of any provider.
MOST_GPUS = 16


def check(providers: Mapping[str, Provider], query: OfferQuery) -> None:
    """Refuse requirements that no provider can ever meet.

    :raises BadRequest: naming the two options that exclude each other, or the one that is not valid.
    """
    for found in (_numbers(query), _choices(query), _of_bids(providers, query), _of_gpus(query)):
        for problem in found:
            raise BadRequest(f"Nothing was rented: {problem}")


def _numbers(query: OfferQuery) -> Iterator[str]:
    if query.cpu is None and query.gpu_count < 1:
        yield f"the option gpu_count is {query.gpu_count}; a pod has at least one GPU."
    if query.gpu_count > MOST_GPUS:
        yield (
            f"the option gpu_count is {query.gpu_count}; no machine has more than {MOST_GPUS} GPUs. Rent several pods "
            "instead."
        )
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
            yield f"the option {option} is {value:g}; give a number above 0, or leave it out."
    if query.min_compute_capability is not None and query.min_compute_capability >= 30:
        yield (
            f"the option min_compute_capability is {query.min_compute_capability:g}; write it like 8.9, not 89 or 890."
        )


def _choices(query: OfferQuery) -> Iterator[str]:
    if query.rank_by not in RANKINGS:
        yield f"the option rank_by is {query.rank_by!r}; choose one of: {', '.join(RANKINGS)}."
    for cloud in query.clouds:
        if cloud not in CLOUDS:
            yield f"the option clouds contains {cloud!r}; choose from: {', '.join(CLOUDS)}."
    if query.min_cuda_version is not None and major_minor(query.min_cuda_version) is None:
        yield f"the option min_cuda_version is {query.min_cuda_version!r}; write it like 12.8."
    if query.min_cuda_version and query.cuda_versions:
        yield (
            "the options min_cuda_version and cuda_versions exclude each other: give a minimum version or exact "
            "versions, not both."
        )


def _of_bids(providers: Mapping[str, Provider], query: OfferQuery) -> Iterator[str]:
    if query.bid is not None and not query.interruptible:
        yield (
            f"the option bid is {usd(query.bid)}, but interruptible is false, and only interruptible pods have a bid. "
            "Set interruptible to true, or leave bid out."
        )
    if query.bid is not None and over(query.bid, query.max_price):
        yield (
            f"the option bid ({usd(query.bid)} per hour) is above the option max_price ({usd(query.max_price)} per "
            "hour): a contract at that bid would be given back at once."
        )
    if query.interruptible and not any(each.capabilities.interruptible for each in providers.values()):
        why = "; ".join(
            each.capabilities.because.get("interruptible", f"{name} has none") for name, each in providers.items()
        )
        yield (
            f"the option interruptible is true, but there are no such pods on {' or '.join(providers)} ({why}). Leave "
            "it out, or name another provider."
        )


def _of_gpus(query: OfferQuery) -> Iterator[str]:
    """Find requirements that none of the named GPUs can meet.

    A GPU that is not in the table may meet anything, so nothing is said when one is named.
    """
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
            f"the option min_gpu_memory is {memory:g} GB, but no GPU in the option gpus has that much: {has}. Name "
            "other GPUs, or ask for less."
        )
    if capability is not None and all((model.capability or 0) < capability for model in known):
        has = ", ".join(f"{model.name} has {model.capability or 'none'}" for model in known)
        yield (
            f"the option min_compute_capability is {capability:g}, but no GPU in the option gpus has it: {has}. Name "
            "other GPUs, or ask for less."
        )


def places(regions: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split regions into countries' codes and places that only a provider can know.

    :raises BadRequest: for two letters that are not a country's code.
    """
    return sort(regions)


def refuse_strange(words: Sequence[str], known: Mapping[str, Sequence[str]]) -> None:
    """Refuse words of the option regions that no provider knows.

    :param known: the words that each provider knows, for those that could be asked.
    :raises BadRequest: naming the first such word.
    """
    for word in words:
        if known and not any(word in each for each in known.values()):
            raise BadRequest(
                f"Nothing was rented: {word!r} (option regions) is neither a country nor a data centre of "
                f"{' or '.join(known)}. Countries are two letters, such as US or DE; the regions "
                f"{', '.join(REGIONS)} work too."
            )


#: Objections that no option causes: nothing is left, the provider never rents it out, or the caller has a reason of its
#: own, such as a host that failed before.
STOCK, NEVER, AVOIDED = "stock", "never", "avoided"
#: The difference between a size found and a size required that rounding can cause.
ROUNDING = 1e-6


def price(offer: Offer) -> float:
    """Return the price to sort by; an offer without a price comes last."""
    return offer.usd_per_hour if offer.usd_per_hour is not None else float("inf")


def over(usd_per_hour: float | None, cap: float | None) -> bool:
    """Return whether the price exceeds the cap by more than rounding."""
    return usd_per_hour is not None and cap is not None and usd_per_hour > cap + ROUNDING


def too_many(offer: Offer, query: OfferQuery) -> bool:
    """Return whether the query asks for more GPUs than one pod of this offer can have."""
    return offer.cpu is None and offer.max_count is not None and query.gpu_count > offer.max_count


def objections(offer: Offer, query: OfferQuery) -> list[Objection]:
    """Return all objections to an offer, the driver's own first; none when it fits."""
    found = [*offer.objections]
    known = {each.requirement for each in found}
    return found + [each for each in _judged(offer, query) if each.requirement not in known]


def unfiltered(offer: Offer, query: OfferQuery) -> list[Objection]:
    """Return the objection to an offer that its provider has filtered by everything but stock, bid, size and price.

    There is at most one, because the price of an offer that is out of stock does not matter.
    """
    gone = _gone(offer, query)
    found = [gone] if gone is not None else [*_of_bid(offer, query), *_of_size(offer, query), *_of_price(offer, query)]
    return found[:1]


def _judged(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    gone = _gone(offer, query)
    if gone is not None:
        # When it cannot be rented, nothing else about it matters.
        yield gone
        return
    yield from _of_bid(offer, query)
    yield from _of_size(offer, query)
    if not too_many(offer, query) and offer.id is not None and offer.gpu_count != query.gpu_count:
        yield Objection("gpu_count", f"comes with {_gpu_number(offer.gpu_count)}, but you asked for {query.gpu_count}")
    if offer.cpu is None:
        yield from _of_gpu(offer, query)
    yield from _of_host(offer, query)
    if query.clouds and offer.cloud is not None and offer.cloud not in query.clouds:
        yield Objection("clouds", f"is in the cloud {offer.cloud}, but you asked for {' or '.join(query.clouds)}", 0.2)
    yield from _of_price(offer, query)


def _of_bid(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    if offer.obstacle is not None and query.bid is not None and offer.min_bid is not None:
        yield Objection("bid", offer.obstacle, (offer.min_bid - query.bid) / query.bid)


def _of_size(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    if too_many(offer, query):
        most = f"comes with at most {_gpu_number(offer.max_count or 0)} per pod{offer.where}"
        yield Objection("gpu_count", f"{most}, but you asked for {query.gpu_count}")


def _gpu_number(count: int) -> str:
    return f"{count} GPU{'' if count == 1 else 's'}"


def _gone(offer: Offer, query: OfferQuery) -> Objection | None:
    """Return the objection to an offer that cannot be rented at all, whatever is required."""
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
        yield _short("min_gpu_memory", offer.memory_gb, least, "{} GB per GPU", "GPU memory")
    floor = query.min_compute_capability
    if floor is not None and (offer.compute_capability is None or offer.compute_capability + ROUNDING < floor):
        yield _short(
            "min_compute_capability", offer.compute_capability, floor, "compute capability {}", "compute capability"
        )


def _of_host(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    """Judge the machine. For an offer of many machines the create asks for what the provider does not list."""
    machine = offer.id is not None
    for option, has, least, form, name in (
        ("min_memory", offer.ram_gb, query.min_ram_gb, "{} GB of memory", "memory"),
        ("min_vcpus", offer.vcpus, query.min_vcpus, "{} vCPUs", "number of vCPUs"),
        ("disk", offer.disk_gb, query.disk_gb, "{} GB of disk", "disk space"),
        ("hours", offer.hours_left, query.hours, "{} hours left", "remaining hours"),
    ):
        if least is not None and machine and (has is None or has + ROUNDING < least):
            yield _short(option, has, least, form, name)
    listed = {each.upper() for each in (*query.regions, *query.countries)}
    if machine and listed and offer.region not in listed:
        yield Objection("regions", f"is in {offer.region or 'an unknown place'}{_not_in(query)}")
    yield from _of_cuda(offer, query)


def _not_in(query: OfferQuery) -> str:
    listed = [each.upper() for each in (*query.regions, *query.countries)]
    more = f" or {len(listed) - 5} more" if len(listed) > 5 else ""
    return f", not in {' or '.join(listed[:5])}{more}"


def _of_cuda(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    has = [told for each in offer.cuda_versions if (told := major_minor(each)) is not None]
    if not has:
        return
    newest, floor = max(has), major_minor(query.min_cuda_version)
    if floor is not None and newest < floor:
        yield Objection(
            "min_cuda_version",
            f"supports CUDA {newest[0]}.{newest[1]} at most, but you asked for {query.min_cuda_version}",
            0.1 * (floor[0] - newest[0]) + 0.01 * max(0, floor[1] - newest[1]),
        )
    exact = [told for each in query.cuda_versions if (told := major_minor(each)) is not None]
    # A driver runs programs for older versions too, so a machine lists only the newest version.
    fits = newest >= min(exact, default=newest) if offer.id is not None else set(has) & set(exact)
    if exact and not fits:
        yield Objection("cuda_versions", f"does not support CUDA {' or '.join(query.cuda_versions)}", 0.1)


def _of_price(offer: Offer, query: OfferQuery) -> Iterator[Objection]:
    cap = query.max_price
    if cap is None:
        return
    if offer.usd_per_hour is None:
        if offer.availability != "none":
            yield Objection("max_price", "has no price, so the cap cannot be checked")
    elif over(offer.usd_per_hour, cap):
        gap = (offer.usd_per_hour - cap) / cap if cap else 1.0
        yield Objection("max_price", f"exceeds the cap of {usd(cap)} per hour", gap)


def _short(option: str, has: float | None, least: float, form: str, name: str) -> Objection:
    told, asked = number(has), f"but you asked for at least {least:g}"
    if told is None:
        return Objection(option, f"does not report its {name}, {asked}")
    return Objection(option, f"has {form.format(f'{told:g}')}, {asked}", (least - told) / (least or 1.0))
