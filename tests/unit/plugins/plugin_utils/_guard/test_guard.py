# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard as a real process: a controller that ends in every way there is, and a cloud on loopback."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._pods import fence
from ansible_collections.podyard.gpu.plugins.module_utils._pods.holder import Holder
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.plugins.plugin_utils._guard import control, main
from ansible_collections.podyard.gpu.plugins.plugin_utils._guard import guard as guard_module
from ansible_collections.podyard.gpu.plugins.plugin_utils._guard.control import GuardError, Tending, arm, release
from ansible_collections.podyard.gpu.plugins.plugin_utils._guard.guard import Guard, GuardOrders, Pace
from ansible_collections.podyard.gpu.plugins.plugin_utils._guard.renewal import Renewal
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.guard_state import (
    GuardFile,
    GuardState,
    ProcessIdentity,
    Watched,
    end_all,
    identity,
    lives,
    same,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.record import RunError
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.run_file import RunFile
from ansible_collections.podyard.gpu.tests.unit.fakes.loopback_cloud import KEY, LoopbackCloud, wait_for

COLLECTION = Path(main.__file__).absolute().parents[3]
QUICK = Pace(look=0.05, poll=0.05, first=0.05, most=0.2, patience=60)
NAME = "podyard-digits-r1-0-1"
# A controller: makes the collection importable as the guard does, arms a guard for itself, says so, and waits.
CONTROLLER = """
import importlib.util, json, os, signal, sys
collection, orders, terminal = sys.argv[1], json.loads(sys.stdin.read()), sys.argv[2]
spec = importlib.util.spec_from_file_location("boot", collection + "/plugins/plugin_utils/_guard/main.py")
boot = importlib.util.module_from_spec(spec)
spec.loader.exec_module(boot)
boot.make_packages()
from ansible_collections.podyard.gpu.plugins.plugin_utils._guard.guard import GuardOrders
from ansible_collections.podyard.gpu.plugins.plugin_utils._guard.control import arm
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.guard_state import identity
if terminal:
    os.open(terminal, os.O_RDWR)  # the first terminal that a session's leader opens is the session's
state, started = arm(GuardOrders.parse(json.dumps({**orders, "controller": identity(os.getpid()).to_json()})))
print(json.dumps(state.pid), flush=True)
while True:
    signal.pause()
"""


@pytest.fixture(name="cloud")
def _cloud():
    cloud = LoopbackCloud()
    yield cloud
    cloud.close()


@pytest.fixture(name="run_dir")
def _run_dir(tmp_path):
    return tmp_path / "runs" / "r1"


@pytest.fixture(name="orders")
def _orders(cloud, run_dir):
    return GuardOrders(
        run_dir=run_dir,
        project="digits",
        run_id="r1",
        providers=("runpod",),
        controller=ProcessIdentity(1, 0.0),
        grace=0.2,
        environ={"RUNPOD_API_KEY": KEY, "RUNPOD_API_BASE_URL": cloud.url},
        pace=QUICK,
    )


@pytest.fixture(name="processes")
def _processes(run_dir):
    """Controllers to start; what a failed test leaves of them, and of its guard, is ended."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()
    state = GuardFile(run_dir).read()
    if lives(state):
        psutil.Process(state.pid).kill()


def heed_signals() -> None:
    """Undo what a shell's background job or nohup hands down: there, SIGINT and SIGHUP are ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(name="controller")
def _controller(orders, processes):
    def start(collection: Path = COLLECTION, terminal: str = "") -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", CONTROLLER, str(collection), terminal],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=heed_signals,
        )
        processes.append(process)
        process.stdin.write(orders.dump().encode())
        process.stdin.close()
        process.stdin = None
        assert process.stdout.readline().strip().isdigit(), "the guard stands"
        return process

    return start


def state_of(run_dir: Path) -> str | None:
    state = GuardFile(run_dir).read()
    return state.state if state is not None else None


def end_of_guard(run_dir: Path) -> GuardState:
    """guard.json after the guard's process has ended."""
    wait_for(lambda: state_of(run_dir) in ("gave_back", "failed", "released"), "the guard's last word")
    wait_for(lambda: not lives(GuardFile(run_dir).read()), "the guard's end")
    return GuardFile(run_dir).read()


SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.parametrize("how", SIGNALS, ids=lambda how: how.name)
def test_a_signal_to_the_controllers_group(cloud, controller, run_dir, how):
    """All of the group get the signal; the guard lives on, gives back and proves, and touches nobody else's pod."""
    cloud.rent("mine1", NAME)
    cloud.rent("other_run", "podyard-digits-r2-0-1")
    cloud.rent("foreign", "podyard-digits-r1-notes")
    RunFile(run_dir).apply(
        begin="follow", values={"pods": [{"provider": "runpod", "id": "mine1", "name": NAME, "usd_per_hour": 0.69}]}
    )
    process = controller()
    os.killpg(process.pid, how)
    process.wait()
    state = end_of_guard(run_dir)
    assert state.state == "gave_back" and state.error is None
    assert cloud.ended() == ["mine1"]
    assert set(cloud.pods) == {"other_run", "foreign"}
    run = RunFile(run_dir).read()
    assert run.outcome == "stopped" and run.ended
    assert "at stage follow" in run.error and "mine1 on runpod" in run.error and "proved gone" in run.error
    [pod] = run.pods
    assert pod.gone_proved is True and pod.gone_at
    assert run.stages[0].ended
    assert (run_dir / "fence").exists()


def test_the_terminal_is_closed(cloud, controller, run_dir):
    cloud.rent("mine1", NAME)
    master, slave = os.openpty()
    process = controller(terminal=os.ttyname(slave))
    os.close(slave)
    os.close(master)
    assert process.wait(timeout=30) == -signal.SIGHUP
    assert end_of_guard(run_dir).state == "gave_back"
    assert not cloud.pods


def test_signals_to_the_guard_itself_do_not_end_it(cloud, controller, run_dir):
    """A machine that goes down signals everybody; the guard has to outlive its controller by some seconds."""
    cloud.rent("mine1", NAME)
    process = controller()
    guard = GuardFile(run_dir).read()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(guard.pid, number)
    assert os.getsid(guard.pid) == guard.pid != os.getsid(process.pid)
    process.terminate()
    process.wait()
    assert end_of_guard(run_dir).state == "gave_back"
    assert not cloud.pods


def test_the_key_is_nowhere_to_be_seen(controller, run_dir):
    controller()
    guard = GuardFile(run_dir).read().pid
    seen = [Path(f"/proc/{guard}/{name}").read_bytes() for name in ("cmdline", "environ")]
    seen += [path.read_bytes() for path in run_dir.iterdir()]
    assert not [text for text in seen if KEY.encode() in text]
    for path in run_dir.iterdir():
        assert not path.stat().st_mode & 0o077, path


def test_an_installed_collection_without_a_checkout(cloud, controller, run_dir, tmp_path):
    """Copied as ansible-galaxy installs it; no path leads to this checkout."""
    installed = tmp_path / "elsewhere" / "ansible_collections" / "podyard" / "gpu"
    shutil.copytree(COLLECTION / "plugins", installed / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    cloud.rent("mine1", NAME)
    process = controller(collection=installed)
    command = psutil.Process(GuardFile(run_dir).read().pid).cmdline()
    assert str(installed / "plugins" / "plugin_utils" / "_guard" / "main.py") in command
    process.kill()
    process.wait()
    assert end_of_guard(run_dir).state == "gave_back"
    assert not cloud.pods


def test_a_run_directory_that_was_deleted(cloud, controller, run_dir):
    cloud.rent("mine1", NAME)
    process = controller()
    guard = identity(GuardFile(run_dir).read().pid)
    shutil.rmtree(run_dir)
    process.kill()
    process.wait()
    wait_for(lambda: not lives(guard), "the guard's end")
    assert not cloud.pods
    assert end_of_guard(run_dir).state == "gave_back"
    assert RunFile(run_dir).read().outcome == "stopped"


def test_a_key_that_stops_working_and_comes_back(cloud, controller, run_dir):
    cloud.rent("mine1", NAME)
    process = controller()
    cloud.keys.clear()
    process.kill()
    process.wait()
    wait_for(lambda: GuardFile(run_dir).read().tries >= 3, "three tries with a refused key")
    assert state_of(run_dir) == "giving_back"
    assert "key" in GuardFile(run_dir).read().error.lower()
    assert cloud.pods
    cloud.keys.add(KEY)
    assert end_of_guard(run_dir).state == "gave_back"
    assert not cloud.pods
    assert "failed" in (run_dir / "guard.log").read_text()


def test_an_outcome_that_is_known_stays(cloud, controller, run_dir):
    cloud.rent("mine1", NAME)
    process = controller()
    RunFile(run_dir).apply(outcome="failed", error="The training ended with exit code 7.")
    process.kill()
    process.wait()
    end_of_guard(run_dir)
    run = RunFile(run_dir).read()
    assert (run.outcome, run.error) == ("failed", "The training ended with exit code 7.")
    assert not cloud.pods


class TestRelease:
    def test_the_guard_ends_without_touching_a_pod(self, cloud, controller, run_dir):
        cloud.rent("other_run", "podyard-digits-r2-0-1")
        process = controller()
        state, changed = release(run_dir)
        assert changed and state.state == "released"
        assert not lives(state)
        assert process.poll() is None and not cloud.ended()
        assert release(run_dir) == (state, False)
        process.kill()
        process.wait()
        assert not cloud.ended()

    def test_not_while_a_pod_is_not_proved_gone(self, controller, run_dir):
        controller()
        pod = {"provider": "runpod", "id": "mine1", "name": NAME}
        RunFile(run_dir).apply(values={"pods": [pod]})
        with pytest.raises(GuardError, match=r"mine1 on runpod"):
            release(run_dir)
        assert state_of(run_dir) == "armed"
        RunFile(run_dir).apply(values={"pods": [{**pod, "gone_at": "2026-01-01T00:00:00Z", "gone_proved": True}]})
        assert release(run_dir)[1]

    @pytest.mark.parametrize("outcome", ["kept", "detached"])
    def test_a_pod_that_is_to_stay(self, controller, run_dir, outcome):
        controller()
        RunFile(run_dir).apply(values={"pods": [{"provider": "runpod", "id": "mine1", "name": NAME}]}, outcome=outcome)
        assert release(run_dir)[1]

    def test_a_guard_that_was_killed(self, controller, run_dir):
        controller()
        os.kill(GuardFile(run_dir).read().pid, signal.SIGKILL)
        assert release(run_dir)[0].state == "released"

    def test_without_a_guard(self, run_dir):
        assert release(run_dir) == (None, False)


class TestArm:
    @pytest.fixture(autouse=True)
    def _end(self, processes):
        """The fixture `processes` ends the guard, whose controller is this test itself."""

    @pytest.fixture(name="own")
    def _own(self, orders):
        return GuardOrders(**{**vars(orders), "controller": identity(os.getpid())})

    def test_twice_is_once(self, own):
        first, started = arm(own)
        assert started and lives(first)
        assert arm(own) == (first, False)

    def test_again_after_the_guard_was_killed(self, own):
        first, _started = arm(own)
        os.kill(first.pid, signal.SIGKILL)
        wait_for(lambda: not lives(first), "the end of the killed guard")
        second, started = arm(own)
        assert started and second.pid != first.pid

    def test_for_another_controller_that_lives(self, own, controller):
        other = controller()
        with pytest.raises(GuardError, match=rf"another ansible-playbook \(process {other.pid}\)"):
            arm(own)

    def test_after_it_was_given_back(self, own, controller, run_dir):
        process = controller()
        process.kill()
        process.wait()
        end_of_guard(run_dir)
        with pytest.raises(GuardError, match=r"was given back.*Begin a new run"):
            arm(own)

    def test_a_refused_key(self, own, cloud, run_dir):
        cloud.keys.clear()
        with pytest.raises(GuardError, match=r"(?i)nothing was rented: .*key"):
            arm(own)
        assert not GuardFile(run_dir).read()

    def test_no_key(self, own, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        orders = GuardOrders(**{**vars(own), "environ": {**own.environ, "RUNPOD_API_KEY": "", "HOME": str(tmp_path)}})
        with pytest.raises(GuardError, match=r"nothing was rented: .*RUNPOD_API_KEY"):
            arm(orders)

    def test_a_controller_that_has_ended(self, own):
        ended = subprocess.Popen([sys.executable, "-c", ""])
        who = identity(ended.pid)
        ended.wait()
        with pytest.raises(GuardError, match=r"has ended"):
            arm(GuardOrders(**{**vars(own), "controller": who}))

    def test_a_guard_that_cannot_run(self, own, monkeypatch, tmp_path):
        broken = tmp_path / "broken.py"
        broken.write_text("raise SystemExit(3)")
        monkeypatch.setattr(main, "__file__", str(broken))
        with pytest.raises(GuardError, match=r"nothing was rented: it ended with exit code 3"):
            arm(own)

    def test_a_run_directory_that_cannot_be_made(self, own, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(GuardError, match=r"cannot be started.*Nothing was rented"):
            arm(GuardOrders(**{**vars(own), "run_dir": tmp_path / "file" / "r1"}))


def test_the_pauses_between_tries(orders, monkeypatch):
    """They double up to the most, and the patience ends them with the command that helps."""
    clock, pauses = [0.0], []

    def sleep(seconds):
        pauses.append(seconds)
        clock[0] += seconds

    class Stubborn:
        name = "runpod"
        account_mark = None
        urgently = contextlib.nullcontext

        def list_pods(self):
            raise errors.ServerError("RunPod answered 503: try later.")

    monkeypatch.setattr(guard_module.time, "sleep", sleep)
    monkeypatch.setattr(guard_module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(guard_module.random, "uniform", lambda low, high: 1.0)
    guard = Guard(
        GuardOrders(
            **{**vars(orders), "pace": Pace(first=1, most=60, patience=600), "controller": identity(os.getpid())}
        )
    )
    guard.providers = {"runpod": Stubborn()}
    assert guard.give_back() is False
    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert 600 <= sum(pauses) <= 700
    state = GuardFile(orders.run_dir).read()
    assert state.state == "failed" and state.tries == len(pauses) + 1
    run = RunFile(orders.run_dir).read()
    assert run.outcome == "failed" and "may still cost money" in run.error and "503" in run.error


def test_a_pod_that_does_not_end(cloud, orders, monkeypatch):
    """Not proved gone is no success: price and command are told, and the tries go on until the patience is over."""
    cloud.rent("mine1", NAME)
    cloud.immortal.add("mine1")
    quickly = functools.partial(guard_module.give_back_run, patience=0.2)
    monkeypatch.setattr(guard_module, "give_back_run", quickly)
    guard = Guard(
        GuardOrders(
            **{**vars(orders), "pace": Pace(poll=0.05, first=0.05, patience=1), "controller": identity(os.getpid())}
        )
    )
    orders.run_dir.mkdir(parents=True)
    guard.stand()
    assert guard.give_back() is False
    error = RunFile(orders.run_dir).read().error
    assert "NOT PROVED GONE" in error and "mine1" in error and "0.69" in error and "end it with" in error
    assert len(cloud.ended()) >= 2


def test_a_watched_process_is_told_from_another_with_its_number():
    mine = identity(os.getpid())
    assert lives(mine)
    other = replace(mine, create_time=mine.create_time - 100)
    assert not lives(other)
    with pytest.raises(ProcessLookupError):
        Watched(other)
    with pytest.raises(ProcessLookupError):
        identity(2**22 + 1)


@pytest.mark.parametrize("with_descriptor", [True, False])
def test_a_process_that_has_ended_and_was_not_collected(monkeypatch, with_descriptor):
    """A container without an init leaves dead controllers uncollected for ever; they have ended all the same."""
    if not with_descriptor:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    watched = Watched(identity(process.pid))
    assert not watched.ended_within(0.01)
    process.stdin.close()
    wait_for(lambda: watched.ended_within(0.01), "the end of the process")
    assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    process.wait()


def test_orders_keep_the_key_out_of_their_text(orders):
    assert KEY not in repr(orders)
    assert GuardOrders.parse(orders.dump()) == orders
    assert json.loads(orders.dump())["environ"]["RUNPOD_API_KEY"] == KEY


FAMILY = """
import subprocess, sys
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_what_a_controller_leaves_running_is_ended():
    """Its descendants are known while it lives, whatever session they are in, and ended even when they are deaf."""
    parent = subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child = psutil.Process(int(parent.stdout.readline()))
    watched = Watched(identity(parent.pid))
    try:
        left = watched.descendants()
        assert [process.pid for process in left] == [child.pid]
        parent.kill()
        parent.communicate()
        assert watched.descendants() is None
        assert child.is_running(), "nobody has ended it yet"
        assert end_all(left, grace=0.1) == [child.pid]
        wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the end of the child")
        assert end_all([], grace=0.1) == []
    finally:
        if child.is_running():
            child.kill()


class TestBooks:
    """Pods first; what stands in the files is corrected when it can be."""

    @pytest.fixture(name="guard")
    def _guard(self, orders):
        def make(**pace):
            quick = Pace(poll=0.05, first=0.05, patience=20, fence=0.2, books=0.05, grace=0.05)
            told = {**vars(orders), "controller": identity(os.getpid()), "pace": replace(quick, **pace)}
            made = Guard(GuardOrders(**told))
            orders.run_dir.mkdir(parents=True, exist_ok=True)
            made.stand()
            return made

        return make

    def test_a_frozen_create_keeps_no_pod(self, cloud, guard, run_dir):
        cloud.rent("mine1", NAME)
        watch = guard()
        with fence.creating(run_dir):
            begun = time.monotonic()
            assert watch.give_back() is True
            assert time.monotonic() - begun < 20
        assert cloud.ended() and not cloud.pods
        log = (run_dir / "guard.log").read_text()
        assert "what is known is ended first" in log and "is still running" in log

    def test_the_record_is_corrected_when_the_disk_has_room(self, cloud, guard, run_dir, monkeypatch):
        cloud.rent("mine1", NAME)
        watch, real, tries = guard(), RunFile.change, []

        def full(self, edit):
            tries.append(1)
            if len(tries) < 3:
                raise RunError("The run directory cannot be written: No space left on device.")
            return real(self, edit)

        monkeypatch.setattr(RunFile, "change", full)
        assert watch.give_back() is True
        run = RunFile(run_dir).read()
        assert len(tries) == 3 and run.outcome == "stopped"
        assert [pod.gone_proved for pod in run.pods] == [True]

    @pytest.mark.parametrize("outcome", ["succeeded", "failed"])
    def test_a_run_is_again_what_it_was_before_its_pods_could_not_be_proved_gone(self, cloud, guard, run_dir, outcome):
        cloud.rent("mine1", NAME)
        pod = {"provider": "runpod", "id": "mine1", "name": NAME, "usd_per_hour": 3.6}
        pod["rented_at"] = "2026-01-01T00:00:00Z"
        before = {"outcome": outcome, "error": None if outcome == "succeeded" else "exit code 7"}
        values = {"pods": [pod], "unproved": before}
        watch = guard()
        RunFile(run_dir).apply(outcome="failed", error="NOT PROVED GONE: mine1", values=values)
        assert watch.give_back() is True
        run = RunFile(run_dir).read()
        assert (run.outcome, run.error) == (outcome, before["error"])
        assert "unproved" not in run.to_json()
        [told] = run.pods
        assert told.gone_proved and told.gone_at and told.cost_usd > 0

    @pytest.mark.parametrize("text", ["", "null", '{"pods": 5}', '{"run_id": "r1", "sta', "[" * 50_000])
    def test_a_damaged_record_keeps_no_pod_and_is_begun_anew(self, cloud, guard, run_dir, text):
        cloud.rent("mine1", NAME)
        watch = guard()
        (run_dir / "run.json").write_text(text)
        assert watch.give_back() is True
        assert not cloud.pods
        run = RunFile(run_dir).read()
        assert run.outcome == "stopped" and run.pods[0].gone_proved

    @pytest.mark.parametrize("name", ["attempts.jsonl", "run.json", "connection.json", "guard.json", "guard.log"])
    def test_a_directory_in_the_place_of_a_file_keeps_no_pod(self, cloud, guard, run_dir, name):
        cloud.rent("mine1", NAME)
        watch = guard(patience=1)
        (run_dir / name).unlink(missing_ok=True)
        (run_dir / name).mkdir()
        assert watch._decide() is True
        watch.give_back()
        assert not cloud.pods

    @pytest.mark.parametrize(
        "connection",
        [
            {"ssh": 5, "pod_id": "p", "lease_hours": 1},
            {"ssh": "ssh 'x", "pod_id": "p", "lease_hours": 1},
            {"ssh": "", "pod_id": "p", "lease_hours": 1},
            {"ssh": "ssh h", "pod_id": ["p"], "lease_hours": 1},
            {"ssh": "ssh h", "pod_id": "p", "lease_hours": 1e999},
            {"ssh": "ssh h", "pod_id": "p", "lease_hours": [1]},
        ],
    )
    def test_an_odd_connection_does_not_end_the_watch(self, guard, run_dir, connection):
        watch = guard()
        (run_dir / "connection.json").write_text(json.dumps(connection))
        renewal = Renewal(run_dir, watch.log, at_once=True)
        for _look in range(3):
            watch._renew(renewal)
        renewal.close()

    def test_of_another_accounts_pod_it_gives_up(self, cloud, guard, run_dir):
        """It gets no other key, so that three days of tries would be in vain."""
        watch = guard()
        mine = Holder("user_mine", "0" * 24)
        Ledger(run_dir).write("creating", NAME, "runpod", holder=mine)
        Ledger(run_dir).write("created", NAME, "runpod", pod_id="mine1", usd_per_hour=0.69)
        begun = time.monotonic()
        assert watch.give_back() is False
        assert time.monotonic() - begun < 15
        state, run = GuardFile(run_dir).read(), RunFile(run_dir).read()
        assert state.state == "failed" and state.tries == 1
        assert "user_mine" in run.error and "NOT PROVED GONE" in run.error and not run.pods[0].gone_proved

    def test_a_ledger_is_begun_before_anything_is_rented_and_never_later(self, guard, run_dir):
        guard()
        assert (run_dir / "attempts.jsonl").read_bytes() == b""
        (run_dir / "attempts.jsonl").unlink()
        (run_dir / "guard.json").unlink()
        RunFile(run_dir).apply(begin="provision")
        guard()
        assert not (run_dir / "attempts.jsonl").exists(), "one that was lost is not replaced by an empty one"


ODD_STATES = [
    {"state": "armed", "pid": "x", "create_time": 1.0},
    {"state": "armed", "pid": 10**30, "create_time": 1.0},
    {"state": "armed", "pid": -1, "create_time": None},
    {"state": "armed", "pid": 1, "create_time": float("inf"), "controller": {"pid": [], "create_time": {}}},
    {"state": "armed", "controller": 7},
    {"state": ["armed"]},
    {"state": 5},
    None,
]


@pytest.mark.parametrize("state", ODD_STATES)
def test_an_odd_state_of_the_guard_is_borne(run_dir, state):
    run_dir.mkdir(parents=True)
    (run_dir / "guard.json").write_text(json.dumps(state))
    found = GuardFile(run_dir).read()
    assert not lives(found) and not same(found.controller if found else None, identity(os.getpid()))


class TestTending:
    @pytest.fixture(name="own")
    def _own(self, orders, processes, monkeypatch):
        me = identity(os.getpid())
        monkeypatch.setattr(control, "controller", lambda: me)
        monkeypatch.setattr(control, "environment", lambda _env_file: dict(orders.environ))
        return GuardOrders(**{**vars(orders), "controller": me})

    def test_a_dead_guard_is_replaced(self, own, run_dir):
        said, warned = [], []
        tend = Tending(run_dir, said.append, warned.append)
        first, _started = arm(own)
        tend()
        assert said == [] and GuardFile(run_dir).read().pid == first.pid
        os.kill(first.pid, signal.SIGKILL)
        wait_for(lambda: not lives(first), "the end of the killed guard")
        tend()
        state = GuardFile(run_dir).read()
        assert state.pid != first.pid and lives(state) and "has died" in said[0] and warned == []
        assert (state.grace, state.providers) == (0.2, ["runpod"])

    def test_where_none_can_be_armed_that_is_said_once(self, own, run_dir, cloud):
        said, warned, now = [], [], [0.0]
        tend = Tending(run_dir, said.append, warned.append, lambda: now[0])
        first, _started = arm(own)
        cloud.keys.clear()
        os.kill(first.pid, signal.SIGKILL)
        wait_for(lambda: not lives(first), "the end of the killed guard")
        for moment in (0.0, 1.0, 61.0):
            now[0] = moment
            tend()
        assert len(warned) == 1 and "has died, and no other one stands" in warned[0] and said == []

    @pytest.mark.parametrize("how", ["released", "another controller", "another machine", "no guard"])
    def test_only_ones_own_guard_is_replaced(self, own, run_dir, how):
        run_dir.mkdir(parents=True)
        state = GuardState("armed", 2**22, 1.0, socket.gethostname(), own.controller)
        if how == "another controller":
            state.controller = ProcessIdentity(1, 1.0)
        elif how == "another machine":
            state.host = "elsewhere"
        elif how == "released":
            state.state = "released"
        if how != "no guard":
            GuardFile(run_dir).write(state)
        assert control.replace_dead(run_dir) is None
