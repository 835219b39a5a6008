# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Share small files between all processes of one user on one machine.

They hold counts and moments, never a secret, and no process depends on them: one that cannot use the directory works
alone, and a file that is missing, old or garbled counts as empty.

Moments in these files are readings of ``time.monotonic``, which all processes of a machine share and which no change of
the wall clock moves. It starts from zero with each boot, so the names of the files belong to one boot.
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

#: The variable that moves the directory elsewhere; the tests use it.
VARIABLE = "PODYARD_STATE_DIR"
#: Seconds to wait for another process's lock. It is held for a millisecond, and a process that was suspended while it
#: held the lock must not delay the one that gives a pod back.
LOCK_PATIENCE = 2.0
#: Seconds without a write after which a file belongs to an earlier boot, or to a key that is no longer used.
STALE_FILE = 172_800.0
#: What the threads of one process share when there is no directory: by name, the object and its lock.
_ALONE: dict[str, tuple[dict[str, Any], threading.RLock]] = {}
#: Names of our files: the directory may be one that a person chose and hold other files too. A lock is removed together
#: with its file, because its own time of change says nothing: no process writes to it.
_OURS = re.compile(r"\.?[a-z]+-[0-9a-f]{32}\.(?P<kind>json|json\.\d+\.[0-9a-f]{8})")


def state_directory(environ: Mapping[str, str] | None = None) -> tuple[Path | None, str]:
    """Return the directory of this user's shared files, created if necessary; or None and the reason.

    It is ``PODYARD_STATE_DIR``; else ``podyard`` in the runtime directory of the login session, which a cron job finds
    as well as a terminal does; else ``podyard`` in the user's cache; else one of the user's own in the temporary
    directory.
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
    """Return why this directory cannot be ours, empty when it can. Create it when it does not exist."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Links are not followed: another user may have put one into a directory that all may write to.
        found = path.lstat()
    except OSError as error:
        return f"{path} cannot be created ({error.strerror})"
    if not stat.S_ISDIR(found.st_mode):
        return f"{path} is not a directory"
    if found.st_uid != os.geteuid():
        return f"{path} belongs to another user"
    if found.st_mode & 0o022:
        return f"{path} is writable by other users"
    return "" if os.access(path, os.W_OK | os.X_OK) else f"{path} is not writable"


def account_mark(base_url: str, key: str) -> str:
    """Return a hash of the account and the address, from which neither can be read; equal ones share a file."""
    return hashlib.sha256(f"podyard\0{base_url}\0{key}\0{_boot()}".encode()).hexdigest()[:32]


def _boot() -> str:
    """Return the id of this boot of the machine; empty when the system does not have one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


class SharedFile:
    """A JSON object that several processes read and change.

    Where there is no usable directory, only the threads of this process share it, and ``problem`` says why.

    :param name: the file's name in the shared directory, without its suffix.
    :param directory: the directory; by default ``state_directory()``.
    """

    def __init__(self, name: str, directory: Path | None = None) -> None:
        place, self.problem = (directory, "") if directory is not None else state_directory()
        self._path = place / f"{name}.json" if place is not None else None
        self._name = name
        self._thread = threading.RLock()
        if self._path is not None and not self._path.exists():
            _sweep(self._path.parent)

    def read(self) -> dict[str, Any]:
        """Return the object as it is now; empty when the file is missing or unreadable."""
        if self._path is None:
            return _ALONE.setdefault(self._name, ({}, threading.RLock()))[0]
        try:
            with os.fdopen(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
                data = json.loads(file.read())
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def write(self, data: dict[str, Any]) -> None:
        """Replace the object, whole or not at all. If that fails, only this process keeps the new one."""
        if self._path is None:
            self._keep(data)
            return
        try:
            replace_file(self._path, to_json(data), durable=False)
        except OSError as error:
            self.problem = f"{self._path.parent} is not writable ({error.strerror})"
            self._path = None
            self._keep(data)

    def _keep(self, data: dict[str, Any]) -> None:
        """Keep the object for the threads of this process."""
        _ALONE[self._name] = (data, _ALONE.setdefault(self._name, ({}, threading.RLock()))[1])

    @contextlib.contextmanager
    def lock(self, patience: float = LOCK_PATIENCE) -> Iterator[bool]:
        """Hold the lock of the file for the length of the block. The lock ends with the process.

        Yield False when the lock was not free within ``patience`` seconds; the block runs all the same.
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
        """Do the same among the threads of this process, where there is no file to lock."""
        lock = _ALONE.setdefault(self._name, ({}, threading.RLock()))[1]
        held = lock.acquire(timeout=patience)
        try:
            yield held
        finally:
            if held:
                lock.release()

    def _open_lock(self) -> int | None:
        """Open the lock, which is a separate file because each write replaces the other one."""
        if self._path is None:
            return None
        try:
            return open_lock(self._path.with_suffix(".lock"))
        except OSError as error:
            self.problem = f"{self._path.parent} is not writable ({error.strerror})"
            self._path = None
            return None

    def _locked(self, descriptor: int, patience: float) -> bool:
        try:
            return take_lock(descriptor, patience)
        except OSError as error:
            # Some network file systems have no locks: trying again would only cost time.
            if self._path is not None:
                self.problem = f"files in {self._path.parent} cannot be locked ({error.strerror})"
                self._path = None
            return True


def _sweep(directory: Path) -> None:
    """Remove our own files that no process has written to for days: each boot begins new ones."""
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            ours = _OURS.fullmatch(path.name)
            if ours and time.time() - path.lstat().st_mtime > STALE_FILE:
                path.unlink()
                if ours["kind"] == "json":
                    path.with_suffix(".lock").unlink()
