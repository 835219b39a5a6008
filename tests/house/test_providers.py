# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared code, roles and playbooks ask what a provider can do, and never which one it is."""

from __future__ import annotations

import ast
import re

from arrows import ROOT, tracked

NAMES = {"runpod", "vastai"}
# A driver is its own provider, and somebody has to know which there are.
KNOWING = tuple(f"plugins/module_utils/_providers/{each}" for each in ("runpod/", "vastai/", "registry.py"))
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
