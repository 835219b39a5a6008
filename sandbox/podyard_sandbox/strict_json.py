# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strict parsing of JSON from clients: whatever is accepted can be sent back, stored and calculated with.

Python's own parser accepts what is not JSON (NaN, lone surrogates) and what no program can handle (numbers that become
infinite, fifty thousand brackets); each of these would break something much later.
"""

from __future__ import annotations

import json
import math
from typing import Any

# Far beyond what any client sends; Python's own limit depends on its version and on the caller's stack.
MAX_DEPTH = 64
_MAX_INTEGER = 2**63


def loads(raw: bytes | str) -> Any:
    """Parse a JSON text in UTF-8.

    Raises:
        ValueError: the text is not valid JSON, or holds an unusable value; the message says which.
    """
    text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check(value)
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _check(value: Any) -> None:
    """Check every text, number and depth; without recursion, since the depth is not known yet."""
    left = [(value, 1)]
    while left:
        each, depth = left.pop()
        if isinstance(each, str):
            _check_text(each)
        elif isinstance(each, (int, float)):
            _check_number(each)
        elif isinstance(each, (dict, list)):
            if depth > MAX_DEPTH:
                raise ValueError("it is nested too deeply")
            inside = [*each, *each.values()] if isinstance(each, dict) else each
            left.extend((one, depth + 1) for one in inside)


def _check_number(number: int | float) -> None:
    if not math.isfinite(number) if isinstance(number, float) else abs(number) >= _MAX_INTEGER:
        raise ValueError("a number is too large")


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a text holds half a character") from None
    if "\0" in text:
        raise ValueError("a text holds a zero byte")
