# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account's request quota: three windows, and the two headers that show what is left."""

from __future__ import annotations

import math
import time

from podyard_sandbox.runpod.problems import Problem

_WINDOWS = (("minute", 60), ("hour", 3_600), ("day", 86_400))


class RateLimit:
    """Counts requests in fixed windows."""

    def __init__(self, quota: tuple[int, int, int]) -> None:
        self.quota = quota
        self._began = [time.monotonic()] * len(_WINDOWS)
        self._used = [0] * len(_WINDOWS)

    def count(self) -> None:
        """Count a request.

        Raises:
            Problem: 429, if a window's quota is used up.
        """
        now = time.monotonic()
        for i, (name, length) in enumerate(_WINDOWS):
            if now - self._began[i] >= length:
                self._began[i], self._used[i] = now, 0
            if self._used[i] >= self.quota[i]:
                raise exceeded(name, self._left(i))
        for i in range(len(_WINDOWS)):
            self._used[i] += 1

    def headers(self, empty_for: int | None = None) -> dict[str, str]:
        """Return RateLimit and RateLimit-Policy; ``empty_for`` seconds show the minute's quota as used up."""
        left, policy = [], []
        for i, (name, length) in enumerate(_WINDOWS):
            rest, seconds = max(0, self.quota[i] - self._used[i]), self._left(i)
            if empty_for is not None and name == "minute":
                rest, seconds = 0, empty_for
            left.append(f'"{name}";r={rest};t={seconds}')
            policy.append(f'"{name}";q={self.quota[i]};w={length}')
        return {"RateLimit": ", ".join(left), "RateLimit-Policy": ", ".join(policy)}

    def _left(self, i: int) -> int:
        """Return the seconds until a window starts over."""
        return max(0, math.ceil(_WINDOWS[i][1] - (time.monotonic() - self._began[i])))


def exceeded(window: str, seconds: int, header: bool = True) -> Problem:
    """Refuse a request beyond the quota."""
    detail = f"rate limit exceeded for the {window} window"
    return Problem(429, detail, headers={"Retry-After": str(seconds)} if header else None)
