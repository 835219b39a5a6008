# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The query language: for each field an object of operators, all of which must match."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from podyard_sandbox import strict_json
from podyard_sandbox.vastai.errors import ApiError, refusal

Row = Mapping[str, Any]


def matches(row: Row, filters: Mapping[str, Mapping[str, Any]], value_of: Callable[[Row, str], Any]) -> bool:
    """Return whether a row matches every condition; ``value_of`` reads its columns."""
    return all(
        _OPERATORS[name](value_of(row, column), wanted)
        for column, conditions in filters.items()
        for name, wanted in conditions.items()
    )


def check(filters: Mapping[str, Any], known: Iterable[str], prefix: str = "q.") -> dict[str, Mapping[str, Any]]:
    """Check that each filter has a known field and known operators.

    Raises:
        ApiError: 400.
    """
    fields = set(known)
    for column, conditions in filters.items():
        if not isinstance(conditions, Mapping):
            text = f"{prefix}{column}: Input should be a valid dictionary; got {type(conditions).__name__}"
            raise refusal(400, "bad_request", text)
        if column not in fields:
            raise unknown_key(column)
        for name, wanted in conditions.items():
            if name not in _OPERATORS:
                raise refusal(400, "bad_request", f"{prefix}{column}.{name}: Extra inputs are not permitted")
            if name in ("in", "notin") and not isinstance(wanted, list):
                raise refusal(400, "bad_request", f"{prefix}{column}.{name}: Input should be a valid list")
    return dict(filters)


def unknown_key(column: str) -> ApiError:
    """Refuse a column that cannot be searched."""
    return unfit(f"{column} is not a valid search key")


def unfit(why: str) -> ApiError:
    """Refuse an invalid query; this shape lacks the field that most refusals have."""
    return ApiError(400, {"error": "invalid_request", "msg": f"Error in query parameters: {why}"})


def parameter(text: str | None, kind: type, name: str) -> Any:
    """Read a query parameter that holds JSON; empty if it is missing.

    Raises:
        ApiError: 400 if it is not JSON of that kind.
    """
    if not text:
        return kind()
    try:
        value = strict_json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise unfit(f"{name} is not valid")
    return value


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return value.replace("_", " ").lower() == wanted.replace("_", " ").lower()
    return value == _like(wanted, value)


def _like(wanted: Any, value: Any) -> Any:
    """Convert the wanted value to the type of the actual one: clients send most numbers as text."""
    if not isinstance(wanted, str):
        return wanted
    if isinstance(value, bool):
        return {"true": True, "1": True, "false": False, "0": False}.get(wanted.lower(), wanted)
    if isinstance(value, (int, float)):
        try:
            return float(wanted)
        except ValueError:
            return wanted
    return None if value is None and wanted.lower() in ("null", "none") else wanted


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(value: Any, wanted: Any) -> bool:
        wanted = _like(wanted, value)
        comparable = isinstance(value, (int, float)) and isinstance(wanted, (int, float))
        return (comparable or (isinstance(value, str) and isinstance(wanted, str))) and compare(value, wanted)

    return holds


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": _same,
    "neq": lambda value, wanted: not _same(value, wanted),
    "gt": _ordered(lambda value, wanted: value > wanted),
    "gte": _ordered(lambda value, wanted: value >= wanted),
    "lt": _ordered(lambda value, wanted: value < wanted),
    "lte": _ordered(lambda value, wanted: value <= wanted),
    "in": lambda value, wanted: any(_same(value, each) for each in wanted),
    "notin": lambda value, wanted: not any(_same(value, each) for each in wanted),
}


def ordered(rows: list[dict[str, Any]], order: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Sort rows by some columns; missing values come last."""
    for column, direction in reversed(order):
        down = direction == "desc"

        def place(row: Row, column: str = column, down: bool = down) -> tuple[bool, Any]:
            value = row.get(column)
            return ((value is not None) if down else (value is None), _comparable(value))

        rows = sorted(rows, key=place, reverse=down)
    return rows


def selected(row: dict[str, Any], columns: list[Any]) -> dict[str, Any]:
    """Select columns of a row, unknown ones as null; all of them if none, or ``*``, is named."""
    return row if not columns or "*" in columns else {str(name): row.get(str(name)) for name in columns}


def _comparable(value: Any) -> Any:
    if isinstance(value, (bool, int, float)):
        return (0, float(value), "")
    return (1, 0.0, "" if value is None else str(value))
