# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that show a module's progress while it runs."""

from __future__ import annotations

import os
import stat
import threading
import types
from typing import ClassVar

import pytest

from ansible_collections.podyard.gpu.plugins.action import pod_termination, runpod_pod
from ansible_collections.podyard.gpu.plugins.plugin_utils._common import action as live
from ansible_collections.podyard.gpu.plugins.plugin_utils._common import screen
from ansible_collections.podyard.gpu.plugins.plugin_utils._common.action import LiveAction
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import PREFIX, RUN, FakeCloud, FakeTime, pod


def test_lines_are_shown_as_they_come_and_whole(tmp_path):
    path, shown, came = tmp_path / "progress", [], threading.Event()
    path.write_text("")

    def show(line):
        shown.append(line)
        came.set()

    with live.Tail(str(path), show), open(path, "a", encoding="utf-8") as file:
        file.write("one\ntw")
        file.flush()
        assert came.wait(30)
        assert shown == ["one"]
        file.write("o\nthree\n")
        file.flush()
    assert shown == ["one", "two", "three"]


class Display:
    shown: ClassVar[list[str]] = []

    def display(self, line):
        self.shown.append(line)


@pytest.fixture(name="action", params=[runpod_pod, pod_termination])
def made_action(request, monkeypatch):
    """An action whose module writes two lines, without an Ansible around it."""
    Display.shown = []
    monkeypatch.setattr(screen, "Display", Display)
    monkeypatch.setattr(live.ActionBase, "run", lambda self, tmp, task_vars: {})
    made = request.param.ActionModule.__new__(request.param.ActionModule)
    made._task = types.SimpleNamespace(args={"name": "x"}, async_val=0)
    made._connection = types.SimpleNamespace(
        transport="local", has_native_async=False, _shell=types.SimpleNamespace(tmpdir=None)
    )
    made._remove_tmp_path = lambda path: None
    made.modules = []

    def execute(module_args, task_vars=None, wrap_async=False):
        made.modules.append(dict(module_args))
        path = module_args.get("progress_file")
        if path is not None:
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            with open(path, "a", encoding="utf-8") as file:
                file.write("renting\nrented\n")
        return {"changed": True}

    made._execute_module = execute
    return made


def test_a_modules_progress_is_shown_and_its_file_removed(action):
    assert action.run(None, {}) == {"changed": True}
    assert Display.shown == ["renting", "rented"]
    (arguments,) = action.modules
    assert arguments["name"] == "x"
    assert not os.path.exists(arguments["progress_file"])
    assert action._task.args == {"name": "x"}


def test_the_file_is_removed_when_the_module_breaks(action):
    paths = []

    def execute(module_args, task_vars=None, wrap_async=False):
        paths.append(module_args["progress_file"])
        raise RuntimeError("broken")

    action._execute_module = execute
    with pytest.raises(RuntimeError, match="broken"):
        action.run(None, {})
    assert not os.path.exists(paths[0])


@pytest.mark.parametrize("where", ["ssh", "async"])
def test_a_module_that_cannot_be_seen_runs_without(action, where):
    if where == "ssh":
        action._connection.transport = "ssh"
    else:
        action._task.async_val = 60
    assert action.run(None, {})["changed"] is True
    assert action.modules == [{"name": "x"}]
    assert Display.shown == []


NO_SPACE = {"failed": True, "msg": "Task failed: [Errno 28] No space left on device"}


@pytest.mark.parametrize("how", ["raises", "fails"])
def test_where_no_module_can_be_started_pods_are_given_back_all_the_same(monkeypatch, tmp_path, how):
    """Ansible writes a module to a file before it runs it, and on a full disk it cannot."""
    warned, cloud = [], FakeCloud(pod("p1", f"{PREFIX}0-1"))
    monkeypatch.setattr(screen, "Display", lambda: types.SimpleNamespace(warning=warned.append, display=print))

    def connect(name, environ, **_given):
        connected.append(environ)
        return cloud

    monkeypatch.setattr(pod_termination.registry, "connect", connect)
    monkeypatch.setattr(pod_termination, "PollInterval", lambda interval: FakeTime().polls())
    monkeypatch.setattr(LiveAction, "run", lambda *_arguments: dict(NO_SPACE) if how == "fails" else full())
    connected = []
    arguments = {"project": "digits", "run_id": RUN, "run_dir": str(tmp_path / "run"), "providers": ["runpod"]}
    made = pod_termination.ActionModule.__new__(pod_termination.ActionModule)
    made._task = types.SimpleNamespace(args=arguments, async_val=0, check_mode=False, environment=[{"A": "b"}])
    made._connection = types.SimpleNamespace(transport="local")
    made._templar = types.SimpleNamespace(template=lambda value: value)
    options = {**dict.fromkeys(made.ARGUMENTS), **arguments, "consistency_grace": 1}
    made.validate_argument_spec = lambda argument_spec: (None, options)
    result = made.run(None, {})
    assert [(each["id"], each["gone_proved"]) for each in result["pods"]] == [("p1", True)] and not cloud.pods
    assert "failed" not in result and connected[0]["A"] == "b"
    assert "No space left" in warned[0]


def full():
    raise OSError(28, "No space left on device")


def test_an_answer_of_the_module_is_left_as_it_is(monkeypatch):
    answer = {"failed": True, "msg": "NOT PROVED GONE", "pods": []}
    monkeypatch.setattr(LiveAction, "run", lambda *_arguments: dict(answer))
    made = pod_termination.ActionModule.__new__(pod_termination.ActionModule)
    assert made.run(None, {}) == answer
