# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API's refusals, in their various shapes, and responses with the service's content type."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web


class DroppedLine(Exception):
    """The connection must be cut without a response."""


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return JSON as exactly application/json: the service's own client accepts nothing else."""
    found = {"Content-Type": "application/json", **(headers or {})}
    return web.Response(body=json.dumps(body, allow_nan=False).encode(), status=status, headers=found)


class ApiError(Exception):
    """A response that refuses.

    Attributes:
        status: HTTP status, which may be 200.
        body: JSON, or plain text.
    """

    def __init__(self, status: int, body: dict[str, Any] | str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = headers or {}

    def response(self) -> web.Response:
        """Return the response."""
        if isinstance(self.body, str):
            return web.Response(status=self.status, text=self.body, headers=self.headers, content_type="text/plain")
        return answer(self.body, self.status, self.headers)


def refusal(status: int, code: str, text: str, **more: Any) -> ApiError:
    """Refuse in the usual shape: success, error and msg."""
    return ApiError(status, {"success": False, "error": code, "msg": text, **more})


def no_such_instance() -> ApiError:
    """Refuse to change an instance that does not exist."""
    return refusal(404, "no_such_instance", "Instance with that ID does not exist.")


def invalid_id(recycle: bool) -> ApiError:
    """Refuse to recycle or reboot an instance that does not exist; each has its own words."""
    if recycle:
        return refusal(400, "invalid_id", "Invalid instance id.")
    return refusal(400, "invalid_args", "invalid instance_id")


def no_such_ask(status: int, offer: int) -> ApiError:
    """Refuse an offer that is gone, in the words that go with the status."""
    words = {
        410: ("no_such_ask", f"error 410/3907: no_such_ask Instance type {offer} is no longer available."),
        400: ("no_such_ask", f"error 400/3603: no_such_ask Instance type by id {offer} is not available."),
        404: ("invalid_args", f"error 404/3603: no_such_ask Instance type by id {offer} is not available."),
    }
    return refusal(status, *words[status], ask_id=offer)


def bad_key(status: int) -> ApiError:
    """Refuse an invalid key (404, 401) or a missing one (403)."""
    text = "This action requires login." if status == 403 else "Invalid user key"
    return refusal(status, "auth_error", text)
