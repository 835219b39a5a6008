# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports point the right way, and each rule is proved to bite by a planted import in a copy of the tree."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from arrows import COLLECTION, PLUGIN_UTILS, ROOT, UTILS, circles, package_of, tracked, violations

UTIL = f"{COLLECTION}.plugins.module_utils"
HERE = "plugins/module_utils/"
RUNPOD = f"{HERE}_providers/runpod/wire.py"
PLANTED = [
    (f"{HERE}_core/pod.py", f"from {UTIL}._market.search import rank", "_core is below _market"),
    (f"{HERE}_core/pod.py", "from .._market import search", "_core is below _market"),
    (f"{HERE}_http/session.py", f"from {UTIL}._providers import registry", "_http is below _providers"),
    (f"{HERE}_http/session.py", "from .._resources.account import key_hash", "_http is below _resources"),
    (f"{HERE}_resources/resource.py", "from .._providers.base import Provider", "_resources is below _providers"),
    (f"{HERE}_providers/registry.py", f"import {UTIL}._pods.lifecycle", "_providers is below _pods"),
    (f"{HERE}_market/search.py", f"from {UTIL}._pods.lifecycle import ensure", "_market is below _pods"),
    (f"{HERE}_market/search.py", "from .._providers.runpod import wire", "only the registry knows"),
    (f"{HERE}_providers/base.py", "from .runpod import wire", "only the registry knows"),
    (f"{HERE}_pods/ssh.py", "from .._module import common", "_pods is below _module"),
    (f"{HERE}_market/search.py", "from .._training import state", "_market is below _training"),
    (f"{HERE}_training/state.py", "from .._core import errors", "the standard library only"),
    (f"{HERE}_host/probe.py", "import requests", "the standard library only"),
    (RUNPOD, f"from {UTIL}._providers.vastai import wire", "a provider knows its own folder"),
    (RUNPOD, f"from {UTIL}._providers.registry import connect", "a provider knows its own folder"),
    (RUNPOD, f"from {UTIL}._pods.lifecycle import x", "_providers is below _pods"),
    (RUNPOD, "from ..vastai import wire", "a provider knows its own folder"),
    (RUNPOD, "import ansible.module_utils.basic", "knows nothing of Ansible"),
    (f"{HERE}_pods/lifecycle.py", "from ansible.errors import AnsibleError", "knows nothing of Ansible"),
    (
        f"{HERE}_core/clock.py",
        f"from {COLLECTION}.plugins.plugin_utils._record import record",
        "_core is below _record",
    ),
    (
        "plugins/plugin_utils/_inventory/hosts.py",
        f"from {COLLECTION}.plugins.inventory import pods",
        "is below plugins",
    ),
    ("plugins/plugin_utils/_transfer/push.py", "from .._job import job", "_transfer is below _job"),
    ("plugins/inventory/pods.py", f"from {UTIL}._providers.runpod import wire", "only the registry knows"),
    ("plugins/inventory/pods.py", f"from {COLLECTION}.plugins.modules import pod_info", "do not import each other"),
    ("plugins/inventory/pods.py", "import podyard_sandbox.cli", "knows nothing of the sandbox"),
    ("plugins/modules/pod_info.py", "def late():\n    from podyard_sandbox import cli", "knows nothing of the sandbox"),
    (f"{HERE}new.py", "", "belongs to no package"),
    (f"{HERE}_new/file.py", "", "belongs to no package"),
    ("plugins/plugin_utils/new.py", "", "belongs to no package"),
    ("sandbox/podyard_sandbox/__init__.py", f"from {UTIL}._core import pod", "knows nothing of the collection"),
    ("sandbox/podyard_sandbox/__init__.py", "import ansible", "the sandbox knows nothing of the collection"),
]
ALLOWED = [
    (RUNPOD, f"from {UTIL}._providers.runpod import catalogue"),
    (RUNPOD, "from ..base import Provider"),
    (RUNPOD, "from ..settings import Setting"),
    (RUNPOD, f"from {UTIL}._http.session import ApiSession"),
    (RUNPOD, f"from {UTIL}._core import errors"),
    (f"{HERE}_providers/registry.py", "from .runpod import wire"),
    (f"{HERE}_pods/lifecycle.py", f"from {UTIL}._market.search import rank"),
    (f"{HERE}_pods/lease.py", "from .._training import state"),
    (f"{HERE}_training/state.py", "from . import files"),
    ("plugins/modules/pod_info.py", f"from {UTIL}._pods.lifecycle import ensure"),
    ("plugins/modules/pod_info.py", f"from {UTIL}._providers import registry"),
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


def test_no_files_import_each_other_in_a_loop():
    assert circles() == []


def test_a_loop_is_found_though_it_is_for_types_only(copy, plant):
    assert circles(copy) == []
    plant("plugins/module_utils/_core/pod.py", "def late():\n    from .offer import Offer")
    (loop,) = circles(copy)
    assert {"plugins/module_utils/_core/pod.py", "plugins/module_utils/_core/offer.py"} <= set(loop)


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


def test_every_shared_file_has_a_package():
    files = [name for name in tracked(".py") if name.startswith((UTILS, PLUGIN_UTILS))]
    assert files
    assert [name for name in files if package_of(name) is None] == []
