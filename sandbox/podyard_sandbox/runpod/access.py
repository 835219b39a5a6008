# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication, rate limits, and the faults that can hit any request."""

from __future__ import annotations

import asyncio
import hmac

from aiohttp import web

from podyard_sandbox.exchange import current
from podyard_sandbox.faults import Fault, Faults
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.problems import INTERNAL, DroppedLine, Problem, no_key, not_found
from podyard_sandbox.runpod.ratelimit import RateLimit, exceeded

# What a pod's own key, which is in its environment, may do to its pod. Its real rights are not known.
_POD_OPERATIONS = ("getPod", "deletePod", "podAction", "getPodLogs", "graphql")
_PROXY_PAGE = "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>\n"


def operation(request: web.Request) -> str:
    """Return the name of the operation that a request asks for, or "" if its path has none."""
    return request.match_info.route.name or ""


class Access:
    """Authentication, quota, and the faults of any request."""

    def __init__(self, cloud: Cloud, faults: Faults, api_key: str) -> None:
        self._cloud = cloud
        self._faults = faults
        self._key = api_key
        self._limit = RateLimit(cloud.pace.quota)

    def headers(self, request: web.Request) -> dict[str, str]:
        """Return the quota headers of an authenticated response; GraphQL has none."""
        exchange = current()
        if not exchange.authenticated or request.path == "/graphql":
            return {}
        return self._limit.headers(exchange.empty_for)

    async def admit(self, request: web.Request) -> None:
        """Check whether a request may proceed.

        Raises:
            Problem: 401, 403, 404, 429 or 5xx.
            DroppedLine: a fault drops the connection.
        """
        asked = operation(request)
        if (fault := self._trigger("latency", asked)) is not None:
            await asyncio.sleep(fault.params["seconds"])
        if self._trigger("drops-line", asked):
            raise DroppedLine
        if self._trigger("unauthorized", asked):
            raise Problem(401, "invalid api key")
        if _keyless(request):
            self._limit_rate(asked)  # the resolvers know which fields need no key
        else:
            self._authenticate(request, asked)
            current().authenticated = True
            if self._trigger("forbidden", asked):
                raise Problem(403, "access denied")
            self._count(asked)
        if (fault := self._trigger("server-error", asked)) is not None:
            raise _server_error(fault)

    def _authenticate(self, request: web.Request, asked: str) -> None:
        scheme, _blank, key = request.headers.get("Authorization", "").partition(" ")
        if request.path == "/graphql" and not key:
            scheme, key = "Bearer", request.query.get("api_key", "")
        if scheme.lower() != "bearer" or not key.strip():
            raise no_key()
        if hmac.compare_digest(key.strip().encode(), self._key.encode()):
            return
        pod = next((pod for pod in self._cloud if hmac.compare_digest(pod.key.encode(), key.strip().encode())), None)
        if pod is None:
            raise Problem(401, "invalid api key")  # the text is made up
        current().authenticated = True
        current().only_pod = pod.id
        if asked not in _POD_OPERATIONS or self._trigger("pod-key-no-rights", asked):
            raise Problem(403, "access denied")
        if asked != "graphql" and request.match_info.get("id") != pod.id:
            raise not_found()

    def _count(self, asked: str) -> None:
        small = self._faults.trigger("small-quota")
        self._limit.quota = (
            (small.params["minute"], small.params["hour"], small.params["day"]) if small else self._cloud.pace.quota
        )
        self._limit.count()
        self._limit_rate(asked)

    def _limit_rate(self, asked: str) -> None:
        fault = self._trigger("rate-limited", asked)
        if fault is not None:
            current().empty_for = fault.params["retry_after"]
            raise exceeded("minute", fault.params["retry_after"], header=fault.params["header"])

    def _trigger(self, name: str, asked: str) -> Fault | None:
        fault = self._faults.trigger(name, operation=asked)
        if fault is not None:
            current().fault = name
        return fault


def _keyless(request: web.Request) -> bool:
    """Return whether this is a GraphQL request without a key, which gets partial answers."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer").strip() or request.query.get("api_key", "")
    return request.path == "/graphql" and not given


class RawResponse(Exception):
    """A response that is not a problem document: a proxy's page, or an empty body."""

    def __init__(self, status: int, text: str, kind: str = "text/html") -> None:
        super().__init__(status)
        self.status = status
        self.text = text
        self.kind = kind if text else "text/plain"

    def response(self) -> web.Response:
        """Return the response."""
        return web.Response(status=self.status, text=self.text, content_type=self.kind)


def _server_error(fault: Fault) -> Exception:
    status, body = fault.params["status"], fault.params["body"]
    if body == "json":
        return Problem(status, INTERNAL)
    return RawResponse(status, page_of(status) if body == "html" else "")


def page_of(status: int) -> str:
    """Return the error page that a proxy sends instead of the API."""
    return _PROXY_PAGE.format(status=status)
