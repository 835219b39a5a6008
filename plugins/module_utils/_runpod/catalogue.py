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
from ansible_collections.podyard.gpu.plugins.module_utils._pod import AVAILABILITIES, Offer, OfferQuery
from ansible_collections.podyard.gpu.plugins.module_utils._runpod import wire


def offers(api: ApiSession, query: OfferQuery) -> list[Offer]:
    """One offer per GPU type and cloud, whatever its stock and price; see ``Provider.offers``."""
    regions = tuple(region.upper() for region in query.regions)
    if regions:
        check_regions(api, regions)
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
    stock = {
        str(place["id"]): wire.level(place.get("availability"))
        for place in map(wire.mapping, wire.listing(gpu.get("dataCenters")))
        if place.get("id")
    }
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


def availability(overall: str, stock: Mapping[str, str], regions: Iterable[str]) -> str:
    """What is left in the wanted regions: the best of them. The service leaves out a region that has none."""
    wanted = list(regions)
    if not wanted or overall in ("none", "unknown"):
        return overall
    return min((stock.get(region, "none") for region in wanted), key=AVAILABILITIES.index)


def check_regions(api: ApiSession, regions: Iterable[str]) -> None:
    """Refuse a data centre that the catalogue does not know. They come and go, so no list of them is kept here.

    :raises BadRequest: with the closest names.
    """
    answer = api.request("GET", "/v2/catalog/datacenters", attempted="read the list of data centres")
    known = {str(wire.mapping(entry).get("id")) for entry in entries(answer.data, "dataCenters")}
    for region in regions:
        if region not in known:
            close = difflib.get_close_matches(region, sorted(known), n=3, cutoff=0.5) or sorted(known)
            raise BadRequest(f"RunPod has no data centre {region!r}; the closest names are: {', '.join(close)}.")


def entries(data: Any, key: str) -> list[Any]:
    """The array under ``key``.

    :raises BadAnswer: when there is none: an answer that cannot be read is not an empty list.
    """
    found = wire.mapping(data).get(key)
    if not isinstance(found, list):
        raise BadAnswer(f"RunPod's answer holds no list of {key}; it cannot be read, which is not the same as empty.")
    return found
