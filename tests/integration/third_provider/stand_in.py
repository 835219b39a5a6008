# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand in for the API of Tiny: a few offers, and pods that are real SSH servers on this machine."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pod_side import SshServer

KEY = "t_0123456789abcdef"
ROOM = {"disk_gb": 500, "hours_left": 240.0}
OFFERS = [
    {"id": "big", "gpu": "H100 SXM", "memory_gb": 80, "usd_per_hour": 2.10, "free": True, **ROOM},
    {"id": "small", "gpu": "RTX 4090", "memory_gb": 24, "usd_per_hour": 0.30, "free": True, **ROOM},
    {"id": "none-left", "gpu": "L40S", "memory_gb": 48, "usd_per_hour": 0.60, "free": False, **ROOM},
]


class Account:
    """What one account of Tiny has: pods by their id, and every create that was ever sent."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pods: dict[str, dict[str, Any]] = {}
        self.creates: list[dict[str, Any]] = []
        self.servers: dict[str, SshServer] = {}
        self.lock = threading.Lock()

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Do what a request asks for, and return the status and the body of the answer."""
        fixed = {"/offers": OFFERS, "/account": {"usd": 25.0}, "/pods": list(self.pods.values())}
        if method == "GET" and path in fixed:
            return 200, fixed[path]
        if (method, path) == ("POST", "/pods"):
            return 201, self._rent(body)
        pod_id, _slash, verb = path.removeprefix("/pods/").partition("/")
        pod = self.pods.get(pod_id)
        if pod is None:
            return 404, {"error": f"there is no {path}"}
        if method == "DELETE":
            self.servers.pop(pod_id).close()
            return 200, self.pods.pop(pod_id)
        return 200, ["the pod starts"] if verb == "log" else pod

    def _rent(self, body: dict[str, Any]) -> dict[str, Any]:
        self.creates.append(body)
        pod_id = f"p{len(self.creates)}"
        place = self.directory / pod_id
        place.mkdir()
        server = self.servers[pod_id] = SshServer(place)
        (place / "authorized").write_text("\n".join(body["keys"]) + "\n")
        offer = next(each for each in OFFERS if each["id"] == body["offer"])
        self.pods[pod_id] = {
            "id": pod_id,
            "name": body["name"],
            "state": "up",
            "offer": offer["id"],
            "gpu": offer["gpu"],
            "usd_per_hour": offer["usd_per_hour"],
            "image": body["image"],
            "host": "127.0.0.1",
            "port": server.port,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return self.pods[pod_id]


class TinyServer(ThreadingHTTPServer):
    """The API of Tiny on a port that the kernel chose, until `close`."""

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.account = Account(directory)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End the API and every pod."""
        self.shutdown()
        self.server_close()
        for server in self.account.servers.values():
            server.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TinyServer

    def _serve(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            status, answer = 401, {"error": "no such key"}
        else:
            with self.server.account.lock:
                status, answer = self.server.account.answer(self.command, self.path, json.loads(content or b"{}"))
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _serve

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the tests read the account."""
