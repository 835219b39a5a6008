# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people read them, each with its unit."""

from __future__ import annotations

import math
import re
from typing import Any

from ...module_utils._core.shown import clean_line


def value(thing: Any) -> str:
    """Format a metric's value: whole numbers as they are, others with four significant digits, the rest as text."""
    if isinstance(thing, bool) or not isinstance(thing, (int, float)):
        return str(thing)
    if isinstance(thing, int) or not math.isfinite(thing):
        return str(thing)
    return f"{thing:.4g}"


def clock(text: str | None) -> str:
    """Format an RFC 3339 time without its fraction, as `2026-07-15 14:00:00 UTC`; `unknown` for None."""
    if not text:
        return "unknown"
    return re.sub(r"\.\d+", "", text).replace("T", " ").replace("Z", " UTC").replace("+00:00", " UTC")


def lines_of(text: str, most: int) -> list[str]:
    """Return the last lines of a log as they looked: without colours, and of a progress bar only its last state."""
    shown = []
    for line in text.split("\n"):
        shown.append(clean_line(line.rstrip("\r").rpartition("\r")[2]).rstrip())
    while shown and not shown[-1]:
        shown.pop()
    return shown[-most:]
