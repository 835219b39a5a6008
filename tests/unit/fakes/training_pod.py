# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A training with real processes on this machine, for the tests of the modules that start and end one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.podyard.gpu.plugins.module_utils._training.supervisor import members
from ansible_collections.podyard.gpu.plugins.modules import training, training_info

# Nothing here takes longer than a second or two on an idle machine.
PATIENCE = 60


def until(condition, what):
    """Wait for a condition; the pause between two looks is no wait for anything."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def programs_of(directory):
    """The processes that were started with a path in this directory: runner, supervisor and shell, from their start."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as stream:
            if directory.encode() in stream.read():
                yield int(name)


@pytest.fixture
def call(capsys):
    """Runs a module's main with arguments and returns its result."""

    def run(module, check=False, diff=False, **arguments):
        settings = {"_ansible_check_mode": check, "_ansible_diff": diff}
        capsys.readouterr()
        with patch_module_args({**arguments, **settings}), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def pod(call, tmp_path, monkeypatch):
    """A training in a directory of its own; whatever is left of it is killed at the end."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))

    class Pod:
        def __init__(self):
            self.dir, self.home = tmp_path / "a run", home

        def start(self, command, **arguments):
            return call(training, dir=str(self.dir), command=command, sample_interval=0.1, **arguments)

        def stop(self, **arguments):
            return call(training, dir=str(self.dir), state="stopped", **arguments)

        def info(self, **arguments):
            return call(training_info, dir=str(self.dir), **arguments)

        def ended(self):
            return until(lambda: (found := self.info())["state"] not in ("running", "absent") and found, "the end")

        def text(self, name):
            return (self.dir / name).read_text()

        def log(self):
            return self.text("train.log") if (self.dir / "train.log").exists() else ""

    made = Pod()
    yield made
    # Again and again: one of them may have started another between look and kill.
    while left := {*members(str(made.dir), None), *programs_of(str(made.dir))}:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
