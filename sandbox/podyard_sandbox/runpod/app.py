# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's API as a whole: routes, the edge in front of them, the ledger, and errors in the service's words."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from podyard_sandbox.exchange import Exchange, begin, current
from podyard_sandbox.faults import Faults
from podyard_sandbox.ledger import Ledger
from podyard_sandbox.runpod import graphql
from podyard_sandbox.runpod.access import Access, RawResponse, operation, page_of
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.handlers.catalogue import CatalogueHandlers
from podyard_sandbox.runpod.handlers.pods import PodHandlers
from podyard_sandbox.runpod.handlers.resources import ResourceHandlers
from podyard_sandbox.runpod.handlers.secrets import SecretHandlers
from podyard_sandbox.runpod.problems import INTERNAL, DroppedLine, Problem
from podyard_sandbox.runpod.responses import json_response

_logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# The sandbox's own API, and Vast.ai's at the same address.
_OTHERS = ("/_sandbox/", "/api/", "/vastai/")
_CHANGING = ("POST", "PUT", "PATCH", "DELETE")
_NOT_SERVED = re.compile(r"/v2/(clusters|serverless|registries/delegations)(/|$)")


class RunpodApi:
    """The API: its routes, and the middleware around every request."""

    def __init__(self, cloud: Cloud, faults: Faults, ledger: Ledger, api_key: str) -> None:
        self._ledger = ledger
        self._faults = faults
        self._access = Access(cloud, faults, api_key)
        self._handlers = PodHandlers(cloud, self._access)
        self._more_handlers = (ResourceHandlers(cloud), SecretHandlers(cloud), CatalogueHandlers(cloud))

    def install(self, app: web.Application) -> None:
        """Add the API to an application, next to whatever else it serves."""
        app.add_routes(self._handlers.routes())
        for group in self._more_handlers:
            app.add_routes(group.routes())
        app.middlewares.append(self.middleware)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request; pass on whatever is not part of this API."""
        if request.path.startswith(_OTHERS):
            return await handler(request)
        exchange = begin()
        number = self._begin(request)
        status: int | None = None
        try:
            response = await self._answer(request, handler)
            status = response.status
        except DroppedLine:
            response = _drop(request)
        finally:
            if exchange.mutation is not None:
                number = self._ledger.begin_request(request.method, request.path, exchange.mutation)
            self._end(number, status, exchange)
        if not response.prepared:
            response.headers.update(self._access.headers(request))
            response.headers["x-request-id"] = exchange.id
        return response

    def _begin(self, request: web.Request) -> int | None:
        if request.method not in _CHANGING or request.path == "/graphql":
            return None
        return self._ledger.begin_request(request.method, request.path, operation(request))

    def _end(self, number: int | None, status: int | None, exchange: Exchange) -> None:
        if number is not None:
            self._ledger.end_request(number, status, exchange.pod_id, exchange.name, exchange.fault)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Return the response, which may be a refusal."""
        if (refusal := self._edge(request)) is not None:
            return refusal
        try:
            if request.path.startswith("/v2/") or request.path == "/graphql":
                await self._access.admit(request)
            return self._odd(request, await handler(request))
        except Problem as problem:
            return _refusal(request, problem)
        except RawResponse as raw:
            return raw.response()
        except web.HTTPNotFound:
            return _no_route(request).response()
        except web.HTTPMethodNotAllowed as error:
            allowed = {"Allow": ", ".join(sorted(error.allowed_methods))}
            wrong = Problem(405, "The requested method is not allowed for this path.", headers=allowed)
            return _refusal(request, wrong)
        except web.HTTPException as error:
            return _refusal(request, Problem(error.status, error.reason))
        except (DroppedLine, ConnectionError):
            raise
        except Exception:
            _logger.exception("%s %s failed in the sandbox itself", request.method, request.path)
            return _refusal(request, Problem(500, INTERNAL))

    def _edge(self, request: web.Request) -> web.Response | None:
        """Answer what never reaches the API: a blocked user agent, and the retired first API version."""
        agent = request.headers.get("User-Agent", "")
        if agent.startswith("Python-urllib/") or self._faults.trigger("agent-refused", agent=agent):
            return web.Response(status=403, text="error code: 1010", content_type="text/plain")
        if request.path == "/v1" or request.path.startswith("/v1/"):
            return json_response({"error": "REST API v1 has been retired", "status": 410}, status=410)
        return None

    def _odd(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """Return the response, or what a fault replaces it with: a proxy's page or an empty body."""
        if response.prepared or response.status >= 400:
            return response
        fault = self._faults.trigger("odd-body", operation=operation(request))
        if fault is None:
            return response
        current().fault = fault.kind.name
        return RawResponse(
            response.status, page_of(response.status) if fault.params["body"] == "html" else ""
        ).response()


def _refusal(request: web.Request, problem: Problem) -> web.Response:
    return graphql.refusal(problem) if request.path == "/graphql" else problem.response()


def _no_route(request: web.Request) -> Problem:
    if _NOT_SERVED.match(request.path):
        return Problem(501, f"podyard-sandbox does not implement {request.method} {request.path} yet.")
    return Problem(404, "The requested path was not found.")


def _drop(request: web.Request) -> web.Response:
    """Cut the connection; the returned response is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
