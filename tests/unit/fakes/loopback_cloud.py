# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cloud of a few lines on loopback: lists pods, shows one, ends one. For tests of real processes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

KEY = "rpa_loopback_0123456789"
# A loaded machine with two cores may need this long to start two Pythons; a hang must still end the test.
PATIENCE = 60.0
T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str) -> T:
    """Return the first true value of `condition`; fail with `what` and the last value when it takes too long."""
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}; last seen: {value!r}")
        time.sleep(0.02)  # the pace of looking


class LoopbackCloud:
    """Pods by id, the keys that are accepted, and every request that came. A pod in `immortal` survives its end."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.keys = {KEY}
        self.immortal: set[str] = set()
        self.requests: list[tuple[str, str]] = []
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                cloud.requests.append((self.command, self.path))
                status, body = cloud.handle(self.command, self.path, self.headers.get("Authorization", ""))
                text = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_DELETE = answer

            def log_message(self, *args: Any) -> None:
                """Tests read `requests`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def rent(self, pod_id: str, name: str) -> None:
        self.pods[pod_id] = {
            "id": pod_id,
            "name": name,
            "status": "RUNNING",
            "cost": 0.69,
            "createdAt": "2026-01-01T00:00:00Z",
        }

    def ended(self) -> list[str]:
        """The ids of pods that were asked to end, in the order of the requests."""
        return [path.rpartition("/")[2] for method, path in self.requests if method == "DELETE"]

    def handle(self, method: str, path: str, authorization: str) -> tuple[int, Any]:
        if authorization.removeprefix("Bearer ") not in self.keys:
            return 401, {
                "error": "unauthorized",
                "status": 401,
                "title": "Unauthorized",
                "detail": "the key is not known",
            }
        pod_id = path.partition("?")[0].removeprefix("/v2/pods").strip("/")
        if not pod_id:
            return 200, {"pods": list(self.pods.values()), "pagination": {"hasNextPage": False}}
        if pod_id not in self.pods:
            return 404, {"title": "Not Found", "status": 404, "detail": "pod not found"}
        if method == "GET":
            return 200, self.pods[pod_id]
        if pod_id not in self.immortal:
            del self.pods[pod_id]
        return 204, None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
