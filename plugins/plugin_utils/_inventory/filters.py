# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods an inventory takes by expressions of JMESPath over their variables."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...module_utils._core.errors import BadRequest

try:
    import jmespath
    from jmespath.exceptions import JMESPathError
except ImportError as missing:
    LIBRARY_PROBLEM: ImportError | None = missing
else:
    LIBRARY_PROBLEM = None

# Of these the first part alone is about the variables; what follows is about its value.
_FROM_LEFT = ("subexpression", "index_expression", "projection", "filter_projection", "value_projection", "pipe")


def compiled(expressions: Sequence[str], known: Iterable[str]) -> Callable[[Mapping[str, Any]], bool]:
    """Compile a judge of a pod by its variables: True when every expression is true for it.

    :param known: the names of all variables that can exist; an expression with any other name would silently be false
        of every pod.
    :raises BadRequest: for an expression that does not compile, naming it; the judge, for one that fails on a pod's
        values.
    """
    if not expressions:
        return lambda variables: True
    if LIBRARY_PROBLEM is not None:
        raise BadRequest(
            f"The option filters needs the Python library jmespath, which cannot be imported ({LIBRARY_PROBLEM}). "
            "Install it for the Python that runs Ansible, or take the option out."
        )
    judges = [(text, _compiled(text, sorted(known))) for text in expressions]
    return lambda variables: all(_is_true(text, judge, variables) for text, judge in judges)


def _compiled(text: str, known: Sequence[str]) -> Any:
    try:
        made = jmespath.compile(text)
    except JMESPathError as error:
        raise BadRequest(f"The filter {text!r} is not a JMESPath expression: {' '.join(str(error).split())}") from error
    for name in _variables(made.parsed):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
            raise BadRequest(f"The filter {text!r} names {name}, which is not a host variable; {hint}")
    return made


def _variables(node: Mapping[str, Any]) -> Iterator[str]:
    """Names that an expression takes from the variables themselves."""
    children = [child for child in node.get("children", ()) if isinstance(child, dict)]
    if node["type"] == "field":
        yield node["value"]
    for child in children[:1] if node["type"] in _FROM_LEFT else children:
        yield from _variables(child)


def _is_true(text: str, judge: Any, variables: Mapping[str, Any]) -> bool:
    """Whether the value is true in the sense of JMESPath: not false, not null, not empty; 0 is true."""
    try:
        found = judge.search(variables)
    except JMESPathError as error:
        raise BadRequest(
            f"The filter {text!r} fails on the pod {variables['pod_name']!r} ({variables['pod_id']}): "
            f"{' '.join(str(error).split())}"
        ) from error
    return not (found is None or found is False or found in ("", [], {}))
