# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.training_progress: follows a training until it ends."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..module_utils._core.patterns import BadPattern
from ..module_utils._core.times import parse_time
from ..plugin_utils._common.action import host_python, local_path, plain
from ..plugin_utils._common.pod_lists import environment, lists
from ..plugin_utils._common.screen import clean_errors, show, warn
from ..plugin_utils._common.ssh import SshHost
from ..plugin_utils._follow.age import PodAge
from ..plugin_utils._follow.checkpoints import Checkpoints
from ..plugin_utils._follow.follower import Follower, Limits, Verdict
from ..plugin_utils._follow.probe import NoAnswer, RunDirWriter, TrainingProbe
from ..plugin_utils._follow.text import LogView
from ..plugin_utils._guard.control import Tending
from ..plugin_utils._status.lost_pod import FINAL, diagnose_lost_pod
from ..plugin_utils._transfer.bounds import most_bytes
from ..plugin_utils._transfer.manifest import TreeError

# Seconds for a provider's list of pods; meanwhile nothing looks at the host.
ASKED = 10.0
ARGUMENTS: dict[str, Any] = {
    "dir": {"type": "str", "required": True},
    "run_dir": {"type": "path", "required": True},
    "output_dir": {"type": "str"},
    "metrics_file": {"type": "str"},
    "checkpoints": {"type": "list", "elements": "str", "default": []},
    "max_gb": {"type": "float", "default": 0.0},
    "poll_interval": {"type": "float", "default": 5.0},
    "max_hours": {"type": "float", "default": 0.0},
    "max_cost": {"type": "float", "default": 0.0},
    "usd_per_hour": {"type": "float", "default": 0.0},
    "rented_at": {"type": "str"},
    "earlier_cost": {"type": "float", "default": 0.0},
    "stall_timeout": {"type": "float", "default": 0.0},
    "unreachable_timeout": {"type": "float", "default": 120.0},
    "pod": {"type": "dict"},
    "env_file": {"type": "path"},
    "stop_grace": {"type": "float", "default": 30.0},
    "show_log": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    """Follow a training over the SSH connection of the task's host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    @clean_errors()
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Follow the training until it ends or a limit ends it."""
        result = super().run(tmp, task_vars)
        del tmp
        _validation, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        options = plain(arguments)
        _refuse(options)
        try:
            follower = self._follower(options, task_vars or {})
            if self._task.check_mode:
                verdict = follower.glance()
            else:
                with follower.keeper.open():
                    verdict = follower.run()
        except (BadPattern, TreeError) as error:
            raise AnsibleActionFail(str(error)) from error
        except NoAnswer as error:
            raise AnsibleActionFail(f"The state of the training could not be read: {error}") from error
        except OSError as error:
            raise AnsibleActionFail(f"The run's directory cannot be written: {error}") from error
        result.update(_to_result(follower, verdict))
        return result

    def _follower(self, options: dict[str, Any], task_vars: dict[str, Any]) -> Follower:
        host = SshHost.of(self._connection, self._task.delegate_to or task_vars.get("inventory_hostname"))
        run_dir = local_path(options["run_dir"])
        output = options["output_dir"] or posixpath.join(options["dir"], "output")
        return Follower(
            eye=TrainingProbe(host, host_python(self._templar, task_vars)),
            keeper=RunDirWriter(run_dir, write=not self._task.check_mode),
            checkpoints=Checkpoints(
                host,
                output,
                run_dir / "checkpoints",
                options["checkpoints"],
                show,
                most_bytes(options["max_gb"]),
            ),
            limits=_limits(options),
            request={"dir": options["dir"], "output_dir": output, "metrics_file": options["metrics_file"]},
            poll_interval=options["poll_interval"],
            show=show,
            log=LogView(show if options["show_log"] else _silent),
            stop=self._stopper(options["dir"], task_vars),
            orphaned=_orphaned(os.getppid()),
            over=lambda: _over(options["pod"], options["env_file"]),
            age=PodAge(
                parse_time(options["rented_at"]),
                show,
                (lambda: _age(options["pod"], options["env_file"])) if options["pod"] else None,
            ),
            tend=Tending(run_dir, show, warn),
        )

    def _stopper(self, directory: str, task_vars: dict[str, Any]) -> Callable[[float], str]:
        def stop(grace: float) -> str:
            arguments = {"state": "stopped", "dir": directory, "grace": grace}
            try:
                done = self._execute_module("podyard.gpu.training", module_args=arguments, task_vars=task_vars)
            except AnsibleConnectionFailure as error:
                return f"It could not be ended; only giving the pod back will end it: {error}"
            return str(done.get("msg", "")) if done.get("failed") else ""

        return stop


def _orphaned(parent: int) -> Callable[[], bool]:
    """Return a function that says whether this process has lost its parent."""
    return lambda: os.getppid() != parent


def _over(pod: Mapping[str, Any] | None, env_file: str | None) -> str | None:
    """Ask the provider what ended everything on the pod; None if nothing did, or it cannot be asked."""
    if not pod:
        return None
    (found,) = lists([str(pod["provider"])], environment(env_file), ASKED)
    kind = None if found.error else diagnose_lost_pod(found.pods, pod)["kind"]
    return kind if kind in FINAL else None


def _age(pod: Mapping[str, Any], env_file: str | None) -> tuple[float, float] | None:
    """Return the pod's age in seconds by its provider's clock, and how far that is ahead of ours; or None."""
    (found,) = lists([str(pod["provider"])], environment(env_file), ASKED)
    age = found.age(str(pod["id"]))
    return None if age is None or found.clock_ahead is None else (age, found.clock_ahead)


def _silent(_line: str) -> None:
    """Show nothing."""


def _refuse(options: dict[str, Any]) -> None:
    """Refuse values that make no sense."""
    lacking = [name for name in ("provider", "id", "name") if options["pod"] and not options["pod"].get(name)]
    if lacking:
        raise AnsibleActionFail(f"The option pod has no {lacking[0]}; give a pod as the module pod_info returns it.")
    negative = [name for name, value in options.items() if isinstance(value, float) and value < 0]
    if negative:
        raise AnsibleActionFail(f"These options must not be negative: {', '.join(negative)}.")
    if options["poll_interval"] == 0:
        raise AnsibleActionFail("poll_interval is the number of seconds between two looks and must be more than 0.")
    if options["max_cost"] and not options["usd_per_hour"]:
        raise AnsibleActionFail(
            "max_cost needs usd_per_hour, the price of the pod; without it the limit would never be reached."
        )
    if options["rented_at"] and parse_time(options["rented_at"]) is None:
        raise AnsibleActionFail(f"rented_at is not an RFC 3339 time: {options['rented_at']!r}.")


def _limits(options: dict[str, Any]) -> Limits:
    return Limits(
        max_hours=options["max_hours"],
        max_cost=options["max_cost"],
        stall_timeout=options["stall_timeout"],
        unreachable_timeout=options["unreachable_timeout"],
        usd_per_hour=options["usd_per_hour"],
        earlier_cost=options["earlier_cost"],
        rented_at=parse_time(options["rented_at"]),
        stop_grace=options["stop_grace"],
    )


def _to_result(follower: Follower, verdict: Verdict) -> dict[str, Any]:
    """Return the task's result."""
    found = follower.found
    return {
        "failed": verdict.outcome not in ("succeeded", "running"),
        "changed": False,
        "msg": "\n".join([verdict.message, *(follower.log.last if verdict.outcome == "failed" else [])]),
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "message": verdict.message,
        "exit_code": found.get("exit_code"),
        "last_lines": list(follower.log.last),
        "metrics": follower.metrics,
        "cost_usd": round(follower.cost(), 6),
        "seconds": found.get("seconds"),
        "started_at": found.get("started_at"),
        "ended_at": found.get("ended_at"),
        "checkpoints": follower.checkpoints.fetched,
        "reconnects": follower.reconnects,
        "lease_ends_at": follower.keeper.lease_ends_at,
    }
