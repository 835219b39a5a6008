# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs an action plugin as Ansible does, with real templating and without a playbook."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template


def trusted(value: Any) -> Any:
    """A value as Ansible reads it from a variables file: its text may hold templates."""
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {key: trusted(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [trusted(entry) for entry in value]
    return value


def act(
    plugin: type,
    arguments: dict[str, Any] | None = None,
    variables: dict[str, Any] | None = None,
    *,
    check_mode: bool = False,
    no_log: bool = False,
) -> dict[str, Any]:
    """Run the action's `run` with the arguments of a task and the variables of a host, and return its result."""
    loader = DataLoader()
    task = SimpleNamespace(
        args=dict(arguments or {}),
        check_mode=check_mode,
        no_log=no_log,
        async_val=0,
        diff=False,
        action="podyard.gpu.test",
    )
    action = plugin(
        task=task,
        connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="not used")),
        play_context=None,
        loader=loader,
        templar=Templar(loader, variables or {}),
        shared_loader_obj=None,
    )
    return action.run(None, variables or {})
