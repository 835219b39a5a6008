# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The threads of one call: results in order, one bound, and signals that end the work and not the process."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import workers
from ansible_collections.podyard.gpu.plugins.module_utils._core.clock import Clock
from ansible_collections.podyard.gpu.plugins.module_utils._core.workers import Interrupted, WorkerPool
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime


def test_results_come_in_the_order_of_the_jobs_and_faults_in_their_place():
    def fail():
        raise ValueError("this one")

    first, second, third = WorkerPool(Clock()).run([lambda: 1, fail, lambda: 3])
    assert (first, str(second), third) == (1, "this one", 3)
    assert isinstance(second, ValueError)


def test_so_many_work_at_the_same_time_and_no_more():
    pool, at_work, most = WorkerPool(Clock(), size=3), [], []
    lock, full = threading.Lock(), threading.Barrier(3, timeout=20)

    def job():
        with lock:
            at_work.append(1)
            most.append(len(at_work))
        full.wait()
        with lock:
            at_work.pop()

    pool.run([job] * 6)
    assert max(most) == 3


def test_all_or_none_stops_those_that_ask():
    pool = WorkerPool(Clock(), size=2)
    failed = threading.Event()

    def fail():
        failed.set()
        raise ValueError("no")

    def wait():
        failed.wait(20)
        pool.waiting().sleep(600)

    error, interrupted = pool.run([fail, wait], all_or_none=True)
    assert isinstance(error, ValueError)
    assert isinstance(interrupted, Interrupted)
    assert str(interrupted) == "another pod of this call failed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_waits_and_not_the_process(number):
    pool = WorkerPool(Clock())

    def wait():
        os.kill(os.getpid(), number)
        pool.waiting().sleep(600)

    before = signal.getsignal(number)
    begun = time.monotonic()
    [interrupted] = pool.run([wait])
    assert isinstance(interrupted, Interrupted)
    assert pool.signalled == signal.Signals(number).name
    assert signal.getsignal(number) == before
    assert time.monotonic() - begun < 300


def test_a_signal_that_is_not_to_be_heard_is_not():
    """``nohup`` and a shell's background jobs."""
    pool = WorkerPool(Clock())
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert pool.run([lambda: os.kill(os.getpid(), signal.SIGHUP) or "done"]) == ["done"]
    finally:
        signal.signal(signal.SIGHUP, before)
    assert pool.signalled == ""


def test_a_thread_may_have_a_pool_of_its_own():
    """Only the main thread can hear signals."""
    outer = WorkerPool(Clock())
    assert outer.run([lambda: WorkerPool(Clock()).run([lambda: 1])]) == [[1]]


def test_time_that_is_not_true_passes_as_it_likes():
    fake = FakeTime()
    pool = WorkerPool(fake.clock)
    pool.waiting().sleep(100)
    assert fake.now == 1100
    pool.stop()
    with pytest.raises(Interrupted):
        pool.waiting().sleep(1)
    assert fake.now == 1100


def test_the_bound_is_documented_by_the_constant():
    assert workers.SIZE == 16
