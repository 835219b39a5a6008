# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide when a request may be sent again, and after how long. No I/O.

The verb and what is known about the request decide. A request that never reached the server, or that the server
refused without executing it (429), may always be sent again. After a time-out, a broken connection or a 5xx the request
may have been executed. Then only harmless ones are repeated (GET, HEAD, PUT, DELETE), and never a create: it would rent
a second pod.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Protocol, TypeVar

from .._core.clock import Clock
from .._core.errors import CloudError
from .._core.units import duration

Answer = TypeVar("Answer")
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
TOO_MANY = 429
#: Seconds of waiting from which on a person is told.
TOLD = 2.0
#: One entry of ``RateLimit`` and ``RateLimit-Policy``: ``"minute";r=12;t=44``; some services leave the quotes out.
_WINDOW = re.compile(r'"?([A-Za-z][\w-]*)"?((?:\s*;\s*[a-z]+=[0-9.]+)+)')


@dataclass(frozen=True)
class Patience:
    """How often and how long one request is repeated.

    :param tries: how often it is sent when the connection breaks or the server answers 5xx. Five tries, with the
        pauses below, survive about 8 s of trouble.
    :param budget: seconds of waiting in total: two full minute windows of the rate limit, so that two runs that share
        a key both get through. After a longer wait a person should know.
    :param first: seconds before the second try; doubled each time.
    :param most: the most seconds of a pause, unless the server itself asks for more.
    """

    tries: int = 5
    budget: float = 120.0
    first: float = 0.5
    most: float = 8.0


def may_repeat(method: str, status: int | None, sent: bool) -> bool:
    """Return True when sending the request again can do no harm.

    :param status: the status of the answer; None when there was none.
    :param sent: False when it is certain that the request never reached the server.
    """
    if not sent or status == TOO_MANY:
        return True
    return method.upper() in REPEATABLE and (status is None or status >= 500)


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the server asks us to wait, or None when it says nothing readable.

    ``Retry-After`` (seconds or a date) comes first, then the longest reset of an exhausted window in ``RateLimit``
    (``"minute";r=0;t=44, "hour";r=2800;t=1812``).
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    text = lowered.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    date = email.utils.parsedate_tz(text) if text else None
    if date is not None:
        return max(0.0, email.utils.mktime_tz(date) - time.time())
    resets = [window["t"] for window in rate_windows(headers).values() if window.get("r") == 0 and "t" in window]
    return max(resets) if resets else None


def rate_windows(headers: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Read the windows in ``RateLimit`` and ``RateLimit-Policy``.

    :returns: for each window, by its name, the figures that can be read: ``r`` requests left, ``t`` seconds to the
        reset, ``q`` requests in total, ``w`` seconds in total.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    windows: dict[str, dict[str, float]] = {}
    for header in ("ratelimit-policy", "ratelimit"):
        for name, figures in _WINDOW.findall(lowered.get(header, "")):
            window = windows.setdefault(name.lower(), {})
            for letter, number in re.findall(r"([a-z]+)=(\d+(?:\.\d+)?)", figures):
                window[letter] = float(number)
    return windows


class Gate(Protocol):
    """A lock held while a request is sent, and free while the request waits to be sent."""

    def enter(self) -> None:
        """Take the gate before a send. An exception keeps the request from being sent."""

    def leave(self) -> None:
        """Free the gate before a wait: the request was not carried out, and will be sent again."""


@dataclass
class Attempts:
    """The tries of one request, and the time they took.

    :param waited: seconds of pauses so far.
    :param spent: seconds that sends without an answer took. More than the budget ends the tries, like pauses do.
    """

    patience: Patience
    clock: Clock
    failures: int = 0
    waited: float = 0.0
    spent: float = 0.0
    tell: Callable[[str], None] | None = None
    gate: Gate | None = None

    def timed(self, send: Callable[..., Answer], *request: Any) -> Answer:
        """Call ``send``, and add its time to ``spent`` when it ends without an answer."""
        begun = self.clock.monotonic()
        try:
            return send(*request)
        except CloudError:
            self.spent += self.clock.monotonic() - begun
            raise

    def pause(self, asked: float | None, limited: bool) -> bool:
        """Wait before the next send.

        :param asked: seconds that the server asked for; None when it did not.
        :param limited: True after a rate limit: only the budget counts then, not the tries.
        :returns: False, without waiting, when the tries or the budget are used up.
        """
        self.failures += 1
        if not limited and (self.failures >= self.patience.tries or self.spent > self.patience.budget):
            return False
        step = min(self.patience.most, self.patience.first * 2 ** (self.failures - 1))
        # The server's own figure is a minimum; the jitter on top keeps processes that were refused together from
        # returning together.
        seconds = (
            asked + self.clock.spread(0.1, 1.0) if asked is not None else self.clock.spread(step * 0.5, step * 1.5)
        )
        if self.waited + seconds > self.patience.budget:
            return False
        if limited and seconds > TOLD and self.tell is not None:
            reason = ", as the server asks" if asked is not None else ""
            self.tell(f"Too many requests: waiting {duration(round(seconds))}{reason}")
        if self.gate is not None:
            self.gate.leave()
        self.clock.sleep(seconds)
        self.waited += seconds
        return True


def clock_ahead(headers: Mapping[str, str], before: float | None) -> float | None:
    """Return by how many seconds the service's clock is ahead of this machine's, from the ``Date`` of an answer.

    :param before: the figure so far, returned when the answer gives none.
    """
    try:
        date = email.utils.parsedate_to_datetime(headers.get("date") or "")
    except (TypeError, ValueError, IndexError, OverflowError):
        return before
    # A cache in between repeats an old answer with its old date, and says how old it is.
    if date.tzinfo is None or headers.get("age", "0") != "0":
        return before
    return date.timestamp() - time.time()
