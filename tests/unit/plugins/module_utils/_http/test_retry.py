# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a request may be sent again, and after how long."""

from __future__ import annotations

import email.utils
import time

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._http.retry import (
    Attempts,
    Patience,
    asked_pause,
    clock_ahead,
    may_repeat,
)
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"])
def test_what_was_not_executed_may_be_sent_again_whatever_it_is(method):
    assert may_repeat(method, None, sent=False)
    assert may_repeat(method, 429, sent=True)


@pytest.mark.parametrize("status", [None, 500, 502, 503, 504, 524])
def test_what_may_have_been_executed_is_repeated_only_when_harmless(status):
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert may_repeat(method, status, sent=True)
    for method in ("POST", "PATCH"):
        assert not may_repeat(method, status, sent=True)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_refusal_is_never_repeated(status):
    assert not may_repeat("GET", status, sent=True)


LIMITS = '"minute";r=0;t=44, "hour";r=2800;t=1812, "day";r=0;t=90'


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "12"}, 12.0),
        ({"retry-after": "1.5", "RateLimit": LIMITS}, 1.5),
        ({"RateLimit": LIMITS}, 90.0),
        ({"RateLimit": '"minute";r=5;t=44'}, None),
        ({"RateLimit": "nonsense", "Retry-After": "soon"}, None),
    ],
)
def test_the_server_says_how_long_to_wait(headers, seconds):
    assert asked_pause(headers) == seconds


def test_the_server_may_name_a_date():
    assert asked_pause({"Retry-After": email.utils.formatdate(time.time() + 30)}) == pytest.approx(30, abs=2)
    assert asked_pause({"Retry-After": email.utils.formatdate(time.time() - 30)}) == 0


def test_failures_are_repeated_a_few_times_with_growing_pauses():
    fake = FakeTime()
    attempts = Attempts(Patience(tries=5, first=0.5, most=3.0), fake.clock)
    assert [attempts.pause(None, limited=False) for _failure in range(5)] == [True, True, True, True, False]
    assert fake.slept == [0.5, 1.0, 2.0, 3.0]


def test_rate_limits_are_ridden_out_within_the_budget():
    fake = FakeTime()
    attempts = Attempts(Patience(tries=2, budget=30.0), fake.clock)
    assert [attempts.pause(12.0, limited=True) for _failure in range(3)] == [True, True, False]
    assert fake.slept == pytest.approx([12.55, 12.55])


def test_a_wait_longer_than_the_budget_is_not_begun():
    fake = FakeTime()
    assert not Attempts(Patience(budget=30.0), fake.clock).pause(600.0, limited=True)
    assert fake.slept == []


@pytest.mark.parametrize(
    ("headers", "ahead"),
    [
        ({"date": "Thu, 01 Jan 2026 05:00:00 GMT"}, 5 * 3600.0),
        ({"date": "Wed, 31 Dec 2025 19:00:00 GMT"}, -5 * 3600.0),
        # An old answer from a cache, no time, half a time, a year that no machine knows.
        ({"date": "Thu, 01 Jan 2026 05:00:00 GMT", "age": "600"}, 7.0),
        ({}, 7.0),
        ({"date": "today"}, 7.0),
        ({"date": "Thu, 01 Jan 2026"}, 7.0),
        ({"date": "Thu, 01 Jan 99999 05:00:00 GMT"}, 7.0),
    ],
)
def test_how_far_a_clock_is_ahead_is_told_by_answers(monkeypatch, headers, ahead):
    monkeypatch.setattr(time, "time", lambda: 1767225600.0)
    assert clock_ahead(headers, 7.0) == ahead
