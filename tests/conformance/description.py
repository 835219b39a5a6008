# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's own description of REST v2, and values held against it.

An OpenAPI 3.1 schema is a JSON Schema of draft 2020-12, so jsonschema decides; no second opinion is written here. What
is added is the map from a request to its operation, and one thing a schema leaves open: most objects of the description
may hold any field beside those it names, and a field that it does not name is either newer or misspelt. Both are found.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "specs" / "runpod-rest-v2-openapi.json"
FILE = Path(os.environ.get("PODYARD_RUNPOD_DESCRIPTION", _BESIDE))
ABSENT = f"RunPod's description of REST v2 is not at {FILE}, so nothing is held against it"
METHODS = ("get", "post", "put", "patch", "delete")
# Of these the map of unknown fields is the better judge: it names each field, and none that another error brought in.
_CLOSED = ("additionalProperties", "unevaluatedProperties")
_URI = "urn:description"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

formats = FormatChecker(())


@formats.checks("date-time", ValueError)
def _is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return _RFC3339.fullmatch(value) is not None and datetime.fromisoformat(value) is not None


@dataclass(frozen=True)
class Fault:
    """Where a value is not as described: a JSON pointer, the rule's name, and words."""

    where: str
    rule: str
    message: str


@dataclass(frozen=True)
class Operation:
    """One method of one path of the description."""

    name: str
    method: str
    template: str
    body: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]  # those of the query, by name

    def response(self, status: int) -> Mapping[str, Any] | None:
        """What is said of a status; ``default`` stands for the server's own failures and for nothing else."""
        responses = self.body["responses"]
        return responses.get(str(status)) or (responses.get("default") if status >= 500 else None)


class Description:
    """The description as a whole."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._registry = Registry().with_resource(
            _URI, Resource.from_contents(document, default_specification=DRAFT202012)
        )
        self.operations = {operation.name: operation for operation in self._operations()}
        self._templates = {
            template: re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))) for template in document["paths"]
        }
        self._validators: dict[str, Draft202012Validator] = {}

    def _operations(self) -> Iterator[Operation]:
        for template, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    body = self.whole(item[method])
                    given = [self.whole(each) for each in [*item.get("parameters", []), *body.get("parameters", [])]]
                    query = {each["name"]: each for each in given if each["in"] == "query"}
                    yield Operation(body["operationId"], method.upper(), template, body, query)

    def whole(self, value: Any) -> Any:
        """What a reference stands for; whatever is none stands for itself."""
        while isinstance(value, dict) and "$ref" in value:
            found = self.document
            for word in value["$ref"].removeprefix("#/").split("/"):
                found = found[word.replace("~1", "/").replace("~0", "~")]
            value = found
        return value

    def template(self, path: str) -> str | None:
        """The path of the description that a request's path is one of; one without a variable goes first."""
        found = [template for template, pattern in self._templates.items() if pattern.fullmatch(path)]
        return min(found, key=lambda template: template.count("{"), default=None)

    def methods(self, template: str) -> dict[str, Operation]:
        """The operations of one path by method."""
        return {each.method: each for each in self.operations.values() if each.template == template}

    def faults(self, schema: Mapping[str, Any], value: Any) -> list[Fault]:
        """Everything in which a value is not as a schema of the description says."""
        unknown = list(self._unknown([schema], value, ""))
        found = [Fault(pointer, "unknown-field", f"{_last(pointer)!r} is no field of it") for pointer in unknown]
        errors = [_innermost(error) for error in self._validator(schema).iter_errors(value)]
        plain = [error for error in errors if error.validator not in _CLOSED]
        for error in plain or ([] if unknown else errors):
            found.append(Fault(_pointer(error.absolute_path), str(error.validator), error.message[:300]))
        return found

    def _validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            # The schema stands within the document, so that its references mean what they mean there.
            inside = {"$id": _URI + "/schema", "$defs": {"schema": _rooted(schema)}, "$ref": "#/$defs/schema"}
            self._validators[key] = Draft202012Validator(inside, registry=self._registry, format_checker=formats)
        return self._validators[key]

    def _unknown(self, schemas: list[Any], value: Any, pointer: str) -> Iterator[str]:
        """Pointers to the fields that no schema names, of those that name any."""
        parts = [part for schema in schemas for part in self._parts(schema)]
        if isinstance(value, list):
            items = [part["items"] for part in parts if "items" in part]
            for number, each in enumerate(value):
                yield from self._unknown(items, each, f"{pointer}/{number}")
        elif isinstance(value, dict):
            named = [part["properties"] for part in parts if "properties" in part]
            others = [part["additionalProperties"] for part in parts if part.get("additionalProperties")]
            for name, each in value.items():
                below = [properties[name] for properties in named if name in properties] or others
                if below or not named:
                    yield from self._unknown([one for one in below if isinstance(one, dict)], each, f"{pointer}/{name}")
                else:
                    yield f"{pointer}/{name}"

    def _parts(self, schema: Any) -> Iterator[Mapping[str, Any]]:
        """A schema, and all that it is put together from."""
        schema = self.whole(schema)
        yield schema
        for keyword in ("allOf", "anyOf", "oneOf"):
            for each in schema.get(keyword, []):
                yield from self._parts(each)


@cache
def load() -> Description:
    """The saved description; only to be asked for where the file is."""
    return Description(json.loads(FILE.read_text(encoding="utf-8")))


def _rooted(schema: Any) -> Any:
    """The same schema with its references pointing into the description from anywhere."""
    if isinstance(schema, dict):
        return {
            name: _URI + each if name == "$ref" and isinstance(each, str) else _rooted(each)
            for name, each in schema.items()
        }
    return [_rooted(each) for each in schema] if isinstance(schema, list) else schema


def _innermost(error: ValidationError) -> ValidationError:
    """Why the branch failed that was meant: the one whose type fits."""
    while error.context:
        meant = [each for each in error.context if each.validator != "type" or each.relative_path]
        deeper = [each for each in meant if each.validator not in _CLOSED] or meant
        if not deeper:
            break
        error = deeper[0]
    return error


def _pointer(path: Any) -> str:
    return "".join(f"/{word}" for word in path)


def _last(pointer: str) -> str:
    return pointer.rpartition("/")[2]
