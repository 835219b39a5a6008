# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record of every exchange with the API, one JSON line each, without the secrets in it.

For whoever wants to see what a client really sent and got, and for tests that hold both against the API's
description. A line is written whole and at once, so that a daemon that is killed loses none that was answered.
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
# Fields whose value, and that of everything below, is hidden wherever it stands; a type never changes.
_SECRET = frozenset(
    ("env", "password", "line", "value", "instance_api_key", "jupyter_token", "image_login", "onstart", "extra_env",
     "docker_login_pass")
)  # fmt: skip
_HEADERS = (
    "allow", "cache-control", "connection", "content-type", "ratelimit", "ratelimit-policy", "retry-after",
    "x-accel-buffering", "x-request-id",
)  # fmt: skip
# Every key of Vast.ai's, wherever it stands.
_VAST_KEY = re.compile("[0-9a-f]{64}")
# GraphQL's queries have values, passwords among them, in the midst of their text.
_NO_BODIES = "/graphql"
_SECRET_QUERY = "api_key"
# Of an endless stream the beginning is enough, and of a page that is no JSON some words.
_MAX_EVENTS, _MAX_TEXT = 200, 300
# The stream with which the present request is answered, if it is one, and its events so far.
_stream: ContextVar[tuple[web.StreamResponse, list[str]] | None] = ContextVar("stream", default=None)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def note_event(response: web.StreamResponse, event: bytes) -> None:
    """Keep an event of a stream until the record of it is made at its end."""
    known = _stream.get()
    if known is None or known[0] is not response:
        known = (response, [])
        _stream.set(known)
    if len(known[1]) < _MAX_EVENTS:
        known[1].append(event.decode())


class Traffic:
    """The record of one sandbox: a file of its own in a directory that several may share; None: no record."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._file: int | None = None

    def install(self, app: web.Application) -> None:
        """Listen in front of everything else that an application does."""
        app.middlewares.insert(0, self.middleware)

    def record_to(self, directory: Path | None) -> None:
        """Go on in another directory, or nowhere."""
        self.close()
        self._directory = directory

    def close(self) -> None:
        """Let the file go; another exchange would begin a new one."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, and write down both."""
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
        except OSError as error:  # a full disk is no reason to serve nobody
            _logger.error("an exchange could not be recorded: %s", error)

    def _open(self) -> int:
        assert self._directory is not None
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        return os.open(self._directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)


async def _asked(request: web.Request) -> bytes | None:
    """The body of a request as far as it came; None where it did not, or was too long."""
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
        body = {"text": f"{len(raw or b'')} bytes that are no JSON"}
    return {
        "method": request.method,
        "path": request.path,
        "query": query,
        "operation": request.match_info.route.name or "",
        "agent": request.headers.get("User-Agent", ""),
        "request": {"type": request.headers.get("Content-Type", "").partition(";")[0], **body},
    }


def _answer(request: web.Request, response: web.StreamResponse | None) -> dict[str, Any]:
    """What was answered; a status of None means that nothing was, since one of the two sides had gone."""
    if (known := _stream.get()) is not None:
        stream, events = known
        return {"status": stream.status, "headers": _headers(stream), "events": [_hidden(event) for event in events]}
    gone = request.transport is None or request.transport.is_closing()
    if response is None or (gone and isinstance(response, web.Response)):
        return {"status": None, "headers": {}, "answer": {}}
    raw = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
    body = _body(request.path, raw)
    if "text" in body and response.status < 400:  # else it is a page that says what is wrong
        body = {"text": f"{len(raw)} bytes that are no JSON"}
    return {"status": response.status, "headers": _headers(response), "answer": body}


def _headers(response: web.StreamResponse) -> dict[str, str]:
    return {name: response.headers[name] for name in _HEADERS if name in response.headers}


def _body(path: str, raw: bytes | None) -> dict[str, Any]:
    """A body: ``json`` if it is any, else the beginning of its ``text``; nothing if there is none to be kept."""
    if not raw or path == _NO_BODIES:
        return {}
    try:
        return {"json": _masked(strict_json.loads(raw))}
    except ValueError:
        return {"text": raw.decode(errors="replace")[:_MAX_TEXT]}


def _hidden(event: str) -> str:
    """An event without what the pod said in it."""
    lines = []
    for line in event.splitlines():
        name, colon, value = line.partition(": ")
        lines.append(f"data: {json.dumps(_masked(json.loads(value)))}" if name == "data" else f"{name}{colon}{value}")
    return "\n".join(lines)


def _masked(value: Any, secret: bool = False) -> Any:
    """The same with every secret text hidden; an empty one stays, for it hides nothing and may be refused as such."""
    if isinstance(value, dict):
        return {name: _masked(each, secret or name in _SECRET) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, secret) for each in value]
    secret = secret or (isinstance(value, str) and _VAST_KEY.fullmatch(value) is not None)
    return HIDDEN if secret and isinstance(value, str) and value else value
