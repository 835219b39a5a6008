# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes, templates, and copies, which are answered but not carried out."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from podyard_sandbox.vastai import bodies, query, templates
from podyard_sandbox.vastai.cloud import VastCloud
from podyard_sandbox.vastai.errors import answer, refusal
from podyard_sandbox.vastai.machines import Machine
from podyard_sandbox.vastai.volumes import volume_offer

_DONE = {"success": True}
_PAGE = 64
# Columns that exist only in a search.
_VIRTUAL = ("verified", "external")


class ResourceHandlers:
    """The operations on volumes and templates."""

    def __init__(self, cloud: VastCloud) -> None:
        self._cloud = cloud

    def operations(self) -> dict[str, Any]:
        """Return the handlers by operation name."""
        return {
            "listVolumes": self.volumes,
            "searchVolumes": self.search_volumes,
            "createVolume": self.create_volume,
            "deleteVolume": self.delete_volume,
            "listTemplates": self.templates,
            "createTemplate": self.create_template,
            "updateTemplate": self.update_template,
            "updateTemplateV1": self.update_template,
            "deleteTemplate": self.delete_template,
            "copyDirect": self.copy,
            "cancelCopyDirect": self.cancel_copy,
            "copyRsync": self.copy,
            "cancelCopyRsync": self.cancel_copy,
        }

    # Volumes

    async def volumes(self, _request: web.Request) -> web.Response:
        """List the account's volumes."""
        return answer({"volumes": [volume.to_json() for volume in self._cloud.volumes]})

    async def search_volumes(self, request: web.Request) -> web.Response:
        """List the volume offers: one for each machine, with its own id."""
        body = await bodies.read(request)
        rows = [_volume_offer(machine) for machine in self._cloud.market.machines]
        known = {*rows[0], *_VIRTUAL}
        given = {name: value for name, value in body.items() if isinstance(value, dict) and name in known}
        found = [row for row in rows if query.matches(row, query.check(given, known), _value)]
        limit = bodies.number(_PAGE if body.get("limit") is None else body["limit"])
        if limit < 1:
            raise bodies.invalid(f"limit {limit} is not valid")
        return answer({"offers": found[:limit]})

    async def create_volume(self, request: web.Request) -> web.Response:
        """Rent disk space on a machine."""
        body = await bodies.read(request)
        machines = {volume_offer(machine): machine for machine in self._cloud.market.machines}
        machine = machines.get(bodies.number(body.get("id")))
        if machine is None:
            raise refusal(400, "invalid_args", "Please provide a valid volume ID.")
        volume = self._cloud.volumes.create(machine, bodies.size(body), bodies.name(body))
        return answer({"success": True, "volume_name": f"V.{volume.id}"})

    async def delete_volume(self, request: web.Request) -> web.Response:
        """Delete a volume and its data."""
        given = request.query.get("id") or (await bodies.read(request)).get("id")
        number = bodies.identifier(str(given or "").removeprefix("V."))
        if number is None:
            raise refusal(400, "invalid_args", "Please provide a valid volume ID.")
        volume = self._cloud.volumes.delete(number)
        await self._cloud.runtime.destroy_volume(volume.place)
        return answer(_DONE)

    # Templates

    async def templates(self, request: web.Request) -> web.Response:
        """List the account's templates that match the filters."""
        filters = query.parameter(request.query.get("select_filters"), dict, "select_filters")
        checked = query.check(filters, templates.COLUMNS, "select_filters.")
        rows = [row for row in self._cloud.templates if query.matches(row, checked, lambda row, column: row[column])]
        rows = query.ordered(rows, _order(request.query.get("order_by")))
        columns = query.parameter(request.query.get("select_cols"), list, "select_cols")
        shown = [query.selected(row, columns) for row in rows]
        return answer({"success": True, "templates_found": len(shown), "templates": shown})

    async def create_template(self, request: web.Request) -> web.Response:
        """Create a template."""
        body = await bodies.read(request)
        for name in ("name", "image"):
            if not isinstance(body.get(name), str) or not body[name]:
                raise refusal(400, "invalid_args", f"Template {name} is required")
        templates.check(body)
        row = self._cloud.templates.create(body, self._cloud.account.id)
        text = f"Template Created Successfully! New Template ID: {row['id']}"
        return answer({"success": True, "msg": text, "template": row})

    async def update_template(self, request: web.Request) -> web.Response:
        """Change a template, and with it its hash."""
        body = await bodies.read(request)
        row = self._cloud.templates.find(hash_id=body.get("hash_id"), number=body.get("id"))
        templates.check(body)
        return answer({"success": True, "template": self._cloud.templates.change(row, body)})

    async def delete_template(self, request: web.Request) -> web.Response:
        """Delete a template."""
        body = await bodies.read(request)
        row = self._cloud.templates.find(number=body.get("template_id"), hash_id=body.get("hash_id"))
        self._cloud.templates.delete(row)
        return answer(_DONE)

    # Copying

    async def copy(self, request: web.Request) -> web.Response:
        """Answer a copy without copying: the service uses a program on its hosts, which does not exist here."""
        body = await bodies.read(request)
        found: dict[str, Any] = {"success": True, "msg": "Remote to Remote copy initiated"}
        for side in ("src", "dst"):
            number = body.get(f"{side}_id")
            if number is not None:
                instance = self._cloud.find(bodies.number(number))
                found |= {f"{side}_addr": "127.0.0.1", f"{side}_port": instance.gateway.unused_port}
        return answer(found)

    async def cancel_copy(self, request: web.Request) -> web.Response:
        """Answer a cancelled copy; there is none to cancel."""
        await bodies.read(request)
        return answer(_DONE)


def _order(text: str | None) -> list[tuple[str, str]]:
    """Read the order: one column, as in the API's description."""
    if not text:
        return []
    if text not in templates.COLUMNS:
        raise query.unknown_key(bodies.shown(text))
    return [(text, "asc")]


def _value(row: query.Row, column: str) -> Any:
    """Return what a filter compares with; of a place only the country, as in a search for GPUs."""
    if column == "geolocation":
        return row["geolocation"][-2:]
    if column == "verified":
        return row["verification"] == "verified"
    return False if column == "external" else row[column]


def _volume_offer(machine: Machine) -> dict[str, Any]:
    return {
        "id": volume_offer(machine),
        "machine_id": machine.id,
        "host_id": machine.host_id,
        "disk_space": machine.disk,
        "storage_cost": machine.storage_cost,
        "storage_cost_per_gb_month": machine.storage_cost,
        "geolocation": machine.place,
        "inet_up": machine.inet_up,
        "inet_down": machine.inet_down,
        "reliability2": machine.reliability,
        "verification": "verified" if machine.verified else "unverified",
        "cpu_arch": "amd64",
        "cuda_max_good": machine.cuda,
        "driver_version": machine.driver,
        "static_ip": True,
        "duration": machine.ends_in,
        "rentable": True,
    }
