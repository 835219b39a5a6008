# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.run_info: reads the run directories of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ..module_utils._core.errors import CloudError
from ..module_utils._core.names import is_run_id
from ..module_utils._core.units import usd
from ..module_utils._providers import registry
from ..plugin_utils._common.action import ControllerAction, local_path
from ..plugin_utils._common.pod_lists import environment
from ..plugin_utils._record.record import PodEntry, RunError
from ..plugin_utils._record.run_file import LATEST
from ..plugin_utils._status.runs import ALL, Run, choose, current, ids_in, living


class ActionModule(ControllerAction):
    """Read the records of runs, who works on them, and how their pods are reached."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "run_ids": {"type": "list", "elements": "str", "default": []},
        "runs_dir": {"type": "path", "default": "./runs"},
        "allow_unknown": {"type": "bool", "default": False},
        "allow_ended": {"type": "bool", "default": False},
    }

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return what the run directories say of the runs."""
        runs_dir, words = local_path(arguments["runs_dir"] or "./runs"), arguments["run_ids"]
        unknown = [word for word in words if _unknown(runs_dir, word)] if arguments["allow_unknown"] else []
        try:
            if words:
                runs = choose(runs_dir, (word for word in words if word not in unknown))
            else:
                runs = [current(runs_dir)] if arguments["allow_ended"] else living(runs_dir)
        except RunError as error:
            raise AnsibleActionFail(str(error)) from error
        return {"changed": False, "runs": [_to_result(run) for run in runs], "unknown": unknown}


def _unknown(runs_dir: Path, word: str) -> bool:
    """Return whether a word can be the id of a run but has no record here."""
    return word not in (ALL, LATEST) and is_run_id(word) and word not in ids_in(runs_dir)


def _to_result(run: Run) -> dict[str, Any]:
    owner = run.owner()
    return {
        "run_id": run.run_id,
        "run_dir": str(run.directory),
        "name": run.record.name,
        "outcome": run.record.outcome,
        "error": run.record.error,
        "stage": run.stage,
        "living": run.living,
        "owner": {"kind": owner.kind, "pid": owner.pid, "host": owner.host, "words": owner.words},
        "guard_state": run.guard.state if run.guard is not None else None,
        "pods": [pod.to_json() for pod in run.record.pods],
        "left": [_left(pod, str(run.job["env_file"] or "")) for pod in run.unproved],
        "cost_usd": run.record.cost_usd,
        "job": run.job,
        "connection": run.connection.to_json() if run.connection is not None else None,
        "host": f"podyard-run-{run.run_id}",
    }


def _left(pod: PodEntry, env_file: str) -> str:
    """Describe a pod that is not proved gone: what it costs, and how a person can end it when all else has failed."""
    try:
        provider = registry.connect(pod.provider, environ=environment(env_file or None))
        end = f"end it with: {provider.end_command(pod.id)}"
    except CloudError:
        end = f"end it in the console of {pod.provider}"
    lease = f" and ends itself at {pod.lease_ends_at}" if pod.lease_ends_at else ""
    return f"{pod.label} costs {usd(pod.usd_per_hour)} per hour{lease}; {end}"
