# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action pod: options that were handed on as one mapping."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.podyard.gpu.plugins.action import pod as action
from ansible_collections.podyard.gpu.plugins.plugin_utils._common.action import LiveAction
from ansible_collections.podyard.gpu.tests.unit.fakes.controller import act


@pytest.fixture(autouse=True)
def _module(monkeypatch):
    """The module's place is taken by its arguments."""
    monkeypatch.setattr(LiveAction, "run", lambda self, tmp, task_vars: dict(self._task.args))


def test_the_module_gets_them_as_its_own():
    spec = {"name": "x", "max_price": 0, "interruptible": False, "gpus": ["RTX 4090"], "bid": None}
    assert act(action.ActionModule, {"spec": spec, "state": "present"}) == {
        "name": "x",
        "max_price": 0,
        "interruptible": False,
        "gpus": ["RTX 4090"],
        "state": "present",
    }


def test_one_beside_it_counts():
    assert (
        act(action.ActionModule, {"spec": {"name": "x", "state": "absent"}, "state": "present"})["state"] == "present"
    )


def test_without_it_nothing_is_changed():
    assert act(action.ActionModule, {"name": "x", "bid": None}) == {"name": "x", "bid": None}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"name": "x", "max_prices": 1}, r"The option spec: max_prices is not an option .* did you mean max_price\?"),
        ("name=x", "The option spec must be a mapping"),
    ],
)
def test_what_is_no_option_is_refused(spec, said):
    with pytest.raises(AnsibleActionFail, match=said):
        act(action.ActionModule, {"spec": spec})
