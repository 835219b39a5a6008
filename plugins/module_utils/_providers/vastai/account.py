# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declare what Vast.ai has beside instances: templates, volumes, keys, variables and charges.

Source: Vast.ai's description of its API and its own command line tool.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from ..._core import errors
from ..._core.errors import BadRequest
from ..._core.public_keys import identity
from ..._core.units import usd_total
from ..._core.values import integer, listing, mapping, number, text, to_json
from ..._resources.account import EnvVarStore, SshKeyList
from ..._resources.resource import GRACE, AccountApi, BillQuery, Field, Page, PollInterval, Resource, ResourceStore
from . import account, instances, query, ssh_keys, wire
from .session import VastSession
from .volumes import TEMPLATES, VOLUMES, rows, templates, volumes

CHARGES, INVOICES = "/api/v0/charges/", "/api/v1/invoices/"
#: Records of one page.
PAGE = 500
#: Our words for what is charged -> the service's types of contracts.
KINDS: Mapping[str, tuple[str, ...] | None] = {
    "all": None,
    "pods": ("instance",),
    "volumes": ("volume",),
    "serverless": ("serverless",),
    "invoices": None,
}
#: Days up to now by default; the service requires a range.
DAYS = 30


def bills(api: VastSession, query: BillQuery) -> dict[str, Any]:
    """See AccountApi. :raises BadRequest: for a time that is none."""
    start, end = window(query)
    invoices = query.kind == "invoices"
    filters: dict[str, Any] = {"when" if invoices else "day": {"gte": start, "lte": end}}
    types = KINDS[query.kind]
    if types is not None:
        filters["type"] = {"in": list(types)}
    raws = _pages(api, INVOICES if invoices else CHARGES, filters)
    records = [_record(raw) for raw in raws]
    if query.object_id is not None:
        records = [record for record in records if record["object_id"] == query.object_id]
    kinds: dict[str, float] = {}
    for record in records:
        for name, amount in record["amounts"].items():
            kinds[name] = round(kinds.get(name, 0.0) + amount, 6)
    total = round(sum(record["usd"] for record in records), 6)
    asked = {"start": wire.moment(start), "end": wire.moment(end), "kind": query.kind}
    return {"records": records, "totals": {"total_usd": total, **kinds}, "query": asked}


def window(query: BillQuery, now: datetime | None = None) -> tuple[int, int]:
    """Seconds since 1970 from when to when."""
    moment = now or datetime.now(timezone.utc)
    end = _seconds("end_time", query.end) if query.end else int(moment.timestamp())
    if query.start:
        return _seconds("start_time", query.start), end
    return end - int(timedelta(days=query.last or DAYS).total_seconds()), end


def _seconds(option: str, text_: str) -> int:
    try:
        found = datetime.fromisoformat(text_.replace("Z", "+00:00"))
    except ValueError:
        raise errors.BadRequest(
            f"The option {option} is {text_!r}; write it like 2026-06-01 or 2026-06-01T12:00:00Z (UTC)."
        ) from None
    return int((found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp())


def _pages(api: VastSession, path: str, filters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    query: dict[str, Any] = {"select_filters": to_json(filters), "limit": PAGE}
    found: list[Mapping[str, Any]] = []
    seen: set[str] = set()
    while True:
        data = mapping(api.request("GET", path, query=query, attempted="read the charges on Vast.ai").data)
        listed = data.get("results")
        if not isinstance(listed, list):
            raise errors.BadAnswer("Vast.ai's answer holds no list of charges; it cannot be read.")
        found += [mapping(each) for each in listed]
        token = text(data.get("next_token"))
        if token is None:
            return found
        if token in seen:
            raise errors.BadAnswer("The pages of Vast.ai's list of charges repeat, so it cannot be read to its end.")
        seen.add(token)
        query["after_token"] = token


def _record(raw: Mapping[str, Any]) -> dict[str, Any]:
    """One contract's charges in our words."""
    amounts: dict[str, float] = {}
    words = {"gpu": "gpu_usd", "disk": "disk_usd", "bwd": "download_usd", "bwu": "upload_usd"}
    for item in map(mapping, listing(raw.get("items"))):
        name = words.get(text(item.get("type")) or "")
        if name:
            amounts[name] = round(amounts.get(name, 0.0) + (number(item.get("amount")) or 0.0), 6)
    source = text(raw.get("source")) or ""
    return {
        "type": text(raw.get("type")),
        "object_id": source.rpartition("-")[2] or None,
        "label": text(mapping(raw.get("metadata")).get("label")),
        "start": wire.moment(raw.get("start")),
        "end": wire.moment(raw.get("end")),
        "description": text(raw.get("description")),
        "usd": number(raw.get("amount")) or 0.0,
        "amounts": amounts,
        "invoice_id": integer(mapping(raw.get("metadata")).get("invoice_id")),
    }


SECRETS = "/api/v0/secrets/"


class VastAccount(AccountApi):
    """See AccountApi."""

    def __init__(self, api_key: str, api_url: str, *, scale: float = 1.0, session: VastSession | None = None) -> None:
        self._api = session or VastSession(api_url, api_key, scale=scale)

    def store(self, kind: str, *, polls: PollInterval | None = None, grace: float = GRACE) -> ResourceStore:
        """See AccountApi."""
        store = _Templates if kind == TEMPLATE.kind else _Volumes
        return store(self._api, RESOURCES[kind], RESOURCES, polls=polls, grace=grace)

    def keys(self, pod_id: str | None = None) -> SshKeyList:
        """See AccountApi. With an id, those of one instance."""
        return _Keys(self._api, pod_id)

    def variables(self) -> EnvVarStore:
        """See AccountApi."""
        return _Variables(self._api)

    def bills(self, query: BillQuery) -> dict[str, Any]:
        """See AccountApi."""
        return account.bills(self._api, query)


class _Templates(ResourceStore):
    """The service lists everybody's templates; only those of the account are ours."""

    def all(self, source: str | None = None) -> list[Mapping[str, Any]]:
        """See Store."""
        user = mapping(self.api.request("GET", instances.USER, attempted="read the account on Vast.ai").data).get("id")
        return templates(self.api, {"creator_id": {"eq": user}})

    def path(self, object_id: Any) -> str:
        """Every change goes to one address, and says in its body which template it means."""
        return TEMPLATES


class _Volumes(ResourceStore):
    """The account's volumes, each with the name by which it is found."""

    def all(self, source: str | None = None) -> list[Mapping[str, Any]]:
        """See Store."""
        return [{**raw, "name": volume_name(raw)} for raw in volumes(self.api)]

    def path(self, object_id: Any) -> str:
        """Every change goes to one address, and says in its body which volume it means."""
        return VOLUMES


class _Keys(SshKeyList):
    """The account's keys, of which each is an object of its own.

    A write adds what is missing and removes only what was read before, so that keys that another process adds at the
    same time stay.
    """

    def __init__(self, api: VastSession, pod_id: str | None) -> None:
        self._api = api
        self._pod_id = pod_id
        self._seen: dict[tuple[str, str], str] = {}

    def read(self) -> list[str]:
        """See KeyList."""
        found = ssh_keys.instance_keys(self._api, self._pod_id) if self._pod_id else ssh_keys.account_keys(self._api)
        self._seen = {key.identity: key.id for key in found}
        return [key.line for key in found]

    def write(self, lines: Sequence[str]) -> None:
        """See KeyList."""
        wanted = {identity(line): line for line in lines}
        for key, line in wanted.items():
            if key in self._seen:
                continue
            if self._pod_id:
                ssh_keys.attach(self._api, self._pod_id, line)
            else:
                ssh_keys.add(self._api, line)
        for key, key_id in self._seen.items():
            if key in wanted:
                continue
            if self._pod_id:
                ssh_keys.detach(self._api, self._pod_id, key_id)
            else:
                ssh_keys.remove(self._api, key_id)


class _Variables(EnvVarStore):
    """The account's variables, which the service calls secrets. Some services show only stars for their values."""

    def __init__(self, api: VastSession) -> None:
        self._api = api

    def read(self) -> dict[str, str | None]:
        """See Variables. :raises BadAnswer: when the answer holds none and does not say so."""
        data = self._api.request("GET", SECRETS, attempted="read the variables of the account on Vast.ai").data
        found = mapping(data).get("secrets")
        if not isinstance(found, (dict, list)):
            raise errors.BadAnswer("Vast.ai's answer holds no variables. That does not mean that there are none.")
        if isinstance(found, list):
            found = {str(mapping(each).get("key")): mapping(each).get("value") for each in found}
        return {str(name): _value(value) for name, value in found.items()}

    def write(self, name: str, value: str, known: bool) -> None:
        """See Variables."""
        self._api.request(
            "PUT" if known else "POST",
            SECRETS,
            body={"key": name, "value": value},
            secrets=[value],
            attempted=f"set the variable {name} of the account on Vast.ai",
            # To set the same value twice is the same as once.
            like="PUT",
        )

    def delete(self, name: str) -> None:
        """See Variables."""
        attempted = f"delete the variable {name} of the account on Vast.ai"
        self._api.request("DELETE", SECRETS, body={"key": name}, attempted=attempted)


def _value(value: Any) -> str | None:
    text = "" if value is None else str(value)
    return None if text.strip("*") == "" and text else text


#: GB of the smallest volume.
LEAST_VOLUME = 1
#: Hours of a month, as the listed price of storage has it.
MONTH = 720
SEARCH = "/api/v0/volumes/search/"
#: What of a volume's machine every search asks for, unless it says otherwise.
VOLUME_DEFAULTS: Mapping[str, Any] = {"verified": {"eq": True}, "reliability2": {"gte": 0.95}}


def flags(env: Mapping[str, str]) -> str:
    """Variables and ports as the flags of docker, which is how a template holds them."""
    words = []
    for name, value in env.items():
        words += name.split(None, 1) if name.startswith("-") else ["-e", f"{name}={value}"]
    return shlex.join(words)


def unflagged(value: Any) -> dict[str, str]:
    """Return what is read back in our form; what is neither a variable nor a flag with one word stays as it is."""
    found: dict[str, str] = {}
    try:
        words = shlex.split(text(value) or "")
    except ValueError:
        return {}
    for flag, word in zip(words[::2], words[1::2]):
        if flag == "-e":
            name, _dummy, content = word.partition("=")
            found[name] = content
        else:
            found[f"{flag} {word}"] = "1"
    return found


def _template_call(verb: str, now: Mapping[str, Any] | None, path: str, body: Any) -> tuple[str, str, Any]:
    """Return the call for a template: it is changed under its hash and deleted under its number, both in the body."""
    if verb == "PUT" and now is not None:
        return verb, TEMPLATES, {"hash_id": now.get("hash_id"), **body}
    if verb == "DELETE" and now is not None:
        return verb, TEMPLATES, {"template_id": now.get("id")}
    return verb, TEMPLATES, {**body, "use_ssh": True}


TEMPLATE = Resource(
    kind="template",
    title="template",
    path=TEMPLATES,
    page=Page("templates"),
    update="PUT",
    call=_template_call,
    fields=(
        Field("image", "image", from_wire=text, required=True),
        Field("tag", "tag", from_wire=text),
        Field("env", "env", flags, unflagged, secret=True),
        Field("onstart", "onstart", from_wire=lambda value: text(value) or ""),
        Field("runtype", "runtype", from_wire=text, default="ssh"),
        Field("ssh_direct", "ssh_direct", from_wire=bool, default=True),
        Field("jupyter_direct", "jup_direct", from_wire=bool),
        Field("jupyter_dir", "jupyter_dir", from_wire=text),
        Field("use_jupyter_lab", "use_jupyter_lab", from_wire=bool),
        Field("disk", "recommended_disk_space", from_wire=integer, default=20),
        Field("description", "desc", from_wire=lambda value: text(value) or ""),
        Field("readme", "readme", from_wire=lambda value: text(value) or ""),
        Field("private", "private", from_wire=bool, default=True),
    ),
    unwrap=lambda data: mapping(data).get("template"),
    partial=True,
)


def _volume_call(verb: str, now: Mapping[str, Any] | None, path: str, body: Any) -> tuple[str, str, Any]:
    """Return the call for a volume: it is rented on an offer, and deleted by its number in the body."""
    if verb == "DELETE" and now is not None:
        return verb, VOLUMES, {"id": integer(now.get("id"))}
    return "PUT", VOLUMES, {"id": body["offer"], "size": body["disk_space"], "name": body["name"]}


def _made_volume(data: Any) -> Mapping[str, Any] | None:
    """Return the volume that was made: the answer names it ``V.20118481``, which holds its number."""
    number_ = (text(mapping(data).get("volume_name")) or "").rpartition(".")[2]
    return {"id": int(number_)} if re.fullmatch("[0-9]{1,19}", number_) else None


def volume_offers(store: ResourceStore, given: Mapping[str, Any], size: int) -> list[Mapping[str, Any]]:
    """Machines that have room for a volume, the cheapest first."""
    asked = {**VOLUME_DEFAULTS, "disk_space": {"gte": size}, **query.filters(given)}
    body = {name: value for name, value in asked.items() if value is not None}
    body.update(order=[["storage_cost", "asc"]], allocated_storage=size, limit=64)
    answer = store.api.request("POST", SEARCH, body=body, attempted="search room for a volume on Vast.ai", like="GET")
    return sorted(rows(answer.data, "offers"), key=lambda offer: number(offer.get("storage_cost")) or 0.0)


def _choose(store: ResourceStore, values: Mapping[str, Any]) -> None:
    """Add the number of the cheapest offer that fits to what is sent. :raises BadRequest: when there is none."""
    if not isinstance(values, dict):
        return
    # A second volume would bill beside the first, for ever.
    nameless = [raw for raw in store.all() if raw.get("name") == f"V.{raw.get('id')}"]
    same = [raw for raw in nameless if integer(raw.get("disk_space")) == values["size"]]
    if same:
        raise BadRequest(
            f"No volume was created: Vast.ai shows no name of the volume {same[0].get('name')} of {values['size']} GB, "
            "so it may be the one you asked for. Give its id, or ask for another size."
        )
    given = dict(values.get("search") or {})
    if values.get("machine_id") is not None:
        given["machine_id"] = values["machine_id"]
    for offer in volume_offers(store, given, int(values["size"])):
        found = integer(offer.get("ask_contract_id") or offer.get("id"))
        if found:
            values["offer"] = found
            return
    raise BadRequest(
        f"No volume was created: no machine has room for {values['size']} GB under these filters. Ask for less, name "
        "another machine_id, or loosen search."
    )


def _users(store: ResourceStore, raw: Mapping[str, Any]) -> list[str]:
    """Instances that mount it."""
    return [f"the pod {text(mapping(each).get('id')) or each}" for each in listing(raw.get("instances"))]


def _cost(raw: Mapping[str, Any]) -> str:
    if raw.get("usd_per_month") is None:
        return "It is billed until it is deleted, used or not."
    return f"It costs about {usd_total(raw['usd_per_month'])} a month until it is deleted, used or not."


def volume_name(raw: Mapping[str, Any]) -> str | None:
    """Under which name a volume is shown, which differs by service; its number makes the last resort."""
    number_ = f"V.{raw['id']}" if raw.get("id") else None
    told = [text(raw.get(key)) for key in ("name", "label", "volume_name")]
    # Where the number stands under one of these, the name that somebody gave it may stand under another.
    return next((each for each in told if each and each != number_), number_)


def volume_usd(values: Mapping[str, Any]) -> dict[str, float | None]:
    """Return what a volume costs a month."""
    hourly = values.get("usd_per_hour")
    return {"usd_per_month": round(hourly * MONTH, 2) if hourly is not None else None}


VOLUME = Resource(
    kind="volume",
    title="volume",
    path=VOLUMES,
    page=Page("volumes"),
    update="",
    call=_volume_call,
    fields=(
        Field("size", "disk_space", from_wire=integer, required=True),
        Field("machine_id", "machine_id", from_wire=integer),
        Field("status", "status", from_wire=text),
        Field("usd_per_hour", "storage_total_cost", from_wire=number),
        Field("search", "search", write_only=True),
        Field("offer", "offer", write_only=True),
    ),
    unwrap=_made_volume,
    partial=True,
    derive=volume_usd,
    remark=_cost,
    may_create=_choose,
    users=_users,
    free="End these pods first (podyard.gpu.vastai_instance with state absent), or let the task wait for that with "
    "wait_timeout.",
)
RESOURCES = {each.kind: each for each in (TEMPLATE, VOLUME)}
