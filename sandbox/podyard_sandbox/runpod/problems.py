# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals: every error the API answers on purpose, in the service's own words where they are known.

A text marked "made up" stands where the true one is not known.
"""

from __future__ import annotations

import json

from aiohttp import web

CAPACITY = (
    "There are no longer any instances available with the requested specifications. Please refresh and try again."
)
NO_DISK = "There are no longer any instances available with enough disk space."
GPU_TAKEN = "There are not enough free GPUs on the host machine to start this pod."
INTERNAL = "Something went wrong. Please try again later or contact support."

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    413: "Payload Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class Problem(Exception):
    """A refusal; becomes an ``application/problem+json`` answer.

    Attributes:
        errors: only for schema violations, one text each.
        headers: extra headers of the answer.
    """

    def __init__(
        self, status: int, detail: str, errors: list[str] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    def response(self) -> web.Response:
        """The answer."""
        document: dict[str, object] = {
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = self.errors
        return web.Response(
            status=self.status,
            text=json.dumps(document),
            content_type="application/problem+json",
            headers=self.headers,
        )


class DroppedLine(Exception):
    """The connection is to be cut without an answer."""


def no_key() -> Problem:
    """No key was sent."""
    return Problem(401, "missing bearer token")


def capacity() -> Problem:
    """No machine could be had; also what a wrong filter gets, since the service has one text for both."""
    return Problem(400, CAPACITY)


def not_found() -> Problem:
    """The object does not exist."""
    return Problem(404, "resource not found")


def locked() -> Problem:
    """The pod must neither stop nor begin anew; status and text are made up."""
    return Problem(409, "pod is locked")


def fake_pod_refusal(pod_id: str) -> Problem:
    """What only the sandbox has: a pod that can be read and ended and nothing else."""
    return Problem(409, f"pod {pod_id} is one of the many on paper; it can be read and ended, and nothing else")


def no_network() -> Problem:
    """Global networking cannot be had there; the text is made up."""
    return Problem(400, "globalNetworking requires an NVIDIA GPU and a data center with global networking")


def invalid(errors: list[str]) -> Problem:
    """The body or the query does not match the schema."""
    return Problem(422, "Request validation failed.", errors)


def conflict(action: str, status: str) -> Problem:
    """The action is not legal now; the text is made up."""
    return Problem(409, f"action {action} is not valid for status {status}")
