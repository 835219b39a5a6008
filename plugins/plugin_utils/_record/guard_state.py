# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard and the controller tell each other: guard.json, and who lives.

guard.json holds: state (armed, released, giving_back, gave_back, failed), pid and create_time of the guard, host (the
machine it runs on), controller {pid, create_time}, project, run_id, providers, armed_at, ended_at, tries, pods (what
was given back), error (a sentence or null).
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...module_utils._pods import books
from .._common.files import LOCK_PATIENCE, locked, private_directory, read_json, write_json

try:
    import psutil
except ImportError as missing:
    LIBRARY_PROBLEM: ImportError | None = missing
else:
    LIBRARY_PROBLEM = None

ARMED, RELEASED, GIVING_BACK, GAVE_BACK, FAILED = "armed", "released", "giving_back", "gave_back", "failed"
STATES = (ARMED, RELEASED, GIVING_BACK, GAVE_BACK, FAILED)
# What a person's hand or a crash may have made of guard.json must not keep anybody from giving pods back.
TYPES: dict[str, Any] = {
    "state": str,
    "host": str | None,
    "project": str,
    "run_id": str,
    "providers": list,
    "tries": int,
    "pods": list,
    "grace": float | int,
    "env_file": str | None,
    "own_key": bool,
}
# The kernel gives no process a greater number.
MOST_PID = 2**31
# What the guard answers when it stands; every other answer is a sentence that says why it does not.
READY = "armed"
# A process's start is computed from the boot time, which moves when the clock is set. Two processes with the same
# number do not begin within five seconds of each other; a clock that is being corrected moves by less.
SAME_START = 5.0


def end_all(processes: list[Any], grace: float) -> list[int]:
    """End those of these processes that still run: SIGTERM, and SIGKILL after `grace` seconds; returns their numbers.

    A number that another process has by now is left alone: psutil compares the start before it sends a signal.
    """
    living = [process for process in processes if process.is_running()]
    for process in living:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    for process in psutil.wait_procs(living, timeout=grace)[1]:
        with contextlib.suppress(psutil.Error):
            process.kill()
    return [process.pid for process in living]


class GuardFile:
    """guard.json of a run directory. Changes of state are made under guard.lock, so that only one side decides."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "guard.json"
        self.log = directory / "guard.log"
        self._lock = directory / "guard.lock"

    @contextlib.contextmanager
    def deciding(self, patience: float = LOCK_PATIENCE) -> Iterator[None]:
        """Hold the lock while reading a state and writing the next one. Makes a missing run directory."""
        private_directory(self.path.parent)
        with locked(self._lock, patience):
            yield

    def read(self) -> dict[str, Any]:
        """The guard's state; {} when there is none, or when the file cannot be read as one.

        Nothing in it has another type than was promised: what has is left out.
        """
        try:
            state = read_json(self.path)
        except (OSError, ValueError):
            return {}
        named = {**state, **_identity(state), "controller": _identity(state.get("controller")) or None}
        if "controller" not in state:
            del named["controller"]
        sound = {key: value for key, value in named.items() if isinstance(value, TYPES.get(key, object))}
        return sound if sound.get("state") in STATES else {}

    def write(self, state: dict[str, Any]) -> None:
        """Replace the state; the file is readable by its owner only. Raises OSError."""
        write_json(self.path, state)


def _identity(found: Any) -> dict[str, Any]:
    """Number and start of a process, as a file tells them; both None where it does not."""
    if not isinstance(found, dict) or not {"pid", "create_time"} & set(found):
        return {}
    pid, start = found.get("pid"), books.amount(found.get("create_time"))
    sound = isinstance(pid, int) and not isinstance(pid, bool) and 0 < pid < MOST_PID and start is not None
    return {"pid": pid, "create_time": start} if sound else {"pid": None, "create_time": None}


def identity(pid: int) -> dict[str, Any]:
    """Number and start (seconds since 1970) of a process: together they name it for good. Raises ProcessLookupError."""
    try:
        return {"pid": pid, "create_time": psutil.Process(pid).create_time()}
    except psutil.NoSuchProcess as error:
        raise ProcessLookupError(f"process {pid} has ended") from error


def same(one: dict[str, Any] | None, other: dict[str, Any] | None) -> bool:
    """Whether two identities name the same process; one that names none is no other's."""
    if not one or not other or not one.get("pid") or not other.get("pid"):
        return False
    return one["pid"] == other["pid"] and abs(one["create_time"] - other["create_time"]) <= SAME_START


def lives(who: dict[str, Any] | None) -> bool:
    """Whether the process with this identity still runs. One that has ended and was not collected does not."""
    if not who or not who.get("pid"):
        return False
    try:
        process = psutil.Process(who["pid"])
        if not same(who, {"pid": who["pid"], "create_time": process.create_time()}):
            return False
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


class Watched:
    """A process that is watched for its end. Raises ProcessLookupError when it has ended at the start already.

    Where the kernel has it, a descriptor of the process is held: it means this process for ever, whatever becomes of
    its number and of the clock. Elsewhere its number and start are compared.
    """

    def __init__(self, who: dict[str, Any]) -> None:
        self._who = who
        self._descriptor: int | None = None
        if hasattr(os, "pidfd_open"):
            # OSError: a kernel or a sandbox that does not allow it; then number and start have to do.
            with contextlib.suppress(OSError):
                self._descriptor = os.pidfd_open(who["pid"])
        if not lives(who):
            raise ProcessLookupError(f"process {who['pid']} has ended")

    def descendants(self) -> list[Any] | None:
        """The processes (psutil's, which know their own start) that descend from it now, without this one.

        None when it has ended: then they have other parents, and cannot be told from strangers any more. What a
        controller began after the last look before its end is therefore not known; it ends by itself.
        """
        try:
            children = psutil.Process(self._who["pid"]).children(recursive=True)
        except psutil.Error:
            return None
        return [child for child in children if child.pid != os.getpid()] if lives(self._who) else None

    def paused(self) -> bool:
        """Whether somebody has stopped it (Ctrl-Z), so that it does nothing until it is told to go on."""
        try:
            return bool(psutil.Process(self._who["pid"]).status() == psutil.STATUS_STOPPED)
        except psutil.Error:
            return False

    def ended_within(self, seconds: float) -> bool:
        """Wait for the end of the process, but not longer than this; True when it has ended."""
        if self._descriptor is None:
            if not lives(self._who):
                return True
            time.sleep(seconds)
            return not lives(self._who)
        return bool(select.select([self._descriptor], [], [], seconds)[0])
