# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Money, durations, sizes and versions have one form each, whatever screen or message they stand in."""

from __future__ import annotations

import math

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.units import (
    age,
    duration,
    is_cuda_version,
    major_minor,
    size,
    usd,
    usd_total,
    version,
    whole_version,
)


@pytest.mark.parametrize(
    ("amount", "price", "total"),
    [
        (None, "unknown", "unknown"),
        (0, "USD 0.00", "USD 0.00"),
        (0.69, "USD 0.69", "USD 0.69"),
        (0.685, "USD 0.685", "USD 0.685"),
        (0.00331, "USD 0.0033", "USD 0.0033"),
        (1, "USD 1.00", "USD 1.00"),
        (1.4375, "USD 1.4375", "USD 1.44"),
        (12.345, "USD 12.345", "USD 12.35"),
        (-2.5, "USD -2.50", "USD -2.50"),
    ],
)
def test_a_price_is_exact_and_a_total_is_in_cents_from_one_dollar_on(amount, price, total):
    assert (usd(amount), usd_total(amount)) == (price, total)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (0, "0 s"),
        (0.04, "0 s"),
        (5, "5 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (192, "3 min 12 s"),
        (600, "10 min"),
        (3599.7, "1 h"),
        (7500, "2 h 5 min"),
        (86_399, "1 d"),
        (4 * 86_400 + 3 * 3_600 + 59, "4 d 3 h"),
        (-7500, "-2 h 5 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(math.inf, "unlimited"), (-math.inf, "-unlimited"), (math.nan, "unknown"), (1e300, None)]
)
def test_a_time_out_that_a_user_gave_without_an_end_can_be_written(seconds, text):
    assert text is None or duration(seconds) == text
    assert duration(seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.9, "0 s"), (59.9, "59 s"), (119, "1 min"), (7199, "1 h 59 min"), (86_400 + 3_599, "1 d")],
)
def test_an_age_is_never_rounded_up(seconds, text):
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "unknown"),
        (17, "17 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (5e9, "5.0 GB"),
        (7e12, "7.0 TB"),
    ],
)
def test_sizes(count, text):
    assert size(count) == text


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("12.10", (12, 10)),
        ("12.8.0", (12, 8)),
        ("570.86.15", (570, 86, 15)),
        ("3.14.0rc1", (3, 14)),
        ("2.8.0+cu128", (2, 8)),
        ("0.0", (0,)),
        ("none", None),
        ("", None),
        (None, None),
        # Python reads no number of so many digits.
        ("9" * 5000, None),
        (f"12.{'9' * 5000}", None),
    ],
)
def test_a_version_is_read_from_the_start_of_what_a_program_says(text, numbers):
    assert version(text) == numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("12.8", (12, 8)),
        (" 12 ", (12, 0)),
        ("12.8.1", (12, 8)),
        ("12.8rc", None),
        ("twelve", None),
        ("9" * 5000, None),
        (None, None),
    ],
)
def test_major_and_minor_of_a_version_that_is_nothing_else(text, numbers):
    assert major_minor(text) == numbers


def test_versions_compare_by_number():
    assert major_minor("12.10") > major_minor("12.9")
    assert version("570.86.15") > version("570")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("535.86.05", (535, 86, 5)), (" 570 ", (570,)), ("570.86-rc1", None), ("v570", None), ("", None)],
)
def test_a_whole_version_has_nothing_beside_its_numbers(text, numbers):
    assert whole_version(text) == numbers


@pytest.mark.parametrize(
    ("text", "good"),
    [("12.8", True), ("12.11", True), ("12", False), ("12.8.1", False), ("12.8 ", False), ("12.x", False), ("", False)],
)
def test_a_cuda_version_has_two_numbers(text, good):
    assert is_cuda_version(text) is good
