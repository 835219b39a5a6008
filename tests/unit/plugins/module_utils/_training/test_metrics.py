# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training writes is cleaned where it comes in: whatever that is, the rest of the run can write it as JSON."""

from __future__ import annotations

import json

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._training import metrics as module


def test_lines_that_are_no_objects_are_left_out():
    assert module.json_lines(b'{"a": 1}\nx\n[1]\n\n{"b": 2}\r\n{"c"') == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e999", "Infinity"),
        ("-1e999", "-Infinity"),
        ("1e-999", 0.0),
        ("0.1", 0.1),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("9" * 41, "9" * 41),
        ("9" * 10_000, "9" * 2000 + "…"),
        ("true", True),
        ("null", None),
        ('"caf\\udce9.jpg"', "caf\\udce9.jpg"),
        ('"\\ud83d\\ude00"', "😀"),
        ('"a\\u0000b"', "a\0b"),
        ('"' + "x" * 5000 + '"', "x" * 2000 + "…"),
        ("[1, [2, NaN]]", [1, [2, "NaN"]]),
        ('{"a": {"b": Infinity}}', {"a": {"b": "Infinity"}}),
    ],
)
def test_values(written, kept):
    [row] = module.json_lines(b'{"x": %s}\n' % written.encode())
    assert row == {"x": kept}
    json.dumps(row, allow_nan=False, ensure_ascii=False).encode()


def test_names():
    line = b'{"caf\\udce9": 1, "' + b"n" * 1000 + b'": 2, "": 3}'
    assert module.json_lines(line) == [{"caf\\udce9": 1, "n" * 200 + "…": 2, "": 3}]


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [7, 100, 500, 100_000])
def test_depth(opening, depth):
    closing = {b"[": b"]", b'{"a":': b"}"}[opening]
    rows = module.json_lines(b'{"x": ' + opening * depth + b"1" + closing * depth + b"}\n" + b'{"y": 1}\n')
    assert rows[-1] == {"y": 1}
    assert len(json.dumps(rows)) < 200


def test_many_values_are_cut():
    [row] = module.json_lines(b'{"x": [' + b"1," * 100_000 + b'1], "y": 1}')
    assert len(row["x"]) == module.MOST_VALUES - 1


@pytest.mark.parametrize(
    ("value", "found"),
    [(1, 1.0), (0.5, 0.5), (True, None), ("1", None), (None, None), ([], None), (float("nan"), None), (10**400, None)],
)
def test_a_number_is_a_finite_one(value, found):
    assert module.number(value) == found
