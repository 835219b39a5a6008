# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Polls: polite, jittered, and never past the deadline."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import clock as clock_module
from ansible_collections.podyard.gpu.plugins.module_utils._core.clock import Clock, PollInterval
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime


def test_a_wait_looks_at_once_and_at_the_deadline():
    time = FakeTime()
    assert list(time.polls(4.0).until(10.0)) == [0.0, 4.0, 8.0, 10.0]
    assert time.slept == [4.0, 4.0, 2.0]


def test_a_deadline_of_nothing_is_one_look():
    time = FakeTime()
    assert list(time.polls().until(0.0)) == [0.0]
    assert time.slept == []


@pytest.mark.parametrize(("takes", "looks"), [(3.0, [0.0, 3.0]), (0.4, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])])
def test_pauses_count_from_look_to_look(takes, looks):
    """A look that takes long does not put the next one off, and is no reason to look more often."""
    time = FakeTime()
    seen = []
    for gone in time.polls(1.0).until(5.0):
        seen.append(gone)
        time.now += takes
    assert seen == pytest.approx(looks)


@pytest.mark.parametrize(("interval", "least", "most"), [(None, 5.0, 10.0), (0.2, 0.15, 0.25)])
def test_pauses_are_spread(interval, least, most):
    asked = []
    clock = Clock(monotonic=lambda: 0.0, sleep=lambda _seconds: None, spread=lambda a, b: asked.append((a, b)) or a)
    PollInterval(clock, interval).pause()
    assert asked == [(pytest.approx(least), pytest.approx(most))]


def test_the_true_clock_is_the_default():
    polls = PollInterval()
    before = clock_module.time.monotonic()
    PollInterval(polls.clock, 0.01).pause()
    assert 0.005 < clock_module.time.monotonic() - before < 5


def test_no_pause_is_longer_than_the_interval():
    slept = []
    clock = Clock(monotonic=lambda: 0.0, sleep=slept.append, spread=lambda _a, b: b)
    PollInterval(clock, 2.0).pause()
    assert slept == [2.0]


def test_what_was_seen_some_seconds_ago_is_looked_at_again_so_much_sooner():
    slept = []
    clock = Clock(monotonic=lambda: 100.0, sleep=slept.append, spread=lambda a, b: (a + b) / 2)
    looks = PollInterval(clock, 5.0).until(60.0, lambda: 97.0)
    next(looks), next(looks)
    assert slept == [2.0]
