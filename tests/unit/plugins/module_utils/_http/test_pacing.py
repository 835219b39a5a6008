# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pauses that all processes of a user keep together, and notes that they leave for each other."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._http.pacing import JITTER, PaceRule, RequestPacer
from ansible_collections.podyard.gpu.plugins.module_utils._http.quota import GIVE_BACK, LOOK, MAKE
from ansible_collections.podyard.gpu.plugins.module_utils._http.shared_file import SharedFile
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime

PACES = (PaceRule("create", r"PUT /asks/\d+", 4.0), PaceRule("search", r"POST /search", 60.0, calls=2))


@pytest.fixture
def time():
    return FakeTime()


@pytest.fixture
def process(tmp_path, time):
    """Makes one more process: they have the directory in common."""

    def make(scale=1.0, key="k"):
        file = SharedFile("turns-0123456789abcdef0123456789abcdef", tmp_path)
        return RequestPacer("API", "http://127.0.0.1", key, PACES, clock=time.clock, scale=scale, file=file)

    return make


def test_each_gets_the_next_turn(process, time):
    for _each in range(3):
        assert process().take(MAKE, 60.0, "PUT /asks/7")[1] == 0.0
    assert time.slept == [pytest.approx(4.2), pytest.approx(4.2)]


def test_another_kind_does_not_wait(process, time):
    turns = process()
    for call in ("PUT /asks/7", "GET /asks/7", "GET /asks/7", "POST /search", "POST /search"):
        turns.take(LOOK, 60.0, call)
    assert time.slept == []
    turns.take(LOOK, 90.0, "POST /search")
    assert time.slept == [pytest.approx(63.0)]


def test_keys_share_the_pause_for_the_service_counts_addresses(process, time):
    process(key="a").take(MAKE, 60.0, "PUT /asks/7")
    process(key="b").take(MAKE, 60.0, "PUT /asks/7")
    assert len(time.slept) == 1


def test_who_may_not_wait_so_long_takes_no_turn(process, time):
    turns = process()
    turns.take(MAKE, 1.0, "PUT /asks/7")
    assert turns.take(MAKE, 1.0, "PUT /asks/7")[1] == pytest.approx(4.2)
    assert time.slept == []
    # What gives money back waits for its turn.
    assert turns.take(GIVE_BACK, 1.0, "PUT /asks/7")[1] == 0.0
    assert turns.held_back == pytest.approx(4.2)


def test_a_refusal_holds_for_all_and_a_longer_pause_is_learned(process, time):
    process().refused("PUT /asks/7", 12.0, 6.0)
    other = process()
    other.take(MAKE, 60.0, "PUT /asks/7")
    other.take(MAKE, 60.0, "PUT /asks/7")
    assert time.slept == [pytest.approx(12.0), pytest.approx(6.3)]


def test_it_is_scaled(process, time):
    turns = process(scale=0.0)
    turns.take(MAKE, 60.0, "PUT /asks/7")
    turns.take(MAKE, 60.0, "PUT /asks/7")
    assert time.slept == []


def test_a_short_pause_has_room_for_jitter(process, time):
    turns = process(scale=0.01)
    turns.take(MAKE, 60.0, "PUT /asks/7")
    turns.take(MAKE, 60.0, "PUT /asks/7")
    assert time.slept == [pytest.approx(0.04 + JITTER)]


def test_a_garbled_file_is_as_good_as_an_empty_one(process, time, tmp_path):
    for text in (
        "",
        "[]",
        '{"taken": 3, "blocked": [], "told": "x", "mine": {"a": 7}}',
        '{"taken": {"create": [9e9]}}',
    ):
        (tmp_path / "turns-0123456789abcdef0123456789abcdef.json").write_text(text)
        assert process().take(MAKE, 60.0, "PUT /asks/7")[1] == 0.0
        assert not process().has_note("mine", "a")
    assert time.slept == []


def test_one_claims_what_another_cannot_have(process, time):
    assert process().claim("offers", "7", 100.0)
    assert not process().claim("offers", "7", 100.0)
    assert process().claim("offers", "8", 100.0)
    time.sleep(100.0)
    assert process().claim("offers", "7", 100.0)
    assert process().claim("offers", "9", 100.0, "mine")
    assert process().claim("offers", "9", 100.0, "mine")
    assert not process().claim("offers", "9", 100.0, "yours")
    process().note("offers", "7", "pod 1")
    process().forget("offers", value="pod 1")
    assert process().claim("offers", "7", 100.0)
    assert process().read_note("offers", "7") == ""
    assert process().read_note("offers", "9") == "mine"
    assert process().read_note("offers", "10") is None


def test_threads_of_one_process_keep_the_pause_too(process, time):
    """Each has a connection, and with it turns, of its own."""
    moments = []
    file = process()._file
    clock = replace(time.clock, monotonic=lambda: 1000.0, sleep=lambda seconds: None)

    def one():
        own = RequestPacer(
            "API", "http://127.0.0.1", "k", PACES, clock=clock, file=SharedFile(file._path.stem, file._path.parent)
        )
        moments.append(own.take(MAKE, 600.0, "PUT /asks/7")[0])

    threads = [threading.Thread(target=one) for _each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(moments) == [pytest.approx(1000.0 + number * 4.2) for number in range(8)]
