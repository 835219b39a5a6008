# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet is made of: names, threads, offers that are shared, host keys in one file."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import workers
from ansible_collections.podyard.gpu.plugins.module_utils._core.clock import Clock
from ansible_collections.podyard.gpu.plugins.module_utils._core.workers import Interrupted, WorkerPool
from ansible_collections.podyard.gpu.plugins.module_utils._pods.group_find import GroupNames, KnownHosts
from ansible_collections.podyard.gpu.plugins.module_utils._pods.rent import MOST_REFUSED, OfferPool
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime, offer

# -- names


@pytest.mark.parametrize(
    ("name", "pod_name", "stands_for"),
    [
        ("x", "x", "x"),
        ("x", "x-0", "x-0"),
        ("x", "x-17", "x-17"),
        ("x", "x-017", None),
        ("x", "x-1-2", None),
        ("x", "xx", None),
        ("x.y", "x-y-1", None),
        ("podyard-d-r-0", "podyard-d-r-0-3", "podyard-d-r-0"),
        ("podyard-d-r-0", "podyard-d-r-1-1", None),
        ("podyard-d-r", "podyard-d-r-1-4", "podyard-d-r-1"),
        ("podyard-d-r", "podyard-d-r2-1-4", None),
        ("podyard-d-r-0-3", "podyard-d-r-0-3", "podyard-d-r-0-3"),
        ("podyard-d-r-0-3", "podyard-d-r-0-4", None),
    ],
)
def test_whose_pod_it_is(name, pod_name, stands_for):
    assert GroupNames(name).of(pod_name) == stands_for


def test_the_wanted_names():
    assert GroupNames("x").wanted() == ["x"]
    assert GroupNames("x", 2).wanted() == ["x-0", "x-1"]


# -- threads


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


# -- offers

MACHINES = [offer(id=f"o{n}", host=f"m{n // 2}", region="SE") for n in range(6)]


def test_a_machines_offer_is_taken_once_by_whoever_comes_first():
    supply = OfferPool(MACHINES)
    assert [supply.take().id for _each in MACHINES] == [each.id for each in MACHINES]
    assert supply.take() is None


def test_an_offer_of_many_machines_stays_until_it_is_refused():
    many = offer("A40")
    supply = OfferPool([many])
    assert supply.take() is supply.take() is many
    supply.refused(many)
    assert supply.take() is None


def test_of_a_bad_machine_no_offer_is_left():
    told = []
    supply = OfferPool(MACHINES, remember=lambda *what: told.append(what))
    bad = supply.take()
    supply.failed(bad, "SE", "DEAD")
    assert supply.take().id == "o2"
    assert told == [(bad, "SE", "DEAD")]


def test_what_others_have_refused_counts_for_all():
    supply = OfferPool([offer(id=f"o{n}") for n in range(3 * MOST_REFUSED)], lambda closed: [offer(id="new")], pods=2)
    for _each in range(2 * MOST_REFUSED):
        supply.refused(supply.take())
    assert supply.take().id == "new"


def test_the_second_search_leaves_out_what_was_had_and_what_is_bad():
    found = [*MACHINES, offer(id="new", host="m9"), offer(id="other", host="m0")]
    supply = OfferPool(MACHINES[:2], lambda closed: found)
    first = supply.take()
    supply.failed(first, "SE", "DEAD")
    assert [each.id for each in iter(supply.take, None)] == ["o1", "o2", "o3", "o4", "o5", "new"][1:]


def test_a_closed_provider_is_not_asked_again():
    asked = []
    elsewhere = replace(offer("A40"), provider="two")
    supply = OfferPool([offer(), elsewhere], lambda closed: asked.append(closed) or [offer("L40S")])
    assert supply.close("fake")
    assert supply.take() is elsewhere
    supply.refused(elsewhere)
    supply.take()
    assert asked == [frozenset({"fake"})]


def test_where_nothing_is_left_a_closed_provider_is_the_end():
    assert OfferPool([offer()]).close("fake") is False


# -- host keys


def test_the_keys_of_several_pods_end_in_one_file(tmp_path):
    path = tmp_path / "known_hosts"
    path.write_text("[a]:1 ssh-ed25519 OLD\n[b]:2 ssh-ed25519 KEPT\n")
    hosts = KnownHosts(several=True)
    new, there = hosts.own(str(path), "x-0", keep=False), hosts.own(str(path), "x-1", keep=True)
    assert new != there
    assert not os.path.exists(new)
    with open(there, encoding="utf-8") as file:
        assert "KEPT" in file.read()
    with open(new, "w", encoding="utf-8") as file:
        file.write("[a]:1 ssh-ed25519 NEW\n[a]:1 ssh-rsa NEW\n")
    hosts.merge()
    assert sorted(path.read_text().splitlines()) == [
        "[a]:1 ssh-ed25519 NEW",
        "[a]:1 ssh-rsa NEW",
        "[b]:2 ssh-ed25519 KEPT",
    ]
    assert [each.name for each in tmp_path.iterdir()] == ["known_hosts"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_one_pod_has_the_file_itself(tmp_path):
    path = str(tmp_path / "known_hosts")
    hosts = KnownHosts(several=False)
    assert hosts.own(path, "x", keep=False) == path
    hosts.merge()
    assert not os.path.exists(path)
