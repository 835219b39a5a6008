# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's catalogue -> offers. Private to this collection."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.podyard.gpu.plugins.module_utils._errors import BadAnswer, BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._http import ApiSession
from ansible_collections.podyard.gpu.plugins.module_utils._offer import AVAILABILITIES, Offer, OfferQuery
from ansible_collections.podyard.gpu.plugins.module_utils._pod import Cpu
from ansible_collections.podyard.gpu.plugins.module_utils._runpod import wire


def offers(api: ApiSession, query: OfferQuery) -> list[Offer]:
    """One offer per GPU type and cloud, whatever its stock and price; see ``Provider.offers``."""
    regions = tuple(region.upper() for region in query.regions)
    if regions:
        check_regions(api, regions, networked=query.global_networking)
    if query.cpu is not None:
        return cpu_offers(api, query, query.cpu, regions)
    found = []
    for cloud in query.clouds:
        parameters: dict[str, Any] = {
            "include": "AVAILABILITY",
            "product": "POD",
            "count": query.gpu_count,
            "cloud": cloud,
        }
        if query.min_cuda_version:
            parameters["minCudaVersion"] = query.min_cuda_version
        if query.cuda_versions:
            parameters["cudaVersions"] = ",".join(query.cuda_versions)
        answer = api.request("GET", "/v2/catalog/gpus", query=parameters, attempted="read the GPU catalogue")
        for entry in entries(answer.data, "gpus"):
            offer = to_offer(wire.mapping(entry), cloud, query.gpu_count, regions)
            if offer is not None:
                found.append(offer)
    return found


def to_offer(gpu: Mapping[str, Any], cloud: str, count: int, regions: tuple[str, ...]) -> Offer | None:
    """A catalogue entry as the offer of one cloud; None for an entry without an id. A price is quoted even where the
    cloud does not rent the type, so the cloud's own flag decides.
    """
    gpu_id = wire.text(gpu.get("id"))
    if gpu_id is None:
        return None
    key = cloud.lower()
    price = wire.number(wire.mapping(gpu.get("price")).get(key))
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
    )


def cpu_offers(api: ApiSession, query: OfferQuery, cpu: Cpu, regions: tuple[str, ...]) -> list[Offer]:
    """The one processor that is asked for, once for each cloud. Its catalogue quotes the SECURE cloud only.

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
    each_vcpu = wire.number(wire.mapping(flavour.get("price")).get("securePerVcpu"))
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
        for cloud in query.clouds
    ]


def _stock(entry: Mapping[str, Any]) -> dict[str, str]:
    """Data centre -> what is left there."""
    return {
        str(place["id"]): wire.level(place.get("availability"))
        for place in map(wire.mapping, wire.listing(entry.get("dataCenters")))
        if place.get("id")
    }


def availability(overall: str, stock: Mapping[str, str], regions: Iterable[str]) -> str:
    """What is left in the wanted regions: the best of them. The service leaves out a region that has none."""
    wanted = list(regions)
    if not wanted or overall in ("none", "unknown"):
        return overall
    return min((stock.get(region, "none") for region in wanted), key=AVAILABILITIES.index)


def check_regions(api: ApiSession, regions: Iterable[str], networked: bool = False) -> None:
    """Refuse a data centre that the catalogue does not know. They come and go, so no list of them is kept here.

    :param networked: they must have global networking too.
    :raises BadRequest: with the closest names.
    """
    answer = api.request("GET", "/v2/catalog/datacenters", attempted="read the list of data centres")
    places = {str(wire.mapping(entry).get("id")): wire.mapping(entry) for entry in entries(answer.data, "dataCenters")}
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
    """The array under ``key``.

    :raises BadAnswer: when there is none: an answer that cannot be read is not an empty list.
    """
    found = wire.mapping(data).get(key)
    if not isinstance(found, list):
        raise BadAnswer(f"RunPod's answer holds no list of {key}; it cannot be read, which is not the same as empty.")
    return found
