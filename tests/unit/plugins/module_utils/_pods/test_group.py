# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods of one name at two providers: found, rented, added, removed, stopped, started, ended."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._pods import ledger
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import ENDPOINT, IDENTITY, RUN, FakeTime
from ansible_collections.podyard.gpu.tests.unit.fakes.group_world import World

STOPPED = {"phase": "stopped", "raw_status": "EXITED", "endpoint": None}
FLEET = f"podyard-digits-{RUN}"


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


# -- renting


def test_the_best_offer_of_all_providers_is_rented(world):
    outcome = world.ensure()
    assert outcome.changed
    assert world.living() == [f"{IDENTITY}-1"]
    assert world.asked() == [("two", "RTX 4090", "o0")]
    [reached] = outcome.pods
    assert (reached.stage, reached.pod.provider, reached.python) == ("ready", "two", "/usr/bin/python3")
    assert outcome.before == {}
    assert list(outcome.after) == [IDENTITY]


def test_the_result_is_plain_data(world):
    result = world.ensure().to_group_result(["a", "a"])
    json.dumps(result)
    assert result["pod"] == result["pods"][0]
    assert result["notes"] == ["a"]
    assert set(result) == {"changed", "pods", "pod", "attempts", "pods_gone", "notes", "diff"}


@pytest.mark.parametrize("state", ["present", "running"])
@pytest.mark.parametrize("count", [None, 2])
def test_called_again_nothing_changes(world, state, count):
    world.ensure(state, name="x", count=count)
    world.forget()
    outcome = world.ensure(state, name="x", count=count)
    assert outcome.changed is False
    assert world.writes() == []
    assert outcome.before == outcome.after != {}
    assert [each.stage for each in outcome.pods] == ["ready"] * (count or 1)
    assert outcome.attempts == []


@pytest.mark.parametrize("count", [None, 2])
def test_check_mode_says_what_would_be_and_rents_nothing(world, count):
    outcome = world.ensure(check=True, name="x", count=count)
    assert outcome.changed
    assert world.writes() == []
    names = ["x"] if count is None else ["x-0", "x-1"]
    assert [each.pod.name for each in outcome.pods] == names == list(outcome.after)
    assert [each.pod.id for each in outcome.pods] == [""] * len(names)
    assert [each.pod.host for each in outcome.pods] == ["m0", "m1"][: len(names)]
    assert outcome.before == {}
    assert outcome.after[names[0]]["usd_per_hour"] == 0.30


def test_a_pod_at_either_provider_is_found(world):
    world.one.has(f"{IDENTITY}-3")
    outcome = world.ensure()
    assert outcome.changed is False
    assert [each.pod.provider for each in outcome.pods] == ["one"]


def test_the_next_attempt_has_the_next_number_at_every_provider(world):
    world.one.has(f"{IDENTITY}-4", phase="gone")
    world.ensure()
    assert world.living() == [f"{IDENTITY}-4", f"{IDENTITY}-5"]


def test_two_pods_of_one_name_are_one_too_many(world):
    world.one.has(f"{IDENTITY}-1")
    world.two.has(f"{IDENTITY}-2")
    error = world.fails(errors.Conflict, "2 pods answer to the name")
    assert "on one" in error.message and "on two" in error.message
    assert world.writes() == []


# -- several


def test_several_are_rented_at_the_same_time(world):
    """None gets ready before all are rented: they would wait for each other for ever if they came one by one."""
    all_there = threading.Barrier(3, timeout=20)
    first = set()

    def banner(endpoint):
        if threading.get_ident() not in first:
            first.add(threading.get_ident())
            all_there.wait()
        return True, "SSH-2.0-x"

    world.banner = banner
    outcome = world.ensure(name=FLEET, count=3)
    assert world.living() == [f"{FLEET}-0-1", f"{FLEET}-1-1", f"{FLEET}-2-1"]
    assert [each.pod.name for each in outcome.pods] == world.living()
    assert sorted(offer_id for _provider, _gpu, offer_id in world.asked()) == ["o0", "o1", "o2"]


def test_no_machines_offer_is_rented_twice_and_one_of_many_machines_is(world):
    world.ensure(name="x", count=6)
    asked = world.asked()
    assert sorted(offer_id for provider, _gpu, offer_id in asked if provider == "two") == ["o0", "o1", "o2"]
    assert [gpu for provider, gpu, _offer in asked if provider == "one"] == ["RTX 4090"] * 3


def test_a_higher_count_adds(world):
    world.ensure(name="x", count=1)
    world.forget()
    outcome = world.ensure(name="x", count=3)
    assert outcome.changed
    assert world.living() == ["x-0", "x-1", "x-2"]
    assert world.writes().count("create") == 2
    assert [each.pod.name for each in outcome.pods] == ["x-0", "x-1", "x-2"]


def test_a_lower_count_ends_the_highest_numbers_and_proves_it(world):
    world.ensure(name="x", count=3)
    outcome = world.ensure(name="x", count=1)
    assert outcome.changed
    assert world.living() == ["x-0"]
    assert [(each["name"], each["gone_proved"]) for each in outcome.gone] == [("x-2", True), ("x-1", True)]
    assert set(outcome.before) == {"x-0", "x-1", "x-2"}
    assert set(outcome.after) == {"x-0"}


def test_a_lower_count_in_check_mode_ends_nothing(world):
    world.ensure(name="x", count=2)
    world.forget()
    outcome = world.ensure(name="x", count=1, check=True)
    assert outcome.changed
    assert world.writes() == []


def test_a_locked_pod_is_not_ended_for_a_lower_count(world):
    for name in ("x-0", "x-1"):
        world.one.has(name, locked=True)
    world.fails(errors.Conflict, "locked", name="x", count=1)
    assert world.writes() == []


def test_a_pod_without_a_number_is_none_of_several(world):
    world.one.has("x")
    world.ensure(name="x", count=1)
    assert world.living() == ["x", "x-0"]
    assert any("not one of the 1" in note and "goes on costing money" in note for note in world.fleet.notes)


def test_when_one_cannot_be_had_the_others_are_given_back(world):
    world.one.catalogue = []
    world.two.catalogue = world.two.catalogue[1:]
    world.two.plan("create", errors.NoCapacity("none left"))
    error = world.fails(errors.NoCapacity, "given back", name="x", count=3)
    assert world.living() == []
    assert {each["name"]: each["gone_proved"] for each in error.facts["pods_gone"]} == {
        entry["name"]: True for entry in error.facts["attempts"] if entry["id"]
    }
    assert "rented" not in [each["outcome"] for each in error.facts["attempts"]]


def test_what_was_there_before_is_not_given_back(world):
    world.ensure(name="x", count=1)
    world.one.plan("create", *[errors.AuthError("refused")] * 9)
    world.two.plan("create", *[errors.AuthError("refused")] * 9)
    world.fails(errors.AuthError, "refused", name="x", count=3)
    assert world.living() == ["x-0"]


# -- differences


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gpu": "A100", "gpu_id": "NVIDIA A100"}, "its GPU is A100, but you asked for 4090 or A40"),
        ({"gpu_count": 2}, "it has 2 GPUs"),
        ({"image": "other:1"}, "differs in image"),
        ({"disk_gb": 99}, "differs in disk_gb"),
        ({"phase": "failed", "raw_status": "DEAD"}, "has failed"),
    ],
)
def test_a_pod_that_differs_fails_and_is_left_alone(world, change, words):
    world.one.has(f"{IDENTITY}-1", **change)
    error = world.fails(errors.Conflict, words, wanted={"gpu_count": 1, "disk_gb": 20})
    if "failed" not in words:
        assert "not changed in place" in error.message
    assert world.writes() == []


@pytest.mark.parametrize("place", ["RO", "europe", "EU-RO-1", "eu-ro-1"])
def test_a_pod_in_one_of_the_places_is_as_it_is_wanted(world, place):
    world.one.has(f"{IDENTITY}-1", region="EU-RO-1")
    assert world.ensure(wanted={"places": ("JP", place)}).changed is False


@pytest.mark.parametrize(("region", "place"), [("EU-RO-1", "US"), ("US-CA-2", "CA"), ("US-DE-1", "DE"), ("SE", "NO")])
def test_a_pod_elsewhere_differs(world, region, place):
    world.one.has(f"{IDENTITY}-1", region=region)
    words = f"regions: it is in {region}, but you asked for {place}"
    world.fails(errors.Conflict, words, wanted={"places": (place,)})


def test_a_pod_on_demand_is_none_that_may_be_taken_away(world):
    world.two.has(f"{IDENTITY}-1", interruptible=False)
    world.fails(errors.Conflict, "interruptible: it was rented on demand", wanted={"interruptible": True})


def test_a_pod_above_the_cap_is_left_alone(world):
    world.one.has(f"{IDENTITY}-1", usd_per_hour=2.0)
    world.fails(errors.TooExpensive, "above the cap", wanted={"max_price": 1.0})
    assert world.writes() == []


def test_a_pod_is_found_where_none_can_be_rented(world):
    """The wishes have changed since: another one elsewhere would be one too many."""
    world.one.has(f"{IDENTITY}-1")
    world.fails(errors.Conflict, "cannot provide what you asked for: It has none of that", unfit=("one",))
    assert world.writes() == []


def test_where_a_provider_cannot_serve_the_other_does(world):
    world.ensure(unfit=("two",))
    assert world.asked() == [("one", "RTX 4090", None)]


# -- states over all


def test_all_pods_of_the_name_are_ended(world):
    for name in ("x", "x-0", "x-12", "x-0-1", "xx", "x-01", "y"):
        world.one.has(name)
    world.two.has("x-1")
    outcome = world.ensure("absent", name="x")
    assert outcome.changed
    assert world.living() == ["x-0-1", "x-01", "xx", "y"]
    assert sorted(each["name"] for each in outcome.gone) == ["x", "x-0", "x-1", "x-12"]
    assert outcome.pods == []
    again = world.ensure("absent", name="x")
    assert (again.changed, again.gone) == (False, [])


def test_all_pods_of_a_run_are_ended_and_no_other_runs(world):
    for name in (
        f"{FLEET}-0-1",
        f"{FLEET}-0-2",
        f"{FLEET}-3-1",
        "podyard-digits-20260715_140000_ffff-0-1",
        f"{FLEET}-x",
    ):
        world.one.has(name)
    world.ensure("absent", name=FLEET)
    assert world.living() == [f"{FLEET}-x", "podyard-digits-20260715_140000_ffff-0-1"]


def test_in_check_mode_nothing_is_ended(world):
    world.one.has("x-0")
    assert world.ensure("absent", name="x", check=True).changed
    assert world.writes() == []


def test_a_pod_that_one_list_misses_is_ended_all_the_same(world):
    world.one.has("x")
    world.one.plan("list", [])
    assert world.ensure("absent", name="x").changed
    assert world.living() == []


def test_all_pods_of_the_name_are_stopped(world):
    world.ensure(name="x", count=4)
    outcome = world.ensure("stopped", name="x")
    assert outcome.changed
    assert {each.pod.phase for each in outcome.pods} == {"stopped"}
    assert any("still costs" in warning for warning in outcome.warnings)
    assert world.ensure("stopped", name="x").changed is False


def test_none_can_be_stopped_where_none_is(world):
    world.fails(errors.NotFound, "no pod named x", state="stopped", name="x")


@pytest.mark.parametrize("count", [None, 2])
def test_running_starts_all_that_are_stopped(world, count):
    world.one.has("x-0", **STOPPED)
    world.two.has("x-1")
    outcome = world.ensure("running", name="x", count=count)
    assert outcome.changed
    assert world.writes() == ["start"]
    assert [(each.pod.name, each.stage) for each in outcome.pods] == [("x-0", "ready"), ("x-1", "ready")]


def test_present_leaves_a_stopped_one_stopped(world):
    world.one.has("x-0", **STOPPED)
    outcome = world.ensure(name="x", count=1)
    assert outcome.changed is False
    assert world.writes() == []
    assert outcome.pods[0].pod.phase == "stopped"


def test_running_in_check_mode_starts_nothing(world):
    world.one.has("x", **STOPPED)
    outcome = world.ensure("running", name="x", check=True)
    assert outcome.changed
    assert world.writes() == []


# -- a provider that is down

DOWN = errors.ServerError("one answered 502.")


def test_a_provider_that_is_down_is_said_and_the_other_is_used(world):
    world.one.plan("list", DOWN)
    outcome = world.ensure()
    assert outcome.pods[0].pod.provider == "two"
    assert any("one cannot be asked" in note and "502" in note for note in world.fleet.notes)
    assert any("502" in line for line in world.progress.said)


def test_its_offers_are_not_taken_either(world):
    world.two.plan("list", errors.Unreachable("no connection"))
    world.ensure()
    assert world.asked() == [("one", "RTX 4090", None)]
    assert world.two.count("offers") == 0


def test_what_must_know_all_fails_where_one_is_down(world):
    world.two.has("x")
    world.one.plan("list", DOWN)
    world.fails(errors.ServerError, "unknown", state="stopped", name="x")
    assert world.writes() == []


@pytest.mark.parametrize("kind", [errors.ServerError, errors.AuthError])
def test_what_is_ended_does_not_wait_for_a_provider_that_cannot_be_asked(world, kind):
    """It costs money meanwhile. That the others are not known is a failure all the same."""
    world.two.has("x-0")
    world.one.plan("list", kind("It said no."))
    error = world.fails(kind, "on one is unknown.*found elsewhere is ended", state="absent", name="x")
    assert [each["gone_proved"] for each in error.facts["pods_gone"]] == [True]
    assert world.living() == []


def test_what_is_ended_in_check_mode_is_not_ended(world):
    world.two.has("x-0")
    world.one.plan("list", errors.ServerError("one answered 502."))
    error = world.fails(errors.ServerError, "unknown", state="absent", name="x", check=True)
    assert "is ended" not in error.message
    assert world.living() == ["x-0"]


def test_strict_is_strict(world):
    world.one.plan("list", DOWN)
    world.fails(errors.ServerError, "502", strict=True)
    assert world.writes() == []


def test_a_pod_that_may_be_there_is_not_rented_twice(world, tmp_path):
    """The run's ledger knows of a create there, and the provider cannot be asked what became of it."""
    world.run_dir = tmp_path / "run"
    Ledger(world.run_dir).write(ledger.CREATED, f"{IDENTITY}-1", "one", pod_id="p1")
    world.one.plan("list", DOWN)
    world.fails(errors.ServerError, "ledger says that a pod may be there")
    assert world.writes() == []


def test_that_the_ledger_knows_of_another_run_stops_nobody(world, tmp_path):
    world.run_dir = tmp_path / "run"
    Ledger(world.run_dir).write(ledger.CREATED, "podyard-digits-other-0-1", "one", pod_id="p1")
    world.one.plan("list", DOWN)
    assert world.ensure().changed


@pytest.mark.parametrize("kind", [errors.AuthError, errors.Forbidden, errors.Blocked])
def test_a_refused_key_is_never_passed_over(world, kind):
    world.one.plan("list", kind("The key was refused."))
    world.fails(kind, "refused")
    assert world.writes() == []


def test_all_down_is_a_failure(world):
    world.one.plan("list", DOWN)
    world.two.plan("list", errors.Unreachable("no connection"))
    world.fails(errors.CloudError, "on one is unknown: .*502.* on two is unknown: no connection")


def test_a_provider_without_a_catalogue_is_said(world):
    world.two.plan("offers", errors.ServerError("two answered 500."))
    world.ensure()
    assert world.asked() == [("one", "RTX 4090", None)]
    assert any("two cannot be asked for offers" in note for note in world.fleet.notes)


def test_what_the_ledger_knows_and_no_list_shows_is_looked_for(world, tmp_path):
    world.run_dir = tmp_path / "run"
    Ledger(world.run_dir).write(ledger.CREATED, f"{IDENTITY}-1", "one", pod_id=f"one-{IDENTITY}-1")
    there = world.one.has(f"{IDENTITY}-1")
    world.one.plan("list", [])
    outcome = world.ensure()
    assert (outcome.changed, outcome.pods[0].pod.id) == (False, there.id)


def test_a_gpu_that_only_the_one_that_is_down_knows_is_no_slip(world):
    world.one.plan("list", DOWN)
    outcome = world.ensure(wanted={"gpus": ("Mystery 9", "4090")})
    assert outcome.pods[0].pod.provider == "two"
    world.ensure("absent")
    world.two.plan("list", errors.ServerError("two answered 500."))
    world.fails(errors.BadRequest, "no GPU 'Mystery 9'", wanted={"gpus": ("Mystery 9",)})


def test_a_gpu_that_nobody_knows_is_a_slip(world):
    world.fails(errors.BadRequest, "no GPU 'Mystery 9'", wanted={"gpus": ("Mystery 9", "4090")})
    assert world.writes() == []


class TogetherTime(FakeTime):
    """Time that passes when all of so many threads sleep, for all of them."""

    def __init__(self, threads):
        super().__init__()
        self.rounds = 0
        self.barrier = threading.Barrier(threads, action=self._pass, timeout=20)

    def _pass(self):
        self.rounds += 1
        self.now += 5.0

    def sleep(self, seconds):
        if threading.current_thread().name == "podyard-worker":
            self.barrier.wait()


def test_many_pods_are_followed_with_one_list(world, monkeypatch):
    world.time = time = TogetherTime(6)
    monkeypatch.setattr(type(world.one), "account_mark", property(lambda cloud: f"mark-{cloud.name}"))
    world.two.catalogue = []
    world.one.next = [{"phase": "starting", "endpoint": None}] * 6
    lists = world.one.list_pods

    def running_after_eight_looks():
        if time.rounds == 8:
            there = {"phase": "running", "endpoint": ENDPOINT}
            world.one.pods = {each.id: replace(each, **there) for each in world.one.pods.values()}
        return lists()

    world.one.list_pods = running_after_eight_looks
    world.ensure(name="x", count=6)
    assert world.living() == [f"x-{number}" for number in range(6)]
    assert world.one.count("get") == 0
    assert world.one.count("list") <= 1 + 8 + 1, "one for each look, whoever looks, and the one before"


@pytest.mark.parametrize("state", ["present", "absent"])
def test_where_nobody_looks_there_may_be_one_too(world, tmp_path, state):
    """The key of a provider is not found any more, or it was left out of the option."""
    world.run_dir = tmp_path / "run"
    Ledger(world.run_dir).write(ledger.CREATED, f"{IDENTITY}-1", "three", pod_id="p1")
    error = world.fails(errors.Conflict, "may be on three", state=state)
    assert "option providers" in error.message
    Ledger(world.run_dir).write(ledger.GONE, f"{IDENTITY}-1", "three", pod_id="p1")
    assert world.ensure(state).changed is (state == "present")


@pytest.mark.parametrize("check", [True, False])
def test_more_pods_than_there_are_offers_are_refused_before_one_is_rented(world, check):
    world.one.catalogue = []
    world.fails(errors.NoCapacity, "5 pods are missing, and only 4 of them", name="x", count=5, check=check)
    assert world.writes() == []
