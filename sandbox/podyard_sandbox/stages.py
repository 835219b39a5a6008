# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a pod reached which stage, to tell a client's share of a wait from the sandbox's."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

RENTED, RUNNING, ADDRESSED, PORT_OPEN, AUTHENTICATED = "rented", "running", "addressed", "port_open", "authenticated"
# Seconds between two reads of the kernel's table: a small part of the shortest stage.
_POLL_INTERVAL = 0.03
# Seconds after which an overdue server is given up.
_TIMEOUT = 60.0
_TABLE = Path("/proc/net/tcp")
_LISTENS = "0A"


class Stages:
    """The moments, in seconds since 1970, at which one start of a pod reached its stages.

    Only keys installed by the platform count; one that the pod's own script installs is not noticed.
    """

    def __init__(self, began: float | None = None) -> None:
        self.moments: dict[str, float] = {RENTED: time.time() if began is None else began}
        self.keyed = False

    def reach(self, stage: str, at: float | None = None) -> None:
        """Record a stage the first time it is reached."""
        self.moments.setdefault(stage, time.time() if at is None else at)

    def key_installed(self) -> None:
        """Record that a key may log in, now or as soon as the server listens."""
        self.keyed = True
        if PORT_OPEN in self.moments:
            self.reach(AUTHENTICATED)

    async def follow(self, port: int, delay: float) -> None:
        """Record when a server listens at a port of this machine, expected after ``delay`` seconds."""
        try:
            await asyncio.wait_for(LISTENING_PORTS.opened(port), delay + _TIMEOUT)
        except TimeoutError:
            return
        self.reach(PORT_OPEN)
        if self.keyed:
            self.reach(AUTHENTICATED)


class ListeningPorts:
    """The listening ports of this machine, from the kernel's table: one read serves all waiters, no server notices."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._read = 0.0

    async def opened(self, port: int) -> None:
        """Wait until a server listens at the port."""
        while port not in self._table():
            await asyncio.sleep(_POLL_INTERVAL)

    def _table(self) -> set[int]:
        now = time.monotonic()
        if now - self._read >= _POLL_INTERVAL:
            self._open, self._read = _listening(), now
        return self._open


def _listening() -> set[int]:
    """Return the ports of this machine at which a server listens."""
    found = set()
    for line in _TABLE.read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTENS:
            found.add(int(fields[1].rpartition(":")[2], 16))
    return found


LISTENING_PORTS = ListeningPorts()


def shown(moments: dict[str, float] | None) -> dict[str, float]:
    """Return the seconds from the rent, or from a later start, to each stage that was reached."""
    if not moments:
        return {}
    began = moments[RENTED]
    return {stage: round(moment - began, 3) for stage, moment in moments.items() if stage != RENTED}
