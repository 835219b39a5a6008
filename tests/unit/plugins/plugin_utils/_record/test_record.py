# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record says of a run, whatever has happened to it."""

from __future__ import annotations

import json

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._record.record import (
    Limits,
    PodEntry,
    Requested,
    RunError,
    RunRecord,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.run_file import RunFile

POD = {"provider": "runpod", "id": "abc", "name": "podyard-digits-r1-0-1", "usd_per_hour": 0.5}
LIMITS = {"max_price": 0.8, "max_cost": 0, "max_hours": None}
REQUESTED = {"gpus": ["RTX 4090", "RTX A6000"], "gpu_count": 1, "image": "me/train:1"}


def test_the_limits_and_the_requested_pod_are_kept(tmp_path):
    file = RunFile(tmp_path / "r1")
    file.apply(values={"limits": LIMITS, "requested": REQUESTED})
    record = file.read()
    assert record.limits == Limits(0.8, 0, None), "a limit of 0 is not none"
    assert record.requested == Requested(["RTX 4090", "RTX A6000"], 1, "me/train:1")
    assert json.loads(file.path.read_text())["limits"] == LIMITS


def test_a_record_without_them_does_not_say_that_there_was_no_limit(tmp_path):
    record, _changed = RunFile(tmp_path / "r1").apply(begin="plan")
    assert (record.limits, record.requested) == (None, None)


@pytest.mark.parametrize(
    "limits", [{**LIMITS, "max_cost": "5"}, {**LIMITS, "max_cost": float("nan")}, {"max_cost": 5.0}, 5, [LIMITS]]
)
def test_a_limit_that_cannot_be_read_is_refused_and_in_a_damaged_file_unknown(tmp_path, limits):
    file = RunFile(tmp_path / "r1")
    with pytest.raises(RunError, match=r"^limits of a record cannot be written: "):
        file.apply(values={"limits": limits})
    assert not file.path.exists()
    assert RunRecord.from_json({"limits": limits}).limits is None


@pytest.mark.parametrize("word", ["yes", 1, None, "true", []])
def test_only_true_is_a_proof(word):
    assert PodEntry.from_json({**POD, "gone_proved": word}).gone_proved is False


def test_a_pod_is_known_by_what_can_be_read_of_it():
    odd = {"id": 77, "provider": 5, "usd_per_hour": float("inf"), "gpu": {}, "gpu_count": "two", "rented_at": 5}
    assert PodEntry.from_json(odd) == PodEntry("5", "77")
    assert PodEntry.from_json({"id": "77"}).provider == "unknown"
    record = RunRecord.from_json({"pods": [POD, {"id": {}}, None, {"name": "without an id"}, odd]})
    assert [pod.id for pod in record.pods] == ["abc", "77"]
    assert record.unproved_pods == record.pods


@pytest.mark.foreign_records
def test_what_a_newer_version_wrote_is_kept(tmp_path):
    file = RunFile(tmp_path / "r1")
    file.apply(values={"pods": [POD]})
    newer = json.loads(file.path.read_text())
    newer["colour"], newer["pods"][0]["shape"] = "blue", {"sides": 4}
    file.path.write_text(json.dumps(newer))
    file.apply(begin="provision", values={"pods": [{**POD, "gpu": "RTX 4090"}]})
    written = json.loads(file.path.read_text())
    assert written["colour"] == "blue" and written["pods"][0]["shape"] == {"sides": 4}
    assert written["pods"][0]["gpu"] == "RTX 4090"
