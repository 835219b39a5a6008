# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsing a document, and checking it against limits before any work is done.

The limits are the sandbox's own: one process serves all clients, and a huge query must not keep the others waiting.
"""

from __future__ import annotations

from collections import Counter

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    SelectionSetNode,
    parse,
)

_MAX_TOKENS = 15_000
_MAX_FIELDS = 5_000  # with each fragment counted wherever it is used
_MAX_ALIKE = 100  # fields of one name in one selection; each pair of them is compared
_MAX_DEPTH = 50
_TOO_LARGE = "Query is too large: it has more than {} {}."


def read(query: str) -> DocumentNode:
    """Parse a query, within the limits.

    Raises:
        GraphQLError: the query is invalid, or too large.
    """
    try:
        document = parse(query, max_tokens=_MAX_TOKENS)
    except RecursionError:
        raise _too_large(_MAX_DEPTH, "levels") from None
    known = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    counts: dict[str, int] = {}
    total = 0
    for definition in document.definitions:
        selected = getattr(definition, "selection_set", None)
        if selected is not None:
            total += _Fields(known, counts).of(selected, 1, ())
    if total > _MAX_FIELDS:
        raise _too_large(_MAX_FIELDS, "fields")
    return document


class _Fields:
    """Counts the fields of a selection."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode], counts: dict[str, int]) -> None:
        self._fragments = fragments
        self._counts = counts

    def of(self, selected: SelectionSetNode, depth: int, within: tuple[str, ...]) -> int:
        """Count the fields of a selection; a fragment that contains itself is left to the validation."""
        if depth > _MAX_DEPTH:
            raise _too_large(_MAX_DEPTH, "levels")
        names = Counter(_name(each) for each in selected.selections if not isinstance(each, InlineFragmentNode))
        if names and max(names.values()) > _MAX_ALIKE:
            raise _too_large(_MAX_ALIKE, "fields of one name")
        total = 0
        for each in selected.selections:
            if isinstance(each, FragmentSpreadNode):
                total += self._spread(each.name.value, depth, within)
            elif isinstance(each, FieldNode):
                total += 1 + (self.of(each.selection_set, depth + 1, within) if each.selection_set else 0)
            elif isinstance(each, InlineFragmentNode):
                total += self.of(each.selection_set, depth + 1, within)
        return min(total, _MAX_FIELDS + 1)

    def _spread(self, name: str, depth: int, within: tuple[str, ...]) -> int:
        if name in within or name not in self._fragments:
            return 0
        if name not in self._counts:
            self._counts[name] = self.of(self._fragments[name].selection_set, depth + 1, (*within, name))
        return self._counts[name]


def _name(selection: object) -> str:
    if isinstance(selection, FieldNode):
        return (selection.alias or selection.name).value
    return f"...{selection.name.value}" if isinstance(selection, FragmentSpreadNode) else ""


def _too_large(limit: int, what: str) -> GraphQLError:
    return GraphQLError(_TOO_LARGE.format(limit, what))
