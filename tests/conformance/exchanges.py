# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded exchanges against the description: every answer of the sandbox, and every request of our driver.

Requests of others are not judged: tests send wrong ones on purpose, to see them refused.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from description import Description, Fault, Operation
from deviations import Deviations

OURS = "podyard.gpu/"
PROBLEM = "application/problem+json"
ERROR: Mapping[str, Any] = {"$ref": "#/components/schemas/ErrorResponse"}
# What may meet any request before it is looked at more closely: no key, no right, too many, or a failure.
_AT_THE_DOOR = (401, 403, 429)
_WINDOWS = {
    "ratelimit": re.compile(r'"minute";r=\d+;t=\d+, "hour";r=\d+;t=\d+, "day";r=\d+;t=\d+'),
    "ratelimit-policy": re.compile(r'"minute";q=\d+;w=60, "hour";q=\d+;w=3600, "day";q=\d+;w=86400'),
}
# Header by header what the description says in words, not in its schema.
_ALWAYS = {"cache-control": "no-cache", "connection": "keep-alive", "x-accel-buffering": "no"}
_EVENT_ID = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/\d+")
_EVENT: Mapping[str, Any] = {
    "type": "object",
    "required": ["ts", "source", "line"],
    "properties": {
        "ts": {"type": "string", "format": "date-time"},
        "source": {"$ref": "#/components/schemas/LogSource"},
        "line": {"type": "string"},
    },
}


@dataclass(frozen=True)
class Finding:
    """Something that is not as described. ``side`` is ``request`` or ``answer``."""

    operation: str
    side: str
    status: int | None
    where: str
    rule: str
    message: str
    struck: str  # the fault that was switched on in the sandbox and struck this request, or ""
    source: str

    def __str__(self) -> str:
        place = f"{self.operation} {self.side} {self.status or ''}".strip()
        return f"{self.source}: {place} at {self.where or '/'}: {self.rule}: {self.message}"


class Judge:
    """Checks exchange after exchange, and counts."""

    def __init__(self, description: Description, deviations: Deviations) -> None:
        self._description = description
        self._deviations = deviations
        self.operations = description.operations
        self._known: dict[str, list[Fault]] = {}
        self.findings: list[Finding] = []
        self.answers: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.statuses: set[tuple[str, int]] = set()

    def read(self, file: Path) -> None:
        """Check every line of a recorded file; the last may be half written if its sandbox was killed in the act."""
        lines = file.read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(lines, 1):
            if line and number < len(lines):
                self.check(json.loads(line), f"{file.name}:{number}")

    def check(self, entry: Mapping[str, Any], source: str) -> None:
        """Check one exchange."""
        if not entry["path"].startswith("/v2/"):
            return
        template = self._description.template(entry["path"])
        methods = self._description.methods(template) if template else {}
        operation = methods.get(entry["method"])
        found: list[tuple[str, Fault]] = []
        name = operation.name if operation else f"{entry['method']} {template or entry['path']}"
        if entry["agent"].startswith(OURS):
            self.requests[name] += 1
            found += [("request", fault) for fault in self._request(operation, entry)]
        if entry["status"] is not None:
            self.answers[name] += 1
            self.statuses.add((name, entry["status"]))
            found += [("answer", fault) for fault in self._answer(operation, template, methods, entry)]
        for side, fault in found:
            finding = Finding(
                name, side, entry["status"], fault.where, fault.rule, fault.message, entry["fault"] or "", source
            )
            if not self._deviations.explain(finding):
                self.findings.append(finding)

    # Requests

    def _request(self, operation: Operation | None, entry: Mapping[str, Any]) -> Iterator[Fault]:
        if operation is None:
            yield Fault("", "no-operation", "the description has no such operation")
            return
        for name, text in entry["query"]:
            parameter = operation.parameters.get(name)
            if parameter is None:
                yield Fault(f"?{name}", "unknown-parameter", "the description has no such query parameter")
            else:
                value = _decoded(self._description.whole(parameter["schema"]), parameter, text)
                for fault in self._faults(parameter["schema"], value):
                    yield Fault(f"?{name}{fault.where}", fault.rule, fault.message)
        yield from self._request_body(operation, entry["request"])

    def _request_body(self, operation: Operation, sent: Mapping[str, Any]) -> Iterator[Fault]:
        wanted = self._description.whole(operation.body.get("requestBody"))
        if sent.get("unread"):  # it was refused before all of it had come
            return
        if wanted is None:
            if "json" in sent or "text" in sent:
                yield Fault("", "no-body", "the operation takes no body")
        elif "json" not in sent:
            yield Fault("", "body", f"the operation wants a JSON body and got {sent}")
        elif sent["type"] not in wanted["content"]:
            yield Fault("", "content-type", f"{sent['type']!r} is none of {list(wanted['content'])}")
        else:
            yield from self._faults(wanted["content"][sent["type"]]["schema"], sent["json"])

    # Answers

    def _answer(
        self,
        operation: Operation | None,
        template: str | None,
        methods: Mapping[str, Operation],
        entry: Mapping[str, Any],
    ) -> Iterator[Fault]:
        status = entry["status"]
        if "x-request-id" not in entry["headers"]:
            yield Fault("x-request-id", "header", "every answer has it")
        if operation is None:
            yield from _beside(template, methods, entry)
        response = operation.response(status) if operation else None
        if response is None:
            if operation is not None:
                yield Fault("status", "undocumented-status", f"{status} is no answer of this operation")
            if status >= 400:
                yield from self._content({PROBLEM: {"schema": ERROR}}, entry)
            return
        response = self._description.whole(response)
        content = list(self._content(response.get("content", {}), entry))
        yield from content
        if not any(fault.rule == "content-type" for fault in content):  # else this is not the service speaking
            yield from self._headers(response.get("headers", {}), entry["headers"])

    def _headers(self, wanted: Mapping[str, Any], given: Mapping[str, str]) -> Iterator[Fault]:
        for name, header in wanted.items():
            text = given.get(name.lower())
            if text is None:
                yield Fault(name, "header", "the description names this header, and it is missing")
            elif (form := _WINDOWS.get(name.lower())) is not None and not form.fullmatch(text):
                yield Fault(name, "header", f"{text!r} is not of its form")
            elif text != _ALWAYS.get(name.lower(), text):
                yield Fault(name, "header", f"{text!r} is not what the description says it always is")
            else:
                schema = self._description.whole(self._description.whole(header)["schema"])
                for fault in self._faults(schema, _decoded(schema, {}, text)):
                    yield Fault(name, "header", fault.message)

    def _content(self, wanted: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[Fault]:
        kind = entry["headers"].get("content-type", "").partition(";")[0]
        if not wanted:
            if entry["answer"]:
                yield Fault("", "no-body", "this answer has no body")
        elif kind not in wanted:
            yield Fault("content-type", "content-type", f"{kind!r} is none of {list(wanted)}")
        elif "events" in entry:
            for number, event in enumerate(entry["events"]):
                yield from self._event(event, number)
        elif kind != "text/event-stream":
            yield from self._body(wanted[kind]["schema"], entry)

    def _body(self, schema: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[Fault]:
        if "json" not in entry["answer"]:
            yield Fault("", "body", f"the body is no JSON: {entry['answer']}")
            return
        body = entry["answer"]["json"]
        yield from self._faults(schema, body)
        if schema.get("$ref") == ERROR["$ref"] and isinstance(body, dict):
            if body.get("status") != entry["status"]:
                yield Fault("/status", "status", f"the body says {body.get('status')}")
            if "errors" in body and entry["status"] != 422:
                yield Fault("/errors", "errors", "only a 422 lists errors")

    def _event(self, event: str, number: int) -> Iterator[Fault]:
        if event.startswith(":"):
            return
        lines = dict(line.partition(": ")[::2] for line in event.splitlines())
        if set(lines) != {"id", "data"} or not _EVENT_ID.fullmatch(lines["id"]):
            yield Fault(f"/{number}", "event", f"{event!r} is no event with an id of time and number, and data")
            return
        data = json.loads(lines["data"])
        for fault in self._faults(_EVENT, data):
            yield Fault(f"/{number}{fault.where}", fault.rule, fault.message)
        if not str(lines["id"]).startswith(str(data.get("ts")).removesuffix("Z")):
            yield Fault(f"/{number}", "event", f"the id {lines['id']!r} is not of the line's time {data.get('ts')!r}")

    def _faults(self, schema: Mapping[str, Any], value: Any) -> list[Fault]:
        """The same value is looked at once, however often it was sent: most answers to a poll are the last one's."""
        key = json.dumps([schema, value], sort_keys=True)
        if key not in self._known:
            self._known[key] = self._description.faults(schema, value)
        return self._known[key]


def _beside(template: str | None, methods: Mapping[str, Operation], entry: Mapping[str, Any]) -> Iterator[Fault]:
    """An answer to what the description does not know: 404 for a path, 405 with Allow for a method."""
    status = entry["status"]
    if status in _AT_THE_DOOR or status >= 500:
        return
    if template is None:
        if status != 404:
            yield Fault("status", "unknown-path", f"the description has no such path, and the answer is {status}")
    elif status != 405:
        yield Fault("status", "unknown-method", f"the description has no such method here, and the answer is {status}")
    elif set(entry["headers"].get("allow", "").split(", ")) != set(methods):
        yield Fault("Allow", "header", f"{entry['headers'].get('allow')!r} is not {sorted(methods)}")


def _decoded(schema: Mapping[str, Any], parameter: Mapping[str, Any], text: str) -> Any:
    """The value that a text in a query or a header stands for; a text that stands for none stays as it is."""
    if schema.get("type") == "array":
        return text.split(",") if parameter.get("explode") is False else [text]
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if schema.get("type") == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def report(findings: Iterable[Finding], most: int = 40) -> str:
    """The findings for a person: each kind once, with how often it was seen and where first."""
    kinds: dict[tuple, list[Finding]] = {}
    for each in findings:
        where = re.sub(r"/\d+", "/*", each.where)
        kinds.setdefault((each.operation, each.side, each.status, where, each.rule), []).append(each)
    lines = [f"{same[0]}" + (f" ({len(same)} times)" if len(same) > 1 else "") for same in kinds.values()]
    more = f"\n… and {len(lines) - most} other kinds" if len(lines) > most else ""
    return "\n".join(lines[:most]) + more
