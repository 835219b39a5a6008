# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``GET /v2/pods/{id}/logs``: what the pod wrote, as server-sent events, on a stream that stays open."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from podyard_sandbox.pods import LogLine, PodLog
from podyard_sandbox.runpod.problems import invalid
from podyard_sandbox.runpod.validation import number, one_of
from podyard_sandbox.timestamps import parse_time
from podyard_sandbox.traffic import note_event

_SOURCES = ("container", "system")
_SEQ = re.compile("[0-9]{1,15}")
_MAX_LINES = 5000
# Seconds; a comment now and then detects that the client has gone, and keeps proxies from closing the stream.
_KEEP_ALIVE = 15.0


@dataclass(frozen=True)
class _LogQuery:
    """What the client asks for: from which sources, and where to begin."""

    sources: tuple[str, ...]
    tail: int
    after: tuple[float, int] | None  # time and number of the last line the client has seen

    @classmethod
    def of(cls, request: web.Request) -> _LogQuery:
        """Read the query of a request: Last-Event-ID takes precedence over since, and since over tail.

        Raises:
            Problem: 422 if a parameter is malformed.
        """
        sources = one_of(request.query, "source", _SOURCES) or _SOURCES
        tail = number(request.query, "tail", 100, low=0, high=_MAX_LINES)
        last, since = request.headers.get("Last-Event-ID"), request.query.get("since")
        if last is not None:
            text, _slash, seq = last.partition("/")
            return cls(sources, tail, (_time(text, "Last-Event-ID"), int(seq) if _SEQ.fullmatch(seq) else 0))
        if since is not None:
            return cls(sources, tail, (_time(since, "since"), -1))
        return cls(sources, tail, None)

    def backfill(self, lines: list[LogLine]) -> list[LogLine]:
        """Return the existing lines that the client is to get, in order."""
        after = self.after
        if after is not None:
            return [line for line in lines if _moment(line) > after]
        return lines[-self.tail :] if self.tail else []


async def stream(request: web.Request, logs: dict[str, PodLog], headers: dict[str, str]) -> web.StreamResponse:
    """Answer with the stream, until the client disconnects or the pod is gone.

    Raises:
        Problem: 422 if a parameter is malformed.
    """
    query = _LogQuery.of(request)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-cache",
            "Connection": "keep-alive",
            "X-Accel-Buffering": "no",
            **headers,
        }
    )
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):  # the client disconnects when it has enough
        async for event in _events(query, [logs[source] for source in query.sources]):
            await response.write(event)
            note_event(response, event)
    return response


async def _events(query: _LogQuery, logs: list[PodLog]) -> AsyncIterator[bytes]:
    old = sorted((line for log in logs for line in log.lines()), key=_moment)
    last = {log.source: max((line.seq for line in log.lines()), default=0) for log in logs}
    for line in query.backfill(old):
        yield _event(line)
    async for new in _follow(logs, last):
        yield b": keep-alive\n\n" if new is None else _event(new)


async def _follow(logs: list[PodLog], last: dict[str, int]) -> AsyncIterator[LogLine | None]:
    """Yield new lines of several logs as they come, and None after a quiet while, until all logs are closed."""
    queue: asyncio.Queue[LogLine | None] = asyncio.Queue()  # None: no more

    async def copy(log: PodLog) -> None:
        async for line in log.follow(after=last[log.source]):
            queue.put_nowait(line)

    async def copy_all() -> None:
        try:
            await asyncio.gather(*(copy(log) for log in logs))
        finally:
            queue.put_nowait(None)

    copying = asyncio.create_task(copy_all())
    try:
        while True:
            try:
                line = await asyncio.wait_for(queue.get(), _KEEP_ALIVE)
            except TimeoutError:
                yield None
                continue
            if line is None:
                return
            yield line
    finally:
        copying.cancel()


def _event(line: LogLine) -> bytes:
    data = json.dumps({"ts": line.ts, "source": line.source, "line": line.text})
    return f"id: {line.event_id}\ndata: {data}\n\n".encode()


def _moment(line: LogLine) -> tuple[float, int]:
    """Return the position of a line in the stream, to the millisecond, as in its event id."""
    return (parse_time(line.ts), line.seq)


def _time(text: str, name: str) -> float:
    try:
        return parse_time(text)
    except ValueError:
        raise invalid([f"$.{name}: '{text}' is not valid date-time"]) from None
