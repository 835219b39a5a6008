# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No server keeps an exchange waiting, or fills the memory: every one has an end in seconds and in bytes."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
import zlib

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.clock import Clock
from ansible_collections.podyard.gpu.plugins.module_utils._http import (
    exchange as exchange_module,
)
from ansible_collections.podyard.gpu.plugins.module_utils._http import (
    session as session_module,
)
from ansible_collections.podyard.gpu.plugins.module_utils._http.exchange import Limits, TooSlow, exchange
from ansible_collections.podyard.gpu.plugins.module_utils._http.retry import Patience
from ansible_collections.podyard.gpu.plugins.module_utils._http.session import ApiSession
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import HOST, KEY

OK = b"HTTP/1.1 200 OK\r\n"
#: Each byte resets a time-out for one read, so only a limit in all ends it.
LIMITS = Limits(connect=5.0, silence=5.0, total=0.4, body=100_000)
SOON = 4.0


class Drip:
    """A server that sends ``first`` at once, and then ``again`` every twentieth of a second for as long as somebody
    takes it. ``lines`` counts connections, ``cut`` is set when the other side has closed one."""

    def __init__(self, first: bytes, again: bytes = b"") -> None:
        self._first, self._again = first, again
        self.lines = 0
        self.received = b""
        self.cut = threading.Event()

    def __enter__(self) -> Drip:
        self._server = socket.create_server((HOST, 0))
        self.url = f"http://{HOST}:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _address = self._server.accept()
                self.lines += 1
                threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            self.received += line.recv(65536)
            line.sendall(self._first)
            while self._again:
                line.sendall(self._again)
                time.sleep(0.05)  # the pace of the drops
            return
        self.cut.set()


DRIPPING = {
    "the status line": (b"H", b"x"),
    "a header": (OK + b"X-Long: ", b"x"),
    "headers": (OK, b"X-More: y\r\n"),
    "promises": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body of known length": (OK + b"Content-Length: 1000\r\n\r\n", b"x"),
    "a body in chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "a body that the line ends": (OK + b"Connection: close\r\n\r\n", b" "),
    "a refusal": (b"HTTP/1.1 500 Oh\r\nContent-Length: 1000\r\n\r\n", b"x"),
}


def api(server: Drip, limits: Limits = LIMITS, tries: int = 1) -> ApiSession:
    return ApiSession("RunPod", server.url, KEY, limits=limits, patience=Patience(tries=tries))


@pytest.mark.parametrize("what", DRIPPING)
def test_a_server_that_drips_does_not_hold_anybody_up(what):
    with Drip(*DRIPPING[what]) as server:
        begun = time.monotonic()
        with pytest.raises(errors.ServerError, match="no complete answer within"):
            api(server).request("GET", "/v2/pods", attempted="list the pods")
        assert time.monotonic() - begun < SOON
        assert server.cut.wait(SOON), "the line is closed, and its thread ends"


@pytest.mark.parametrize("what", ["headers", "a body of known length"])
def test_of_a_create_that_drips_nobody_knows_what_came(what):
    with Drip(*DRIPPING[what]) as server, pytest.raises(errors.Ambiguous):
        api(server).request("POST", "/v2/pods", body={}, attempted="rent")
    assert server.lines == 1


def test_another_request_can_follow():
    with Drip(*DRIPPING["headers"]) as slow, Drip(OK + b"Content-Length: 2\r\n\r\n{}") as well:
        session = api(slow)
        with pytest.raises(errors.ServerError):
            session.request("GET", "/x", attempted="read x")
        session.base_url = well.url
        assert session.request("GET", "/x", attempted="read x").data == {}


def test_slow_answers_use_up_the_patience_as_waiting_does():
    """Five tries of a minute and a half each would be silence for eight minutes."""
    now = iter(range(0, 100_000, 70))
    clock = Clock(monotonic=lambda: float(next(now)), sleep=lambda _seconds: None)
    with Drip(b"") as server, pytest.raises(errors.ServerError):
        ApiSession("RunPod", server.url, KEY, clock=clock).request("GET", "/x", attempted="read x")
    assert server.lines == 2


BODIES = {
    "of known length": OK + b"Content-Length: 1000000\r\n\r\n" + b"[" * 1_000_000,
    "in chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"[" * 0x4000 + b"\r\n",
    "packed": OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(b"[" * 50_000_000),
}


@pytest.mark.parametrize("what", BODIES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_without_end_is_not_read(what, method):
    again = b"4000\r\n" + b"[" * 0x4000 + b"\r\n" if what == "in chunks" else b""
    kind = errors.BadAnswer if method == "GET" else errors.Ambiguous
    with Drip(BODIES[what], again) as server, pytest.raises(kind, match="longer than 100000 bytes"):
        api(server, Limits(total=SOON, body=100_000), tries=5).request(method, "/x", attempted="read x")
    assert server.lines == 1, "it would be as long the second time"


@pytest.mark.parametrize(
    "packed",
    [
        (b"gzip", gzip.compress(b'{"a": 1}')),
        (b"deflate", zlib.compress(b'{"a": 1}')),
        (b"deflate", zlib.compress(b'{"a": 1}')[2:-4]),
    ],
)
def test_a_packed_answer_is_unpacked(packed):
    header = b"Content-Encoding: " + packed[0] + b"\r\nContent-Length: %d\r\n\r\n" % len(packed[1])
    with Drip(OK + header + packed[1]) as server:
        assert api(server, Limits()).request("GET", "/x", attempted="read x").data == {"a": 1}


def test_what_was_not_sent_in_time_is_never_sent(monkeypatch):
    """The address is found late, for instance, and a create that leaves then makes a pod that nobody expects."""
    found, asked = threading.Event(), threading.Event()
    real = exchange_module._HTTPConnection.connect

    def late(self):
        asked.set()
        found.wait(SOON)
        real(self)

    monkeypatch.setattr(exchange_module._HTTPConnection, "connect", late)
    with Drip(OK + b"Content-Length: 2\r\n\r\n{}") as server:
        with pytest.raises(TooSlow) as caught:
            exchange(exchange_module.session(), LIMITS, "POST", server.url, data=b"{}")
        assert caught.value.sent is False and asked.is_set()
        found.set()
        for thread in threading.enumerate():
            if thread.name == "podyard-exchange":
                thread.join(SOON)
        assert server.received == b""


def test_of_what_was_never_sent_it_is_said_that_nothing_was_done(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(exchange_module._HTTPConnection, "connect", lambda self: over.wait(SOON))
    with Drip(b"") as server, pytest.raises(errors.Unreachable):
        api(server).request("POST", "/v2/pods", body={}, attempted="rent")
    over.set()


def test_an_address_that_an_answer_named_has_the_same_ends(monkeypatch):
    monkeypatch.setattr(session_module, "FETCH_LIMITS", LIMITS)
    with Drip(*DRIPPING["a body in chunks"]) as server:
        begun = time.monotonic()
        assert session_module.fetch_without_key(server.url, server.url) == (0, "")
        assert time.monotonic() - begun < SOON
    with Drip(BODIES["of known length"]) as server:
        assert session_module.fetch_without_key(server.url, server.url) == (0, "")
