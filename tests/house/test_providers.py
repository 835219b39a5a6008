# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared code, roles and playbooks ask what a provider can do, and never which one it is.

A provider is a folder and a row in the registry. Everything else comes from the row; only the lists of choices in YAML,
which cannot import it, are held against it here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from arrows import PROVIDERS, REGISTRY, ROOT, tracked

from ansible_collections.podyard.gpu.plugins.module_utils._providers import registry

NAMES = set(registry.names())
# A driver is its own provider, and the registry knows which there are.
KNOWING = (*(f"{PROVIDERS}{each}/" for each in registry.names()), REGISTRY)
# The modules of one provider, and what they share, bear its name.
BEARING = re.compile(rf"(?:.*/)?(?:{'|'.join(registry.names())})_\w+\.py")
VARIABLES = {setting.name for name in registry.names() for setting in registry.settings(name)}
WORD = re.compile(rf"\b(?:{'|'.join(sorted({*NAMES, *VARIABLES}))})(?:\b|_)")
DOCUMENTATION = ("DOCUMENTATION", "EXAMPLES", "RETURN")
NAME = rf"['\"](?:{'|'.join(sorted(NAMES))})['\"]"
COMPARED = re.compile(rf"(?:[=!]=|\bin|\beq'?,)\s*{NAME}|{NAME}\s*(?:[=!]=|\bin\b)")


def asked_in_python(source: str) -> list[int]:
    """Lines on which something is compared with the name of a provider."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare)
        and any(isinstance(each, ast.Constant) and each.value in NAMES for each in [node.left, *node.comparators])
    ]


def named_in_python(source: str) -> list[int]:
    """Lines of texts, other than documentation, that name a provider, one of its modules or of its variables."""
    tree = ast.parse(source)
    documentation = {id(each) for node in ast.walk(tree) if _documents(node) for each in ast.walk(_text_of(node))}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documentation
        and WORD.search(node.value)
    ]


def _documents(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign):
        return any(isinstance(each, ast.Name) and each.id in DOCUMENTATION for each in node.targets)
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, holders) and ast.get_docstring(node, clean=False) is not None


def _text_of(node: Any) -> ast.AST:
    return node.value if isinstance(node, ast.Assign) else node.body[0]


def shared_python() -> list[str]:
    """The Python of the collection in which no provider has a place."""
    files = [name for name in tracked(".py") if name.startswith("plugins/") and not name.startswith(KNOWING)]
    return [name for name in files if not BEARING.fullmatch(name) and "/doc_fragments/" not in name]


def choices_in(value: Any) -> Iterator[list[str]]:
    """All lists of choices in a document that name a provider."""
    if isinstance(value, dict):
        found = value.get("choices")
        if isinstance(found, list) and NAMES & {each for each in found if isinstance(each, str)}:
            yield found
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from choices_in(child)


def documents(name: str) -> Iterator[Any]:
    """The YAML of a file: its own, or that of a plugin's documentation."""
    text = (ROOT / name).read_text()
    if name.endswith(".yml"):
        yield from yaml.safe_load_all(text)
        return
    for node in ast.walk(ast.parse(text)):
        value = node.value if isinstance(node, ast.Assign) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and "options:" in value.value:
            yield yaml.safe_load(value.value)


def lists_of_choices() -> dict[str, list[list[str]]]:
    """The lists of choices that name a provider, by the file in which they stand."""
    specifications = [name for name in tracked("/argument_specs.yml") if name.startswith("roles/")]
    plugins = [name for name in tracked(".py") if name.startswith(("plugins/modules/", "plugins/inventory/"))]
    fragments = [name for name in tracked(".py") if name.startswith("plugins/doc_fragments/")]
    found = {
        name: [each for document in documents(name) for each in choices_in(document)]
        for name in (*specifications, *plugins, *fragments)
    }
    return {name: lists for name, lists in found.items() if lists}


def test_the_registry_alone_names_the_providers():
    assert [f"{name}:{line}" for name in shared_python() for line in named_in_python((ROOT / name).read_text())] == []


@pytest.mark.parametrize(("name", "lists"), lists_of_choices().items())
def test_choices_in_yaml_are_those_of_the_registry(name, lists):
    assert lists == [registry.names()] * len(lists), f"{name}: see docs/adding-a-provider.md"


def test_the_lists_of_choices_are_found():
    found = lists_of_choices()
    assert {"roles/train/meta/argument_specs.yml", "plugins/modules/pod.py", "plugins/doc_fragments/api.py"} <= {*found}
    one = next(iter(NAMES))
    assert [*choices_in({"options": [{"choices": [one]}, {"choices": [1, "other"]}]})] == [[one]]


def test_every_row_says_what_the_collection_needs():
    for each in registry.PROVIDERS:
        assert each.key_variables, f"{each.name}: no variable holds its key, so that none is kept from pods"
        assert (ROOT / PROVIDERS / each.name / "provider.py").is_file(), "a provider's folder bears its name"
        assert not {*each.own_options} & {*each.extra_options}
    assert set(registry.ACCOUNT_KEYS) == {name for each in registry.PROVIDERS for name in each.key_variables}


def test_a_name_is_seen():
    assert named_in_python("names = ['runpod', 'other']") == [1]
    assert named_in_python("x = f'give vastai.search, {y}'") == [1]
    assert named_in_python("x = 'set VAST_API_KEY'") == [1]
    assert named_in_python("x = 'podyard.gpu.runpod_pod'") == [1]
    assert named_in_python('def one():\n    """Such as runpod."""\n') == []
    assert named_in_python("DOCUMENTATION = 'choices: [runpod, vastai]'") == []
    assert not BEARING.fullmatch("plugins/modules/pod.py")


def test_no_shared_code_asks_which_provider_it_is():
    files = [name for name in tracked(".py") if name.startswith("plugins/") and not name.startswith(KNOWING)]
    assert [f"{name}:{line}" for name in files for line in asked_in_python((ROOT / name).read_text())] == []


def test_no_role_and_no_playbook_asks_it_either():
    files = [name for name in tracked("") if name.startswith(("roles/", "playbooks/")) and "/meta/" not in name]
    texts = {name: (ROOT / name).read_text() for name in files if name.endswith((".yml", ".j2"))}
    assert [name for name, text in texts.items() if COMPARED.search(text)] == []


def test_the_question_is_seen():
    assert asked_in_python("x = 1 if pod.provider == 'vastai' else 2") == [1]
    assert asked_in_python("if 'runpod' in names:\n    pass") == [1]
    assert asked_in_python("names = ['runpod']") == []
    for text in ("pod.provider == 'vastai'", "'runpod' in providers", "selectattr('provider', 'eq', 'vastai')"):
        assert COMPARED.search(text)
    assert not COMPARED.search("plan_pod: {providers: [runpod]}")
