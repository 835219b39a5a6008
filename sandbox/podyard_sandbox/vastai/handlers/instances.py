# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and changing instances."""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from typing import Any

from aiohttp import web

from podyard_sandbox import strict_json
from podyard_sandbox.exchange import current
from podyard_sandbox.faults import Faults
from podyard_sandbox.vastai import bodies, query
from podyard_sandbox.vastai.cloud import VastCloud
from podyard_sandbox.vastai.errors import ApiError, answer, invalid_id, refusal
from podyard_sandbox.vastai.fault_hooks import trigger
from podyard_sandbox.vastai.instance import Instance
from podyard_sandbox.vastai.wire import STORED, instance_json

_PAGE, _MIN_PAGE = 25, 5
_MAX_LABEL = 1024
_MIN_BID, _MAX_BID = 0.001, 32.0
_DEPRECATED = "/api/v0/instances/ is deprecated. Use /api/v1/instances/ instead."
_DONE = {"success": True}


class InstanceHandlers:
    """The operations on instances."""

    def __init__(self, cloud: VastCloud, faults: Faults) -> None:
        self._cloud = cloud
        self._faults = faults

    def operations(self) -> dict[str, Any]:
        """Return the handlers by operation name."""
        return {
            "listInstances": self.list_page,
            "listInstancesV0": self.list_v0,
            "countInstances": self.count,
            "showInstance": self.show,
            "manageInstance": self.manage,
            "manageInstances": self.manage_many,
            "destroyInstance": self.destroy,
            "destroyInstances": self.destroy_many,
            "rebootInstance": self.reboot,
            "recycleInstance": self.recycle,
            "updateInstance": self.update,
            "changeBid": self.change_bid,
            "prepayInstance": self.prepay,
            "showDeposit": self.deposit,
            "takeSnapshot": self.snapshot,
            "pendingPriceIncreases": self.price_increases,
            "acceptPriceIncrease": self.accept_increase,
        }

    # Read

    async def list_page(self, request: web.Request) -> web.Response:
        """List a page of instances."""
        filters = query.parameter(request.query.get("select_filters"), dict, "select_filters")
        rows = [self._json(each) for each in self._cloud.listed()]
        checked = query.check(filters, STORED, "select_filters.")
        rows = [row for row in rows if query.matches(row, checked, lambda row, column: row[column])]
        order = _order(query.parameter(request.query.get("order_by"), list, "order_by"))
        rows = query.ordered(rows, order)
        page, token = self._page(rows, request, order)
        columns = query.parameter(request.query.get("select_cols"), list, "select_cols")
        labels = Counter(row["label"] or "" for row in rows)
        return answer(
            {
                "success": True,
                "instances_found": len(page),
                "total_instances": len(rows),
                "label_counts": dict(labels),
                "next_token": token,
                "instances": [query.selected(row, columns) for row in page],
            }
        )

    async def list_v0(self, _request: web.Request) -> web.Response:
        """List instances by the old endpoint, for accounts that still have it."""
        if not trigger(self._faults, "vast-v0-list"):
            raise refusal(410, "deprecated_endpoint", _DEPRECATED)
        rows = [self._json(each) for each in self._cloud.listed()]
        return answer({"instances_found": len(rows), "instances": rows})

    async def count(self, _request: web.Request) -> web.Response:
        """Count the instances."""
        return answer({"success": True, "count": len(self._cloud.listed())})

    async def show(self, request: web.Request) -> web.Response:
        """Show an instance, or null."""
        instance = self._cloud.shown(_id(request))
        if instance is None:
            return answer({"instances": None})
        row = self._json(instance)
        if (fault := trigger(self._faults, "vast-show-shape", name=instance.id_and_label)) is not None:
            return answer(row if fault.params["shape"] == "bare" else {"instances": [row]})
        return answer({"instances": row})

    def _json(self, instance: Instance) -> dict[str, Any]:
        row = instance_json(instance, self._cloud.runtime)
        if (fault := trigger(self._faults, "vast-odd-fields", name=instance.id_and_label)) is not None:
            if fault.params["field"] == "extra_env":
                row["extra_env"] = dict(row["extra_env"])
            elif fault.params["field"] == "ports":
                row["ports"] = [int(each[0]["HostPort"]) for each in (row["ports"] or {}).values()]
            elif fault.params["field"] == "empty_ports":
                row["ports"] = row["ports"] or {}
            else:
                row.update({name: str(row[name]) for name in ("dph_total", "num_gpus", "ssh_port", "cuda_max_good")})
        return row

    def _page(
        self, rows: list[dict[str, Any]], request: web.Request, order: list[tuple[str, str]]
    ) -> tuple[list[dict[str, Any]], str | None]:
        limit = _limit(request.query.get("limit"))
        if (fault := trigger(self._faults, "vast-paging")) is not None:
            limit = min(limit, fault.params["size"])
        start = 0
        if token := request.query.get("after_token"):
            last = _after(token)
            start = next((index + 1 for index, row in enumerate(rows) if row["id"] == last), len(rows))
            if not order:
                start = sum(1 for row in rows if row["id"] <= last)
        page = rows[start : start + limit]
        more = start + limit < len(rows)
        return page, _token(page[-1]["id"]) if more and page else None

    # Change

    async def manage(self, request: web.Request) -> web.Response:
        """Start or stop an instance, or change its label."""
        instance, body = self._find(request), await bodies.read(request)
        from_inside = request.headers.get("Authorization", "").removeprefix("Bearer ").strip() == instance.key
        if from_inside and set(body) - {"state"}:
            raise refusal(401, "auth_error", "This API key is not authorized for this action.")
        if "state" not in body and "label" not in body:
            raise bodies.invalid("state or label is required")
        if "label" in body:
            self._relabel(instance, body["label"])
        if "state" in body:
            await self._cloud.change_state(instance, str(body["state"]), from_inside=from_inside)
        return answer(_DONE)

    def _relabel(self, instance: Instance, label: Any) -> None:
        if label is not None and not isinstance(label, str):
            raise bodies.invalid("label is not a string")
        if len(label or "") > _MAX_LABEL:
            raise refusal(400, "label_too_long", f"Label is longer than {_MAX_LABEL} characters.")
        instance.config.label = label
        current().name = label
        self._cloud.note(instance)

    async def manage_many(self, request: web.Request) -> web.Response:
        """Do the same for several instances."""
        body = await bodies.read(request)
        for number in bodies.numbers(body.get("ids"), "ids"):
            await self._cloud.change_state(self._cloud.find(number), str(body.get("state")))
        return answer(_DONE)

    async def destroy(self, request: web.Request) -> web.Response:
        """Destroy an instance."""
        number = _id(request)
        if self._cloud.shown(number) is None and self._cloud.was_there(number):
            fault = trigger(self._faults, "vast-destroy-again")
            if fault is not None and fault.params["reading"] == "200":
                return answer(_DONE)
            code = fault.params["reading"] if fault is not None else "not_found"
            raise refusal(404, code, "Instance not found")
        try:
            instance = self._find(request)
        except ApiError:
            raise refusal(404, "not_found", "Instance not found") from None
        await self._cloud.destroy(instance)
        return answer({"success": True, "msg": "Instance destroyed successfully"})

    async def destroy_many(self, request: web.Request) -> web.Response:
        """Do the same for several instances."""
        body = await bodies.read(request)
        for number in bodies.numbers(body.get("instance_ids"), "instance_ids"):
            await self._cloud.destroy(self._cloud.find(number))
        return answer(_DONE)

    async def reboot(self, request: web.Request) -> web.Response:
        """Stop and start an instance without releasing its GPUs."""
        return await self._restart(request, recreate=False)

    async def recycle(self, request: web.Request) -> web.Response:
        """Recreate an instance's container."""
        return await self._restart(request, recreate=True)

    async def _restart(self, request: web.Request, *, recreate: bool) -> web.Response:
        try:
            instance = self._find(request)
        except ApiError:
            raise invalid_id(recreate) from None
        if instance.cur != "running":
            raise refusal(400, "invalid_args", "error 400/3467: Invalid args: the instance is not running")
        await self._cloud.restart(instance, recreate=recreate)
        return answer(_DONE)

    async def update(self, request: web.Request) -> web.Response:
        """Change what an instance's container is made of, and recreate it."""
        instance, body = self._find(request), await bodies.read(request)
        template = None
        if body.get("template_hash_id") or body.get("template_id"):
            found = {"number": body.get("template_id"), "hash_id": body.get("template_hash_id")}
            template = self._cloud.templates.find(**found)
            body = bodies.merged(body, template)
        old = instance.config
        base = {"image": old.image, "env": old.env, "onstart": old.onstart, "args": old.args, "runtype": old.runtype}
        given = {name: value for name, value in body.items() if value is not None}
        new = bodies.config({**base, **given, "label": old.label, "disk": old.disk})
        new.volume, new.mount_path, new.image_login = old.volume, old.mount_path, old.image_login
        new.template_id, new.template_hash = old.template_id, old.template_hash
        if template is not None:
            new.template_id, new.template_hash = template["id"], template["hash_id"]
            new.template_name = template["name"]
        instance.config = new
        if instance.cur == "running":
            await self._cloud.restart(instance, recreate=True)
        return answer({"success": True, "updated_instance": self._json(instance)})

    async def change_bid(self, request: web.Request) -> web.Response:
        """Change an instance's bid."""
        instance, body = self._find(request), await bodies.read(request)
        price = body.get("price")
        if not isinstance(price, (int, float)) or isinstance(price, bool) or not price >= _MIN_BID:
            raise refusal(400, "invalid_args", f"Please set a bid price >= {_MIN_BID}.")
        if price > _MAX_BID * instance.size:
            raise refusal(400, "invalid_args", f"Please set a bid price <= {_MAX_BID * instance.size:g}.")
        if instance.bid is None:
            raise refusal(400, "invalid_args", "Instance is not interruptible.")
        self._cloud.change_bid(instance, float(price))
        return answer(_DONE)

    async def prepay(self, request: web.Request) -> web.Response:
        """Pay in advance, for a discount."""
        body = await bodies.read(request)
        try:
            instance = self._find(request)
        except ApiError:
            raise ApiError(400, {"success": False, "msg": "No such instance"}) from None
        amount = body.get("amount")
        if not isinstance(amount, (int, float)) or isinstance(amount, bool) or not amount > 0:
            raise ApiError(400, {"success": False, "msg": "Please set an amount > 0."})
        if amount > self._cloud.credit():
            raise ApiError(411, {"success": False, "msg": "Insufficient credit"})
        instance.prepaid += amount
        months = round(amount / (instance.total_usd * 720), 3)
        return answer({"success": True, "timescale": months, "discount_rate": min(0.4, round(0.1 * months, 3))})

    async def deposit(self, request: web.Request) -> web.Response:
        """Show what was paid in advance."""
        instance = self._find(request)
        return answer(
            {"success": True, "refundable_deposit": instance.prepaid, "total_discount": 0.0, "discount_months": 0}
        )

    async def snapshot(self, request: web.Request) -> web.Response:
        """Answer as if a snapshot went to a registry; there is no registry here."""
        self._find(request)
        await bodies.read(request)
        return answer({"success": True, "msg": "Snapshot in progress"})

    async def price_increases(self, _request: web.Request) -> web.Response:
        """List the pending price increases; hosts here never ask for one."""
        return answer({"success": True, "count": 0, "truncated": False, "pending_price_increases": []})

    async def accept_increase(self, request: web.Request) -> web.Response:
        """Refuse to accept a price increase, since there is none."""
        await bodies.read(request)
        raise refusal(404, "no_pending_price_increase", "No pending price increase with that ID.")

    def _find(self, request: web.Request) -> Instance:
        instance = self._cloud.find(_id(request))
        current().pod_id, current().name = instance.pod_id, instance.config.label
        return instance


def _id(request: web.Request) -> int:
    number = bodies.identifier(request.match_info["id"])
    if number is None:
        raise refusal(400, "invalid_args", "invalid instance_id")
    return number


def _limit(text: str | None) -> int:
    if text is None:
        return _PAGE
    try:
        limit = int(text)
    except ValueError:
        raise query.unfit("limit is not a number") from None
    return _MIN_PAGE if limit <= 0 else min(limit, _PAGE)


def _order(given: list[Any]) -> list[tuple[str, str]]:
    order = []
    for each in given:
        if not isinstance(each, dict) or each.get("dir", "asc") not in ("asc", "desc"):
            raise query.unfit("order_by is not valid")
        if each.get("col") not in STORED:
            raise query.unknown_key(bodies.shown(each.get("col")))
        order.append((each["col"], each.get("dir", "asc")))
    return order


def _token(last: int) -> str:
    return base64.b64encode(json.dumps({"values": {"id": last}}).encode()).decode()


def _after(token: str) -> int:
    try:
        return bodies.number(strict_json.loads(base64.b64decode(token, validate=True))["values"]["id"])
    except (binascii.Error, ValueError, KeyError, TypeError, ApiError):
        raise ApiError(400, {"error": "invalid_token", "msg": "Invalid pagination token"}) from None
