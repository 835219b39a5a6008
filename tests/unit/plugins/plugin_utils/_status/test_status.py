# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status: pods, records and looks put together, and the table of it."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Pod
from ansible_collections.podyard.gpu.plugins.module_utils._pods.holder import Holder
from ansible_collections.podyard.gpu.plugins.plugin_utils._common.pod_lists import PodList
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.guard_state import identity
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.run_file import RunFile
from ansible_collections.podyard.gpu.plugins.plugin_utils._status import status as table_module
from ansible_collections.podyard.gpu.plugins.plugin_utils._status.probe import ProbeAnswer
from ansible_collections.podyard.gpu.plugins.plugin_utils._status.runs import known
from ansible_collections.podyard.gpu.plugins.plugin_utils._status.status import Found, Status, status

NOW = datetime(2026, 7, 15, 16, 0, tzinfo=UTC)
RUN = "20260715_140000_1f2e"
NAME = f"podyard-digits-{RUN}-0-1"


def pod(**changes):
    told = {
        "provider": "runpod", "id": "7h9k", "name": NAME, "phase": "running", "gpu": "RTX 4090", "gpu_count": 1,
        "usd_per_hour": 0.5, "created_at": "2026-07-15T14:00:00Z", **changes,
    }  # fmt: skip
    return {**Pod(**told).to_result(), "end": f"end {told['id']}"}


def said(state="running", **changes):
    """What a pod answers."""
    streams = {name: {"data": b"", "offset": 0, "size": 0, "reset": False} for name in ("log", "metrics", "gpu")}
    streams["metrics"]["data"] = b'{"epoch": 3, "loss": 0.25}\n'
    streams["gpu"]["data"] = b'{"index": 0, "utilization_percent": 80}\n{"index": 1, "utilization_percent": 60}\n'
    told = {"state": state, "stopped": False, "exit_code": None, "seconds": 750.0, "heartbeat_age": 2.0}
    return ProbeAnswer({**streams, **told, "lease_ends_in": 3600.0, **changes})


@pytest.fixture(name="run")
def _run(tmp_path):
    """A run whose controller (this process) lives, with its pod and a way to it."""
    record = RunFile(tmp_path / RUN)
    record.apply(begin="follow", values={"name": "digits", "pods": [pod()], "metrics": {"epoch": 2}})
    (tmp_path / RUN / "connection.json").write_text('{"ssh": "ssh root@h", "pod_id": "7h9k"}')
    owned(tmp_path / RUN, True)
    return record


def owned(directory, alive):
    who = identity(os.getpid()).to_json() if alive else {"pid": 2**22 + 1, "create_time": 1.0}
    state = {"state": "armed", "host": socket.gethostname(), **who, "controller": who}
    (directory / "guard.json").write_text(json.dumps(state))


def told(run, *lists, looks=(), only=()):
    runs = known(run.directory.parent)[0]
    return status(Found(lists or (PodList("runpod", (pod(),)),), runs, dict(looks), NOW, only, "./runs"))


def test_a_pod_that_answers(run):
    [row] = told(run, looks={RUN: said()}).pods
    assert (row["run_id"], row["project"], row["known"]) == (RUN, "digits", True)
    assert (row["usd_per_hour"], row["cost_usd"], row["age_seconds"]) == (0.5, 1.0, 7200.0)
    assert row["lease_ends_at"] == "2026-07-15T17:00:00Z", "by this machine's clock"
    job = row["job"]
    assert (job["source"], job["state"], job["metrics"]) == ("pod", "running", {"epoch": 3, "loss": 0.25})
    assert (job["gpu_percent"], job["seconds"]) == (70.0, 750.0)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"state": "absent"}, "none"),
        ({"state": "failed", "exit_code": 143, "stopped": True}, "stopped"),
        ({"state": "failed", "exit_code": 1}, "failed"),
        ({"state": "succeeded", "stopped": True}, "succeeded"),
    ],
)
def test_states_of_a_job(run, answer, state):
    assert told(run, looks={RUN: said(**answer)}).pods[0]["job"]["state"] == state


def test_a_pod_without_a_lease_says_so_whatever_the_record_says(run):
    run.apply(values={"pods": [{**pod(), "lease_ends_at": "2026-07-15T18:00:00Z"}]})
    assert told(run, looks={RUN: said(lease_ends_in=None)}).pods[0]["lease_ends_at"] is None
    assert told(run).pods[0]["lease_ends_at"] == "2026-07-15T18:00:00Z"


def test_a_pod_that_does_not_answer_is_told_by_its_record(run):
    found = told(run, looks={RUN: ProbeAnswer(trouble="no answer within 8 s")})
    job = found.pods[0]["job"]
    assert (job["source"], job["state"], job["stage"], job["why"]) == (
        "record",
        "running",
        "follow",
        "no answer within 8 s",
    )
    assert job["age_seconds"] >= 0 and not found.errors


def test_the_answer_of_another_pod_of_the_run_is_not_taken(run):
    found = told(run, PodList("runpod", (pod(id="other", name=NAME[:-1] + "2"),)), looks={RUN: said()})
    assert found.pods[0]["job"]["source"] == "record"


def test_a_pod_that_no_run_knows_is_shown_with_its_end(run):
    other = pod(id="zz", name="podyard-llama-r9-0-1", usd_per_hour=2.0)
    found = told(run, PodList("runpod", (pod(), other)))
    assert [row["known"] for row in found.pods] == [True, False]
    [note] = found.notes
    assert "podyard-llama-r9-0-1 (zz on runpod, USD 2.00 per hour) belongs to no run in ./runs" in note
    assert note.endswith("podyard.gpu.stop -e run_id=r9 -e stop_confirm=true; or: end zz")
    table = table_module.render(found, width=200, color=False, now=NOW)
    [line] = [line for line in table.splitlines() if "podyard-llama" in line and "running" in line]
    assert " ?  " in line and "none" not in line, "nobody here knows its lease"
    assert found.usd_per_hour == 2.5


def test_pods_that_are_not_ours_are_counted_and_never_shown(run):
    found = told(run, PodList("runpod", (pod(), pod(id="x", name="jupyter"), pod(id="y", name="podyard-odd"))))
    assert len(found.pods) == 1
    assert "has 2 pods more, USD 1.00 per hour together" in found.notes[0]
    assert not told(run, PodList("runpod", (pod(), pod(id="x", name="jupyter"))), only=[RUN]).notes


def test_a_pod_that_is_gone_is_none(run):
    assert told(run, PodList("runpod", (pod(phase="gone"),))).pods == []


def test_a_pod_that_was_taken_away(run):
    [note] = told(run, PodList("runpod", (pod(phase="stopped", interruption="outbid"),))).notes
    assert "was taken away because another customer pays more for its GPU" in note and "podyard.gpu.stop" in note


def test_a_stopped_pod_costs_its_disk(run):
    [row] = told(run, PodList("runpod", (pod(phase="stopped", stopped_usd_per_hour=0.01),))).pods
    assert (row["usd_per_hour"], row["cost_usd"]) == (0.01, None)


def test_a_pod_that_is_not_in_the_record_yet_may_have_a_lease(run):
    """It is being rented: to say that it has none would be a false alarm."""
    new = PodList("runpod", (pod(id="new", name=NAME[:-1] + "2"),))
    found = told(run, new)
    assert not found.pods[0]["lease_known"] and told(run).pods[0]["lease_known"]
    for width in (80, 200):
        table = table_module.render(found, width=width, color=False, now=NOW)
        assert "no lease" not in table and "none" not in table
    owned(run.directory, False)
    assert "is not watched and perhaps has no lease: its controller" in told(run, new).notes[0]


class TestNobodyLooksAfterIt:
    def test_a_running_one(self, run):
        assert told(run).notes == []
        owned(run.directory, False)
        [note] = told(run).notes
        assert "is not watched and has no lease" in note
        assert (
            f"train_run_id={RUN}" in note
            and f"podyard.gpu.stop -e run_id={RUN} -e runs_dir={run.directory.parent}" in note
        )

    def test_one_whose_run_has_ended(self, run):
        owned(run.directory, False)
        run.apply(outcome="failed")
        assert (
            "lives and has no lease, though its run has ended (failed). End it: ansible-playbook" in told(run).notes[0]
        )

    def test_a_kept_one(self, run):
        owned(run.directory, False)
        run.apply(outcome="kept")
        assert "is kept and has no lease: only you end it" in told(run).notes[0]
        assert told(run, looks={RUN: said()}).notes == []


class TestRunsWithoutPods:
    EMPTY = PodList("runpod")

    def test_its_controller_lives(self, run):
        found = told(run, self.EMPTY)
        assert [entry["owner"] for entry in found.runs] == ["controller"]
        assert "has no pod now; the ansible-playbook with the process number" in found.notes[0]

    def test_its_controller_is_dead(self, run):
        owned(run.directory, False)
        found = told(run, self.EMPTY)
        assert found.runs[0]["run_id"] == RUN
        assert (
            "is recorded as running at stage follow, but it has no pod and its controller has ended" in found.notes[0]
        )

    def test_it_was_kept(self, run):
        owned(run.directory, False)
        run.apply(outcome="kept")
        assert "was kept, but its pod is gone" in told(run, self.EMPTY).notes[0]

    def test_it_is_over(self, run):
        run.apply(outcome="succeeded")
        assert told(run, self.EMPTY).runs == [] and told(run, self.EMPTY).notes == []

    def test_an_api_that_failed_is_never_an_empty_list(self, run):
        owned(run.directory, False)
        found = told(run, PodList("runpod", error="It answered 401."), PodList("vastai"))
        assert found.errors == {"runpod": "It answered 401."}
        assert "has a pod is not known: see runpod" in found.notes[0]
        text = table_module.render(found, width=100, color=False, now=NOW)
        assert "NOT KNOWN" in text and "It answered 401." in text and "at vastai." in text


def test_only_some_runs(run):
    RunFile(run.directory.parent / "r2").apply(begin="plan")
    found = told(run, PodList("runpod", (pod(), pod(id="zz", name="podyard-llama-r9-0-1"))), only=["r2"])
    assert found.pods == [] and [entry["run_id"] for entry in found.runs] == ["r2"]


class TestTable:
    def long(self, run):
        """A status whose cells are as long as they get."""
        names = [
            (NAME, "RTX 4090", 1),
            (f"podyard-a-long-name-of-a-project-{RUN}-12-34", "RTX PRO 6000 Blackwell", 8),
        ]
        pods = [
            pod(name=name, gpu=gpu, gpu_count=count, id="7h9k" if count == 1 else "zz") for name, gpu, count in names
        ]
        return told(run, PodList("runpod", tuple(pods)), PodList("vastai", error="It failed."), looks={RUN: said()})

    @pytest.mark.parametrize("width", [79, 80, 100, 120, 160])
    def test_it_is_legible_at_every_width(self, run, width):
        text = table_module.render(self.long(run), width=width, color=False, now=NOW)
        table = text.partition("\n\n")[0].splitlines()
        assert max(map(len, table)) <= width
        for word in (RUN, "0.50", "runpod", "vastai", "NOT KNOWN", "2 h", "1 h left"):
            assert any(word in line for line in table), f"{word} is cut at {width}"

    def test_a_wide_screen_has_a_row_a_pod(self, run):
        text = table_module.render(told(run, looks={RUN: said()}), width=180, color=False, now=NOW)
        [line] = [line for line in text.splitlines() if NAME in line]
        for word in (
            "runpod",
            RUN,
            "running",
            "RTX 4090",
            "0.50",
            "1.00",
            "2 h",
            "1 h left (17:00 UTC)",
            "epoch 3",
        ):
            assert word in line

    def test_a_command_in_a_note_stays_on_its_line(self, run):
        owned(run.directory, False)
        text = table_module.render(told(run), width=80, color=False, now=NOW)
        assert any(
            line.endswith(f"podyard.gpu.stop -e run_id={RUN} -e runs_dir={run.directory.parent}")
            for line in text.splitlines()
        )

    def test_colours_are_the_screens(self, run):
        found = told(run, looks={RUN: said()})
        assert "\x1b[" in table_module.render(found, width=100, color=True, now=NOW)
        assert "\x1b[" not in table_module.render(found, width=100, color=False, now=NOW)

    def test_nothing_there(self):
        text = table_module.render(Status(providers=["runpod", "vastai"]), width=80, color=False, now=NOW)
        assert text == "No pod of ours is at runpod or vastai."

    def test_without_rich(self, run, monkeypatch):
        import sys

        monkeypatch.setitem(sys.modules, "rich.console", None)
        text = table_module.render(told(run, looks={RUN: said()}), width=80, color=False, now=NOW)
        assert f"runpod | {NAME} | {RUN} | running | RTX 4090 | 0.50 | 1.00 | 2 h" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "?"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (90000, "1 d 1 h")],
)
def test_spans(seconds, text):
    assert table_module.span(seconds) == text


@pytest.mark.parametrize(
    ("ends_at", "text"),
    [
        (None, "none"),
        ("nonsense", "none"),
        ("2026-07-15T18:05:00Z", "2 h 5 min left (18:05 UTC)"),
        ("2026-07-17T18:05:00Z", "2 d 2 h left (07-17 18:05 UTC)"),
        ("2026-07-15T15:59:00Z", "over for 1 min (15:59 UTC)"),
    ],
)
def test_leases(ends_at, text):
    assert table_module.lease(ends_at, NOW) == text


@pytest.mark.parametrize(
    ("job", "text"),
    [
        ({"source": None, "state": None, "why": "no run here knows it"}, "? (no run here knows it)"),
        (
            {"source": "record", "state": "running", "stage": "data", "age_seconds": 70, "why": None},
            "running, stage data (run.json, 1 min old)",
        ),
        (
            {"source": "pod", "state": "failed", "exit_code": 137, "seconds": 5, "metrics": {}, "gpu_percent": None},
            "failed with exit code 137 5 s",
        ),
        ({"source": "pod", "state": "none", "seconds": None, "metrics": {}, "gpu_percent": None}, "no training yet"),
    ],
)
def test_jobs(job, text):
    assert table_module.job(job) == text


@pytest.mark.parametrize("outcome", ["running", "failed"])
@pytest.mark.parametrize("mine", [True, False])
def test_of_a_run_of_another_account_nothing_is_known(run, outcome, mine):
    owned(run.directory, False)
    run.apply(outcome=outcome, error="", values={"pods": [{**pod(), "account": "user_mine", "key_hash": "0" * 24}]})
    holder = Holder("user_mine" if mine else "user_other", "1" * 24)
    found = told(run, PodList("runpod", holder=holder))
    words = " ".join(found.notes)
    if mine:
        assert "is not known" not in words
        assert ("It costs nothing" in words) is (outcome == "running")
    else:
        assert "is not known" in words and "user_mine" in words and "user_other" in words
        assert "It costs nothing" not in words
