# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed sandbox left: its processes are found by the directories they have mounted, then all is removed.

Every directory of pods has a name that exists only once. A process of a pod has its directories mounted, and so the
name stands in the process's list of mounts, whoever started it and whatever it became. bubblewrap, which makes a
pod, has the name in its environment, and so has its child as long as it has nothing mounted yet. On the machine
itself nothing is ever mounted: a pod's mounts are in its own namespace and go with its last process.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from . import disk
from .container import MARK

# A killed process is gone within milliseconds; a machine under load may take its time to tear namespaces down.
_TIMEOUT = 20.0
_POLL_INTERVAL = 0.02


async def sweep(folder: Path) -> list[int]:
    """End every process that has something below `folder` mounted, then delete `folder`.

    Returns the ended processes' numbers. Raises TimeoutError when a process did not end.
    """
    ended: set[int] = set()
    deadline = asyncio.get_running_loop().time() + _TIMEOUT
    while left := [pid for pid in _processes() if _belongs(pid, folder)]:
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(
                f"processes {left} of earlier pods in {folder} did not end within {_TIMEOUT:g} s "
                "after SIGKILL; look at them with ps"
            )
        for pid in left:
            _kill(pid, folder)
        ended.update(left)
        await asyncio.sleep(_POLL_INTERVAL)
    await asyncio.to_thread(disk.remove, folder)
    return sorted(ended)


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _belongs(pid: int, folder: Path) -> bool:
    # Only the end of the path is sure to be in the list of mounts: what comes before it depends on the file system.
    if f"/{folder.name}/".encode() in _read(pid, "mountinfo"):
        return True
    marks = [item for item in _read(pid, "environ").split(b"\0") if item.startswith(f"{MARK}=".encode())]
    return any(f"/{folder.name}/".encode() in mark for mark in marks)


def _read(pid: int, what: str) -> bytes:
    """A file of /proc; empty when the process has ended meanwhile, or is another user's, and then none of ours."""
    try:
        return Path("/proc", str(pid), what).read_bytes()
    except OSError:
        return b""


def _kill(pid: int, folder: Path) -> None:
    """End one process; the number cannot come to mean another one between the look and the signal."""
    try:
        number = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _belongs(pid, folder):
            signal.pidfd_send_signal(number, signal.SIGKILL)
    except ProcessLookupError:
        pass  # It ended by itself.
    finally:
        os.close(number)
