# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values, bodies, ids and queries that no sensible client sends."""

from __future__ import annotations

import copy
import json
import random
from typing import Any


class Raw:
    """JSON that Python would not write."""

    def __init__(self, text: str) -> None:
        self.text = text


VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 10**9, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 10**30, 1e308, -0.0, "", " ", "y",
    "\0",
    "\ud800", "x" * 5000, "é漢🎉", "١٢", "9" * 4400 + ".1", "1" * 4400, "12.11", "NaN", "-1", "1e400",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "10000-01-01T00:00:00Z", "12026-11-30T00:00:00Z", [], [1],
    [None],
    [[]], ["x", {}], {}, {"a": 1}, {"id": {}}, {"\ud800": "\udfff"}, {"": ""}, [0] * 300,
    {str(key): "v" for key in range(60)},
    Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e400"), Raw("-1e400"), Raw("1" + "0" * 400), Raw("1e-400"),
    Raw('"\\ud83d"'), Raw('{"a": 1, "a": 2}'), Raw("[" * 90 + "]" * 90), Raw("[" * 900 + "]" * 900),
    Raw("[" * 50_000 + "]" * 50_000), Raw('{"a":' * 9_000 + "1" + "}" * 9_000),
)  # fmt: skip
# Bodies as they are.
BODIES: tuple[bytes, ...] = (
    b"", b"null", b"true", b"1", b'"text"', b"[]", b"{", b"}", b"\xff\xfe", b'{"name": "\xff"}', b"\xef\xbb\xbf{}",
    '{"name": "x"}'.encode("utf-16"), b"NaN", b"[" * 50_000 + b"]" * 50_000, b'{"a":' * 16_000 + b"1" + b"}" * 16_000,
    b"[" * 50_000, b'{"a": 1' + b"0" * 5000 + b"}", b"name=x&image=y", b"\0" * 100, b"x" * 200_000, b"{}" * 2,
)  # fmt: skip
TYPES = (
    "application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/\xff",
    "",
)  # fmt: skip
IDS = (
    "none", "%00", "%FF%FE", "%2F..%2F..", "%2e%2e", "é%20", "a" * 3000, "%F0%9F%8E%89",
    "'\"<>", "{id}", "-1",
    "null", "%0d%0a",
    "action", "logs",
)  # fmt: skip
QUERIES = (
    "", "limit=NaN", "limit=1e400", f"limit={'9' * 400}", "limit=-1", "limit=", "limit=%D9%A1", "limit=1&limit=x",
    "cursor=%FF",
    "cursor=", "cursor=bmFtZTo=", "cursor=cG9kczo5OTk5OTk5OTk=", "tail=[1]", "tail=NaN", "tail=",
    "since=12026-01-01T00:00:00Z",
    "since=y", "source=[1]", "include=AVAILABILITY&product=POD&minCudaVersion=y",
    "include=AVAILABILITY&product=POD&count=1e400",
    f"include=AVAILABILITY&product=POD&minCudaVersion={'9' * 4400}", "include=[1]", "product=,", "countryCodes=%00",
    "source=%FF",
    "startTime=2026-01-01T00:00:00Z&endTime=9999-12-31T23:59:59Z", "endTime=9999-12-31T23:59:59Z&bucketSize=year",
    "endTime=10000-01-01T00:00:00Z", "startTime=0001-01-01T00:00:00Z&bucketSize=week",
    "startTime=0001-01-01T00:00:00+23:59",
    "lastN=10000&bucketSize=year", "lastN=NaN", "lastN=0", "bucketSize=[1]", "startTime=2026-11-30",
    "endTime=2026-W01-1",
    "podId=%00", "vcpuCount=0", "include=AVAILABILITY&product=POD&vcpuCount=-2", "api_key=%FF", "%FF=%FE", "[]=1",
)  # fmt: skip


def text_of(value: Any) -> str:
    """A document, with the raw pieces in it."""
    raws: list[str] = []

    def default(piece: Any) -> str:
        raws.append(piece.text)
        return f"@raw{len(raws) - 1}@"

    text = json.dumps(value, default=default)
    for number, raw in enumerate(raws):
        text = text.replace(f'"@raw{number}@"', raw)
    return text


def mutated(dice: random.Random, body: Any) -> Any:
    """A body with an odd value somewhere in it."""
    changed = copy.deepcopy(body)
    places = list(_places(changed))
    holder, key = dice.choice(places) if places else ({}, "name")
    if isinstance(holder, dict) and dice.random() < 0.15:
        key = dice.choice(("extra", "", "__proto__", "id"))
    holder[key] = dice.choice(VALUES)
    return changed


def _places(value: Any) -> Any:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield value, key
        yield from _places(each)
