# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fence: a create in flight is waited for, and none is sent after it was raised."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import time

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import CloudError, Fenced
from ansible_collections.podyard.gpu.plugins.module_utils._http.exchange import Limits
from ansible_collections.podyard.gpu.plugins.module_utils._pods import fence


def test_without_a_run_there_is_no_fence():
    with fence.creating(None):
        pass
    fence.raise_fence(None)
    assert not fence.is_raised(None)


def test_creates_run_until_the_fence_is_raised(tmp_path):
    run_dir = tmp_path / "run"
    with fence.creating(run_dir):
        pass
    assert stat.S_IMODE(run_dir.stat().st_mode) == 0o700
    fence.raise_fence(run_dir)
    fence.raise_fence(run_dir)
    assert fence.is_raised(run_dir)
    ran = False
    with pytest.raises(Fenced, match="given back already"), fence.creating(run_dir):
        ran = True
    assert not ran


def test_two_creates_may_be_in_flight_at_once(tmp_path):
    with fence.creating(tmp_path), fence.creating(tmp_path):
        pass


def _create_slowly(run_dir, inside, finish, order):
    with fence.creating(run_dir):
        inside.set()
        finish.wait(30)
        order.put("created")


def _give_back(run_dir, asked, order):
    asked.set()
    fence.raise_fence(run_dir)
    order.put("fenced")


def test_the_fence_waits_for_a_create_in_flight(tmp_path):
    context = multiprocessing.get_context("fork")
    inside, finish, asked, order = context.Event(), context.Event(), context.Event(), context.Queue()
    creator = context.Process(target=_create_slowly, args=(tmp_path, inside, finish, order))
    creator.start()
    assert inside.wait(30)
    guard = context.Process(target=_give_back, args=(tmp_path, asked, order))
    guard.start()
    assert asked.wait(30)
    guard.join(0.2)
    assert guard.is_alive()
    assert not fence.is_raised(tmp_path)
    finish.set()
    assert [order.get(timeout=30), order.get(timeout=30)] == ["created", "fenced"]
    creator.join(30)
    guard.join(30)
    assert fence.is_raised(tmp_path)


def test_a_killed_creator_leaves_no_lock(tmp_path):
    context = multiprocessing.get_context("fork")
    inside, finish, order = context.Event(), context.Event(), context.Queue()
    creator = context.Process(target=_create_slowly, args=(tmp_path, inside, finish, order))
    creator.start()
    assert inside.wait(30)
    creator.kill()
    creator.join(30)
    fence.raise_fence(tmp_path)
    assert fence.is_raised(tmp_path)


def test_a_run_directory_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CloudError, match="cannot be written"), fence.creating(tmp_path / "file" / "run"):
        pass


def test_a_frozen_creator_is_not_waited_for_without_end(tmp_path):
    context = multiprocessing.get_context("fork")
    inside, finish, order = context.Event(), context.Event(), context.Queue()
    creator = context.Process(target=_create_slowly, args=(tmp_path, inside, finish, order))
    creator.start()
    try:
        assert inside.wait(30)
        os.kill(creator.pid, signal.SIGSTOP)
        begun = time.monotonic()
        assert fence.raise_fence(tmp_path, patience=0.2) is False
        assert time.monotonic() - begun < 10
        assert fence.is_raised(tmp_path), "nothing more begins"
        with pytest.raises(Fenced), fence.creating(tmp_path):
            pass
    finally:
        creator.kill()
        creator.join(30)
    assert fence.raise_fence(tmp_path) is True


def test_nothing_begins_while_the_fence_is_being_raised(tmp_path):
    fence.announce(tmp_path)
    assert not fence.is_raised(tmp_path) and fence.is_coming(tmp_path)
    with pytest.raises(Fenced), fence.creating(tmp_path):
        pass


def test_a_create_is_waited_for_as_long_as_its_exchange_may_take():
    assert Limits().total < fence.PATIENCE


def test_on_a_full_disk_a_create_in_flight_is_waited_for_all_the_same(tmp_path, monkeypatch):
    waited = []

    def full(*_arguments):
        raise CloudError("The run directory cannot be written: No space left on device.")

    monkeypatch.setattr(fence, "_write", full)
    monkeypatch.setattr(fence, "_take", lambda *_arguments: waited.append(1) or True)
    with pytest.raises(CloudError, match="No space left"):
        fence.raise_fence(tmp_path)
    assert waited
