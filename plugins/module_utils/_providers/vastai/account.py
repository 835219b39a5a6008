# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Vast.ai has beside pods: templates and volumes. Declarations for ``_resource``. Private to this collection.

Source: Vast.ai's description of its API and its own command line tool.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ..._core.errors import BadRequest
from ..._core.values import integer, listing, mapping, number, text
from ..._resources.resource import Field, Page, Resource, Store
from . import query
from .volumes import TEMPLATES, VOLUMES, rows

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
    """The same read back; what is neither a variable nor a flag with one word is left as it is."""
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
    """A template is changed under its hash and deleted under its number, both in the body."""
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
    """A volume is rented on an offer, and deleted by its number in the body."""
    if verb == "DELETE" and now is not None:
        return verb, VOLUMES, {"id": integer(now.get("id"))}
    return "PUT", VOLUMES, {"id": body["offer"], "size": body["disk_space"], "name": body["name"]}


def _made_volume(data: Any) -> Mapping[str, Any] | None:
    """The answer to a create names the volume ``V.20118481``, which is its number."""
    number_ = (text(mapping(data).get("volume_name")) or "").rpartition(".")[2]
    return {"id": int(number_)} if number_.isdigit() else None


def volume_offers(store: Store, given: Mapping[str, Any], size: int) -> list[Mapping[str, Any]]:
    """Machines that have room for a volume, the cheapest first."""
    asked = {**VOLUME_DEFAULTS, "disk_space": {"gte": size}, **query.filters(given)}
    body = {name: value for name, value in asked.items() if value is not None}
    body.update(order=[["storage_cost", "asc"]], allocated_storage=size, limit=64)
    answer = store.api.request("POST", SEARCH, body=body, attempted="search room for a volume on Vast.ai", like="GET")
    return sorted(rows(answer.data, "offers"), key=lambda offer: number(offer.get("storage_cost")) or 0.0)


def _choose(store: Store, values: Mapping[str, Any]) -> None:
    """Add the number of the cheapest offer that fits to what is sent. :raises BadRequest: when there is none."""
    if not isinstance(values, dict):
        return
    # A second volume would bill beside the first, for ever.
    nameless = [raw for raw in store.all() if raw.get("name") == f"V.{raw.get('id')}"]
    same = [raw for raw in nameless if integer(raw.get("disk_space")) == values["size"]]
    if same:
        raise BadRequest(
            f"No volume was made: Vast.ai shows no name of the volume {same[0].get('name')} of {values['size']} GB, so "
            "it may be the one that is meant. Give its id, or ask for another size."
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
        f"No volume was made: no machine has room for {values['size']} GB under these filters. Ask for less, name "
        "another machine_id, or loosen search."
    )


def _users(store: Store, raw: Mapping[str, Any]) -> list[str]:
    """Instances that mount it."""
    return [f"the pod {text(mapping(each).get('id')) or each}" for each in listing(raw.get("instances"))]


def _cost(raw: Mapping[str, Any]) -> str:
    if raw.get("usd_per_month") is None:
        return "It is billed until it is deleted, used or not."
    return f"It costs about {raw['usd_per_month']:.2f} USD a month until it is deleted, used or not."


def volume_name(raw: Mapping[str, Any]) -> str | None:
    """Under which name a volume is shown, which differs by service; its number makes the last resort."""
    number_ = f"V.{raw['id']}" if raw.get("id") else None
    told = [text(raw.get(key)) for key in ("name", "label", "volume_name")]
    # Where the number stands under one of these, the name that somebody gave it may stand under another.
    return next((each for each in told if each and each != number_), number_)


def volume_usd(values: Mapping[str, Any]) -> dict[str, float | None]:
    """What a volume costs a month."""
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
