# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins that work on the controller's files share. Private to this collection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase

from ...module_utils._core.shown import clean
from .core_version import refuse_old
from .screen import clean_errors


class ControllerAction(ActionBase):
    """An action that never looks at the host it runs for: it needs no connection and moves no file to it."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    ARGUMENTS: ClassVar[dict[str, Any]] = {}

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check the task's arguments against ARGUMENTS and return what `act` returns, with the base class's result."""
        refuse_old()
        result = super().run(tmp, task_vars)
        # Not tmp, which Ansible keeps for old plugins only.
        del tmp
        _validation, arguments = self.validate_argument_spec(argument_spec=self.ARGUMENTS)
        with clean_errors():
            result.update(self.act(plain(arguments), task_vars or {}))
        if isinstance(result.get("msg"), str):
            result["msg"] = clean(result["msg"])
        return result

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def check_mode(self) -> bool:
        return bool(self._task.check_mode)


def plain(value: Any) -> Any:
    """A JSON-able value without the tags that Ansible puts on text and containers, which are only its own business."""
    return json.loads(json.dumps(value))


def local_path(text: str) -> Path:
    """A path of the controller, absolute: `~` is expanded, the rest starts where ansible-playbook was called."""
    return Path(text).expanduser().absolute()


def host_python(templar: Any, task_vars: Mapping[str, Any]) -> str:
    """The Python of a task's host, as Ansible's modules use it."""
    wanted = templar.template(task_vars.get("ansible_python_interpreter") or "")
    if not wanted or str(wanted).startswith("auto"):
        wanted = task_vars.get("ansible_facts", {}).get("discovered_interpreter_python") or "python3"
    return str(wanted)
