# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dataclasses of the records, the schemas in docs/schema and the tables in docs say the same."""

from __future__ import annotations

import copy
import json
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from arrows import ROOT

from ansible_collections.podyard.gpu.plugins.plugin_utils._common.records import Record, fields_of, hints_of
from ansible_collections.podyard.gpu.plugins.plugin_utils._plan.record import Plan
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.record import STAGES, RunRecord
from ansible_collections.podyard.gpu.tests import record_schemas

RECORDS = {"run.json": RunRecord, "plan.json": Plan}
PAGES = {"run.json": "docs/runs.md", "plan.json": "docs/plan.md"}
SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}


def differences(kind: Any, schema: dict[str, Any], root: dict[str, Any], path: str = "$") -> Iterator[str]:
    """Yield where a type of a record's field and a schema disagree; the schema may say more of a value, never less."""
    schema = resolved(schema, root)
    if get_origin(kind) in (Union, types.UnionType):
        kind, nullable = next(each for each in get_args(kind) if each is not type(None)), True
    else:
        nullable = False
    if kind is not Any and nullable != allows_null(schema, root):
        yield f"{path}: null is allowed by {'the dataclass' if nullable else 'the schema'} only"
    yield from of_kind(kind, without_null(schema, root), root, path)


def of_kind(kind: Any, schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[str]:
    """Yield where a type that is no union and a schema without null disagree."""
    origin = get_origin(kind)
    if kind is Any:
        if "type" in schema:
            yield f"{path}: the dataclass allows any value"
    elif origin is Literal:
        if set(schema.get("enum", ())) != set(get_args(kind)):
            yield f"{path}: the values differ"
    elif origin is list:
        yield from wrong_type("array", schema, path)
        yield from differences(get_args(kind)[0], schema.get("items", {}), root, f"{path}[]")
    elif origin is dict:
        yield from wrong_type("object", schema, path)
        yield from differences(get_args(kind)[1], schema.get("additionalProperties") or {}, root, f"{path}.*")
    elif issubclass(kind, Record):
        yield from of_record(kind, schema, root, path)
    elif "enum" not in schema:
        yield from wrong_type(SIMPLE[kind], schema, path)


def of_record(kind: type[Record], schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[str]:
    """Yield where a record and the schema of an object disagree."""
    yield from wrong_type("object", schema, path)
    hints, known = hints_of(kind), schema.get("properties", {})
    needed = {each.name for each in fields_of(kind) if not each.metadata.get("optional")}
    if set(hints) != set(known):
        yield f"{path}: only one of dataclass and schema has {sorted(set(hints) ^ set(known))}"
    if needed != set(schema.get("required", ())):
        yield f"{path}: required differs in {sorted(needed ^ set(schema.get('required', ())))}"
    if schema.get("additionalProperties") is not False:
        yield f"{path}: the schema is not strict"
    for name in set(hints) & set(known):
        if not known[name].get("description"):
            yield f"{path}.{name}: has no description"
        optional = name not in needed
        hint = next(each for each in get_args(hints[name]) if each is not type(None)) if optional else hints[name]
        yield from differences(hint, known[name], root, f"{path}.{name}")


def wrong_type(wanted: str, schema: dict[str, Any], path: str) -> Iterator[str]:
    if schema.get("type") != wanted:
        yield f"{path}: is {wanted} in the dataclass and {schema.get('type')} in the schema"


def resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    return {**resolved(root["$defs"][name], root), **schema} if name else schema


def allows_null(schema: dict[str, Any], root: dict[str, Any]) -> bool:
    options = [resolved(each, root) for each in schema.get("anyOf", ())]
    words = schema.get("type", ())
    return (
        any(allows_null(each, root) for each in options)
        or "null" in ([words] if isinstance(words, str) else words)
        or None in schema.get("enum", ())
    )


def without_null(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    options = [resolved(each, root) for each in schema.get("anyOf", ())]
    if options:
        schema = next(each for each in options if each.get("type") != "null")
    words = schema.get("type")
    if isinstance(words, list):
        (word,) = [each for each in words if each != "null"]
        schema = {**schema, "type": word}
    if "enum" in schema:
        schema = {**schema, "enum": [each for each in schema["enum"] if each is not None]}
    return schema


@pytest.mark.parametrize("file", RECORDS)
def test_dataclass_and_schema_agree(file):
    schema = record_schemas.schema_of(file)
    assert list(differences(RECORDS[file], schema, schema)) == []


def test_the_stages_are_those_of_the_schema():
    schema = record_schemas.schema_of("run.json")
    assert tuple(schema["$defs"]["stage"]["properties"]["name"]["enum"]) == STAGES


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda schema: schema["properties"].pop("limits"), "only one of dataclass and schema has ['limits']"),
        (lambda schema: schema["required"].remove("limits"), "required differs in ['limits']"),
        (lambda schema: schema.pop("additionalProperties"), "the schema is not strict"),
        (lambda schema: schema["properties"]["name"].update(type="string"), "$.name: null is allowed"),
        (lambda schema: schema["properties"]["cost_usd"].update(type="string"), "$.cost_usd: is number"),
        (lambda schema: schema["properties"]["outcome"]["enum"].pop(), "$.outcome: the values differ"),
        (lambda schema: schema["properties"]["metrics"].pop("description"), "$.metrics: has no description"),
        (lambda schema: schema["$defs"]["pod"]["properties"].pop("id"), "$.pods[]: only one of"),
    ],
)
def test_a_difference_is_found(change, words):
    schema = copy.deepcopy(record_schemas.schema_of("run.json"))
    change(schema)
    assert any(words in found for found in differences(RunRecord, schema, schema))


@pytest.mark.parametrize("file", RECORDS)
def test_the_page_has_the_fields_of_the_schema(file):
    """On a failure, replace the table in the page by the one that is expected here."""
    assert record_schemas.table(file) in (ROOT / PAGES[file]).read_text(encoding="utf-8")


def test_a_record_with_a_fault_is_refused():
    record = RunRecord("r1").to_json()
    assert record_schemas.faults("run.json", json.dumps(record)) == []
    for change in ({"cost_usd": "1"}, {"limits": {"max_cost": 5}}, {"pods": [{"id": "1"}]}, {"what": 1}, {"ended": ""}):
        assert record_schemas.faults("run.json", json.dumps({**record, **change}))
    for word in ("NaN", "Infinity", "1e999"):
        text = json.dumps({**record, "metrics": {"loss": 1}}).replace('"loss": 1', f'"loss": {word}')
        assert "no strict JSON" in record_schemas.faults("run.json", text)[0]
