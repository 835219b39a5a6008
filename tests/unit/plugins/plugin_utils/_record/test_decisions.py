# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens next to a run and its pods: every choice that costs or saves money."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._record import decisions

POD = {"provider": "vastai", "id": "77", "name": "podyard-digits-r1-0-1", "phase": "running", "usd_per_hour": 0.5}
LABEL = "podyard-digits-r1-0-1 (77)"
RUN_DIR = Path("/home/ada/my runs/r1")


def record(*pods: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {"outcome": "running", "error": None, "pods": list(pods), "stages": [{"name": "follow"}], **values}


class TestFoundRun:
    @pytest.mark.parametrize(
        ("phases", "proved", "state"),
        [
            ([], [], "new"),
            (["running"], [], "attach"),
            (["stopped"], [True], "attach"),
            (["gone", "starting"], [False], "attach"),
            (["failed"], [], "unproved"),
            (["gone"], [False], "unproved"),
            ([], [True, False], "unproved"),
            ([], [True, True], "ended"),
            (["gone"], [True], "ended"),
            (["gone"], [], "new"),
        ],
    )
    def test_its_state(self, phases, proved, state):
        known = record(*({"gone_proved": each} for each in proved))
        assert decisions.found_run(known, [{"phase": each} for each in phases])["state"] == state

    def test_a_run_without_a_record_is_new(self):
        assert decisions.found_run({}, []) == {"state": "new", "error": None}

    def test_one_that_ended_with_its_controller_is_told(self):
        known = record({"gone_proved": True})
        assert decisions.found_run(known, [])["error"].endswith("how the run went. Its pod is gone.")
        assert decisions.found_run({**known, "outcome": "failed"}, [])["error"] is None
        assert decisions.found_run(known, [POD])["error"] is None


class TestSearch:
    def test_it_begins_now(self):
        assert decisions.search({}, attempts=5, deadline=3600.0, now=100.0) == {
            "began": 100.0,
            "attempts_left": 5,
            "seconds_left": 3600.0,
            "limits": {"attempts": 5, "deadline": 3600.0},
        }

    def test_every_pod_counts_and_so_does_the_time(self):
        left = decisions.search(record(POD, POD), attempts=5, deadline=3600.0, now=1600.0, began=100.0)
        assert (left["attempts_left"], left["seconds_left"]) == (3, 2100.0)
        assert left["limits"] == {"attempts": 3, "deadline": 2100.0}

    def test_the_module_is_asked_for_one_attempt_and_one_second_at_least(self):
        left = decisions.search(record(POD), attempts=1, deadline=60.0, now=200.0, began=100.0)
        assert (left["attempts_left"], left["seconds_left"]) == (0, -40.0)
        assert left["limits"] == {"attempts": 1, "deadline": 1.0}

    def test_a_search_that_began_at_nought_is_not_a_new_one(self):
        assert decisions.search({}, attempts=1, deadline=60.0, now=30.0, began=0.0)["seconds_left"] == 30.0


def checked(known: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "pod": POD, "state": "new", "reason": "It has no GPU.", "measured": {"problems": ["It has no GPU."]},
        "set_up_failed": False, "attempts": 3, "deadline": 3600.0, "now": 200.0, "began": 100.0,
    }  # fmt: skip
    return decisions.checked_pod(record(POD) if known is None else known, **{**facts, **changes})


class TestCheckedPod:
    def test_a_fit_one_is_used(self):
        verdict = checked(reason=None, measured={"problems": []})
        assert (verdict["next"], verdict["bad_host"], verdict["error"]) == ("use", False, "")

    def test_a_bad_host_is_replaced(self):
        verdict = checked()
        assert (verdict["next"], verdict["bad_host"]) == ("replace", True)
        assert verdict["message"] == f"The pod {LABEL} is given back, and another one rented. It has no GPU."

    @pytest.mark.parametrize(
        "measured", [{"unreachable": True, "msg": "no answer"}, {"problems": ["a"], "directory": None}]
    )
    def test_so_is_one_that_does_not_answer(self, measured):
        assert checked(measured=measured)["next"] == "replace"

    @pytest.mark.parametrize(
        ("measured", "why"),
        [
            (None, "the check did not get that far"),
            ({"problems": []}, "the host was found fit, and something else failed"),
            ({"problems": ["cannot write"], "directory": {"usable": False}}, "the next host would run the same image"),
        ],
    )
    def test_what_another_host_does_no_better_ends_the_run(self, measured, why):
        verdict = checked(measured=measured)
        assert (verdict["next"], verdict["bad_host"], verdict["error"]) == ("fail", False, "It has no GPU."), why

    def test_a_pod_to_which_the_run_came_back_is_left_alone(self):
        """A training may be running there."""
        for changes in ({}, {"set_up_failed": True}):
            verdict = checked(state="attach", **changes)
            assert (verdict["next"], verdict["bad_host"]) == ("fail", False)

    def test_a_set_up_that_is_not_done_in_time_is_replaced_with_advice(self):
        verdict = checked(measured=None, set_up_failed=True)
        assert verdict["next"] == "replace" and "raise train_ready_timeout" in verdict["reason"]

    def test_the_last_attempt_is_given_back_and_told(self):
        verdict = checked(record(POD, POD, POD))
        assert (verdict["next"], verdict["bad_host"]) == ("fail", True)
        assert verdict["message"] == f"The pod {LABEL} is given back. It has no GPU."
        assert verdict["error"] == "It has no GPU. No other pod was tried, since train_attempts allows 3."

    def test_pods_that_never_got_ready_are_attempts_too(self):
        """One count, whichever way a bad host was found out."""
        never_ready = {**POD, "id": "76", "gone_proved": True}
        assert checked(record(never_ready, POD), attempts=3)["next"] == "replace"
        assert checked(record(never_ready, POD), attempts=2)["next"] == "fail"

    def test_when_the_time_is_over(self):
        verdict = checked(now=3700.0)
        assert verdict["next"] == "fail" and verdict["bad_host"]
        assert verdict["error"].endswith("since train_deadline (1 h) is over.")


TAKEN = {"kind": "outbid", "message": "The pod was outbid.", "advice": "Bid more."}
NOTHING = {"kind": None, "message": "It runs as it should.", "advice": ""}


class TestLost:
    def test_a_run_without_a_pod(self):
        assert decisions.lost_run({}, None)["error"].startswith("The controller of the run ended before")

    def test_a_run_whose_pod_fell_silent(self):
        error = decisions.lost_run(record(), POD)["error"]
        assert error.startswith(f"The pod {LABEL} became unreachable in the stage follow, and what")
        assert "in an unrecorded stage" in decisions.lost_run({}, POD)["error"]

    def test_a_pod_that_was_taken_away(self):
        found = decisions.lost_pod(record(outcome="failed", error="Silence."), POD, TAKEN, False, "now")
        assert (found["outcome"], found["error"]) == ("lost", "The pod was outbid. Bid more. Silence.")
        assert found["interruption"] == {
            "kind": "outbid", "provider": "vastai", "pod_id": "77", "pod": POD["name"], "stage": "follow",
            "message": "The pod was outbid.", "seen_at": "now",
        }  # fmt: skip

    def test_a_training_that_came_to_its_own_end_stays_failed(self):
        found = decisions.lost_pod(record(outcome="failed", error="Exit code 7."), POD, TAKEN, True, "now")
        assert found["outcome"] == "failed" and found["interruption"]["kind"] == "outbid"

    @pytest.mark.parametrize(
        ("outcome", "error", "told"),
        [
            ("failed", "Exit code 7.", ("failed", "Exit code 7.")),
            ("lost", "Silence.", ("lost", "Silence. It runs as it should.")),
        ],
    )
    def test_where_the_provider_knows_of_nothing(self, outcome, error, told):
        found = decisions.lost_pod(record(outcome=outcome, error=error), POD, NOTHING, False, "now")
        assert (found["outcome"], found["error"], found["interruption"]) == (*told, None)

    def test_a_run_that_nobody_ended_is_lost(self):
        found = decisions.lost_pod(record(), POD, NOTHING, False, "now")
        assert found["outcome"] == "lost" and found["error"].endswith("if you gave one. It runs as it should.")


LISTED = ({**POD, "lease_ends_at": "2026-07-16T14:00:00Z"}, {**POD, "id": "78"})


class TestKeptPod:
    def kept(self, pods=LISTED, **values):
        return decisions.kept_pod(record(**values), RUN_DIR, {**POD, "id": 77}, pods, {"ssh": "ssh -p 4000 root@pod"})

    def test_how_to_use_it_and_how_to_give_it_back(self):
        kept = self.kept()
        call = "-e run_id=r1 -e runs_dir='/home/ada/my runs'"
        assert kept["call"] == call and kept["has_lease"] is True
        assert kept["entry"] == {"provider": "vastai", "id": "77", "lease_ends_at": "2026-07-16T14:00:00Z"}
        assert kept["lines"][:-1] == [
            "ssh -p 4000 root@pod",
            f"A shell: ansible-playbook podyard.gpu.shell {call}",
            "The training: ansible-playbook podyard.gpu.train -e @job.yml -e train_run_id=r1",
        ]
        assert kept["lines"][-1] == (
            "The pod podyard-digits-r1-0-1 (77 on vastai) costs USD 0.50 an hour and ends itself at "
            "2026-07-16T14:00:00Z, unless somebody works on it before; give it back: "
            f"ansible-playbook podyard.gpu.stop {call}"
        )
        assert kept["error"].startswith("What the training left could not be fetched. The pod is kept, and ends")
        assert self.kept(error="Disk full.")["error"].startswith("Disk full. The pod is kept")

    def test_without_a_lease_that_is_said(self):
        kept = self.kept([POD])
        assert kept["has_lease"] is False and "an hour and never ends itself; give it" in kept["lines"][-1]

    def test_one_that_is_not_there(self):
        with pytest.raises(LookupError, match=r"The pod podyard-digits-r1-0-1 \(77\) is not among"):
            self.kept([{**POD, "id": "78"}])


@pytest.mark.parametrize(
    ("known", "succeeded", "message"),
    [
        ({"outcome": "succeeded"}, True, "The run r1 is succeeded: the reason was not recorded."),
        ({"outcome": "failed", "error": "Exit code 7."}, False, "The run r1 has failed: Exit code 7."),
        ({"outcome": "lost", "error": "Silence."}, False, "The run r1 is lost: Silence."),
        ({}, False, "The run r1 is not recorded: the reason was not recorded."),
    ],
)
def test_the_result(known, succeeded, message):
    found = decisions.result(known, RUN_DIR)
    assert (found["succeeded"], found["message"]) == (succeeded, message)


def run(**changes: Any) -> dict[str, Any]:
    usual = {
        "run_id": "r1", "run_dir": "runs/r1", "outcome": "running", "error": None, "stage": "follow", "pods": [],
        "cost_usd": 0.1234, "host": "run-r1", "connection": {"host": "x"},
    }  # fmt: skip
    return {**usual, **changes}


class TestStop:
    @pytest.mark.parametrize(
        ("before", "current", "training", "outcome", "error"),
        [
            (run(), run(), "running", "stopped", "The run was stopped by a person at stage follow."),
            (run(stage=None), run(), "", "stopped", "The run was stopped by a person at stage plan."),
            (run(), run(), "succeeded", "succeeded", ""),
            (run(), run(), "failed", "failed", "The training had failed before the run was stopped by a person."),
            (run(), run(outcome="lost", error="Silence."), "running", "lost", "Silence."),
            (run(), run(outcome="failed", error=None), "succeeded", "failed", ""),
            (
                run(outcome="kept"), run(outcome="kept"), "absent", "stopped",
                "The pod was kept, and given back by a person before any training.",
            ),
        ],
    )  # fmt: skip
    def test_how_it_ended(self, before, current, training, outcome, error):
        found = decisions.stopped_run(before, current, training, None, True)
        assert found == {"outcome": outcome, "error": error}

    def test_a_pod_that_does_not_answer(self):
        """What it had said before is not the end of its training."""
        found = decisions.stopped_run(run(), run(), "succeeded", "no route", False)
        assert found["outcome"] == "stopped"
        assert found["error"].endswith(
            "at stage follow. Its pod could not be reached, so that nothing more was fetched: no route"
        )

    def test_trouble_on_a_pod_that_answers_is_no_loss(self):
        assert decisions.stopped_run(run(), run(), "succeeded", "disk full", True)["outcome"] == "succeeded"

    @pytest.mark.parametrize(
        ("pods", "said"),
        [
            ([], "nothing was rented"),
            ([{"gone_proved": True}], "all pods proved gone"),
            ([{"gone_proved": True}, {"gone_proved": False}], "not all pods proved gone"),
        ],
    )
    def test_the_end_in_a_sentence(self, pods, said):
        told = decisions.ended_run(run(outcome="stopped", pods=pods), False)["message"]
        assert told == f"The run r1 is over: stopped, USD 0.1234, {said}; its directory is runs/r1."
        assert decisions.ended_run(run(error="Why."), True)["message"].startswith("The run r1 would be ended: running")


CAME = {
    "state": "running", "checkpoints": ["a"], "artifacts": [], "sent": ["a"], "sent_bytes": 17, "unmatched": [],
    "changing": [],
}  # fmt: skip


class TestFetched:
    def told(self, came=None, trouble=None, **changes):
        return decisions.fetched_runs([run(**changes)], {"run-r1": came}, {"run-r1": trouble})

    def test_what_came(self):
        told = self.told(CAME)
        assert told["missed"] == [] and told["arrived"][0] == (
            "The run r1 (training: running): files of checkpoints: 1, artifacts: 0, in runs/r1, each verified by "
            "SHA-256; new: 1 (17 bytes)."
        )
        again = self.told({**CAME, "sent": [], "unmatched": ["*.pt"], "changing": ["b"]})["arrived"][0]
        assert again.endswith(
            "no new one. Nothing complete matches yet: *.pt. Left out, since they are being written: b."
        )

    def test_nothing_yet(self):
        none = {**CAME, "state": "absent", "checkpoints": []}
        assert self.told(none)["arrived"] == ["The run r1 (training: none yet): nothing to bring home yet."]

    def test_what_could_not_be_fetched(self):
        assert self.told(trouble="no route")["missed"] == ["Nothing was fetched of the run r1: no route"]
        assert self.told()["missed"] == ["Nothing was fetched of the run r1: the reason is not known."]

    def test_a_run_without_a_pod(self):
        assert self.told(connection=None)["missed"][0].endswith("reached yet; it is at stage follow.")
        over = self.told(connection=None, outcome="failed")
        assert over["missed"] == [] and over["arrived"][0].startswith("The run r1 is over (failed) and has no pod")
