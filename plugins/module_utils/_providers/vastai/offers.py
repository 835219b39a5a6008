# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read Vast.ai's market as offers, each one part of one machine, and say which filters an offer breaks.

Source: Vast.ai's description of its API, its own command line tool, and what clients saw of the running service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..._core import errors
from ..._core import gpus as gpu_models
from ..._core.gpus import resolve
from ..._core.offer import VALUE, Objection, Offer, OfferQuery
from ..._core.units import major_minor, usd
from ..._core.values import amount, integer, mapping, number, text
from ..._http.session import ApiSession
from . import wire
from .query import countries, driver_number, spelled

#: Field -> what people call it, and what its number is divided by to be in their unit.
LABELS: Mapping[str, tuple[str, float]] = {
    "reliability2": ("a reliability of", 1),
    "inet_down": ("a download in Mbps of", 1),
    "inet_up": ("an upload in Mbps of", 1),
    "inet_down_cost": ("a price in USD per GB received of", 1),
    "inet_up_cost": ("a price in USD per GB sent of", 1),
    "direct_port_count": ("a number of free ports of", 1),
    "compute_cap": ("a compute capability of", 100),
    "gpu_ram": ("GB of memory per GPU of", 1000),
    "gpu_total_ram": ("GB of memory of all GPUs of", 1000),
    "cpu_ram": ("GB of memory of", 1000),
    "duration": ("days left of", 86400),
    "disk_space": ("GB of disk left of", 1),
    "cuda_max_good": ("CUDA", 1),
    "geolocation": ("the country", 1),
}
_SIGNS = {
    "eq": "", "neq": "another than ", "gt": "more than ", "gte": "at least ", "lt": "less than ", "lte": "at most ",
    "in": "one of ", "notin": "none of ",
}  # fmt: skip


def objections(
    raw: Mapping[str, Any], filters: Mapping[str, Mapping[str, Any] | None], query: OfferQuery
) -> list[Objection]:
    """Every condition that the offer does not keep, one objection for each field."""
    found = []
    for field, conditions in filters.items():
        broken = [(sign, wanted) for sign, wanted in (conditions or {}).items() if not _holds(raw, field, sign, wanted)]
        if broken:
            found.append(_objection(raw, field, broken[0], field in query.filters))
    return found


def _objection(raw: Mapping[str, Any], field: str, broken: tuple[str, Any], own: bool) -> Objection:
    sign, wanted = broken
    if field == "datacenter" and not own:
        kind = "in no data centre" if wanted else "in a data centre"
        return Objection("clouds", f"is on a host {kind}, and {'SECURE' if wanted else 'COMMUNITY'} is required")
    label, factor = LABELS.get(field, (field, 1))
    has = value_of(raw, field)
    whose = "the option search" if own else f"a default, search: {spelled(field)}=any takes it away"
    words = f"has {label} {_shown(has, factor)}, and {_SIGNS[sign]}{_shown(wanted, factor)} is required"
    if field == "direct_port_count" and not own:
        return Objection("ports", words, _gap(has, wanted))
    return Objection("search", f"{words} ({whose})", _gap(has, wanted))


def _gap(has: Any, wanted: Any) -> float:
    one, other = number(has), number(wanted)
    return abs(one - other) / abs(other) if one is not None and other else 1.0


def _shown(value: Any, factor: float) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(each, factor) for each in value)
    if value is None:
        return "unknown"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        found = number(value)
        return f"{found / factor:g}" if found is not None else "unknown"
    return str(value).lower() if isinstance(value, bool) else str(value)


def value_of(raw: Mapping[str, Any], field: str) -> Any:
    """Return what a filter on this field compares with."""
    if field == "verified":
        return text(raw.get("verification")) == "verified"
    if field == "datacenter":
        return integer(raw.get("hosting_type")) == 1
    if field == "geolocation":
        return wire.country(raw.get("geolocation"))
    if field == "external":
        return bool(raw.get("external"))
    if field == "reliability2" and raw.get("reliability2") is None:
        return raw.get("reliability")
    if field == "driver_version":
        return driver_number(raw.get("driver_version"))
    return raw.get(field)


def _holds(raw: Mapping[str, Any], field: str, sign: str, wanted: Any) -> bool:
    has = value_of(raw, field)
    if sign in ("in", "notin"):
        return any(_same(has, each) for each in wanted) == (sign == "in")
    if sign in ("eq", "neq"):
        return _same(has, wanted) == (sign == "eq")
    one, other = number(has), number(wanted)
    if one is None or other is None:
        return False
    return {"gt": one > other, "gte": one >= other, "lt": one < other, "lte": one <= other}[sign]


def _same(has: Any, wanted: Any) -> bool:
    if isinstance(has, str) or isinstance(wanted, str):
        return str(has).replace("_", " ").lower() == str(wanted).replace("_", " ").lower()
    return bool(has == wanted)


SEARCH = "/api/v0/bundles/"
GPU_NAMES = "/api/v0/gpu_names/unique/"
#: What every search asks for unless it says otherwise. Ours, not the service's, so that none of them changes unseen.
#: ``reliability2`` is the share of the last time in which the machine could be reached; ``inet_down`` is in Mbps: an
#: image of 10 GB then takes not more than about 13 minutes. The prices of traffic are USD per GB and differ
#: twentyfold: at this one 50 GB of image, data and results cost not more than one dollar.
DEFAULTS: Mapping[str, dict[str, Any]] = {
    "verified": {"eq": True},
    "rentable": {"eq": True},
    "rented": {"eq": False},
    "external": {"eq": False},
    "reliability2": {"gte": 0.95},
    "inet_down": {"gte": 100},
    "inet_down_cost": {"lte": 0.02},
    "inet_up_cost": {"lte": 0.02},
    # A filter by CUDA version alone was seen to drop machines without a reason; with this one beside it, it does not.
    "compute_cap": {"gte": 600},
}
#: Offers of one search. More were seen to be cut off at 64 by the service.
LIMIT = 200
CUT_OFF = 64
#: Hours of a month, as the listed price of storage has it.
MONTH = 720
ON_DEMAND, BID = "on-demand", "bid"
#: A driver tells less memory than the maker sells, for some of it is its own.
OWN_OF_DRIVER = 0.93


def offers(api: ApiSession, query: OfferQuery) -> list[Offer]:
    """Everything that is for rent for this query, and of GPUs that exist and are not, one offer each that says so."""
    if query.cpu is not None:
        raise errors.BadRequest("Vast.ai rents no pods without a GPU; leave the option cpu out and name gpus.")
    names = gpu_names(api) if query.gpus else []
    wanted, strange = named(query, names)
    raws = search(api, body(query, wanted)) if wanted or not strange else []
    if len(raws) >= CUT_OFF:
        shown = {wire.gpu_name(raw.get("gpu_name")) for raw in raws}
        # The cheapest GPU may have taken all places of the answer.
        for missing in [name for name in wanted if name not in shown] if len(wanted) > 1 else []:
            raws += search(api, body(query, [missing]))
    found = {offer.id: offer for raw in raws if (offer := to_offer(raw, query)) is not None}
    there = {offer.gpu_id for offer in found.values()}
    missing_gpus = [name for name in (names if strange else wanted or names) if name not in there]
    return [*found.values(), *(_none_of(name, query) for name in missing_gpus)]


def named(query: OfferQuery, names: Sequence[str]) -> tuple[list[str], bool]:
    """Return the requested GPUs as the service spells them, and whether it does not know some.

    :raises BadRequest: for one that it does not know, unless another provider may.
    """
    wanted: dict[str, None] = {}
    strange = False
    for gpu in query.gpus if names else ():
        try:
            wanted[resolve(gpu, {name: name for name in names})] = None
        except errors.BadRequest:
            if not query.elsewhere:
                raise
            strange = True
    return list(wanted), strange


def near_offers(api: ApiSession, query: OfferQuery) -> list[Offer]:
    """Return the nearest offers, see ``Provider.near_offers``.

    These are what is for rent when only the GPU, what is free, and the count matter; if that is nothing, any smaller
    count. Each has as its objections those of the search's own filters that it breaks.
    """
    wanted, strange = named(query, gpu_names(api) if query.gpus else [])
    if strange and not wanted:
        return []
    own = filters(query)
    kept = ("gpu_name", "rentable", "rented", "external", "verified", "num_gpus")
    asked = {name: value for name, value in body(query, wanted).items() if name in (*kept, *CONTROLS)}
    raws = search(api, asked)
    if not raws and query.gpu_count > 1:
        raws = search(api, {**asked, "num_gpus": {"lt": query.gpu_count}})
    found = []
    for raw in raws:
        offer = to_offer(raw, query)
        if offer is not None:
            against = objections(raw, {name: value for name, value in own.items() if name not in kept}, query)
            found.append(replace(offer, objections=tuple(against)))
    return found


def gpu_names(api: ApiSession) -> list[str]:
    """Every GPU there is, for rent now or not; none when the service does not say."""
    try:
        data = api.request("GET", GPU_NAMES, attempted="read the names of GPUs on Vast.ai").data
    except (errors.NotFound, errors.BadRequest, errors.Forbidden):
        return []
    listed = mapping(data).get("gpu_names")
    return [name for each in listed if (name := wire.gpu_name(each))] if isinstance(listed, list) else []


CONTROLS = ("order", "type", "limit", "allocated_storage")


def body(query: OfferQuery, gpus: Sequence[str]) -> dict[str, Any]:
    """Return the search: our defaults, the query, then what the caller asks for in the service's own words.

    The disk is part of it, for the price that is shown holds that of ``allocated_storage``.
    """
    asked: dict[str, Any] = {"num_gpus": {"eq": query.gpu_count}, **filters(query), **wishes(query)}
    if gpus:
        asked["gpu_name"] = {"in": list(gpus)}
    asked.update(query.filters)
    made: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if "cuda_max_good" in made:
        made.setdefault("compute_cap", DEFAULTS["compute_cap"])
    # The answer is cut off: by value the best must be in it, otherwise the cheapest.
    by_value = query.rank_by == VALUE and not gpus
    made["order"] = [["dlperf_per_dphtotal", "desc"]] if by_value else [["dph_total", "asc"]]
    made.update(type=BID if query.taken_away else ON_DEMAND, limit=LIMIT)
    if query.disk_gb:
        made["allocated_storage"] = query.disk_gb
    return made


def filters(query: OfferQuery) -> dict[str, dict[str, Any] | None]:
    """Return filters that only this market has: the defaults, the ports, the kind of host, and the caller's own."""
    asked: dict[str, dict[str, Any] | None] = {**DEFAULTS, "direct_port_count": {"gte": max(1, query.port_count)}}
    if len(set(query.clouds)) == 1:
        asked["datacenter"] = {"eq": query.clouds[0] == "SECURE"}
    return {**asked, **query.filters}


def wishes(query: OfferQuery) -> dict[str, dict[str, Any]]:
    """Return what any provider can be asked for, in the service's units."""
    asked: dict[str, dict[str, Any]] = {}
    least = min_cuda(query)
    if least is not None:
        asked["cuda_max_good"] = {"gte": least}
    if query.disk_gb:
        asked["disk_space"] = {"gte": query.disk_gb}
    if query.regions or query.countries:
        asked["geolocation"] = {"in": countries([*query.regions, *query.countries])}
    if query.hours:
        asked["duration"] = {"gte": int(query.hours * 3600)}
    if query.min_gpu_memory:
        asked["gpu_ram"] = {"gte": int(query.min_gpu_memory * 1024 * OWN_OF_DRIVER)}
    if query.min_compute_capability:
        asked["compute_cap"] = {"gte": max(600, round(query.min_compute_capability * 100))}
    if query.min_vcpus:
        asked["cpu_cores_effective"] = {"gte": query.min_vcpus}
    if query.min_ram_gb:
        # Of the whole machine; what is the pod's share of it is judged by its offer.
        asked["cpu_ram"] = {"gte": int(query.min_ram_gb * 1000)}
    return asked


def min_cuda(query: OfferQuery) -> float | None:
    """Return the least CUDA version of the driver.

    :raises BadRequest: for anything but a version.
    """
    listed = [query.min_cuda_version] if query.min_cuda_version else list(query.cuda_versions)
    versions = [major_minor(each) for each in listed]
    if None in versions:
        raise errors.BadRequest(f"The option min_cuda_version is {', '.join(listed)}; it is written like 12.8.")
    least = min((version for version in versions if version is not None), default=None)
    return float(f"{least[0]}.{least[1]}") if least else None


def search(api: ApiSession, asked: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the raw offers of one search. It changes nothing, so it may be repeated like any reading."""
    answer = api.request("POST", SEARCH, body=asked, attempted="search the offers of Vast.ai", like="GET")
    found = mapping(answer.data).get("offers")
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise errors.BadAnswer("Vast.ai's answer holds no list of offers. That does not mean that there are none.")
    return found


def to_offer(raw: Mapping[str, Any], query: OfferQuery) -> Offer | None:
    """One raw offer; None for one without an id or a GPU, which cannot be rented."""
    # ``ask_contract_id`` is the same number and is there where ``id`` was seen to be another's.
    offer_id, gpu = wire.contract(raw.get("ask_contract_id") or raw.get("id")), wire.gpu_name(raw.get("gpu_name"))
    if offer_id is None or gpu is None:
        return None
    cuda, known, capability = text(raw.get("cuda_max_good")), gpu_models.model(gpu), number(raw.get("compute_cap"))
    storage = storage_usd_per_hour(raw, query.disk_gb)
    return Offer(
        provider=wire.PROVIDER,
        gpu=gpu,
        gpu_id=gpu,
        gpu_count=integer(raw.get("num_gpus")) or query.gpu_count,
        memory_gb=gpu_models.memory(known, number(raw.get("gpu_ram"))),
        usd_per_hour=price(raw, query),
        cloud=None,
        region=wire.country(raw.get("geolocation")),
        availability="high",
        cuda_versions=(cuda,) if cuda else (),
        id=offer_id,
        host=text(raw.get("machine_id")),
        obstacle=_obstacle(raw, query),
        details=details(raw, query.disk_gb),
        compute_capability=capability / 100 if capability is not None else known.capability if known else None,
        ram_gb=_memory(raw),
        vcpus=number(raw.get("cpu_cores_effective")),
        disk_gb=number(raw.get("disk_space")),
        reliability=number(raw.get("reliability2") if raw.get("reliability2") is not None else raw.get("reliability")),
        down_mbps=number(raw.get("inet_down")),
        up_mbps=number(raw.get("inet_up")),
        usd_per_gb_up=amount(raw.get("inet_up_cost")),
        usd_per_gb_down=amount(raw.get("inet_down_cost")),
        disk_usd_per_hour=round(storage, 6) if storage is not None else None,
        hours_left=round(left / 3600, 2) if (left := number(raw.get("duration"))) is not None else None,
        interruptible=query.taken_away,
        min_bid=amount(raw.get("min_bid")) if query.taken_away else None,
    )


def price(raw: Mapping[str, Any], query: OfferQuery) -> float | None:
    """Return USD per hour as it will be billed.

    That is the GPUs (or the bid) and the disk that will be made, not the one the service assumes by default.
    """
    storage, base = storage_usd_per_hour(raw, query.disk_gb), amount(raw.get("dph_base"))
    bid = query.bid if query.bid is not None else amount(raw.get("min_bid")) if query.interruptible else None
    if bid is not None:
        return round(bid + (storage or 0.0), 6)
    told = amount(raw.get("dph_total"))
    if base is None or storage is None:
        return told
    # The larger of the two: the one in the answer may be for another disk, and ours may lack what is not listed.
    return round(max(base + storage, told or 0.0), 6)


def storage_usd_per_hour(raw: Mapping[str, Any], disk_gb: float | None) -> float | None:
    """Return the disk's part of the price."""
    cost = amount(raw.get("storage_cost"))
    return cost * disk_gb / MONTH if cost is not None and disk_gb else None


def _obstacle(raw: Mapping[str, Any], query: OfferQuery) -> str | None:
    """Say why this one cannot be rented although it was found."""
    least = amount(raw.get("min_bid"))
    if query.bid is not None and least is not None and query.bid < least:
        return f"needs a bid of at least {usd(least)} per hour, and the option bid is {usd(query.bid)}"
    if raw.get("rentable") is False or raw.get("rented") is True:
        return "is rented by somebody else"
    return None


def _none_of(name: str, query: OfferQuery) -> Offer:
    """Return a GPU that exists and that no machine offers now, under these filters."""
    return Offer(
        wire.PROVIDER,
        name,
        name,
        query.gpu_count,
        None,
        None,
        None,
        availability="none",
        obstacle="is offered by no machine that passes the filters",
    )


def details(raw: Mapping[str, Any], disk_gb: float | None = None) -> dict[str, Any]:
    """Return what else an offer says, in GB, Mbps, days and USD."""

    def share(key: str, factor: float = 1.0, digits: int = 3) -> float | None:
        value = number(raw.get(key))
        return round(value / factor, digits) if value is not None else None

    storage = storage_usd_per_hour(raw, disk_gb)
    return {
        "machine_id": integer(raw.get("machine_id")),
        "host_id": integer(raw.get("host_id")),
        "geolocation": text(raw.get("geolocation")),
        "verified": _verified(raw),
        "datacenter": integer(raw.get("hosting_type")) == 1,
        "static_ip": bool(raw.get("static_ip")),
        "reliability": share("reliability2", digits=5) or share("reliability", digits=5),
        "gpu_memory_gb": share("gpu_ram", 1000),
        "gpu_total_memory_gb": share("gpu_total_ram", 1000),
        "compute_capability": share("compute_cap", 100, 2),
        "driver_version": text(raw.get("driver_version")),
        "cpu": text(raw.get("cpu_name")),
        "cpu_cores": share("cpu_cores_effective"),
        "memory_gb": _memory(raw),
        "disk_gb": share("disk_space"),
        "disk_mbps": share("disk_bw"),
        "inet_down_mbps": share("inet_down"),
        "inet_up_mbps": share("inet_up"),
        "inet_down_usd_per_gb": share("inet_down_cost", digits=6),
        "inet_up_usd_per_gb": share("inet_up_cost", digits=6),
        "storage_usd_per_gb_month": share("storage_cost", digits=6),
        "storage_usd_per_hour": round(storage, 6) if storage is not None else None,
        "gpu_usd_per_hour": share("dph_base", digits=6),
        "min_bid": share("min_bid", digits=6),
        "days_left": share("duration", 86400, 2),
        "ends_at": wire.moment(raw.get("end_date")),
        "direct_ports": integer(raw.get("direct_port_count")),
        "cluster_id": integer(raw.get("cluster_id")),
        "vms": bool(raw.get("vms_enabled")),
        "dlperf": share("dlperf"),
    }


def _verified(raw: Mapping[str, Any]) -> bool | None:
    found = text(raw.get("verification"))
    return found == "verified" if found is not None else None


def _memory(raw: Mapping[str, Any]) -> float | None:
    """Return the pod's share of the machine's memory: as large as its share of the processor."""
    memory, cores, own = (number(raw.get(key)) for key in ("cpu_ram", "cpu_cores", "cpu_cores_effective"))
    if memory is None:
        return None
    return round(memory / 1000 * (own / cores if own is not None and cores else 1.0), 1)
