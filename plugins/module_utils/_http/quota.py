# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests may be sent, and when: one budget for all processes of this user that use the same key.

The server's own figures count (``RateLimit``, ``RateLimit-Policy``, ``Retry-After``); until it has told any, a quota
that is safe everywhere. When little is left, looking waits first and renting second, so that pods can always be given
back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from .._core.clock import Clock
from .retry import TOLD, TOO_MANY, asked_pause, told_windows
from .shared_file import SharedFile, account_mark

#: Requests in any 60 s while the server has told nothing: the quota in the example of its description.
QUOTA, SPAN = 60, 60.0
#: What a request is for.
LOOK, MAKE, PROVE, GIVE_BACK = "look", "make", "prove", "give back"
#: The share of every quota that is kept for what matters more: a look leaves a fifth, a create a tenth, the proof that
#: a pod is gone a twentieth, and what ends a pod takes the last one.
KEPT: Mapping[str, float] = {LOOK: 0.2, MAKE: 0.1, PROVE: 0.05, GIVE_BACK: 0.0}
#: Requests of a quota that the shares are taken of at most: of a day's 50,000 nobody needs 10,000 to end pods.
SHARED = 600
#: Below this share of a window looks are spread over the time that is left of it, so that the other controllers get
#: some too.
LOW = 0.5
#: Seconds that a request which ends a pod, or proves it, waits at most; then the server may refuse it itself. Our count
#: may be too careful, and a refused request costs nothing; a pod that is left does. The proof waits for a whole minute.
MONEY_WAITS: Mapping[str, float] = {PROVE: 75.0, GIVE_BACK: 15.0}
#: Seconds for which a refusal is believed at most: the longest window is a day.
BLOCK = 86_400.0
#: What is larger is no count of requests and no moment.
ABSURD = 1e12
#: Lengths of the windows by their names, for when the policy is not told.
LENGTHS: Mapping[str, float] = {"second": 1.0, "minute": 60.0, "hour": 3_600.0, "day": 86_400.0}
#: Moments of sending that are kept: more than are ever in flight at once, and as many as the quota above needs.
KEPT_MOMENTS = 200


def kind_of(method: str, urgent: bool = False) -> str:
    """What a request is for, by its verb; an urgent look is one that proves a pod gone."""
    look = PROVE if urgent else LOOK
    return {"GET": look, "HEAD": look, "DELETE": GIVE_BACK}.get(method.upper(), MAKE)


class RequestQuota:
    """The requests that one account has at one address.

    :param title: how messages call the API.
    :param file: where the processes share it.
    :param tell: shows a line to people; set later by who has a place for it.
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

        :param at_most: seconds of waiting at most; for what gives money back MONEY_WAITS counts, and then it is sent.
        :param call: ``VERB /path``, for a service that counts each kind by itself.
        :returns: the moment of sending, and 0; or, when the wait would be longer than ``at_most``, the moment and the
            seconds that it would take; nothing is counted then.
        """
        at_most = MONEY_WAITS.get(kind, at_most)
        begun = self._clock.monotonic()
        while True:
            with self._file.lock():
                # Read inside the lock: to a moment from before it, what another sent meanwhile would lie in the future.
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
        """Take over what an answer tells of the quota.

        :param sent: what ``take`` returned for its request.
        """
        told = told_windows(headers)
        pause = asked_pause(headers) if status == TOO_MANY else None
        with self._file.lock():
            state = _State(self._file.read(), self._clock.monotonic())
            served = status < 300 and 0 < state.refused < sent
            if not (told or served or pause is not None):
                return
            if told:
                state.adopt(told, sent)
            if served:
                state.blocked = 0.0
            if pause is not None:
                state.block(pause)
            self._file.write(state.data)

    def _sleep(self, seconds: float, why: str) -> None:
        """Wait a little longer than needed, each by another little, so that not all who wait come back together."""
        seconds = self._clock.spread(seconds, seconds + min(2.0, 0.05 + 0.1 * seconds))
        if seconds > TOLD and self.tell is not None:
            self.tell(f"Waiting {seconds:.0f} s before {self._title} is asked again: {why}")
        self.held_back += seconds
        self._clock.sleep(seconds)

    def _remark(self) -> None:
        """Say once that the budget is not shared."""
        if self._file.problem and not self._remarked and self.tell is not None:
            self._remarked = True
            self.tell(f"The requests to {self._title} are counted for this task alone: {self._file.problem}")


class _State:
    """The content of the file at one moment: ``sent`` (moments), ``windows`` (name -> quota, length, left, reset),
    ``blocked`` (since and until when the server refuses). What cannot be, is left out: the file is no one's promise.
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
        """For the file."""
        return {"sent": self.sent[-KEPT_MOMENTS:], "windows": self.windows, "blocked": [self.refused, self.blocked]}

    def _rolled(self, quota: float, length: float, left: float, reset: float) -> list[float]:
        """A window as it is now: begun anew after its reset, or when its reset is further off than it is long."""
        if reset <= self.now or reset > self.now + length:
            return [quota, length, quota, self.now + length]
        return [quota, length, left, reset]

    def wait(self, kind: str) -> tuple[float, str]:
        """Seconds until a request of this kind may be sent, and why; not above 0: now."""
        waits = [(self.blocked - self.now, "it has asked for a pause")]
        if not self.windows:
            allowed = QUOTA - int(QUOTA * KEPT[kind])
            if len(self.sent) >= allowed:
                waits.append((self.sent[-allowed] + SPAN - self.now, f"{QUOTA} requests a minute are safe"))
        for name, (quota, _length, left, reset) in self.windows.items():
            free = left - int(min(quota, SHARED) * KEPT[kind])
            if free < 1:
                waits.append((reset - self.now, f"{left:.0f} of {quota:.0f} requests are left in this {name}"))
            elif kind == LOOK and left < quota * LOW and self.sent:
                pace = min(SPAN, (reset - self.now) / free)
                waits.append((self.sent[-1] + pace - self.now, f"few requests are left in this {name}"))
        return max(waits)

    def count(self) -> None:
        """One request is sent now."""
        self.sent.append(self.now)
        for figures in self.windows.values():
            figures[2] = max(0.0, figures[2] - 1)

    def adopt(self, told: Mapping[str, Mapping[str, float]], sent: float) -> None:
        """What the server tells, less the requests sent after the one it answers: it may not have counted them yet."""
        later = sum(moment > sent for moment in self.sent)
        windows: dict[str, list[float]] = {}
        for name, figures in told.items():
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
        """Nobody asks for so many seconds."""
        self.refused, self.blocked = self.now, max(self.blocked, self.now + min(seconds, BLOCK))


def _numbers(values: Any) -> list[float]:
    """The numbers in a list, or nothing. Of JSON's larger relatives (NaN, Infinity) none is one."""
    if not isinstance(values, list):
        return []
    numbers = [each for each in values if isinstance(each, (int, float)) and not isinstance(each, bool)]
    return [float(number) for number in numbers if -ABSURD < number < ABSURD]
