# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The printed plan, as far as it only shows what it was given."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._providers import registry
from ansible_collections.podyard.gpu.plugins.plugin_utils._plan import text as text_module
from ansible_collections.podyard.gpu.tests.unit.plugins.plugin_utils._plan.test_plan import one, planned


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setattr(registry, "key_origin", lambda name, environ, sources: ("A_KEY", "the environment"))


def told(plan, wanted):
    return [text for name, text in text_module.rows(plan)[1] if name == wanted]


def test_what_the_pod_waits_for_and_what_it_gets():
    files = [f"/code/{number}.toml" for number in range(10)]
    plan = planned(one(), ready_when="the file /done is there, 900 s at most", files=files)
    assert told(plan, "ready when") == ["the file /done is there, 900 s at most"]
    assert told(plan, "files") == [*files[:8], "and 2 more, in plan.json"]
    assert plan.files == files


def test_nothing_of_it_where_there_is_none():
    plan = planned(one())
    assert told(plan, "ready when") == told(plan, "files") == []
