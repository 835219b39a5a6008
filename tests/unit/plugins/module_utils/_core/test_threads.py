# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads beside a task: the signals by which Ansible ends it are for the main thread alone."""

from __future__ import annotations

import signal
import threading

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.threads import begin, run_together


def mask():
    """The signals that the calling thread does not get."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_no_signal_is_for_the_thread_and_all_are_for_the_others():
    before, seen = mask(), []
    begin(lambda: seen.append(mask()), "test").join()
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= seen[0]
    assert mask() == before


def test_all_run_at_the_same_time_and_the_first_in_the_callers_thread():
    meeting, seen = threading.Barrier(3, timeout=5), []

    def work() -> None:
        meeting.wait()
        seen.append(threading.current_thread())

    run_together([work] * 3, "test")
    assert len(seen) == 3 and seen.count(threading.current_thread()) == 1
    assert {thread.name for thread in seen} - {threading.current_thread().name} == {"test"}


def test_a_fault_of_one_is_raised_after_all_have_ended():
    ended = []

    def fail() -> None:
        raise ValueError("this one")

    with pytest.raises(ValueError, match="this one"):
        run_together([lambda: ended.append(1), fail, lambda: ended.append(2)], "test")
    assert sorted(ended) == [1, 2]


def test_the_others_are_waited_for_when_the_first_fails():
    ended, begun = [], threading.Event()

    def fail() -> None:
        begun.wait(5)
        raise ValueError("the first")

    def last() -> None:
        begun.set()
        threading.Event().wait(0.05)
        ended.append(1)

    with pytest.raises(ValueError, match="the first"):
        run_together([fail, last], "test")
    assert ended == [1]


def test_nothing_to_run_is_nothing_done():
    run_together([], "test")
