# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action guard, as a task calls it; what the guard does is tested with real processes beside its own code."""

from __future__ import annotations

import os

import psutil
import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.podyard.gpu.plugins.action import guard
from ansible_collections.podyard.gpu.plugins.action.guard import ActionModule
from ansible_collections.podyard.gpu.plugins.plugin_utils._guard import control
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.guard_state import GuardFile, GuardState, lives
from ansible_collections.podyard.gpu.tests.unit.fakes.controller import act
from ansible_collections.podyard.gpu.tests.unit.fakes.loopback_cloud import KEY, LoopbackCloud


@pytest.fixture(name="arguments")
def _arguments(tmp_path):
    """A task's arguments; a guard that a failed test leaves is ended."""
    cloud = LoopbackCloud()
    run_dir = tmp_path / "runs" / "r1"
    yield {"run_dir": str(run_dir), "project": "digits", "run_id": "r1", "api_key": KEY, "api_url": cloud.url}
    state = GuardFile(run_dir).read()
    if lives(state):
        psutil.Process(state.pid).kill()
    cloud.close()


def test_armed_and_released(arguments):
    armed = act(ActionModule, arguments)
    assert (
        armed["changed"] is True and armed["guard"]["state"] == "armed" and lives(GuardState.from_json(armed["guard"]))
    )
    assert armed["guard"]["controller"]["pid"] == os.getppid(), "outside a worker, the parent is the controller"
    assert KEY not in str(armed)
    again = act(ActionModule, arguments)
    assert again["changed"] is False and again["pid"] == armed["pid"]
    released = act(ActionModule, {"state": "released", "run_dir": arguments["run_dir"]})
    assert released["changed"] is True and not lives(GuardState.from_json(armed["guard"]))
    assert act(ActionModule, {"state": "released", "run_dir": arguments["run_dir"]})["changed"] is False


def test_check_mode_starts_nothing(arguments):
    result = act(ActionModule, arguments, check_mode=True)
    assert result["changed"] is True and result["pid"] is None
    assert not os.path.exists(arguments["run_dir"])


def test_check_mode_releases_nothing(arguments):
    armed = act(ActionModule, arguments)
    result = act(ActionModule, {"state": "released", "run_dir": arguments["run_dir"]}, check_mode=True)
    assert result["changed"] is True and lives(GuardState.from_json(armed["guard"]))
    assert act(ActionModule, arguments, check_mode=True)["changed"] is False


def test_what_it_cannot_do_without(arguments):
    with pytest.raises(AnsibleActionFail, match=r"The guard was not armed: give project and run_id"):
        act(ActionModule, {"run_dir": arguments["run_dir"]})
    with pytest.raises(AnsibleActionFail, match=r"nothing was rented: .*azure"):
        act(ActionModule, {**arguments, "providers": ["azure"]})


def test_without_psutil(arguments, monkeypatch):
    monkeypatch.setattr(control, "LIBRARY_PROBLEM", ImportError("No module named 'psutil'"))
    with pytest.raises(AnsibleActionFail, match=r"needs the Python library psutil .*nothing was rented"):
        act(ActionModule, arguments)


def test_a_guard_answers_for_every_provider_at_which_its_run_may_rent(arguments, monkeypatch, tmp_path):
    """As the module pod: for all with a key where none is named."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    monkeypatch.setenv("VAST_API_KEY", "0" * 64)
    given = []
    monkeypatch.setattr(guard, "arm", lambda orders: (given.append(orders.providers), True))
    own = {**arguments, "api_key": None, "api_url": None}
    act(ActionModule, own)
    act(ActionModule, {**own, "providers": ["vastai"]})
    act(ActionModule, arguments)
    monkeypatch.delenv("RUNPOD_API_KEY")
    monkeypatch.chdir(tmp_path)
    act(ActionModule, own)
    assert given == [("runpod", "vastai"), ("vastai",), ("runpod",), ("vastai",)]
