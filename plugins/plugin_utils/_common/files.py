# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON files and locks that several processes use at once, and times in records."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...module_utils._core import files
from ...module_utils._core.files import replace_file
from ...module_utils._core.times import parse_time, utc_now
from ...module_utils._core.units import duration
from ...module_utils._core.values import to_json
from ...module_utils._pods import books

# Seconds to wait for another process's lock: it is held for milliseconds, and one that was stopped while it held the
# lock must not hold up the give-back.
LOCK_PATIENCE = 30.0


def now() -> str:
    """Write the present time as RFC 3339 text with milliseconds: stages can be shorter than a second."""
    return utc_now(precision="milliseconds")


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Seconds from one RFC 3339 time to another (a missing end means now); None when the start is unknown."""
    first = parse_time(start)
    if first is None:
        return None
    last = parse_time(end) or datetime.now(UTC)
    return max(0.0, (last - first).total_seconds())


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically and readable by its owner only."""
    replace_file(path, to_json(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an empty one when the file is not there.

    Raises OSError when it cannot be read, and ValueError on everything that is no JSON object.
    """
    if not path.exists() and not path.is_symlink():
        return {}
    data, problem = books.content(path)
    if problem is not None:
        raise OSError(problem)
    value = books.parsed(data)
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no JSON object")
    return value


@contextlib.contextmanager
def locked(path: Path, patience: float = LOCK_PATIENCE) -> Iterator[None]:
    """Hold the exclusive lock on a file, made when it is not there; the kernel releases it with the process.

    Raises TimeoutError when another process holds it for all of `patience` seconds: it may have been stopped.
    """
    with files.locked(path, patience) as held:
        if not held:
            raise TimeoutError(f"another process holds {path} for more than {duration(patience)}")
        yield


def private_directory(path: Path) -> bool:
    """Make a directory that only its owner can enter, with its parents; True when it was not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
        return True
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
        return False
