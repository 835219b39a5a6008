# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep all processes of this user that use one key within the request quota of its account.

The server's own figures apply (``RateLimit``, ``RateLimit-Policy``, ``Retry-After``); until it has sent any, a quota
that is safe everywhere. When little of the quota is left, looks wait first and creates second, so that pods can always
be given back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from .._core.clock import Clock
from .._core.units import duration
from .retry import TOLD, TOO_MANY, asked_pause, rate_windows
from .shared_file import SharedFile, account_mark

#: Requests in any 60 s until the server reports its quota: the example in its description.
QUOTA, SPAN = 60, 60.0
#: What a request is for.
LOOK, MAKE, PROVE, GIVE_BACK = "look", "make", "prove", "give back"
#: The share of every quota that each kind of request leaves to more important ones: a look leaves a fifth, a create a
#: tenth, the proof that a pod is gone a twentieth; a request that ends a pod takes the last one.
KEPT: Mapping[str, float] = {LOOK: 0.2, MAKE: 0.1, PROVE: 0.05, GIVE_BACK: 0.0}
#: The shares are of this many requests at most: ending pods never takes 10,000 of a day's 50,000.
SHARED = 600
#: When less than this share of a window is left, looks are spread over the rest of it, because other controllers may
#: use the same key.
LOW = 0.5
#: The most seconds that a request which ends a pod, or proves it gone, waits before it is sent all the same. Our count
#: may be too careful, and a refused request costs nothing, while a pod that is not ended does. A proof waits longer
#: than a minute's window.
MONEY_WAITS: Mapping[str, float] = {PROVE: 75.0, GIVE_BACK: 15.0}
#: The most seconds for which a refusal is believed: the longest window is a day.
BLOCK = 86_400.0
#: Anything larger is neither a count of requests nor a moment.
ABSURD = 1e12
#: Lengths of the windows by name, for answers without a policy.
LENGTHS: Mapping[str, float] = {"second": 1.0, "minute": 60.0, "hour": 3_600.0, "day": 86_400.0}
#: How many moments of sending are kept: more than there are ever requests in flight, and at least QUOTA.
KEPT_MOMENTS = 200


def kind_of(method: str, urgent: bool = False) -> str:
    """Return what a request is for, by its verb; an urgent look proves that a pod is gone."""
    look = PROVE if urgent else LOOK
    return {"GET": look, "HEAD": look, "DELETE": GIVE_BACK}.get(method.upper(), MAKE)


class RequestQuota:
    """The requests that one account may send to one address.

    :param title: what messages call the API.
    :param file: where the processes share the quota.

    The attribute ``tell`` shows a line on the screen. It is None until a caller that has a screen sets it.
    """

    def __init__(self, title: str, base_url: str, key: str, *, clock: Clock, file: SharedFile | None = None) -> None:
        self.mark = account_mark(base_url, key)
        self.tell: Callable[[str], None] | None = None
        self.held_back = 0.0
        self._title = title
        self._clock = clock
        self._file = file or SharedFile(f"budget-{self.mark}")
        self._remarked = False

    def take(self, kind: str, at_most: float, call: str = "") -> tuple[float, float]:
        """Wait until a request of this kind may be sent, and count it.

        :param at_most: the most seconds to wait. A request that ends a pod or proves it gone has MONEY_WAITS instead,
            and is sent when they are over.
        :param call: ``VERB /path``, for a service that counts each kind of request separately.
        :returns: the moment of sending, and 0; or, when the wait would be longer than ``at_most``, the moment and the
            seconds to wait. Nothing is counted then.
        """
        at_most = MONEY_WAITS.get(kind, at_most)
        begun = self._clock.monotonic()
        while True:
            with self._file.lock():
                # Taken inside the lock: seen from a moment before it, another process's latest request would lie in
                # the future.
                now = self._clock.monotonic()
                left = at_most - (now - begun)
                state = _State(self._file.read(), now)
                seconds, why = state.wait(kind)
                if seconds <= 0 or (kind in MONEY_WAITS and left <= 0):
                    state.count()
                    self._file.write(state.data)
                    break
            if kind in MONEY_WAITS:
                seconds = min(seconds, left)
            elif seconds > left:
                return now, seconds
            self._sleep(seconds, why)
        self._remark()
        return now, 0.0

    def learn(self, status: int, headers: Mapping[str, str], sent: float) -> None:
        """Update the quota with what an answer says about it.

        :param sent: the moment that ``take`` returned for the request.
        """
        windows = rate_windows(headers)
        pause = asked_pause(headers) if status == TOO_MANY else None
        with self._file.lock():
            state = _State(self._file.read(), self._clock.monotonic())
            served = status < 300 and 0 < state.refused < sent
            if not (windows or served or pause is not None):
                return
            if windows:
                state.adopt(windows, sent)
            if served:
                state.blocked = 0.0
            if pause is not None:
                state.block(pause)
            self._file.write(state.data)

    def _sleep(self, seconds: float, why: str) -> None:
        """Wait slightly longer than needed, by a random amount, so that waiting processes do not return together."""
        seconds = self._clock.spread(seconds, seconds + min(2.0, 0.05 + 0.1 * seconds))
        if seconds > TOLD and self.tell is not None:
            self.tell(f"Waiting {duration(round(seconds))} before the next request to {self._title}: {why}")
        self.held_back += seconds
        self._clock.sleep(seconds)

    def _remark(self) -> None:
        """Say once that this process does not share the quota."""
        if self._file.problem and not self._remarked and self.tell is not None:
            self._remarked = True
            self.tell(
                f"This task counts its requests to {self._title} alone, without those of other tasks: "
                f"{self._file.problem}"
            )


class _State:
    """The content of the file at one moment.

    It has ``sent`` (moments), ``windows`` (name -> quota, length, left, reset) and ``blocked`` (since when and until
    when the server refuses). Impossible values are left out: the file may hold anything.
    """

    def __init__(self, data: dict[str, Any], now: float) -> None:
        self.now = now
        self.sent = sorted(t for t in _numbers(data.get("sent")) if now - SPAN < t <= now)
        self.windows: dict[str, list[float]] = {}
        windows = data.get("windows")
        for name, figures in windows.items() if isinstance(windows, dict) else ():
            if len(_numbers(figures)) == 4 and _numbers(figures)[1] <= BLOCK:
                self.windows[name] = self._rolled(*_numbers(figures))
        blocked = _numbers(data.get("blocked"))
        known = len(blocked) == 2 and blocked[0] <= now < blocked[1] <= now + BLOCK
        self.refused, self.blocked = blocked if known else (0.0, 0.0)

    @property
    def data(self) -> dict[str, Any]:
        """The content to write to the file."""
        return {"sent": self.sent[-KEPT_MOMENTS:], "windows": self.windows, "blocked": [self.refused, self.blocked]}

    def _rolled(self, quota: float, length: float, left: float, reset: float) -> list[float]:
        """Return a window as it is now: full after its reset, or when its reset is further off than its length."""
        if reset <= self.now or reset > self.now + length:
            return [quota, length, quota, self.now + length]
        return [quota, length, left, reset]

    def wait(self, kind: str) -> tuple[float, str]:
        """Return the seconds until a request of this kind may be sent (0 or less: now), and the reason."""
        waits = [(self.blocked - self.now, "the API asked for a pause")]
        if not self.windows:
            allowed = QUOTA - int(QUOTA * KEPT[kind])
            if len(self.sent) >= allowed:
                waits.append((self.sent[-allowed] + SPAN - self.now, f"up to {QUOTA} requests a minute are safe"))
        for name, (quota, _length, left, reset) in self.windows.items():
            free = left - int(min(quota, SHARED) * KEPT[kind])
            if free < 1:
                waits.append((reset - self.now, f"{left:.0f} of {quota:.0f} requests are left in this {name}"))
            elif kind == LOOK and left < quota * LOW and self.sent:
                pace = min(SPAN, (reset - self.now) / free)
                waits.append((self.sent[-1] + pace - self.now, f"few requests are left in this {name}"))
        return max(waits)

    def count(self) -> None:
        """Count one request as sent now."""
        self.sent.append(self.now)
        for figures in self.windows.values():
            figures[2] = max(0.0, figures[2] - 1)

    def adopt(self, reported: Mapping[str, Mapping[str, float]], sent: float) -> None:
        """Replace the windows by those that the server reports.

        Requests that left after the one it answers are subtracted: the server may not have counted them yet.

        :param reported: what ``rate_windows`` returned.
        :param sent: the moment at which the answered request was sent.
        """
        later = sum(moment > sent for moment in self.sent)
        windows: dict[str, list[float]] = {}
        for name, figures in reported.items():
            known = self.windows.get(name)
            length = figures.get("w") or (known[1] if known else LENGTHS.get(name, figures.get("t") or SPAN))
            left = figures.get("r")
            quota = figures.get("q") or max(known[0] if known else 0.0, left or 0.0, 1.0)
            if left is None:
                windows[name] = known or [quota, length, quota, self.now + length]
                continue
            seconds = min(figures.get("t", length), length) if left > 0 else max(figures.get("t", length), 1.0)
            seconds = min(seconds, BLOCK)
            windows[name] = [quota, min(max(length, seconds), BLOCK), max(0.0, left - later), self.now + seconds]
        self.windows = windows

    def block(self, seconds: float) -> None:
        """Keep all requests back for so many seconds from now, unless they are kept back for longer already."""
        self.refused, self.blocked = self.now, max(self.blocked, self.now + min(seconds, BLOCK))


def _numbers(values: Any) -> list[float]:
    """Return the numbers in a list as floats, without NaN, infinities and absurd ones; of anything else, nothing."""
    if not isinstance(values, list):
        return []
    numbers = [each for each in values if isinstance(each, (int, float)) and not isinstance(each, bool)]
    return [float(number) for number in numbers if -ABSURD < number < ABSURD]
