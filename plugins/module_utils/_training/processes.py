# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All processes of a training on a host, and ending them. Private to this collection."""

from __future__ import annotations

import signal
import time

from .state import start_ticks
from .supervisor import KILL_SECONDS, members, send

# Between two looks at processes that are ending. They end within milliseconds, or take the whole grace time.
LOOK_SECONDS = 0.05


def end_all(directory: str, child: int | None, grace: float) -> tuple[int, int]:
    """End all processes of a training: ask, wait `grace` seconds, kill.

    `child` is the process that waits for all the others and ends with the last of them. Return how many others there
    were and how many were killed.

    Raises TimeoutError when a killed process does not go.
    """
    asked: set[int] = set()
    killed: set[int] = set()
    deadline = time.monotonic() + grace
    # As long as it waits, there is something left, though a look at /proc can miss what forks in the same moment.
    while (left := members(directory, child)) or _lives(child):
        fresh = [pid for pid in left if pid not in asked]
        send(fresh, signal.SIGTERM)
        asked.update(fresh)
        if time.monotonic() >= deadline:
            break
        time.sleep(LOOK_SECONDS)
    deadline = time.monotonic() + KILL_SECONDS
    while (left := members(directory, child)) or _lives(child):
        # Again and again: a process may have started another one between look and kill.
        send(left, signal.SIGKILL)
        killed.update(left)
        time.sleep(LOOK_SECONDS)
        if time.monotonic() > deadline:
            if left:
                raise TimeoutError(f"processes {', '.join(map(str, left))} did not end after SIGKILL")
            break
    return len(asked | killed), len(killed)


def _lives(child: int | None) -> bool:
    return child is not None and start_ticks(child) is not None
