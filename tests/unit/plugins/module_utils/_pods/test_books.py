# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever became of a run's ledger and record, its pods are ended; and where the books fail, the list is gone by."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._pods import books, ledger
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.plugins.module_utils._pods.terminate import give_back_run
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import PREFIX, FakeCloud, FakeTime, Lines, pod

NAME = f"{PREFIX}0-1"
MADE = {"event": "created", "name": NAME, "provider": "fake", "id": "p1", "usd_per_hour": 0.69}
CREATED = json.dumps({"time": "2026-01-01T00:00:00Z", **MADE})
ODD_LINES = {
    "an odd byte": b'{"event": "created", "name": "\xff\xfe"}',
    "null": b"null",
    "a number": b"17",
    "a list": b"[1, 2]",
    "text": b'"created"',
    "NaN": b"NaN",
    "nothing but zeros": b"\0" * 4096,
    "depth": b"[" * 60_000,
    "a great number": b"1" * 5000,
    "a torn line": b'{"time": "2026-01-01T00:00:00Z", "event": "crea',
    "a line without end": b"x" * 200_000,
    "no name": b'{"event": "created", "provider": "fake", "id": "p1"}',
    "a name that is none": b'{"event": "created", "name": ["x"], "provider": "fake", "id": "p1"}',
    "an unknown event": b'{"event": "eaten", "name": "x", "provider": "fake"}',
    "a provider that is none": b'{"event": "created", "name": "x", "provider": 5}',
}


def give_back(cloud, run_dir, time=None, said=None, **arguments):
    time = time or FakeTime()
    progress = said if said is not None else Lines()
    return give_back_run(cloud, PREFIX, polls=time.polls(), progress=progress, ledger=Ledger(run_dir), **arguments)


@pytest.mark.parametrize("what", ODD_LINES)
@pytest.mark.parametrize("last", [True, False])
def test_an_odd_line_costs_itself_and_no_more(tmp_path, what, last):
    lines = [ODD_LINES[what], CREATED.encode()]
    (tmp_path / ledger.FILE).write_bytes(b"\n".join(reversed(lines) if last else lines) + b"\n" * (not last))
    look = Ledger(tmp_path).look()
    assert [event["id"] for event in look.events] == ["p1"]
    assert "1 line of" in look.problem
    cloud = FakeCloud(pod("p1", NAME), pod("p2", f"{PREFIX}0-2"))
    results = give_back(cloud, tmp_path)
    assert {result["id"] for result in results} == {"p1", "p2"} and all(result["gone_proved"] for result in results)
    assert not cloud.pods


ODD_FIELDS = [
    ("time", value) for value in (None, 5, "yesterday", "2026-01-01T00:00:00", ["x"], "9999999-01-01T00:00:00Z", True)
]
ODD_FIELDS += [("usd_per_hour", value) for value in ("free", float("nan"), float("inf"), 10**400, [1], {}, True)]
ODD_FIELDS += [("gpu", value) for value in (5, [], {"a": 1}, None)]
ODD_FIELDS += [("reason", value) for value in (5, [], None)]
ODD_FIELDS += [("account", value) for value in (5, [], None, {})] + [("key_hash", value) for value in (5, [], None)]


@pytest.mark.parametrize(("field", "value"), ODD_FIELDS)
def test_a_field_of_another_type_keeps_no_pod(tmp_path, field, value):
    (tmp_path / ledger.FILE).write_text(json.dumps({**json.loads(CREATED), field: value}) + "\n")
    cloud = FakeCloud()
    (result,) = give_back(cloud, tmp_path)
    assert (result["id"], result["gone_proved"]) == ("p1", True)
    json.dumps(result, allow_nan=False)


def test_an_id_that_is_a_number_names_the_pod(tmp_path):
    (tmp_path / ledger.FILE).write_text(json.dumps({**json.loads(CREATED), "id": 123}) + "\n")
    cloud = FakeCloud(pod("123", NAME))
    (result,) = give_back(cloud, tmp_path)
    assert (result["id"], result["gone_proved"]) == ("123", True)


def test_two_pods_of_one_name_are_both_ended(tmp_path):
    """Of a create that was sent twice both may have come."""
    first = json.loads(CREATED)
    lines = [first, {**first, "id": "p2"}, {**first, "id": "p1", "event": "gone"}]
    (tmp_path / ledger.FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (result,) = give_back(FakeCloud(), tmp_path)
    assert result["id"] == "p2"


def test_a_gigabyte_of_nonsense_is_not_read(tmp_path):
    path = tmp_path / ledger.FILE
    with open(path, "wb") as file:
        file.write(CREATED.encode() + b"\n")
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + CREATED.replace("p1", "p2").encode() + b"\n")
    look = Ledger(tmp_path).look()
    assert [event["id"] for event in look.events] == ["p1", "p2"], "its sound lines are at its ends"
    assert "bytes and is not what this collection wrote" in look.problem


def in_its_place(path, what):
    if what == "a directory":
        path.mkdir()
    elif what == "a pipe":
        os.mkfifo(path)
    elif what == "a link to nowhere":
        path.symlink_to("nowhere")
    elif what == "an empty file":
        path.write_text("")


@pytest.mark.parametrize("what", ["nothing", "a directory", "a pipe", "a link to nowhere"])
def test_without_a_ledger_the_list_is_looked_at_again_past_the_grace(tmp_path, what):
    in_its_place(tmp_path / ledger.FILE, what)
    time, cloud, said = FakeTime(), FakeCloud(), Lines()

    def listing(_argument):
        if time.now >= 1030 and not cloud.count("terminate"):
            cloud.pods["p1"] = pod("p1", NAME)
        return [*cloud.pods.values()]

    cloud.plan("list", *[listing] * 99)
    (result,) = give_back(cloud, tmp_path, time, said)
    assert result["gone_proved"] and not cloud.pods
    assert any(ledger.FILE in line for line in said.said), "what could not be read is told"
    empty, before = FakeCloud(), time.now
    (tmp_path / "other").mkdir()
    in_its_place(tmp_path / "other" / ledger.FILE, what)
    assert give_back(empty, tmp_path / "other", time) == []
    assert time.now - before >= 60 and empty.count("list") >= 3


def test_an_error_of_the_disk_is_a_ledger_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / ledger.FILE).write_text(CREATED + "\n")

    def failing(*_arguments):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(books.os, "pread", failing)
    look = Ledger(tmp_path).look()
    assert look.events == [] and "Input/output error" in look.problem
    cloud = FakeCloud(pod("p1", NAME))
    (result,) = give_back(cloud, tmp_path)
    assert result["gone_proved"] and not cloud.pods


def test_an_empty_ledger_that_is_whole_is_believed(tmp_path):
    Ledger(tmp_path).open()
    time = FakeTime()
    assert give_back(FakeCloud(), tmp_path, time) == []
    assert time.slept == []


RECORD = {"pods": [{"provider": "fake", "id": "p1", "name": NAME, "usd_per_hour": 0.5, "gone_proved": None}]}
ODD_PODS = [None, {}, [None, 5, {"id": 7}], [{**RECORD["pods"][0], "id": {}}]]
ODD_RECORDS = [None, 5, [], *({"pods": pods} for pods in ODD_PODS)]


@pytest.mark.foreign_records
def test_what_only_the_record_knows_is_ended_by_its_id(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    cloud = FakeCloud()
    results = give_back(cloud, tmp_path)
    assert [(result["id"], result["gone_proved"]) for result in results] == [("p1", True)]
    assert ("terminate", "p1") in cloud.calls


@pytest.mark.parametrize("record", ODD_RECORDS)
@pytest.mark.foreign_records
def test_an_odd_record_keeps_no_pod(tmp_path, record):
    Ledger(tmp_path).open()
    (tmp_path / "run.json").write_text(json.dumps(record))
    cloud = FakeCloud(pod("p1", NAME))
    (result,) = give_back(cloud, tmp_path)
    assert result["gone_proved"] and not cloud.pods


def test_what_is_known_is_told_to_end_before_the_list_is_asked_for(tmp_path):
    """The list may take minutes, or never come."""
    (tmp_path / ledger.FILE).write_text(CREATED + "\n")
    cloud = FakeCloud(pod("p1", NAME))
    give_back(cloud, tmp_path)
    verbs = [verb for verb, _argument in cloud.calls]
    assert verbs.index("terminate") < verbs.index("list")
    assert cloud.count("terminate") == 1, "and not a second time without need"


@pytest.mark.parametrize("kind", [errors.AuthError, errors.Unreachable, errors.ServerError])
def test_where_the_list_fails_the_pods_of_the_books_are_named(tmp_path, kind):
    (tmp_path / ledger.FILE).write_text(CREATED + "\n")
    cloud = FakeCloud(pod("p1", NAME)).plan("list", kind("no list")).plan("terminate", errors.ServerError("no"))
    with pytest.raises(kind) as caught:
        give_back(cloud, tmp_path)
    for words in ("no list", "NOT PROVED GONE", NAME, "p1", "on fake", "USD 0.69 per hour", "fake end p1"):
        assert words in str(caught.value)
    assert [result["id"] for result in caught.value.facts["pods_gone"]] == ["p1"]


def test_where_list_and_ledger_fail_a_person_is_told_what_to_look_for(tmp_path):
    cloud = FakeCloud().plan("list", errors.ServerError("no list"))
    with pytest.raises(errors.ServerError, match=f"console of fake for names that begin with {PREFIX}"):
        give_back(cloud, tmp_path)


def test_a_ledger_that_cannot_be_written_ends_no_give_back(tmp_path, monkeypatch):
    lines = [{**json.loads(CREATED), "event": "creating", "id": None, "name": f"{PREFIX}0-2"}, json.loads(CREATED)]
    (tmp_path / ledger.FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))

    def full(*_arguments, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ledger, "write", full)
    said = Lines()
    (result,) = give_back(FakeCloud(pod("p1", NAME)), tmp_path, said=said)
    assert result["gone_proved"]
    assert any("No space left on device" in line for line in said.said)
