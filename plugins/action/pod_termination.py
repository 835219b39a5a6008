# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.pod_termination: runs the module of that name and shows its progress.

Ansible writes a module to a file before it runs it. On a full disk that fails, but the pods must be ended all the same:
if the module cannot be started on this machine, this process does its work, without any file.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any, ClassVar

from ansible.errors import AnsibleError

from ..module_utils._core.clock import PollInterval
from ..module_utils._core.errors import CloudError
from ..module_utils._core.names import prefix_of_run
from ..module_utils._module.common import failure, no_key
from ..module_utils._pods.give_back import GiveBack, to_result
from ..module_utils._pods.ledger import Ledger
from ..module_utils._pods.progress import Progress
from ..module_utils._pods.terminate import pods_of_run
from ..module_utils._providers import registry
from ..plugin_utils._common.action import LiveAction, local_path, plain
from ..plugin_utils._common.screen import show, warn


class Shown(Progress):
    """Progress that this process shows itself."""

    def say(self, line: str) -> None:
        """Show a line and note the time, so that the next sign of life is due later."""
        self._last = self._clock.monotonic()
        show(line)


class ActionModule(LiveAction):
    """The module with live progress, or its work in this process if the module cannot be started."""

    # The same as the module's.
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "project": {"type": "str", "required": True},
        "run_id": {"type": "str", "required": True},
        "run_dir": {"type": "path"},
        "consistency_grace": {"type": "float", "default": 60},
        "poll_interval": {"type": "float"},
        "progress_file": {"type": "path"},
        "api_key": {"type": "str", "no_log": True},
        "api_url": {"type": "str"},
        "providers": {"type": "list", "elements": "str", "choices": registry.names()},
    }

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        try:
            result = super().run(tmp, task_vars)
        except (AnsibleError, OSError) as error:
            return self._in_place(str(error))
        if result.get("failed") and "pods" not in result:
            # Every answer of the module names pods, so it was not the module that failed.
            return self._in_place(str(result.get("msg", "no reason was given")))
        return result

    def _in_place(self, why: str) -> dict[str, Any]:
        if self._task.async_val or self._connection.transport != "local":
            return {"failed": True, "msg": f"No pod was given back, because the module could not be started: {why}"}
        try:
            _validation, arguments = self.validate_argument_spec(argument_spec=self.ARGUMENTS)
        except AnsibleError as error:
            # The module would have refused the options too.
            return {"failed": True, "msg": str(error)}
        warn(f"The module pod_termination could not be started; its work is done without it: {why}")
        try:
            return self._given_back(plain(arguments), self._environ())
        except CloudError as error:
            return {"failed": True, "changed": True, "pods": error.facts.pop("pods_gone", []), **failure(error)}

    def _environ(self) -> dict[str, str]:
        """Return the environment that the module would have."""
        found = dict(os.environ)
        for each in self._task.environment or []:
            found.update({name: str(value) for name, value in (self._templar.template(each) or {}).items()})
        return found

    def _given_back(self, options: dict[str, Any], environ: dict[str, str]) -> dict[str, Any]:
        prefix = prefix_of_run(options["project"], options["run_id"])
        run_dir = local_path(options["run_dir"]) if options["run_dir"] else None
        names = registry.meant(options, environ)
        if not names:
            raise no_key()
        given = {"api_key": options["api_key"], "api_url": options["api_url"]}
        providers = {name: partial(registry.connect, name, environ=environ, **given) for name in names}
        for name in sorted(Ledger(run_dir).open_at(prefix) - set(names)):
            providers[name] = partial(registry.connect, name, environ=environ)
        if self._task.check_mode:
            return to_result([pod for connect in providers.values() for pod in pods_of_run(connect(), prefix)])
        polls, grace = PollInterval(interval=options["poll_interval"]), options["consistency_grace"]
        run = GiveBack(prefix, run_dir, grace, polls, Shown(), warn)
        return to_result(run.everywhere(providers))
