# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runs there are, and who works on them."""

from __future__ import annotations

import json
import os
import socket

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._pods.connection import Connection
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.guard_state import identity
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.record import RunError
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.run_file import RunFile
from ansible_collections.podyard.gpu.plugins.plugin_utils._status import runs as runs_module
from ansible_collections.podyard.gpu.plugins.plugin_utils._status.runs import Run, choose, current, known, living

POD = {"provider": "vastai", "id": "7", "name": "podyard-digits-r1-0-1", "usd_per_hour": 0.5}


@pytest.fixture(name="runs")
def _runs(tmp_path):
    """Two runs of one job; r2 is the newest."""
    for run_id in ("r1", "r2"):
        RunFile(tmp_path / run_id).apply(begin="follow", values={"name": "digits", "pods": [POD]})
    (tmp_path / "notes").mkdir()
    return tmp_path


def guard(directory, **state):
    dead = {"pid": 2**22 + 1, "create_time": 1.0}
    told = {"state": "armed", **dead, "host": socket.gethostname(), "controller": dead, **state}
    (directory / "guard.json").write_text(json.dumps(told))


def test_words_for_runs(runs):
    assert [run.run_id for run in choose(runs, ["latest"])] == ["r2"]
    assert sorted(run.run_id for run in choose(runs, ["all", "r1"])) == ["r1", "r2"]
    assert [run.run_id for run in choose(runs, ["r1", "latest", "r1"])] == ["r1", "r2"]
    assert choose(runs / "nowhere", ["all"]) == []


@pytest.mark.parametrize("word", ["r3", "notes", "../r1", "r1/../r2", ""])
def test_a_run_that_is_not_there(runs, word):
    with pytest.raises(RunError, match=r"There is no run .* There are: r2, r1|There are: r1, r2"):
        choose(runs, [word])


def test_no_run_at_all(tmp_path):
    with pytest.raises(RunError, match=r"There is no run in .*runs_dir"):
        choose(tmp_path, ["latest"])


def test_the_run_that_nobody_names(runs):
    with pytest.raises(RunError, match=r"2 runs in .* are not over \(r[12], r[12]\): say which"):
        current(runs)
    gone = {**POD, "gone_at": "2026-01-01T02:00:00Z", "gone_proved": True}
    RunFile(runs / "r2").apply(outcome="succeeded", values={"pods": [gone]})
    assert [run.run_id for run in living(runs)] == ["r1"]
    assert current(runs).run_id == "r1"
    RunFile(runs / "r1").apply(outcome="failed", values={"pods": [gone]})
    assert living(runs) == []
    assert current(runs).run_id == "r2"


def test_a_run_that_is_being_planned_does_not_hide_the_one_that_bills(runs):
    RunFile(runs / "r2").apply(outcome="failed", values={"pods": [{**POD, "gone_proved": True}]})
    RunFile(runs / "r3").apply(begin="plan")
    assert current(runs).run_id == "r1"
    with pytest.raises(RunError, match="2 runs"):
        living(runs)


@pytest.mark.foreign_records
def test_a_record_that_cannot_be_read_is_told_and_the_others_are_listed(runs):
    (runs / "r1" / "run.json").write_text("{")
    found, troubles = known(runs)
    assert [run.run_id for run in found] == ["r2"]
    assert "r1/run.json cannot be read" in troubles[0]
    with pytest.raises(RunError, match=r"r1/run\.json cannot be read"):
        choose(runs, ["all"])


def test_a_connection_counts_only_when_it_says_how(runs):
    assert Run.at(runs / "r1").connection is None
    for text in ("{", "[]", '{"ssh": ""}', '{"host": "h"}', '{"ssh": 3}'):
        (runs / "r1" / "connection.json").write_text(text)
        assert Run.at(runs / "r1").connection is None, text
    (runs / "r1" / "connection.json").write_text('{"ssh": "ssh root@h"}')
    assert Run.at(runs / "r1").connection == Connection("ssh root@h")


def test_what_the_record_says_of_the_job_and_what_it_does_not(runs):
    job = Run.at(runs / "r1").job
    assert job["project"] == "digits" and job["providers"] == ["vastai"]
    assert job["dirs"]["run"] == "/workspace/podyard/digits/runs/r1"
    RunFile(runs / "r1").apply(
        values={"job": {"artifacts": ["*.bin"], "dirs": {"run": "/data/r1"}, "project": "other"}}
    )
    job = Run.at(runs / "r1").job
    assert (job["artifacts"], job["dirs"]["run"], job["project"]) == (["*.bin"], "/data/r1", "other")
    assert job["checkpoints"] == ["checkpoints/*"]


def test_living(runs):
    record = RunFile(runs / "r1")
    assert Run.at(runs / "r1").living
    record.apply(outcome="failed")
    assert Run.at(runs / "r1").living, "its pod is not proved gone"
    record.apply(values={"pods": [{**POD, "gone_at": "2026-01-01T00:00:00Z", "gone_proved": True}]})
    assert not Run.at(runs / "r1").living
    record.apply(outcome="kept")
    assert Run.at(runs / "r1").living


class TestOwner:
    def test_nobody(self, runs):
        assert Run.at(runs / "r1").owner().kind == "nobody"
        for state in ("released", "gave_back", "failed"):
            guard(runs / "r1", state=state, **identity(os.getpid()).to_json())
            assert Run.at(runs / "r1").owner().kind == "nobody"

    def test_both_are_dead(self, runs):
        guard(runs / "r1")
        assert Run.at(runs / "r1").owner().kind == "nobody"

    def test_a_living_controller(self, runs):
        guard(runs / "r1", controller=identity(os.getpid()).to_json())
        owner = Run.at(runs / "r1").owner()
        assert (owner.kind, owner.pid) == ("controller", os.getpid())
        assert str(os.getpid()) in owner.words

    def test_a_number_that_another_process_has_now(self, runs):
        guard(runs / "r1", controller={"pid": os.getpid(), "create_time": 1.0})
        assert Run.at(runs / "r1").owner().kind == "nobody"

    @pytest.mark.parametrize("state", ["armed", "giving_back"])
    def test_a_guard_at_work(self, runs, state):
        guard(runs / "r1", state=state, **identity(os.getpid()).to_json())
        assert Run.at(runs / "r1").owner().kind == "guard"

    def test_another_machine(self, runs):
        guard(runs / "r1", host="elsewhere", controller=identity(os.getpid()).to_json())
        owner = Run.at(runs / "r1").owner()
        assert owner.kind == "elsewhere" and "on the machine elsewhere" in owner.words

    def test_without_psutil_nobody_knows(self, runs, monkeypatch):
        guard(runs / "r1")
        monkeypatch.setattr(runs_module, "LIBRARY_PROBLEM", ImportError("psutil"))
        assert Run.at(runs / "r1").owner().kind == "unknown"


ODD_RECORDS = ["{", "null", "[]", '{"pods": "none", "stages": 5, "job": []}', "\0" * 100, "[" * 50_000]


@pytest.mark.parametrize("text", ODD_RECORDS)
@pytest.mark.foreign_records
def test_a_run_that_is_named_is_found_whatever_became_of_its_record(runs, text):
    """Its pods are to be ended: the ledger tells of them, and their names of the project."""
    (runs / "r1" / "run.json").write_text(text)
    Ledger(runs / "r1").write("created", POD["name"], "vastai", pod_id="7", usd_per_hour=0.5)
    (run,) = choose(runs, ["r1"])
    assert run.living and [pod.id for pod in run.unproved] == ["7"]
    assert (run.project, run.job["providers"], run.stage) == ("digits", ["vastai"], None)
