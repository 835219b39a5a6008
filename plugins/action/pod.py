# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.pod: runs the module of that name and shows its progress."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail

from ..plugin_utils._common.action import LiveAction
from ..plugin_utils._job import pod

SPEC = "spec"


class ActionModule(LiveAction):
    """The module with live progress, and with the options of the mapping `spec`."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        spec = self._task.args.get(SPEC)
        if spec is not None:
            try:
                options = pod.given(spec, "The option spec")
            except pod.BadOptions as error:
                raise AnsibleActionFail(str(error)) from error
            beside = {name: value for name, value in self._task.args.items() if name != SPEC}
            self._task.args = {**options, **beside}
        return super().run(tmp, task_vars)
