# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON is strict wherever the collection writes it: Python's own default writes NaN, which no other reader takes."""

from __future__ import annotations

import ast

import pytest
from arrows import ROOT, tracked

# Their text does not leave our own programs: a round trip in one process, and a probe whose reader checks each value.
INSIDE = {"plugins/plugin_utils/_common/action.py", "plugins/module_utils/_host/probe.py"}


def lax_writes(text: str) -> list[int]:
    """Lines in which JSON is written that may hold NaN or an infinity."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("dump", "dumps")
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "json"
        and not any(
            word.arg == "allow_nan" and isinstance(word.value, ast.Constant) and word.value.value is False
            for word in node.keywords
        )
    ]


@pytest.mark.parametrize("file", [name for name in tracked(".py") if name.startswith("plugins/")])
def test_json_is_written_strictly(file):
    lines = lax_writes((ROOT / file).read_text(encoding="utf-8"))
    assert file in INSIDE or not lines, f"{file}: use _values.to_json, or say allow_nan=False, in lines {lines}"


def test_a_lax_write_is_found():
    text = "import json\njson.dumps(x)\njson.dump(x, f, allow_nan=True)\njson.dumps(x, allow_nan=False)"
    assert lax_writes(text) == [2, 3]
