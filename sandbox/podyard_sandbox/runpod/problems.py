# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API's refusals, in the service's own words where they are known.

A text marked "made up" replaces one that is not known.
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
    """A refusal, sent as an ``application/problem+json`` response.

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
        """Return the response."""
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
    """The connection must be cut without a response."""


def no_key() -> Problem:
    """Refuse a request without a key."""
    return Problem(401, "missing bearer token")


def capacity() -> Problem:
    """Refuse for lack of a machine; a filter that matches nothing gets the same text from the service."""
    return Problem(400, CAPACITY)


def not_found() -> Problem:
    """Refuse access to an object that does not exist."""
    return Problem(404, "resource not found")


def locked() -> Problem:
    """Refuse to stop or recreate a locked pod; status and text are made up."""
    return Problem(409, "pod is locked")


def fake_pod_refusal(pod_id: str) -> Problem:
    """Refuse to change a fake pod, which only the sandbox has."""
    return Problem(409, f"pod {pod_id} is a fake pod of --many-pods; it can only be read and terminated")


def no_network() -> Problem:
    """Refuse global networking where it is not available; the text is made up."""
    return Problem(400, "globalNetworking requires an NVIDIA GPU and a data center with global networking")


def invalid(errors: list[str]) -> Problem:
    """Refuse a body or a query that does not match the schema."""
    return Problem(422, "Request validation failed.", errors)


def conflict(action: str, status: str) -> Problem:
    """Refuse an action that the pod's status does not allow; the text is made up."""
    return Problem(409, f"action {action} is not valid for status {status}")
