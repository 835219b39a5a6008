# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace files in one step, lock them against other processes, and find the user's directory for them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

#: Seconds between two tries to get a lock.
LOCK_PAUSE = 0.01
SHARED, EXCLUSIVE = fcntl.LOCK_SH, fcntl.LOCK_EX
#: What a lock that somebody else holds is reported as, and a try that a signal cut short.
_HELD = (errno.EAGAIN, errno.EACCES, errno.EINTR)


def replace_file(path: Path, content: str | bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Replace a file by one with this content; a reader sees the old content or the new one and nothing between.

    :param mode: the permissions of the new file, whatever the umask is.
    :param durable: return only when the disk has it. Files that may be lost with the machine go without.
    :raises OSError: when it cannot be written; the old file is then as it was, and nothing is left beside it.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = beside(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, mode)
            stream.write(data)
            stream.flush()
            if durable:
                os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def replace_link(link: Path, target: str) -> None:
    """Make ``link`` a symbolic link to ``target``, in place of whatever link was there.

    :raises OSError: when something that is no link stands in its place.
    """
    temporary = beside(link)
    os.symlink(target, temporary)
    try:
        os.replace(temporary, link)
    except OSError:
        os.unlink(temporary)
        raise


def beside(path: Path) -> Path:
    """Return a name in the same directory that no other process and no thread chooses."""
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")


def open_lock(path: Path) -> int:
    """Open a file to lock, made when it is not there: a file of its own, for one that is replaced cannot be locked.

    :returns: a descriptor that no child inherits. Its end, or that of the process, gives the lock back.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def take_lock(descriptor: int, patience: float = 0.0, kind: int = EXCLUSIVE) -> bool:
    """Lock an open file or directory, waiting for whoever holds it.

    :param patience: seconds to wait; 0 for a single try. A process that was suspended may hold a lock for ever.
    :returns: False when another process held it all that time.
    :raises OSError: where the file system has no locks, as some over a network: waiting would not help.
    """
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno not in _HELD:
                raise
        if time.monotonic() >= end:
            return False
        time.sleep(LOCK_PAUSE)


@contextlib.contextmanager
def locked(path: Path, patience: float, kind: int = EXCLUSIVE) -> Iterator[bool]:
    """Hold the lock of a file for the length of the block, which runs whether or not it was to be got.

    :returns: what ``take_lock`` returns. :raises OSError: as ``open_lock`` and ``take_lock``.
    """
    descriptor = open_lock(path)
    try:
        yield take_lock(descriptor, patience, kind)
    finally:
        os.close(descriptor)


def cache_directory(environ: Mapping[str, str] | None = None) -> Path:
    """Return this user's directory for what outlives a restart of the machine and may be deleted; it is not made."""
    environ = os.environ if environ is None else environ
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME") or "~", ".cache")
    return Path(cache).expanduser() / "podyard"
