# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.run_record: keeps run.json on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ..plugin_utils._common.action import ControllerAction, local_path
from ..plugin_utils._common.screen import show, warn
from ..plugin_utils._guard.control import Tending
from ..plugin_utils._record.record import OUTCOMES, STAGES, RunError
from ..plugin_utils._record.run_file import RunFile
from ..plugin_utils._record.unrented import remove_unrented


class ActionModule(ControllerAction):
    """Change the record of a run, in one step under its lock."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "begin": {"type": "str", "choices": list(STAGES)},
        "end_stages": {"type": "bool", "default": False},
        "set": {"type": "dict", "default": {}},
        "artifacts": {"type": "list", "elements": "dict"},
        "outcome": {"type": "str", "choices": list(OUTCOMES)},
        "error": {"type": "str"},
    }

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Write, change or remove the record of a run."""
        run_dir = local_path(arguments["path"])
        if arguments["state"] == "absent":
            return self._removed(run_dir)
        if arguments["begin"] and not self.check_mode:
            Tending(run_dir, show, warn)()
        values = dict(arguments["set"])
        if arguments["artifacts"] is not None:
            # Paths in the record are relative to the run's directory.
            values["artifacts"] = [_in_run_dir(file) for file in arguments["artifacts"]]
        try:
            run, changed = RunFile(run_dir).apply(
                begin=arguments["begin"],
                end_stages=arguments["end_stages"],
                values=values,
                outcome=arguments["outcome"],
                error=arguments["error"],
                write=not self.check_mode,
            )
        except RunError as error:
            raise AnsibleActionFail(str(error)) from error
        return {"changed": changed, "run": run.to_json()}

    def _removed(self, run_dir: Path) -> dict[str, Any]:
        try:
            removed = remove_unrented(run_dir, write=not self.check_mode)
        except RunError as error:
            raise AnsibleActionFail(str(error)) from error
        return {"changed": removed, "run": {}}


def _in_run_dir(file: dict[str, Any]) -> dict[str, Any]:
    """Return the path of a fetched file within the run's directory; the record refuses one without a path."""
    return {**file, "path": f"artifacts/{file['path']}"} if file.get("path") else file
