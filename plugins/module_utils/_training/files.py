# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read files and processes of a host, where anything may lie in their place.

This file needs only the standard library and imports nothing of this collection, because the follower also sends its
text to the Python of a host.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import stat
import time
from collections.abc import Iterator
from typing import Any, Callable

# Names under which programs write a file, or a directory as transformers, Orbax and TensorFlow do, until it is complete
# and gets its final name. A name that contains `temp` may mean a temperature.
UNFINISHED = re.compile(
    r"^\.?tmp($|[-_.]|[a-z0-9_]{8}$)|^te?mp[-_.]?(checkpoint|ckpt)|[-.]tmp[-._]|\.tmp[0-9a-f]*$|[-_]tmp$|\d_temp$"
    r"|\.(temp|part|partial|lock|download|crdownload|aria2)$|[-_.](incomplete|in[-_]?progress|unfinished)$",
    re.IGNORECASE,
)
# Counts directories and other entries too, because looking at them takes time as well.
MOST_ENTRIES = 200_000
# The small files here hold a number or a time; a larger one was not written by us.
SMALL_BYTES = 4096
# Failures that cost one part of a look. Any other ends the program, and is reported too.
FAILURES = (OSError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError, RuntimeError)


def attempt(trouble: dict[str, str], part: str, read: Callable[[], Any], default: Any = None) -> Any:
    """Return what `read` returns; if it fails, return `default` and put the reason into `trouble`.

    So a failure of one part does not cost the others.
    """
    try:
        return read()
    except FAILURES as error:
        words = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.strerror else str(error)
        trouble[part] = f"{type(error).__name__}: {words}"[:300]
        return default


def open_file(path: str) -> Any:
    """Open a regular file for reading bytes. Refuse anything else: a pipe could block its reader.

    Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(kind, "it is a directory" if stat.S_ISDIR(mode) else "it is not a regular file", path)
    return os.fdopen(descriptor, "rb")


def read_text(directory: str, name: str) -> str | None:
    """Return the stripped text of a small file, or None when it does not exist."""
    try:
        with open_file(os.path.join(directory, name)) as stream:
            return str(stream.read(SMALL_BYTES), "utf-8", "replace").strip()
    except FileNotFoundError:
        return None


def stat_fields(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the third (the state) on; None for a zombie and for no process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields


def start_ticks(pid: int) -> int | None:
    """Return when a living process started, in the kernel's ticks; None for a zombie and for no process."""
    fields = stat_fields(pid)
    # The 22nd field of the line.
    return None if fields is None else int(fields[19])


def boot_id() -> str:
    """Return the id of this boot of the machine."""
    return read_text("/proc/sys/kernel/random", "boot_id") or "unknown"


def living_pid(directory: str, name: str = "pid") -> int | None:
    """Return the process that the file `name` records (`PID START BOOT`), if it still runs."""
    return process_of(read_text(directory, name))


def process_of(written: str | None) -> int | None:
    """Return the process of a record `PID START BOOT`, if that very process still runs."""
    words = (written or "").split()
    if len(words) != 3 or words[2] != boot_id() or not (words[0].isdigit() and words[1].isdigit()):
        return None
    return int(words[0]) if start_ticks(int(words[0])) == int(words[1]) else None


def age_of(directory: str, name: str) -> float | None:
    """Return the seconds since a file was changed, or None when it does not exist."""
    try:
        return round(max(0.0, time.time() - os.stat(os.path.join(directory, name)).st_mtime), 3)
    except FileNotFoundError:
        return None


def read_new(path: str, offset: int, limit: int, *, lines: bool, final: bool) -> dict[str, Any]:
    """Read a growing file from `offset` on; return `data` (bytes), the next `offset`, `size` and `reset`.

    A negative offset counts from the end. A file shorter than the offset was rewritten: then it is read from its
    beginning and `reset` is true. With `lines` only whole lines are read, unless the file is `final` (no longer
    written) or a single line is longer than `limit`; otherwise no UTF-8 character is cut.
    """
    try:
        with open_file(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            start = max(0, size + offset) if offset < 0 else offset
            reset = start > size
            start = 0 if reset else start
            stream.seek(start)
            data = stream.read(min(limit, size - start))
    except FileNotFoundError:
        return {"data": b"", "offset": 0, "size": 0, "reset": offset > 0}
    rest = start + len(data) < size
    if lines and (rest or not final):
        whole = data[: data.rfind(b"\n") + 1]
        data = whole if whole or not rest else data
    elif rest or not final:
        data = _whole_characters(data)
    return {"data": data, "offset": start + len(data), "size": size, "reset": reset}


def _whole_characters(data: bytes) -> bytes:
    """Drop the last character if some of its bytes are missing."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            length = 2 if byte >> 5 == 6 else 3 if byte >> 4 == 14 else 4 if byte >> 3 == 30 else 1
            return data[:-back] if length > back else data
    return data


def files_below(root: str, trouble: dict[str, str], most: int) -> Iterator[tuple[str, os.stat_result]]:
    """Yield at most `most` complete files below `root`: path relative to it, and status."""
    folders, entries_left = [""], MOST_ENTRIES
    while folders and entries_left > 0:
        folder = folders.pop()
        entries = attempt(trouble, "output", functools.partial(_entries, os.path.join(root, folder)), [])
        entries_left -= len(entries) + 1
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if UNFINISHED.search(entry.name):
                continue
            status = attempt(trouble, "output", functools.partial(_seen, entry))
            if status is not None and stat.S_ISDIR(status.st_mode):
                folders.append(path)
            elif status is not None and not entry.name.startswith("."):
                yield path, status
                most -= 1
                if most <= 0:
                    return
    if folders:
        trouble["output"] = f"it has more than {MOST_ENTRIES} entries; some were not looked at"


def _entries(folder: str) -> list[Any]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: str(entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _seen(entry: Any) -> os.stat_result | None:
    """Return the status of a directory or a file; None for anything else."""
    try:
        if entry.is_dir(follow_symlinks=False) or entry.is_file():
            found: os.stat_result = entry.stat()
            return found
    except FileNotFoundError:
        # The training rotated it away meanwhile.
        pass
    return None


def has_variable(pid: int, mark: bytes) -> bool:
    """Return whether a process was started with `mark` (`NAME=value`) in its environment, as far as we may see it."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return mark in stream.read().split(b"\0")
    except OSError:
        # It has ended, or belongs to another user.
        return False


def bytes_moved(pid: int) -> int | None:
    """Return the bytes that a process has read and written so far; None if we may not see that."""
    try:
        with open(f"/proc/{pid}/io", "rb") as stream:
            found = re.findall(rb"^[rw]char: (\d+)$", stream.read(), re.MULTILINE)
    except OSError:
        return None
    return sum(map(int, found))
