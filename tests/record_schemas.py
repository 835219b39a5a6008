# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validate the records that a test produces against the published schemas in docs/schema."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).resolve().parents[1] / "docs" / "schema"
#: The files that have a schema.
FILES = {"run.json": "run.schema.json", "plan.json": "plan.schema.json"}


def schema_of(file: str) -> dict[str, Any]:
    """Return the schema of a file of a run directory."""
    return json.loads((SCHEMAS / FILES[file]).read_text(encoding="utf-8"))


@cache
def _validator(file: str) -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema_of(file))
    return jsonschema.Draft202012Validator(schema_of(file))


def faults(file: str, text: str) -> list[str]:
    """Return what is wrong with the text of a file of that name: no strict JSON, or what its schema refuses."""
    try:
        record = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except ValueError as error:
        return [f"{file} is no strict JSON: {error}"]
    return [f"{file}, {found.json_path}: {found.message}" for found in _validator(file).iter_errors(record)]


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _finite(written: str) -> float:
    if not math.isfinite(float(written)):
        raise ValueError(f"{written} is no finite number")
    return float(written)


def faults_below(directory: Path) -> list[str]:
    """Return what is wrong with the records below a directory."""
    found = [path for name in FILES for path in directory.rglob(name) if path.is_file() and not path.is_symlink()]
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in found}
    return [f"{path}: {fault}" for path, text in texts.items() for fault in faults(path.name, text)]


def table(file: str) -> str:
    """Return the table of the fields of a file, as its page in docs has it."""
    fields = schema_of(file)["properties"].items()
    return "\n".join(
        ["| field | what it is |", "|---|---|", *(f"| `{name}` | {each['description']} |" for name, each in fields)]
    )
