# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes that keep the code readable: modules, shared files, functions."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest
from arrows import ROOT, tracked

MODULE_LINES = 120  # of code; its documentation is as long as it needs to be
FILE_LINES = 600
FUNCTION_LINES = 40
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}

PYTHON = tracked(".py")
MODULES = [name for name in PYTHON if name.startswith("plugins/modules/")]
SHARED = [name for name in PYTHON if name.startswith(("plugins/", "sandbox/", "scripts/")) and name not in MODULES]
BUILT = [name for name in PYTHON if not name.startswith("tests/")]


def code_lines(source: str) -> int:
    """Lines with code on them: without blank ones, comments, docstrings, and the three documentation texts."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_documentation = isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id in DOCUMENTATION for target in node.targets
        )
        if isinstance(node, ast.stmt) and (is_text or is_documentation):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in nothing:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - left_out)


def long_functions(source: str) -> list[str]:
    """Functions that are too long, with their lines counted from `def` on, without their docstring."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[1] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body[0]
            header = node.body[0].lineno - node.lineno
            lines = header + (node.end_lineno or first.lineno) - first.lineno + 1
            if lines > FUNCTION_LINES:
                found.append(f"{node.name} has {lines} lines")
    return found


def read(name: str) -> str:
    return Path(ROOT, name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_short(name):
    assert code_lines(read(name)) <= MODULE_LINES


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_file_is_short(name):
    assert len(read(name).splitlines()) <= FILE_LINES


@pytest.mark.parametrize("name", BUILT)
def test_functions_are_short(name):
    assert long_functions(read(name)) == []


def test_the_counting_counts():
    body = "\n".join(f"    x = {number}" for number in range(FUNCTION_LINES))
    assert long_functions(f'def f():\n    """Doc\n\n    string."""\n{body}\n') == ["f has 41 lines"]
    assert long_functions("def f():\n" + body[: body.rindex("\n")] + "\n") == []
    documented = f'"""Doc."""\nDOCUMENTATION = r"""\n{"a: b" + chr(10) * 200}"""\n# comment\n\n'
    assert code_lines(documented) == 0
    assert code_lines(documented + "x = [\n    1,\n]\n") == 3
