# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.run_status: shows all pods, what they cost, and the state of their jobs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.utils.color import ANSIBLE_COLOR

from ..module_utils._core.errors import CloudError
from ..module_utils._core.files import replace_file
from ..module_utils._core.names import is_run_id
from ..module_utils._core.shown import cleaned
from ..module_utils._core.values import to_json
from ..module_utils._providers import registry
from ..plugin_utils._common.action import ControllerAction, local_path
from ..plugin_utils._common.pod_lists import PodList, environment, lists
from ..plugin_utils._common.screen import columns, show, show_rendered
from ..plugin_utils._record.record import RunError
from ..plugin_utils._status import runs
from ..plugin_utils._status.probe import looks
from ..plugin_utils._status.runs import Run
from ..plugin_utils._status.status import Found, Status, ours, render, status

# Columns assumed for a screen that does not report its width, such as AWX and pipes.
USUAL = 100


class ActionModule(ControllerAction):
    """Ask the providers, the pods and the records, and show the answers.

    Fail at the end if a provider did not answer.
    """

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "run_ids": {"type": "list", "elements": "str", "default": []},
        "runs_dir": {"type": "path", "default": "./runs"},
        "providers": {"type": "list", "elements": "str", "choices": registry.names()},
        "format": {"type": "str", "choices": ["table", "json", "none"], "default": "table"},
        "file": {"type": "path"},
        "width": {"type": "int"},
        "pod_timeout": {"type": "float", "default": 8},
        "api_timeout": {"type": "float", "default": 60},
        "env_file": {"type": "path"},
        "remarks": {"type": "list", "elements": "str", "default": []},
    }

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the state of all runs and pods, as a table and as data."""
        for name in ("pod_timeout", "api_timeout"):
            if arguments[name] <= 0:
                raise AnsibleActionFail(f"{name} is a number of seconds and must be more than 0.")
        runs_dir = local_path(arguments["runs_dir"])
        found, troubles = runs.known(runs_dir)
        try:
            only = self._only(arguments["run_ids"], runs_dir)
            listed = self._lists(arguments, found)
        except (RunError, CloudError) as error:
            raise AnsibleActionFail(str(error)) from error
        self._refuse_unknown(only, found, listed, runs_dir)
        now = datetime.now(UTC)
        running = {name.run_id for each in listed for pod, name in ours(each.pods, only) if pod["phase"] == "running"}
        looked = looks([run for run in found if run.run_id in running], arguments["pod_timeout"])
        told = status(Found(listed, found, looked, now, only, arguments["runs_dir"]))
        told.notes.extend(troubles)
        self._show(told, arguments, now)
        changed = self._write(told, arguments["file"])
        failed = [f"The pods at {name} could not be listed: {why}" for name, why in told.errors.items()]
        table = render(told, width=arguments["width"] or USUAL, color=False, now=now)
        end = {"failed": True, "msg": " ".join(failed)} if failed else {}
        return {"changed": changed, "table": table, **told.to_result(), **end}

    @staticmethod
    def _only(words: Sequence[str], runs_dir: Path) -> list[str]:
        """Return the requested run ids, [] for all. A run without a directory here may still have a pod."""
        if not words or runs.ALL in words:
            return []
        ids = []
        for word in words:
            if not is_run_id(word):
                raise RunError(f"{word!r} is not a run id: these consist of letters a-z, digits and underscores.")
            ids += [word] if word != runs.LATEST else [run.run_id for run in runs.choose(runs_dir, [word])]
        return ids

    def _lists(self, arguments: dict[str, Any], found: Sequence[Run]) -> list[PodList]:
        """List the pods of the named providers, else of those with a key and those at which a run has pods."""
        environ = environment(str(local_path(arguments["env_file"])) if arguments["env_file"] else None)
        used = {pod.provider for run in found if run.living for pod in run.unproved}
        names = registry.meant({"providers": arguments["providers"]}, environ, keyed=used) or registry.names()
        return lists(names, environ, arguments["api_timeout"])

    @staticmethod
    def _refuse_unknown(only: Sequence[str], found: Sequence[Run], listed: Sequence[PodList], runs_dir: Path) -> None:
        """Refuse a run that neither a record nor a pod knows, unless a provider could not be asked."""
        known = {run.run_id for run in found} | {name.run_id for each in listed for _pod, name in ours(each.pods)}
        unknown = [run_id for run_id in only if run_id not in known]
        if unknown and not any(each.error for each in listed):
            raise AnsibleActionFail(
                f"There is no run {', '.join(unknown)}: neither a directory in {runs_dir} nor a pod has that id."
            )

    def _show(self, told: Status, arguments: dict[str, Any], now: datetime) -> None:
        if arguments["format"] == "json":
            show(to_json(told.to_result(), indent=2))
        elif arguments["format"] == "table":
            width = arguments["width"] or columns(USUAL)
            table = render(told, width=width, color=ANSIBLE_COLOR, now=now)
            show_rendered("\n".join(["", table, *cleaned(arguments["remarks"])]))

    def _write(self, told: Status, file: str | None) -> bool:
        """Write the answer as JSON if a file is named; return whether it was written. Raises AnsibleActionFail."""
        if not file or self.check_mode:
            return False
        path = local_path(file)
        try:
            replace_file(path, to_json(told.to_result(), indent=2) + os.linesep)
        except OSError as error:
            raise AnsibleActionFail(f"The status cannot be written to {path}: {error}.") from error
        return True
