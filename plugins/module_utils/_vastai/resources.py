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

from ansible_collections.podyard.gpu.plugins.module_utils._errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._resource import Field, Page, Resource, Store, read_list
from ansible_collections.podyard.gpu.plugins.module_utils._values import integer, listing, mapping, number, text
from ansible_collections.podyard.gpu.plugins.module_utils._vastai import language
from ansible_collections.podyard.gpu.plugins.module_utils._vastai.references import TEMPLATES, VOLUMES, rows

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
            name, _, content = word.partition("=")
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


def _whole(data: Any) -> Any:
    """The answer to a create or change holds the ids only, so the object is read from the list."""
    return None


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
    unwrap=_whole,
    derive=lambda values: {},
)


def _volume_call(verb: str, now: Mapping[str, Any] | None, path: str, body: Any) -> tuple[str, str, Any]:
    if verb == "DELETE" and now is not None:
        return verb, VOLUMES, {"id": integer(now.get("id"))}
    asked = {name: value for name, value in body.items() if name in ("size", "name")}
    return "PUT", VOLUMES, {**asked, "id": body["offer_id"]}


def volume_offers(store: Store, given: Mapping[str, Any], size: int) -> list[Mapping[str, Any]]:
    """Machines that have room for a volume, the cheapest first."""
    asked = {**VOLUME_DEFAULTS, "disk_space": {"gte": size}, **language.filters(given)}
    body = {name: value for name, value in asked.items() if value is not None}
    body.update(order=[["storage_cost", "asc"]], allocated_storage=size, limit=64)
    answer = store.api.request("POST", SEARCH, body=body, attempted="search room for a volume on Vast.ai", like="GET")
    return sorted(rows(answer.data, "offers"), key=lambda offer: number(offer.get("storage_cost")) or 0.0)


def choose_volume_offer(store: Store, values: Mapping[str, Any]) -> int:
    """The number of the cheapest offer that fits. :raises BadRequest: when there is none."""
    given = dict(values.get("search") or {})
    if values.get("machine_id") is not None:
        given["machine_id"] = values["machine_id"]
    for offer in volume_offers(store, given, int(values["size"])):
        found = integer(offer.get("ask_contract_id") or offer.get("id"))
        if found:
            return found
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
    ),
    unwrap=lambda _data: None,
    remark=_cost,
    users=_users,
    free="End these pods first (podyard.gpu.vastai_instance with state absent), or let the task wait for that with "
    "wait_timeout.",
)
RESOURCES = {each.kind: each for each in (TEMPLATE, VOLUME)}

__all__ = ["RESOURCES", "TEMPLATE", "VOLUME", "choose_volume_offer", "read_list", "volume_offers"]
