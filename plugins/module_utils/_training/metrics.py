# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clean the JSON that a training has written, once, where it is read.

All code after this may write it as strict JSON, show it and compute with it. The file metrics.jsonl keeps the original
bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
# Names of metrics. A run that logs each layer of a large model has some hundreds.
MOST_NAMES = 1000
# Values in one line, including those inside lists and objects.
MOST_VALUES = 5000
# Characters of a text and of a name, and digits of a whole number: 10**40 is more than any count, and Python refuses to
# write a number of 4300 digits.
MOST_TEXT, MOST_NAME, MOST_DIGITS = 2000, 200, 40
# Lists within lists; a deeper value is not a measurement.
MOST_DEPTH = 6
CUT = "…"


def json_lines(data: bytes) -> list[Row]:
    """Read a file with one JSON object per line, clean them, and skip all other lines.

    Numbers that JSON does not have become text: "NaN", "Infinity". Lone surrogates become escapes, and what is too
    long, too deep or too many is cut.
    """
    found = []
    for line in data.splitlines():
        try:
            value = json.loads(line, parse_constant=str, parse_int=_integer, parse_float=_real)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(_Cleaner().row(value))
    return found


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= MOST_DIGITS else text(digits)


def _real(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else "-Infinity" if value < 0 else "Infinity"


def text(value: str, most: int = MOST_TEXT) -> str:
    """Return a text that every encoding can write, cut to `most` characters."""
    value = value if len(value) <= most else value[:most] + CUT
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


class _Cleaner:
    """Cleans one line and counts its values."""

    def __init__(self) -> None:
        self.left = MOST_VALUES

    def row(self, value: Row, depth: int = 0) -> Row:
        """Clean an object."""
        return {
            text(name, MOST_NAME): self.value(each, depth + 1)
            for name, each in list(value.items())[:MOST_NAMES]
            if self.left > 0
        }

    def value(self, value: Any, depth: int) -> Any:
        """Clean a value; one that is too deep becomes an ellipsis."""
        self.left -= 1
        if isinstance(value, str):
            return text(value)
        if isinstance(value, (dict, list)):
            if depth > MOST_DEPTH:
                return CUT
            if isinstance(value, dict):
                return self.row(value, depth)
            return [self.value(each, depth + 1) for each in value if self.left > 0]
        return value


def latest(into: Row, rows: Iterable[Row]) -> bool:
    """Put the last value of each metric into `into`.

    Return whether all fit; once there are too many names, new ones are left out.
    """
    complete = True
    for row in rows:
        for name, value in row.items():
            if name in into or len(into) < MOST_NAMES:
                into[name] = value
            else:
                complete = False
    return complete


def number(value: Any) -> float | None:
    """Return a finite number; None for anything else, including booleans."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
