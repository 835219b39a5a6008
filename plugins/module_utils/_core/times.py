# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write and read moments as RFC 3339 text in UTC, the one form in records, results and messages.

Code that runs on a pod (``_training``, ``_host``) imports nothing of ours and has small copies of its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any


def rfc3339(moment: datetime | float, *, precision: str = "seconds") -> str:
    """Write a moment as ``2026-07-15T14:00:00Z``.

    :param moment: an aware time, or seconds since 1970.
    :param precision: ``seconds``, or ``milliseconds`` where two events may fall in the same second.
    """
    if not isinstance(moment, datetime):
        moment = datetime.fromtimestamp(moment, timezone.utc)
    return moment.astimezone(timezone.utc).isoformat(timespec=precision).replace("+00:00", "Z")


def utc_now(*, precision: str = "seconds", ahead: float = 0.0) -> str:
    """Write the present moment, or the one ``ahead`` seconds from now, as RFC 3339 text."""
    return rfc3339(datetime.now(timezone.utc) + timedelta(seconds=ahead), precision=precision)


def parse_time(text: Any) -> datetime | None:
    """Read RFC 3339 text, or a day such as ``2026-07-15``, as an aware time.

    :returns: None for None and for anything that is not a time. A time without a zone is taken as UTC.
    """
    if not text or not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def seconds_since(text: Any) -> float:
    """Count the seconds since an RFC 3339 time, by this machine's clock.

    :returns: 0 for anything that is not a time, and for a time in the future: it comes from a clock that was set back
        since, or from another machine's clock.
    """
    then = parse_time(text)
    return 0.0 if then is None else max(0.0, (datetime.now(timezone.utc) - then).total_seconds())
