# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchange one request and answer over HTTP, within a total time and a maximum size.

The time-outs of the library requests apply to single reads: a server that sends a byte every few seconds keeps it
waiting for ever. So each exchange runs in its own thread, and its caller goes on when the time is over. The connection
is closed then, and what has not left by that moment is never sent: a late create would rent a pod that no caller
expects.
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
from .._core.units import duration

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

#: Seconds to connect: far more than any round trip; a host that takes longer is not there.
CONNECT_SECONDS = 10.0
#: Seconds of silence before an exchange is abandoned. The provider looks for a machine during a create, and a caller
#: that gives up early only makes the outcome ambiguous.
SILENT_SECONDS = 60.0
#: Seconds for a whole exchange: a create that connects slowly and then takes its full minute to the first byte still
#: has twenty seconds for the rest.
TOTAL_SECONDS = 90.0
#: The most bytes of an uncompressed body: the longest known answer, all single machines of a market, has about ten
#: million.
BODY_BYTES = 64 * 1024 * 1024
#: Bytes per read.
CHUNK = 16 * 1024
#: The encodings that are decompressed here, where the size can be checked.
PACKINGS = ("gzip", "x-gzip", "deflate")


@dataclass(frozen=True)
class Limits:
    """What one exchange may take: seconds to connect, of silence, and in total; bytes of the uncompressed body."""

    connect: float = CONNECT_SECONDS
    silence: float = SILENT_SECONDS
    total: float = TOTAL_SECONDS
    body: int = BODY_BYTES


@dataclass(frozen=True)
class Answer:
    """Status, headers and uncompressed body of an HTTP response."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class TooSlow(Exception):
    """The exchange took too long.

    :param sent: True when the request, or a part of it, had left, so that it may have been carried out.
    """

    def __init__(self, seconds: float, sent: bool) -> None:
        super().__init__(f"no complete answer within {duration(seconds)}")
        self.sent = sent


class TooLong(Exception):
    """The body is longer than the limit. The request has left and may have been carried out."""

    def __init__(self, most: int) -> None:
        super().__init__(f"the answer is longer than {most} bytes")


class _Line:
    """The connection of one exchange, which its caller can close; nothing is sent after that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = self._sent = False
        self._socket: socket.socket | None = None

    def sending(self, line: socket.socket | None) -> None:
        """Record that bytes are about to leave.

        :raises ConnectionAbortedError: when the caller has given up on the exchange.
        """
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError("the caller has given up on this request")
            self._sent, self._socket = True, line

    def close(self) -> bool:
        """End the exchange, and return whether anything had been sent."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                # The peer may have closed it at this very moment.
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            return self._sent


#: For each thread, the ``_Line`` of its exchange and the most bytes of a body.
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
            # Otherwise the library would connect, which may take long, and then send without asking again.
            own.connect()
        line.sending(own.sock)
    send(data)


class _PlainPool(_HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(_HTTPSConnectionPool):
    ConnectionCls = _Encrypted


_POOLS = {"http": _PlainPool, "https": _EncryptedPool}


class _Adapter(_HTTPAdapter):
    """An adapter whose connections ask before they send, also through an HTTP proxy, and which limits the body."""

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def send(self, request: Any, stream: bool = False, *arguments: Any, **more: Any) -> Any:
        answer = super().send(request, stream, *arguments, **more)
        if not stream:
            # Otherwise the library reads the body, however long it is.
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
    """Make a ``requests.Session`` for ``exchange``."""
    made = requests.Session()
    made.headers["Accept-Encoding"] = "gzip, deflate"
    for scheme in ("http://", "https://"):
        made.mount(scheme, _Adapter())
    return made


def exchange(session: Any, limits: Limits, method: str, url: str, **arguments: Any) -> Answer:
    """Send one request and read its answer.

    :param arguments: those of ``requests.Session.request``, except for time-outs and redirects. No redirect is
        followed.
    :raises TooSlow: when ``limits.total`` seconds are over. The session must not be used again: the thread may still
        hold it.
    :raises TooLong: when the body exceeds ``limits.body``.
    :raises requests.exceptions.RequestException: for every other failure.
    """
    line, outcome = _Line(), queue.SimpleQueue[Any]()

    def carry_out() -> None:
        _OWN.line, _OWN.most = line, limits.body
        try:
            outcome.put(_carried_out(session, limits, method, url, arguments))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
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
    """Read the body and decompress it.

    The library would decompress a whole chunk at once, and a hostile one grows a thousandfold.
    """
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
    # 47: the header says whether it is gzip or zlib; -15: raw, which is what some servers send as "deflate".
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
    """Encode the body of a request as strict JSON.

    :raises BadRequest: for a number that JSON does not have, such as NaN. Sending another one in its place would ask
        for something else.
    """
    try:
        return json.dumps(body, allow_nan=False).encode()
    except ValueError as error:
        raise errors.BadRequest(f"the request contains a number that JSON cannot express ({error}).") from None
