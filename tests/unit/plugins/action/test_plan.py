# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plan: what it writes, shows and returns. What a plan says has its tests beside those of plugin_utils."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.podyard.gpu.plugins.action import plan as action
from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import Rates
from ansible_collections.podyard.gpu.plugins.module_utils._providers import registry
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeCloud, offer
from ansible_collections.podyard.gpu.tests.unit.fakes.controller import act


@pytest.fixture(name="shown")
def _shown(monkeypatch):
    lines: list[str] = []
    monkeypatch.setattr(Display, "display", lambda self, text, *args, **kwargs: lines.append(text))
    return lines


@pytest.fixture(name="arguments")
def _arguments(tmp_path, monkeypatch):
    """A task for a provider in memory; the cache of hashes and the plan are below the test's directory."""
    cloud = FakeCloud(offers=[offer(provider="runpod")])
    cloud.name = "runpod"
    monkeypatch.setattr(cloud, "rates", lambda offer, disk_gb, volume_gb: Rates(offer.usd_per_hour, 0.01, 0.0, 0.0))
    monkeypatch.setattr(registry, "connect", lambda name, **options: cloud)
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_secret")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_bytes(b"x" * 1000)
    return {
        "pod": {"gpus": ["RTX 4090"]},
        "max_hours": 2,
        "dataset": str(tmp_path / "data"),
        "path": str(tmp_path / "runs" / "r1" / "plan.json"),
    }


def hashed(monkeypatch):
    found: list[str] = []
    monkeypatch.setattr(action, "hash_tree", lambda tree, cache, on_bytes: found.append(tree.root.name))
    return found


@pytest.mark.parametrize("check_mode", [True, False])
def test_it_is_shown_written_and_returned(arguments, shown, tmp_path, check_mode, monkeypatch):
    """In check mode the same; only the data's content is left alone."""
    found = hashed(monkeypatch)
    result = act(action.ActionModule, arguments, check_mode=check_mode)
    assert result["changed"] is False
    plan = result["plan"]
    assert plan["estimate"]["usd"] == pytest.approx(1.4)
    written = tmp_path / "runs" / "r1" / "plan.json"
    assert json.loads(written.read_text()) == plan
    assert written.stat().st_mode & 0o777 == 0o600 and written.parent.stat().st_mode & 0o777 == 0o700
    assert len(shown) == 1 and "1 x RTX 4090" in shown[0] and "RUNPOD_API_KEY from the environment" in shown[0]
    assert "rpa_secret" not in shown[0] + written.read_text()
    assert found == ([] if check_mode else ["data"])


def test_a_refused_plan_is_shown_and_written_too(arguments, shown, tmp_path, monkeypatch):
    found = hashed(monkeypatch)
    with pytest.raises(AnsibleActionFail, match=r"Nothing was rented, for 2 reasons:\n  - .*\n  - "):
        act(action.ActionModule, {**arguments, "pod": {"gpus": ["RTX 4090"], "max_price": 0.1}, "output_gb": 50})
    plan = json.loads((tmp_path / "runs" / "r1" / "plan.json").read_text())
    assert len(plan["problems"]) == 2
    assert "REFUSED" in shown[0]
    assert found == [], "what is not sent is not hashed"


def test_without_a_file_nothing_is_written(arguments, shown, tmp_path):
    del arguments["path"]
    before = sorted(tmp_path.rglob("*"))
    act(action.ActionModule, arguments, check_mode=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_plan_that_cannot_be_written(arguments, shown, tmp_path):
    (tmp_path / "runs").write_text("no directory")
    with pytest.raises(AnsibleActionFail, match=r"The plan .*plan\.json cannot be written"):
        act(action.ActionModule, arguments, check_mode=True)
