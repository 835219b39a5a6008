# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The terminal at which somebody called ansible-playbook, lent to a program.

A task runs in a process that has neither a terminal nor ansible-playbook's session, but its parent has both. While the
task runs, ansible-playbook itself neither reads nor writes there.
"""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import signal
import stat
import subprocess
import termios
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...module_utils._pods.ssh_options import environment

# How soon a changed size of the window reaches the program.
LOOK_SECONDS = 0.3
# A program that was asked to end gets this long before it is killed.
END_SECONDS = 2.0


def controller_pid() -> int:
    """Return the process id of the ansible-playbook that this task runs for."""
    parent = multiprocessing.parent_process()
    return parent.pid if parent is not None and parent.pid else os.getppid()


def terminal_of(pid: int) -> str | None:
    """Return a path by which the terminal of a process can be opened; None when it has no user.

    It has one when the process is in the terminal's foreground, and reads and writes there.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        group, device, foreground = (int(fields[index]) for index in (2, 4, 5))
        streams = [os.stat(f"/proc/{pid}/fd/{number}") for number in (0, 1)]
    except (OSError, ValueError, IndexError):
        return None
    number = os.makedev(device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00)
    there = all(stat.S_ISCHR(stream.st_mode) and stream.st_rdev == number for stream in streams)
    # Opened by way of the process: in a container the name of a terminal may mean another one.
    return f"/proc/{pid}/fd/0" if there and group == foreground else None


@contextlib.contextmanager
def lent(path: str) -> Iterator[int]:
    """Lend a descriptor of the terminal to a with block, and restore its settings afterwards."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        before = termios.tcgetattr(descriptor)
        try:
            yield descriptor
        finally:
            # It is not this process's own terminal, so it is not stopped for writing there.
            with contextlib.suppress(termios.error):
                termios.tcsetattr(descriptor, termios.TCSANOW, before)
    finally:
        os.close(descriptor)


def run_at(descriptor: int, command: Sequence[str], meanwhile: Callable[[], None]) -> int:
    """Run a program at a terminal and return its exit code; `meanwhile` is called again and again until then.

    Raises OSError when it cannot be started.
    """
    size = _size(descriptor)
    with subprocess.Popen(
        command, stdin=descriptor, stdout=descriptor, stderr=descriptor, env=environment()
    ) as process:
        try:
            while True:
                meanwhile()
                try:
                    return process.wait(LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    # The kernel tells only the terminal's own session that the window has another size.
                    if (now := _size(descriptor)) != size:
                        size = now
                        process.send_signal(signal.SIGWINCH)
        except BaseException:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


def _size(descriptor: int) -> bytes:
    with contextlib.suppress(OSError):
        return fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8))
    return b""
