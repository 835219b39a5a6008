# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments are RFC 3339 text in UTC, and whatever else stands in a file is not taken for one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.times import parse_time, rfc3339, seconds_since, utc_now


def test_a_moment_is_written_in_utc_whatever_zone_it_came_in():
    paris = datetime(2026, 7, 15, 16, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(paris) == "2026-07-15T14:00:00Z"
    assert rfc3339(paris, precision="milliseconds") == "2026-07-15T14:00:00.250Z"
    assert rfc3339(paris.timestamp()) == "2026-07-15T14:00:00Z"


def test_what_is_written_is_read_back():
    moment = datetime(2026, 7, 15, 14, 0, 0, 250_000, tzinfo=UTC)
    assert parse_time(rfc3339(moment, precision="milliseconds")) == moment


@pytest.mark.parametrize("text", [None, "", 7, "yesterday", "2026-13-01T00:00:00Z", ["2026-07-15"]])
def test_what_is_not_a_time(text):
    assert parse_time(text) is None
    assert seconds_since(text) == 0.0


@pytest.mark.parametrize("text", ["2026-07-15", "2026-07-15T00:00:00", "2026-07-15T02:00:00+02:00"])
def test_a_time_without_a_zone_is_in_utc(text):
    assert parse_time(text) == datetime(2026, 7, 15, tzinfo=UTC)


def test_seconds_since():
    assert 60 <= seconds_since(utc_now(ahead=-60)) < 70
    assert seconds_since(utc_now(ahead=3600)) == 0.0, "the clock was set back since"
