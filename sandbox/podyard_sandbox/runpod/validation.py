# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation of bodies and queries against the schema, in the words of the service's validator."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from podyard_sandbox import strict_json
from podyard_sandbox.runpod.bodies import DOUBTFUL_FIELDS, NEWER_FIELDS, CreatePod
from podyard_sandbox.runpod.problems import Problem, invalid

BODY_LIMIT = 102_400  # bytes

Body = TypeVar("Body", bound=BaseModel)

_WANTED = {
    "string_type": "string",
    "int_type": "integer",
    "int_from_float": "integer",
    "bool_type": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
}


async def read_json(request: web.Request) -> Any:
    """Read the body of a request.

    Raises:
        Problem: 413 if it is too long, 400 if it is not valid JSON.
    """
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raw = b" " * (BODY_LIMIT + 1)
    if len(raw) > BODY_LIMIT:
        raise Problem(413, f"request body exceeds {BODY_LIMIT} bytes")  # the text is made up
    try:
        return strict_json.loads(raw)
    except ValueError:
        raise Problem(400, "request could not be processed") from None


def parse(
    model: type[Body], raw: Any, *, older: bool = False, doubtful: bool = False, blame_valid: bool = False
) -> Body:
    """Validate a body against a model.

    Args:
        older: refuse the fields that were added later.
        doubtful: accept the fields that no description contains, too.
        blame_valid: when a required field is missing, report the valid fields as not allowed, too.

    Raises:
        Problem: 422 with one text for each violation.
    """
    faults = _Violations()
    body = None
    try:
        body = model.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            faults.add(detail)
    if isinstance(raw, dict):
        if model is CreatePod and "image" not in raw and "templateId" not in raw:
            faults.missing.setdefault("$", []).append("image")
        if older:
            faults.refuse(raw, NEWER_FIELDS)
        if not doubtful:
            faults.refuse(raw, DOUBTFUL_FIELDS)
        if blame_valid and "$" in faults.missing:
            faults.extra["$"] = list(raw)
    if body is None or faults.texts():
        raise invalid(faults.texts())
    return body


class _Violations:
    """The violations of a body, by place."""

    def __init__(self) -> None:
        self.missing: dict[str, list[str]] = {}
        self.extra: dict[str, list[str]] = {}
        self.other: list[str] = []

    def add(self, detail: ErrorDetails) -> None:
        """Add one error of the model's validation."""
        place, last = _place(detail["loc"][:-1]), str(detail["loc"][-1]) if detail["loc"] else ""
        if detail["type"] == "missing":
            self.missing.setdefault(place, []).append(last)
        elif detail["type"] == "extra_forbidden":
            self.extra.setdefault(place, []).append(last)
        else:
            self.other.append(f"{_place(detail['loc'])}: {_words(detail)}")

    def refuse(self, raw: dict[str, Any], fields: Mapping[str, Sequence[str]]) -> None:
        """Report fields as unknown, each once."""
        gpu = raw.get("gpu")
        for place, names in fields.items():
            given = raw if place == "$" else gpu if isinstance(gpu, dict) else {}
            unknown = [name for name in names if name in given and name not in self.extra.get(place, [])]
            if unknown:
                self.extra.setdefault(place, []).extend(unknown)

    def texts(self) -> list[str]:
        """Return one text for each violation, missing fields first."""
        missing = [f"{place}: missing {_plural(names)}" for place, names in self.missing.items()]
        extra = [
            f"{place}: additional properties {_quoted(sorted(names))} not allowed"
            for place, names in self.extra.items()
        ]
        return missing + extra + self.other


def _plural(names: list[str]) -> str:
    return f"{'property' if len(names) == 1 else 'properties'} {_quoted(names)}"


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _place(steps: tuple[int | str, ...]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _words(detail: ErrorDetails) -> str:
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind in _WANTED:
        return f"got {_json_type(value)}, want {_WANTED[kind]}"
    if kind == "literal_error":
        return f"value must be one of {context['expected'].replace(' or ', ', ')}"
    if kind == "string_too_short":
        return f"minLength: got {len(value)}, want {context['min_length']}"
    if kind == "string_too_long":
        return f"maxLength: got {len(value)}, want {context['max_length']}"
    if kind == "greater_than_equal":
        return f"minimum: got {value}, want {context['ge']}"
    if kind == "less_than_equal":
        return f"maximum: got {value}, want {context['le']}"
    if kind == "too_long":
        return f"maxItems: got {context['actual_length']}, want {context['max_length']}"
    if kind == "string_pattern_mismatch":
        return f"'{value}' does not match pattern '{context['pattern']}'"
    return detail["msg"]


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")


def not_empty(raw: Any) -> None:
    """Refuse a change that changes nothing.

    Raises:
        Problem: 422 for an empty object.
    """
    if raw == {}:
        raise invalid(["$: minProperties: got 0, want 1"])


def words(query: Mapping[str, str], name: str, pattern: str) -> tuple[str, ...]:
    """Read a query parameter of comma-separated values; empty if it is missing.

    Raises:
        Problem: 422 if a value does not match.
    """
    values = tuple(part for part in query.get(name, "").split(",") if part)
    for value in values:
        if not re.fullmatch(pattern, value):
            raise invalid([f"$.{name}: '{value}' does not match pattern '^{pattern}$'"])
    return values


def one_of(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> tuple[str, ...]:
    """Read a query parameter of comma-separated values from a fixed set; empty if it is missing.

    Raises:
        Problem: 422 if a value is not in the set.
    """
    values = tuple(part for part in query.get(name, "").split(",") if part)
    if not set(values) <= set(choices):
        raise invalid([f"$.{name}: value must be one of {_quoted(list(choices))}"])
    return values


def number(query: Mapping[str, str], name: str, default: int, low: int, high: int | None = None) -> int:
    """Read a query parameter that is a whole number.

    Raises:
        Problem: 422 if it is not a whole number, or out of range.
    """
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise invalid([f"$.{name}: got string, want integer"])
    value = int(text)
    if value < low:
        raise invalid([f"$.{name}: minimum: got {value}, want {low}"])
    if high is not None and value > high:
        raise invalid([f"$.{name}: maximum: got {value}, want {high}"])
    return value
