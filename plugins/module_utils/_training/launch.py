# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a training's files on a host before it is launched."""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import supervisor
from .runner import RUNNER, quoted_environment, shell_command, training_environment
from .state import Record, read_text, state_of

# The runner answers within milliseconds, but a sleeping network volume may take several seconds for each file.
ANSWER_SECONDS = 30.0
LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Launch:
    """One attempt to start the training in `directory`; its `token` tells it from other attempts."""

    directory: str
    token: str

    @property
    def environment_file(self) -> str:
        """The file from which the runner reads the environment: on the container's own disk, never on a volume."""
        return os.path.join(os.path.expanduser("~"), ".podyard", f"environment-{self.token}")

    def write(self, options: Mapping[str, Any]) -> list[str]:
        """Write the files and return the command line of the runner. Raises OSError."""
        os.makedirs(self.directory, mode=0o755, exist_ok=True)
        os.makedirs(os.path.dirname(self.environment_file), mode=0o700, exist_ok=True)
        values = training_environment(self.directory, options["run_id"], options["path_prefix"], options["env"])
        self._write(self.environment_file, quoted_environment(values))
        self._write(os.path.join(self.directory, f".command.{self.token}"), options["command"] + "\n")
        record = {"run_id": options["run_id"], "command": options["command"], **options["metadata"]}
        text = json.dumps(record, indent=2, allow_nan=False) + "\n"
        self._write(os.path.join(self.directory, f".job.{self.token}"), text)
        runner = self._program("runner.sh", RUNNER)
        self._program("supervisor.py", inspect.getsource(supervisor))
        place = options["chdir"] or self.directory
        shell = shell_command(os.path.join(self.directory, "command.sh"), strict=options["strict_shell"])
        numbers = [str(options[name]) for name in ("sample_interval", "background_timeout")]
        settings = [self.token, numbers[0], self.environment_file, place, sys.executable, numbers[1]]
        return ["sh", runner, self.directory, *settings, *shell]

    def _program(self, name: str, text: str) -> str:
        """Put a program into the directory, in one step since another attempt may be using it; return its path."""
        path = os.path.join(self.directory, name)
        self._write(f"{path}.{self.token}", text)
        os.replace(f"{path}.{self.token}", path)
        return path

    @staticmethod
    def _write(path: str, text: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)

    def won(self) -> bool:
        """Wait until it is decided which attempt trains; return whether it is this one.

        Raises TimeoutError.
        """
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            token = read_text(os.path.join(self.directory, "once"), "token")
            if token and read_text(self.directory, "pid"):
                return token == self.token
            time.sleep(LOOK_SECONDS)
        raise TimeoutError(f"the runner gave no sign of life for {ANSWER_SECONDS:.0f} s")


def begun(directory: str) -> Record:
    """Return the state of the training in `directory`; if another attempt is starting it, wait for its process."""
    record = state_of(directory)
    # This loop ends: without a process the training counts as lost after half a minute.
    while record["state"] == "running" and record["pid"] is None:
        time.sleep(LOOK_SECONDS)
        record = state_of(directory)
    return record
