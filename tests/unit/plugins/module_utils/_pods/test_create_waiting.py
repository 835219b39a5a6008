# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A create that has to wait: the run can be given back meanwhile at once, and what has waited is not sent then."""

from __future__ import annotations

import fcntl
import os

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._http.session import ApiSession
from ansible_collections.podyard.gpu.plugins.module_utils._pods import create, fence
from ansible_collections.podyard.gpu.plugins.module_utils._pods.context import PodContext
from ansible_collections.podyard.gpu.plugins.module_utils._pods.create import create_once
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod.provider import RunPod
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai.provider import Vast
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai.session import VastSession
from ansible_collections.podyard.gpu.tests.unit.fakes import cloud
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect, refused_url
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai import talk


class Waiting:
    """A driver, a run, and what happens: "waits" with the fence free or held, "sends" likewise, and the ledger's lines.

    :param give_back: the run is given back while the create waits.
    """

    def __init__(self, run_dir, monkeypatch):
        self.run_dir = run_dir
        self.happened: list[str] = []
        self.give_back = False
        self.now = 1000.0
        write = Ledger.write

        def written(ledger, event, *arguments, **more):
            self.tell(event)
            write(ledger, event, *arguments, **more)

        monkeypatch.setattr(Ledger, "write", written)

    def tell(self, what):
        self.happened.append(f"{what}, {'free' if self.is_free() else 'held'}")

    def is_free(self):
        self.run_dir.mkdir(exist_ok=True)
        descriptor = os.open(self.run_dir / fence.LOCK, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(descriptor)

    def sleep(self, seconds):
        self.now += seconds
        if self.happened[-1:] != ["waits, free"]:
            self.tell("waits")
        if self.give_back and self.is_free():
            fence.raise_fence(self.run_dir)

    def rent(self, kind, url):
        """One create by this provider."""
        time = cloud.FakeTime()
        clock = cloud.Clock(lambda: self.now, self.sleep, time.clock.spread)
        if kind == "runpod":
            self.session = ApiSession("RunPod", url, KEY, clock=clock)
            driver, request = RunPod(KEY, url, session=self.session), cloud.request()
        else:
            self.session = VastSession(url, KEY, clock=clock)
            driver, request = Vast(KEY, url, session=self.session), talk.request(public_keys=())
        send = self.session._send
        self.session._send = lambda *arguments: self.tell("sends") or send(*arguments)
        self.prepare(kind)
        work = PodContext(driver, cloud.PollInterval(clock, 5.0), cloud.Lines(), self.run_dir, 60.0)
        return create_once(work, request)

    def prepare(self, kind):
        """Before the create."""


CREATES = {"runpod": expect("POST", "/v2/pods"), "vastai": expect("PUT", talk.ASK)}
MADE = {
    "runpod": CREATES["runpod"].reply(wire_examples.fresh(id="p1", name=cloud.request().name), 201),
    "vastai": CREATES["vastai"].reply({"success": True, "new_contract": 12345678}),
}
SENT = ["creating, held", "sends, held"]
EARLY = [*SENT, "refused, held", "waits, free"]


@pytest.fixture(name="waiting")
def made_waiting(tmp_path, monkeypatch):
    return Waiting(tmp_path / "run", monkeypatch)


def early(kind):
    return CREATES[kind].problem(429, "too many requests", Retry_After="30")


@pytest.mark.parametrize("kind", ["runpod", "vastai"])
def test_the_fence_is_free_while_a_refused_create_waits_and_held_until_its_outcome_is_written(kind, waiting):
    with Conversation(early(kind), early(kind), MADE[kind]) as api:
        assert waiting.rent(kind, api.url).id
    assert waiting.happened == [*EARLY, *EARLY, *SENT, "created, held"]
    assert waiting.is_free()


@pytest.mark.parametrize("kind", ["runpod", "vastai"])
def test_a_create_that_waited_is_not_sent_for_a_run_that_was_given_back_meanwhile(kind, waiting):
    waiting.give_back = True
    with Conversation(early(kind)) as api, pytest.raises(errors.Fenced, match="given back already"):
        waiting.rent(kind, api.url)
    assert waiting.happened == EARLY
    assert Ledger(waiting.run_dir).pending() == []


@pytest.mark.parametrize("given_back", [True, False])
def test_the_fence_is_free_while_a_create_waits_for_the_budget(waiting, given_back):
    waiting.give_back = given_back
    waiting.prepare = lambda _kind: waiting.session.budget.learn(429, {"Retry-After": "30"}, 0.0)
    if given_back:
        with Conversation() as api, pytest.raises(errors.Fenced):
            waiting.rent("runpod", api.url)
        assert waiting.happened == ["waits, free"]
    else:
        with Conversation(MADE["runpod"]) as api:
            waiting.rent("runpod", api.url)
        assert waiting.happened == ["waits, free", *SENT, "created, held"]


def test_a_budget_that_is_used_up_for_long_leaves_no_trace(waiting):
    waiting.prepare = lambda _kind: waiting.session.budget.learn(429, {"Retry-After": "4500"}, 0.0)
    with Conversation() as api, pytest.raises(errors.RateLimited, match="Nothing was sent"):
        waiting.rent("runpod", api.url)
    assert waiting.happened == []
    assert waiting.is_free()


def test_the_fence_is_free_between_tries_to_reach_the_service(waiting):
    with pytest.raises(errors.Unreachable):
        waiting.rent("runpod", refused_url())
    assert waiting.happened == [*EARLY * 4, *SENT, "refused, held"]


@pytest.mark.parametrize("kind", ["runpod", "vastai"])
def test_the_outcome_of_a_create_is_written_before_the_fence_is_free(kind, waiting, monkeypatch):
    monkeypatch.setattr(create, "look_up", lambda *_arguments: None)
    monkeypatch.setattr(create, "SENDS", 1)
    with Conversation(CREATES[kind].drop()) as api, pytest.raises(errors.Ambiguous):
        waiting.rent(kind, api.url)
    assert waiting.happened == [*SENT, "ambiguous, held", "gone, free"]


def test_a_ledger_that_cannot_be_written_frees_the_fence_and_sends_nothing(waiting, monkeypatch):
    def full(*_arguments, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ledger, "write", full)
    with Conversation() as api, pytest.raises(errors.CloudError, match="No space left"):
        waiting.rent("runpod", api.url)
    assert waiting.is_free()
