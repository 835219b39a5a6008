# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One exchange over HTTP that ends: after so many seconds in all, and with so many bytes at most.

The time-outs of requests are for one read each: a server that sends a byte every few seconds keeps it waiting for ever.
So the exchange runs in a thread of its own, and who waits for it goes on when the time is over. The line is closed
then, and what had not been sent by that moment is never sent: a late create would be a pod that nobody expects.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core import errors

try:
    import requests
    import requests.adapters
    from urllib3 import connection, connectionpool
    from urllib3.exceptions import HTTPError
except ImportError as missing:
    LIBRARY_PROBLEM: ImportError | None = missing
    _HTTPAdapter: Any = object
    _HTTPConnection: Any = object
    _HTTPSConnection: Any = object
    _HTTPConnectionPool: Any = object
    _HTTPSConnectionPool: Any = object
else:
    LIBRARY_PROBLEM = None
    _HTTPAdapter = requests.adapters.HTTPAdapter
    _HTTPConnection, _HTTPSConnection = connection.HTTPConnection, connection.HTTPSConnection
    _HTTPConnectionPool, _HTTPSConnectionPool = connectionpool.HTTPConnectionPool, connectionpool.HTTPSConnectionPool

#: Seconds to get a connection: far more than any round trip; longer means that the host is not there.
CONNECT_SECONDS = 10.0
#: Seconds of silence before an answer is given up. A create looks for a machine while we wait, and giving up early
#: only makes an ambiguous case of it.
SILENT_SECONDS = 60.0
#: Seconds for a whole exchange: a create that took its full minute to the first byte still has twenty for the rest.
TOTAL_SECONDS = 90.0
#: Bytes of a body, unpacked: the longest answer known, a whole market of single machines, has some ten million.
BODY_BYTES = 64 * 1024 * 1024
#: Bytes that are read at a time.
CHUNK = 16 * 1024
#: The packings that are unpacked here, where their size can be seen while they grow.
PACKINGS = ("gzip", "x-gzip", "deflate")


@dataclass(frozen=True)
class Limits:
    """What one exchange may take: seconds to connect, of silence, and in all; bytes of the unpacked body."""

    connect: float = CONNECT_SECONDS
    silence: float = SILENT_SECONDS
    total: float = TOTAL_SECONDS
    body: int = BODY_BYTES


@dataclass(frozen=True)
class Answer:
    """What came over the wire."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class TooSlow(Exception):
    """The exchange took too long. ``sent``: the request had left, so that it may have been carried out."""

    def __init__(self, seconds: float, sent: bool) -> None:
        super().__init__(f"no complete answer within {seconds:.0f} s")
        self.sent = sent


class TooLong(Exception):
    """The body is longer than any that this collection reads. The request has left, and may have been carried out."""

    def __init__(self, most: int) -> None:
        super().__init__(f"the answer is longer than {most} bytes")


class _Line:
    """The connection of one exchange: who waits may close it, and nothing is sent after that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = self._sent = False
        self._socket: socket.socket | None = None

    def sending(self, line: socket.socket | None) -> None:
        """Called before bytes leave. :raises ConnectionAbortedError: when nobody waits for the exchange any more."""
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError("nobody waits for this request any more")
            self._sent, self._socket = True, line

    def close(self) -> bool:
        """End the exchange; whether anything had been sent."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                # It may have ended by itself in this moment.
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            return self._sent


#: Of each thread the line of its exchange, and the most bytes of a body.
_OWN = threading.local()


class _Plain(_HTTPConnection):
    """A connection that asks before it sends."""

    def send(self, data: Any) -> None:
        _send(self, super().send, data)


class _Encrypted(_HTTPSConnection):
    """The same over TLS."""

    def send(self, data: Any) -> None:
        _send(self, super().send, data)


def _send(own: Any, send: Any, data: Any) -> None:
    line = getattr(_OWN, "line", None)
    if line is not None:
        if own.sock is None:
            # Else the library would connect, which may take long, and then send without asking again.
            own.connect()
        line.sending(own.sock)
    send(data)


class _PlainPool(_HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(_HTTPSConnectionPool):
    ConnectionCls = _Encrypted


_POOLS = {"http": _PlainPool, "https": _EncryptedPool}


class _Adapter(_HTTPAdapter):
    """Makes connections that ask before they send, also through a proxy that speaks HTTP; reads no body without end."""

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def send(self, request: Any, stream: bool = False, *arguments: Any, **more: Any) -> Any:
        answer = super().send(request, stream, *arguments, **more)
        if not stream:
            # Else the library reads it, however long it is.
            with contextlib.ExitStack() as stack:
                stack.callback(answer.close)
                answer._content = _body(answer, getattr(_OWN, "most", BODY_BYTES))
                stack.pop_all()
        return answer

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **more)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager


def session() -> Any:
    """A ``requests.Session`` for ``exchange``."""
    made = requests.Session()
    made.headers["Accept-Encoding"] = "gzip, deflate"
    for scheme in ("http://", "https://"):
        made.mount(scheme, _Adapter())
    return made


def exchange(session: Any, limits: Limits, method: str, url: str, **arguments: Any) -> Answer:
    """Send one request and read its answer. After TooSlow the session is not to be used again.

    :param arguments: of ``requests.Session.request``, without those for time and redirects: none is followed.
    :raises TooSlow, TooLong: see there. :raises requests.exceptions.RequestException: what the library says.
    """
    line, outcome = _Line(), queue.SimpleQueue[Any]()

    def carry_out() -> None:
        _OWN.line, _OWN.most = line, limits.body
        try:
            outcome.put(_carried_out(session, limits, method, url, arguments))
        except BaseException as error:  # noqa: BLE001 - it is raised again where somebody waits for it
            outcome.put(error)

    threading.Thread(target=carry_out, name="podyard-exchange", daemon=True).start()
    try:
        came: Any = outcome.get(timeout=limits.total)
    except queue.Empty:
        raise TooSlow(limits.total, line.close()) from None
    if isinstance(came, Answer):
        return came
    raise came


def _carried_out(session: Any, limits: Limits, method: str, url: str, arguments: Mapping[str, Any]) -> Answer:
    times = (min(limits.connect, limits.total), min(limits.silence, limits.total))
    answer = session.request(method, url, timeout=times, allow_redirects=False, **arguments)
    return Answer(answer.status_code, answer.headers, answer.content)


def _body(answer: Any, most: int) -> bytes:
    """The unpacked body. The library would unpack a whole chunk at once, a thousandfold where it was made for that."""
    packed = bytearray()
    try:
        while chunk := answer.raw.read(CHUNK, decode_content=False):
            packed += chunk
            if len(packed) > most:
                raise TooLong(most)
    except HTTPError as error:
        raise requests.exceptions.ConnectionError(error) from error
    packing = answer.headers.get("Content-Encoding", "").strip().lower()
    return _unpacked(bytes(packed), most) if packing in PACKINGS and packed else bytes(packed)


def _unpacked(packed: bytes, most: int) -> bytes:
    # 47: the header says whether it is gzip or zlib; -15: neither, as some servers understand "deflate".
    problem: Exception | None = None
    for window in (47, -15):
        unpacker = zlib.decompressobj(window)
        try:
            content = unpacker.decompress(packed, most + 1)
        except zlib.error as error:
            problem = error
            continue
        if len(content) > most:
            raise TooLong(most)
        return content
    raise requests.exceptions.ContentDecodingError(problem)


def encoded(body: Any) -> bytes:
    """The body of a request as strict JSON.

    :raises BadRequest: for a number that JSON does not have. Another one in its place would be another wish.
    """
    try:
        return json.dumps(body, allow_nan=False).encode()
    except ValueError as error:
        raise errors.BadRequest(f"a value of the request is no number that can be sent ({error}).") from None
