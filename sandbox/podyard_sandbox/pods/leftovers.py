# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The leftovers of a killed sandbox: its processes, found by the directories they have mounted, and its files.

Every directory of pods has a unique name. A pod's process has that directory mounted, so the name is in its list of
mounts, whoever started it and whatever it turned into. bubblewrap, which starts a pod, has the name in its environment,
and so has its child until it has mounted anything. Nothing is ever mounted on the machine itself: a pod's mounts are in
its own namespace and disappear with its last process.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from . import disk
from .container import MARK

# A killed process is gone within milliseconds, but a loaded machine may take longer to tear namespaces down.
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
    # Only the end of the path is always in the list of mounts; what precedes it depends on the file system.
    if f"/{folder.name}/".encode() in _read(pid, "mountinfo"):
        return True
    marks = [item for item in _read(pid, "environ").split(b"\0") if item.startswith(f"{MARK}=".encode())]
    return any(f"/{folder.name}/".encode() in mark for mark in marks)


def _read(pid: int, what: str) -> bytes:
    """Read a file of /proc; empty if the process has ended, or is another user's and so not ours."""
    try:
        return Path("/proc", str(pid), what).read_bytes()
    except OSError:
        return b""


def _kill(pid: int, folder: Path) -> None:
    """Kill one process; the PID cannot be reused between the check and the signal."""
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
