# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of JSON that may be null, absent or of another type than promised, read without an exception."""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Mapping
from typing import Any

# Nothing of ours is nested deeper, and no number of ours has more digits.
MOST_DEPTH, MOST_BITS = 100, 1024
#: No price, size, count or moment comes near to it; what is larger is no number that can be counted with.
LARGEST = 1e15
#: Ids are part of paths and commands. The longest known one has 64 characters.
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")


def parse_json(source: str) -> Any:
    """The value of a JSON text, in which numbers that are none (NaN, Infinity, 1e400) are null.

    :raises ValueError: for what is no JSON, and for what is nested too deeply to be read.
    """
    try:
        return json.loads(source, parse_constant=lambda _word: None, parse_float=_finite)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def _finite(written: str) -> float | None:
    found = float(written)
    return found if math.isfinite(found) else None


def mapping(value: Any) -> Mapping[str, Any]:
    """``value`` if it is an object, else an empty one: services leave out or null what they do not know yet."""
    return value if isinstance(value, dict) else {}


def listing(value: Any) -> list[Any]:
    """``value`` if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """``value`` as text without blanks around it; None for null, for empty text and for what is no text or number.
    Half a character, which no file and no screen can take, becomes an escape.
    """
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return None
    try:
        found = str(value).strip()
    except ValueError:  # a number of more digits than Python writes
        return None
    return found.encode("utf-8", "backslashreplace").decode("utf-8") or None


def identifier(value: Any) -> str | None:
    """``value`` as the id of an object: a word that is safe in a path, or a whole number; None otherwise."""
    found = text(value) if isinstance(value, (str, int)) else None
    return found if found is not None and _ID.fullmatch(found) else None


def host_name(value: Any) -> str | None:
    """``value`` if it is the name or the address of a host, else None: what begins with a hyphen or holds a blank could
    mean something else to a program that it is given to.
    """
    found = text(value) or ""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}", found):
        return found
    try:
        return None if "%" in found else str(ipaddress.IPv6Address(found))
    except ValueError:
        return None


def number(value: Any) -> float | None:
    """``value`` as a number that can be counted with, also when it came as text; None otherwise."""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (OverflowError, ValueError):
        return None
    return found if abs(found) <= LARGEST else None


def amount(value: Any) -> float | None:
    """``value`` as an amount of money that something costs. One below nothing is unknown: it would pass any cap."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def integer(value: Any) -> int | None:
    """``value`` as a whole number; None otherwise."""
    found = number(value)
    return int(found) if found is not None else None


def docker_port(port: str) -> str:
    """A port like ``8080/tcp`` as Docker's flag, which services take as the name of a variable."""
    inside, _dummy, protocol = port.partition("/")
    return f"-p {inside}:{inside}{'/udp' if protocol == 'udp' else ''}"


def to_json(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """``value`` as strict JSON that every reader takes and every file holds: this is the one place that writes it.

    A number that JSON does not have is null, half a character is written as its escape.
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
    """What JSON can hold of ``value``."""
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
