# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports point the right way, and each rule is proved to bite by a planted import in a copy of the tree."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from arrows import COLLECTION, ROOT, UTILS, layer_of, tracked, violations

UTIL = f"{COLLECTION}.plugins.module_utils"
PLANTED = [
    ("plugins/module_utils/_pod.py", f"from {UTIL}._market import rank", "words is below market"),
    ("plugins/module_utils/_http.py", f"from {UTIL} import _providers", "wire is below providers"),
    ("plugins/module_utils/_providers.py", f"import {UTIL}._lifecycle", "providers is below lifecycle"),
    ("plugins/module_utils/_market.py", f"from {UTIL}._lifecycle import ensure", "market is below lifecycle"),
    ("plugins/module_utils/_market.py", f"from {UTIL}._runpod import driver", "only _providers knows the drivers"),
    ("plugins/module_utils/_market.py", "from ._lifecycle import ensure", "market is below lifecycle"),
    ("plugins/module_utils/_runpod/__init__.py", f"from {UTIL}._vastai import driver", "a driver knows its own folder"),
    ("plugins/module_utils/_runpod/__init__.py", f"from {UTIL}._wait import Clock", "a driver knows its own folder"),
    ("plugins/module_utils/_runpod/__init__.py", f"from {UTIL}._lifecycle import x", "a driver knows its own folder"),
    ("plugins/module_utils/_runpod/__init__.py", "from .._vastai import driver", "a driver knows its own folder"),
    ("plugins/module_utils/_runpod/__init__.py", "import ansible.module_utils.basic", "knows nothing of Ansible"),
    ("plugins/module_utils/_lifecycle.py", "from ansible.errors import AnsibleError", "knows nothing of Ansible"),
    ("plugins/module_utils/_wait.py", f"from {COLLECTION}.plugins.plugin_utils import _runs", "is below plugin_utils"),
    ("plugins/plugin_utils/_inventory.py", f"from {COLLECTION}.plugins.inventory import pods", "is below plugins"),
    ("plugins/inventory/pods.py", f"from {UTIL}._runpod import wire", "only _providers knows the drivers"),
    ("plugins/inventory/pods.py", f"from {COLLECTION}.plugins.modules import pod_info", "do not import each other"),
    ("plugins/inventory/pods.py", "import podyard_sandbox.cli", "knows nothing of the sandbox"),
    ("plugins/modules/pod_info.py", "def late():\n    from podyard_sandbox import cli", "knows nothing of the sandbox"),
    ("plugins/module_utils/_new.py", "", "belongs to no layer"),
    ("sandbox/podyard_sandbox/__init__.py", f"from {UTIL} import _pod", "the sandbox knows nothing of the collection"),
    ("sandbox/podyard_sandbox/__init__.py", "import ansible", "the sandbox knows nothing of the collection"),
]
ALLOWED = [
    ("plugins/module_utils/_runpod/__init__.py", f"from {UTIL}._runpod import wire"),
    ("plugins/module_utils/_runpod/__init__.py", f"from {UTIL}._http import ApiSession"),
    ("plugins/module_utils/_runpod/__init__.py", f"from {UTIL} import _errors as errors"),
    ("plugins/module_utils/_lifecycle.py", f"from {UTIL}._market import rank"),
    ("plugins/modules/pod_info.py", f"from {UTIL}._lifecycle import ensure"),
    ("plugins/modules/pod_info.py", f"from {UTIL} import _providers"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the collection's and the sandbox's Python files, known to a git of its own."""
    copy = tmp_path_factory.mktemp("copy")
    for name in tracked(".py"):
        if name.startswith(("plugins/", "sandbox/")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    return copy


@pytest.fixture(scope="module")
def before(copy):
    """What is wrong in the copy before anything was planted."""
    return violations(copy)


@pytest.fixture
def plant(copy):
    """Add lines to a file of the copy for one test."""
    planted = []

    def add(path, lines):
        file = copy / path
        file.parent.mkdir(parents=True, exist_ok=True)
        planted.append((file, file.read_bytes() if file.exists() else None))
        with file.open("a", encoding="utf-8") as stream:
            stream.write(f"\n{lines}\n")

    yield add
    for file, content in planted:
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)


def test_every_import_points_the_right_way():
    assert violations() == []


@pytest.mark.parametrize("path, line, why", PLANTED)
def test_a_planted_import_against_the_arrows_is_found(copy, before, plant, path, line, why):
    plant(path, line)
    (found,) = set(violations(copy)) - set(before)
    assert found.startswith(path)
    assert why in found


@pytest.mark.parametrize("path, line", ALLOWED)
def test_an_import_along_the_arrows_is_fine(copy, before, plant, path, line):
    plant(path, line)
    assert violations(copy) == before


def test_every_shared_file_has_a_layer():
    files = [name for name in tracked(".py") if name.startswith(UTILS)]
    assert files
    assert [name for name in files if layer_of(name) is None] == []
