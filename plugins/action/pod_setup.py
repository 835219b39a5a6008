# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.pod_setup: waits until a pod's own set-up is done."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils._common.action import plain
from ..plugin_utils._common.screen import clean_errors, show
from ..plugin_utils._common.ssh import SshHost
from ..plugin_utils._follow.setup import Condition, NotDone, Probe, Wait

ARGUMENTS: dict[str, Any] = {
    "file": {"type": "str"},
    "command": {"type": "str"},
    "label": {"type": "str"},
    "timeout": {"type": "float", "default": 1200.0},
    "unreachable_timeout": {"type": "float", "default": 120.0},
    "poll_interval": {"type": "float", "default": 5.0},
}


class ActionModule(ActionBase):
    """Check over the SSH connection of the task's host, which needs a shell and nothing else."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    @clean_errors()
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Wait until the image's own set-up is done, showing its progress."""
        result = super().run(tmp, task_vars)
        del tmp
        _validation, arguments = self.validate_argument_spec(
            argument_spec=ARGUMENTS, mutually_exclusive=[("file", "command")], required_one_of=[("file", "command")]
        )
        options = plain(arguments)
        _refuse(options)
        name = self._task.delegate_to or (task_vars or {}).get("inventory_hostname")
        host = SshHost.of(self._connection, name)
        condition = Condition(options["file"], options["command"])
        wait = Wait(
            label=options["label"] or host.label,
            condition=condition,
            probe=Probe(host, condition, renew=not self._task.check_mode),
            show=show,
            # In check mode there is a single look.
            timeout=0.0 if self._task.check_mode else options["timeout"],
            silence=options["unreachable_timeout"],
            poll_interval=options["poll_interval"],
            orphaned=_orphaned(os.getppid()),
        )
        try:
            result.update(wait.run(), changed=False)
        except NotDone as error:
            raise AnsibleActionFail(str(error)) from error
        return result


def _orphaned(parent: int) -> Callable[[], bool]:
    """Return a function that says whether this process has lost its present parent."""
    return lambda: os.getppid() != parent


def _refuse(options: dict[str, Any]) -> None:
    """Refuse values that make no sense."""
    wrong = [name for name, value in options.items() if isinstance(value, float) and value <= 0]
    if wrong:
        raise AnsibleActionFail(f"These options are in seconds and must be more than 0: {', '.join(wrong)}.")
    if options["file"] and not options["file"].startswith("/"):
        raise AnsibleActionFail(f"file must be an absolute path on the host, not {options['file']!r}.")
