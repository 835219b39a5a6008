# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record of every request and response, one JSON line each, with secrets masked.

It shows what a client really sent and got, and lets tests check both against the API's description. Each line is
written whole and at once, so that a killed daemon loses no answered request.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from aiohttp import web

from podyard_sandbox import strict_json
from podyard_sandbox.exchange import current
from podyard_sandbox.timestamps import exact_time

_logger = logging.getLogger(__name__)

HIDDEN = "***"
# Fields that are masked, with everything below them; the types stay the same.
_SECRET = frozenset(
    ("env", "password", "line", "value", "instance_api_key", "jupyter_token", "image_login", "onstart", "extra_env",
     "docker_login_pass")
)  # fmt: skip
_HEADERS = (
    "allow", "cache-control", "connection", "content-type", "ratelimit", "ratelimit-policy", "retry-after",
    "x-accel-buffering", "x-request-id",
)  # fmt: skip
# Vast.ai's keys, wherever they occur.
_VAST_KEY = re.compile("[0-9a-f]{64}")
# GraphQL queries contain values, passwords among them, in the middle of their text.
_NO_BODIES = "/graphql"
_SECRET_QUERY = "api_key"
# The beginning is enough of an endless stream, and of a page that is not JSON.
_MAX_EVENTS, _MAX_TEXT = 200, 300
# The stream that answers the current request, if any, and its events so far.
_stream: ContextVar[tuple[web.StreamResponse, list[str]] | None] = ContextVar("stream", default=None)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def note_event(response: web.StreamResponse, event: bytes) -> None:
    """Collect an event of a stream, which is recorded when the stream ends."""
    known = _stream.get()
    if known is None or known[0] is not response:
        known = (response, [])
        _stream.set(known)
    if len(known[1]) < _MAX_EVENTS:
        known[1].append(event.decode())


class Traffic:
    """The record of one sandbox: its own file in a directory that several may share; None: no record."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._file: int | None = None

    def install(self, app: web.Application) -> None:
        """Record in front of everything else that an application does."""
        app.middlewares.insert(0, self.middleware)

    def record_to(self, directory: Path | None) -> None:
        """Continue in another directory, or stop recording."""
        self.close()
        self._directory = directory

    def close(self) -> None:
        """Close the file; the next exchange would start a new one."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, and record it with its answer."""
        if self._directory is None or request.path.startswith("/_sandbox/"):
            return await handler(request)
        came, response = time.time(), None
        _stream.set(None)
        try:
            response = await handler(request)
            return response
        finally:
            self._write(came, request, response, await _asked(request))

    def _write(self, came: float, request: web.Request, response: web.StreamResponse | None, asked: Any) -> None:
        entry = {
            "time": exact_time(came),
            **_request(request, asked),
            **_answer(request, response),
            "fault": current().fault,
        }
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        try:
            if self._file is None:
                self._file = self._open()
            os.write(self._file, line)
        except OSError as error:  # a full disk must not stop the service
            _logger.error("an exchange could not be recorded: %s", error)

    def _open(self) -> int:
        assert self._directory is not None
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        return os.open(self._directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)


async def _asked(request: web.Request) -> bytes | None:
    """Return the body of a request; None if it did not arrive, or was too long."""
    if not request.content.is_eof():
        return None
    try:
        return await request.read()
    except (web.HTTPException, ConnectionError):
        return None


def _request(request: web.Request, raw: bytes | None) -> dict[str, Any]:
    query = [[name, value] for name, value in request.query.items() if name != _SECRET_QUERY]
    body = {"unread": True} if raw is None else _body(request.path, raw)
    if "text" in body:
        body = {"text": f"{len(raw or b'')} bytes that are not JSON"}
    return {
        "method": request.method,
        "path": request.path,
        "query": query,
        "operation": request.match_info.route.name or "",
        "agent": request.headers.get("User-Agent", ""),
        "request": {"type": request.headers.get("Content-Type", "").partition(";")[0], **body},
    }


def _answer(request: web.Request, response: web.StreamResponse | None) -> dict[str, Any]:
    """Return the answer; a status of None means that there was none, since one side had hung up."""
    if (known := _stream.get()) is not None:
        stream, events = known
        return {"status": stream.status, "headers": _headers(stream), "events": [_hidden(event) for event in events]}
    gone = request.transport is None or request.transport.is_closing()
    if response is None or (gone and isinstance(response, web.Response)):
        return {"status": None, "headers": {}, "answer": {}}
    raw = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
    body = _body(request.path, raw)
    if "text" in body and response.status < 400:  # otherwise it is an error page
        body = {"text": f"{len(raw)} bytes that are not JSON"}
    return {"status": response.status, "headers": _headers(response), "answer": body}


def _headers(response: web.StreamResponse) -> dict[str, str]:
    return {name: response.headers[name] for name in _HEADERS if name in response.headers}


def _body(path: str, raw: bytes | None) -> dict[str, Any]:
    """Return a body as ``json``, or else the beginning of its ``text``; nothing if it must not be kept."""
    if not raw or path == _NO_BODIES:
        return {}
    try:
        return {"json": _masked(strict_json.loads(raw))}
    except ValueError:
        return {"text": raw.decode(errors="replace")[:_MAX_TEXT]}


def _hidden(event: str) -> str:
    """Return an event with the pod's output masked."""
    lines = []
    for line in event.splitlines():
        name, colon, value = line.partition(": ")
        lines.append(f"data: {json.dumps(_masked(json.loads(value)))}" if name == "data" else f"{name}{colon}{value}")
    return "\n".join(lines)


def _masked(value: Any, secret: bool = False) -> Any:
    """Mask every secret text; an empty one stays, since it reveals nothing and the API may refuse it as empty."""
    if isinstance(value, dict):
        return {name: _masked(each, secret or name in _SECRET) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, secret) for each in value]
    secret = secret or (isinstance(value, str) and _VAST_KEY.fullmatch(value) is not None)
    return HIDDEN if secret and isinstance(value, str) and value else value
