# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action settings_info: names and places, never values."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.podyard.gpu.plugins.action.settings_info import ActionModule
from ansible_collections.podyard.gpu.plugins.module_utils._providers import registry, settings
from ansible_collections.podyard.gpu.tests.unit.fakes.controller import act


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for setting in (each for name in registry.names() for each in registry.settings(name)):
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.delenv(settings.FILES_VARIABLE, raising=False)


def test_all_settings_are_listed_with_the_place_of_those_that_are_set(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("RUNPOD_API_KEY=rpa_secret\n")
    monkeypatch.setenv("RUNPOD_GPU_TYPE", "MY GPU")
    result = act(ActionModule)
    wanted = [(name, each.name) for name in registry.names() for each in registry.settings(name)]
    assert [(each["provider"], each["name"]) for each in result["settings"]] == wanted
    origins = {each["name"]: each["origin"] for each in result["settings"] if each["origin"]}
    assert origins == {"RUNPOD_API_KEY": str(tmp_path / ".env"), "RUNPOD_GPU_TYPE": "the environment"}
    assert "rpa_secret" not in json.dumps(result) and "MY GPU" not in json.dumps(result)
    assert result["directory"] == str(tmp_path) and result["changed"] is False


def test_the_template_is_printed_on_demand(monkeypatch):
    shown = []
    monkeypatch.setattr(Display, "display", lambda self, text, **kwargs: shown.append(text))
    template = act(ActionModule)["template"]
    assert shown == [] and "#RUNPOD_API_KEY=" in template
    act(ActionModule, {"show": True})
    assert shown == [template]


def test_a_named_file_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv(settings.FILES_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(AnsibleActionFail, match="nowhere cannot be read"):
        act(ActionModule)
