# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.run_decision: says what happens next to a run, for the roles."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ..plugin_utils._common.action import ControllerAction, local_path
from ..plugin_utils._common.files import now
from ..plugin_utils._follow.age import elapsed
from ..plugin_utils._job.spec import suggestion
from ..plugin_utils._record import decisions
from ..plugin_utils._record.record import RunError
from ..plugin_utils._record.run_file import RunFile
from ..plugin_utils._status.lost_pod import diagnose_lost_pod

ABOUT: dict[str, Callable[..., dict[str, Any]]] = {
    "found_run": decisions.found_run,
    "search": decisions.search,
    "checked_pod": decisions.checked_pod,
    "lost_run": decisions.lost_run,
    "lost_pod": decisions.lost_pod,
    "kept_pod": decisions.kept_pod,
    "result": decisions.result,
    "stopped_run": decisions.stopped_run,
    "ended_run": decisions.ended_run,
    "fetched_runs": decisions.fetched_runs,
}
#: Arguments of a decision that this action knows; all others are facts that the task gives.
KNOWN_HERE = ("record", "run_dir", "now", "seen_at", "check_mode")


class ActionModule(ControllerAction):
    """Ask the function that decides the question. Change nothing."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "about": {"type": "str", "choices": list(ABOUT), "required": True},
        "run_dir": {"type": "path"},
        "facts": {"type": "dict", "default": {}},
    }

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Answer one question of a role with the function that decides it."""
        about, facts = arguments["about"], dict(arguments["facts"])
        if about == "lost_pod":
            facts = _diagnosed(facts)
        decide = ABOUT[about]
        parameters = inspect.signature(decide).parameters
        _refuse(about, facts, {name: each for name, each in parameters.items() if name not in KNOWN_HERE})
        here = self._known_here(arguments["run_dir"], [name for name in parameters if name in KNOWN_HERE])
        try:
            return {"changed": False, "decision": decide(**here, **facts)}
        except LookupError as error:
            raise AnsibleActionFail(str(error.args[0])) from error

    def _known_here(self, directory: str | None, names: list[str]) -> dict[str, Any]:
        """Return the facts that a decision needs and that the task cannot know."""
        if directory is None and {"record", "run_dir"} & set(names):
            raise AnsibleActionFail("This decision needs the record of a run: give its directory (run_dir).")
        run_dir = local_path(directory or ".")
        known: dict[str, Callable[[], Any]] = {
            "record": lambda: _record(RunFile(run_dir)),
            "run_dir": lambda: run_dir,
            "now": elapsed,
            "seen_at": now,
            "check_mode": lambda: self.check_mode,
        }
        return {name: known[name]() for name in names}


def _record(file: RunFile) -> dict[str, Any]:
    """Return the record of the run, {} for a damaged one: it must not keep a pod from being given back."""
    try:
        record = file.read()
    except RunError:
        return {}
    return record.to_json() if record is not None else {}


def _diagnosed(facts: dict[str, Any]) -> dict[str, Any]:
    """Replace the provider's list by what it says about the pod; without a list, by the reason why there is none."""
    if "pod" not in facts:
        return facts
    pods, trouble = facts.pop("pods", None), facts.pop("trouble", None)
    if pods is None:
        message = f"Its provider could not be asked what happened to it: {trouble or 'the reason is not known.'}"
        return {**facts, "diagnosis": {"kind": None, "advice": "", "message": message}}
    return {**facts, "diagnosis": diagnose_lost_pod(pods, facts["pod"])}


def _refuse(about: str, facts: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]) -> None:
    """Refuse missing and unknown facts."""
    missing = [name for name, each in parameters.items() if each.default is each.empty and name not in facts]
    if missing:
        raise AnsibleActionFail(f"A decision about {about} needs these facts too: {', '.join(missing)}.")
    foreign = next((name for name in facts if name not in parameters), None)
    if foreign is not None:
        raise AnsibleActionFail(f"A decision about {about} does not use {foreign}{suggestion(foreign, parameters)}")
