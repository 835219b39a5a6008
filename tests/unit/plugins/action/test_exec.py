# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of exec: which paths the module gets."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.podyard.gpu.plugins.action.exec import ActionModule
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.run_file import RunFile
from ansible_collections.podyard.gpu.tests.unit.fakes.controller import act


@pytest.mark.parametrize(
    ("arguments", "runs_dir", "run_dir"),
    [
        ({"run_id": "latest"}, "runs", None),
        ({"run_id": "latest", "runs_dir": "here/runs"}, "here/runs", None),
        ({"run_dir": "runs/latest"}, None, "runs/latest"),
        ({"run_id": "r1", "runs_dir": "/srv/runs"}, "/srv/runs", None),
        ({"run_id": "latest", "runs_dir": "~/runs"}, "home/runs", None),
    ],
)
def test_paths_start_where_the_person_is(tmp_path, monkeypatch, arguments, runs_dir, run_dir):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    called = []

    def execute(self, name, module_args, task_vars):
        called.append((name, module_args))
        return {"rc": 0, "changed": True}

    monkeypatch.setattr(ActionModule, "_execute_module", execute)
    result = act(ActionModule, {"command": "true", **arguments})
    assert result == {"rc": 0, "changed": True}
    [(name, told)] = called
    assert name == "podyard.gpu.exec" and told["command"] == "true"
    for given, path in ((told.get("runs_dir"), runs_dir), (told.get("run_dir"), run_dir)):
        assert given == (str(tmp_path / path) if path else None)


def test_the_only_run_that_is_not_over_is_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ActionModule, "_execute_module", lambda self, name, **call: call["module_args"])
    with pytest.raises(AnsibleActionFail, match="There is no run in"):
        act(ActionModule, {"command": "true"})
    RunFile(tmp_path / "runs" / "r1").apply(begin="follow")
    RunFile(tmp_path / "runs" / "r2").apply(begin="provision", outcome="failed")
    assert act(ActionModule, {"command": "true"})["run_dir"] == str(tmp_path / "runs" / "r1")
    RunFile(tmp_path / "runs" / "r3").apply(begin="follow")
    with pytest.raises(AnsibleActionFail, match=r"2 runs in .* are not over \(r3, r1\): say which"):
        act(ActionModule, {"command": "true"})
