# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hooks of pre-commit are the checks of ``make lint``: the same commands, and none missing."""

from __future__ import annotations

import importlib.util
import re
import sys

import pytest
import yaml
from arrows import ROOT, tracked

HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]


@pytest.fixture(scope="module")
def gates():
    """Return the checks of ``make lint``."""
    spec = importlib.util.spec_from_file_location("gates_of_run_tests", ROOT / "scripts" / "run_tests.py")
    program = sys.modules["gates_of_run_tests"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    yield program.gates()
    del sys.modules["gates_of_run_tests"]


def test_every_check_of_make_lint_is_a_hook_and_no_other_is(gates):
    assert sorted(hook["name"] for hook in HOOKS) == sorted(gate.name for gate in gates)


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_runs_the_check_it_is_named_after(hook):
    assert (hook["language"], hook["entry"], hook["args"]) == ("system", "scripts/test.sh", [hook["name"]])
    assert hook["pass_filenames"] is False, "a check reads the whole tree, not the files of the commit"
    assert hook["id"] == hook["name"].replace(" ", "-")


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_runs_for_some_file_of_the_tree(hook):
    assert [name for name in tracked("") if re.search(hook["files"], name)]
