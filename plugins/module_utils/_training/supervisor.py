# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a training's command and wait for every process that it leaves behind.

The text of this file is also written to the host and run there as a program, so it needs only the standard library and
imports nothing of this collection.

`python -I supervisor.py DIRECTORY SECONDS COMMAND...` ends with the exit code that counts for the run.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
from types import FrameType

# This variable marks every process of a training, wherever it is in the process tree.
MARKER = "PODYARD_RUN_DIR"
# How soon the end of the last process is noticed.
LOOK_SECONDS = 0.2
# Workers and pipes end within milliseconds of the program that they belong to.
SETTLE_SECONDS = 0.6
# Processor time is averaged over this span, so that a burst does not count as work, nor a pause as its end.
WINDOW_SECONDS = 10.0
# Share of one processor that all processes together must use to count as working. A training that feeds a GPU keeps at
# least one processor half busy; servers for curves and logs, idle notebooks and agents use a few percent.
BUSY_SHARE = 0.2
# An idle GPU shows a percent or two now and then.
BUSY_PERCENT = 5.0
# Between SIGTERM and SIGKILL: enough to write a checkpoint of some GB.
GRACE_SECONDS = 30.0
# Seconds for the kernel to clean up a killed process; one that holds tens of GB of GPU memory takes a while.
KILL_SECONDS = 20.0
# Processes that a message names, and characters of each, to keep it readable.
NAMED, SHOWN = 5, 80
# Exit codes of processes that were asked to end: SIGHUP, SIGINT, SIGTERM. A script that ends its helpers did not fail.
ASKED_TO_END = frozenset({129, 130, 143})
STOPPED = 128 + signal.SIGTERM
PR_SET_CHILD_SUBREAPER = 36
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")


def _fields(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the state on; None for a zombie and for no process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields


def _parents() -> dict[int, int]:
    """Return the parent of every process."""
    stats = ((int(name), _fields(int(name))) for name in os.listdir("/proc") if name.isdigit())
    return {pid: int(fields[1]) for pid, fields in stats if fields is not None}


def _is_marked(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return mark in stream.read().split(b"\0")
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False


def members(directory: str, root: int | None) -> list[int]:
    """Return the living processes of the training in `directory`: all below `root`, and all with its environment.

    The environment finds those that left the tree, such as workers in their own sessions whose parent is gone. `root`
    itself, which only waits for the others, is not among them.
    """
    parents = _parents()
    mark = f"{MARKER}={directory}".encode(errors="surrogateescape")
    found = {pid for pid in parents if pid == root or _is_marked(pid, mark)}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found and pid not in found}
        found |= more
        grown = bool(more)
    return sorted(found - {os.getpid(), root})


def _name(pid: int) -> str:
    """Return what a message calls a process: `123 (python train.py)`."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            words = stream.read(4096).replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        words = ""
    words = _CONTROL.sub(" ", words).strip()
    return f"{pid} ({words[:SHOWN]})" if words else str(pid)


def _ticks(pids: list[int]) -> dict[int, int]:
    """Return the processor time of each process and its ended children, in the kernel's ticks."""
    stats = ((pid, _fields(pid)) for pid in pids)
    return {pid: sum(map(int, fields[11:15])) for pid, fields in stats if fields is not None}


def _holds_gpu(pid: int) -> bool:
    """Return whether a process has opened a GPU. Only our own processes show that."""
    try:
        files = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    return any(path.startswith(("/dev/nvidia", "/dev/kfd", "/dev/dri/")) for path in files)


def _gpu_is_busy(directory: str) -> bool:
    """Return whether one of the last samples of the GPU shows work."""
    try:
        with open(os.path.join(directory, "gpu.jsonl"), "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - 4096))
            lines = stream.read().splitlines()[-8:]
    except OSError:
        return False
    for line in lines:
        try:
            used = json.loads(line).get("utilization_percent")
        except (ValueError, AttributeError):
            continue
        if isinstance(used, (int, float)) and used > BUSY_PERCENT:
            return True
    return False


class Activity:
    """Measures how long processes have been idle: using neither a processor nor the GPU."""

    def __init__(self, directory: str, pids: list[int], window: float) -> None:
        self.directory, self.window = directory, window
        self.active_at = self._since = time.monotonic()
        self._before = _ticks(pids)

    def idle(self, pids: list[int]) -> float:
        """Return the seconds since these processes were last seen at work."""
        now = time.monotonic()
        if now - self._since >= self.window:
            after = _ticks(pids)
            used = sum(ticks - self._before.get(pid, 0) for pid, ticks in after.items())
            share = used / os.sysconf("SC_CLK_TCK") / (now - self._since)
            if share >= BUSY_SHARE or (_gpu_is_busy(self.directory) and any(map(_holds_gpu, pids))):
                self.active_at = now
            self._since, self._before = now, after
        return now - self.active_at


class Supervisor:
    """Runs one command and waits for its processes.

    `patience` is for how many seconds processes that the command leaves behind may be idle.
    """

    def __init__(self, directory: str, patience: float) -> None:
        self.directory, self.patience = directory, patience
        self.names: dict[int, str] = {}
        self.code = 0

    def run(self, command: list[str]) -> int:
        """Run the command until its last process ends; return the exit code that counts for the run."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            # A signal that ends the training is for its processes. They would inherit SIG_IGN, but not a handler.
            signal.signal(number, _ignored)
        # A process that loses its parent becomes a child of this one, so that its end and its exit code are known.
        _libc_call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if self._is_stopped():
            return STOPPED
        # Kept in a variable: a discarded Popen would reap its process, but `_awaited` must see its end.
        main = subprocess.Popen(command, start_new_session=True)  # pylint: disable=ansible-bad-function
        if self._is_stopped():
            # The one who stops the training may have looked before there was a process to end.
            send([main.pid], signal.SIGTERM)
        self.code = _awaited(main.pid)
        left = self._settled()
        if left:
            self._wait_for(left)
        return self.code

    def _settled(self) -> list[int]:
        """Return what still runs after a short wait for the processes that end with the command anyway."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (left := self._look()) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        return left

    def _look(self) -> list[int]:
        """Return what still runs, after recording what has ended."""
        while True:
            goes_on = self._reap()
            left = members(self.directory, os.getpid())
            # Read the names each time: a process that was just forked becomes another program a moment later.
            self.names.update({pid: _name(pid) for pid in left})
            if left or not goes_on:
                return left
            # A process that forks and ends while /proc is read can hide its child, but the kernel knows of that child.
            time.sleep(LOOK_SECONDS)

    def _wait_for(self, left: list[int]) -> None:
        names = ", ".join(map(_name, left[:NAMED])) + (f" and {len(left) - NAMED} more" if left[NAMED:] else "")
        count = f"{len(left)} process{'' if len(left) == 1 else 'es'}"
        says = f"The command ended with exit code {self.code} and left {count} running: {names}."
        if self.code:
            tell(f"{says} It failed, so what it left is ended.")
            self._end(left)
            return
        tell(f"{says} The run continues until the last of its processes ends.")
        activity = Activity(self.directory, left, min(WINDOW_SECONDS, max(self.patience / 4, LOOK_SECONDS)))
        while left:
            time.sleep(LOOK_SECONDS)
            left = self._look()
            if left and activity.idle(left) >= self.patience:
                tell(
                    f"These processes have used neither a processor nor the GPU for {self.patience:g} s, so they are "
                    f"not training and are ended: {', '.join(map(_name, left[:NAMED]))}."
                )
                self._end(left)
                return
        if self._is_stopped():
            self.code = STOPPED

    def _is_stopped(self) -> bool:
        """Return whether the training was asked to stop."""
        return os.path.exists(os.path.join(self.directory, "stopped"))

    def _reap(self) -> bool:
        """Record processes that ended by themselves and failed; return whether there are more children."""
        ended, goes_on = _ended()
        for pid, code in ended:
            if code and code not in ASKED_TO_END and pid in self.names:
                tell(f"The process {self.names[pid]}, which the command left running, ended with exit code {code}.")
                self.code = self.code or code
        return goes_on

    def _end(self, left: list[int]) -> None:
        """Ask the processes to end, then kill them. Their exit codes do not count for the run."""
        for number, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
            deadline = time.monotonic() + patience
            send(left, number)
            while left and time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS)
                _ended()
                left = members(self.directory, os.getpid())
                if number == signal.SIGKILL:
                    # Repeated, because a process may have started another one between look and kill.
                    send(left, number)
        if left:
            tell(f"These processes did not end, even after SIGKILL: {', '.join(map(_name, left[:NAMED]))}.")


def tell(sentence: str) -> None:
    """Write a sentence to the training's log."""
    sys.stderr.write(f"podyard: {sentence}\n")
    sys.stderr.flush()


def send(pids: list[int], number: int) -> None:
    """Send a signal to those of the processes that still exist."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _ignored(_number: int, _frame: FrameType | None) -> None:
    """Do nothing, in place of a signal's default action."""


def _libc_call(name: str, *arguments: int) -> bool:
    """Call a function of the C library that Python does not offer; return whether it worked."""
    try:
        return bool(getattr(ctypes.CDLL(None), name)(*arguments) == 0)
    except (OSError, AttributeError):
        return False


def _exit_code(status: int) -> int:
    """Return the exit code of a wait status, as a shell reports it."""
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _awaited(main: int) -> int:
    """Wait for one child and return its exit code; reap every other one that ends meanwhile."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == main:
            return _exit_code(status)


def _ended() -> tuple[list[tuple[int, int]], bool]:
    """Return the children that have ended since the last call, each with its exit code, and whether there are more."""
    found: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found, False
        if not pid:
            return found, True
        found.append((pid, _exit_code(status)))


if __name__ == "__main__":
    raise SystemExit(Supervisor(sys.argv[1], float(sys.argv[2])).run(sys.argv[3:]))
