# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All processes of a training on a host, and ending them. Private to this collection."""

from __future__ import annotations

import os
import signal
import time

from ansible_collections.podyard.gpu.plugins.module_utils._training_runner import MARKER

# Between two looks at processes that are ending. They end within milliseconds, or take the whole grace time.
LOOK_SECONDS = 0.05
# Seconds for the kernel to take apart a killed process; one that holds tens of GB of GPU memory takes a while.
KILL_SECONDS = 20.0


def _parents() -> dict[int, int]:
    """The parent of every process."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stream:
                fields = stream.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] not in "ZX":
            found[int(name)] = int(fields[1])
    return found


def _is_marked(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return mark in stream.read().split(b"\0")
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False


def members(directory: str, child: int | None) -> list[int]:
    """The living processes of the training in `directory`: `child`, all below it, and all that inherited its
    environment.

    The last catches what left the tree, such as workers in sessions of their own whose parent is gone.
    """
    parents = _parents()
    mark = f"{MARKER}={directory}".encode(errors="surrogateescape")
    found = {pid for pid in parents if pid == child or _is_marked(pid, mark)}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found and pid not in found}
        found |= more
        grown = bool(more)
    return sorted(found - {os.getpid()})


def _send(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end_all(directory: str, child: int | None, grace: float) -> tuple[int, int]:
    """End all processes of a training: ask, wait `grace` seconds, kill.

    Return how many there were and how many were killed.

    Raises TimeoutError when a killed process does not go.
    """
    first = members(directory, child)
    _send(first, signal.SIGTERM)
    deadline = time.monotonic() + grace
    left = first
    while left and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        left = members(directory, child)
    killed = len(left)
    deadline = time.monotonic() + KILL_SECONDS
    while left:
        # Again and again: a process may have started another one between look and kill.
        _send(left, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)
        left = members(directory, child)
        if left and time.monotonic() > deadline:
            raise TimeoutError(f"processes {', '.join(map(str, left))} did not end after SIGKILL")
    return len(first), killed
