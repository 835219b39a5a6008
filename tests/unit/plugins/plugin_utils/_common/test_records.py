# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records are read strictly, or by what of them can be read, and written as they were."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._common.records import OPTIONAL, Record


@dataclass
class Part(Record):
    name: str
    size: float | None = None


@dataclass
class Whole(Record):
    kind: Literal["small", "large"]
    count: int = 0
    done: bool = False
    anything: Any = None
    first: Part | None = None
    parts: list[Part] = field(default_factory=list)
    places: dict[str, str] | None = None
    note: str | None = field(default=None, metadata=OPTIONAL)


FULL = {
    "kind": "large",
    "count": 2,
    "done": True,
    "anything": [{"a": None}],
    "first": {"name": "a", "size": 1.5},
    "parts": [{"name": "b", "size": None}, {"name": "c", "size": 3}],
    "places": {"x": "y"},
}


def test_what_is_read_is_written():
    assert Whole.from_json(FULL).to_json() == FULL
    assert Whole.from_json({**FULL, "note": "n"}).to_json() == {**FULL, "note": "n"}


def test_the_fields_of_a_newer_version_are_kept_at_every_depth():
    newer = {**FULL, "new": {"a": [1]}, "parts": [{"name": "b", "size": None, "also": True}]}
    assert Whole.from_json(newer).to_json() == newer


def test_what_is_written_shares_nothing_with_the_record():
    whole = Whole.from_json(FULL)
    written = whole.to_json()
    written["anything"].append(1)
    written["parts"].clear()
    assert whole.to_json() == FULL


WRONG = [
    ({"kind": "huge"}, "'kind': it is a text and not one of small, large"),
    ({"count": 1.5}, "'count': it is a number and not a whole number"),
    ({"count": True}, "'count': it is true or false and not a whole number"),
    ({"done": 1}, "'done': it is a number and not true or false"),
    ({"first": {"size": 1}}, "'first': 'name' is missing"),
    ({"first": {"name": "a", "size": float("nan")}}, "'first': 'size': it is not a finite number"),
    ({"first": {"name": "a", "size": float("inf")}}, "'first': 'size': it is not a finite number"),
    ({"first": {"name": "a", "size": 10**400}}, "'first': 'size': it is not a finite number"),
    ({"first": []}, "'first': it is a list and not an object"),
    ({"parts": {}}, "'parts': it is an object and not a list"),
    ({"parts": [{"name": "b"}, 5]}, "'parts': entry 1: it is a number and not an object"),
    ({"places": {"x": None}}, "'places': 'x': it is null and not a text"),
]


@pytest.mark.parametrize(("change", "sentence"), WRONG)
def test_a_wrong_field_is_named_and_its_value_is_not(change, sentence):
    with pytest.raises(ValueError, match=r"^") as raised:
        Whole.from_json({**FULL, **change})
    assert str(raised.value) == sentence


@pytest.mark.parametrize("change", [change for change, _sentence in WRONG if "kind" not in change])
def test_what_is_damaged_costs_what_it_held(change):
    (name,) = change
    whole = Whole.from_json({**FULL, **change}, salvage=True)
    rest = {key: value for key, value in whole.to_json().items() if key != name}
    assert rest == {key: value for key, value in FULL.items() if key != name}


def test_a_list_loses_only_the_entries_that_are_damaged():
    whole = Whole.from_json({**FULL, "parts": [5, {"name": "b"}, {"size": 1}, None]}, salvage=True)
    assert whole.parts == [Part("b")]


@pytest.mark.parametrize("found", [None, [], "text", 5])
def test_what_is_no_object_is_no_record(found):
    for salvage in (True, False):
        with pytest.raises(ValueError, match=r"not an object"):
            Whole.from_json(found, salvage=salvage)
