# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a run that may be damaged: what of them can be read is read, and nothing in them ends a program.

Pods are ended by what stands in these files. So whatever happened to one - a crash, a full disk, a hand, a directory in
its place - costs what it held and no more, and never that a pod goes on billing.
"""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

#: Bytes that are read from the beginning and, of a longer file, from the end: a run writes some hundred bytes for each
#: pod that it rents, so what is longer is damaged, and its sound lines are at one of its ends.
PART = 8 * 1024 * 1024
#: Bytes of a line that can be one of ours.
LINE = 64 * 1024


def content(path: Path) -> tuple[bytes, str | None]:
    """Return what can be read of a file, and what could not be and why.

    A file that does not exist is ``b""`` and a problem.
    """
    try:
        # Without waiting: a pipe in its place would keep the reader for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return b"", f"{path} cannot be read: {error.strerror or error}"
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return b"", f"{path} is not a file"
        data = _read(descriptor, 0, PART)
        if found.st_size <= PART:
            return data, None
        rest = _read(descriptor, max(PART, found.st_size - PART), PART)
        return data + b"\n" + rest, f"{path} has {found.st_size} bytes and is not what this collection wrote"
    except OSError as error:
        return b"", f"{path} cannot be read: {error.strerror or error}"
    finally:
        os.close(descriptor)


def _read(descriptor: int, begin: int, most: int) -> bytes:
    data = bytearray()
    while len(data) < most:
        chunk = os.pread(descriptor, most - len(data), begin + len(data))
        if not chunk:
            break
        data += chunk
    return bytes(data)


def parsed(data: bytes) -> Any:
    """Parse a value of JSON.

    :raises ValueError: for anything else, however deep or odd it is.
    """
    try:
        return json.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def objects(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the JSON objects among the lines, and how many lines are something else."""
    rows, odd = [], 0
    for line in data.split(b"\n"):
        if not line.strip(b" \t\r"):
            continue
        try:
            row = parsed(line) if len(line) <= LINE else None
        except ValueError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            odd += 1
    return rows, odd


def word(value: Any) -> str | None:
    """Return a value that names something as text: an id that was written as a number names the same."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value) or None


def amount(value: Any) -> float | None:
    """Return a finite number as it is; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None
