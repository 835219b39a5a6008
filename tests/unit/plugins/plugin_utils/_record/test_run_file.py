# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run: what is merged, what is computed, and what several writers at once leave behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import time

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._common import files
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.record import Attempt, RunError
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.run_file import RunFile

POD = {"provider": "runpod", "id": "abc", "name": "podyard-digits-r1-0-1", "gpu": "RTX 4090", "usd_per_hour": 0.5}
GONE = {"gone_at": "2026-01-01T02:00:00Z", "gone_proved": True}


@pytest.fixture(name="record")
def _record(tmp_path):
    return RunFile(tmp_path / "runs" / "r1")


def ledger(record, *lines):
    record.directory.mkdir(parents=True, exist_ok=True)
    text = "".join(
        json.dumps({"provider": "runpod", "gpu": "RTX 4090", "reason": None, **line}) + "\n" for line in lines
    )
    (record.directory / "attempts.jsonl").write_text(text)


def test_the_first_change_makes_everything(record):
    run, changed = record.apply(begin="plan", values={"name": "digits"})
    assert changed and run == record.read()
    assert (run.run_id, run.name, run.outcome, run.error) == ("r1", "digits", "running", None)
    assert stat.S_IMODE(record.directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in record.directory.iterdir()} == {0o600}
    assert not os.path.lexists(record.directory.parent / "latest")


def test_a_directory_that_others_can_enter_is_closed(record):
    record.directory.mkdir(parents=True, mode=0o755)
    record.apply(begin="plan")
    assert stat.S_IMODE(record.directory.stat().st_mode) == 0o700


def test_latest_is_the_newest_run_whose_plan_is_through(record):
    record.apply(begin="plan")
    record.apply(begin="provision")
    newer = RunFile(record.directory.parent / "r2")
    newer.apply(begin="plan")
    newer.apply(outcome="failed", error="No offer fits.")
    record.apply(begin="follow")
    assert os.readlink(record.directory.parent / "latest") == "r1"
    newer.apply(begin="provision")
    record.apply(begin="fetch")
    assert os.readlink(record.directory.parent / "latest") == "r2"


def test_latest_is_a_run_with_pods_whatever_its_stages_say(record):
    record.apply(values={"pods": [POD]})
    assert os.readlink(record.directory.parent / "latest") == "r1"


def test_latest_that_is_no_link(record):
    (record.directory.parent / "latest").mkdir(parents=True)
    record.apply(begin="plan")
    with pytest.raises(RunError, match=r"latest cannot point to the newest run"):
        record.apply(begin="provision")
    assert not [path for path in record.directory.parent.iterdir() if path.name.startswith(".")]


def test_stages(record):
    record.apply(begin="plan")
    record.apply(begin="provision")
    run, _changed = record.apply(end_stages=True)
    assert [stage.name for stage in run.stages] == ["plan", "provision"]
    assert all(files.seconds_between(stage.started, stage.ended) is not None for stage in run.stages)
    assert run.stages[0].ended <= run.stages[1].started
    assert record.running_stage() is None


def test_the_same_change_twice_is_none(record):
    changes = {"begin": "plan", "values": {"metrics": {"loss": 1}, "pods": [POD]}}
    assert record.apply(**changes)[1]
    before = record.path.stat().st_mtime_ns
    assert not record.apply(**changes)[1]
    assert record.path.stat().st_mtime_ns == before
    assert record.running_stage() == "plan"
    assert record.apply(outcome="failed", error="no")[1]
    assert not record.apply(outcome="failed", error="no")[1]
    assert record.apply(end_stages=True)[1] is False


def test_a_stage_that_comes_again(record):
    for stage in ("provision", "verify", "provision", "verify"):
        run, _changed = record.apply(begin=stage)
    assert [stage.name for stage in run.stages] == ["provision", "verify", "provision", "verify"]


def test_an_outcome_ends_the_run_and_what_follows_prolongs_it(record):
    record.apply(begin="fetch")
    run, _changed = record.apply(outcome="succeeded", error="")
    known = run.ended
    assert known and run.stages[0].ended and run.error is None
    record.apply(begin="give_back")
    run, _changed = record.apply(end_stages=True)
    assert run.ended == run.stages[1].ended >= known
    record.apply(begin="report")
    assert record.apply(end_stages=True)[0].ended == run.ended, "to tell of a run does not prolong it"
    run, _changed = record.apply(outcome="running")
    assert (run.outcome, run.ended) == ("running", None)


def test_an_error_stays_until_the_next_outcome(record):
    record.apply(outcome="failed", error="The training ended with exit code 7.")
    assert record.apply(begin="give_back")[0].error == "The training ended with exit code 7."
    assert record.apply(outcome="succeeded")[0].error is None


class TestMerge:
    def test_objects_by_key_and_the_rest_replaced(self, record):
        record.apply(values={"metrics": {"loss": 2, "best": {"epoch": 1}}, "dataset": {"files": 1}, "x_note": "a"})
        run, _changed = record.apply(values={"metrics": {"loss": 1, "best": {"accuracy": 0.9}}, "x_note": "b"})
        assert run.metrics == {"loss": 1, "best": {"epoch": 1, "accuracy": 0.9}}
        assert (run.dataset.files, run.to_json()["x_note"]) == (1, "b")

    def test_artifacts_by_path(self, record):
        record.apply(values={"artifacts": [{"path": "a", "bytes": 1}, {"path": "b", "bytes": 2}]})
        run, _changed = record.apply(values={"artifacts": [{"path": "b", "bytes": 3}, {"path": "c", "bytes": 4}]})
        assert [(entry.path, entry.bytes) for entry in run.artifacts] == [("a", 1), ("b", 3), ("c", 4)]

    def test_attempts_are_added_and_what_came_of_a_pod_later_is_kept(self, record):
        gone = {"provider": "vastai", "id": None, "offer": "5", "outcome": "refused"}
        kept = {"provider": "vastai", "id": "77", "outcome": "rented", "seconds": 4.0}
        record.apply(values={"attempts": [gone, kept]})
        record.apply(values={"attempts": [gone, kept]})
        condemned = {"provider": "vastai", "id": "77", "outcome": "given back", "reason": "It has 1 GPU."}
        run, changed = record.apply(values={"attempts": [condemned, {**kept, "provider": "runpod"}]})
        assert changed
        known = [gone, {**kept, **condemned}, {**kept, "provider": "runpod"}]
        assert run.attempts == [Attempt.from_json(each) for each in known]

    def test_a_pod_keeps_what_is_known_of_it_and_no_secret(self, record):
        record.apply(values={"pods": [{**POD, "created_at": "2026-01-01T00:00:00Z", "env": {"HF_TOKEN": "hf_secret"}}]})
        run, _changed = record.apply(
            values={"pods": [{"provider": "runpod", "id": "abc", "name": POD["name"], "gpu": None, **GONE}]}
        )
        [pod] = run.pods
        assert (pod.gpu, pod.usd_per_hour, pod.rented_at) == ("RTX 4090", 0.5, "2026-01-01T00:00:00Z")
        assert pod.gone_proved is True and pod.gone_at == GONE["gone_at"]
        assert "hf_secret" not in record.path.read_text()

    def test_a_proof_stays(self, record):
        record.apply(values={"pods": [{**POD, **GONE}]})
        run, _changed = record.apply(
            values={"pods": [{**POD, "gone_at": "2026-01-01T09:00:00Z", "gone_proved": False}]}
        )
        assert (run.pods[0].gone_at, run.pods[0].gone_proved) == (GONE["gone_at"], True)

    def test_the_cost_is_computed(self, record):
        first = {**POD, "rented_at": "2026-01-01T00:00:00Z", **GONE}
        second = {
            **POD,
            "id": "def",
            "rented_at": "2026-01-01T00:00:00Z",
            "gone_at": "2026-01-01T00:30:00Z",
            "gone_proved": True,
        }
        unknown = {**POD, "id": "ghi", "usd_per_hour": None, "rented_at": "2026-01-01T00:00:00Z", **GONE}
        run, _changed = record.apply(values={"pods": [first, second, unknown]})
        assert [pod.cost_usd for pod in run.pods] == [1.0, 0.25, None]
        assert run.cost_usd == 1.25

    def test_the_cost_of_a_living_pod_grows_and_is_no_change(self, record):
        values = {"pods": [{**POD, "rented_at": "2026-01-01T00:00:00Z"}]}
        first = record.apply(values=values)[0].cost_usd
        run, changed = record.apply(values=values)
        assert run.cost_usd >= first > 0 and not changed

    @pytest.mark.parametrize("name", ["stages", "outcome", "started", "ended"])
    def test_what_cannot_be_set_by_hand(self, record, name):
        with pytest.raises(RunError, match=rf"{name} of a record cannot be set by hand"):
            record.apply(values={name: []})

    @pytest.mark.parametrize(
        ("name", "entries"), [("pods", "x"), ("pods", [5]), ("pods", [{"id": None}]), ("artifacts", [{"bytes": 1}])]
    )
    def test_entries_without_identity(self, record, name, entries):
        with pytest.raises(RunError, match=rf"{name} of a record must be a list of objects"):
            record.apply(values={name: entries})
        assert not record.directory.exists()

    def test_a_record_in_which_something_is_missing(self, record):
        record.apply(begin="plan")
        record.path.write_text('{"run_id": "r1", "pods": [{"provider": "runpod", "id": "abc", "name": "n"}]}')
        run, _changed = record.apply(outcome="failed", error="no")
        assert run.outcome == "failed" and run.pods[0].gone_proved is False and run.stages == []


class TestLedger:
    def test_pods_that_only_the_ledger_knows(self, record):
        """A controller that was killed while it rented has recorded nothing itself."""
        ledger(
            record,
            {
                "time": "2026-01-01T00:00:00Z",
                "event": "creating",
                "name": "podyard-digits-r1-0-1",
                "id": None,
                "usd_per_hour": None,
            },
            {
                "time": "2026-01-01T00:00:01Z",
                "event": "created",
                "name": "podyard-digits-r1-0-1",
                "id": "abc",
                "usd_per_hour": 1.2,
            },
            {
                "time": "2026-01-01T00:00:02Z",
                "event": "refused",
                "name": "podyard-digits-r1-0-2",
                "id": None,
                "usd_per_hour": None,
            },
        )
        [pod] = record.apply(begin="provision")[0].pods
        assert (pod.id, pod.usd_per_hour, pod.rented_at) == ("abc", 1.2, "2026-01-01T00:00:01Z")
        assert not pod.gone_proved and pod.gone_at is None

    def test_its_time_counts_and_not_the_providers_clock(self, record):
        """Rent and end are measured by one clock; the provider's may be hours away from this machine's."""
        name = "podyard-digits-r1-0-1"
        made = {"event": "created", "name": name, "provider": "runpod", "id": "abc", "usd_per_hour": 1.0}
        ledger(
            record,
            {**made, "time": "2026-01-01T00:00:00Z"},
            {**made, "event": "gone", "time": "2026-01-01T01:00:00Z"},
        )
        values = {"pods": [{**POD, "usd_per_hour": 1.0, "created_at": "2026-01-01T05:00:00Z"}]}
        assert record.apply(values=values)[0].cost_usd == 1.0

    def test_its_proof(self, record):
        ledger(
            record,
            {
                "time": "2026-01-01T00:00:00Z",
                "event": "created",
                "name": "podyard-digits-r1-0-1",
                "id": "abc",
                "usd_per_hour": 1.2,
            },
            {
                "time": "2026-01-01T01:00:00Z",
                "event": "gone",
                "name": "podyard-digits-r1-0-1",
                "id": "abc",
                "usd_per_hour": None,
            },
        )
        run, _changed = record.apply(values={"pods": [POD]})
        [pod] = run.pods
        assert pod.gone_proved and pod.gone_at == "2026-01-01T01:00:00Z" and pod.cost_usd == 0.5

    def test_a_torn_line(self, record):
        ledger(
            record, {"time": "2026-01-01T00:00:00Z", "event": "created", "name": "n", "id": "abc", "usd_per_hour": 1}
        )
        with open(record.directory / "attempts.jsonl", "a") as stream:
            stream.write('{"event": "created", "id": "de')
        assert [pod.id for pod in record.apply(begin="plan")[0].pods] == ["abc"]


def test_without_writing(record):
    run, changed = record.apply(begin="plan", outcome="failed", error="no", write=False)
    assert changed and (run.outcome, run.error) == ("failed", "no")
    assert not record.directory.exists() and record.read() is None


def test_foreign_words(record):
    with pytest.raises(RunError, match=r"outcome is one of .*, not 'done'"):
        record.apply(outcome="done")
    with pytest.raises(RunError, match=r"stage is one of .*, not 'training'"):
        record.apply(begin="training")


@pytest.mark.foreign_records
def test_a_record_that_is_no_json(record):
    record.apply(begin="plan")
    record.path.write_text('{"run_id": "r1", "sta')
    with pytest.raises(RunError, match=r"cannot be read"):
        record.apply(begin="provision")
    assert record.running_stage() is None


def test_a_directory_that_cannot_be_written(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(RunError, match=r"cannot be written"):
        RunFile(tmp_path / "runs" / "r1").apply(begin="plan")


def _write_many(directory, writer, start, rounds):
    record = RunFile(directory)
    start.wait()
    for number in range(rounds):
        record.apply(values={f"x_{writer}": {f"n{number}": "x" * 500}})


def test_many_writers_and_a_reader(record):
    """No change is lost, and whoever reads in between finds a whole record."""
    context = multiprocessing.get_context("spawn" if os.name == "nt" else "fork")
    start, writers, rounds = context.Event(), 4, 15
    processes = [context.Process(target=_write_many, args=(record.directory, n, start, rounds)) for n in range(writers)]
    for process in processes:
        process.start()
    start.set()
    seen = 0
    end = time.monotonic() + 60
    while any(process.is_alive() for process in processes) and time.monotonic() < end:
        seen += bool(record.read())
    for process in processes:
        process.join(timeout=10)
    assert [process.exitcode for process in processes] == [0] * writers
    run = record.read()
    assert all(len(run.more[f"x_{writer}"]) == rounds for writer in range(writers))
    assert seen, "the reader read while they wrote"
    assert {path.name for path in record.directory.iterdir()} == {"run.json", "run.lock"}


@pytest.mark.foreign_records
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01T00:00:00Z", 3600),
        ("2026-01-01T00:00:00.500Z", 3599.5),
        ("2026-01-01T02:00:00+02:00", 3600),
        (None, None),
        ("soon", None),
    ],
)
def test_times(text, seconds):
    assert files.seconds_between(text, "2026-01-01T01:00:00Z") == seconds
