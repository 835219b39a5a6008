# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks that processes share: who asks the provider, what the others get, and how old it may be."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from time import monotonic

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core import pod as pod_module
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Endpoint, Mount
from ansible_collections.podyard.gpu.plugins.module_utils._http.shared_file import SharedFile
from ansible_collections.podyard.gpu.plugins.module_utils._pods.progress import Progress
from ansible_collections.podyard.gpu.plugins.module_utils._pods.readiness import Readiness, wait_until_ready
from ansible_collections.podyard.gpu.plugins.module_utils._pods.terminate import terminate_and_prove
from ansible_collections.podyard.gpu.plugins.module_utils._pods.watch import SEEN, PodWatcher
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeCloud, FakeTime, pod
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect

SECRET = "hf_averysecrettoken"
FULL = {
    "env": {"HF_TOKEN": SECRET},
    "args": f"bash -c {SECRET}",
    "registry": "r1",
    "mounts": (Mount("disk", "/workspace", 20), Mount("network", "/data", volume_id="v1")),
    "utilisation": {"gpu": [90]},
}


class SharedCloud(FakeCloud):
    """A provider whose looks are shared."""

    account_mark = "0" * 32


@pytest.fixture
def time():
    return FakeTime()


@pytest.fixture
def looks(time):
    """Looks of as many processes as a test wants: each call is another process's."""
    return lambda provider: PodWatcher(provider, time.clock)


def test_one_list_is_enough_for_all_who_look(time, looks):
    cloud = SharedCloud(pod("p1", **FULL), pod("p2", endpoint=None))
    for number in range(50):
        known = pod(f"p{number % 2 + 1}", phase=pod_module.STARTING, env={"A": "1"}, args="mine")
        seen = looks(cloud).see(known, since=time.now)
        assert seen.phase == pod_module.RUNNING
    assert cloud.calls == [("list", None)]


def test_what_another_saw_is_all_but_what_may_be_secret(time, looks):
    cloud = SharedCloud(pod("p1", **FULL))
    assert looks(cloud).see(pod("p1"), since=time.now) == cloud.pods["p1"]
    known = pod("p1", phase=pod_module.STARTING, endpoint=Endpoint("198.51.100.1", 1), env={"A": "1"}, args="mine")
    seen = looks(cloud).see(known, since=time.now)
    assert cloud.count("list") == 1
    assert (seen.env, seen.args, seen.registry) == ({"A": "1"}, "mine", None)
    for name in SEEN:
        assert getattr(seen, name) == getattr(cloud.pods["p1"], name), name


def test_nothing_secret_is_left_for_the_others(time, looks, own_state):
    looks(SharedCloud(pod("p1", **FULL))).pods(since=time.now)
    files = list(own_state.iterdir())
    for path in files:
        assert SECRET not in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
    shown = json.loads(next(path for path in files if path.suffix == ".json").read_text())["pods"][0]
    assert set(shown) == set(SEEN)
    assert not {"env", "args", "registry", "cmd", "entrypoint"} & set(SEEN)


def test_a_look_that_is_too_old_is_not_taken(time, looks):
    cloud = SharedCloud(pod("p1"))
    looks(cloud).pods(since=time.now)
    time.now += 5.0
    looks(cloud).pods(since=time.now - 5.0)
    assert cloud.count("list") == 1
    looks(cloud).pods(since=time.now - 4.9)
    assert cloud.count("list") == 2


def test_a_look_counts_from_its_beginning(time, looks):
    """A list that takes long tells of the past: what was begun before the event is no news of it."""
    cloud = SharedCloud(pod("p1"))
    cloud.plan("list", lambda _none: time.sleep(10.0) or [pod("p1")])
    looks(cloud).pods(since=time.now)
    looks(cloud).pods(since=time.now - 9.0)
    assert cloud.count("list") == 2


def test_nobody_gets_the_same_look_twice(time, looks):
    cloud = SharedCloud(pod("p1"))
    mine = looks(cloud)
    mine.pods(since=time.now)
    time.now += 1.0
    mine.pods(since=time.now - 5.0)
    assert cloud.count("list") == 2


def test_nobody_is_led_back_in_time(time, looks):
    cloud = SharedCloud(pod("p1"))
    other = looks(cloud)
    other.pods(since=time.now)
    time.now += 1.0
    mine = looks(cloud)
    cloud.plan("list", lambda _none: [])
    mine.see(pod("p1"), since=time.now)
    SharedFile(f"pods-{cloud.account_mark}").write({"begun": time.now - 0.5, "pods": []})
    time.now += 1.0
    assert mine.see(pod("p1"), since=0.0).phase == pod_module.RUNNING


def test_a_pod_that_is_not_in_the_list_is_asked_for_singly(time, looks):
    cloud = SharedCloud(pod("p1"))
    cloud.plan("list", lambda _none: [], lambda _none: [])
    assert looks(cloud).see(pod("p1"), since=time.now).id == "p1"
    assert cloud.calls == [("list", None), ("get", "p1")]
    with pytest.raises(errors.NotFound):
        looks(cloud).see(pod("gone"), since=time.now)


def test_a_young_pod_is_not_asked_for_singly(time, looks):
    cloud = SharedCloud()
    with pytest.raises(errors.NotFound, match="not in the list yet"):
        looks(cloud).see(pod("p1"), since=time.now, young=True)
    assert cloud.count("get") == 0


@pytest.mark.parametrize("kind", [errors.ServerError, errors.Unreachable, errors.RateLimited])
def test_a_failure_of_the_service_is_shared(time, looks, kind):
    cloud = SharedCloud(pod("p1"))
    cloud.plan("list", kind("the service is down"))
    for _process in range(3):
        with pytest.raises(kind, match="the service is down"):
            looks(cloud).pods(since=time.now)
    assert cloud.count("list") == 1
    time.now += 5.0
    assert len(looks(cloud).pods(since=time.now)) == 1


def test_a_refused_key_is_everybodys_own_failure(time, looks):
    cloud = SharedCloud(pod("p1"))
    cloud.plan("list", errors.AuthError("refused"))
    with pytest.raises(errors.AuthError):
        looks(cloud).pods(since=time.now)
    assert len(looks(cloud).pods(since=time.now)) == 1


@pytest.mark.parametrize(
    "content",
    [
        {"begun": 1000.0},
        {"begun": 1000.0, "pods": [{"id": "p1"}]},
        {"begun": 1000.0, "pods": {"p1": 1}},
        {"begun": "now", "pods": []},
        {"begun": 1e12, "pods": []},
        {"begun": 1000.0, "pods": None, "failure": "Nonsense"},
    ],
)
def test_what_cannot_be_read_is_no_look(time, looks, content):
    cloud = SharedCloud(pod("p1"))
    SharedFile(f"pods-{cloud.account_mark}").write(content)
    assert [each.id for each in looks(cloud).pods(since=time.now)] == ["p1"]


def test_a_provider_without_a_mark_is_asked_as_ever(time, looks, own_state):
    cloud = FakeCloud(pod("p1"))
    for _look in range(2):
        looks(cloud).see(pod("p1"), since=0.0)
        looks(cloud).pods(since=0.0)
    assert (cloud.count("get"), cloud.count("list")) == (2, 2)
    assert list(own_state.iterdir()) == []


def test_a_proof_is_never_older_than_the_order_to_end(time):
    """A look from a moment before the order, in which the pod is missing, must not be one of the two absences."""
    cloud = SharedCloud(pod("p1"))
    SharedFile(f"pods-{cloud.account_mark}").write({"begun": time.now - 0.1, "pods": []})
    cloud.plan("terminate", lambda _id: True)
    cloud.plan("list", lambda _none: [])
    cloud.plan("get", errors.NotFound("stale", status=404), errors.NotFound("stale", status=404))
    results = terminate_and_prove(cloud, [pod("p1")], polls=time.polls(), patience=10.0)
    assert results[0]["gone_proved"] is False


def test_a_proof_asks_for_the_pod_itself_too(time):
    cloud = SharedCloud(pod("p1"))
    assert terminate_and_prove(cloud, [pod("p1")], polls=time.polls())[0]["gone_proved"] is True
    assert cloud.calls == [("terminate", "p1"), *[("list", None), ("get", "p1")] * 2]


def test_time_that_the_budget_took_is_given_to_the_proof(time):
    class Slow(SharedCloud):
        held_back = 0.0

        def list_pods(self):
            time.sleep(100.0)
            self.held_back += 100.0
            return super().list_pods()

    assert terminate_and_prove(Slow(pod("p1")), [pod("p1")], polls=time.polls(), patience=50.0)[0]["gone_proved"]


def waited_for(cloud, time, pod, deadlines=None, **arguments):
    readiness = Readiness("running", lambda _argv: (1, "", ""), "known_hosts", deadlines=deadlines or {})
    return wait_until_ready(cloud, pod, readiness, time.polls(), Progress(), **arguments).pod


def test_a_wait_looks_at_the_list_and_keeps_the_environment(time):
    cloud = SharedCloud(pod("p1"))
    known = pod("p1", phase=pod_module.STARTING, env={"A": "1"})
    assert waited_for(cloud, time, known).phase == pod_module.RUNNING
    assert cloud.calls == [("list", None)]
    other = waited_for(cloud, FakeTime(), pod("p1", phase=pod_module.STARTING, env={"A": "1"}))
    assert (other.phase, other.env) == (pod_module.RUNNING, {"A": "1"})


def test_a_wait_after_a_restart_does_not_take_a_look_from_before_it(time):
    before = pod("p1", endpoint=Endpoint("203.0.113.9", 1))
    cloud = SharedCloud(replace(before, started_at="2026-07-15T15:00:00Z", endpoint=Endpoint("203.0.113.9", 2)))
    looks = PodWatcher(SharedCloud(replace(before, started_at="old, but not the same")), time.clock)
    looks.pods(since=time.now)
    time.now += 0.1
    # The last look comes at the deadline, which is sooner than a look may be old.
    reached = waited_for(cloud, time, before, {"running": 1.0}, before=before)
    assert reached.endpoint == Endpoint("203.0.113.9", 2)


LOOKS = """
import sys
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod.provider import RunPod
from ansible_collections.podyard.gpu.plugins.module_utils._core.clock import Clock
from ansible_collections.podyard.gpu.plugins.module_utils._pods.watch import PodWatcher
looks = PodWatcher(RunPod(sys.argv[2], sys.argv[1]), Clock())
print("ready", flush=True)
since = float(sys.stdin.readline())
print(len(looks.pods(since=since)))
"""


def test_five_processes_that_look_at_once_send_one_request():
    with Conversation(expect("GET", "/v2/pods").late(0.3).reply({"pods": [{"id": "p1", "name": "a"}]})) as api:
        argv = [sys.executable, "-c", LOOKS, api.url, KEY]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environ}
        processes = [subprocess.Popen(argv, **pipes) for _process in range(5)]
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 5
        since = monotonic()
        for process in processes:
            process.stdin.write(f"{since}\n")
            process.stdin.flush()
        assert [process.communicate()[0] for process in processes] == ["1\n"] * 5


def test_what_ends_pods_is_urgent_and_what_waits_is_not(time):
    urgent = []

    class Hurried(SharedCloud):
        hurry = False

        @contextlib.contextmanager
        def urgently(self):
            self.hurry = True
            yield
            self.hurry = False

        def _call(self, verb, argument, normal):
            urgent.append((verb, self.hurry))
            return super()._call(verb, argument, normal)

    cloud = Hurried(pod("p1"))
    waited_for(cloud, time, pod("p1", phase=pod_module.STARTING))
    terminate_and_prove(cloud, [pod("p1")], polls=time.polls())
    assert urgent == [("list", False), ("terminate", True), *[("list", True), ("get", True)] * 2]
