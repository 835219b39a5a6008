# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded exchanges with Vast.ai against its own description: the sandbox's answers, and our driver's requests.

Requests of others are not judged: tests send wrong ones on purpose, to see them refused.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from description import Description, Fault, Operation
from deviations import Deviations
from exchanges import OURS, Finding

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "specs" / "vastai-openapi.yaml"
FILE = Path(os.environ.get("PODYARD_VASTAI_DESCRIPTION", _BESIDE))
ABSENT = f"Vast.ai's description of its API is not at {FILE}, so nothing is held against it"
_DEVIATIONS = Path(__file__).with_name("deviations_vastai.yml")
# Clients that the tests know read no answer with anything beside it.
_JSON = "application/json"
_TOO_MANY = 429
_NUMBER = re.compile(r"/\d+(/|$)")


@cache
def load() -> Description:
    """The saved description; only to be asked for where the file is."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the other takes seconds for a file of this size
    return Description(yaml.load(FILE.read_text(encoding="utf-8"), loader))


def deviations() -> Deviations:
    """Where sandbox and driver mean to differ from it."""
    return Deviations(yaml.safe_load(_DEVIATIONS.read_text(encoding="utf-8")))


class VastJudge:
    """Checks exchange after exchange, and counts."""

    def __init__(self, description: Description, meant: Deviations) -> None:
        self._description = description
        self.deviations = meant
        self._known: dict[str, list[Fault]] = {}
        self.findings: list[Finding] = []
        self.answers: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()

    def read(self, file: Path) -> None:
        """Check every line of a recorded file; the last may be half written if its sandbox was killed in the act."""
        lines = file.read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(lines, 1):
            if line and number < len(lines):
                self.check(json.loads(line), f"{file.name}:{number}")

    def check(self, entry: Mapping[str, Any], source: str) -> None:
        """Check one exchange."""
        if not entry["path"].startswith("/api/"):
            return
        path = entry["path"].rstrip("/")  # both are right, and the description has none
        template = self._description.template(path)
        if template is not None and "{" in template and not _NUMBER.search(path):
            template = None  # a word that stands where others have a number is an operation of its own
        operation = self._description.methods(template).get(entry["method"]) if template else None
        name = operation.name if operation else entry["operation"] or f"{entry['method']} {path}"
        found: list[tuple[str, Fault]] = []
        if entry["agent"].startswith(OURS):
            self.requests[name] += 1
            found += [("request", fault) for fault in self._request(operation, entry)]
        # An answer that a fault of the sandbox has shaped differs on purpose.
        if entry["status"] is not None and not entry["fault"]:
            self.answers[name] += 1
            found += [("answer", fault) for fault in self._answer(operation, entry)]
        for side, fault in found:
            finding = Finding(
                name, side, entry["status"], fault.where, fault.rule, fault.message, entry["fault"] or "", source
            )
            if not self.deviations.explain(finding):
                self.findings.append(finding)

    def _request(self, operation: Operation | None, entry: Mapping[str, Any]) -> Iterator[Fault]:
        if operation is None:
            yield Fault("", "no-operation", "the description has no such operation")
            return
        for name, _text in entry["query"]:
            if name not in operation.parameters:
                yield Fault(f"?{name}", "unknown-parameter", "the description has no such query parameter")
        wanted = self._description.whole(operation.body.get("requestBody"))
        sent = entry["request"]
        if sent.get("unread"):  # it was refused before all of it had come
            return
        if "json" not in sent:
            if wanted is not None and wanted.get("required"):
                yield Fault("", "body", f"the operation wants a JSON body and got {sent}")
        elif wanted is None:
            if sent["json"]:
                yield Fault("", "no-body", "the operation takes no body")
        else:
            yield from self._faults(wanted["content"][_JSON]["schema"], sent["json"])

    def _answer(self, operation: Operation | None, entry: Mapping[str, Any]) -> Iterator[Fault]:
        status, kind = entry["status"], entry["headers"].get("content-type", "")
        if "json" in entry["answer"] and kind != _JSON:
            yield Fault("content-type", "content-type", f"{kind!r} is not exactly {_JSON}")
        if operation is None:
            yield Fault("", "no-operation", "the description has no such operation")
            return
        response = self._description.whole(operation.response(status))
        if response is None:
            yield Fault("status", "undocumented-status", f"{status} is no answer of this operation")
        elif "json" not in entry["answer"]:
            if status != _TOO_MANY:  # which is plain text as often as not
                yield Fault("", "body", f"the body is no JSON: {entry['answer']}")
        elif _JSON in response.get("content", {}):
            yield from self._faults(response["content"][_JSON].get("schema", {}), entry["answer"]["json"])

    def _faults(self, schema: Mapping[str, Any], value: Any) -> list[Fault]:
        """The same value is looked at once, however often it was sent."""
        key = json.dumps([schema, value], sort_keys=True)
        if key not in self._known:
            self._known[key] = self._description.faults(schema, value)
        return self._known[key]
