# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard and the controller tell each other: guard.json, and who lives."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol, Self

from .._common.files import LOCK_PATIENCE, locked, private_directory, read_json, write_json
from .._common.records import Record

try:
    import psutil
except ImportError as missing:
    LIBRARY_PROBLEM: ImportError | None = missing
else:
    LIBRARY_PROBLEM = None

State = Literal["armed", "released", "giving_back", "gave_back", "failed"]
ARMED: Final = "armed"
RELEASED: Final = "released"
GIVING_BACK: Final = "giving_back"
GAVE_BACK: Final = "gave_back"
FAILED: Final = "failed"
# The kernel gives no process a greater number.
MOST_PID = 2**31
# What the guard answers when it stands; every other answer is a sentence that says why it does not.
READY = "armed"
# A process's start is computed from the boot time, which moves when the clock is set. Two processes with the same
# number do not begin within five seconds of each other; a clock that is being corrected moves by less.
SAME_START = 5.0


class Named(Protocol):
    """What names a process for good: its number, and when it began in seconds since 1970; None is none."""

    @property
    def pid(self) -> int | None: ...

    @property
    def create_time(self) -> float | None: ...


@dataclass
class ProcessIdentity(Record):
    """Number and start (seconds since 1970) of a process: together they name it for good."""

    pid: int
    create_time: float

    @classmethod
    def from_json(cls, found: Any, *, salvage: bool = False) -> Self:
        """Read the identity of a process. Raises ValueError for a number that no process can have."""
        identity = super().from_json(found)
        if not 0 < identity.pid < MOST_PID:
            raise ValueError("'pid': no process has this number")
        return identity


@dataclass
class GuardState(Record):
    """The content of guard.json.

    `pid` and `create_time` name the guard's process on the machine `host`, both None where the file tells them wrong.
    Whatever a person or a crash has made of the other fields must not keep pods from being given back: a field of
    another type has its default. `own_key` says that the key came from an option, and is nowhere else; `tries` counts
    the tries to give back, and `pods` are what was given back, as podyard.gpu.pod_termination returns them.
    """

    state: State
    pid: int | None = None
    create_time: float | None = None
    host: str | None = None
    controller: ProcessIdentity | None = None
    project: str | None = None
    run_id: str | None = None
    providers: list[str] | None = None
    grace: float | None = None
    env_file: str | None = None
    own_key: bool = False
    armed_at: str | None = None
    ended_at: str | None = None
    tries: int = 0
    pods: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None

    @classmethod
    def from_json(cls, found: Any, *, salvage: bool = True) -> Self:
        """Read what of the file can be read. Raises ValueError for one that does not tell a state."""
        guard = super().from_json(found, salvage=salvage)
        try:
            ProcessIdentity.from_json({"pid": guard.pid, "create_time": guard.create_time})
        except ValueError:
            # One of the two alone names no process, and signals are sent to what it names.
            guard.pid = guard.create_time = None
        return guard


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

    def read(self) -> GuardState | None:
        """Return the guard's state; None when there is none, or when the file cannot be read as one."""
        try:
            return GuardState.from_json(read_json(self.path))
        except (OSError, ValueError):
            return None

    def write(self, state: GuardState) -> None:
        """Replace the state; the file is readable by its owner only. Raises OSError."""
        write_json(self.path, state.to_json())


def identity(pid: int) -> ProcessIdentity:
    """Return what names the process that has this number now. Raises ProcessLookupError when there is none."""
    try:
        return ProcessIdentity(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess as error:
        raise ProcessLookupError(f"process {pid} has ended") from error


def same(one: Named | None, other: Named | None) -> bool:
    """Whether two identities name the same process; one that names none is no other's."""
    if one is None or other is None or not one.pid or one.create_time is None or other.create_time is None:
        return False
    return one.pid == other.pid and abs(one.create_time - other.create_time) <= SAME_START


def lives(who: Named | None) -> bool:
    """Whether the process with this identity still runs. One that has ended and was not collected does not."""
    if who is None or not who.pid:
        return False
    try:
        process = psutil.Process(who.pid)
        if not same(who, ProcessIdentity(who.pid, process.create_time())):
            return False
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


class Watched:
    """A process that is watched for its end. Raises ProcessLookupError when it has ended at the start already.

    Where the kernel has it, a descriptor of the process is held: it means this process for ever, whatever becomes of
    its number and of the clock. Elsewhere its number and start are compared.
    """

    def __init__(self, who: ProcessIdentity) -> None:
        self._who = who
        self._descriptor: int | None = None
        if hasattr(os, "pidfd_open"):
            # OSError: a kernel or a sandbox that does not allow it; then number and start have to do.
            with contextlib.suppress(OSError):
                self._descriptor = os.pidfd_open(who.pid)
        if not lives(who):
            raise ProcessLookupError(f"process {who.pid} has ended")

    def descendants(self) -> list[Any] | None:
        """Return the processes (psutil's, which know their own start) that descend from it now, without this one.

        None when it has ended: then they have other parents, and cannot be told from strangers any more. What a
        controller began after the last look before its end is therefore not known; it ends by itself.
        """
        try:
            children = psutil.Process(self._who.pid).children(recursive=True)
        except psutil.Error:
            return None
        return [child for child in children if child.pid != os.getpid()] if lives(self._who) else None

    def paused(self) -> bool:
        """Whether somebody has stopped it (Ctrl-Z), so that it does nothing until it is told to go on."""
        try:
            return bool(psutil.Process(self._who.pid).status() == psutil.STATUS_STOPPED)
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
