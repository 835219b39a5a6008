# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declare what RunPod has beside pods: templates, network volumes, registry credentials, SSH keys and bills.

Source: the REST v2 description and what clients saw of the running service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ..._core.errors import BadAnswer, BadRequest
from ..._core.units import is_cuda_version, usd_total
from ..._http.session import ApiSession
from ..._resources.account import SshKeyList
from ..._resources.resource import (
    GRACE,
    AccountApi,
    BillQuery,
    Field,
    Page,
    PollInterval,
    Resource,
    ResourceStore,
    read_list,
)
from . import account, catalogue, wire

PATH = "/v2/account/ssh-keys"


class AccountKeys(SshKeyList):
    """The account's keys, reached over an open session."""

    def __init__(self, api: ApiSession) -> None:
        self._api = api

    def read(self) -> list[str]:
        """See KeyList. Older entries may hold several lines."""
        data = self._api.request("GET", PATH, attempted="read the SSH keys of the account on RunPod").data
        lines = [line.strip() for entry in catalogue.entries(data, "keys") for line in str(entry).splitlines()]
        return [line for line in lines if line]

    def write(self, lines: Sequence[str]) -> None:
        """See KeyList. Never repeated: moments later the list would be an old one, and undo what others wrote."""
        attempted = "write the SSH keys of the account on RunPod"
        self._api.request("PUT", PATH, body={"keys": list(lines)}, attempted=attempted, like="PATCH", repeat=False)


#: What is billed -> its path below /v2/billing and the filter by one object, if there is one.
KINDS: dict[str, tuple[str, str | None]] = {
    "all": ("", None),
    "pods": ("/pods", "podId"),
    "network_volumes": ("/network-volumes", "networkVolumeId"),
    "clusters": ("/clusters", None),
    "serverless": ("/serverless", None),
    "endpoints": ("/endpoints", None),
}
_TIME = re.compile(r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$")
_AMOUNT = "Amount"


def bills(api: ApiSession, query: BillQuery) -> dict[str, Any]:
    """See AccountApi.

    :raises BadRequest: for a time that is none, and for a filter that the kind does not have.
    """
    path, only = KINDS[query.kind]
    if query.object_id is not None and only is None:
        raise BadRequest(f"Bills of the kind {query.kind} cannot be narrowed to {query.object_id}; leave that out.")
    asked = {
        "bucketSize": query.bucket,
        "lastN": query.last,
        "startTime": moment("start_time", query.start),
        "endTime": moment("end_time", query.end),
        only or "podId": query.object_id,
    }
    answer = api.request(
        "GET",
        f"/v2/billing{path}",
        query={name: value for name, value in asked.items() if value is not None},
        attempted=f"read the bills ({query.kind}) of the account on RunPod",
    )
    records = [amounts(wire.mapping(entry)) for entry in catalogue.entries(answer.data, "records")]
    metadata = wire.mapping(wire.mapping(answer.data).get("metadata"))
    window = {snake(name): value for name, value in wire.mapping(metadata.get("query")).items()}
    totals = amounts(wire.mapping(metadata.get("totals"))) or added(records)
    return {"records": records, "totals": {"total_usd": 0.0, **totals}, "query": window}


def moment(option: str, value: str | None) -> str | None:
    """Return a time as the service reads it; a date alone is its first moment in UTC."""
    if value is None:
        return None
    if not _TIME.fullmatch(value):
        raise BadRequest(
            f"The option {option} is {value!r}; write it like 2026-06-01 or 2026-06-01T12:00:00Z (RFC 3339, UTC)."
        )
    return value if "T" in value else f"{value}T00:00:00Z"


def amounts(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record in our words: ``podGpuAmount`` -> ``pod_gpu_usd``, as a number."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        if name.endswith(_AMOUNT):
            found[f"{snake(name[: -len(_AMOUNT)])}_usd"] = wire.number(value)
        else:
            found[snake(name)] = value
    return found


def added(records: list[dict[str, Any]]) -> dict[str, float]:
    """Return the totals, where the service sent none."""
    total: dict[str, float] = {}
    for record in records:
        for name, value in record.items():
            if name.endswith("_usd") and value is not None:
                total[name] = round(total.get(name, 0.0) + value, 6)
    return total


def snake(name: str) -> str:
    """``networkVolumeId`` -> ``network_volume_id``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), name)


class RunPodAccount(AccountApi):
    """See AccountApi."""

    def __init__(self, api_key: str, api_url: str, *, session: ApiSession | None = None) -> None:
        self._api = session or ApiSession("RunPod", api_url, api_key)

    def store(self, kind: str, *, polls: PollInterval | None = None, grace: float = GRACE) -> ResourceStore:
        """See AccountApi."""
        return ResourceStore(self._api, RESOURCES[kind], RESOURCES, polls=polls, grace=grace)

    def keys(self, pod_id: str | None = None) -> AccountKeys:
        """See AccountApi."""
        return AccountKeys(self._api)

    def bills(self, query: BillQuery) -> dict[str, Any]:
        """See AccountApi."""
        return account.bills(self._api, query)

    def tell(self, say: Callable[[str], None]) -> None:
        """See AccountApi."""
        self._api.budget.tell = say


#: GB of a network volume, as the service's description bounds it.
LEAST_VOLUME, MOST_VOLUME = 10, 4096
#: USD per GB and month of a standard network volume: up to 1 TB, and what is above that (list prices).
VOLUME_USD, LARGE_VOLUME_USD, LARGE_VOLUME = 0.07, 0.05, 1000
#: GB of the smallest volume disk.
LEAST_DISK_VOLUME = 10
#: The documented number of environment variables of one pod.
MOST_ENV = 50
TIERS = ("STANDARD", "HIGH_PERFORMANCE")
CATEGORIES = ("NVIDIA", "AMD", "CPU")
SSH_PORT = "22/tcp"
END_PODS = (
    "End these pods first (podyard.gpu.runpod_pod with state absent), or let the task wait for that with wait_timeout."
)
_PORT = re.compile(r"^\d{1,5}/(tcp|http)$")
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


def more(data: Any) -> Mapping[str, Any] | None:
    """Return the next page of a list; older services send everything at once and name no pages."""
    page = wire.mapping(wire.mapping(data).get("pagination"))
    cursor = wire.text(page.get("nextCursor"))
    if not page.get("hasNextPage") and cursor is None:
        return None
    if cursor is None:
        raise BadAnswer("RunPod's list has another page, but does not say which; it cannot be read to its end.")
    return {"cursor": cursor}


PODS = Page("pods", more)
DATA_CENTERS = Page("dataCenters", more)


def pods(api: ApiSession) -> list[Mapping[str, Any]]:
    """Every pod, those of clusters too: they mount volumes and use templates like any other."""
    return read_list(api, "/v2/pods", PODS, {"includeClusterPods": "true"})


def _pods_that(
    uses: Callable[[Mapping[str, Any], Any], bool],
) -> Callable[[ResourceStore, Mapping[str, Any]], list[str]]:
    """Who uses an object, among the pods: ``uses(pod, the object's id)``."""

    def users(store: ResourceStore, raw: Mapping[str, Any]) -> list[str]:
        return [
            f"the pod {pod.get('name')} ({pod.get('id')}, {str(pod.get('status') or 'unknown').lower()})"
            for pod in pods(store.api)
            if uses(pod, raw.get("id"))
        ]

    return users


def _mounts(pod: Mapping[str, Any], volume_id: Any) -> bool:
    networks = wire.listing(wire.mapping(pod.get("mounts")).get("network"))
    return any(wire.mapping(mount).get("volumeId") == volume_id for mount in networks)


def _users_of_registry(store: ResourceStore, raw: Mapping[str, Any]) -> list[str]:
    """Pods that pull with it, and templates: they would lose it without a word, and pods made of them then fail."""
    found = _pods_that(lambda pod, id_: pod.get("registry") == id_)(store, raw)
    templates = [
        f"the template {template.get('name')} ({template.get('id')})"
        for template in ResourceStore(store.api, TEMPLATE).all()
        if template.get("registry") == raw.get("id")
    ]
    return [*found, *templates]


# -- values --------------------------------------------------------------------------------------------------------


def _between(least: int, most: int | None, unit: str) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if value < least or (most is not None and value > most):
            return (
                f"must be {least} to {most} {unit}, not {value}."
                if most
                else f"must be {least} {unit} or more, not {value}."
            )
        return None

    return check


def _ports(value: Sequence[str]) -> str | None:
    wrong = [port for port in value if not _PORT.fullmatch(port)]
    return (
        f"are written like 22/tcp or 8888/http, not {', '.join(map(repr, wrong))}; udp is not supported."
        if wrong
        else None
    )


def _versions(value: Sequence[str]) -> str | None:
    wrong = [version for version in value if not is_cuda_version(version)]
    return f"are written like 12.8, not {', '.join(map(repr, wrong))}." if wrong else None


def _environment(value: Mapping[str, str]) -> str | None:
    wrong = [name for name in value if not _VARIABLE.fullmatch(name)]
    if wrong:
        return f"has names that no shell accepts: {', '.join(map(repr, wrong))}; use letters, digits and underscores."
    return f"may hold {MOST_ENV} variables, not {len(value)}." if len(value) > MOST_ENV else None


def _volume(value: Mapping[str, Any]) -> str | None:
    if value["size"] < LEAST_DISK_VOLUME:
        return f"needs a size of {LEAST_DISK_VOLUME} GB or more, not {value['size']}."
    return None if str(value["path"]).startswith("/") else f"needs a path that begins with /, not {value['path']!r}."


def _volume_of(value: Any) -> dict[str, Any] | None:
    disk = wire.mapping(wire.mapping(value).get("persistent"))
    return {"size": wire.integer(disk.get("size")), "path": wire.text(disk.get("path"))} if disk else None


def _capitals(value: Any) -> str | None:
    """Return a word of a fixed set in capitals; services before this one wrote some in lower case."""
    return str(value).upper() if wire.text(value) else None


def _texts(value: Any) -> list[str]:
    """Return a list whose order means nothing."""
    return sorted({str(entry) for entry in wire.listing(value)})


def _variables(value: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in wire.mapping(value).items()}


def _unreachable(values: Mapping[str, Any]) -> list[str]:
    """Warn of a template for pods that SSH cannot reach, which is mostly an oversight."""
    if values["serverless"] or not values["start_ssh"] or SSH_PORT in values["ports"]:
        return []
    made = f"Pods of the template {values['name']}"
    return [f"{made} cannot be reached by SSH, because its ports lack {SSH_PORT}; add it, or set start_ssh to false."]


def volume_usd(values: Mapping[str, Any]) -> dict[str, float | None]:
    """Return what a network volume costs a month, by the list prices; None for a tier whose price is not known."""
    size = values.get("size")
    if not size or values.get("type") == TIERS[1]:
        return {"usd_per_month": None}
    cost = min(size, LARGE_VOLUME) * VOLUME_USD + max(0, size - LARGE_VOLUME) * LARGE_VOLUME_USD
    return {"usd_per_month": round(cost, 2)}


def _cost(values: Mapping[str, Any]) -> str:
    """Warn that a volume bills until it is deleted, whether it is used or not."""
    if values["usd_per_month"] is None:
        return "It is billed until it is deleted, used or not."
    return f"It costs about {usd_total(values['usd_per_month'])} a month until it is deleted, used or not."


def _place(store: ResourceStore, values: Mapping[str, Any]) -> None:
    """Check the data centre of a volume.

    :raises BadRequest: when it does not exist, or has no network volumes (of that type).
    """
    listed = read_list(store.api, "/v2/catalog/datacenters", DATA_CENTERS)
    tiers = {str(place.get("id")): _texts(place.get("networkVolumeTypes")) for place in listed}
    place, tier = str(values["data_center"]).upper(), values.get("type")
    able = ", ".join(sorted(id_ for id_, has in tiers.items() if (tier in has if tier else has))) or "none at present"
    of_tier = f" of the type {tier}" if tier else ""
    if place not in tiers:
        problem = f"RunPod has no data centre {place!r}"
    elif tier and tier not in tiers[place]:
        problem = f"the data centre {place} has no network volumes{of_tier}, only {', '.join(tiers[place]) or 'none'}"
    elif not tiers[place]:
        problem = f"the data centre {place} has no network volumes"
    else:
        return
    raise BadRequest(
        f"No network volume was created: {problem}. These have some{of_tier}: {able}. Set data_center to one."
    )


# -- kinds ---------------------------------------------------------------------------------------------------------

TEMPLATE = Resource(
    kind="template",
    title="template",
    path="/v2/templates",
    page=Page("templates", more),
    by_id=True,
    sources={source: ("/v2/catalog/templates", {"source": source}) for source in ("official", "verified", "community")},
    fields=(
        Field("image", "image", from_wire=wire.text, required=True),
        Field("args", "args", from_wire=lambda value: wire.text(value) or ""),
        Field("disk", "disk", from_wire=wire.integer, default=20, check=_between(1, None, "GB")),
        Field("volume", "mounts", lambda value: {"persistent": dict(value)}, _volume_of, check=_volume),
        Field("ports", "ports", list, _texts, default=[SSH_PORT], check=_ports),
        Field("env", "env", dict, _variables, secret=True, check=_environment),
        Field("registry", "registry", lambda value: value or None, wire.text, refers="registry"),
        Field("start_ssh", "startSsh", from_wire=bool, default=True),
        Field("start_jupyter", "startJupyter", from_wire=bool, default=False),
        Field("cuda_versions", "allowedCudaVersions", list, _texts, check=_versions),
        Field("category", "category", from_wire=_capitals, default=CATEGORIES[0]),
        Field("public", "public", from_wire=bool, default=False),
        Field("serverless", "serverless", from_wire=bool, default=False),
    ),
    advice=_unreachable,
    users=_pods_that(lambda pod, id_: pod.get("template") == id_),
    free=END_PODS,
)
NETWORK_VOLUME = Resource(
    kind="network_volume",
    title="network volume",
    path="/v2/network-volumes",
    page=Page("networkVolumes", more),
    fields=(
        Field(
            "size",
            "size",
            from_wire=wire.integer,
            required=True,
            grows=True,
            check=_between(LEAST_VOLUME, MOST_VOLUME, "GB"),
        ),
        Field(
            "data_center",
            "dataCenter",
            str.upper,  # lower case was accepted at creation, and such volumes then could not be used
            _capitals,
            required=True,
            fixed="A volume cannot be moved: create another one there, under another name, and copy the data.",
        ),
        Field(
            "type",
            "type",
            from_wire=_capitals,
            fixed="It cannot be changed later: create another one, under another name, and copy the data.",
        ),
    ),
    derive=volume_usd,
    remark=_cost,
    may_create=_place,
    users=_pods_that(_mounts),
    free=END_PODS,
)
REGISTRY = Resource(
    kind="registry",
    title="registry credential",
    path="/v2/registries",
    page=Page("registries", more),
    update="",
    fields=(
        Field("username", "username", required=True, write_only=True),
        Field("password", "password", required=True, secret=True, write_only=True),
    ),
    users=_users_of_registry,
    gone="Registry auth not found",  # of a delete, with status 400
    free="End these pods, and delete these templates or give them another credential, or let the task wait for that "
    "with wait_timeout.",
)
RESOURCES = {each.kind: each for each in (TEMPLATE, NETWORK_VOLUME, REGISTRY)}


def find(api: ApiSession, kind: str, reference: str) -> Mapping[str, Any]:
    """Return the object of a kind (a key of ``RESOURCES``) whose id, or else whose name, is ``reference``.

    Of templates it also finds another account's by its id.

    :raises BadRequest: when there is none (with the names that exist), or when several have that name.
    """
    return ResourceStore(api, RESOURCES[kind]).find(reference)
