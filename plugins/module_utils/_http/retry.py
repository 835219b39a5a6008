# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a request may be sent again, and after how long. No I/O.

The rule is by verb and by what is known: a request that never reached the server, or that it refused unexecuted
(429), may be sent again whatever it was. After a time-out, a dropped line or a 5xx it may have been executed; then
only what can be repeated without harm is (GET, HEAD, PUT, DELETE), and a create never: the second would be a second
pod.
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

Answer = TypeVar("Answer")
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
TOO_MANY = 429
#: From so many seconds on a wait is told to people.
TOLD = 2.0
#: One entry of ``RateLimit`` and ``RateLimit-Policy``: ``"minute";r=12;t=44``; some services leave the quotes out.
_WINDOW = re.compile(r'"?([A-Za-z][\w-]*)"?((?:\s*;\s*[a-z]+=[0-9.]+)+)')


@dataclass(frozen=True)
class Patience:
    """How long one request may be repeated.

    :param tries: sends in all after failures of the line or 5xx: five, with the pauses below about 8 s of trouble
        ridden out.
    :param budget: seconds of waiting in all: two full minute windows of the rate limit, so that two runs that share a
        key both get through; longer than that a person should know.
    :param first: seconds before the second send; doubled each time.
    :param most: seconds of pause at most, unless the server itself asks for more.
    """

    tries: int = 5
    budget: float = 120.0
    first: float = 0.5
    most: float = 8.0


def may_repeat(method: str, status: int | None, sent: bool) -> bool:
    """True when sending the request again can do no harm.

    :param status: status of the answer; None when there was none.
    :param sent: False when it is certain that the request never reached the server.
    """
    if not sent or status == TOO_MANY:
        return True
    return method.upper() in REPEATABLE and (status is None or status >= 500)


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks us to wait: ``Retry-After`` (seconds or a date), else the longest reset of an exhausted
    window in ``RateLimit`` (``"minute";r=0;t=44, "hour";r=2800;t=1812``); None when it says nothing readable."""
    lowered = {name.lower(): value for name, value in headers.items()}
    text = lowered.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    date = email.utils.parsedate_tz(text) if text else None
    if date is not None:
        return max(0.0, email.utils.mktime_tz(date) - time.time())
    resets = [told["t"] for told in told_windows(headers).values() if told.get("r") == 0 and "t" in told]
    return max(resets) if resets else None


def told_windows(headers: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """What ``RateLimit`` and ``RateLimit-Policy`` tell of each window, by its name: ``r`` requests left, ``t`` seconds
    to its reset, ``q`` requests in all, ``w`` seconds in all; only what can be read."""
    lowered = {name.lower(): value for name, value in headers.items()}
    windows: dict[str, dict[str, float]] = {}
    for header in ("ratelimit-policy", "ratelimit"):
        for name, figures in _WINDOW.findall(lowered.get(header, "")):
            told = windows.setdefault(name.lower(), {})
            for letter, number in re.findall(r"([a-z]+)=(\d+(?:\.\d+)?)", figures):
                told[letter] = float(number)
    return windows


class Gate(Protocol):
    """What is held while a request is sent, and free while one waits to send it."""

    def enter(self) -> None:
        """Called before each send. What it raises keeps the request from being sent."""

    def leave(self) -> None:
        """Called before a wait: what was sent was not carried out, and is sent again."""


@dataclass
class Attempts:
    """The repetitions of one request: counts, adds up the waiting, says no when it is enough.

    ``spent`` is how long the sends without an answer took: slow ones may use up the budget as waiting does.
    """

    patience: Patience
    clock: Clock
    failures: int = 0
    waited: float = 0.0
    spent: float = 0.0
    tell: Callable[[str], None] | None = None
    gate: Gate | None = None

    def timed(self, send: Callable[..., Answer], *request: Any) -> Answer:
        """One send; if there is no answer, how long that took is remembered."""
        begun = self.clock.monotonic()
        try:
            return send(*request)
        except CloudError:
            self.spent += self.clock.monotonic() - begun
            raise

    def pause(self, asked: float | None, limited: bool) -> bool:
        """Wait before the next send. False, without waiting, when the tries or the budget are used up.

        :param asked: seconds that the server asked for, None if it did not.
        :param limited: the failure was a rate limit: only the budget counts then, not the tries.
        """
        self.failures += 1
        if not limited and (self.failures >= self.patience.tries or self.spent > self.patience.budget):
            return False
        step = min(self.patience.most, self.patience.first * 2 ** (self.failures - 1))
        # A server's own figure is a floor; the jitter on top keeps all who were refused together from coming back
        # together.
        seconds = (
            asked + self.clock.spread(0.1, 1.0) if asked is not None else self.clock.spread(step * 0.5, step * 1.5)
        )
        if self.waited + seconds > self.patience.budget:
            return False
        if limited and seconds > TOLD and self.tell is not None:
            self.tell(f"Too many requests: waiting {seconds:.0f} s, as the server asks")
        if self.gate is not None:
            self.gate.leave()
        self.clock.sleep(seconds)
        self.waited += seconds
        return True


def clock_ahead(headers: Mapping[str, str], before: float | None) -> float | None:
    """How far the service's clock is ahead of this machine's, by the time at which it has made an answer."""
    try:
        told = email.utils.parsedate_to_datetime(headers.get("date") or "")
    except (TypeError, ValueError, IndexError, OverflowError):
        return before
    # A cache between here and there repeats an old answer with its old time, and says how old it is.
    if told.tzinfo is None or headers.get("age", "0") != "0":
        return before
    return told.timestamp() - time.time()
