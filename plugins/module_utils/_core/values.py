# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read JSON values that may be null, absent or of another type than documented, without raising an exception."""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Mapping
from typing import Any

# Our own data is never nested deeper, and its numbers never have more bits.
MOST_DEPTH, MOST_BITS = 100, 1024
#: No price, size, count or time comes near this; a larger number is not usable.
LARGEST = 1e15
#: Ids become part of paths and commands. The longest known one has 64 characters.
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")


def parse_json(source: str) -> Any:
    """Read a JSON text; NaN, Infinity and numbers out of range (1e400) become None.

    :raises ValueError: when it is not JSON, or is nested too deeply to be read.
    """
    try:
        return json.loads(source, parse_constant=lambda _word: None, parse_float=_finite)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def _finite(written: str) -> float | None:
    found = float(written)
    return found if math.isfinite(found) else None


def mapping(value: Any) -> Mapping[str, Any]:
    """Return ``value`` if it is an object, else an empty one: services omit or null what they do not know yet."""
    return value if isinstance(value, dict) else {}


def listing(value: Any) -> list[Any]:
    """Return ``value`` if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """Return ``value`` as text without surrounding blanks.

    A lone surrogate, which no file and no terminal accepts, becomes its escape.

    :returns: None for null, for empty text, and for anything that is neither text nor a number.
    """
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return None
    try:
        found = str(value).strip()
    except ValueError:  # a number with more digits than Python converts
        return None
    return found.encode("utf-8", "backslashreplace").decode("utf-8") or None


def identifier(value: Any) -> str | None:
    """Return ``value`` as an object's id: a word that is safe in a path, or a whole number; None otherwise."""
    found = text(value) if isinstance(value, (str, int)) else None
    return found if found is not None and _ID.fullmatch(found) else None


def host_name(value: Any) -> str | None:
    """Return ``value`` if it is a host's name or address, else None.

    Text that begins with a hyphen or contains a blank could mean something else to a program that gets it as an
    argument.
    """
    found = text(value) or ""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}", found):
        return found
    try:
        return None if "%" in found else str(ipaddress.IPv6Address(found))
    except ValueError:
        return None


def number(value: Any) -> float | None:
    """Return ``value``, a number or text, as a finite number of usable size; None otherwise."""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (OverflowError, ValueError):
        return None
    return found if abs(found) <= LARGEST else None


def amount(value: Any) -> float | None:
    """Return ``value`` as a price; None (unknown) for a negative one, which would pass any cap."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def integer(value: Any) -> int | None:
    """Return ``value`` as a whole number, cut off after the point; None when it is not a number."""
    found = number(value)
    return int(found) if found is not None else None


def docker_port(port: str) -> str:
    """Write a port such as ``8080/tcp`` as Docker's flag, which services accept as the name of a variable."""
    inside, _dummy, protocol = port.partition("/")
    return f"-p {inside}:{inside}{'/udp' if protocol == 'udp' else ''}"


def to_json(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Write ``value`` as strict JSON, which every reader accepts and every file can hold.

    All JSON of this collection is written here. NaN and Infinity become null, a lone surrogate becomes its escape.
    """

    def written(value: Any) -> str:
        text = json.dumps(value, indent=indent, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
        return text

    try:
        return written(value)
    except (ValueError, RecursionError):
        return written(_strict(value, MOST_DEPTH))


def _strict(value: Any, depth: int) -> Any:
    """Return the part of ``value`` that JSON can represent."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value.bit_length() <= MOST_BITS else None
    if isinstance(value, (Mapping, list, tuple)) and depth <= 0:
        return None
    if isinstance(value, Mapping):
        return {
            _strict(name, depth) if isinstance(name, str) else name: _strict(each, depth - 1)
            for name, each in value.items()
        }
    return [_strict(each, depth - 1) for each in value] if isinstance(value, (list, tuple)) else value
