# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the server-sent events of a stream that never ends by itself, with a deadline of our own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from .._core.errors import CloudError, ServerError
from .exchange import CONNECT_SECONDS
from .session import ApiSession, Response, decode

#: Seconds without a new line after which the backlog counts as read: the server sends it in one go, so a pause of
#: several round trips means that all of it has arrived.
QUIET = 0.5
#: The most bytes of a stream to read: thousands of lines, of which a person sees the last few.
STREAM_BYTES = 8 * 1024 * 1024
#: The most bytes of a refusal to read: it is one sentence.
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
    """Read the ``data:`` payloads of a stream until it ends, falls silent or the deadline passes.

    A thread with its own session does the reading, because a blocking read cannot be interrupted from outside. The
    thread ends by itself at the deadline.

    :param deadline: seconds for all of the reading.
    :param quiet: seconds of silence, after the first event, that end the reading.
    :param attempted: what is tried, for messages, as a verb phrase: ``read the log of the pod x``.
    :returns: the payloads in order; an empty list when none arrived before the deadline.
    :raises CloudError: when the server refuses or cannot be reached.
    """
    items: queue.Queue[Any] = queue.Queue()
    # The wait for the request quota comes on top of the deadline: without the log, the host keys stay unknown.
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
        items.put(_END if quiet else ServerError(f"Could not read the stream from {api.title}: the connection broke."))
    except requests.exceptions.RequestException as error:
        items.put(ServerError(f"Could not read the stream from {api.title}: {type(error).__name__}."))
    except CloudError as error:
        items.put(error)


def _lines(answer: Any, end: float) -> Iterator[bytes]:
    """Yield the lines of a stream until it ends, STREAM_BYTES have arrived, or the clock reaches ``end``."""
    # Chunks are taken as they come. A stream without chunks is read byte by byte: a larger read would wait until its
    # buffer is full.
    chunked = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
    rest, left = b"", STREAM_BYTES
    for chunk in answer.iter_content(chunk_size=None if chunked else 1):
        left -= len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if left <= 0 or time.monotonic() >= end:
            return
    yield rest
