# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ladder, with time that passes only by sleeping."""

from __future__ import annotations

import base64
import hashlib

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Endpoint
from ansible_collections.podyard.gpu.plugins.module_utils._core.units import duration
from ansible_collections.podyard.gpu.plugins.module_utils._pods import bootstrap
from ansible_collections.podyard.gpu.plugins.module_utils._pods import readiness as readiness_module
from ansible_collections.podyard.gpu.plugins.module_utils._pods.readiness import Readiness
from ansible_collections.podyard.gpu.plugins.module_utils._providers.base import Capabilities
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeCloud, FakeTime, Lines, pod

BLOB = base64.b64encode(b"a host key").decode()
PRINTED = (
    "256 SHA256:"
    + base64.b64encode(hashlib.sha256(b"a host key").digest()).decode().rstrip("=")
    + " root@pod (ED25519)"
)
WHOLE = "podyard:begin\npodyard:python=3.12.3 /usr/bin/python3\npodyard:end\n"
STARTING = {"phase": "starting", "raw_status": "STARTING", "endpoint": None}
PROVISIONING = {"phase": "provisioning", "raw_status": "PROVISIONING", "endpoint": None}


class Controller:
    """The programs and the network of the controller. ``logins`` and ``banners`` queue answers before the good ones."""

    def __init__(self, tmp_path):
        self.known_hosts = tmp_path / "known_hosts"
        self.logins = []
        self.banners = []
        self.commands = []
        self.seen = []
        self.blob = BLOB

    def run(self, argv):
        self.commands.append(list(argv))
        if argv[0] == "ssh-keyscan":
            return 0, f"[{argv[-1]}]:{argv[-2]} ssh-ed25519 {self.blob}\n", ""
        return self.logins.pop(0) if self.logins else (0, WHOLE, "")

    def banner(self, endpoint):
        self.seen.append(endpoint)
        return self.banners.pop(0) if self.banners else (True, "SSH-2.0-x")

    def ssh(self):
        return [argv for argv in self.commands if argv[0] == "ssh"]


class World:
    """A cloud, a controller and a clock for one wait."""

    def __init__(self, tmp_path):
        self.cloud = FakeCloud(pod())
        self.cloud.lines = ["booting", PRINTED]
        self.controller = Controller(tmp_path)
        self.time = FakeTime()
        self.progress = Lines()

    def shows(self, *states):
        """What the next reads of the pod show."""
        self.cloud.plan("get", *[state if isinstance(state, Exception) else pod(**state) for state in states])

    def wait(self, target="ready", start=None, deadlines=None, user=None, users=(), **arguments):
        readiness = Readiness(
            target=target,
            run=self.controller.run,
            known_hosts=str(self.controller.known_hosts),
            private_key="/key",
            deadlines=deadlines or {},
            user=user,
            users=users,
            read_banner=self.controller.banner,
        )
        begun = pod(**(start if start is not None else PROVISIONING))
        return readiness_module.wait_until_ready(
            self.cloud, begun, readiness, self.time.polls(5.0), self.progress, **arguments
        )


@pytest.fixture(name="world")
def made_world(tmp_path):
    return World(tmp_path)


def test_a_pod_climbs_stage_by_stage(world):
    world.shows(PROVISIONING, STARTING, {"endpoint": None}, {"endpoint": None}, {})
    world.controller.banners += [(False, "Connection refused")]
    world.controller.logins += [(255, "", "Permission denied (publickey).")]
    reached = world.wait()
    assert reached.stage == "ready"
    assert (reached.python, reached.python_version) == ("/usr/bin/python3", "3.12.3")
    assert reached.host_key_checking == "strict"
    said = [line.split(": ")[1].split(" after")[0] for line in world.progress.said if " after " in line]
    assert said == ["running", "addressed", "port_open", "authenticated", "ready"]


def test_a_pod_that_is_up_is_ready_without_a_pause_and_with_one_login(world):
    assert world.wait(start={}).stage == "ready"
    assert world.time.slept == []
    assert len(world.controller.ssh()) == 1
    assert world.cloud.count("get") == 0


@pytest.mark.parametrize("target", ["rented", "running", "addressed", "port_open", "authenticated"])
def test_no_stage_beyond_the_target_is_tried(world, target):
    assert world.wait(target=target, start={}).stage == target
    assert (len(world.controller.seen) > 0) == (target in ("port_open", "authenticated"))
    assert (len(world.controller.ssh()) > 0) == (target == "authenticated")


def test_strict_checking_knows_the_printed_keys_only(world):
    world.wait(start={})
    assert world.controller.known_hosts.read_text() == f"[203.0.113.9]:34446 ssh-ed25519 {BLOB}\n"
    assert "StrictHostKeyChecking=yes" in world.controller.ssh()[0]


def test_an_image_that_prints_no_keys_gets_the_first_key_seen(world):
    world.cloud.lines = ["booting"]
    world.controller.known_hosts.write_text("[203.0.113.9]:34446 ssh-ed25519 OLD\n")
    reached = world.wait(grace=60.0)
    assert reached.host_key_checking == "accept-new"
    assert world.controller.known_hosts.read_text() == ""
    assert "StrictHostKeyChecking=accept-new" in world.controller.ssh()[0]


def test_a_pod_that_was_there_before_keeps_the_key_that_was_accepted(world):
    world.cloud.lines = []
    world.controller.known_hosts.write_text("[203.0.113.9]:34446 ssh-ed25519 OLD\n")
    world.wait(start={})
    assert "OLD" in world.controller.known_hosts.read_text()


def test_a_log_that_trails_is_looked_at_again(world):
    world.cloud.plan("logs", ["booting"], ["booting", PRINTED])
    assert world.wait(start={}).host_key_checking == "strict"


def test_a_log_that_cannot_be_read_is_said(world):
    world.cloud.plan("logs", errors.ServerError("no log"), errors.ServerError("no log"))
    assert world.wait(start={}).host_key_checking == "accept-new"
    assert any("cannot be checked" in line for line in world.progress.said)


def test_a_provider_without_logs_gets_the_first_key_seen(world):
    world.cloud.capabilities = Capabilities(logs=False)
    assert world.wait(start={}).host_key_checking == "accept-new"
    assert world.cloud.count("logs") == 0


def test_a_stranger_at_the_address_is_never_logged_in_to(world):
    world.controller.blob = base64.b64encode(b"another key").decode()
    with pytest.raises(errors.WaitTimeout, match="another machine answers") as caught:
        world.wait(start={})
    assert caught.value.stage == "port_open"
    assert world.controller.ssh() == []


def test_an_address_that_changes_is_followed(world):
    elsewhere = Endpoint("203.0.113.9", 12890)
    world.controller.banners += [(False, "Connection refused")]
    world.shows({"endpoint": elsewhere})
    world.cloud.pods["p1"] = pod(endpoint=elsewhere)
    assert world.wait(start={}).pod.endpoint == elsewhere
    assert [endpoint.port for endpoint in world.controller.seen] == [34446, 12890, 12890]
    assert "12890" in world.controller.ssh()[0]


@pytest.mark.parametrize(
    ("start", "target", "reached", "missing", "seconds"),
    [
        (STARTING, "ready", "rented", "running", 900),
        ({"endpoint": None}, "ready", "running", "addressed", 120),
        ({}, "ready", "addressed", "port_open", 180),
        ({}, "ready", "port_open", "authenticated", 90),
    ],
)
def test_a_time_out_names_stages_seconds_log_and_advice(world, start, target, reached, missing, seconds):
    world.cloud.pods["p1"] = pod(**start)
    world.cloud.lines = ["pulling", "unsatisfied condition: cuda>=12.8"]
    if missing == "port_open":
        world.controller.banner = lambda endpoint: (False, "Connection refused")
    world.controller.run = lambda argv: (255, "", "Permission denied (publickey).") if argv[0] == "ssh" else (
        0, f"h ssh-ed25519 {BLOB}", "")  # fmt: skip
    begun = sum(world.time.slept)
    with pytest.raises(errors.WaitTimeout) as caught:
        world.wait(target, start=start)
    message = str(caught.value)
    assert caught.value.stage == reached
    assert f"reached {reached} but not {missing} within {duration(seconds)}" in message
    assert "(p1) on fake" in message
    assert "pulling | unsatisfied condition: cuda>=12.8" in message
    assert readiness_module.ADVICE[missing] in message
    assert seconds <= sum(world.time.slept) - begun <= seconds + 60


def test_each_stage_has_the_deadline_that_was_asked_for(world):
    world.cloud.pods["p1"] = pod(**STARTING)
    with pytest.raises(errors.WaitTimeout, match="within 12 s"):
        world.wait(start=STARTING, deadlines={"running": 12.0})


def test_the_log_in_a_message_holds_no_value_of_the_environment(world):
    world.cloud.pods["p1"] = pod(**STARTING, env={"T": "hf_secret"})
    world.cloud.lines = ["token=hf_secret"]
    with pytest.raises(errors.WaitTimeout) as caught:
        world.wait(start={**STARTING, "env": {"T": "hf_secret"}}, deadlines={"running": 5.0})
    assert "hf_secret" not in str(caught.value)
    assert "token=***" in str(caught.value)


def test_without_a_container_log_the_systems_is_quoted(world):
    world.cloud.pods["p1"] = pod(**STARTING)
    world.cloud.plan("logs", ["layer does not exist"])
    with pytest.raises(errors.WaitTimeout, match="system log: layer does not exist"):
        world.wait(start=STARTING, deadlines={"running": 5.0})


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"phase": "failed", "raw_status": "ERROR"}, "failed (the provider says ERROR)"),
        ({"phase": "gone", "raw_status": "TERMINATED"}, "was ended by somebody"),
        ({"phase": "stopped", "raw_status": "EXITED"}, "was stopped"),
    ],
)
def test_a_pod_that_can_never_get_ready_ends_the_wait_at_once(world, state, words):
    world.shows({**state, "endpoint": None})
    with pytest.raises(errors.PodLost) as caught:
        world.wait()
    assert words in str(caught.value)
    assert sum(world.time.slept) <= 5.0


GONE = errors.NotFound("no pod", status=404)


def test_a_fresh_pod_may_be_invisible_for_the_grace(world):
    world.shows(*[GONE] * 11, {})
    assert world.wait(grace=60.0).stage == "ready"


def test_a_pod_that_stays_invisible_is_lost_after_the_grace(world):
    world.cloud.pods.clear()
    begun = sum(world.time.slept)
    with pytest.raises(errors.PodLost, match=r"never shown by the provider in the 1 min"):
        world.wait(grace=60.0)
    assert 60 <= sum(world.time.slept) - begun <= 70


def test_a_pod_that_was_seen_and_vanishes_is_lost_after_two_looks(world):
    world.shows(STARTING, GONE, GONE)
    with pytest.raises(errors.PodLost, match="does not exist any more"):
        world.wait(grace=600.0)


def test_one_stale_read_is_not_a_loss(world):
    world.shows(STARTING, GONE, STARTING, GONE, {})
    assert world.wait().stage == "ready"


@pytest.mark.parametrize(
    "error",
    [errors.ServerError("502"), errors.Unreachable("no"), errors.RateLimited("429"), errors.BadAnswer("empty")],
)
def test_an_api_that_fails_for_a_moment_is_ridden_out(world, error):
    world.shows(error, {})
    assert world.wait().stage == "ready"


def test_a_key_that_is_refused_ends_the_wait(world):
    world.shows(errors.AuthError("401"))
    with pytest.raises(errors.AuthError):
        world.wait()


def test_a_container_that_falls_back_again_and_again_is_a_restart_loop(world):
    world.shows(*[{"endpoint": None}, STARTING] * 3)
    with pytest.raises(errors.PodLost, match="restarts again and again"):
        world.wait()


def test_a_container_that_gets_younger_is_a_restart_loop(world):
    world.controller.banner = lambda endpoint: (False, "Connection refused")
    world.shows(*[{"uptime": float(age)} for age in (9, 3, 8, 2, 7, 1)])
    with pytest.raises(errors.PodLost, match="restarts again and again"):
        world.wait()


def test_one_restart_is_forgiven(world):
    world.shows({"endpoint": None}, STARTING, {})
    assert world.wait().stage == "ready"


def test_after_a_restart_the_old_state_is_not_taken_for_the_new(world):
    before = pod(uptime=500.0)
    world.shows({"uptime": 501.0}, {"uptime": 2.0, "started_at": "2026-07-15T15:00:00Z"})
    reached = world.wait(start={"uptime": 500.0}, before=before)
    assert reached.pod.uptime == 2.0
    assert len(world.time.slept) == 2


def test_after_a_restart_that_shows_in_nothing_the_pod_is_taken_as_it_is(world):
    same = {"uptime": None}
    world.cloud.pods["p1"] = pod(**same)
    assert world.wait(start=same, before=pod(**same)).stage == "ready"
    assert 30 <= sum(world.time.slept) <= 40


def test_a_started_pod_may_still_be_shown_as_stopped(world):
    stopped = {"phase": "stopped", "raw_status": "EXITED", "endpoint": None}
    world.shows(stopped, STARTING, {})
    assert world.wait(start=stopped, before=pod(**stopped)).stage == "ready"


def test_a_pod_without_port_22_is_refused_at_once(world):
    world.cloud.pods["p1"] = pod(endpoint=None, ports=("8888/http",))
    with pytest.raises(errors.BadRequest, match="no port 22/tcp"):
        world.wait(start={"endpoint": None, "ports": ("8888/http",)})
    assert world.time.slept == []


def test_a_login_without_an_answer_is_asked_again(world):
    world.controller.logins += [(1, "", "bash: broken")]
    assert world.wait(start={}).stage == "ready"
    assert len(world.controller.ssh()) == 2


def test_a_host_that_answers_no_command_is_given_up(world):
    run = world.controller.run
    world.controller.run = lambda argv: (1, "podyard:begin\n", "broken") if argv[0] == "ssh" else run(argv)
    with pytest.raises(errors.WaitTimeout, match="reached authenticated but not ready within 30 s"):
        world.wait(start={})


def test_a_long_wait_is_seen_to_go_on(world):
    world.shows(*[STARTING] * 10)
    world.progress = _Reminding(world.time)
    world.wait()
    waiting = [line for line in world.progress.said if "waiting for running" in line]
    assert 2 <= len(waiting) <= 5


class _Reminding(Lines):
    """Lines with the clock of the test."""

    def __init__(self, time):
        super().__init__()
        self._clock = time.clock

    def remind(self, line):
        if self._clock.monotonic() - self._last >= 15.0:
            self._last = self._clock.monotonic()
            self.said.append(line)

    def say(self, line):
        self._last = self._clock.monotonic()
        super().say(line)


# -- the user

DENIED = (255, "", "root@203.0.113.9: Permission denied (publickey).\n")


def users(world):
    return [argv[argv.index("-l") + 1] for argv in world.controller.ssh()]


def test_the_user_whom_the_provider_names_is_the_first_one(world):
    address = pod().endpoint
    named = Endpoint(address.host, address.port, "ubuntu")
    world.cloud.pods["p1"] = pod(endpoint=named)
    reached = world.wait(start={"endpoint": named})
    assert users(world) == ["ubuntu"]
    assert reached.to_result()["endpoint"]["user"] == "ubuntu"


def test_a_user_who_was_named_is_the_only_one(world):
    world.controller.logins = [DENIED]
    reached = world.wait(start={}, user="trainer", users=("ubuntu",))
    assert users(world) == ["trainer", "trainer"]
    assert reached.pod.endpoint.user == "trainer"
    assert world.wait("addressed", start={}, user="trainer").pod.endpoint.user == "trainer"
    assert world.wait("rented", start={}, user="trainer").pod.endpoint.user == "trainer"


@pytest.mark.parametrize(
    "refusal",
    [
        DENIED,
        (142, 'Please login as the user "ubuntu" rather than the user "root".\n', ""),
        (1, "This account is currently not available.\n", ""),
    ],
)
def test_where_root_is_refused_the_others_are_tried_in_order_and_the_answer_is_kept(world, refusal):
    world.controller.logins = [refusal, DENIED]
    reached = world.wait(start={}, users=("admin", "ubuntu"))
    assert users(world) == ["root", "admin", "ubuntu"]
    assert reached.to_result()["endpoint"]["user"] == "ubuntu"


def test_root_is_tried_where_the_user_whom_the_provider_names_is_refused(world):
    address = pod().endpoint
    named = Endpoint(address.host, address.port, "ubuntu")
    world.cloud.pods["p1"] = pod(endpoint=named)
    world.controller.logins = [DENIED]
    reached = world.wait(start={"endpoint": named}, users=("admin",))
    assert users(world) == ["ubuntu", "root"]
    assert reached.to_result()["endpoint"]["user"] == "root"


def test_a_host_that_does_not_answer_says_nothing_of_its_users(world):
    world.controller.logins = [(255, "", "Connection timed out during banner exchange\n")]
    world.wait(start={}, users=("ubuntu",))
    assert users(world) == ["root", "root"]


def test_when_all_are_refused_each_is_told(world):
    world.controller.logins = [DENIED] * 100
    with pytest.raises(errors.WaitTimeout, match=r"as root: .*Permission denied.*; as ubuntu: .*ssh_users"):
        world.wait(start={}, users=("ubuntu",))


# -- pods that set up SSH by themselves

REFUSED = (False, "Connection refused")


def test_a_pod_that_installs_its_server_gets_more_time_for_it(world):
    world.cloud.pods["p1"] = pod(args=bootstrap.wrap())
    world.controller.banners = [REFUSED] * 50
    assert world.wait(start={"args": bootstrap.wrap()}).stage == "ready"
    assert sum(world.time.slept) > readiness_module.DEADLINES["port_open"]


def test_a_pod_that_says_it_will_have_no_server_is_not_waited_for(world):
    world.cloud.pods["p1"] = pod(args=bootstrap.wrap())
    world.cloud.lines = ["podyard: installing", f"{bootstrap.FAILED} no network.", *map(str, range(20))]
    world.controller.banners = [REFUSED] * 500
    with pytest.raises(errors.PodLost, match=r"will never answer \(podyard: SSH cannot be set up: no network\.\)"):
        world.wait(start={"args": bootstrap.wrap()})
    assert sum(world.time.slept) < 30


def test_the_log_of_such_a_pod_is_looked_at_now_and_then_only(world):
    world.cloud.pods["p1"] = pod(args=bootstrap.wrap())
    world.controller.banners = [REFUSED] * 20
    world.wait("port_open", start={"args": bootstrap.wrap()})
    assert world.cloud.count("logs") <= 1 + sum(world.time.slept) / readiness_module.LOG_PACE


# -- several addresses, pods that are taken away, and pods that never start

DIRECT, PROXY = Endpoint("203.0.113.9", 40022), Endpoint("ssh5.example.com", 15678, mode="proxy")
BOTH = {"endpoint": DIRECT, "alternates": (PROXY,)}


def test_another_address_is_tried_after_some_failures_and_kept(world):
    """Three tries at the direct one; then both are asked, and the one that answers is taken."""
    world.shows(*[BOTH] * 9)
    world.controller.banners += [(False, "Connection refused")] * 4
    reached = world.wait(start=BOTH)
    assert world.controller.seen[:5] == [DIRECT, DIRECT, DIRECT, DIRECT, PROXY]
    assert (reached.pod.endpoint, reached.pod.alternates) == (PROXY, (DIRECT,))


def test_the_direct_address_is_preferred_when_it_answers_in_the_end(world):
    world.shows(*[BOTH] * 9)
    world.controller.banners += [(False, "Connection refused")] * 3
    assert world.wait(start=BOTH).pod.endpoint == DIRECT


def test_where_the_key_is_refused_the_other_address_is_tried(world):
    world.shows(*[BOTH] * 9)
    world.controller.logins += [(255, "", "Permission denied (publickey).")] * 3
    assert world.wait(start=BOTH).pod.endpoint == PROXY


@pytest.mark.parametrize(
    ("interruption", "words"),
    [
        ("outbid", "another customer pays more"),
        ("no credit", "no credit left"),
        ("expired", "is over"),
        ("host lost", "host"),
    ],
)
def test_a_pod_that_was_taken_away_is_said_to_be(world, interruption, words):
    world.shows({"phase": "stopped", "interruption": interruption})
    with pytest.raises(errors.PodLost, match=words):
        world.wait()
    assert world.cloud.count("get") == 1


def revivable(world, *answers):
    answers = list(answers)
    world.revived = []
    world.cloud.start_once = lambda pod: world.revived.append(pod.id) or answers.pop(0)


def test_a_pod_that_sits_stopped_is_started_once(world):
    revivable(world, True)
    stopped = {"phase": "stopped", "endpoint": None}
    world.shows(stopped, stopped, STARTING, {})
    assert world.wait().stage == "ready"
    assert world.revived == ["p1"]


def test_one_that_stays_stopped_after_its_start_is_given_up(world):
    revivable(world, True)
    world.shows(*[{"phase": "stopped", "endpoint": None}] * 40)
    with pytest.raises(errors.PodLost, match="was stopped"):
        world.wait()
    assert world.revived == ["p1"]
    assert 90 <= sum(world.time.slept) <= 110


def test_a_provider_whose_log_never_has_the_keys_is_not_asked_for_it(world):
    world.cloud.capabilities = Capabilities(prints_host_keys=False)
    assert world.wait(start={}).host_key_checking == "accept-new"
    assert world.cloud.count("logs") == 0
    assert world.time.slept == []


@pytest.mark.parametrize("takes", [0.0, 2.0, 4.0])
@pytest.mark.parametrize("at", [1.0, 7.0, 20.0, 27.0])
@pytest.mark.parametrize("stage", ["running", "addressed", "port_open", "authenticated", "ready"])
def test_no_stage_is_noticed_later_than_a_poll_interval_and_a_second(world, stage, at, takes):
    """However long each look at an address takes that does not answer yet."""
    time, due = world.time, world.time.now + at

    def passed():
        return time.now >= due

    def look(_pod_id):
        if stage == "running" and not passed():
            return pod(**STARTING)
        return pod(endpoint=None) if stage == "addressed" and not passed() else pod()

    def banner(_endpoint):
        if stage != "port_open" or passed():
            return True, "SSH-2.0-x"
        time.now += takes
        return False, "nothing answers"

    def run(argv):
        if argv[0] == "ssh-keyscan":
            return 0, f"[h]:1 ssh-ed25519 {BLOB}\n", ""
        if stage in ("authenticated", "ready") and not passed():
            time.now += takes
            return (255, "", "Permission denied") if stage == "authenticated" else (0, "podyard:begin\n", "")
        return 0, WHOLE, ""

    world.cloud.plan("get", *[look] * 60)
    world.controller.banner, world.controller.run = banner, run
    seen = []
    start = STARTING if stage == "running" else None
    readiness = Readiness(
        "ready",
        run,
        str(world.controller.known_hosts),
        read_banner=banner,
        reached=lambda _pod, reached: seen.append(time.now) if reached == stage else None,
    )
    begun = pod(**start) if start else look("")
    readiness_module.wait_until_ready(world.cloud, begun, readiness, time.polls(5.0), world.progress)
    assert due <= seen[0] <= due + 5.0 + 1.0


def test_nor_is_one_that_comes_right_after_the_list_of_another(world):
    """Of many pods one list tells all of them, some seconds later: those seconds are part of the pause."""
    time, begun = world.time, world.time.now
    due = begun + 10.1

    class OthersLooks:
        """Somebody lists every five seconds."""

        def moment(self):
            return begun + (time.now - begun) // 5.0 * 5.0

        def see(self, _known, **_options):
            return pod() if self.moment() >= due else pod(**STARTING)

    time.now += 3.7
    readiness = Readiness("running", world.controller.run, str(world.controller.known_hosts))
    ladder = readiness_module.ReadinessWaiter(world.cloud, readiness, time.polls(5.0), world.progress)
    ladder._looks = OthersLooks()
    ladder.wait(pod(**STARTING))
    assert time.now <= due + 5.0 + 1.0
