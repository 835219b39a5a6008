# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Public ports on loopback, reserved for one pod.

The kernel picks the port (bind to 0), and a socket that is bound but never listens holds it. While it is held, the
kernel gives the number to no program that asks for any port, neither to listen nor for an outgoing connection, but
sshd, which sets SO_REUSEADDR like this socket, can bind that number and listen on it. So there is no moment in which
another program can take the port.
"""

from __future__ import annotations

import socket

# Requested port numbers above this one mean "any public port that is the same inside and outside".
_SYMMETRIC_FROM = 65_535


class Reservation:
    """One reserved port of 127.0.0.1."""

    def __init__(self, *, avoid: frozenset[int] = frozenset()) -> None:
        refused: list[socket.socket] = []
        try:
            while True:
                held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held.bind(("127.0.0.1", 0))
                if held.getsockname()[1] not in avoid:
                    break
                refused.append(held)
        finally:
            for other in refused:
                other.close()
        self._socket = held
        self.port: int = held.getsockname()[1]

    def release(self) -> None:
        """Give the port back to the kernel."""
        self._socket.close()


class PublicPorts:
    """The public ports of one start of a pod.

    SSH gets a new port at every start. Pods share this machine's network, so what a pod serves on any other TCP port
    is reachable at that same number; a number above 65535 asks for a port that is the same on both sides.
    """

    def __init__(self, asked: tuple[str, ...], *, avoid: frozenset[int] = frozenset(), gateway: bool = False) -> None:
        self._held: list[Reservation] = []
        self.ports: dict[str, int] = {}
        # sshd always has a port to listen on; it is published only if 22/tcp was asked for.
        self.sshd = self._reserve(avoid)
        self.gateway = self._reserve(avoid) if gateway else None
        for entry in asked:
            number, kind = entry.split("/")
            if kind == "tcp":
                self.ports[entry] = self._public(int(number), avoid)

    def environment(self) -> dict[str, str]:
        """Return RUNPOD_TCP_PORT_<port> and RUNPOD_PUBLIC_IP, as a pod with public ports sees them."""
        if not self.ports:
            return {}
        found = {f"RUNPOD_TCP_PORT_{entry.split('/')[0]}": str(port) for entry, port in self.ports.items()}
        return {"RUNPOD_PUBLIC_IP": "127.0.0.1", **found}

    def release(self) -> None:
        """Give all ports back to the kernel."""
        for held in self._held:
            held.release()

    def _public(self, number: int, avoid: frozenset[int]) -> int:
        if number == 22:
            return self.sshd
        return self._reserve(avoid) if number > _SYMMETRIC_FROM else number

    def _reserve(self, avoid: frozenset[int]) -> int:
        held = Reservation(avoid=avoid)
        self._held.append(held)
        return held.port
