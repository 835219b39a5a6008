# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a pod got how far, so that a client's own share of a wait can be told from the sandbox's."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

RENTED, RUNNING, ADDRESSED, PORT_OPEN, AUTHENTICATED = "rented", "running", "addressed", "port_open", "authenticated"
# Seconds between two looks at the kernel's table: a small part of the shortest stage.
_POLL_INTERVAL = 0.03
# Seconds after which nobody waits any more for a server that is overdue.
_TIMEOUT = 60.0
_TABLE = Path("/proc/net/tcp")
_LISTENS = "0A"


class Stages:
    """The moments, in seconds since 1970, at which one start of a pod reached its stages.

    Of a key only those count that the platform put there; one that the pod's own script installs is not seen here.
    """

    def __init__(self, began: float | None = None) -> None:
        self.moments: dict[str, float] = {RENTED: time.time() if began is None else began}
        self.keyed = False

    def reach(self, stage: str, at: float | None = None) -> None:
        """Note a stage, once."""
        self.moments.setdefault(stage, time.time() if at is None else at)

    def key_installed(self) -> None:
        """A key may log in from now on, or from when the server answers."""
        self.keyed = True
        if PORT_OPEN in self.moments:
            self.reach(AUTHENTICATED)

    async def follow(self, port: int, delay: float) -> None:
        """Note when somebody listens at a port of this machine, which should be after ``delay`` seconds."""
        try:
            await asyncio.wait_for(LISTENING_PORTS.opened(port), delay + _TIMEOUT)
        except TimeoutError:
            return
        self.reach(PORT_OPEN)
        if self.keyed:
            self.reach(AUTHENTICATED)


class ListeningPorts:
    """The ports of this machine. The kernel's table is read once for all who wait, and no server notices it."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._read = 0.0

    async def opened(self, port: int) -> None:
        """Return when somebody listens there."""
        while port not in self._table():
            await asyncio.sleep(_POLL_INTERVAL)

    def _table(self) -> set[int]:
        now = time.monotonic()
        if now - self._read >= _POLL_INTERVAL:
            self._open, self._read = _listening(), now
        return self._open


def _listening() -> set[int]:
    """The ports of this machine at which somebody listens."""
    found = set()
    for line in _TABLE.read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTENS:
            found.add(int(fields[1].rpartition(":")[2], 16))
    return found


LISTENING_PORTS = ListeningPorts()


def shown(moments: dict[str, float] | None) -> dict[str, float]:
    """Seconds from the rent, or from a later start, to each stage that was reached."""
    if not moments:
        return {}
    began = moments[RENTED]
    return {stage: round(moment - began, 3) for stage, moment in moments.items() if stage != RENTED}
