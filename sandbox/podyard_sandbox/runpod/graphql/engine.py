# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Executing a document against the schema, and shaping the result like the service.

Violations of the schema are answered 400, later errors 200 with ``errors``. The words are those of the reference
implementation: the JavaScript version puts names in double quotes where the Python version uses single ones.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable
from functools import lru_cache
from importlib import resources
from typing import Any

from aiohttp import web
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationType,
    build_schema,
    execute,
    get_operation_ast,
    specified_rules,
    validate,
)

from podyard_sandbox.exchange import current
from podyard_sandbox.faults import Fault
from podyard_sandbox.runpod.access import RawResponse
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.graphql.account import account_fields
from podyard_sandbox.runpod.graphql.catalogue import PUBLIC, catalogue_fields
from podyard_sandbox.runpod.graphql.deploy import deploy_fields
from podyard_sandbox.runpod.graphql.parse import read
from podyard_sandbox.runpod.graphql.pod_mutations import pod_mutation_fields
from podyard_sandbox.runpod.graphql.pods import get_pod
from podyard_sandbox.runpod.graphql.resources import resource_fields
from podyard_sandbox.runpod.problems import INTERNAL, DroppedLine, Problem, no_key
from podyard_sandbox.runpod.responses import json_response

_logger = logging.getLogger(__name__)

# Introspection is off in the service.
_RULES = [*specified_rules, NoSchemaIntrospectionCustomRule]
_MAX_ERRORS = 20
_QUOTED = re.compile(r"'([^']*)'")
# The code of a refusal without a code of its own, as a client once saw it.
_REFUSED = "RUNPOD"
_STATUS_CODES = {401: "UNAUTHENTICATED", 403: "FORBIDDEN"}  # made up
# What a pod's own key, which is in its environment, may do to its pod. Its real rights are not known.
_POD_FIELDS = ("pod", "podStop", "podTerminate")
# Refusals that keep their HTTP status; every other one becomes 400.
_BY_STATUS = (401, 403, 405, 410, 413, 429, 500, 502, 503, 504)


@lru_cache(maxsize=1)
def schema() -> GraphQLSchema:
    """Load the schema from the package's ``schema.graphql``."""
    return build_schema(resources.files(__package__).joinpath("schema.graphql").read_text(encoding="utf-8"))


async def answer(cloud: Cloud, request: Any) -> tuple[int, dict[str, Any]]:
    """Return the HTTP status and the document that answer a request.

    Raises:
        DroppedLine: a fault drops the connection.
    """
    query = request.get("query") if isinstance(request, dict) else None
    if not isinstance(query, str):
        return 400, _errors([{"message": "Must provide query string."}], "BAD_REQUEST")
    try:
        document = read(query)
    except GraphQLError as error:
        return 400, _errors([error.formatted], "GRAPHQL_PARSE_FAILED")
    if faults := validate(schema(), document, _RULES, max_errors=_MAX_ERRORS):
        return 400, _errors([fault.formatted for fault in faults], "GRAPHQL_VALIDATION_FAILED")
    result = await _execute(cloud, document, request)
    if not current().authenticated and _nothing_but_refusals(result):
        raise no_key()
    if result.data is None and result.errors and all(error.path is None for error in result.errors):
        return 400, _errors([error.formatted for error in result.errors], "BAD_USER_INPUT")
    if not result.errors:
        return 200, {"data": result.data}
    return 200, {"errors": [_refused(error) for error in result.errors], "data": result.data}


def refusal(problem: Problem) -> web.Response:
    """Return a refusal from before the query was read (no key, rate limit, …), in this API's shape."""
    code = _STATUS_CODES.get(problem.status, _REFUSED)
    status = problem.status if problem.status in _BY_STATUS else 400
    return json_response(_errors([{"message": problem.detail}], code), status=status, headers=problem.headers)


def gone(fault: Fault) -> web.Response:
    """Return the response once this API is switched off, in one of several plausible forms."""
    reading = fault.params["reading"]
    if reading == "schema":
        message = 'Cannot query field "clientBalance" on type "User".'
        return json_response(_errors([{"message": message}], "GRAPHQL_VALIDATION_FAILED"), status=400)
    if reading == "html":
        return RawResponse(200, "<html><body><h1>RunPod</h1></body></html>\n").response()
    if reading == "404":
        return Problem(404, "The requested path was not found.").response()
    return json_response({"error": "GraphQL has been retired", "status": 410}, status=410)


def _nothing_but_refusals(result: ExecutionResult) -> bool:
    """Return whether a request without a key got no data at all; partial data is sent along with its errors."""
    refused = [error for error in result.errors or () if getattr(error.original_error, "status", None) == 401]
    return bool(refused) and not any(value is not None for value in (result.data or {}).values())


async def _execute(cloud: Cloud, document: DocumentNode, request: dict[str, Any]) -> ExecutionResult:
    variables, name = request.get("variables"), request.get("operationName")
    operation = get_operation_ast(document, name)
    if operation is not None and operation.operation is OperationType.MUTATION:
        fields = [each for each in operation.selection_set.selections if isinstance(each, FieldNode)]
        current().mutation = ",".join(field.name.value for field in fields)
    result = execute(
        schema(),
        document,
        root_value=_root(cloud),
        variable_values=variables if isinstance(variables, dict) else None,
        operation_name=name if isinstance(name, str) else None,
    )
    if inspect.isawaitable(result):
        result = await result
    return result


def _root(cloud: Cloud) -> dict[str, Callable[..., Any]]:
    """Return the resolvers of both root types, by field name."""

    def pod(_info: Any, input: dict[str, Any] | None = None) -> Any:
        return get_pod(cloud, (input or {}).get("podId"))

    fields = {
        "pod": pod,
        **account_fields(cloud),
        **catalogue_fields(cloud),
        **deploy_fields(cloud),
        **pod_mutation_fields(cloud),
        **resource_fields(cloud),
    }
    if not current().authenticated:
        return {name: field if name in PUBLIC else _refuse_keyless for name, field in fields.items()}
    only = current().only_pod
    return fields if only is None else {name: _narrowed(name, field, only) for name, field in fields.items()}


def _refuse_keyless(_info: Any, **_arguments: Any) -> None:
    raise no_key()


def _narrowed(name: str, field: Callable[..., Any], only: str) -> Callable[..., Any]:
    """Limit a resolver to the pod whose own key was used; for that key, no other pod exists."""

    def narrowed(info: Any, **arguments: Any) -> Any:
        if name not in _POD_FIELDS:
            raise Problem(403, "access denied")
        given = (arguments.get("input") or {}).get("podId")
        return field(info, **(arguments if given == only else {"input": {"podId": ""}}))

    return narrowed


def _refused(error: GraphQLError) -> dict[str, Any]:
    """Return an error of a resolver, with its code.

    Raises:
        DroppedLine: a fault drops the connection.
    """
    cause = error.original_error
    if isinstance(cause, DroppedLine):
        raise cause
    shown = dict(error.formatted)
    if isinstance(cause, Problem):
        code = "INTERNAL_SERVER_ERROR" if cause.status >= 500 else _STATUS_CODES.get(cause.status, _REFUSED)
        shown |= {"message": "; ".join(cause.errors or [cause.detail]), "extensions": {"code": code}}
    elif cause is not None and not isinstance(cause, GraphQLError):
        _logger.error("GraphQL failed in the sandbox itself", exc_info=cause)
        shown |= {"message": INTERNAL, "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    return shown


def _errors(found: list[Any], code: str) -> dict[str, Any]:
    return {"errors": [{**each, "message": _words(each["message"]), "extensions": {"code": code}} for each in found]}


def _words(message: str) -> str:
    return _QUOTED.sub(r'"\1"', message)
