# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The next offer, the next region, the next GPU, the next provider; bad hosts, wrong contracts, deadlines, signals."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import replace

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import Rates
from ansible_collections.podyard.gpu.plugins.module_utils._pods import fence, ledger
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import IDENTITY, offer
from ansible_collections.podyard.gpu.tests.unit.fakes.group_world import World

DEAD = {"phase": "failed", "raw_status": "DEAD"}


def none_left():
    return errors.NoCapacity("Could not rent: none left.", detail="none left")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


# -- the order of the tries


def test_the_next_offer_then_the_next_provider_then_the_next_gpu(world):
    world.two.plan("create", *[none_left() for _offer in range(4)])
    world.one.plan("create", none_left())
    outcome = world.ensure()
    assert world.attempts(outcome.attempts) == [
        ("two", "RTX 4090", "m0", "refused"),
        ("two", "RTX 4090", "m1", "refused"),
        ("two", "RTX 4090", "m2", "refused"),
        ("one", "RTX 4090", None, "refused"),
        ("one", "A40", None, "rented"),
    ]
    assert [each["reason"] for each in outcome.attempts] == ["none left"] * 4 + [None]


def test_the_next_region(world):
    world.one.catalogue = [offer("RTX 4090", 0.69, provider="one", regions={"EU-RO-1": "high", "EU-SE-1": "low"})]
    world.two.catalogue = []
    world.one.known_regions = tuple
    world.one.plan("create", none_left())
    outcome = world.ensure(wanted={"gpus": ("4090",), "places": ("EU-RO-1", "EU-SE-1")})
    assert [each["region"] for each in outcome.attempts] == ["EU-RO-1", "EU-SE-1"]


def test_each_try_is_told_with_stage_words_time_and_cost(world):
    """The first machine is given up after its deadline; there the GPU is billed from the order on."""
    world.two.next = [{"phase": "starting", "raw_status": "pulling", "endpoint": None}]
    outcome = world.ensure(timeouts={"running": 360.0})
    lost, kept = outcome.attempts
    assert (lost["outcome"], lost["stage"], lost["host"], lost["offer"]) == ("given back", "rented", "m0", "o0")
    assert "not running within 6 min" in lost["reason"]
    assert "pulling" in lost["reason"]
    assert lost["seconds"] == pytest.approx(362, abs=5)
    assert lost["cost_usd"] == pytest.approx(0.69 * lost["seconds"] / 3600, rel=0.01)
    assert (kept["outcome"], kept["stage"], kept["reason"]) == ("rented", "ready", None)
    json.dumps(outcome.attempts)
    told = [line for line in world.progress.said if "given back after" in line]
    assert len(told) == 1
    assert all(word in told[0] for word in ("RTX 4090", "SE", "two", "m0", "reached rented", "USD"))


def test_where_loading_is_not_billed_only_its_disk_costs(world):
    world.two.loading = False
    world.two.next = [{"phase": "starting", "endpoint": None}]
    lost, _kept = world.ensure(timeouts={"running": 360.0}).attempts
    assert lost["cost_usd"] == pytest.approx(0.1 * lost["seconds"] / 3600, rel=0.01)


def test_no_more_pods_are_given_up_than_attempts_say(world):
    world.two.next = [DEAD] * 9
    error = world.fails(errors.PodLost, "DEAD", most=2)
    assert world.attempts(error.facts["attempts"]) == [
        ("two", "RTX 4090", "m0", "given back"),
        ("two", "RTX 4090", "m1", "given back"),
    ]
    assert [each["gone_proved"] for each in error.facts["pods_gone"]] == [True, True]
    assert world.living() == []


def test_what_any_host_would_do_is_not_tried_elsewhere(world):
    world.two.next = [DEAD]
    world.two.lines = ["manifest for x not found: manifest unknown"]
    error = world.fails(errors.PodLost, "image cannot be pulled")
    assert len(error.facts["attempts"]) == 1


def test_what_any_host_would_do_may_stand_in_the_status_alone(world):
    """Vast.ai's hosts say there what their engine said; no machine is to blame for an image that does not exist."""
    world.two.next = [{"phase": "failed", "raw_status": "loading, Error: manifest for x not found: manifest unknown"}]
    error = world.fails(errors.PodLost, "image cannot be pulled")
    assert len(error.facts["attempts"]) == 1
    assert not world.file.exists()


@pytest.mark.parametrize("most", [1, 2])
def test_that_the_limit_of_attempts_ended_it_is_said(world, most):
    world.two.next = [DEAD] * 9
    world.fails(errors.PodLost, f"DEAD.*{'All 2 pods' if most == 2 else 'The only pod'}.*option attempts", most=most)
    hosts = [each["host"] for each in json.loads(world.file.read_text())["hosts"]]
    assert hosts == [f"m{number}" for number in range(most)], "the last one is as bad as the others"


def test_disks_that_are_billed_beside_the_contract_are_in_the_cost(world):
    world.two.next = [{"phase": "starting", "endpoint": None}]
    world.two.rates = lambda offer, disk, volume: Rates(offer.usd_per_hour, disk=0.1, beside=True)
    lost, _kept = world.ensure(timeouts={"running": 360.0}).attempts
    assert lost["cost_usd"] == pytest.approx((0.69 + 0.1) * lost["seconds"] / 3600, rel=0.01)


def test_a_pod_that_is_found_by_its_name_has_cost_money_since_it_was_asked_for(world):

    def create(request):
        world.two.make(request)
        world.time.sleep(40)
        raise errors.Ambiguous("no answer")

    world.two.next = [DEAD]
    world.two.plan("create", create)
    lost = world.ensure().attempts[0]
    assert lost["outcome"] == "given back"
    assert lost["cost_usd"] >= 0.3 * 40 / 3600


@pytest.mark.parametrize(
    "error",
    [
        errors.PaymentRequired("No credit.", detail="No credit"),
        errors.BadRequest("Wrong.", status=422),
        errors.NotFound("no"),
    ],
)
def test_an_account_that_cannot_rent_leaves_the_other_provider(world, error):
    world.two.plan("create", error)
    outcome = world.ensure()
    assert world.attempts(outcome.attempts) == [
        ("two", "RTX 4090", "m0", "refused"),
        ("one", "RTX 4090", None, "rented"),
    ]


def test_when_both_refuse_the_words_of_both_are_told(world):
    world.two.plan("create", errors.PaymentRequired("Could not: no credit on two.", detail="no credit on two"))
    world.one.plan("create", errors.PaymentRequired("Could not: no credit on one.", detail="no credit on one"))
    error = world.fails(errors.CloudError, "no credit on one")
    assert [each["reason"] for each in error.facts["attempts"]] == ["no credit on two", "no credit on one"]


@pytest.mark.parametrize("kind", [errors.AuthError, errors.Fenced])
def test_what_nobody_else_can_mend_ends_it(world, kind):
    world.two.plan("create", kind("no"))
    world.fails(kind, "no")
    assert world.one.count("create") == 0


def test_of_what_is_unknown_no_second_one_is_rented(world):
    """The create may have made a pod, and the provider does not say: the next one would be one too many."""
    unknown = errors.Ambiguous("Could not rent: no answer.")
    world.two.plan("create", unknown).plan("list", None, *[errors.ServerError("502")] * 200)
    world.fails(errors.Ambiguous, "could not be found out")
    assert world.one.count("create") == 0


# -- a market moves


def test_when_all_that_was_found_is_gone_the_market_is_searched_once_more(world):
    world.one.catalogue = []
    new = replace(world.two.catalogue[0], id="o7", host="m7")
    world.two.plan("create", *[none_left() for _offer in range(4)])
    world.two.plan("offers", None, lambda query: [*world.two.catalogue, new])
    outcome = world.ensure()
    assert [each["offer"] for each in outcome.attempts] == ["o0", "o1", "o2", "o9", "o7"]
    assert any("searched once more" in note for note in world.fleet.notes)


def test_it_is_searched_twice_and_no_more(world):
    world.one.catalogue = []
    world.two.plan("create", *[none_left() for _offer in range(9)])
    error = world.fails(errors.NoCapacity, "All 4 offers")
    assert world.two.count("offers") == 2
    assert len(error.facts["attempts"]) == 4


def test_a_stale_list_is_not_tried_to_its_end(world):
    world.one.catalogue = []
    world.two.catalogue = [replace(world.two.catalogue[0], id=f"s{n}", host=f"h{n}") for n in range(50)]
    world.two.plan("create", *[none_left() for _offer in range(10)])
    fresh = [replace(world.two.catalogue[0], id="new", host="fresh")]
    world.two.plan("offers", None, lambda query: fresh)
    outcome = world.ensure(wanted={"gpus": ("4090",)})
    assert len(outcome.attempts) == 11
    assert outcome.attempts[-1]["offer"] == "new"


# -- contracts


def test_a_contract_above_the_cap_is_given_back_and_counts(world):
    world.two.next = [{"usd_per_hour": 0.95}] * 2
    outcome = world.ensure(wanted={"max_price": 0.7})
    assert [each["outcome"] for each in outcome.attempts] == ["given back", "given back", "rented"]
    assert "above the cap" in outcome.attempts[0]["reason"]
    assert outcome.attempts[0]["usd_per_hour"] == 0.95
    assert len(outcome.gone) == 2
    world.ensure("absent")
    world.two.next = [{"usd_per_hour": 0.95}] * 2
    world.fails(errors.TooExpensive, "above the cap", wanted={"max_price": 0.7}, most=2)
    assert world.living() == []


def test_a_contract_of_the_wrong_kind_is_given_back_and_counts(world):
    """On demand where interruptible was asked for: the driver sees it when it reads the contract back."""
    world.two.finish_create = lambda pod, request: wrong.pop(0)(pod) if wrong else pod

    def refuse(pod):
        raise errors.Conflict(f"The contract of the pod {pod.label()} says that it is on demand; it was given back.")

    wrong = [refuse]
    outcome = world.ensure()
    assert world.attempts(outcome.attempts) == [
        ("two", "RTX 4090", "m0", "given back"),
        ("two", "RTX 4090", "m1", "rented"),
    ]
    assert "on demand" in outcome.attempts[0]["reason"]
    world.ensure("absent")
    wrong.append(refuse)
    world.fails(errors.Conflict, "on demand", most=1)
    assert world.living() == []


def test_a_contract_of_the_wrong_kind_is_told_with_its_own_price(world):
    """A bid of 0.30 that became a contract on demand of 0.90 costs 0.90 until it is given back."""

    def finish_create(pod, _request):
        wrong = errors.WrongContract("The contract says that it is on demand.")
        wrong.pod = replace(pod, usd_per_hour=0.90)
        raise wrong

    world.two.finish_create = finish_create
    error = world.fails(errors.WrongContract, "on demand", most=1)
    assert [each["usd_per_hour"] for each in error.facts["attempts"]] == [0.90]


def test_without_a_bid_the_least_of_the_offer_is_bid(world):
    world.one.catalogue = []
    world.two.catalogue = [
        replace(each, interruptible=True, min_bid=least, usd_per_hour=0.2)
        for each, least in zip(world.two.catalogue, (None, 0.15), strict=False)
    ]
    world.two.capabilities = replace(world.two.capabilities, interruptible=True)
    world.ensure(wanted={"interruptible": True, "gpus": ("4090",)})
    [request] = [asked for verb, asked in world.two.calls if verb == "create"]
    assert (request.offer_id, request.bid) == ("o1", 0.15)


# -- bad hosts


def test_a_bad_machine_is_not_rented_again_and_noted_for_a_day(world):
    world.two.catalogue.insert(1, replace(world.two.catalogue[0], id="o0b"))
    world.two.next = [DEAD]
    outcome = world.ensure()
    assert [each["offer"] for each in outcome.attempts] == ["o0", "o1"], "o0b is the same machine"
    noted = json.loads(world.file.read_text())
    assert "Delete" in noted["about"]
    [entry] = noted["hosts"]
    assert (entry["provider"], entry["host"], entry["gpu"], entry["region"]) == ("two", "m0", "RTX 4090", "SE")
    assert "DEAD" in entry["reason"]
    assert (entry["since"], entry["until"]) == ("2027-01-15T08:00:00Z", "2027-01-16T08:00:00Z")
    assert os.stat(world.file).st_mode & 0o777 == 0o600
    assert any(str(world.file) in note for note in world.fleet.notes)

    world.ensure("absent")
    assert world.ensure().attempts[0]["offer"] == "o1", "another call"
    world.ensure("absent")
    world.epoch += 86_401
    assert world.ensure().attempts[0]["offer"] == "o0", "a day later"


def test_people_may_clear_the_file(world):
    world.two.next = [DEAD]
    world.ensure()
    world.ensure("absent")
    world.file.unlink()
    assert world.ensure().attempts[0]["offer"] == "o0"


def test_why_a_machine_is_not_tried_is_said_when_nothing_is_left(world):
    world.one.catalogue = []
    world.two.catalogue = world.two.catalogue[:1]
    world.two.next = [DEAD]
    world.fails(errors.PodLost, "DEAD", wanted={"gpus": ("4090",)})
    error = world.fails(errors.CloudError, "m0", wanted={"gpus": ("4090",)})
    assert str(world.file) in error.message


def test_a_garbled_file_is_no_obstacle(world):
    world.file.write_text('{"hosts": [{"host": 3}, 7, {"provider": "two", "host": "m0", "until": "9999"}]}')
    assert world.ensure().attempts[0]["offer"] == "o1"
    world.ensure("absent")
    world.file.write_text("not json")
    assert world.ensure().attempts[0]["offer"] == "o0"


def test_a_file_that_cannot_be_written_is_said_and_the_call_goes_on(world):
    world.file.parent.joinpath("blocked").write_text("")
    world.file = world.file.parent / "blocked" / "bad.json"
    world.two.next = [DEAD]
    assert world.ensure().attempts[-1]["offer"] == "o1"
    assert any("for this call only" in note for note in world.fleet.notes)


def test_where_machines_have_no_number_the_same_gpu_there_is_tried_last(world):
    world.two.catalogue = []
    world.one.next = [DEAD]
    outcome = world.ensure()
    assert [each["gpu"] for each in outcome.attempts] == ["RTX 4090", "A40"]
    assert not world.file.exists(), "a region is not a machine"
    assert any("tried last" in note for note in world.fleet.notes)


def test_the_place_that_only_a_later_look_tells_is_known(world):
    """RunPod's answer to a create need not say where the pod is."""
    world.two.catalogue = []
    world.one.next = [{"phase": "starting", "region": None, "endpoint": None}]
    world.one.plan("get", lambda pod_id: replace(world.one.pods[pod_id], region="EU-RO-1", **DEAD))
    outcome = world.ensure()
    assert outcome.attempts[0]["region"] == "EU-RO-1"
    assert any("in EU-RO-1 on one is tried last" in note for note in world.fleet.notes)


def test_a_single_kind_is_drawn_again(world):
    world.two.catalogue = []
    world.one.next = [DEAD]
    outcome = world.ensure(wanted={"gpus": ("4090",)})
    assert [each["outcome"] for each in outcome.attempts] == ["given back", "rented"]


def test_a_condemned_machine_is_not_rented_again(world, tmp_path):
    world.run_dir = tmp_path / "run"
    world.ensure()
    world.ensure("absent", condemned="the GPU is lost")
    assert "the GPU is lost" in world.file.read_text()
    outcome = world.ensure()
    assert outcome.attempts[0]["offer"] == "o1"
    world.file.unlink()
    world.epoch += 100_000
    world.ensure("absent")
    assert world.ensure().attempts[0]["offer"] == "o1", "never in this run"
    assert [path.name for path in (tmp_path / "run").glob("bad*.json")] == ["bad-hosts.json"]


def test_a_condemned_pod_of_a_nameless_machine_makes_its_region_the_last(world, tmp_path):
    world.run_dir = tmp_path / "run"
    world.two.catalogue = []
    world.one.catalogue = [
        offer("RTX 4090", 0.69, provider="one", regions={"EU-RO-1": "high", "EU-SE-1": "low"}),
    ]
    world.one.known_regions = tuple
    wish = {"gpus": ("4090",), "places": ("EU-RO-1", "EU-SE-1")}
    assert world.ensure(wanted=wish).attempts[0]["region"] == "EU-RO-1"
    world.ensure("absent", condemned="no driver")
    assert world.ensure(wanted=wish).attempts[0]["region"] == "EU-SE-1"


def test_in_check_mode_nothing_is_condemned(world):
    world.two.has("x", host="m0")
    world.ensure("absent", name="x", check=True, condemned="bad")
    assert not world.file.exists()


# -- time


def test_the_deadline_of_the_call_ends_the_wait_and_blames_no_host(world):
    world.two.next = [{"phase": "starting", "endpoint": None}]
    error = world.fails(errors.WaitTimeout, "option deadline", deadline=100.0)
    assert world.living() == []
    assert error.facts["attempts"][0]["seconds"] == pytest.approx(102, abs=5)
    assert not world.file.exists()
    assert world.time.now - 1000 < 110


def test_after_the_deadline_no_further_pod_is_rented(world):
    world.two.next = [DEAD]
    world.two.plan("terminate", lambda pod_id: [world.time.sleep(110), world.two.pods.pop(pod_id)] and True)
    error = world.fails(errors.WaitTimeout, "no further one is rented", deadline=100.0)
    assert len(error.facts["attempts"]) == 1


def test_orders_that_are_refused_for_too_long_end_it(world):
    def slowly(_request):
        world.time.sleep(40)
        raise none_left()

    world.two.plan("create", *[slowly] * 9)
    error = world.fails(errors.NoCapacity, "within 1 min", timeouts={"rented": 60.0})
    assert len(error.facts["attempts"]) == 2


# -- ends


@pytest.mark.parametrize("count", [1, 3])
def test_a_signal_gives_back_all_that_is_on_its_way(world, count):
    """It comes while all are waited for; a thread that is about to order does not do so any more."""

    def banner(_endpoint):
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard.wait(20)
        return False, "refused"

    heard = threading.Event()
    world.banner = banner
    fleet = world.made(name="x", count=count)
    stop = fleet.workers.stop
    fleet.workers.stop = lambda: [stop(), heard.set()]
    with pytest.raises(errors.CloudError, match=r"Interrupted by SIGTERM.*given back and is proved gone") as caught:
        fleet.ensure("present")
    assert world.living() == []
    assert all(each["gone_proved"] for each in caught.value.facts["pods_gone"])
    assert {each["reason"] for each in caught.value.facts["attempts"]} == {"interrupted (SIGTERM)"}
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_after_a_signal_no_order_is_sent(world):
    world.made(name="x")
    world.two.plan("offers", lambda query: world.fleet.workers.stop() or world.two.catalogue)
    with pytest.raises(errors.CloudError):
        world.fleet.ensure("present")
    assert world.writes() == []


def test_a_fenced_run_rents_nothing(world, tmp_path):
    world.run_dir = tmp_path / "run"
    fence.raise_fence(world.run_dir)
    world.fails(errors.Fenced, "given back already", name=IDENTITY)
    assert world.writes() == []


def test_every_order_is_in_the_ledger_before_it_is_sent(world, tmp_path):
    world.run_dir = tmp_path / "run"
    world.two.next = [DEAD]
    world.ensure(name=IDENTITY.removesuffix("-0"), count=2)
    events = Ledger(world.run_dir).read()
    by_name: dict[str, list[str]] = {}
    for event in events:
        by_name.setdefault(event["name"], []).append(event["event"])
    assert sorted(map(tuple, by_name.values())) == [
        (ledger.CREATING, ledger.CREATED),
        (ledger.CREATING, ledger.CREATED),
        (ledger.CREATING, ledger.CREATED, ledger.GONE),
    ]


def test_a_late_twin_is_ended_wherever_it_turns_up(world):
    """The first order's outcome was unknown, it was proved absent, another offer was taken, and then it was there."""
    world.two.plan("create", errors.Ambiguous("no answer"), none_left())
    world.one.plan("create", lambda request: [world.two.has(f"{IDENTITY}-1"), world.one.make(request)][1])
    world.two.plan("create", *[none_left() for _offer in range(3)])
    outcome = world.ensure()
    assert outcome.pods[0].pod.provider == "one"
    assert world.living() == [outcome.pods[0].pod.name]
    assert [each["name"] for each in outcome.gone] == [f"{IDENTITY}-1"]


def test_a_late_twin_that_does_not_end_is_in_the_facts_beside_the_pod_that_was_kept(world):
    world.two.plan("create", errors.Ambiguous("no answer"), none_left())
    world.one.plan("create", lambda request: [world.two.has(f"{IDENTITY}-1"), world.one.make(request)][1])
    world.two.plan("create", *[none_left() for _offer in range(3)])
    world.two.plan("terminate", *[errors.Forbidden("no right")] * 9)
    error = world.fails(errors.NotProvedGone, "NOT PROVED GONE")
    assert [(each["provider"], each["gone_proved"]) for each in error.facts["pods_gone"]] == [
        ("two", False),
        ("one", True),
    ]


def test_what_is_not_proved_gone_is_shouted_for_every_pod(world):
    world.two.next = [DEAD]
    world.two.plan("terminate", *[errors.AuthError("The key was refused.")] * 9)
    error = world.fails(errors.NotProvedGone, "NOT PROVED GONE")
    assert "fake end n1" in error.message
    assert world.one.count("create") == 0
