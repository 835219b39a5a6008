# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.plan: what a training will rent, send and cost, and what would prevent it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ..module_utils._core.errors import CloudError
from ..module_utils._core.patterns import Patterns
from ..module_utils._module.common import API
from ..module_utils._providers import registry
from ..plugin_utils._common.action import ControllerAction, local_path
from ..plugin_utils._common.files import write_json
from ..plugin_utils._common.screen import columns, show, show_rendered
from ..plugin_utils._job.pod import BadOptions, complete
from ..plugin_utils._plan import checks, text
from ..plugin_utils._plan.market import ask, connector
from ..plugin_utils._plan.options import Names, of_pod
from ..plugin_utils._plan.plan import build, read_trees
from ..plugin_utils._plan.record import Plan
from ..plugin_utils._transfer.manifest import HashCache, Tree, TreeError, hash_tree
from ..plugin_utils._transfer.progress import Progress

# Columns of the table: a narrower one would break, a wider one is hard to read.
NARROWEST, WIDEST = 80, 120
TEXT: dict[str, Any] = {"type": "str"}
NUMBER: dict[str, Any] = {"type": "float"}
LIST: dict[str, Any] = {"type": "list", "elements": "str", "default": []}


class ActionModule(ControllerAction):
    """Make and show a plan, and fail for whatever would fail later. Rent nothing, and write nothing but the plan."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "pod": {"type": "dict", "default": {}},
        "run_directory": {"type": "path"},
        "title": {"type": "str", "default": "training"},
        "max_cost": NUMBER,
        "max_hours": NUMBER,
        "image_gb": NUMBER,
        "output_gb": NUMBER,
        "code": {"type": "path"},
        "code_exclude": LIST,
        "dataset": {"type": "path"},
        "dataset_exclude": LIST,
        "bandwidth": NUMBER,
        "command": {"type": "str", "default": ""},
        "artifacts": {"type": "list", "elements": "str", "default": []},
        "artifacts_max_gb": {"type": "float", "default": 20.0},
        "ready_when": TEXT,
        "files": LIST,
        "settings": LIST,
        "prefix": {"type": "str", "default": ""},
        "pod_prefix": TEXT,
        "path": {"type": "path"},
        "api_key": {"type": "str", "no_log": True},
        "api_url": TEXT,
    }

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Make the plan of a run, with its offers, estimates, problems and warnings."""
        environ = self._environ()
        names = _names(arguments)
        try:
            pod = complete(arguments["pod"], names.pod_prefix.rstrip("."))
            arguments = {**arguments, **of_pod(pod), **_account(arguments, pod)}
            arguments["providers"] = registry.meant(arguments, environ) or registry.names()
        except (CloudError, BadOptions) as error:
            raise AnsibleActionFail(str(error)) from error
        connect = connector(arguments, environ)
        trees = read_trees(arguments, local_path)
        market = ask(arguments, environ, connect, show)
        plan = build(arguments, market, trees)
        plan.problems, plan.warnings = checks.judge(plan, market, trees.problems, names)
        plan.notes = [checks.in_their_words(note, plan, names) for note in plan.notes]
        self._write(arguments["path"], plan)
        width = min(WIDEST, max(NARROWEST, columns(NARROWEST)))
        show_rendered("\n" + text.render(plan, width))
        if plan.problems:
            raise AnsibleActionFail(_together(plan.problems))
        if not self.check_mode:
            for name in ("code", "dataset"):
                self._hash(name, getattr(trees, name), arguments[f"{name}_exclude"])
        return {"changed": False, "plan": plan.to_json()}

    def _environ(self) -> dict[str, str]:
        """Return the environment as a module of this task would find it."""
        given: dict[str, Any] = {}
        if getattr(self._task, "environment", None):
            self._compute_environment_string(given)
        return {**os.environ, **{name: str(value) for name, value in given.items()}}

    def _write(self, path: str | None, plan: Plan) -> None:
        """Write the plan, in check mode too: it is what check mode is for."""
        if not path:
            return
        file = local_path(path)
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_json(file, plan.to_json())
        except OSError as error:
            raise AnsibleActionFail(f"The plan {file} cannot be written: {error.strerror or error}.") from error

    def _hash(self, name: str, tree: Tree | None, exclude: list[str]) -> None:
        """Hash what will be sent before a pod is paid for; the transfer reuses the hashes."""
        if tree is None:
            return
        progress = Progress(f"hash {name}", tree.bytes, show)
        try:
            hash_tree(tree, HashCache(Path(tree.root), Patterns((), tuple(exclude))), progress.add)
        except TreeError as error:
            raise AnsibleActionFail(str(error)) from error


def _names(arguments: Mapping[str, Any]) -> Names:
    """Return the names by which the user knows the options; by default the pod's are in the mapping `pod`."""
    prefix = arguments["prefix"]
    return Names(prefix, f"{prefix}pod." if arguments["pod_prefix"] is None else arguments["pod_prefix"])


def _account(arguments: Mapping[str, Any], pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the key and the address, which may also be among the pod's options."""
    return {name: arguments[name] or pod[name] for name in API}


def _together(problems: list[str]) -> str:
    listed = "".join(f"\n  - {problem}" for problem in problems)
    return problems[0] if len(problems) == 1 else f"Nothing was rented, for {len(problems)} reasons:{listed}"
