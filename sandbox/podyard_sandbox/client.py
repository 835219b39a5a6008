# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line's side of the control API."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

_TIMEOUT = 30.0  # seconds; the daemon is on this machine and answers at once unless the machine is overloaded


class ControlError(Exception):
    """The daemon refused, or did not answer; the message is one sentence for the user."""


class Client:
    """A client of the running daemon."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url
        self._key = api_key

    def status(self) -> dict[str, Any]:
        """Return everything that ``status --json`` shows."""
        return self._request("GET", "status")

    def faults(self) -> list[dict[str, Any]]:
        """List the faults that are switched on, used-up ones included."""
        return self._request("GET", "faults")["faults"]

    def add_fault(
        self, name: str, params: dict[str, str], times: int | None = None, share: float | None = None
    ) -> dict[str, Any]:
        """Switch a fault on."""
        return self._request("POST", "faults", {"name": name, "params": params, "times": times, "share": share})

    def clear_faults(self, name: str | None = None) -> int:
        """Switch off one kind of fault, or all of them, and return how many were cleared."""
        return self._request("DELETE", f"faults/{quote(name, safe='')}" if name is not None else "faults")["cleared"]

    def change_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Change settings of the running sandbox, such as pace, balance or wheels."""
        return self._request("PATCH", "settings", settings)

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        address = urlsplit(self._url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT)
        headers = {"Authorization": f"Bearer {self._key}", "User-Agent": "podyard-sandbox"}
        text = json.dumps(body) if body is not None else None
        try:
            connection.request(method, f"/_sandbox/{path}", text, headers)
            response = connection.getresponse()
            status, answer = response.status, response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise ControlError(f"The sandbox at {self._url} does not answer ({error}).") from error
        finally:
            connection.close()
        if status >= 400:
            raise ControlError(_reason(answer) or f"The sandbox at {self._url} answered {status}.")
        return json.loads(answer)


def _reason(text: str) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        return ""
    return str(document.get("error", "")) if isinstance(document, dict) else ""
