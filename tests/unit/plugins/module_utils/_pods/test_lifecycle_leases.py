# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a pod's lease is armed: at the start of its container, with the first login, or not at all, which is said."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._pods import bootstrap, lease
from ansible_collections.podyard.gpu.plugins.module_utils._pods.context import PodContext
from ansible_collections.podyard.gpu.plugins.module_utils._pods.lifecycle import PodLifecycle
from ansible_collections.podyard.gpu.plugins.module_utils._pods.readiness import Readiness
from ansible_collections.podyard.gpu.plugins.module_utils._pods.spec import PodSpec
from ansible_collections.podyard.gpu.plugins.module_utils._providers.base import OwnEnd
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import IDENTITY, IMAGE, KEY, FakeCloud, FakeTime, Lines, pod

OWN_END = OwnEnd("POD_KEY", "POD_ID", "https://api.example", "ask DELETE /pods/$id")
WANTED = {"name": IDENTITY, "image": IMAGE, "gpus": ("4090",), "public_keys": (KEY,), "lease": 2.0}
ANSWER = "podyard:begin\npodyard:python=3.12.3 /usr/bin/python3\npodyard:end\n"


class World:
    """A cloud whose pods can end themselves, and what its pods say at a login."""

    def __init__(self, tmp_path, *pods):
        self.cloud = FakeCloud(*pods)
        self.cloud.capabilities = replace(self.cloud.capabilities, own_end=OWN_END, ssh_images=("runpod/",))
        self.time = FakeTime()
        self.hosts = str(tmp_path / "known_hosts")
        self.says = "podyard:lease=armed\n"
        self.logins = []

    def run(self, argv):
        if argv[0] != "ssh":
            return 0, f"[h]:1 ssh-ed25519 {'A' * 8}\n", ""
        self.logins.append(argv[-1])
        return 0, ANSWER + self.says, ""

    def ensure(self, state="present", check=False, wait_for="ready", **wanted):
        readiness = None
        if wait_for is not None:
            readiness = Readiness(wait_for, self.run, self.hosts, read_banner=lambda endpoint: (True, "SSH-2.0-x"))
        work = PodContext(self.cloud, self.time.polls(), Lines())
        return PodLifecycle(work, PodSpec(**{**WANTED, **wanted}), readiness, 1, check).ensure(state)

    def created(self):
        (request,) = [argument for verb, argument in self.cloud.calls if verb == "create"]
        return request


@pytest.fixture(name="world")
def made_world(tmp_path):
    return World(tmp_path)


def moment(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def test_the_login_that_looks_for_a_python_arms_and_renews_in_one_session(world):
    before = datetime.now(UTC)
    outcome = world.ensure()
    (login,) = world.logins
    assert "lease arm 7200 7200)" in login and login.index("podyard:begin") < login.index("lease arm")
    ends = moment(outcome.to_result()["pod"]["lease_ends_at"])
    assert timedelta(hours=2, seconds=-2) <= ends - before <= timedelta(hours=2, minutes=1)
    assert outcome.warnings == []


def test_it_is_renewed_by_each_task_and_that_is_no_change(world):
    world.ensure()
    outcome = world.ensure(lease=3.0)
    assert outcome.changed is False and "lease arm 10800 10800)" in world.logins[-1]


@pytest.mark.parametrize(
    ("hours", "wait_for", "first"),
    [(2.0, "ready", 3600), (0.5, "ready", 1800), (2.0, "running", 7200), (2.0, None, 7200)],
)
def test_who_logs_in_soon_lets_the_start_wait_for_an_hour_only(world, hours, wait_for, first):
    world.ensure(lease=hours, wait_for=wait_for)
    assert f"lease boot {round(hours * 3600)} {first})" in world.created().boot


def test_an_image_s_own_start_command_is_left_alone(world):
    world.ensure(image="runpod/pytorch:1")
    assert world.created().args is None


def test_a_start_command_of_ours_arms_before_all_else(world):
    world.ensure(image="ubuntu:24.04", args="python train.py")
    args = world.created().args
    assert world.created().boot in bootstrap.our_script(args) and bootstrap.unwrap(args) == "python train.py"


@pytest.mark.parametrize("hours", [None, 0, 0.0])
def test_without_hours_nothing_is_armed(world, hours):
    outcome = world.ensure(lease=hours)
    assert world.created().boot == "" and "lease" not in world.logins[0]
    assert outcome.to_result()["pod"]["lease_ends_at"] is None and outcome.warnings == []


def test_hours_that_make_no_sense_cost_nothing(world):
    with pytest.raises(BadRequest, match="The option lease is -1"):
        world.ensure(lease=-1.0)
    assert world.cloud.calls == []


def test_where_no_pod_can_end_itself_the_option_is_refused(world):
    world.cloud.capabilities = replace(world.cloud.capabilities, own_end=None)
    with pytest.raises(BadRequest, match="has no key by which it could end itself"):
        world.ensure()
    assert world.cloud.calls == []


def test_giving_back_asks_nothing_of_a_lease(world):
    world.ensure()
    assert world.ensure("absent").changed
    assert len(world.logins) == 1


def test_check_mode_logs_in_nowhere(world):
    outcome = world.ensure(check=True)
    assert outcome.changed and world.logins == [] and outcome.warnings == []


@pytest.mark.parametrize(
    ("says", "words"), [("podyard:lease=no-key\n", "no key into it"), ("sh: gzip: not found\n", "could not be armed")]
)
def test_what_keeps_a_lease_from_counting_is_a_warning(world, says, words):
    world.says = says
    outcome = world.ensure()
    (warning,) = outcome.warnings
    assert words in warning and "does not count" in warning
    assert outcome.to_result()["pod"]["lease_ends_at"] is None


def test_a_task_that_does_not_log_in_warns_where_nothing_armed_it(world):
    (warning,) = world.ensure(wait_for="running").warnings
    assert "armed with the first login" in warning


@pytest.mark.parametrize(
    "shown",
    [
        {"onstart": f"{lease.Lease(60, OWN_END).at_boot()}\ntouch x"},
        {"args": bootstrap.wrap("", lease.Lease(60, OWN_END).at_boot())},
    ],
)
def test_what_a_pod_shows_tells_whether_its_start_armed_it(tmp_path, shown):
    world = World(tmp_path, pod(env={"PUBLIC_KEY": KEY}, **shown))
    assert world.ensure(wait_for="running").warnings == []
    assert lease.boots(pod(**shown)) and not lease.boots(pod(args=bootstrap.wrap())) and not lease.boots(pod())


def test_no_account_key_is_in_what_a_pod_gets(world):
    world.ensure(image="ubuntu:24.04")
    texts = [world.created().boot, bootstrap.our_script(world.created().args), *world.logins]
    assert not any(re.search(r"rpa_|api_key", text) for text in texts)
