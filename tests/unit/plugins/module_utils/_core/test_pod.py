# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain data: results without secrets, money in words."""

from __future__ import annotations

import json

from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Account, Mount, Pod, StopCost
from ansible_collections.podyard.gpu.tests.unit.fakes import cloud


def test_a_pod_as_a_result_has_no_environment():
    pod = cloud.pod(env={"HF_TOKEN": "hf_secret"}, args="start --token hf_secret", mounts=(Mount("disk", "/w", 10),))
    text = json.dumps(pod.to_result())
    assert "hf_secret" not in text
    assert "HF_TOKEN" not in text
    result = pod.to_result()
    assert result["endpoint"] == {"host": "203.0.113.9", "port": 34446, "user": "root", "mode": "direct"}
    assert result["mounts"] == [{"kind": "disk", "path": "/w", "size_gb": 10, "volume_id": None}]


def test_a_pod_of_which_nothing_is_known_is_a_result_too():
    result = Pod("fake", "", "x", "unknown").to_result()
    assert result["id"] is None
    assert result["endpoint"] is None
    assert json.loads(json.dumps(result)) == result


def test_an_offer_and_an_account_are_results():
    offer = cloud.offer(regions={"US-1": "low", "EU-1": "high"})
    assert offer.to_result()["regions"] == [
        {"id": "EU-1", "availability": "high"},
        {"id": "US-1", "availability": "low"},
    ]
    assert Account("fake", 1.5).to_result() == {
        "provider": "fake",
        "balance_usd": 1.5,
        "spend_usd_per_hour": None,
        "spend_limit_usd_per_hour": None,
    }


def test_a_stop_says_what_it_loses_and_costs():
    sentence = StopCost("everything outside /workspace", "/workspace", 4.0).sentence()
    assert "loses everything outside /workspace" in sentence
    assert "USD 4.00 per month" in sentence
