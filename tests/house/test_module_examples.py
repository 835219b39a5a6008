# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of all modules are YAML, and copying them breaks nothing: no name in them is one of Ansible's own."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterator
from typing import Any

import jinja2
import pytest
import yaml
from ansible.vars.reserved import get_reserved_names
from arrows import ROOT, tracked

# What a template can call is hidden by a variable of its name, in all that comes after.
CALLED = {"lookup", "query", "q", "now", "undef", "finalize", "omit"} | set(jinja2.Environment(autoescape=True).globals)
NAMES = "plugins/modules/", "plugins/inventory/", "plugins/filter/", "plugins/action/"


def examples(file: str) -> str | None:
    """The text of EXAMPLES in a Python file."""
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(getattr(each, "id", "") == "EXAMPLES" for each in node.targets):
            text = ast.literal_eval(node.value)
            assert isinstance(text, str)
            return text
    return None


def names_in(value: Any) -> Iterator[str]:
    """All variables that tasks make: by register, set_fact, vars and loop_var."""
    if isinstance(value, list):
        for each in value:
            yield from names_in(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key in ("register", "loop_var", "index_var") and isinstance(each, str):
                yield each
            elif key in ("vars", "set_fact", "ansible.builtin.set_fact") and isinstance(each, dict):
                yield from map(str, each)
            yield from names_in(each)


def bad_names(text: str) -> list[str]:
    """Names that an example must not make its own."""
    reserved = get_reserved_names() | CALLED | set(keyword.kwlist)
    # A variable like `ansible_host` is meant to be set, and so are our roles' own.
    return [
        name
        for document in yaml.safe_load_all(text)
        for name in names_in(document)
        if not name.isidentifier() or (name in reserved and not name.startswith("ansible_"))
    ]


WITH_EXAMPLES = [
    name for name in tracked(".py") if name.startswith(NAMES) and examples(name) is not None and name.endswith(".py")
]


@pytest.mark.parametrize("file", WITH_EXAMPLES)
def test_no_example_takes_a_name_of_ansibles_own(file):
    assert bad_names(examples(file) or "") == []


def test_every_module_has_examples():
    modules = {name for name in tracked(".py") if name.startswith("plugins/modules/")}
    assert modules - set(WITH_EXAMPLES) == set()


def test_a_reserved_name_is_found():
    text = "- {name: a, register: now}\n- block: [{set_fact: {environment: 1, fine: 2}, vars: {port: 1}, register: 1a}]"
    assert sorted(bad_names(text)) == ["1a", "environment", "now", "port"]
