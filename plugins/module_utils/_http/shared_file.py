# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files by which all processes of one user on one machine know of each other.

They hold counts and moments, never a secret, and nothing in them is needed: who cannot have the directory goes on
alone, and a file that is missing, old or garbled is as good as an empty one.

Moments in these files are those of ``time.monotonic``, which all processes of a machine share and which no change of
the wall clock moves. It begins anew with each start of the machine, so the names of the files belong to one start.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .._core.files import cache_directory, open_lock, replace_file, take_lock
from .._core.values import to_json

#: The directory itself, for those who want it elsewhere; the tests do.
VARIABLE = "PODYARD_STATE_DIR"
#: Seconds to wait for another process's lock: it is held for a millisecond, and a process that was suspended while it
#: held the lock must not hold up the one that gives a pod back.
LOCK_PATIENCE = 2.0
#: Seconds after which a file that nobody has written to belongs to an earlier start of the machine, or to a key that
#: is not used any more.
STALE_FILE = 172_800.0
#: What the threads of one process share where there is no directory: by name the object and who may change it.
_ALONE: dict[str, tuple[dict[str, Any], threading.RLock]] = {}
#: Names of our files: the directory may have been chosen by a person and hold others too. Locks go with their file, for
#: nobody ever writes to them.
_OURS = re.compile(r"\.?[a-z]+-[0-9a-f]{32}\.(?P<kind>json|json\.\d+\.[0-9a-f]{8})")


def state_directory(environ: Mapping[str, str] | None = None) -> tuple[Path | None, str]:
    """The directory of this user's shared files, made if need be, or None and why there is none.

    ``PODYARD_STATE_DIR``; else ``podyard`` in the session's runtime directory, which a job of cron finds as well as a
    terminal does; else in the user's cache; else one of the user's own in the temporary directory.
    """
    environ = os.environ if environ is None else environ
    chosen = environ.get(VARIABLE)
    if chosen:
        path = Path(os.path.realpath(os.path.expanduser(chosen)))
        problem = _unfit(path)
        return (None, problem) if problem else (path, "")
    problems = []
    for path in _places(environ):
        problem = _unfit(path)
        if not problem:
            return path, ""
        problems.append(problem)
    return None, "; ".join(problems)


def _places(environ: Mapping[str, str]) -> Iterator[Path]:
    user = os.geteuid()
    runtime = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{user}")
    if runtime.is_absolute() and runtime.is_dir():
        yield runtime / "podyard"
    cache = cache_directory(environ)
    if cache.is_absolute():
        yield cache
    yield Path(tempfile.gettempdir()) / f"podyard-{user}"


def _unfit(path: Path) -> str:
    """Why this cannot be our directory; empty when it can. It is made when it does not exist."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not followed: in a directory that everybody may write to, somebody else may have laid a link.
        found = path.lstat()
    except OSError as error:
        return f"{path} cannot be made ({error.strerror})"
    if not stat.S_ISDIR(found.st_mode):
        return f"{path} is no directory"
    if found.st_uid != os.geteuid():
        return f"{path} belongs to somebody else"
    if found.st_mode & 0o022:
        return f"{path} can be written to by others"
    return "" if os.access(path, os.W_OK | os.X_OK) else f"{path} cannot be written to"


def account_mark(base_url: str, key: str) -> str:
    """A word for one account at one address, from which neither can be read: processes with the same one share."""
    return hashlib.sha256(f"podyard\0{base_url}\0{key}\0{_boot()}".encode()).hexdigest()[:32]


def _boot() -> str:
    """What tells this start of this machine from all others; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


class SharedFile:
    """A JSON object that several processes read and change.

    :param name: the file's name in the shared directory.
    :param directory: where; by default ``state_directory()``.
    """

    def __init__(self, name: str, directory: Path | None = None) -> None:
        place, self.problem = (directory, "") if directory is not None else state_directory()
        self._path = place / f"{name}.json" if place is not None else None
        self._name = name
        self._thread = threading.RLock()
        if self._path is not None and not self._path.exists():
            _sweep(self._path.parent)

    def read(self) -> dict[str, Any]:
        """The object as it is now; empty when there is none that can be read."""
        if self._path is None:
            return _ALONE.setdefault(self._name, ({}, threading.RLock()))[0]
        try:
            with os.fdopen(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
                data = json.loads(file.read())
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def write(self, data: dict[str, Any]) -> None:
        """Put another object in its place, whole or not at all. Where that fails the object stays in this process."""
        if self._path is None:
            self._keep(data)
            return
        try:
            replace_file(self._path, to_json(data), durable=False)
        except OSError as error:
            self.problem = f"{self._path.parent} cannot be written to ({error.strerror})"
            self._path = None
            self._keep(data)

    def _keep(self, data: dict[str, Any]) -> None:
        """For the threads of this process."""
        _ALONE[self._name] = (data, _ALONE.setdefault(self._name, ({}, threading.RLock()))[1])

    @contextlib.contextmanager
    def lock(self, patience: float = LOCK_PATIENCE) -> Iterator[bool]:
        """Hold the file against the other processes for the length of the block; it goes with the process.

        :returns: False when that could not be had within ``patience`` seconds; the block runs all the same.
        """
        with self._thread:
            descriptor = self._open_lock()
            if descriptor is None:
                with self._among_threads(patience) as held:
                    yield held
                return
            try:
                yield self._locked(descriptor, patience)
            finally:
                os.close(descriptor)

    @contextlib.contextmanager
    def _among_threads(self, patience: float) -> Iterator[bool]:
        """The same where there is no file to lock."""
        lock = _ALONE.setdefault(self._name, ({}, threading.RLock()))[1]
        held = lock.acquire(timeout=patience)
        try:
            yield held
        finally:
            if held:
                lock.release()

    def _open_lock(self) -> int | None:
        """The lock is a file of its own, for the other one is replaced."""
        if self._path is None:
            return None
        try:
            return open_lock(self._path.with_suffix(".lock"))
        except OSError as error:
            self.problem = f"{self._path.parent} cannot be written to ({error.strerror})"
            self._path = None
            return None

    def _locked(self, descriptor: int, patience: float) -> bool:
        try:
            return take_lock(descriptor, patience)
        except OSError as error:
            # Some file systems of a network have no locks: to ask again for one only holds up.
            if self._path is not None:
                self.problem = f"in {self._path.parent} nothing can be locked ({error.strerror})"
                self._path = None
            return True


def _sweep(directory: Path) -> None:
    """Remove our own files that nobody has written to for days: each start of the machine begins new ones."""
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            ours = _OURS.fullmatch(path.name)
            if ours and time.time() - path.lstat().st_mtime > STALE_FILE:
                path.unlink()
                if ours["kind"] == "json":
                    path.with_suffix(".lock").unlink()
