# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scripted conversation over HTTP: a real server on loopback that knows which requests come, in which order.

A test writes down what it expects and what is answered::

    with Conversation(
        expect("GET", "/v2/pods").reply({"pods": []}),
        expect("POST", "/v2/pods", body=lambda body: body["name"] == "x").drop(),
    ) as api:
        ... talk to api.url ...

A request that is not the next one, that differs in what was written down, or that never comes fails the test when the
block ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KEY = "rpa_conversation_key_0123456789"
#: What an unexpected request is answered: a status that no client repeats.
UNEXPECTED = 418


# Tests run in several processes at once, and some call where nobody listens any more: an address for each process keeps
# those calls from the server that gets the same port next. Only Linux has more than one address of its own.
_PID = os.getpid()
_OWN = f"127.{1 + _PID // 62_500 % 250}.{_PID // 250 % 250}.{1 + _PID % 250}"
HOST = _OWN if sys.platform == "linux" else "127.0.0.1"


@dataclass(frozen=True)
class Expected:
    """One request that must come, and its answer. Build it with ``expect`` and one of the methods."""

    method: str
    path: str
    query: dict[str, str] | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    answer: bytes = b""
    answer_headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    dropped: bool = False
    events: tuple[str, ...] | None = None
    stays_open: float = 0.0

    def reply(self, data: Any = None, status: int = 200, headers: dict[str, str] | None = None) -> Expected:
        """Answer with JSON (or, for text and bytes, with just that; for None with nothing)."""
        if data is None:
            answer = b""
        elif isinstance(data, (str, bytes)):
            answer = data.encode() if isinstance(data, str) else data
        else:
            answer = json.dumps(data).encode()
        return replace(self, status=status, answer=answer, answer_headers=dict(headers or {}))

    def problem(self, status: int, detail: str, errors: list[str] | None = None, **headers: str) -> Expected:
        """Answer with problem+json. Underscores in header names stand for hyphens."""
        body: dict[str, Any] = {"title": "Problem", "status": status, "detail": detail}
        if errors is not None:
            body["errors"] = errors
        return self.reply(body, status, {name.replace("_", "-"): value for name, value in headers.items()})

    def drop(self) -> Expected:
        """Take the request and close the line without an answer."""
        return replace(self, dropped=True)

    def late(self, seconds: float) -> Expected:
        """Answer only after so many seconds."""
        return replace(self, delay=seconds)

    def stream(self, *events: str, stays_open: float = 0.0) -> Expected:
        """Answer with server-sent events, each one ``data:`` payload, then keep the line open for so many seconds."""
        return replace(self, events=events, stays_open=stays_open)


def expect(
    method: str,
    path: str,
    *,
    query: dict[str, str] | None = None,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Expected:
    """A request. ``query`` must match exactly if it is given; ``body`` is JSON that must be equal, or a predicate;
    ``headers`` must be among those that came."""
    return Expected(method, path, query, body, dict(headers or {}))


class Conversation:
    """The server. ``url`` is its address; ``log`` holds every request as (method, path, body)."""

    def __init__(self, *script: Expected, key: str | None = KEY) -> None:
        self._script = list(script)
        self._key = key
        self._lock = threading.Lock()
        self.faults: list[str] = []
        self.log: list[tuple[str, str, Any]] = []

    def __enter__(self) -> Conversation:
        conversation = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: Any) -> None:
                """Keep quiet."""

            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                conversation._answer(self, self.rfile.read(length))

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = _handle

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_arguments: Any) -> None:
                """A client that hangs up early is part of some tests."""

        self._server = Server((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        # The server looks for its own end this often; the default of half a second would be spent by every test.
        arguments = {"poll_interval": 0.01}
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs=arguments, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: object, _traceback: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        problems = list(self.faults)
        if self._script and kind is None:
            problems += [f"never came: {each.method} {each.path}" for each in self._script]
        if problems:
            raise AssertionError("; ".join(problems)) from (error if isinstance(error, Exception) else None)

    @property
    def rest(self) -> int:
        """How many requests have not come yet."""
        return len(self._script)

    def _answer(self, handler: BaseHTTPRequestHandler, raw: bytes) -> None:
        parts = urlsplit(handler.path)
        body = json.loads(raw) if raw else None
        with self._lock:
            self.log.append((handler.command, parts.path, body))
            wanted = self._script[0] if self._script else None
            fault = self._fault(wanted, handler, parts.path, dict(parse_qsl(parts.query)), body)
            if fault is not None:
                self.faults.append(fault)
            elif wanted is not None:
                self._script.pop(0)
        if fault is not None or wanted is None:
            _send(handler, Expected("", "", status=UNEXPECTED, answer=json.dumps({"detail": fault}).encode()))
            return
        if wanted.delay:
            time.sleep(wanted.delay)
        if wanted.dropped:
            handler.close_connection = True
            return
        _send(handler, wanted)

    def _fault(
        self, wanted: Expected | None, handler: BaseHTTPRequestHandler, path: str, query: dict[str, str], body: Any
    ) -> str | None:
        """What is wrong with a request, or None."""
        came = f"{handler.command} {path}"
        if wanted is None:
            return f"came, though nothing was expected any more: {came} {body or ''}"
        if (handler.command, path) != (wanted.method, wanted.path):
            return f"came: {came}, expected: {wanted.method} {wanted.path}"
        if wanted.query is not None and query != wanted.query:
            return f"{came} has the query {query}, expected {wanted.query}"
        if isinstance(wanted.body, Callable):  # type: ignore[arg-type]
            if not wanted.body(body):
                return f"{came} has a body that was not expected: {body}"
        elif wanted.body is not None and body != wanted.body:
            return f"{came} has the body {body}, expected {wanted.body}"
        headers = dict(wanted.headers)
        if self._key is not None:
            headers.setdefault("Authorization", f"Bearer {self._key}")
        for name, value in headers.items():
            if handler.headers.get(name) != value:
                return f"{came} has the header {name}: {handler.headers.get(name)}, expected {value}"
        return None


def _send(handler: BaseHTTPRequestHandler, answer: Expected) -> None:
    """Write the answer to the line."""
    if answer.events is not None:
        _stream(handler, answer.events, answer.stays_open)
        return
    handler.send_response(answer.status)
    for name, value in {"Content-Type": "application/json", **answer.answer_headers}.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(answer.answer)))
    handler.end_headers()
    handler.wfile.write(answer.answer)


def _stream(handler: BaseHTTPRequestHandler, events: tuple[str, ...], stays_open: float) -> None:
    """Write events in chunks, then keep the line open."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for number, event in enumerate(events):
        chunk = f"id: {number}\ndata: {event}\n\n".encode()
        handler.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        handler.wfile.flush()
    if stays_open:
        time.sleep(stays_open)
    handler.wfile.write(b"0\r\n\r\n")


def refused_url() -> str:
    """An address on loopback where nothing listens: a port that was just given back to the kernel."""
    with ThreadingHTTPServer((HOST, 0), BaseHTTPRequestHandler) as server:
        return f"http://{HOST}:{server.server_address[1]}"
