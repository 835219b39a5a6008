# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.guard: arms and releases the guard of a run on the controller."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ..module_utils._core.errors import CloudError
from ..module_utils._providers import registry
from ..plugin_utils._common.action import ControllerAction, local_path
from ..plugin_utils._common.pod_lists import environment
from ..plugin_utils._guard.control import GuardError, arm, controller, release
from ..plugin_utils._guard.guard import GuardOrders
from ..plugin_utils._record.guard_state import ARMED, GuardFile


class ActionModule(ControllerAction):
    """Arm the guard before anything is rented, release it when nothing is left."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "state": {"type": "str", "choices": ["armed", "released"], "default": "armed"},
        "run_dir": {"type": "path", "required": True},
        "project": {"type": "str"},
        "run_id": {"type": "str"},
        "providers": {"type": "list", "elements": "str"},
        "consistency_grace": {"type": "float", "default": 60},
        "api_key": {"type": "str", "no_log": True},
        "api_url": {"type": "str"},
        "env_file": {"type": "str"},
    }

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Arm, release or describe the guard, as the option `state` asks."""
        run_dir = local_path(arguments["run_dir"])
        try:
            if arguments["state"] == "released":
                state, changed = release(run_dir, write=not self.check_mode)
            elif self.check_mode:
                state = GuardFile(run_dir).read()
                changed = state is None or state.state != ARMED
            else:
                state, changed = arm(self._orders(arguments))
        except GuardError as error:
            if error.unwritable:
                return {"failed": True, "changed": False, "msg": str(error), "unwritable": True}
            raise AnsibleActionFail(str(error)) from error
        if state is None:
            return {"changed": changed, "pid": None, "guard": {}}
        return {"changed": changed, "pid": state.pid, "guard": state.to_json()}

    def _orders(self, arguments: dict[str, Any]) -> GuardOrders:
        missing = [name for name in ("project", "run_id") if not arguments[name]]
        if missing:
            raise GuardError(
                f"The guard was not armed: give {' and '.join(missing)}, which it needs to know the pods of its run."
            )
        environ = environment(arguments["env_file"])
        try:
            providers = tuple(registry.meant(arguments, environ) or registry.names())
        except CloudError as error:
            raise GuardError(error.message) from error
        return GuardOrders(
            run_dir=local_path(arguments["run_dir"]),
            project=arguments["project"],
            run_id=arguments["run_id"],
            providers=providers,
            controller=controller(),
            grace=arguments["consistency_grace"],
            api_key=arguments["api_key"],
            api_url=arguments["api_url"],
            environ=environ,
        )
