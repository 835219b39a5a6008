# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of the module podyard.gpu.exec: finds the run, and resolves paths where the user typed them."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils._common.action import local_path
from ..plugin_utils._record.record import RunError
from ..plugin_utils._status.runs import current

RUNS_DIR = "./runs"


class ActionModule(ActionBase):
    """Runs the module with absolute paths.

    Ansible starts modules in the directory of the playbook, which may be in an installed collection.
    """

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module with absolute paths."""
        result = super().run(tmp, task_vars)
        del tmp
        arguments = dict(self._task.args)
        if not arguments.get("run_dir"):
            arguments["runs_dir"] = arguments.get("runs_dir") or RUNS_DIR
        for name in ("run_dir", "runs_dir"):
            if isinstance(arguments.get(name), str):
                arguments[name] = str(local_path(arguments[name]))
        if not arguments.get("run_dir") and not arguments.get("run_id"):
            try:
                arguments["run_dir"] = str(current(local_path(arguments["runs_dir"])).directory)
            except RunError as error:
                raise AnsibleActionFail(str(error)) from error
        result.update(self._execute_module("podyard.gpu.exec", module_args=arguments, task_vars=task_vars or {}))
        return result
