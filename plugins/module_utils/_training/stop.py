# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing the books of a training that was ended from outside. Private to this collection."""

from __future__ import annotations

import os
import signal
import time

from .state import living_pid, state_of

# The runner writes the exit code within milliseconds after the training's end; on a network volume within seconds.
BOOKS_SECONDS = 15.0
LOOK_SECONDS = 0.05


def settle(directory: str, *, killed: bool) -> None:
    """Wait until the runner has written how the training ended; where it is gone, write that in its stead."""
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
