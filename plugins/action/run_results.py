# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.run_results: fetches the results that a run has so far."""

from __future__ import annotations

import posixpath
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..module_utils._core.patterns import BadPattern
from ..plugin_utils._common.action import host_python, local_path, plain
from ..plugin_utils._common.screen import clean_errors, show
from ..plugin_utils._common.ssh import SshHost
from ..plugin_utils._follow.probe import NoAnswer, TrainingProbe
from ..plugin_utils._status.results import Fetcher, Results
from ..plugin_utils._transfer.bounds import most_bytes
from ..plugin_utils._transfer.manifest import TreeError

ARGUMENTS: dict[str, Any] = {
    "run_dir": {"type": "path", "required": True},
    "dir": {"type": "str", "required": True},
    "output_dir": {"type": "str"},
    "metrics_file": {"type": "str"},
    "checkpoints": {"type": "list", "elements": "str", "default": []},
    "artifacts": {"type": "list", "elements": "str", "default": []},
    "max_gb": {"type": "float", "default": 0.0},
}


class ActionModule(ActionBase):
    """Fetch over the SSH connection of the task's host.

    An unreachable host fails the task but stays in the play, which has to give the pod back.
    """

    TRANSFERS_FILES = False
    _supports_check_mode = True

    @clean_errors()
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fetch the results of a training over the connection of the task's host."""
        result = super().run(tmp, task_vars)
        del tmp
        _validation, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        options = plain(arguments)
        host = SshHost.of(self._connection, self._task.delegate_to or (task_vars or {}).get("inventory_hostname"))
        output = options["output_dir"] or posixpath.join(options["dir"], "output")
        try:
            most = most_bytes(options["max_gb"])
        except TreeError as error:
            raise AnsibleActionFail(str(error)) from error
        fetcher = Fetcher(
            host=host,
            eye=TrainingProbe(host, host_python(self._templar, task_vars or {})),
            run_dir=local_path(options["run_dir"]),
            request={"dir": options["dir"], "output_dir": output, "metrics_file": options["metrics_file"]},
            checkpoints=options["checkpoints"],
            artifacts=options["artifacts"],
            show=show,
            dry=bool(self._task.check_mode),
            most=most,
        )
        try:
            results = fetcher.run()
        except (NoAnswer, AnsibleConnectionFailure) as error:
            return {**result, "failed": True, "reached": False, "msg": str(error)}
        except (BadPattern, TreeError) as error:
            raise AnsibleActionFail(str(error)) from error
        except OSError as error:
            raise AnsibleActionFail(f"The run's directory cannot be written: {error}.") from error
        return {**result, **_to_result(results)}


def _to_result(results: Results) -> dict[str, Any]:
    """Return the task's result."""
    listed = {
        name: [{"path": path, "bytes": size, "sha256": sha} for path, (size, sha) in sorted(found.items())]
        for name, found in (("checkpoints", results.checkpoints), ("artifacts", results.artifacts))
    }
    return {
        "changed": bool(results.sent),
        "reached": True,
        "state": results.state,
        **listed,
        "metrics": results.metrics,
        "sent": sorted(results.sent),
        "sent_bytes": sum(results.sent.values()),
        "changing": sorted(results.changing),
        "unmatched": results.unmatched,
    }
