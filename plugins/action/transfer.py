# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.transfer: moves a directory tree and proves that it arrived."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..module_utils._core.patterns import BadPattern, Patterns
from ..plugin_utils._common.action import local_path, plain
from ..plugin_utils._common.screen import clean_errors, show
from ..plugin_utils._common.ssh import SshHost
from ..plugin_utils._transfer.bounds import most_bytes
from ..plugin_utils._transfer.manifest import TreeError
from ..plugin_utils._transfer.pull import Pull
from ..plugin_utils._transfer.push import Push
from ..plugin_utils._transfer.transfer import Mover, Report, Request, timed

# A broken connection usually works again within seconds; the pause doubles for a host that needs longer.
RECONNECT_PAUSE = 2.0

ARGUMENTS: dict[str, Any] = {
    "direction": {"type": "str", "required": True, "choices": ["push", "pull"]},
    "src": {"type": "str", "required": True},
    "dest": {"type": "str", "required": True},
    "include": {"type": "list", "elements": "str", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "verify": {"type": "str", "choices": ["sha256", "none"], "default": "sha256"},
    "delete": {"type": "bool", "default": False},
    "bandwidth_limit": {"type": "float", "default": 0.0},
    "method": {"type": "str", "choices": ["auto", "rsync", "tar"], "default": "auto"},
    "reconnects": {"type": "int", "default": 2},
    "max_gb": {"type": "float", "default": 0.0},
    "digest": {"type": "str"},
}


class ActionModule(ActionBase):
    """Move a tree over the SSH connection of the task's host."""

    # True would make Ansible create a temporary directory on the host, which costs a round trip and is not used.
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    @clean_errors()
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send or fetch the files, over the connection of the task's host."""
        result = super().run(tmp, task_vars)
        del tmp
        _validation, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        options = plain(arguments)
        try:
            request = self._request(options)
            label = self._task.delegate_to or (task_vars or {}).get("inventory_hostname")
            host = SshHost.of(self._connection, label)
            kind = Push if options["direction"] == "push" else Pull
            report, seconds = timed(lambda: _moved(kind, host, request, options["reconnects"]))
        except (TreeError, BadPattern) as error:
            raise AnsibleActionFail(str(error)) from error
        result.update(self._to_result(report, seconds))
        return result

    def _request(self, options: dict[str, Any]) -> Request:
        pushing = options["direction"] == "push"
        src, dest = options["src"], options["dest"]
        if pushing:
            src = str(local_path(src))
            if not Path(src).exists():
                raise AnsibleActionFail(f"Nothing was pushed: {src} does not exist on this machine.")
        else:
            dest = str(local_path(dest))
        if options["delete"] and (not pushing or options["include"]):
            raise AnsibleActionFail(
                "delete works only for a push without include: otherwise it would remove files that include leaves out."
            )
        if options["digest"] and (not pushing or options["delete"]):
            raise AnsibleActionFail("digest works only for a push without delete, to a directory that others use too.")
        if options["bandwidth_limit"] < 0:
            raise AnsibleActionFail("bandwidth_limit, in MiB per second, must not be negative; 0 means no limit.")
        return Request(
            src,
            dest,
            Patterns(tuple(options["include"]), tuple(options["exclude"])),
            label=Path(src).name or src,
            verify=options["verify"] == "sha256",
            delete=options["delete"],
            limit=options["bandwidth_limit"],
            method=options["method"],
            dry=bool(self._task.check_mode),
            most=0 if pushing else most_bytes(options["max_gb"]),
            digest=options["digest"] or None,
        )

    def _to_result(self, report: Report, seconds: float) -> dict[str, Any]:
        result = report.to_result(seconds)
        if self._task.diff:
            result["diff"] = report.diff()
        return result


def _moved(kind: type[Push] | type[Pull], host: SshHost, request: Request, reconnects: int) -> Report:
    """Move the tree; when the connection breaks, continue over a new one, at most `reconnects` times.

    Raises AnsibleConnectionFailure when it does not come back.
    """
    for number in range(reconnects + 1):
        try:
            return kind(Mover(host, request, show)).run()
        except AnsibleConnectionFailure as error:
            if number == reconnects:
                raise
            show(f"transfer: {error}; it continues over a new connection")
            host.drop_master()
            time.sleep(RECONNECT_PAUSE * 2**number)
    raise AnsibleActionFail("reconnects must not be negative.")
