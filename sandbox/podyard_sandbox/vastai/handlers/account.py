# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account: the user, environment variables, API keys and the bill."""

from __future__ import annotations

import re
import time
from typing import Any

from aiohttp import web

from podyard_sandbox.faults import Faults
from podyard_sandbox.vastai import bodies, query
from podyard_sandbox.vastai.account import RIGHTS, ApiKey
from podyard_sandbox.vastai.cloud import VastCloud
from podyard_sandbox.vastai.errors import ApiError, answer, refusal
from podyard_sandbox.vastai.instance import Instance

_NAME = re.compile(r"[A-Za-z_]\w*")
_MAX_VARIABLES, _MAX_VALUE = 100, 4096
_DAY = 86_400
_HOUR = 3600
_PAGE, _MAX_PAGE = 100, 500


class AccountHandlers:
    """The operations on the account."""

    def __init__(self, cloud: VastCloud, faults: Faults) -> None:
        self._cloud = cloud
        self._account = cloud.account
        self._faults = faults

    def operations(self) -> dict[str, Any]:
        """Return the handlers by operation name."""
        return {
            "showUser": self.user,
            "listEnvVars": self.variables,
            "createEnvVar": self.create_variable,
            "updateEnvVar": self.update_variable,
            "deleteEnvVar": self.delete_variable,
            "listApiKeys": self.api_keys,
            "createApiKey": self.create_api_key,
            "showApiKey": self.api_key,
            "deleteApiKey": self.delete_api_key,
            "showCharges": self.charges,
            "showInvoices": self.invoices,
            "showInvoicesV0": self.invoices_v0,
        }

    async def user(self, request: web.Request) -> web.Response:
        """Show the user, and the credit left."""
        for name in request.query:
            if name != "api_key":
                raise refusal(400, "bad_request", f"{name}: Extra inputs are not permitted")
        account = self._account
        return answer(
            {
                "id": account.id, "email": account.email, "username": "sandbox", "fullname": "Sandbox",
                "balance": 0.0, "credit": self._cloud.credit(), "balance_threshold": 0.0,
                "ssh_key": account.ssh_keys[0].line if account.ssh_keys else "", "sid": "sandbox",
                "key_id": account.main_key.id, "host_agreement_accepted": 0, "host_only": False, "has_billing": True,
                "has_payment_method": True, "got_signup_credit": 0, "email_verified": True, "paid_expected": 0.0,
                "rights": {"api": {right: {} for right in RIGHTS}}, "billaddress_country": "US",
                "team_id": None, "is_team": False,
            }
        )  # fmt: skip

    # Environment variables

    async def variables(self, _request: web.Request) -> web.Response:
        """List the environment variables with hidden values."""
        return answer({"success": True, "secrets": dict.fromkeys(self._account.variables, "*****")})

    async def create_variable(self, request: web.Request) -> web.Response:
        """Add an environment variable, which every later start of a container gets."""
        name, value = await self._variable(request, "missing_input")
        if name in self._account.variables:
            raise refusal(400, "existing_key", f"Key '{name}' already exists.")
        if len(self._account.variables) >= _MAX_VARIABLES:
            raise refusal(400, "max_secrets", f"No more than {_MAX_VARIABLES} environment variables are allowed.")
        self._account.variables[name] = value
        return answer({"success": True, "msg": "Environment variable added successfully"})

    async def update_variable(self, request: web.Request) -> web.Response:
        """Change an environment variable."""
        name, value = await self._variable(request)
        if name not in self._account.variables:
            raise refusal(400, "nonexistent_key", f"Key '{name}' does not exist.")
        self._account.variables[name] = value
        return answer({"success": True, "msg": "Environment variable updated successfully"})

    async def delete_variable(self, request: web.Request) -> web.Response:
        """Delete an environment variable."""
        name = (await bodies.read(request)).get("key")
        if not isinstance(name, str) or not name:
            raise refusal(400, "missing_input", "'key' is required.")
        if self._account.variables.pop(name.upper(), None) is None:
            raise refusal(400, "nonexistent_key", f"Key '{name.upper()}' does not exist.")
        return answer({"success": True, "msg": "Environment variable deleted successfully"})

    async def _variable(self, request: web.Request, odd: str = "invalid_characters") -> tuple[str, str]:
        """Read name and value of a body; ``odd`` is the error code for a name with invalid characters."""
        body = await bodies.read(request)
        name, value = body.get("key"), body.get("value")
        if not isinstance(name, str) or not isinstance(value, str) or not name or not value:
            raise refusal(400, "missing_input", "Both 'key' and 'value' are required.")
        if not _NAME.fullmatch(name):
            raise refusal(400, odd, "'key' has invalid characters.")
        if len(value) > _MAX_VALUE:
            raise refusal(400, "input_too_long", f"'value' is longer than {_MAX_VALUE} characters.")
        return name.upper(), value

    # API keys

    async def api_keys(self, _request: web.Request) -> web.Response:
        """List the API keys without their values."""
        return answer({"apikeys": [self._key_json(key) for key in self._account.api_keys]})

    async def create_api_key(self, request: web.Request) -> web.Response:
        """Create an API key with limited permissions."""
        body = await bodies.read(request)
        permissions = body.get("permissions")
        rights = permissions.get("api") if isinstance(permissions, dict) else None
        if not isinstance(permissions, dict) or not isinstance(rights, dict) or set(rights) - set(RIGHTS):
            raise refusal(400, "invalid_permissions", "Invalid permissions.")
        key = ApiKey(next(self._account.numbers), str(body.get("name") or ""), frozenset(rights))
        key.permissions = permissions
        self._account.api_keys.append(key)
        return answer({"id": key.id, "key": key.key, "permissions": permissions})

    async def api_key(self, request: web.Request) -> web.Response:
        """Show an API key without its value."""
        return answer(self._key_json(self._find_key(request)))

    async def delete_api_key(self, request: web.Request) -> web.Response:
        """Revoke an API key."""
        key = self._find_key(request)
        if key is self._account.main_key:
            raise refusal(403, "not_authorized", "The main key cannot be deleted here.")
        self._account.api_keys.remove(key)
        return answer("Successfully Deleted API Key")

    def _key_json(self, key: ApiKey) -> dict[str, Any]:
        return {
            "id": key.id, "user_id": self._account.id, "name": key.name,
            "rights": "all" if key is self._account.main_key else "custom", "permissions": key.permissions,
            "created_at": key.created_at,
        }  # fmt: skip

    def _find_key(self, request: web.Request) -> ApiKey:
        for key in self._account.api_keys:
            if str(key.id) == request.match_info["id"]:
                return key
        raise ApiError(404, {"msg": "API key not found"})

    # The bill

    async def charges(self, request: web.Request) -> web.Response:
        """List what each contract cost within a range of days, by kind."""
        filters = query.parameter(request.query.get("select_filters"), dict, "select_filters")
        day = filters.get("day")
        if not isinstance(day, dict) or "gte" not in day or "lte" not in day:
            text = "Must provide both 'day' gte and lte filters for instance charges"
            raise ApiError(400, {"success": False, "msg": text})
        first, last = _day(day["gte"]), _day(day["lte"]) + _DAY
        rows = [row for row in map(_charge, self._cloud.all_instances()) if row["start"] < last and row["end"] >= first]
        if request.query.get("latest_first", "true").lower() != "false":
            rows.reverse()
        return self._page(request, rows, _PAGE)

    async def invoices(self, request: web.Request) -> web.Response:
        """List the payments; the range of time is required."""
        filters = query.parameter(request.query.get("select_filters"), dict, "select_filters")
        if "when" not in filters:
            text = "Must provide both 'when' gte and lte filters for invoices"
            raise ApiError(200, {"success": False, "msg": text})
        return self._page(request, [], 60)

    async def invoices_v0(self, _request: web.Request) -> web.Response:
        """List the payments in the shape that old clients expect."""
        return answer({"invoices": [], "current": {"charges": 0.0, "credit": self._cloud.credit()}})

    def _page(self, request: web.Request, rows: list[dict[str, Any]], default: int) -> web.Response:
        try:
            limit = min(_MAX_PAGE, max(1, bodies.number(request.query.get("limit", default))))
            start = max(0, bodies.number(request.query.get("after_token") or 0))
        except ApiError:
            raise refusal(400, "invalid_token", "Invalid pagination token") from None
        page = rows[start : start + limit]
        token = str(start + limit) if start + limit < len(rows) else None
        return answer({"success": True, "count": len(page), "total": len(rows), "next_token": token, "results": page})


def _day(value: Any) -> float:
    try:
        return bodies.amount(value)
    except ValueError:
        raise query.unfit(f"day {bodies.shown(value)} is not a number") from None


def _charge(instance: Instance) -> dict[str, Any]:
    """Return a contract's bill: the GPUs while it ran, the disk all the time."""
    now = time.time()
    start, end = int(instance.created_at), int(instance.gone_at or now)
    gpu = sum(each.seconds(now) for each in instance.meter.intervals if each.gpu) / _HOUR
    disk = sum(each.seconds(now) for each in instance.meter.intervals if each.usd_per_hour > 0) / _HOUR
    items = [
        _item(start, end, "gpu", gpu, instance.meter.cost_usd(now) - disk * instance.disk_usd),
        _item(start, end, "disk", disk, disk * instance.disk_usd),
    ]
    metadata: dict[str, Any] = {"label": instance.config.label, "template_id": instance.config.template_id}
    return {
        "start": start, "end": end, "type": "instance", "source": f"instance-{instance.id}",
        "description": f"Instance {instance.id} Charges", "amount": round(instance.meter.cost_usd(now), 3),
        "metadata": {name: value for name, value in metadata.items() if value is not None}, "items": items,
    }  # fmt: skip


def _item(start: int, end: int, kind: str, hours: float, usd: float) -> dict[str, Any]:
    rate = usd / hours if hours else 0.0
    return {
        "start": start, "end": end, "type": kind, "source": None,
        "description": f"{hours:.3f} hours at ${rate:.3f}/hour", "amount": round(usd, 6), "metadata": {}, "items": [],
    }  # fmt: skip
