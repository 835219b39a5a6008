# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GraphQL that is left: ``myself``, for the balance that REST does not have."""

from __future__ import annotations

import re
from typing import Any

from podyard_sandbox.runpod.account import SPEND_LIMIT
from podyard_sandbox.runpod.cloud import Cloud

_TOKEN = re.compile(
    r"""[\s,]+|\#[^\n]*|(?P<token>[A-Za-z_]\w*|\$[A-Za-z_]\w*|[{}():!=\[\]]|\.\.\.|"[^"]*"|-?\d[\w.]*)"""
)
Selection = dict[str, "Selection | None"]


class GraphQLError(Exception):
    """A query that the schema does not allow; the text is the service's."""


def answer(cloud: Cloud, document: Any) -> dict[str, Any]:
    """The ``data`` of a query.

    Raises:
        GraphQLError: the query is malformed, or asks for what the sandbox's schema does not have.
    """
    query = document.get("query") if isinstance(document, dict) else None
    if not isinstance(query, str):
        raise GraphQLError("Must provide query string.")
    kind, selection = _parse(query)
    if kind != "query":
        first = next(iter(selection), "")
        raise GraphQLError(f'Cannot query field "{first}" on type "{kind.capitalize()}".')
    data: dict[str, Any] = {}
    for name, fields in selection.items():
        if name == "__typename":
            data[name] = "Query"
        elif name != "myself":
            raise GraphQLError(f'Cannot query field "{name}" on type "Query".')
        elif not fields:
            raise GraphQLError('Field "myself" of type "User" must have a selection of subfields.')
        else:
            data[name] = _myself(cloud, fields)
    return data


def _myself(cloud: Cloud, fields: Selection) -> dict[str, Any]:
    known: dict[str, Any] = {
        "__typename": "User",
        "id": cloud.account.id,
        "email": cloud.account.email,
        "pubKey": "\n".join(cloud.account.ssh_keys),
        "clientBalance": cloud.balance(),
        "currentSpendPerHr": cloud.spend(),
        "spendLimit": SPEND_LIMIT,
    }
    for name, nested in fields.items():
        if name not in known:
            raise GraphQLError(f'Cannot query field "{name}" on type "User".')
        if nested is not None:
            raise GraphQLError(f'Field "{name}" must not have a selection since it has no subfields.')
    return {name: known[name] for name in fields}


def _parse(query: str) -> tuple[str, Selection]:
    """The operation's kind and its selection: enough GraphQL for plain fields, without arguments or fragments."""
    tokens = _tokens(query)
    kind = tokens.pop(0) if tokens and tokens[0] in ("query", "mutation", "subscription") else "query"
    while tokens and tokens[0] != "{":  # the operation's name and variables
        tokens.pop(0)
    selection = _selection(tokens)
    if tokens:
        raise GraphQLError(f'Syntax Error: Unexpected "{tokens[0]}".')
    return kind, selection


def _tokens(query: str) -> list[str]:
    tokens, position = [], 0
    while position < len(query):
        match = _TOKEN.match(query, position)
        if match is None:
            raise GraphQLError(f'Syntax Error: Unexpected character: "{query[position]}".')
        if match["token"] is not None:
            tokens.append(match["token"])
        position = match.end()
    return tokens


def _selection(tokens: list[str]) -> Selection:
    """The fields between braces; takes the tokens away that it reads."""
    if not tokens or tokens.pop(0) != "{":
        raise GraphQLError('Syntax Error: Expected "{".')
    fields: Selection = {}
    while tokens:
        token = tokens.pop(0)
        if token == "}":
            return fields
        if not re.fullmatch(r"[A-Za-z_]\w*", token):
            raise GraphQLError(f'Syntax Error: Unexpected "{token}".')
        if tokens and tokens[0] == "(":
            _skip_arguments(tokens)
        fields[token] = _selection(tokens) if tokens and tokens[0] == "{" else None
    raise GraphQLError("Syntax Error: Unexpected <EOF>.")


def _skip_arguments(tokens: list[str]) -> None:
    depth = 0
    while tokens:
        token = tokens.pop(0)
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0:
            return
