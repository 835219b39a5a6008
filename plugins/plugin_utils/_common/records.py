# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write records: dataclasses that a JSON file holds, each field by its type."""

from __future__ import annotations

import copy
import dataclasses
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from ...module_utils._core.values import LARGEST

# Metadata of a field that the JSON object lacks while the field is None.
OPTIONAL = {"optional": True}
_HINTS: dict[Any, dict[str, Any]] = {}


@dataclass
class Record:
    """A dataclass that is a JSON object: its fields are the object's.

    `more` holds the fields of the object that this version does not know, so that a newer version's are not lost. The
    type of a field is str, int, float, bool, Any, a Literal, another Record, a list or a dict of these, or one of them
    or None.
    """

    more: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False)

    @classmethod
    def from_json(cls, found: Any, *, salvage: bool = False) -> Self:
        """Read an object of JSON.

        With `salvage`, a field that has another type than promised takes its default, and an entry of a list that
        cannot be read is left out: what is damaged costs what it held. Raises ValueError, which names the field, for
        what cannot be read, and for a field without a default that is missing.
        """
        if not isinstance(found, Mapping):
            raise ValueError(f"it is {_kind(found)} and not an object")
        values: dict[str, Any] = {}
        for each in fields_of(cls):
            if each.name not in found:
                if _is_required(each):
                    raise ValueError(f"'{each.name}' is missing")
                continue
            try:
                values[each.name] = read(_hints(cls)[each.name], found[each.name], salvage=salvage)
            except ValueError as error:
                if _is_required(each) or not salvage:
                    raise ValueError(f"'{each.name}': {error}") from error
        known = {each.name for each in fields_of(cls)}
        more = {name: copy.deepcopy(value) for name, value in found.items() if name not in known}
        return cls(**values, more=more)

    def to_json(self) -> dict[str, Any]:
        """Return the object of JSON; it shares nothing with the record."""
        shown = {each.name: _plain(getattr(self, each.name)) for each in fields_of(type(self)) if self._has(each)}
        return {**shown, **_plain(self.more)}

    def _has(self, each: dataclasses.Field[Any]) -> bool:
        return not each.metadata.get("optional") or getattr(self, each.name) is not None


def fields_of(kind: type[Record]) -> Iterator[dataclasses.Field[Any]]:
    """Yield the fields of a record that its JSON object has, in their order."""
    return (each for each in dataclasses.fields(kind) if each.name != "more")


def hints_of(kind: type[Record]) -> dict[str, Any]:
    """Return the types of a record's fields by their names."""
    return {each.name: _hints(kind)[each.name] for each in fields_of(kind)}


def _hints(kind: Any) -> dict[str, Any]:
    # To evaluate the annotations takes longer than to read a record.
    if kind not in _HINTS:
        _HINTS[kind] = get_type_hints(kind)
    return _HINTS[kind]


def _is_required(each: dataclasses.Field[Any]) -> bool:
    return each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def read(kind: Any, value: Any, *, salvage: bool = False) -> Any:
    """Read a value of JSON as a type that a record's field may have. Raises ValueError with the rest of a sentence."""
    origin = get_origin(kind)
    if kind is Any:
        return copy.deepcopy(value)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(kind), value, salvage)
    if origin is Literal:
        if value in get_args(kind) and isinstance(value, type(get_args(kind)[0])):
            return value
        raise ValueError(f"it is {_kind(value)} and not one of {', '.join(map(str, get_args(kind)))}")
    if origin is list:
        return _list(get_args(kind)[0], value, salvage)
    if origin is dict:
        return _dict(get_args(kind)[1], value, salvage)
    if isinstance(kind, type) and issubclass(kind, Record):
        return kind.from_json(value, salvage=salvage)
    return _scalar(kind, value)


def _one_of(kinds: tuple[Any, ...], value: Any, salvage: bool) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    problem = ValueError("it has no type")
    for kind in kinds:
        if kind is not types.NoneType:
            try:
                return read(kind, value, salvage=salvage)
            except ValueError as error:
                problem = error
    raise problem


def _list(kind: Any, value: Any, salvage: bool) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"it is {_kind(value)} and not a list")
    found = []
    for number, each in enumerate(value):
        try:
            found.append(read(kind, each, salvage=salvage))
        except ValueError as error:
            if not salvage:
                raise ValueError(f"entry {number}: {error}") from error
    return found


def _dict(kind: Any, value: Any, salvage: bool) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"it is {_kind(value)} and not an object")
    found = {}
    for name, each in value.items():
        try:
            found[str(name)] = read(kind, each, salvage=salvage)
        except ValueError as error:
            if not salvage:
                raise ValueError(f"'{name}': {error}") from error
    return found


def _scalar(kind: type, value: Any) -> Any:
    """Check a scalar: a bool is no number, and neither is NaN, which would pass every limit."""
    wanted: Any = (int, float) if kind is float else kind
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"it is {_kind(value)} and not {NAMES[kind]}")
    if kind in (int, float) and not abs(value) <= LARGEST:  # NaN is not, either
        raise ValueError("it is not a finite number")
    # A subclass, as Ansible's of a text with a mark, is nothing that a file holds.
    return str(value) if kind is str else value


NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _kind(value: Any) -> str:
    """How a message calls the type of a value, and never the value: it may be a secret in the wrong place."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, (list, tuple)) else "an object" if isinstance(value, Mapping) else "no JSON"
