# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one writer of JSON: whatever it is given, what it writes is strict."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._core.values import to_json
from ansible_collections.podyard.gpu.plugins.module_utils._http.exchange import encoded
from ansible_collections.podyard.gpu.plugins.plugin_utils._common.files import write_json


def refuse(word):
    raise AssertionError(f"{word} is no JSON")


def nested(depth):
    value: Any = 1
    for _level in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": [1, 0.5, None, True, "ä"]}, {"a": [1, 0.5, None, True, "ä"]}),
        ({"a": float("nan"), "b": [float("inf"), -float("inf")]}, {"a": None, "b": [None, None]}),
        ({"caf\udce9": "\ud800", "b": ("x", 1)}, {"caf\\udce9": "\\ud800", "b": ["x", 1]}),
        ({"a": 10**5000, "b": 10**30, "c": float("nan")}, {"a": None, "b": 10**30, "c": None}),
    ],
)
def test_what_is_written_is_strict(tmp_path, value, written):
    write_json(tmp_path / "x.json", value)
    for text in ((tmp_path / "x.json").read_bytes(), to_json(value)):
        assert json.loads(text, parse_constant=refuse) == written


def test_what_is_nested_too_deep_is_cut():
    assert to_json({"a": nested(100_000)}).count("[") <= 101


def test_a_request_with_a_number_that_is_none_is_not_sent():
    assert encoded({"a": 1.5}) == b'{"a": 1.5}'
    with pytest.raises(BadRequest, match="contains a number that JSON cannot express"):
        encoded({"max_price": float("nan")})
