# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication, rate limits, and the faults that can hit any request."""

from __future__ import annotations

import asyncio
import hmac
import time

from aiohttp import web

from podyard_sandbox.exchange import current
from podyard_sandbox.faults import Fault, Faults
from podyard_sandbox.vastai.account import ApiKey
from podyard_sandbox.vastai.cloud import VastCloud
from podyard_sandbox.vastai.errors import ApiError, DroppedLine, bad_key, refusal
from podyard_sandbox.vastai.instance import Instance
from podyard_sandbox.vastai.operations import NO_KEY, OPERATIONS, PREFIX, Operation

_TOO_FREQUENT = "API requests too frequent"


class Limits:
    """The rate limits of each key and operation; ``scale`` multiplies all intervals, 0 lifts them."""

    def __init__(self) -> None:
        self._free: dict[tuple[str, str], float] = {}
        self._calls: dict[tuple[str, str], list[float]] = {}

    def passes(self, asked: str, who: str, scale: float) -> bool:
        """Count a call, and return whether it is allowed now."""
        operation, now, place = OPERATIONS[asked], time.monotonic(), (asked, who)
        if operation.burst:
            recent = [each for each in self._calls.get(place, []) if now - each < operation.window * scale]
            self._calls[place] = [*recent, now]
            return len(recent) < operation.burst
        if now < self._free.get(place, 0.0):
            if operation.penalty:
                self._free[place] = now + operation.penalty * scale
            return False
        self._free[place] = now + operation.interval * scale
        return True


class Access:
    """Authentication, rate limits, and the faults of any request."""

    def __init__(self, cloud: VastCloud, faults: Faults) -> None:
        self._cloud = cloud
        self._faults = faults
        self._limits = Limits()

    async def admit(self, request: web.Request, asked: str) -> None:
        """Check whether a request may proceed.

        Raises:
            ApiError: 401, 403, 404, 429 or 5xx.
            DroppedLine: a fault drops the connection.
        """
        operation = OPERATIONS[asked]
        if (fault := self._trigger("latency", asked)) is not None:
            await asyncio.sleep(fault.params["seconds"])
        if self._trigger("drops-line", asked):
            raise DroppedLine
        who = self._authenticate(request, asked, operation)
        self._throttle(asked, who)
        if (fault := self._trigger("server-error", asked)) is not None:
            raise _server_error(fault)

    def _authenticate(self, request: web.Request, asked: str, operation: Operation) -> str:
        scheme, _blank, given = request.headers.get("Authorization", "").partition(" ")
        key = given.strip() if scheme.lower() == "bearer" else request.query.get("api_key", "")
        style = self._faults.peek("vast-auth-style", operation=PREFIX + asked)
        if not key:
            if operation.right == NO_KEY:
                return request.remote or ""
            raise bad_key(403)
        known = self._known(key)
        if style is not None and (known is None or style.params["revoked"]) and style.triggers():
            current().fault = style.kind.name
            raise _styled(style.params["style"])
        if isinstance(known, Instance) and operation.right != NO_KEY:
            self._own(request, asked, known)
        elif known is None:
            raise bad_key(401 if "{id}" in operation.path and "instances" in operation.path else 404)
        elif isinstance(known, ApiKey) and operation.right != NO_KEY and operation.right not in known.rights:
            raise refusal(403, "auth_error", f"This API key lacks the permission {operation.right}.")
        return key

    def _known(self, key: str) -> ApiKey | Instance | None:
        given = key.encode("utf-8", "replace")  # a header may hold any bytes
        for each in self._cloud.account.api_keys:
            if hmac.compare_digest(each.key.encode(), given):
                return each
        return next((each for each in self._cloud if hmac.compare_digest(each.key.encode(), given)), None)

    def _own(self, request: web.Request, asked: str, instance: Instance) -> None:
        """Limit a container's own key to a few operations on its own instance."""
        powerless = self._trigger("vast-instance-key-no-rights", asked)
        mine = request.match_info.get("id") == str(instance.id)
        if powerless or not OPERATIONS[asked].own or not mine:
            raise refusal(401, "auth_error", "This API key is not authorized for this action.")

    def _throttle(self, asked: str, who: str) -> None:
        if self._trigger("vast-quota", asked):
            text = "Daily search quota exceeded; it resets at midnight UTC."
            raise refusal(429, "search_quota_exceeded", text)
        fault = self._trigger("vast-throttle", asked)
        if fault is not None:
            wait = fault.params["retry_after"]
            headers = {"Retry-After": str(wait)} if wait else {}
            raise _too_frequent(fault.params["shape"], OPERATIONS[asked], self._cloud.scale or 1.0, headers)
        scale = self._cloud.scale
        if scale > 0 and not self._limits.passes(asked, who, scale):
            raise _too_frequent("json" if asked == "destroyInstance" else "detail", OPERATIONS[asked], scale, {})

    def _trigger(self, name: str, asked: str) -> Fault | None:
        fault = self._faults.trigger(name, operation=PREFIX + asked)
        if fault is not None:
            current().fault = name
        return fault


def _too_frequent(shape: str, operation: Operation, scale: float, headers: dict[str, str]) -> ApiError:
    """Refuse a call; the text has the scaled interval, so that a client that keeps it waits no longer than needed."""
    seconds = operation.window / operation.burst if operation.burst else operation.interval or 1.0
    threshold = f"endpoint threshold={round(seconds * scale, 6)}"
    if shape == "text":
        return ApiError(429, f"{_TOO_FREQUENT}: {threshold}", headers)
    if shape == "bare":
        return ApiError(429, _TOO_FREQUENT, headers)
    if shape == "json":
        body = {"success": False, "error": "rate_limit_exceeded", "msg": f"{_TOO_FREQUENT} {threshold}"}
        return ApiError(429, body, headers)
    return ApiError(429, {"detail": f"{_TOO_FREQUENT} {threshold}"}, headers)


def _server_error(fault: Fault) -> ApiError:
    status, body = fault.params["status"], fault.params["body"]
    if body == "json":
        return refusal(status, "server_error", "Internal Server Error")
    return ApiError(status, f"<html><body><h1>{status}</h1></body></html>" if body == "html" else "")


def _styled(style: str) -> ApiError:
    if style == "tfa":
        return refusal(401, "auth_error", "This action requires a Two Factor Authentication session.")
    if style == "expired":
        return refusal(404, "auth_error", "Session expired. Please log in again.")
    if style == "403":
        return bad_key(403)
    return bad_key(int(style))
