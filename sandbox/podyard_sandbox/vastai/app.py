# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vast.ai's API as a whole: routes, the ledger, and errors in the service's words."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from podyard_sandbox.exchange import Exchange, begin
from podyard_sandbox.faults import Faults
from podyard_sandbox.ledger import Ledger
from podyard_sandbox.vastai.access import Access
from podyard_sandbox.vastai.cloud import VastCloud
from podyard_sandbox.vastai.errors import ApiError, DroppedLine, refusal
from podyard_sandbox.vastai.fault_hooks import trigger
from podyard_sandbox.vastai.handlers.account import AccountHandlers
from podyard_sandbox.vastai.handlers.instances import InstanceHandlers
from podyard_sandbox.vastai.handlers.logs import LogHandlers
from podyard_sandbox.vastai.handlers.market import MarketHandlers
from podyard_sandbox.vastai.handlers.resources import ResourceHandlers
from podyard_sandbox.vastai.handlers.ssh_keys import KeyHandlers
from podyard_sandbox.vastai.operations import OPERATIONS, PREFIX

_logger = logging.getLogger(__name__)

ROOTS = ("/api/", "/vastai/")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class VastApi:
    """The API: its routes, and the middleware around every request."""

    def __init__(self, cloud: VastCloud, faults: Faults, ledger: Ledger) -> None:
        self._ledger = ledger
        self._faults = faults
        self.access = Access(cloud, faults)
        self._logs = LogHandlers(cloud, faults)
        groups = (
            MarketHandlers(cloud, faults), InstanceHandlers(cloud, faults), KeyHandlers(cloud, faults),
            AccountHandlers(cloud, faults), ResourceHandlers(cloud), self._logs,
        )  # fmt: skip
        self._operations: dict[str, Any] = {name: each for group in groups for name, each in group.operations().items()}

    def install(self, app: web.Application) -> None:
        """Add the API to an application, next to whatever else it serves."""
        api = web.Application(middlewares=[self.middleware])
        # Fixed paths before those with a parameter: the first match wins.
        for name in sorted(OPERATIONS, key=lambda name: ("{" in OPERATIONS[name].path, name)):
            operation = OPERATIONS[name]
            api.router.add_route(
                operation.method, operation.path + "{slash:/?}", self._operations[name], name=PREFIX + name
            )
        app.add_subapp("/api", api)
        app.router.add_get("/vastai/results/{token}", self._logs.result, allow_head=False)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, and record it in the ledger."""
        asked = (request.match_info.route.name or "").removeprefix(PREFIX)
        exchange = begin()
        recorded = asked in OPERATIONS and OPERATIONS[asked].recorded
        number = self._ledger.begin_request(request.method, request.path, PREFIX + asked) if recorded else None
        status: int | None = None
        try:
            response = await self._answer(request, handler, asked)
            status = response.status
        except DroppedLine:
            response = _drop(request)
        finally:
            self._end(number, status, exchange)
        return response

    def _end(self, number: int | None, status: int | None, exchange: Exchange) -> None:
        if number is not None:
            self._ledger.end_request(number, status, exchange.pod_id, exchange.name, exchange.fault)

    async def _answer(self, request: web.Request, handler: Handler, asked: str) -> web.StreamResponse:
        try:
            if asked:
                await self.access.admit(request, asked)
            return self._odd(asked, await handler(request))
        except ApiError as refused:
            return refused.response()
        except web.HTTPNotFound:
            return refusal(404, "not_found", f"podyard-sandbox does not serve {request.path} of Vast.ai.").response()
        except web.HTTPMethodNotAllowed as error:
            allowed = {"Allow": ", ".join(sorted(error.allowed_methods))}
            body = {"success": False, "error": "method_not_allowed", "msg": "Method Not Allowed"}
            return ApiError(405, body, allowed).response()
        except web.HTTPException as error:
            return refusal(error.status, "invalid_request", error.reason).response()
        except (DroppedLine, ConnectionError):
            raise
        except Exception:
            _logger.exception("%s %s failed in the sandbox itself", request.method, request.path)
            return ApiError(500, {"success": False, "error": "server_error", "msg": "Internal Server Error"}).response()

    def _odd(self, asked: str, response: web.StreamResponse) -> web.StreamResponse:
        """Return the response, or what a fault replaces it with: a proxy's page or an empty body."""
        if not asked or response.prepared or response.status >= 400:
            return response
        fault = trigger(self._faults, "odd-body", operation=PREFIX + asked)
        if fault is None:
            return response
        page = f"<html><body><h1>{response.status}</h1></body></html>" if fault.params["body"] == "html" else ""
        return ApiError(response.status, page).response()


def _drop(request: web.Request) -> web.Response:
    """Cut the connection; the returned response is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
