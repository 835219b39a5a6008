# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.pod_shell: opens a shell on the pod of a run."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ..module_utils._pods.connection import Connection
from ..module_utils._pods.ssh_options import ours
from ..plugin_utils._common.action import ControllerAction, local_path
from ..plugin_utils._common.screen import show
from ..plugin_utils._common.ssh import SSH_FAILED
from ..plugin_utils._common.terminal import controller_pid, lent, run_at, terminal_of
from ..plugin_utils._guard.renewal import Renewal
from ..plugin_utils._record.record import RunError
from ..plugin_utils._status.runs import NAMED, Run, choose, current

# A pod that works answers within a second, and the user is waiting.
CONNECT_SECONDS = 15.0


class ActionModule(ControllerAction):
    """Lend the terminal of ansible-playbook to ssh; where there is none, say the command."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "run_id": {"type": "str"},
        "runs_dir": {"type": "path", "default": "./runs"},
    }

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Open a shell on the pod of a run, or return the command for it."""
        try:
            runs_dir, named = local_path(arguments["runs_dir"]), arguments["run_id"]
            runs = choose(runs_dir, named.split(",")) if named else [current(runs_dir)]
        except RunError as error:
            raise AnsibleActionFail(str(error)) from error
        if len(runs) != 1:
            there = f" These match: {', '.join(run.run_id for run in runs[:NAMED])}." if runs else ""
            raise AnsibleActionFail(f"A shell can be opened on the pod of one run only; name one.{there}")
        [run] = runs
        connection = run.connection
        if connection is None:
            raise AnsibleActionFail(_why_not(run))
        told = {"changed": False, "run_id": run.run_id, "command": connection.ssh, "opened": False}
        terminal = terminal_of(controller_pid())
        if self.check_mode or terminal is None:
            show(connection.ssh)
            why = "in check mode" if self.check_mode else "without a terminal in the foreground"
            return {**told, "msg": f"No shell is opened {why}; this command opens one: {connection.ssh}"}
        code = self._open(terminal, connection, run)
        if code == SSH_FAILED:
            raise AnsibleActionFail(
                f"SSH to the pod {connection.name} of run {run.run_id} failed or was lost (exit code {code}). "
                f"To try it by hand: {connection.ssh}"
            )
        return {**told, "failed": False, "opened": True, "changed": True, "rc": code}

    @staticmethod
    def _open(terminal: str, connection: Connection, run: Run) -> int:
        command = ours(connection.ssh, terminal=True, connect=CONNECT_SECONDS)
        # The pod must not end itself while somebody works on it. Lines about its lease would end up in the shell.
        renewal = Renewal(run.directory, _silent, at_once=True)
        try:
            with lent(terminal) as descriptor:
                # Written here and not by Ansible's display, so that it comes before the pod's own output.
                words = f"\r\n{connection.ssh}\r\n"
                os.write(descriptor, words.encode())
                return run_at(descriptor, command, renewal.step)
        except OSError as error:
            raise AnsibleActionFail(
                f"This terminal cannot be given to ssh ({error}). To open the shell by hand: {connection.ssh}"
            ) from error
        finally:
            renewal.close()


def _silent(_line: str) -> None:
    """Show nothing."""


def _why_not(run: Run) -> str:
    """Say in one sentence why a run has no connection."""
    outcome = run.record.outcome
    if outcome == "running":
        return f"The run {run.run_id} has no pod that can be reached yet; it is at stage {run.stage}."
    return f"The run {run.run_id} has no pod any more; its outcome is {outcome}."
