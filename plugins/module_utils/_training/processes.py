# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End all processes of a training, and complete its record when it was ended from outside."""

from __future__ import annotations

import os
import signal
import time

from .state import living_pid, start_ticks, state_of
from .supervisor import KILL_SECONDS, members, send

# The runner writes the exit code within milliseconds of the training's end, on a network volume within seconds.
BOOKS_SECONDS = 15.0
LOOK_SECONDS = 0.05


def settle(directory: str, *, killed: bool) -> None:
    """Wait until the runner has written how the training ended; if the runner is gone, write it instead."""
    deadline = time.monotonic() + BOOKS_SECONDS
    while state_of(directory)["state"] == "running" and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    if state_of(directory)["state"] not in ("running", "lost"):
        return
    for process in (living_pid(directory), living_pid(directory, "child")):
        if process is not None:
            os.kill(process, signal.SIGKILL)
    _put(directory, "ended_at", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    _put(directory, "exit_code", str(128 + (signal.SIGKILL if killed else signal.SIGTERM)))


def _put(directory: str, name: str, text: str) -> None:
    """Write a small file in one step."""
    temporary = os.path.join(directory, f".{name}.new")
    with open(temporary, "w", encoding="utf-8") as stream:
        stream.write(text + "\n")
    os.replace(temporary, os.path.join(directory, name))


def end_all(directory: str, child: int | None, grace: float) -> tuple[int, int]:
    """End all processes of a training: send SIGTERM, wait `grace` seconds, send SIGKILL.

    `child` is the process that waits for all the others and ends with the last of them. Return how many others there
    were and how many of them were killed.

    Raises TimeoutError when a killed process does not end.
    """
    asked: set[int] = set()
    killed: set[int] = set()
    deadline = time.monotonic() + grace
    # While it waits, something still runs, though a look at /proc can miss a process that forks at that moment.
    while (left := members(directory, child)) or _lives(child):
        fresh = [pid for pid in left if pid not in asked]
        send(fresh, signal.SIGTERM)
        asked.update(fresh)
        if time.monotonic() >= deadline:
            break
        time.sleep(LOOK_SECONDS)
    deadline = time.monotonic() + KILL_SECONDS
    while (left := members(directory, child)) or _lives(child):
        # Repeated, because a process may have started another one between look and kill.
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
