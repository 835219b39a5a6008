# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.settings_info: lists the settings that the environment may hold, and where each is set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ..module_utils._core.errors import CloudError
from ..module_utils._providers import registry, settings
from ..plugin_utils._common.action import ControllerAction
from ..plugin_utils._common.screen import show


class ActionModule(ControllerAction):
    """List names and places only: the value of a setting is never returned."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {"show": {"type": "bool", "default": False}}

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of all providers, and where each of them is set."""
        tables = {name: registry.settings(name) for name in registry.names()}
        try:
            sources = settings.Sources(os.environ)
        except CloudError as error:
            raise AnsibleActionFail(error.message) from error
        listed = [
            {
                "provider": provider,
                **{
                    name: getattr(setting, name)
                    for name in ("name", "meaning", "unit", "option", "variable", "example")
                },
                "origin": (sources.find(setting.name) or (None, None))[1],
            }
            for provider, table in tables.items()
            for setting in table
        ]
        template = settings.template(tables)
        if arguments["show"]:
            show(template)
        return {"changed": False, "settings": listed, "template": template, "directory": str(Path.cwd())}
