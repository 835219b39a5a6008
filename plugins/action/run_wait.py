# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.run_wait: waits until no process works on a run."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ..module_utils._core.units import duration
from ..plugin_utils._common.action import ControllerAction, local_path
from ..plugin_utils._common.screen import show
from ..plugin_utils._record.record import RunError
from ..plugin_utils._status.runs import Run

# Soon enough to seem immediate; reading two small files costs nothing.
LOOK = 0.3
# A line now and then shows what the wait is for.
SAY = 5.0


class ActionModule(ControllerAction):
    """Wait until the controller and the guard have ended; with `interrupt`, ask the controller to end first."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "run_dir": {"type": "path", "required": True},
        "timeout": {"type": "float", "default": 600},
        "interrupt": {"type": "bool", "default": False},
    }

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Wait until the process that owns a run has ended; with `interrupt`, ask it to end first."""
        directory = local_path(arguments["run_dir"])
        try:
            run = Run.at(directory)
            owner = run.owner()
            before = owner.kind
            # With interrupt this task takes over, so it does not wait for an owner that it cannot ask to end.
            if self.check_mode or before == "nobody" or (arguments["interrupt"] and before in ("elsewhere", "unknown")):
                return {"changed": False, "owner": before, "outcome": run.record.outcome}
            if owner.kind == "controller" and arguments["interrupt"] and owner.pid:
                # Not SIGINT, which a program in the background may ignore. The PID and the start time were compared
                # with guard.json a moment ago, so no other process gets the signal.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(owner.pid, signal.SIGTERM)
            run = self._wait(run, arguments["timeout"])
        except RunError as error:
            raise AnsibleActionFail(str(error)) from error
        except PermissionError as error:
            raise AnsibleActionFail(f"{owner.words} cannot be asked to end: {error}.") from error
        return {"changed": True, "owner": before, "outcome": run.record.outcome}

    @staticmethod
    def _wait(run: Run, timeout: float) -> Run:
        """Wait until no process works on the run. Raises RunError after the time-out."""
        begun = said = time.monotonic()
        while (owner := run.owner()).kind != "nobody":
            now = time.monotonic()
            if now - begun > timeout:
                where = f"still at stage {run.stage} after {duration(timeout)}"
                raise RunError(
                    f"The run {run.run_id} is {where}; {owner.words} works on it. See {run.directory / 'guard.log'}."
                )
            if now - said > SAY:
                said = now
                show(f"stop: waiting for {owner.words}, at stage {run.stage}, {duration(now - begun)} so far")
            time.sleep(LOOK)
            run = Run.at(run.directory)
        return run
