# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a cloud as no documentation has them: one value of a real one in another shape, and bodies that are odd as
a whole.
"""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.podyard.gpu.plugins.module_utils._http import session

# Written into the JSON as they are; some of them no JSON writer makes.
ODD = (
    "null", "true", "false", "0", "-1", "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" + "0" * 400, "1e308",
    "1.5", '""', '" "', '"nan"', '"Infinity"', '"1e400"', '"x"', '"12"', '"-p 1"', '"\\ud83d"', '"\\u0000"',
    '"../../x"', '"' + "y" * 10_000 + '"', "[]", "{}", "[[]]", "[1]", "[null]", '["x"]', '{"id": {"id": []}}',
    '{"x": NaN}', "[" * 60 + "]" * 60,
)  # fmt: skip
#: Bodies that are odd as a whole.
BODIES = (
    "", "null", "NaN", "[]", "{}", "true", '"text"', "<html>", "[null]", "1e400", "[" * 50_000 + "]" * 50_000,
    '{"a":' * 50_000 + "1" + "}" * 50_000, '{"id": ', "9" * 5_000,
)  # fmt: skip
HOLE = "(the odd value)"
# No operation asks more often, so whoever does goes round in circles.
MOST_REQUESTS = 30
Answer = Callable[[str, str], Any]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON value."""
    yield path
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from places(inside, (*path, key))
    elif isinstance(value, list):
        for index, inside in enumerate(value):
            yield from places(inside, (*path, index))


def with_odd(value: Any, path: tuple[Any, ...], odd: str) -> bytes:
    """The JSON text of `value` with what lies at `path` replaced by the text `odd`."""
    if not path:
        return odd.encode()
    changed = copy.deepcopy(value)
    inside = changed
    for part in path[:-1]:
        inside = inside[part]
    inside[path[-1]] = HOLE
    return json.dumps(changed).replace(json.dumps(HOLE), odd).encode()


class OddCloud:
    """Answers what `answer(method, path)` says, but the request number `number` with `body`.

    It takes the place of the wire below every session, so that a thousand conversations take a second.
    """

    def __init__(self, answer: Answer, number: int | None = None, body: bytes = b"", status: int = 200) -> None:
        self.answer, self.number, self.body, self.status = answer, number, body, status
        self.asked: list[tuple[str, str]] = []

    def send(self, _session: Any, method: str, path: str, *_others: Any, **_more: Any) -> Any:
        count = len(self.asked)
        self.asked.append((method, path))
        assert count < MOST_REQUESTS, f"asked without an end: {self.asked[-3:]}"
        if count == self.number:
            return session.decode(self.status, self.body, {})
        return session.decode(200, json.dumps(self.answer(method, path)).encode(), {})


def conversations(answer: Answer, asked: list[tuple[str, str]], seed: int, most: int) -> Iterator[OddCloud]:
    """Clouds that answer one of these requests oddly: with every odd body, and with a sample of odd values, the same
    each time.
    """
    for number in range(len(asked)):
        yield from (OddCloud(answer, number, body.encode(), status) for body in BODIES for status in (200, 400))
    choices = [
        (number, path, odd)
        for number, (method, place) in enumerate(asked)
        for path in places(answer(method, place))
        for odd in ODD
    ]
    for number, path, odd in random.Random(seed).sample(choices, min(most, len(choices))):
        yield OddCloud(answer, number, with_odd(answer(*asked[number]), path, odd))


def assert_finite(value: Any) -> None:
    """Say so when a result holds a number that strict JSON does not know."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for inside in value:
            assert_finite(inside)
    elif isinstance(value, float):
        assert math.isfinite(value), value
