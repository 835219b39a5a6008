# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operation of Vast.ai's stand-in, asked for what makes no sense: it refuses, and goes on as before.

The operations come from the route table and the fields from what the handlers read, so that new ones are asked, too.
"""

from __future__ import annotations

import json
import logging
import random
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from stand_in import PATIENCE, ServerThread
from vast_stand_in import KEY, Vast, wanted

from podyard_sandbox import vastai
from podyard_sandbox.vastai import templates
from podyard_sandbox.vastai.operations import OPERATIONS

# How often each operation is asked: with no body at all or one that is none, with one odd field, and with many.
_NO_BODIES, _SINGLE, _MANY = 4, 20, 6
_FIELD = re.compile(r"""(?:get|_text|_number|numbers?|amount)\((?:\w+, )?"(\w+)"|body\["(\w+)"\]""")
_NAME = re.compile(r'"(\w+)":')
# As they stand in a body; each is also tried as the value of a parameter of the query.
_ODD = (
    "null", "true", "false", "0", "-1", "1", "-0.0", "0.5", "1e400", "-1e400", "1" + "0" * 400, "9" * 5000, "NaN",
    "Infinity", "-Infinity", "[]", "[1]", "[[]]", "[null]", "[[[],[]]]", '[{"col":[]}]', '[["dph_total",[]]]', "{}",
    '{"a":1}', '{"eq":{}}', '{"eq":null}', '{"in":1}', '{"in":[[]]}', '{"gt":[]}', '{"like":"x"}', '{"col":{}}',
    '{"gte":1e400}', '{"lte":"nan"}', '{"api":[]}', '{"api":{"misc":[]}}', '{"create_new":true,"size":-1}',
    '{"create_new":true,"size":"nan"}', '{"-p x:y":"1"}', '{"-p 8080:99999999999":"1"}', '{"-v V.9:/x":"1"}',
    '{"-v V.' + "9" * 5000 + ':/x":"1"}', '{"-h":"_"}', '{"A=B":"1"}', '{"":""}', '{"A":[]}', '""', '" "', '"nan"',
    '"inf"', '"-1"', '"1e400"', '"x"', '"²"', '"١٢"', '"1_000"', f'"{"9" * 5000}"', f'"{"x" * 40_000}"', '"\'"',
    '"-e A=\'x"', '"\\u0000"', '"\\ud800"', '"é"', '"\\u202e"', '"../.."', '"2026-13-45"', '"99999-01-01"', '"running"',
)  # fmt: skip
_BODIES = (
    b"", b" ", b"null", b"[]", b"1", b'"x"', b"{", b"{]", b"NaN", b'{"disk":NaN}', b'{"limit":1e400}', b'{"a":"\xff"}',
    b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b'{"a":"\xed\xa0\x80"}', b'{"\\ud800":1}', b"[" * 50_000,
    b'{"a":' * 50_000,
    b'{"q":' + b"[" * 50_000 + b"]" * 50_000 + b"}", b'{"q":' + b'{"a":' * 200 + b"1" + b"}" * 201, b"a=b&c=d",
)  # fmt: skip
_TYPES = ("application/json", "text/plain", "multipart/form-data", "x", "application/json; charset=nothing")
_HEADERS: tuple[dict[str, bytes | str], ...] = (
    {"Authorization": b"Bearer \xff\xfe"}, {"Authorization": "Bearer"}, {"Authorization": "Basic eA=="},
    {"Authorization": b"Bearer \xe2\x82"}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "deflate"},
    {"Content-Encoding": "nothing"}, {"Content-Type": ""},
)  # fmt: skip
_IDS = ("0", "-1", "x", "²", "١٢", "%ff", "%00", "9" * 4400, "1.5", "V.1", "%ed%a0%80", "'", "1 2", "{x}", "%2e%2e")


def _fields(pattern: re.Pattern[str]) -> list[str]:
    """The names that stand in the handlers where they look at what was sent."""
    folder = Path(vastai.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))]
    found = {"".join(name) for text in texts for name in pattern.findall(text)}
    return sorted(found | set(templates.COLUMNS))


class Asker:
    """Asks, and looks at each answer."""

    def __init__(self, vast: Vast, template: str) -> None:
        self.vast = vast
        self.failed: list[str] = []
        self.asked = 0
        self._good = {**wanted(), "template_hash_id": template, "ssh_key": KEY, "key": "A", "value": "b", "name": "n",
                      "ids": [1], "instance_ids": [1], "price": 0.5, "q": {}, "command": "ls", "amount": 1.0,
                      "permissions": {"api": {}}, "state": "running", "size": 5}  # fmt: skip

    def good(self) -> dict[str, str]:
        """A body in which each operation finds something it wants, field by field as JSON."""
        return {name: json.dumps(value) for name, value in self._good.items()}

    def ask_odd(self, method: str, path: str, odd: dict[str, str]) -> None:
        """Ask with some odd fields, in the body and in the query."""
        members = ",".join(f'"{field}":{value}' for field, value in {**self.good(), **odd}.items())
        asked = {field: value.strip('"')[:60] for field, value in odd.items()}
        self.ask(method, path, f"{{{members}}}".encode(), params=asked)

    def ask(self, method: str, path: str, data: bytes | None, **options: Any) -> None:
        self.asked += 1
        url = f"{self.vast.sandbox.url}/api{path}"
        try:
            trouble = _trouble(self.vast.session.request(method, url, data=data, timeout=PATIENCE, **options))
        except requests.ConnectionError as error:
            trouble = str(error)
        if trouble:
            self.failed.append(f"{method} {path[:80]} {options} {(data or b'')[:120]!r}: {trouble}")


def _trouble(answer: requests.Response) -> str | None:
    if answer.status_code >= 500:
        return f"{answer.status_code} {answer.text[:200]}"
    if answer.request.method == "HEAD":
        return None
    if answer.headers.get("Content-Type") != "application/json":
        return f"{answer.headers.get('Content-Type')}"
    try:
        body = json.loads(answer.content, parse_constant=_no_json)
    except ValueError as error:
        return f"{error}: {answer.text[:200]}"
    if answer.status_code >= 400 and not (isinstance(body, dict) and {"msg", "error"} & set(body)):
        return f"no refusal of the service's: {answer.text[:200]}"
    return None


def _no_json(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _path(path: str, dice: random.Random, known: str) -> str:
    """The path with one of its places filled as odd as may be, and the others well."""
    path = re.sub(r"\{\w+\}", dice.choice((known, known, *_IDS)), path, count=1)
    return re.sub(r"\{(id|key)\}(?=/|$)", known, path)


@pytest.fixture
def vast(unrecorded_sandbox: ServerThread) -> Vast:
    return Vast(unrecorded_sandbox)


def test_nothing_that_is_asked_breaks_the_stand_in(vast: Vast, caplog: pytest.LogCaptureFixture) -> None:
    dice, fields, names = random.Random(20_261_130), _fields(_FIELD), _fields(_NAME)
    assert {"disk", "order", "tail", "env", "args_str", "limit", "select_filters", "after_token"} <= set(fields)
    vast.post("/v0/ssh/", {"ssh_key": KEY})
    template = vast.post("/v0/template/", {"name": "t", "image": "a/b"}).json()["template"]["hash_id"]
    asker = Asker(vast, template)
    with caplog.at_level(logging.WARNING):
        for operation in OPERATIONS.values():
            method, path = operation.method, operation.path
            known = next(iter(vast.list()), {"id": 0})["id"] or vast.made(vast.offers(limit=1)[0]["id"])
            for data in dice.sample(_BODIES, _NO_BODIES):
                asker.ask(method, _path(path, dice, str(known)), data)
            for count in (*[1] * _SINGLE, *[5] * _MANY):
                odd = {field: dice.choice(_ODD) for field in dice.sample(dice.choice((fields, fields, names)), count)}
                asker.ask_odd(method, _path(path, dice, str(known)), odd)
        for path in {operation.path for operation in OPERATIONS.values()}:
            for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "PROPFIND"):
                asker.ask(method, _path(path, dice, "7"), None, headers={"Content-Type": dice.choice(_TYPES)})
        for header in _HEADERS:
            asker.ask("PUT", f"/v0/instances/{known}", b'{"label":"x"}', headers=header)
    assert not asker.failed, "\n".join(asker.failed)
    assert not [record for record in caplog.records if record.exc_info], caplog.text
    assert 0 < vast.get("/v0/users/current/").json()["credit"] <= vast.sandbox.server.vast.account.deposit
    assert all(vast.delete(f"/v0/instances/{row['id']}/").status_code == 200 for row in vast.list())
    assert vast.running(vast.offers(limit=1)[0]["id"])
