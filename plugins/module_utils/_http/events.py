# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Server-sent events of a stream that never ends by itself, read with a deadline of our own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from .._core.errors import CloudError, ServerError
from .exchange import CONNECT_SECONDS
from .session import ApiSession, Response, decode

#: Seconds without a new line after which the backlog counts as read: it is sent in one go, so a pause of several
#: round trips means that it is through.
QUIET = 0.5
#: Bytes of a stream that are read: some thousand lines, of which a person sees the last.
STREAM_BYTES = 8 * 1024 * 1024
#: Bytes of a refusal that are read: a sentence.
REFUSAL_BYTES = 64 * 1024
_END = object()


def read_events(
    api: ApiSession,
    path: str,
    query: Mapping[str, Any],
    *,
    deadline: float,
    quiet: float = QUIET,
    attempted: str,
) -> list[str]:
    """The ``data:`` payloads that arrive until the stream ends, pauses for ``quiet`` seconds, or ``deadline`` seconds
    are over.

    The reading happens in a thread with a session of its own, for a blocking read cannot be cut short from outside;
    the thread ends by itself at the deadline.

    :raises CloudError: when the server refuses, or when it cannot be reached. No event within the deadline is an
        empty list.
    """
    items: queue.Queue[Any] = queue.Queue()
    # The deadline is for the reading: a log that is not read makes the host keys unknown, so it waits for its turn.
    moment = api.admit("GET", attempted)
    arguments = (api, path, dict(query), deadline, items, moment)
    threading.Thread(target=_pump, args=arguments, name="podyard-events", daemon=True).start()
    payloads: list[str] = []
    end = time.monotonic() + deadline
    while True:
        left = end - time.monotonic()
        try:
            item = items.get(timeout=max(0.0, min(left, quiet) if payloads else left))
        except queue.Empty:
            return payloads
        if item is _END:
            return payloads
        if isinstance(item, Response):
            raise api.refusal("GET", item, attempted)
        if isinstance(item, Exception):
            if payloads:
                return payloads
            raise item
        payloads.append(item)


def _pump(
    api: ApiSession, path: str, query: dict[str, Any], deadline: float, items: queue.Queue[Any], moment: float
) -> None:
    """Read the stream into ``items``: payloads, then _END, the refusing Response, or the error that ended it."""
    import requests

    end = time.monotonic() + deadline
    try:
        with (
            api.fresh_session() as session,
            session.get(
                api.base_url + path,
                params=query,
                headers={"Accept": "text/event-stream"},
                timeout=(CONNECT_SECONDS, deadline),
                stream=True,
                allow_redirects=False,
            ) as answer,
        ):
            api.budget.learn(answer.status_code, answer.headers, moment)
            if answer.status_code >= 300:
                refusal = next(answer.iter_content(REFUSAL_BYTES), b"")
                items.put(decode(answer.status_code, refusal, answer.headers))
                return
            for line in _lines(answer, end):
                if line.startswith(b"data:"):
                    items.put(line[5:].strip().decode("utf-8", errors="replace"))
        items.put(_END)
    except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError) as error:
        # urllib3 reports a silence in the middle of a body as a connection error that wraps the time-out.
        quiet = isinstance(error, requests.exceptions.ReadTimeout) or "timed out" in str(error).lower()
        items.put(_END if quiet else ServerError(f"Could not read the stream of {api.title}: the line was lost."))
    except requests.exceptions.RequestException as error:
        items.put(ServerError(f"Could not read the stream of {api.title}: {type(error).__name__}."))
    except CloudError as error:
        items.put(error)


def _lines(answer: Any, end: float) -> Iterator[bytes]:
    """The lines of a stream, until so many bytes came or the time is over: nobody waits for what comes then."""
    # Chunks are taken as they come; without chunks a larger read would wait until its buffer is full.
    chunked = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
    rest, left = b"", STREAM_BYTES
    for chunk in answer.iter_content(chunk_size=None if chunked else 1):
        left -= len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if left <= 0 or time.monotonic() >= end:
            return
    yield rest
