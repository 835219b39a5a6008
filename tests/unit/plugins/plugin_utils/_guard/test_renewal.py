# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who renews a pod's lease, and who tells when it ends."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.times import parse_time
from ansible_collections.podyard.gpu.plugins.module_utils._training import state
from ansible_collections.podyard.gpu.plugins.plugin_utils._common import ssh as ssh_module
from ansible_collections.podyard.gpu.plugins.plugin_utils._follow.probe import RunDirWriter
from ansible_collections.podyard.gpu.plugins.plugin_utils._guard.renewal import ANSWER_SECONDS, Renewal
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.guard_state import Watched, identity
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.run_file import RunFile

POD = {"provider": "runpod", "id": "abc", "name": "podyard-digits-r1-0-1", "usd_per_hour": 0.5}


class Watch:
    """A guard's renewals, with a clock that the test moves and a program in the place of ssh."""

    def __init__(self, place, hours=2.0):
        self.place, self.now, self.lines = place, 0.0, []
        self.run_dir = place / "runs" / "r1"
        self.program("exit 0")
        RunFile(self.run_dir).apply(begin="provision", values={"pods": [POD]})
        self.connect(hours)
        self.renewal = Renewal(self.run_dir, self.lines.append, lambda: self.now)

    def program(self, body):
        path = self.place / "ssh"
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{shlex.quote(str(self.place))}/asked\n{body}\n')
        path.chmod(0o755)

    def connect(self, hours, pod_id="abc"):
        ssh = f"{shlex.quote(str(self.place / 'ssh'))} -p 40022 -i '/a b/key' root@203.0.113.9"
        told = {"pod_id": pod_id, "ssh": ssh, "lease_hours": hours}
        (self.run_dir / "connection.json").write_text(json.dumps(told))

    def at(self, hours):
        """Whatever is due at that time, done to its end."""
        self.now = hours * 3600
        self.renewal.step()
        if self.renewal._process is not None:
            self.renewal._process.wait(30)
            self.renewal.step()

    def asked(self):
        path = self.place / "asked"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(name="watch")
def _watch(tmp_path):
    watch = Watch(tmp_path)
    yield watch
    watch.renewal.close()


# -- the guard


def test_the_guard_renews_four_times_in_the_length_of_a_lease(watch):
    for quarter in range(9):
        watch.at(quarter / 8)
    assert len(watch.asked()) == 2, "at half an hour and at an hour: who rented the pod has just renewed it"
    asked = watch.asked()[0]
    assert asked.endswith(f"-p 40022 -i /a b/key root@203.0.113.9 sh -c {shlex.quote(ssh_module.RENEW)}")
    assert "BatchMode=yes" in asked and "ControlPath=none" in asked
    assert watch.lines == []


def test_what_it_did_stands_in_the_record(watch):
    before = time.time()
    watch.at(0)
    watch.at(0.5)
    (pod,) = RunFile(watch.run_dir).read().pods
    assert 7198 <= parse_time(pod.lease_ends_at).timestamp() - before <= 7300


def test_a_failure_is_told_once_and_tried_again_soon(watch):
    watch.program("echo 'Connection refused' >&2; exit 255")
    watch.at(0)
    watch.at(0.5)
    watch.at(0.5 + 30 / 3600)
    assert len(watch.asked()) == 1
    watch.at(0.5 + (ANSWER_SECONDS + 1) / 3600)
    assert len(watch.asked()) == 2
    assert watch.lines == ["the lease of the run's pod could not be renewed, and is tried again: Connection refused"]
    watch.program("exit 0")
    watch.at(0.6)
    watch.at(0.7)
    assert len(watch.asked()) == 3


def test_a_pod_that_took_its_place_is_renewed_from_its_own_time_on(watch):
    watch.at(0)
    watch.connect(4.0, "def")
    watch.at(0.5)
    watch.at(1.4)
    assert watch.asked() == []
    watch.at(1.5)
    assert len(watch.asked()) == 1


@pytest.mark.parametrize("hours", [0, None])
def test_without_a_lease_it_asks_nothing(tmp_path, hours):
    watch = Watch(tmp_path, hours)
    for hour in range(5):
        watch.at(hour)
    assert watch.asked() == [] and watch.lines == []


def test_without_a_connection_it_waits_for_one(watch):
    (watch.run_dir / "connection.json").unlink()
    watch.at(0)
    assert watch.asked() == [] and watch.lines == []


@pytest.mark.parametrize("text", ["{", "[]", '{"lease_hours": 2}', '{"lease_hours": "x", "pod_id": "abc"}'])
def test_a_connection_that_makes_no_sense_is_borne(watch, text):
    (watch.run_dir / "connection.json").write_text(text)
    watch.at(0)
    watch.at(9)
    assert watch.asked() == [] and len(watch.lines) <= 1


def test_a_frozen_ssh_is_ended_and_its_end_awaited_by_nobody(watch):
    watch.program("exec sleep 60")
    watch.at(0)
    watch.now = 1800.0
    watch.renewal.step()
    watch.renewal.step()
    assert watch.renewal._process is not None
    watch.now += ANSWER_SECONDS + 1
    watch.renewal.step()
    assert watch.renewal._process is None and len(watch.lines) == 1


def test_endless_words_are_never_gathered(watch, tmp_path):
    watch.program("trap 'exit 1' TERM; while :; do printf 'word %0999d' 0 >&2; done")
    watch.at(0)
    watch.now = 1800.0
    watch.renewal.step()
    process = watch.renewal._process
    # A full pipe is where it stands still.
    while (tmp_path / "asked").exists() is False:
        time.sleep(0.01)
    watch.now += ANSWER_SECONDS + 1
    watch.renewal.step()
    assert process.poll() is not None and len(watch.lines) == 1
    assert len(watch.lines[0]) < 500


def test_a_guard_whose_controller_has_ended_renews_no_more(watch):
    watch.program("exec sleep 60")
    watch.at(0)
    watch.now = 1800.0
    watch.renewal.step()
    process = watch.renewal._process
    watch.renewal.close()
    assert process.poll() is not None


# -- commands that are sent anyway


@pytest.fixture(name="lease")
def _lease(tmp_path, monkeypatch):
    place = tmp_path / "lease"
    monkeypatch.setattr(state, "LEASE", str(place))
    monkeypatch.setattr(ssh_module, "RENEW", ssh_module.RENEW.replace("/tmp/podyard-lease", str(place)))
    return place


def ran(command):
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)


def test_each_script_renews_on_its_way(lease):
    lease.mkdir()
    done = ran(ssh_module.script('echo "$1"; exit 3', "a b"))
    assert (done.returncode, done.stdout.splitlines()[1:], done.stderr) == (3, ["a b"], "")
    assert (lease / "renew").exists()


def test_a_look_of_somebody_else_does_not(lease):
    lease.mkdir()
    assert ran(ssh_module.script("echo x", renew=False)).returncode == 0
    assert list(lease.iterdir()) == []


def test_where_there_is_no_lease_nothing_is_made(lease):
    assert ran(ssh_module.script("echo x")).stderr == ""
    assert not lease.exists()


def test_what_cannot_be_written_keeps_no_script_from_its_work(lease):
    (lease / "renew").mkdir(parents=True)
    done = ran(ssh_module.script("echo x"))
    assert (done.stdout.splitlines()[1:], done.stderr) == (["x"], "")


# -- what a pod tells


def watched(lease, ends):
    """A lease that this process watches over, at the uptime that the kernel tells."""
    lease.mkdir(exist_ok=True)
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    (lease / "on").write_text(f"{os.getpid()} {state.start_ticks(os.getpid())}\n")
    (lease / "seconds").write_text("7200\n")
    (lease / "ends").write_text(f"{uptime + ends:.0f}\n")


def test_a_pod_tells_what_is_left(lease):
    watched(lease, 600)
    told = state.lease()
    assert 590 <= told["lease_ends_in"] <= 601
    assert abs(parse_time(told["lease_ends_at"]).timestamp() - time.time() - told["lease_ends_in"]) < 5


def test_a_renewal_that_nobody_has_taken_yet_counts(lease):
    watched(lease, 5)
    (lease / "renew").touch()
    assert state.lease()["lease_ends_in"] == 7200


@pytest.mark.parametrize("trouble", ["none", "ended", "empty", "garbled"])
def test_a_lease_that_nobody_watches_is_none(lease, trouble):
    if trouble != "none":
        watched(lease, 600)
        text = {"ended": f"{os.getpid()} 1", "empty": "", "garbled": "x y"}[trouble]
        (lease / "on").write_text(text)
    assert state.lease() == {"lease_ends_in": None, "lease_ends_at": None}


# -- the record


def test_the_follower_writes_it_down_at_most_once_a_minute(tmp_path):
    run_dir = tmp_path / "runs" / "r1"
    record = RunFile(run_dir)
    gone = {**POD, "id": "old", "gone_at": "2026-11-22T10:00:00Z", "gone_proved": True}
    record.apply(begin="follow", values={"pods": [gone, POD]})
    keeper = RunDirWriter(run_dir)
    keeper.lease(None)
    assert keeper.lease_ends_at is None
    keeper.lease(7200.0)
    first = keeper.lease_ends_at
    assert [pod.lease_ends_at for pod in record.read().pods] == [None, first]
    keeper.lease(9000.0)
    assert keeper.lease_ends_at == first


def test_who_only_watches_and_who_has_no_record_write_nothing(tmp_path):
    run_dir = tmp_path / "runs" / "r1"
    RunDirWriter(run_dir).lease(7200.0)
    assert not run_dir.exists()
    record = RunFile(run_dir)
    record.apply(begin="follow", values={"pods": [POD]})
    RunDirWriter(run_dir, write=False).lease(7200.0)
    assert record.read().pods[0].lease_ends_at is None


def test_a_controller_that_is_stopped_does_not_work():
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        try:
            watched_process = Watched(identity(process.pid))
            assert not watched_process.paused()
            os.kill(process.pid, signal.SIGSTOP)
            assert os.waitid(os.P_PID, process.pid, os.WSTOPPED).si_status == signal.SIGSTOP
            assert watched_process.paused()
            os.kill(process.pid, signal.SIGCONT)
            assert os.waitid(os.P_PID, process.pid, os.WCONTINUED).si_status == signal.SIGCONT
            assert not watched_process.paused()
        finally:
            process.kill()
    assert not watched_process.paused()
