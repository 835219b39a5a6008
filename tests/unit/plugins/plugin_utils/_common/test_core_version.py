# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ansible-core that is too old is told so in one sentence."""

from __future__ import annotations

import importlib
from pathlib import Path

import ansible.errors
import ansible.template
import pytest
import yaml
from ansible.errors import AnsibleError

from ansible_collections.podyard.gpu.plugins.action import job, settings_info
from ansible_collections.podyard.gpu.plugins.plugin_utils._common import action, core_version
from ansible_collections.podyard.gpu.plugins.plugin_utils._inventory import hosts
from ansible_collections.podyard.gpu.tests.unit.fakes.controller import act


@pytest.mark.parametrize("version", ["2.18.19", "2.9.27", "2.18.0rc1", "1.9"])
def test_an_old_core_is_refused_with_what_to_do(version):
    with pytest.raises(AnsibleError, match=rf"needs ansible-core 2\.19 or newer, and this is {version}: install"):
        core_version.refuse_old(version)


@pytest.mark.parametrize("version", ["2.19.0", "2.19.14", "2.21.0b1", "3.0.0"])
def test_a_core_that_is_new_enough_is_not(version):
    core_version.refuse_old(version)


def test_the_collection_declares_the_same():
    runtime = yaml.safe_load((Path(__file__).parents[5] / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert runtime["requires_ansible"] == f">={core_version.LEAST[0]}.{core_version.LEAST[1]}.0"


def test_an_action_says_so_before_it_does_anything(monkeypatch):
    monkeypatch.setattr(action, "refuse_old", lambda: core_version.refuse_old("2.18.19"))
    with pytest.raises(AnsibleError, match="needs ansible-core"):
        act(settings_info.ActionModule)


@pytest.mark.parametrize("module", [job, hosts])
def test_nothing_of_a_newer_core_is_needed_to_import_a_file(monkeypatch, module):
    for place, name in (
        (ansible.errors, "AnsibleTemplateSyntaxError"),
        (ansible.errors, "AnsibleValueOmittedError"),
        (ansible.template, "trust_as_template"),
    ):
        monkeypatch.delattr(place, name)
    importlib.reload(module)
