# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH gateway: a second address for every instance, apart from that of its machine.

It listens on its own address (127.0.0.2, still loopback), so that a client that mixes up the two addresses is caught.
An instance has two consecutive ports there. In ssh modes the first one leads to its sshd, in jupyter modes the second,
since the first is Jupyter's.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from podyard_sandbox.pods.ports import Reservation

HOST = "127.0.0.2"
_CHUNK = 65_536  # bytes per read


class GatewayPorts:
    """One instance's two ports at the gateway, for as long as the instance lives."""

    def __init__(self) -> None:
        self._sockets = _neighbours()
        self.port: int = self._sockets[0].getsockname()[1]
        self._server: asyncio.Server | None = None
        self._target: Callable[[], int | None] = lambda: None
        self._tasks: set[asyncio.Task[None]] = set()
        self._unused = Reservation()

    @property
    def unused_port(self) -> int:
        """A port of 127.0.0.1 at which nothing ever listens."""
        return self._unused.port

    async def open(self, *, second: bool, target: Callable[[], int | None]) -> None:
        """Forward connections on the first or second port to whatever port of 127.0.0.1 the target names then."""
        await self.shut()
        self._target = target
        # The reserved sockets never listen; one that does may share the number, and is closed when the gateway shuts.
        self._server = await asyncio.start_server(self._accept, sock=_bound(self.port + second))

    async def shut(self) -> None:
        """Stop accepting connections, and close the open ones; the ports stay reserved."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Release the ports."""
        await self.shut()
        for held in self._sockets:
            held.close()
        self._unused.release()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self._target()
        if port is None:
            return
        there, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            back.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        target.write(data)
        await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()


def _neighbours() -> tuple[socket.socket, socket.socket]:
    """Return two bound sockets with consecutive ports; the kernel picks the first."""
    refused: list[socket.socket] = []
    try:
        while True:
            first = _bound(0)
            try:
                return first, _bound(first.getsockname()[1] + 1)
            except (OSError, OverflowError):
                refused.append(first)
    finally:
        for other in refused:
            other.close()


def _bound(port: int) -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((HOST, port))
    except (OSError, OverflowError):
        held.close()
        raise
    return held
