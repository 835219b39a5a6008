# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as text, as the APIs and the ledger write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

# RFC 3339; Python accepts many other forms. The year has four digits.
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?")


def api_time(seconds: float) -> str:
    """Format seconds since 1970 as RFC 3339 UTC text to the second, as the API shows it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def exact_time(seconds: float) -> str:
    """Format seconds since 1970 to the millisecond, so that requests of one second keep their order in the ledger."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> float:
    """Parse RFC 3339 text to seconds since 1970.

    Raises:
        ValueError: the text is not an RFC 3339 time with a zone.
    """
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.timestamp()
