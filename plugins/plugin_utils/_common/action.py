# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins that work on the controller's files share."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase

from ...module_utils._core.shown import clean
from ...module_utils._core.threads import begin
from .core_version import refuse_old
from .screen import clean_errors, show

#: Seconds between two looks into the file: soon enough to seem immediate, and nothing else waits for it.
LOOK = 0.2
OPTION = "progress_file"


class Tail:
    """Shows the lines that are appended to a file, in a thread, from ``with`` to its end."""

    def __init__(self, path: str, show: Any) -> None:
        self._path = path
        self._show = show
        self._position = 0
        self._rest = ""
        self._ended = threading.Event()

    def __enter__(self) -> Tail:
        self._thread = begin(self._follow, "podyard-progress")
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(LOOK):
            self._read()
        # What was written between the last look and the end of the module.
        self._read()

    def _read(self) -> None:
        """Show the complete lines that are new."""
        with open(self._path, encoding="utf-8", errors="replace") as file:
            file.seek(self._position)
            text = file.read()
            self._position = file.tell()
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._show(line)


class LiveAction(ActionBase):
    """Runs the module of the same name and shows its progress.

    Where the module runs on another host or asynchronously, its file cannot be seen from here, and it runs without
    progress.
    """

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        # Not tmp, which Ansible keeps for old plugins only.
        del tmp
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        arguments = dict(self._task.args)
        if wrap_async or self._connection.transport != "local":
            result.update(self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=wrap_async))
        else:
            result.update(self._shown(arguments, task_vars))
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _shown(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Run the module with a file for its progress, and show what comes."""
        descriptor, path = tempfile.mkstemp(prefix="podyard-progress-")
        os.close(descriptor)
        try:
            # A thread of the worker may use the display: its lines go through a queue to the main process.
            with Tail(path, show):
                return self._execute_module(module_args={**arguments, OPTION: path}, task_vars=task_vars)
        finally:
            os.unlink(path)


class ControllerAction(ActionBase):
    """An action that never looks at the host it runs for: it needs no connection and moves no file to it."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    ARGUMENTS: ClassVar[dict[str, Any]] = {}

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check the task's arguments against ARGUMENTS and return what `act` returns, with the base class's result."""
        refuse_old()
        result = super().run(tmp, task_vars)
        # Not tmp, which Ansible keeps for old plugins only.
        del tmp
        _validation, arguments = self.validate_argument_spec(argument_spec=self.ARGUMENTS)
        with clean_errors():
            result.update(self.act(plain(arguments), task_vars or {}))
        if isinstance(result.get("msg"), str):
            result["msg"] = clean(result["msg"])
        return result

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def check_mode(self) -> bool:
        return bool(self._task.check_mode)


def plain(value: Any) -> Any:
    """Return a JSON-able copy without the tags that Ansible puts on text and containers."""
    return json.loads(json.dumps(value))


def local_path(text: str) -> Path:
    """Return an absolute path of the controller: `~` is expanded, the rest starts where ansible-playbook was called."""
    return Path(text).expanduser().absolute()


def host_python(templar: Any, task_vars: Mapping[str, Any]) -> str:
    """Return the Python of a task's host, as Ansible's modules use it."""
    wanted = templar.template(task_vars.get("ansible_python_interpreter") or "")
    if not wanted or str(wanted).startswith("auto"):
        wanted = task_vars.get("ansible_facts", {}).get("discovered_interpreter_python") or "python3"
    return str(wanted)
