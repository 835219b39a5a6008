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
#: The errors of a lock that another process holds, and of a try that a signal interrupted.
_HELD = (errno.EAGAIN, errno.EACCES, errno.EINTR)


def replace_file(path: Path, content: str | bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Replace a file's content in one step: a reader sees the old content or the new one, never a mixture.

    :param mode: the permissions of the new file, whatever the umask is.
    :param durable: return only when the content is on disk. Files that may be lost with the machine need not wait.
    :raises OSError: when it cannot be written; the old file is unchanged, and no temporary file is left.
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
    """Make ``link`` a symbolic link to ``target``, replacing a link or file of that name.

    :raises OSError: when the link cannot be made, or a directory has its name.
    """
    temporary = beside(link)
    os.symlink(target, temporary)
    try:
        os.replace(temporary, link)
    except OSError:
        os.unlink(temporary)
        raise


def beside(path: Path) -> Path:
    """Return a name in the same directory that no other process or thread chooses."""
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")


def open_lock(path: Path) -> int:
    """Open a lock file, which is created when it is missing.

    It must not be the data file itself: a file that gets replaced cannot be locked.

    :returns: a descriptor that children do not inherit. Closing it, or the end of the process, releases the lock.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def take_lock(descriptor: int, patience: float = 0.0, kind: int = EXCLUSIVE) -> bool:
    """Lock an open file or directory, waiting while another process holds it.

    :param patience: seconds to wait; 0 for a single try. A suspended process may hold a lock forever.
    :returns: False when another process held it all that time.
    :raises OSError: where the file system does not support locks, as some network file systems; waiting is useless.
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
    """Hold the lock of a file during the block, which runs even if the lock could not be taken.

    :returns: what ``take_lock`` returns: whether the lock is held.
    :raises OSError: as ``open_lock`` and ``take_lock`` do.
    """
    descriptor = open_lock(path)
    try:
        yield take_lock(descriptor, patience, kind)
    finally:
        os.close(descriptor)


def cache_directory(environ: Mapping[str, str] | None = None) -> Path:
    """Return this user's directory for files that survive a reboot and may be deleted; it is not created."""
    environ = os.environ if environ is None else environ
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME") or "~", ".cache")
    return Path(cache).expanduser() / "podyard"
