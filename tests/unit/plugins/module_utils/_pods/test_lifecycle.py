# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod towards a wanted state: do it, do it again, in check mode, and with everything that gets in the way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Mount
from ansible_collections.podyard.gpu.plugins.module_utils._core.workers import WorkerPool
from ansible_collections.podyard.gpu.plugins.module_utils._pods import bootstrap, create, ledger
from ansible_collections.podyard.gpu.plugins.module_utils._pods.context import PodContext
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.plugins.module_utils._pods.lifecycle import PodLifecycle
from ansible_collections.podyard.gpu.plugins.module_utils._pods.readiness import Readiness
from ansible_collections.podyard.gpu.plugins.module_utils._pods.spec import PodSpec
from ansible_collections.podyard.gpu.plugins.module_utils._providers.base import Capabilities
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import (
    IDENTITY,
    IMAGE,
    KEY,
    FakeCloud,
    FakeTime,
    Lines,
    offer,
    pod,
)

WRITES = ("create", "update", "start", "stop", "restart", "terminate")
WANTED = {"name": IDENTITY, "image": IMAGE, "gpus": ("4090",), "public_keys": (KEY,)}
STOPPED = {"phase": "stopped", "raw_status": "EXITED", "endpoint": None, "usd_per_hour": 0.0}
PYTHON = "podyard:begin\npodyard:python=3.12.3 /usr/bin/python3\npodyard:end\n"


class World:
    """A cloud and everything around it."""

    def __init__(self, tmp_path, *pods):
        self.cloud = FakeCloud(*pods)
        self.time = FakeTime()
        self.progress = Lines()
        self.tmp_path = tmp_path
        self.banner = (True, "SSH-2.0-x")
        self.look = lambda endpoint: self.banner

    def run(self, argv):
        return (0, PYTHON, "") if argv[0] == "ssh" else (0, f"[h]:1 ssh-ed25519 {'A' * 8}\n", "")

    def ensure(self, state, check=False, wait_for="ready", run_dir=None, most=1, **wanted):
        readiness = None
        if wait_for is not None:
            hosts = str(self.tmp_path / "known_hosts")
            readiness = Readiness(wait_for, self.run, hosts, read_banner=self.look)
        work = PodContext(self.cloud, self.time.polls(), self.progress, run_dir)
        return PodLifecycle(work, PodSpec(**{**WANTED, **wanted}), readiness, most, check).ensure(state)

    def writes(self):
        return [verb for verb, _argument in self.cloud.calls if verb in WRITES]


@pytest.fixture(name="world")
def made_world(tmp_path):
    return World(tmp_path)


@pytest.fixture(name="running")
def running_world(tmp_path):
    return World(tmp_path, pod(env={"PUBLIC_KEY": KEY}))


@pytest.fixture(name="stopped")
def stopped_world(tmp_path):
    return World(tmp_path, pod(**STOPPED, env={"PUBLIC_KEY": KEY}))


# -- present, running: renting


@pytest.mark.parametrize("state", ["present", "running"])
def test_a_pod_is_rented_and_waited_for(world, state):
    outcome = world.ensure(state)
    result = outcome.to_result()
    assert result["changed"] is True
    assert (result["pod"]["name"], result["pod"]["stage"]) == (f"{IDENTITY}-1", "ready")
    assert result["pod"]["python"] == "/usr/bin/python3"
    assert result["pod"]["host_key_checking"] == "accept-new"
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"]["usd_per_hour"] == 0.69
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["rented"]
    assert world.writes() == ["create"]
    assert KEY not in json.dumps(result)


@pytest.fixture(name="shared")
def shared_world(world, monkeypatch, tmp_path):
    monkeypatch.setenv("PODYARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(FakeCloud, "account_mark", "0" * 32)
    return world


def test_two_tasks_do_not_rent_a_pod_of_one_name_at_once(shared, monkeypatch):
    """The other one begins when this one has seen that there is none, and has not rented yet."""
    monkeypatch.setattr(create, "TURN", 0.05)
    other = World(shared.tmp_path)

    def meanwhile(_query):
        with pytest.raises(errors.Conflict, match="another task on this machine has been renting it"):
            other.ensure("present")
        return list(shared.cloud.catalogue)

    shared.cloud.plan("offers", meanwhile)
    assert shared.ensure("present").changed
    assert (shared.cloud.count("create"), other.cloud.calls) == (1, [])
    assert any("Another task is renting" in line for line in other.progress.said)
    other.cloud.pods = shared.cloud.pods
    assert other.ensure("present").changed is False


@pytest.mark.parametrize(("state", "wanted"), [("absent", {}), ("present", {"name": "another"})])
def test_what_rents_no_such_pod_waits_for_nobody(shared, monkeypatch, state, wanted):
    monkeypatch.setattr(create, "TURN", 0.0)
    with create.alone(PodContext(shared.cloud), IDENTITY):
        assert shared.ensure(state, **wanted) is not None
        assert shared.ensure("present", check=True).changed


@pytest.mark.parametrize("state", ["present", "running"])
def test_rented_again_nothing_changes(world, state):
    world.ensure(state)
    world.cloud.calls.clear()
    outcome = world.ensure(state)
    assert outcome.changed is False
    assert outcome.before == outcome.after != {}
    assert outcome.reached.stage == "ready"
    assert world.writes() == []


@pytest.mark.parametrize("state", ["present", "running"])
def test_check_mode_predicts_the_pod_and_rents_nothing(world, state):
    outcome = world.ensure(state, check=True)
    result = outcome.to_result()
    assert result["changed"] is True
    assert result["pod"]["id"] is None
    assert result["pod"]["name"] == f"{IDENTITY}-1"
    assert result["pod"]["usd_per_hour"] == 0.69
    assert result["diff"]["before"] == {}
    assert world.writes() == []
    real = world.ensure(state)
    assert real.changed is True
    shown = {name for name in real.after if real.after[name] != outcome.after[name]}
    assert shown <= {"phase", "region"}


@pytest.mark.parametrize("state", ["present", "running"])
def test_check_mode_of_what_is_there_changes_nothing(running, state):
    outcome = running.ensure(state, check=True)
    assert outcome.changed is False
    assert outcome.reached.stage == "addressed"
    assert running.writes() == []


def test_any_other_name_is_exact(world):
    assert world.ensure("present", name="notebook").reached.pod.name == "notebook"
    assert world.ensure("present", name="notebook").changed is False


def test_without_waiting_the_pod_is_returned_as_it_is(world):
    outcome = world.ensure("present", wait_for=None)
    assert outcome.changed
    assert world.cloud.count("logs") == 0


def test_the_next_create_has_the_next_number(tmp_path):
    ended = pod("p7", f"{IDENTITY}-7", phase="gone")
    world = World(tmp_path, ended, pod("x", "podyard-digits-other-0-12"))
    run_dir = tmp_path / "run"
    Ledger(run_dir).write(ledger.CREATING, f"{IDENTITY}-8", "fake")
    Ledger(run_dir).write(ledger.REFUSED, f"{IDENTITY}-8", "fake")
    assert world.ensure("present", run_dir=run_dir).reached.pod.name == f"{IDENTITY}-9"


@pytest.mark.parametrize("state", ["present", "running"])
def test_a_pod_that_is_being_ended_does_not_count(tmp_path, state):
    world = World(tmp_path, pod(phase="gone", raw_status="TERMINATED"))
    assert world.ensure(state).reached.pod.name == f"{IDENTITY}-2"


def test_everything_is_checked_before_anything_is_rented(world):
    cases = [
        ({"gpus": ()}, "name the GPUs"),
        ({"gpus": ("4080",)}, "no GPU '4080'"),
        ({"max_price": 0.5}, "above the cap"),
        ({"ports": ("8888/http",)}, "without 22/tcp"),
        ({"public_keys": ()}, "without a public key"),
        ({"public_keys": (), "env": {"PUBLIC_KEY": " "}}, "without a public key"),
        ({"name": f"podyard-{'d' * 24}-{'r' * 24}-0"}, "the most is 60"),
    ]
    for wanted, words in cases:
        with pytest.raises(errors.CloudError) as caught:
            world.ensure("present", **wanted)
        assert words in str(caught.value)
    world.cloud.plan("check", errors.BadRequest("51 environment variables"))
    with pytest.raises(errors.BadRequest, match="51"):
        world.ensure("present")
    assert world.writes() == []


@pytest.mark.parametrize(("wait_for", "wanted"), [("running", {"ports": ()}), ("addressed", {"public_keys": ()})])
def test_what_the_wait_does_not_need_is_not_asked_for(world, wait_for, wanted):
    assert world.ensure("present", wait_for=wait_for, **wanted).changed


def test_a_key_in_the_environment_is_a_key(world):
    assert world.ensure("present", public_keys=(), env={"PUBLIC_KEY": KEY}).changed


def test_a_bad_host_is_replaced(world):
    world.cloud.plan("create", lambda asked: _failed(world.cloud, asked))
    outcome = world.ensure("present", most=2)
    assert outcome.reached.pod.id == "n2"
    assert [gone["id"] for gone in outcome.gone] == ["n1"]
    assert [attempt["outcome"] for attempt in outcome.attempts] == ["given back", "rented"]


def _failed(cloud, asked):
    made = cloud.make(asked)
    cloud.pods[made.id] = pod(made.id, made.name, phase="failed", raw_status="ERROR", endpoint=None)
    return cloud.pods[made.id]


def test_a_pod_that_does_not_get_ready_is_not_left_behind(world):
    world.banner = (False, "Connection refused")
    with pytest.raises(errors.WaitTimeout) as caught:
        world.ensure("present")
    assert world.cloud.pods == {}
    assert caught.value.facts["pods_gone"][0]["gone_proved"] is True


def test_a_contract_above_the_cap_makes_room_for_the_next_offer_and_is_no_attempt_given_up(world):
    prices = iter((0.99, 0.50))

    def make(asked):
        world.cloud.contract_price = next(prices)
        return world.cloud.make(asked)

    world.cloud.catalogue = [offer("RTX 4090", 0.4), offer("A40", 0.5)]
    world.cloud.plan("create", make, make)
    outcome = world.ensure("present", gpus=("4090", "A40"), max_price=0.7, most=1)
    assert outcome.reached.pod.usd_per_hour == 0.50
    assert [attempt["outcome"] for attempt in outcome.attempts] == ["given back", "rented"]


def test_an_attempt_tells_the_stage_that_its_pod_reached(world):
    world.banner = (False, "Connection refused")
    with pytest.raises(errors.WaitTimeout) as caught:
        world.ensure("present")
    assert [each["stage"] for each in caught.value.facts["attempts"]] == ["addressed"]
    assert "notes" not in caught.value.facts


def test_a_signal_gives_back_what_is_being_rented(world, monkeypatch):
    heard, stop = threading.Event(), WorkerPool.stop
    monkeypatch.setattr(WorkerPool, "stop", lambda pool: [stop(pool), heard.set()])

    def banner(_endpoint):
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard.wait(20)
        return False, "Connection refused"

    world.look = banner
    with pytest.raises(errors.CloudError, match=r"Interrupted by SIGTERM.*given back and is proved gone"):
        world.ensure("present")
    assert world.cloud.pods == {}
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_late_twin_of_an_ambiguous_create_is_ended(world):
    def drop(asked):
        world.cloud.make(asked)
        world.cloud.make(asked)
        raise errors.Ambiguous("dropped")

    world.cloud.plan("create", drop)
    outcome = world.ensure("present")
    assert outcome.reached.pod.id == "n1"
    assert list(world.cloud.pods) == ["n1"]
    assert [gone["id"] for gone in outcome.gone] == ["n2"]


def test_a_late_twin_that_does_not_end_takes_the_kept_pod_along(world):
    def drop(asked):
        world.cloud.make(asked)
        world.cloud.make(asked)
        raise errors.Ambiguous("dropped")

    def refuse(_pod_id):
        raise errors.Forbidden("no right")

    world.cloud.plan("create", drop).plan("terminate", refuse)
    with pytest.raises(errors.NotProvedGone, match="n2") as caught:
        world.ensure("present")
    assert [(gone["id"], gone["gone_proved"]) for gone in caught.value.facts["pods_gone"]] == [
        ("n2", False),
        ("n1", True),
    ]


def test_an_unknown_price_is_warned_of(world):
    world.cloud.contract_price = None
    outcome = world.ensure("present", max_price=1.0)
    assert "cap could not be checked" in outcome.warnings[0]


def test_what_the_ledger_knows_is_not_rented_twice(world, tmp_path):
    run_dir = tmp_path / "run"
    Ledger(run_dir).write(ledger.CREATING, f"{IDENTITY}-1", "fake")
    fresh = pod("p1", f"{IDENTITY}-1", env={"PUBLIC_KEY": KEY})
    world.cloud.plan("list", [], [], [], [fresh])
    outcome = world.ensure("present", run_dir=run_dir)
    assert outcome.reached.pod.id == "p1"
    assert outcome.changed is False
    assert world.writes() == []


# -- present, running: what is there


def test_two_pods_of_one_identity_are_refused(tmp_path):
    world = World(tmp_path, pod("p1", f"{IDENTITY}-1"), pod("p2", f"{IDENTITY}-2"))
    for state in ("present", "running", "stopped", "restarted"):
        with pytest.raises(errors.Conflict, match=r"2 pods answer.*p1.*p2"):
            world.ensure(state)
    assert world.writes() == []


def test_two_pods_of_one_name_are_refused_even_to_be_ended(tmp_path):
    world = World(tmp_path, pod("p1", "twin"), pod("p2", "twin"))
    for state in ("present", "absent"):
        with pytest.raises(errors.Conflict, match="2 pods"):
            world.ensure(state, name="twin")
    assert world.writes() == []


def test_a_list_that_fails_rents_nothing(world):
    world.cloud.plan("list", errors.AuthError("refused"))
    with pytest.raises(errors.AuthError):
        world.ensure("present")
    assert world.writes() == []


def test_an_id_that_does_not_exist_is_never_replaced(world):
    for state in ("present", "running", "stopped", "restarted"):
        with pytest.raises(errors.NotFound, match="none is made in its place"):
            world.ensure(state, id="p404")
    assert world.writes() == []


def test_a_pod_is_found_by_its_id(running):
    assert running.ensure("present", id="p1", name=None).changed is False
    assert running.cloud.count("list") == 0


def test_a_failed_pod_is_not_mended(tmp_path):
    world = World(tmp_path, pod(phase="failed", raw_status="ERROR", endpoint=None))
    for state in ("present", "running", "stopped", "restarted"):
        with pytest.raises(errors.Conflict, match="does not recover"):
            world.ensure(state)


def test_a_pod_that_was_there_is_not_ended_when_the_wait_fails(running):
    running.banner = (False, "Connection refused")
    with pytest.raises(errors.WaitTimeout):
        running.ensure("present")
    assert running.writes() == []


def test_a_change_that_resets_a_running_pod_must_be_allowed(running):
    with pytest.raises(errors.Conflict, match=r"change its image, disk resets the container.*allow_reset"):
        running.ensure("present", image="other:1", disk_gb=40)
    with pytest.raises(errors.Conflict, match="allow_reset"):
        running.ensure("present", check=True, image="other:1")
    assert running.writes() == []


def test_a_change_that_is_allowed_sends_what_differs_and_waits_for_the_new_container(running):
    def reset(argument):
        pod_id, changes = argument
        assert changes == {"disk_gb": 40}
        running.cloud.pods[pod_id] = pod(
            disk_gb=40, env={"PUBLIC_KEY": KEY}, started_at="2026-07-15T15:00:00Z", uptime=1.0
        )
        return pod(disk_gb=40)

    running.cloud.plan("update", reset)
    outcome = running.ensure("present", disk_gb=40, allow_reset=True)
    assert outcome.changed
    assert (outcome.before["disk_gb"], outcome.after["disk_gb"]) == (20, 40)
    assert outcome.reached.pod.uptime == 1.0
    assert running.ensure("present", disk_gb=40, allow_reset=True).changed is False


def test_check_mode_of_a_change_predicts_it(running):
    outcome = running.ensure("present", check=True, disk_gb=40, allow_reset=True)
    assert outcome.changed
    assert outcome.reached.pod.disk_gb == 40
    assert outcome.after["disk_gb"] == 40
    assert running.writes() == []


def test_a_new_name_resets_nothing(running):
    outcome = running.ensure("present", id="p1", name="notebook")
    assert outcome.changed
    assert ("update", ("p1", {"name": "notebook"})) in running.cloud.calls


@pytest.mark.parametrize("check", [False, True])
def test_a_name_that_another_pod_has_is_not_given_twice(tmp_path, check):
    world = World(tmp_path, pod(env={"PUBLIC_KEY": KEY}), pod(id="p2", name="notebook"))
    with pytest.raises(errors.Conflict, match=r"was not renamed: notebook \(p2\) .*is called notebook already"):
        world.ensure("present", check=check, id="p1", name="notebook")
    assert world.writes() == []
    assert world.ensure("present", id="p2", name="notebook", wait_for=None).changed is False


def test_a_grown_volume_is_warned_of(tmp_path):
    world = World(tmp_path, pod(mounts=(Mount("disk", "/workspace", 50),), env={"PUBLIC_KEY": KEY}))
    outcome = world.ensure("present", volume=Mount("disk", "/workspace", 80))
    assert world.writes() == ["update"]
    assert "after a stop and a start" in outcome.warnings[0]


def test_a_stopped_pod_is_present_and_left_stopped(stopped):
    outcome = stopped.ensure("present")
    assert outcome.changed is False
    assert outcome.reached.stage == "rented"
    assert stopped.writes() == []


def test_a_stopped_pod_is_changed_without_asking(stopped):
    assert stopped.ensure("present", disk_gb=40).changed
    assert stopped.writes() == ["update"]


def test_a_stopped_pod_is_started(stopped):
    outcome = stopped.ensure("running")
    assert outcome.changed
    assert stopped.writes() == ["start"]
    assert (outcome.before["phase"], outcome.after["phase"]) == ("stopped", "running")
    assert outcome.reached.stage == "ready"
    assert stopped.ensure("running").changed is False


def test_check_mode_of_a_start(stopped):
    outcome = stopped.ensure("running", check=True)
    assert outcome.changed
    assert outcome.after["phase"] == "running"
    assert stopped.writes() == []


def test_a_start_without_a_free_gpu_says_so(stopped):
    stopped.cloud.plan("start", errors.NoCapacity("Its GPU was rented to another meanwhile"))
    with pytest.raises(errors.NoCapacity, match="rented to another"):
        stopped.ensure("running")


# -- stopped


def test_a_stop_is_done_with_its_price_shown(running):
    outcome = running.ensure("stopped")
    assert outcome.changed
    assert outcome.reached.pod.phase == "stopped"
    assert (outcome.before["phase"], outcome.after["phase"]) == ("running", "stopped")
    assert "still costs USD 0.00 per month" in outcome.warnings[0]
    assert any("still costs" in line for line in running.progress.said)
    again = running.ensure("stopped")
    assert again.changed is False
    assert "still costs" in again.warnings[0]
    assert running.writes() == ["stop"]


def test_check_mode_of_a_stop(running, stopped):
    outcome = running.ensure("stopped", check=True)
    assert outcome.changed
    assert outcome.reached.pod.phase == "stopped"
    assert running.writes() == []
    assert stopped.ensure("stopped", check=True).changed is False


def test_a_stop_that_is_there_already_is_no_conflict(running):
    def conflict(pod_id):
        running.cloud.pods[pod_id] = pod(**STOPPED)
        raise errors.Conflict("action stop is not valid for status EXITED.", status=409)

    running.cloud.plan("stop", conflict)
    assert running.ensure("stopped").reached.pod.phase == "stopped"


def test_an_action_that_is_illegal_says_what_is_allowed(running):
    running.cloud.plan("stop", errors.Conflict("not valid.", status=409))
    with pytest.raises(errors.Conflict, match="allows: stop, restart, terminate"):
        running.ensure("stopped")


def test_a_stop_with_an_unknown_outcome_is_settled_by_reading(running):
    def drop(pod_id):
        running.cloud.pods[pod_id] = pod(**STOPPED)
        raise errors.Ambiguous("dropped")

    running.cloud.plan("stop", drop)
    assert running.ensure("stopped").changed


def test_a_stop_that_never_ends_is_said(running):
    running.cloud.plan("stop", pod())
    with pytest.raises(errors.WaitTimeout, match="not stopped after 2 min"):
        running.ensure("stopped")


@pytest.mark.parametrize("state", ["stopped", "restarted"])
def test_what_is_not_there_cannot_be_stopped(world, state):
    with pytest.raises(errors.NotFound, match=f"cannot be {state}"):
        world.ensure(state)
    assert world.writes() == []


def test_a_locked_pod_is_not_stopped(tmp_path):
    world = World(tmp_path, pod(locked=True))
    with pytest.raises(errors.Conflict, match="locked"):
        world.ensure("stopped")
    assert world.writes() == []


def test_a_provider_that_cannot_stop_says_so(running):
    running.cloud.capabilities = Capabilities(stop=False, because={"stop": "pods there cannot be stopped"})
    with pytest.raises(errors.BadRequest, match="pods there cannot be stopped"):
        running.ensure("stopped")


# -- restarted


def test_a_restart_is_done_each_time(running):
    for _time in range(2):
        running.cloud.pods["p1"] = pod(env={"PUBLIC_KEY": KEY})
        assert running.ensure("restarted").changed
    assert running.writes() == ["restart", "restart"]


def test_a_stopped_pod_is_started_instead(stopped):
    assert stopped.ensure("restarted").changed
    assert stopped.writes() == ["start"]


def test_check_mode_of_a_restart(running):
    assert running.ensure("restarted", check=True).changed
    assert running.writes() == []


# -- absent


def test_all_pods_of_the_identity_are_ended_and_proved_gone(tmp_path):
    world = World(tmp_path, pod("p1", f"{IDENTITY}-1"), pod("p2", f"{IDENTITY}-2", **STOPPED), pod("x", "other"))
    outcome = world.ensure("absent")
    assert outcome.changed
    assert outcome.reached is None
    assert outcome.after == {}
    assert outcome.before["name"] == f"{IDENTITY}-1"
    assert sorted(gone["id"] for gone in outcome.gone if gone["gone_proved"]) == ["p1", "p2"]
    assert list(world.cloud.pods) == ["x"]
    again = world.ensure("absent")
    assert (again.changed, again.gone) == (False, [])


def test_check_mode_of_an_end(running, world):
    outcome = running.ensure("absent", check=True)
    assert outcome.changed
    assert running.writes() == []
    assert world.ensure("absent", check=True).changed is False


@pytest.mark.parametrize("name", [None, "whatever"])
def test_a_pod_is_ended_by_its_id(running, name):
    assert running.ensure("absent", id="p1", name=name).changed
    assert running.cloud.pods == {}
    assert running.ensure("absent", id="p1", name=name).changed is False


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        ({}, {"list": [[]]}),
        ({"id": "p1"}, {"get": [errors.NotFound("not yet")]}),
        ({"id": "p1"}, {"get": [errors.NotFound("not yet")] * 2}),
    ],
)
def test_one_look_that_shows_nothing_is_no_proof_that_there_is_nothing(running, check, wanted, missing):
    for verb, answers in missing.items():
        running.cloud.plan(verb, *answers)
    assert running.ensure("absent", check=check, **wanted).changed
    assert list(running.cloud.pods) == (["p1"] if check else [])


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(("wanted", "calls"), [({}, {"list": 2, "get": 0}), ({"id": "p1"}, {"list": 1, "get": 2})])
def test_what_is_long_gone_costs_one_pause(world, check, wanted, calls):
    assert world.ensure("absent", check=check, **wanted).changed is False
    assert {verb: world.cloud.count(verb) for verb in calls} == calls
    assert world.time.slept == [2.0]


def test_a_second_look_that_fails_is_not_absent(world):
    world.cloud.plan("list", [], errors.ServerError("down"))
    with pytest.raises(errors.ServerError):
        world.ensure("absent")


def test_what_is_not_proved_gone_fails(running):
    running.cloud.plan("terminate", *[errors.Forbidden("no right")] * 9)
    with pytest.raises(errors.NotProvedGone, match=r"p1.*USD 0.69 per hour.*no right.*fake end p1"):
        running.ensure("absent")


def test_a_list_that_fails_is_not_absent(running):
    running.cloud.plan("list", errors.AuthError("refused"))
    with pytest.raises(errors.AuthError):
        running.ensure("absent")


def test_the_pod_to_end_is_looked_for_as_urgently_as_it_is_ended(running, monkeypatch):
    hurry, seen = [], []

    @contextlib.contextmanager
    def urgently():
        hurry.append(1)
        yield
        hurry.pop()

    monkeypatch.setattr(running.cloud, "urgently", urgently)
    running.cloud.plan("list", lambda _argument: seen.append(bool(hurry)) or list(running.cloud.pods.values()))
    assert running.ensure("absent").changed
    assert seen == [True]


def test_a_pod_that_cannot_be_unlocked_does_not_keep_the_others(tmp_path):
    world = World(tmp_path, pod("p1", f"{IDENTITY}-1", locked=True), pod("p2", f"{IDENTITY}-2"))
    world.cloud.plan("update", errors.ServerError("The line was lost."))
    refused = errors.Conflict("It is locked.")
    world.cloud.plan("terminate", refused, None, *[refused] * 99)
    with pytest.raises(errors.NotProvedGone, match=r"p1.*It is locked"):
        world.ensure("absent", locked=False)
    assert list(world.cloud.pods) == ["p1"]


def test_what_was_asked_for_and_turns_up_late_is_ended_too(world, tmp_path):
    run_dir = tmp_path / "run"
    Ledger(run_dir).write(ledger.CREATING, f"{IDENTITY}-1", "fake")
    late = pod("p1", f"{IDENTITY}-1")

    def appear(_argument):
        world.cloud.pods["p1"] = late
        return [late]

    world.cloud.plan("list", [], [], appear)
    outcome = world.ensure("absent", run_dir=run_dir)
    assert [gone["id"] for gone in outcome.gone] == ["p1"]
    assert world.cloud.pods == {}


def test_offers_are_tried_in_the_wished_order(world):
    world.cloud.catalogue = [offer("A40", 0.40), offer("RTX 4090", 0.69)]
    assert world.ensure("present", gpus=("4090", "a40")).reached.pod.gpu == "RTX 4090"


# -- settings of the environment, and images without an SSH server


def test_what_holds_for_a_new_pod_makes_one_and_changes_none(world):
    given = {"image": None, "gpus": (), "for_new": {"image": IMAGE, "gpus": ("4090",), "disk_gb": 77}}
    world.ensure("present", **given)
    assert [each.disk_gb for each in world.cloud.pods.values()] == [77]
    world.cloud.calls.clear()
    again = world.ensure("present", **{**given, "for_new": {"image": "another", "disk_gb": 5, "gpus": ("H100",)}})
    assert again.changed is False and world.writes() == []


def raw(world):
    """No image starts an SSH server by itself."""
    world.cloud.capabilities = Capabilities()
    return world


def test_an_image_without_a_server_is_started_by_our_command_and_that_is_no_difference(world):
    raw(world).ensure("present", args="python x.py")
    (made,) = world.cloud.pods.values()
    assert bootstrap.is_wrapped(made.args) and bootstrap.unwrap(made.args) == "python x.py"
    assert world.ensure("present", args="python x.py").changed is False
    assert world.ensure("present", args="python 'x.py'").changed is False
    world.ensure("present", args="python y.py", allow_reset=True)
    (changed,) = world.cloud.pods.values()
    assert bootstrap.is_wrapped(changed.args) and bootstrap.unwrap(changed.args) == "python y.py"


def test_never_means_never(world):
    raw(world).ensure("present", bootstrap="never")
    assert [each.args or "" for each in world.cloud.pods.values()] == [""]


def test_a_command_that_cannot_be_is_refused_before_anything_is_rented(world):
    with pytest.raises(errors.BadRequest, match="cannot be split into words"):
        raw(world).ensure("present", args="python 'x")
    assert world.writes() == []


@pytest.mark.parametrize(
    ("line", "ids", "words"),
    [
        ("layer does not exist", ["n1", "n2"], "rent again, for another host"),
        ("Container ID 1516583083 cannot be mapped to a host ID", ["n1"], "another host will not help"),
    ],
)
def test_another_host_is_tried_for_the_hosts_fault_and_not_for_the_images(world, line, ids, words):
    world.cloud.lines = [line]
    world.cloud.plan("create", *[lambda asked: _failed(world.cloud, asked)] * 2)
    with pytest.raises(errors.PodLost) as caught:
        world.ensure("present", most=2)
    assert words in str(caught.value)
    assert [gone["id"] for gone in caught.value.facts["pods_gone"]] == ids
