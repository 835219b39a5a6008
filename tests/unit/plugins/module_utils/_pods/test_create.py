# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renting exactly once, whatever the line does."""

from __future__ import annotations

import contextlib
import json

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._pods import create as lookup
from ansible_collections.podyard.gpu.plugins.module_utils._pods import fence, rent
from ansible_collections.podyard.gpu.plugins.module_utils._pods import ledger as ledger_module
from ansible_collections.podyard.gpu.plugins.module_utils._pods.attempts import AttemptLog
from ansible_collections.podyard.gpu.plugins.module_utils._pods.context import PodContext
from ansible_collections.podyard.gpu.plugins.module_utils._pods.create import create_once
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.plugins.module_utils._pods.readiness import Reached
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import (
    IDENTITY,
    FakeCloud,
    FakeTime,
    Lines,
    offer,
    pod,
    request,
)

UNKNOWN = errors.Ambiguous("Could not rent: RunPod gave no answer.", detail="no answer")


def work(cloud, time=None, run_dir=None, grace=60.0):
    return PodContext(cloud, (time or FakeTime()).polls(), Lines(), run_dir, grace)


def events(run_dir):
    return [event["event"] for event in Ledger(run_dir).read()]


def test_one_create_is_sent(tmp_path):
    cloud = FakeCloud()
    made = create_once(work(cloud, run_dir=tmp_path), request())
    assert made.id == "n1"
    assert cloud.count("create") == 1
    assert events(tmp_path) == ["creating", "created"]
    created = Ledger(tmp_path).read()[-1]
    assert (created["id"], created["usd_per_hour"], created["gpu"]) == ("n1", 0.69, "RTX 4090")


def test_the_intent_is_on_the_disk_before_the_create_leaves(tmp_path):
    seen = []
    cloud = FakeCloud()
    cloud.plan("create", lambda asked: seen.append(events(tmp_path)) or cloud.make(asked))
    create_once(work(cloud, run_dir=tmp_path), request())
    assert seen == [["creating"]]


def test_a_request_that_is_wrong_leaves_no_trace(tmp_path):
    cloud = FakeCloud().plan("check", errors.BadRequest("wrong"))
    with pytest.raises(errors.BadRequest):
        create_once(work(cloud, run_dir=tmp_path), request())
    assert cloud.count("create") == 0
    assert events(tmp_path) == []


def test_after_the_run_was_given_back_nothing_is_sent(tmp_path):
    fence.raise_fence(tmp_path)
    cloud = FakeCloud()
    with pytest.raises(errors.Fenced):
        create_once(work(cloud, run_dir=tmp_path), request())
    assert cloud.count("create") == 0
    assert events(tmp_path) == []


def test_without_a_ledger_nothing_is_sent(tmp_path, monkeypatch):
    cloud = FakeCloud()

    def full(*_arguments, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ledger, "write", full)
    with pytest.raises(errors.CloudError, match="No space left"):
        create_once(work(cloud, run_dir=tmp_path), request())
    assert cloud.count("create") == 0


@pytest.mark.parametrize(
    "error",
    [
        errors.NoCapacity("no"),
        errors.AuthError("no"),
        errors.BadRequest("no"),
        errors.RateLimited("no"),
        errors.Unreachable("no"),
    ],
)
def test_a_refusal_is_final(tmp_path, error):
    cloud = FakeCloud().plan("create", error)
    with pytest.raises(type(error)):
        create_once(work(cloud, run_dir=tmp_path), request())
    assert cloud.count("create") == 1
    assert cloud.count("list") == 0
    assert events(tmp_path) == ["creating", "refused"]


def test_an_unknown_outcome_is_looked_up_and_the_pod_taken_on(tmp_path):
    cloud, history, time = FakeCloud(), AttemptLog(), FakeTime()

    def drop(asked):
        cloud.make(asked)
        raise errors.Ambiguous("dropped")

    cloud.plan("create", drop)
    made = create_once(work(cloud, time, tmp_path), request(), history)
    assert made.id == "n1"
    assert cloud.count("create") == 1
    assert time.slept == []
    assert history.uncertain
    assert events(tmp_path) == ["creating", "ambiguous", "created"]


def test_a_pod_that_shows_late_is_still_taken_on(tmp_path):
    cloud = FakeCloud(pod("other", "someone-elses"))
    cloud.plan("create", UNKNOWN).plan("list", [], [], [], [pod("n1", request().name)])
    assert create_once(work(cloud, run_dir=tmp_path), request()).id == "n1"
    assert cloud.count("create") == 1


def test_a_create_is_sent_again_only_after_two_absences_past_the_grace(tmp_path):
    cloud, time = FakeCloud(), FakeTime()
    sent_at = []

    def lose(_asked):
        sent_at.append(time.now)
        raise errors.Ambiguous("dropped")

    cloud.plan("create", lose, lambda asked: sent_at.append(time.now) or cloud.make(asked))
    made = create_once(work(cloud, time, tmp_path, grace=60.0), request())
    assert made.id == "n1"
    assert sent_at[1] - sent_at[0] > 60
    looks_past_the_grace = cloud.count("list")
    assert looks_past_the_grace >= 14
    assert events(tmp_path) == ["creating", "ambiguous", "creating", "created"]


def test_two_unknown_outcomes_are_the_end(tmp_path):
    cloud = FakeCloud().plan("create", errors.Ambiguous("dropped."), errors.Ambiguous("dropped again."))
    with pytest.raises(errors.Ambiguous, match="sent 2 times"):
        create_once(work(cloud, run_dir=tmp_path), request())
    assert cloud.count("create") == 2
    assert events(tmp_path)[-1] == "gone"
    assert Ledger(tmp_path).pending() == []


def test_an_error_while_looking_is_no_absence(tmp_path):
    cloud, time = FakeCloud(), FakeTime()
    cloud.plan("create", UNKNOWN)
    cloud.plan("list", *[errors.ServerError("502")] * 20, [pod("n1", request().name)])
    assert create_once(work(cloud, time, tmp_path), request()).id == "n1"
    assert cloud.count("create") == 1


def test_a_pod_that_may_exist_is_looked_for_urgently(tmp_path, monkeypatch):
    cloud, hurry, seen = FakeCloud(), [], []

    @contextlib.contextmanager
    def urgently():
        hurry.append(1)
        yield
        hurry.pop()

    monkeypatch.setattr(cloud, "urgently", urgently)
    cloud.plan("create", UNKNOWN).plan("list", lambda _: seen.append(bool(hurry)) or [pod("n1", request().name)])
    assert create_once(work(cloud, run_dir=tmp_path), request()).id == "n1"
    assert seen == [True]


def test_without_a_list_nothing_is_sent_again(tmp_path):
    cloud, time = FakeCloud(), FakeTime()
    cloud.plan("create", UNKNOWN).plan("list", *[errors.ServerError("The list failed.")] * 999)
    with pytest.raises(errors.Ambiguous, match=r"could not be found out: The list failed"):
        create_once(work(cloud, time, tmp_path), request())
    assert cloud.count("create") == 1
    assert 300 <= sum(time.slept) <= 310
    assert [event["event"] for event in Ledger(tmp_path).pending()] == ["ambiguous"]


@pytest.mark.parametrize("kind", [errors.AuthError, errors.Forbidden, errors.Blocked])
def test_a_refused_key_while_looking_says_that_a_pod_may_exist(tmp_path, kind):
    cloud = FakeCloud().plan("create", UNKNOWN).plan("list", kind("refused"))
    with pytest.raises(kind, match="may exist and bill"):
        create_once(work(cloud, run_dir=tmp_path), request())
    assert cloud.count("create") == 1


def test_a_pod_that_has_ended_is_not_taken_on():
    ended = pod("n0", request().name, phase="gone")
    cloud = FakeCloud().plan("create", UNKNOWN).plan("list", *[[ended]] * 30)
    assert create_once(work(cloud), request()).id == "n1"


# -- several offers


OFFERS = (offer("RTX 4090", 0.69), offer("A40", 0.40), offer("L40S", 0.86))


class Renting:
    """One call of ``rent``. ``accepts`` queues errors of the wait before it succeeds."""

    def __init__(self, cloud=None, accepts=(), offers=OFFERS, run_dir=None, cap=None, most=1):
        self.cloud = cloud or FakeCloud()
        self.accepts = list(accepts)
        self.offers = offers
        self.history = AttemptLog()
        self.work = work(self.cloud, run_dir=run_dir)
        self.cap = cap
        self.most = most

    def accept(self, made):
        error = self.accepts.pop(0) if self.accepts else None
        if error is not None:
            raise error
        return Reached("ready", made)

    def make(self, chosen, number):
        return request(f"{IDENTITY}-{number}", gpu=chosen.gpu, gpu_id=chosen.gpu_id)

    def run(self):
        targets = {self.cloud.name: rent.RentTarget(self.work, self.make, self.accept)}
        limits = rent.RentLimits(self.cap, self.most)
        return rent.rent(targets, rent.OfferPool(self.offers), 1, limits, self.history)

    def outcomes(self):
        return [(attempt["gpu"], attempt["outcome"]) for attempt in self.history.attempts]

    def names(self):
        return [asked.name for verb, asked in self.cloud.calls if verb == "create"]


def test_the_first_offer_that_is_had_is_kept():
    renting = Renting()
    assert renting.run().pod.id == "n1"
    assert renting.outcomes() == [("RTX 4090", "rented")]
    assert renting.history.gone == []


def test_a_refused_offer_makes_room_for_the_next():
    renting = Renting(FakeCloud().plan("create", errors.NoCapacity("no", detail="none left"), errors.Forbidden("no")))
    assert renting.run().pod.gpu == "L40S"
    assert renting.outcomes() == [("RTX 4090", "refused"), ("A40", "refused"), ("L40S", "rented")]
    assert renting.names() == [f"{IDENTITY}-1", f"{IDENTITY}-2", f"{IDENTITY}-3"]
    assert renting.history.attempts[0]["reason"] == "none left"


def test_all_out_of_stock_is_no_capacity_with_every_attempt():
    renting = Renting(
        FakeCloud().plan("create", *[errors.NoCapacity("none left", detail="none left") for _offer in range(3)])
    )
    with pytest.raises(errors.NoCapacity, match="All 3 offers that fit were tried") as caught:
        renting.run()
    assert len(caught.value.facts["attempts"]) == 3
    json.dumps(caught.value.facts)


def test_all_forbidden_is_the_keys_fault():
    renting = Renting(FakeCloud().plan("create", *[errors.Forbidden("access denied.") for _offer in range(3)]))
    with pytest.raises(errors.Forbidden, match="the key may lack the right"):
        renting.run()


def test_mixed_refusals_are_listed():
    renting = Renting(
        FakeCloud().plan(
            "create",
            errors.NoCapacity("x", detail="none"),
            errors.Forbidden("y", detail="denied"),
            errors.NoCapacity("x"),
        )
    )
    with pytest.raises(errors.NoCapacity, match=r"none \| denied"):
        renting.run()


def unclear():
    return errors.BadRequest('Field "objectMounts" is not defined.', status=400, elsewhere="once")


def test_an_unclear_refusal_is_tried_elsewhere_once():
    renting = Renting(FakeCloud().plan("create", unclear()))
    assert renting.run().pod.gpu == "A40"


def test_a_second_unclear_refusal_was_the_request():
    renting = Renting(FakeCloud().plan("create", unclear(), unclear()))
    with pytest.raises(errors.BadRequest, match="objectMounts"):
        renting.run()
    assert renting.cloud.count("create") == 2


@pytest.mark.parametrize(
    "error",
    [
        errors.AuthError("no"),
        errors.PaymentRequired("no"),
        errors.BadRequest("no", status=422),
        errors.NotFound("no"),
        errors.Blocked("no"),
        errors.RateLimited("no"),
        errors.Unreachable("no"),
    ],
)
def test_what_no_other_offer_can_mend_ends_it(error):
    renting = Renting(FakeCloud().plan("create", error))
    with pytest.raises(type(error)):
        renting.run()
    assert renting.cloud.count("create") == 1


def timed_out():
    return errors.WaitTimeout("The pod reached rented but not running.", stage="rented")


def test_a_bad_host_is_given_back_and_the_next_offer_tried(tmp_path):
    renting = Renting(accepts=[timed_out()], most=2, run_dir=tmp_path)
    assert renting.run().pod.gpu == "A40"
    assert [(gone["id"], gone["gone_proved"]) for gone in renting.history.gone] == [("n1", True)]
    assert list(renting.cloud.pods) == ["n2"]
    assert renting.outcomes() == [("RTX 4090", "given back"), ("A40", "rented")]
    assert events(tmp_path) == ["creating", "created", "gone", "creating", "created"]


def test_a_single_offer_is_drawn_again():
    renting = Renting(accepts=[timed_out(), errors.PodLost("failed", stage="rented")], offers=OFFERS[:1], most=3)
    assert renting.run().pod.id == "n3"
    assert len(renting.history.gone) == 2


def test_the_number_of_pods_is_limited():
    renting = Renting(accepts=[timed_out(), timed_out(), timed_out()], most=2)
    with pytest.raises(errors.WaitTimeout) as caught:
        renting.run()
    assert renting.cloud.count("create") == 2
    assert renting.cloud.pods == {}
    assert [gone["gone_proved"] for gone in caught.value.facts["pods_gone"]] == [True, True]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a fault of ours"), errors.ServerError("502")])
def test_whatever_ends_the_wait_the_pod_is_given_back(error):
    renting = Renting(accepts=[error])
    with pytest.raises(type(error)):
        renting.run()
    assert renting.cloud.pods == {}


def test_a_pod_that_cannot_be_given_back_is_shouted():
    cloud = FakeCloud().plan("terminate", *[errors.AuthError("The key was refused.")] * 9)
    renting = Renting(cloud, accepts=[timed_out()], most=3)
    with pytest.raises(errors.NotProvedGone, match=r"not running.*NOT PROVED GONE.*fake end n1") as caught:
        renting.run()
    assert cloud.count("create") == 1
    assert caught.value.facts["pods_gone"][0]["gone_proved"] is False
    assert caught.value.facts["attempts"][0]["outcome"] == "given back"


def test_a_contract_above_the_cap_is_given_back_at_once_and_the_next_offer_tried():
    cloud = FakeCloud()

    def dear(asked):
        cloud.contract_price = 0.99
        made = cloud.make(asked)
        cloud.contract_price = 0.40
        return made

    renting = Renting(cloud.plan("create", dear), cap=0.70)
    assert renting.run().pod.usd_per_hour == 0.40
    assert renting.history.gone[0]["id"] == "n1"
    assert "USD 0.99 per hour, above the cap of USD 0.70" in renting.history.attempts[0]["reason"]


def test_a_price_that_only_shows_later_is_checked_too():
    cloud = FakeCloud()
    cloud.contract_price = None
    renting = Renting(cloud, cap=0.70, offers=OFFERS[:1])
    renting.accept = lambda made: Reached("running", pod(made.id, made.name, usd_per_hour=0.99))
    with pytest.raises(errors.TooExpensive):
        renting.run()
    assert cloud.pods == {}


# -- what the ledger knows


def mine(name):
    return name.startswith(IDENTITY)


def test_what_was_asked_for_and_is_not_listed_is_unsettled(tmp_path):
    ledger = Ledger(tmp_path)
    for name, event in {"1": "creating", "2": "refused", "3": "created", "4": "gone", "5": "created"}.items():
        ledger.write(ledger_module.CREATING, f"{IDENTITY}-{name}", "fake")
        ledger.write(event, f"{IDENTITY}-{name}", "fake")
    ledger.write(ledger_module.CREATING, "other", "fake")
    ledger.write(ledger_module.CREATING, f"{IDENTITY}-9", "elsewhere")
    names = lookup.unsettled(work(FakeCloud(), run_dir=tmp_path), mine, [pod("p5", f"{IDENTITY}-5")])
    assert names == [f"{IDENTITY}-1", f"{IDENTITY}-3"]


def test_what_is_unsettled_is_found_or_proved_absent(tmp_path):
    ledger, cloud = Ledger(tmp_path), FakeCloud(pod("p1", f"{IDENTITY}-1"))
    ledger.write(ledger_module.CREATING, f"{IDENTITY}-1", "fake")
    ledger.write(ledger_module.CREATING, f"{IDENTITY}-2", "fake")
    busy = work(cloud, run_dir=tmp_path)
    found = lookup.settle(busy, f"{IDENTITY}-1")
    assert found is not None
    assert found.id == "p1"
    assert lookup.settle(busy, f"{IDENTITY}-2") is None
    assert events(tmp_path) == ["creating", "creating", "created", "gone"]


def test_an_old_entry_costs_two_looks_and_no_grace(tmp_path):
    line = {"time": "2020-01-01T00:00:00Z", "event": "creating", "name": "x", "provider": "fake", "gpu": None}
    (tmp_path / "attempts.jsonl").write_text(json.dumps(line) + "\n")
    cloud, time = FakeCloud(), FakeTime()
    assert lookup.settle(work(cloud, time, tmp_path), "x") is None
    assert cloud.count("list") == 2
    assert sum(time.slept) <= 5


def test_an_entry_from_the_future_costs_no_more_than_the_grace(tmp_path):
    line = {"time": "2999-01-01T00:00:00Z", "event": "creating", "name": "x", "provider": "fake", "gpu": None}
    (tmp_path / "attempts.jsonl").write_text(json.dumps(line) + "\n")
    cloud, time = FakeCloud(), FakeTime()
    assert lookup.settle(work(cloud, time, tmp_path), "x") is None
    assert 60 <= sum(time.slept) <= 70


def test_a_pod_that_was_made_and_is_not_listed_is_proved_gone(tmp_path):
    """Its host may be lost, or the list behind the times: only its own absence, twice, ends the matter."""
    ledger, cloud, time = Ledger(tmp_path), FakeCloud(), FakeTime()
    ledger.write(ledger_module.CREATED, f"{IDENTITY}-1", "fake", pod_id="p1", usd_per_hour=0.69)
    assert lookup.settle(work(cloud, time, tmp_path), f"{IDENTITY}-1") is None
    assert cloud.count("terminate") >= 1
    last = ledger.read()[-1]
    assert (last["event"], last["id"]) == ("gone", "p1")


def test_a_pod_that_the_list_forgets_is_still_the_pod(tmp_path):
    ledger, cloud = Ledger(tmp_path), FakeCloud(pod("p1", f"{IDENTITY}-1"))
    ledger.write(ledger_module.CREATED, f"{IDENTITY}-1", "fake", pod_id="p1", usd_per_hour=0.69)
    found = lookup.settle(work(cloud, run_dir=tmp_path), f"{IDENTITY}-1")
    assert found is not None and found.id == "p1"
    assert cloud.count("terminate") == 0


@pytest.mark.parametrize("answer", ["made", "unknown"])
def test_what_comes_after_the_run_was_given_back_is_ended_by_who_made_it(tmp_path, answer):
    """A frozen process may wake up when nobody looks for its pod any more."""
    cloud = FakeCloud()

    def create(asked):
        made = cloud.make(asked)
        fence.announce(tmp_path)
        if answer == "unknown":
            raise UNKNOWN
        return made

    cloud.plan("create", create)
    with pytest.raises(errors.Fenced, match="ended as soon as it was made") as caught:
        create_once(work(cloud, run_dir=tmp_path), request())
    assert cloud.pods == {} and cloud.count("create") == 1
    assert [result["gone_proved"] for result in caught.value.facts["pods_gone"]] == [True]
    assert events(tmp_path)[-1] == "gone"
