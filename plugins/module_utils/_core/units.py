# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write money, durations and sizes as every screen, report and message shows them, and read version numbers.

Code that runs on a pod (``_training``, ``_host``) imports nothing of ours and has small copies of its own.
"""

from __future__ import annotations

import math
import re

UNKNOWN = "unknown"
#: No part of a version that anybody wrote is longer, and Python refuses to read numbers of thousands of digits.
_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})*(?!\.?[0-9])")


def usd(amount: float | None) -> str:
    """Write an amount of money: ``USD 0.69``, ``USD 0.685``.

    :param amount: US dollars, or None where the amount is not known: ``unknown``.
    :returns: text with two to four decimals, so that a price is never shown as equal to the cap that it exceeds.
    """
    if amount is None:
        return UNKNOWN
    whole, decimals = f"{amount:.4f}".split(".")
    return f"USD {whole}.{decimals.rstrip('0'):0<2}"


def usd_total(amount: float | None) -> str:
    """Write a total in whole cents from one dollar on: ``USD 12.34``, but ``USD 0.0033`` for a small run.

    :param amount: US dollars, or None where the amount is not known: ``unknown``.
    """
    return usd(round(amount, 2) if amount is not None and abs(amount) >= 1 else amount)


def duration(seconds: float | None) -> str:
    """Write a time span in its two largest units: ``0.4 s``, ``12 s``, ``3 min 12 s``, ``2 h 5 min``, ``3 d 4 h``.

    :param seconds: the span, or None where it is not known: ``unknown``. A negative span keeps its sign, and one
        without an end, as a user may give a time-out, is ``unlimited``.
    :returns: text without units that are zero: ``10 min``, not ``10 min 0 s``.
    """
    if seconds is None or math.isnan(seconds):
        return UNKNOWN
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if math.isinf(seconds):
        return "unlimited"
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 3600:
        return _pair((whole // 60, "min"), (whole % 60, "s"))
    minutes = round(whole / 60)
    if minutes < 24 * 60:
        return _pair((minutes // 60, "h"), (minutes % 60, "min"))
    hours = round(whole / 3600)
    return _pair((hours // 24, "d"), (hours % 24, "h"))


def age(seconds: float) -> str:
    """Write an age, without seconds from one minute on: ``45 s``, ``12 min``, ``3 h 5 min``."""
    unit = 1 if seconds < 60 else 60 if seconds < 86_400 else 3_600
    return duration(int(seconds) // unit * unit)


def _pair(*parts: tuple[int, str]) -> str:
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def size(count: float | None) -> str:
    """Write a number of bytes in powers of 1000, the units in which disks and traffic are sold: ``17 B``, ``1.2 MB``.

    :param count: bytes, or None where the number is not known: ``unknown``.
    """
    if count is None:
        return UNKNOWN
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.95:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def version(text: str | None) -> tuple[int, ...] | None:
    """Read the version at the start of a text as numbers to compare: 12.11 is above 12.2, 12.8.0 equals 12.8.

    :param text: a version as a program writes it, such as ``12.8``, ``570.86.15``, ``3.14.0rc1`` (read as 3.14).
    :returns: the numbers without trailing zeros; None when the text does not begin with a number.
    """
    found = _VERSION.match((text or "").lstrip())
    if not found:
        return None
    numbers = [int(part) for part in found[0].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def whole_version(text: str | None) -> tuple[int, ...] | None:
    """Read a version of numbers and dots alone, such as a driver's. :returns: as ``version``; None for other text."""
    text = (text or "").strip()
    return version(text) if _VERSION.fullmatch(text) else None


def major_minor(text: str | None) -> tuple[int, int] | None:
    """Read the first two numbers of a version that consists of numbers and dots, such as a CUDA version.

    The numbers after them make no difference to what a driver supports.

    :returns: the major and the minor number (0 when it is missing); None for any other text.
    """
    found = whole_version(text)
    if found is None:
        return None
    major, minor = (*found, 0)[:2]
    return major, minor


def is_cuda_version(text: str) -> bool:
    """Say whether a text is a version of two numbers, as users and providers write those of CUDA."""
    return text.count(".") == 1 and _VERSION.fullmatch(text) is not None
