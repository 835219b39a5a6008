# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's catalogue -> offers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..._core import gpus
from ..._core.errors import BadAnswer, BadRequest
from ..._core.offer import AVAILABILITIES, Objection, Offer, OfferQuery
from ..._core.pod import Cpu
from ..._http.session import ApiSession
from . import wire

#: Which cloud is searched by default: its hosts are in data centres, and network volumes exist there only.
USUAL = ("SECURE",)
CLOUDS = ("SECURE", "COMMUNITY")


def offers(api: ApiSession, query: OfferQuery, known: Mapping[str, Mapping[str, Any]] | None = None) -> list[Offer]:
    """One offer per GPU type and cloud, whatever its stock and price; see ``Provider.offers``.

    Countries are the service's to find: where a data centre is, its id need not say.

    :param known: the data centres, where they have been asked for already.
    """
    regions = tuple(region.upper() for region in query.regions)
    if regions:
        check_regions(data_centers(api) if known is None else known, regions, networked=query.global_networking)
    if query.cpu is not None:
        return cpu_offers(api, query, query.cpu, regions)
    found: dict[tuple[str, str], Offer] = {}
    for cloud in query.clouds or USUAL:
        answers = [_of_cloud(api, query, cloud, regions, ())] if regions or not query.countries else []
        if query.countries:
            answers.append(_of_cloud(api, query, cloud, (), query.countries))
        for offer in (each for answer in answers for each in answer):
            before = found.get((offer.gpu_id, cloud))
            found[offer.gpu_id, cloud] = offer if before is None else _joined(before, offer)
    if query.countries and not regions:
        # That answer has only what stands in the countries; a name of the others must not look like a slip.
        for offer in _all(api, query):
            found.setdefault((offer.gpu_id, str(offer.cloud)), offer)
    return list(found.values())


def near_offers(
    api: ApiSession, query: OfferQuery, known: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Offer]:
    """See ``Provider.near_offers``: what is in stock when the other cloud, any place or any CUDA version will do.

    The service filters by places and CUDA versions itself, so each is left out by itself, then both.
    """
    if query.cpu is not None:
        return []
    placed, floor = bool(query.regions or query.countries), bool(query.min_cuda_version or query.cuda_versions)
    found = []
    for place, cuda in [(False, False), (True, False), (False, True), (True, True)]:
        if (place and not placed) or (cuda and not floor):
            continue
        relaxed = replace(query, clouds=CLOUDS if place or cuda else tuple(set(CLOUDS) - set(query.clouds)))
        if place:
            relaxed = replace(relaxed, regions=(), countries=())
        if cuda:
            relaxed = replace(relaxed, min_cuda_version=None, cuda_versions=())
        for offer in offers(api, relaxed, known) if relaxed.clouds else []:
            if offer.offered and offer.availability != "none":
                against = [_elsewhere(offer, query)] * place + [_too_old(offer, query)] * cuda
                found.append(replace(offer, objections=tuple(against)))
    return found


def _elsewhere(offer: Offer, query: OfferQuery) -> Objection:
    there = sorted(offer.regions, key=lambda name: AVAILABILITIES.index(offer.regions[name]))
    wanted = " or ".join(region.upper() for region in (*query.regions, *query.countries)[:5])
    return Objection("regions", f"is left in {' and '.join(there[:3]) or 'other places'} and not in {wanted}")


def _too_old(offer: Offer, query: OfferQuery) -> Objection:
    wanted = query.min_cuda_version or " or ".join(query.cuda_versions)
    has = " and ".join(offer.cuda_versions) or "other versions"
    option = "min_cuda_version" if query.min_cuda_version else "cuda_versions"
    return Objection(option, f"is left on hosts with CUDA {has}, but you asked for {wanted}", 0.2)


def _of_cloud(
    api: ApiSession, query: OfferQuery, cloud: str, regions: tuple[str, ...], countries: tuple[str, ...]
) -> list[Offer]:
    parameters: dict[str, Any] = {
        "include": "AVAILABILITY",
        "product": "POD",
        "count": query.gpu_count,
        "cloud": cloud,
    }
    if countries:
        parameters["countryCodes"] = ",".join(countries)
    if query.min_cuda_version:
        parameters["minCudaVersion"] = query.min_cuda_version
    if query.cuda_versions:
        parameters["cudaVersions"] = ",".join(query.cuda_versions)
    answer = api.request("GET", "/v2/catalog/gpus", query=parameters, attempted="read the GPU catalogue")
    read = [to_offer(wire.mapping(entry), cloud, query.gpu_count, regions) for entry in entries(answer.data, "gpus")]
    return [offer for offer in read if offer is not None]


def _all(api: ApiSession, query: OfferQuery) -> list[Offer]:
    """Every GPU there is, as if none were left."""
    answer = api.request("GET", "/v2/catalog/gpus", attempted="read the GPU catalogue")
    read = [
        to_offer(wire.mapping(entry), cloud, query.gpu_count, ())
        for entry in entries(answer.data, "gpus")
        for cloud in query.clouds or USUAL
    ]
    return [replace(offer, availability="none", regions={}) for offer in read if offer is not None]


def _joined(one: Offer, other: Offer) -> Offer:
    """Return what is left of a GPU in places of both answers."""
    best = min(one.availability, other.availability, key=AVAILABILITIES.index)
    return replace(one, region=None, availability=best, regions={**other.regions, **one.regions})


def to_offer(gpu: Mapping[str, Any], cloud: str, count: int, regions: tuple[str, ...]) -> Offer | None:
    """Return a catalogue entry as the offer of one cloud; None for an entry without an id.

    A price is quoted even where the cloud does not rent the type, so the cloud's own flag decides.
    """
    gpu_id = wire.text(gpu.get("id"))
    if gpu_id is None:
        return None
    key = cloud.lower()
    kind = gpus.model(gpu_id, wire.text(gpu.get("name")))
    price = wire.amount(wire.mapping(gpu.get("price")).get(key))
    stock = _stock(gpu)
    return Offer(
        provider=wire.PROVIDER,
        gpu=wire.text(gpu.get("name")) or wire.gpu_title(gpu_id) or gpu_id,
        gpu_id=gpu_id,
        gpu_count=count,
        memory_gb=wire.integer(gpu.get("memory")),
        # The catalogue's price is for one GPU; the pod's rate is that times the count.
        usd_per_hour=round(price * count, 6) if price is not None else None,
        cloud=cloud,
        region=regions[0] if len(regions) == 1 else None,
        availability=availability(wire.level(gpu.get("availability")), stock, regions),
        max_count=wire.integer(wire.mapping(gpu.get("maxCount")).get(key)),
        regions={name: left for name, left in stock.items() if not regions or name in regions},
        cuda_versions=tuple(
            str(entry["version"])
            for entry in map(wire.mapping, wire.listing(gpu.get("cudaVersions")))
            if entry.get("version") and entry.get("available")
        ),
        offered=bool(gpu.get(key)),
        # The catalogue does not tell it.
        compute_capability=kind.capability if kind is not None else None,
        # RunPod's pages on pricing say that traffic is free in both directions.
        usd_per_gb_up=0.0,
        usd_per_gb_down=0.0,
    )


def cpu_offers(api: ApiSession, query: OfferQuery, cpu: Cpu, regions: tuple[str, ...]) -> list[Offer]:
    """Return the one processor that was requested, once for each cloud. Its catalogue quotes the SECURE cloud only.

    :raises BadRequest: for a flavour that the catalogue does not have, or not with so many vCPUs.
    """
    parameters = {"include": "AVAILABILITY", "product": "POD", "vcpuCount": cpu.vcpu_count}
    answer = api.request("GET", "/v2/catalog/cpus", query=parameters, attempted="read the catalogue of processors")
    flavours = {str(each.get("id")): each for each in map(wire.mapping, entries(answer.data, "cpus")) if each.get("id")}
    flavour = flavours.get(cpu.id.lower())
    if flavour is None:
        raise BadRequest(
            f"Nothing was rented: RunPod has no processor {cpu.id!r} (option cpu.id); there are: "
            f"{', '.join(sorted(flavours)) or 'none'}."
        )
    vcpu = wire.mapping(flavour.get("vcpu"))
    least, most = wire.integer(vcpu.get("min")), wire.integer(vcpu.get("max"))
    if (least is not None and cpu.vcpu_count < least) or (most is not None and cpu.vcpu_count > most):
        raise BadRequest(
            f"Nothing was rented: {cpu.id} comes with {least} to {most} vCPUs, and the option cpu.vcpu_count is "
            f"{cpu.vcpu_count}; ask for a number between, or for another processor."
        )
    each_vcpu = wire.amount(wire.mapping(flavour.get("price")).get("securePerVcpu"))
    memory = wire.number(flavour.get("ramGbPerVcpu"))
    known = Cpu(str(flavour["id"]), cpu.vcpu_count, memory * cpu.vcpu_count if memory is not None else None)
    stock = _stock(flavour)
    return [
        Offer(
            provider=wire.PROVIDER,
            gpu="",
            gpu_id="",
            gpu_count=0,
            memory_gb=None,
            usd_per_hour=round(each_vcpu * cpu.vcpu_count, 6) if each_vcpu is not None else None,
            cloud=cloud,
            region=regions[0] if len(regions) == 1 else None,
            availability=availability(wire.level(flavour.get("availability")), stock, regions),
            regions={name: left for name, left in stock.items() if not regions or name in regions},
            offered=cloud == "SECURE",
            cpu=known,
        )
        for cloud in query.clouds or USUAL
    ]


def _stock(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return what is left by data centre."""
    return {
        str(place["id"]): wire.level(place.get("availability"))
        for place in map(wire.mapping, wire.listing(entry.get("dataCenters")))
        if place.get("id")
    }


def availability(overall: str, stock: Mapping[str, str], regions: Iterable[str]) -> str:
    """Return what is left in these regions: the best of them. The service leaves out a region that has none."""
    wanted = list(regions)
    if not wanted or overall in ("none", "unknown"):
        return overall
    return min((stock.get(region, "none") for region in wanted), key=AVAILABILITIES.index)


def data_centers(api: ApiSession) -> dict[str, Mapping[str, Any]]:
    """Id -> data centre, of all that the catalogue knows. They come and go, so no list of them is kept here."""
    answer = api.request("GET", "/v2/catalog/datacenters", attempted="read the list of data centres")
    return {str(wire.mapping(entry).get("id")): wire.mapping(entry) for entry in entries(answer.data, "dataCenters")}


def check_regions(places: Mapping[str, Mapping[str, Any]], regions: Iterable[str], networked: bool = False) -> None:
    """Refuse a data centre that the catalogue does not know.

    :param networked: they must have global networking too.
    :raises BadRequest: with the closest names.
    """
    for region in regions:
        if region not in places:
            close = difflib.get_close_matches(region, sorted(places), n=3, cutoff=0.5) or sorted(places)
            raise BadRequest(
                f"Nothing was rented: RunPod has no data centre {region!r} (option data_centers); the closest names "
                f"are: {', '.join(close)}."
            )
        if networked and places[region].get("globalNetwork") is False:
            having = sorted(name for name, place in places.items() if place.get("globalNetwork"))
            raise BadRequest(
                f"Nothing was rented: the data centre {region} (option data_centers) has no global networking, and the "
                f"option global_networking is true; those that have it are: {', '.join(having) or 'none'}."
            )


def entries(data: Any, key: str) -> list[Any]:
    """Return the array under ``key``.

    :raises BadAnswer: when there is none: an answer that cannot be read is not an empty list.
    """
    found = wire.mapping(data).get(key)
    if not isinstance(found, list):
        raise BadAnswer(f"RunPod's answer holds no list of {key}. That does not mean that there are none.")
    return found
