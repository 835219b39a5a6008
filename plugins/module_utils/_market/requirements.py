# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wishes that contradict each other or mean nothing: told before anybody is asked. Pure functions. Private to this
collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .._core import throughput
from .._core.errors import BadRequest
from .._core.offer import RANKINGS, OfferQuery
from .._core.places import REGIONS, sort
from .._core.pod import usd
from .._providers.base import Provider
from . import fit

CLOUDS = ("SECURE", "COMMUNITY")
#: The largest number of GPUs in one machine of any provider.
MOST_GPUS = 16


def check(providers: Mapping[str, Provider], query: OfferQuery) -> None:
    """Refuse what no provider can ever keep.

    :raises BadRequest: naming both wishes that exclude each other, or the one that means nothing.
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
    if query.min_cuda_version is not None and fit.version(query.min_cuda_version) is None:
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
    """Named GPUs of which none can have what else is wished; of one that the table does not know nothing is said."""
    models = [throughput.model(gpu) for gpu in query.gpus]
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
