# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action run_decision: what it hands to the function that decides."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.podyard.gpu.plugins.action import run_decision as action
from ansible_collections.podyard.gpu.plugins.action import run_record
from ansible_collections.podyard.gpu.tests.unit.fakes.controller import act

POD = {"provider": "vastai", "id": "77", "name": "podyard-digits-r1-0-1"}


@pytest.fixture(name="run_dir")
def _run_dir(tmp_path):
    directory = tmp_path / "r1"
    act(run_record.ActionModule, {"path": str(directory), "begin": "provision", "set": {"pods": [POD]}})
    return str(directory)


def ask(about, run_dir=None, check_mode=False, **facts):
    arguments = {"about": about, "facts": facts, **({"run_dir": run_dir} if run_dir else {})}
    result = act(action.ActionModule, arguments, check_mode=check_mode)
    assert result["changed"] is False
    return result["decision"]


def test_the_record_counts_and_a_clock_that_nobody_sets(run_dir, monkeypatch):
    begun = ask("search", run_dir, attempts=3, deadline=60.0, began=None)
    assert begun["attempts_left"] == 2
    monkeypatch.setattr(action, "elapsed", lambda: begun["began"] + 20)
    left = ask("search", run_dir, attempts=3, deadline=60.0, began=begun["began"])
    assert left["seconds_left"] == pytest.approx(40)


def test_the_wall_clock_does_not_end_a_search(run_dir, monkeypatch):
    begun = ask("search", run_dir, attempts=3, deadline=60.0)
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert ask("search", run_dir, attempts=3, deadline=60.0, began=begun["began"])["seconds_left"] > 30


@pytest.mark.foreign_records
def test_a_run_without_a_record_and_one_with_a_damaged_one(tmp_path):
    (tmp_path / "r2").mkdir()
    (tmp_path / "r2" / "run.json").write_text("no JSON")
    for name in ("r1", "r2"):
        assert ask("found_run", str(tmp_path / name), pods=[])["state"] == "new"


def test_what_the_provider_says_of_a_lost_pod(run_dir):
    taken = ask("lost_pod", run_dir, pod=POD, pods=[], trouble=None, ended_itself=False)
    assert taken["outcome"] == "lost" and taken["interruption"]["kind"] == "gone"
    assert taken["interruption"]["stage"] == "provision" and taken["interruption"]["seen_at"].endswith("Z")
    silent = ask("lost_pod", run_dir, pod=POD, pods=None, trouble="HTTP 503.", ended_itself=False)
    assert silent["interruption"] is None and silent["error"].endswith("what happened to it: HTTP 503.")


def test_check_mode_is_told():
    run = {
        "run_id": "r1", "run_dir": "runs/r1", "outcome": "stopped", "error": None, "pods": [], "cost_usd": 0.0,
    }  # fmt: skip
    assert "would be ended" in ask("ended_run", check_mode=True, run=run)["message"]
    assert "is over" in ask("ended_run", run=run)["message"]


@pytest.mark.parametrize(
    ("about", "with_dir", "facts", "said"),
    [
        ("fate", True, {}, "value of about must be one of"),
        ("search", False, {"attempts": 1, "deadline": 1}, r"give its directory \(run_dir\)"),
        ("search", True, {"attempts": 1}, "about search needs these facts too: deadline"),
        ("search", True, {"attempts": 1, "deadline": 1, "begin": 1}, r"does not use begin; did you mean began\?"),
        ("search", True, {"attempts": 1, "deadline": 1, "now": 1}, "does not use now"),
        ("lost_pod", True, {}, "needs these facts too: pod, diagnosis, ended_itself"),
        ("kept_pod", True, {"pod": POD, "pods": []}, r"podyard-digits-r1-0-1 \(77\) is not among the run's pods"),
    ],
)
def test_refusals(run_dir, about, with_dir, facts, said):
    with pytest.raises(AnsibleActionFail, match=said):
        ask(about, run_dir if with_dir else None, **facts)
