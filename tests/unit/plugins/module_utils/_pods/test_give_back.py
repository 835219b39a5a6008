# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run is given back at every provider, whatever is in flight and whatever becomes of one of them."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._pods import fence
from ansible_collections.podyard.gpu.plugins.module_utils._pods import ledger as ledger_module
from ansible_collections.podyard.gpu.plugins.module_utils._pods.give_back import GiveBack
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import PREFIX, FakeCloud, FakeTime, Lines, pod

NAME = f"{PREFIX}0-1"


def giving(run_dir, warned, **arguments):
    Ledger(run_dir).open()
    time = arguments.pop("time", None) or FakeTime()
    return GiveBack(PREFIX, run_dir, 60.0, time.polls(), Lines(), warned.append, **arguments)


def test_what_is_known_is_ended_before_a_create_in_flight_is_waited_for(tmp_path, monkeypatch):
    """The module may be frozen, or its API drip: the pods that are there need not pay for that."""
    warned, order = [], []
    cloud = FakeCloud(pod("p1", NAME), pod("p2", f"{PREFIX}0-2"))
    cloud.plan("terminate", *[lambda pod_id: order.append(pod_id) or cloud.pods.pop(pod_id, None) is not None] * 9)
    real = fence._take

    def take(descriptor, kind, end):
        held = real(descriptor, kind, end)
        order.append("fence")
        return held

    run = giving(tmp_path, warned, fence_patience=0.2)
    Ledger(tmp_path).write(ledger_module.CREATED, NAME, "fake", pod_id="p1")
    with fence.creating(tmp_path):
        monkeypatch.setattr(fence, "_take", take)
        results = run.everywhere({"fake": lambda: cloud})
    assert order[:4] == ["fence", "p1", "p2", "fence"], "the fence is tried, then not waited for before the pods"
    assert sorted(result["id"] for result in results) == ["p1"] and not cloud.pods
    assert any("did not end" in words for words in warned)


def test_what_such_a_create_makes_meanwhile_is_found(tmp_path):
    cloud, warned = FakeCloud(), []
    run = giving(tmp_path, warned, fence_patience=0.1)
    ledger = Ledger(tmp_path)
    with fence.creating(tmp_path):
        ledger.write(ledger_module.CREATING, NAME, "fake")

        def listing(_argument):
            if cloud.count("list") == 2:
                cloud.pods["p1"] = pod("p1", NAME)
            return [*cloud.pods.values()]

        cloud.plan("list", *[listing] * 99)
        (result,) = run.everywhere({"fake": lambda: cloud})
    assert result["gone_proved"] and not cloud.pods


@pytest.mark.parametrize("mistake", [KeyError("a field"), RecursionError("deep"), OSError(28, "No space left")])
def test_a_mistake_at_one_provider_keeps_no_pod_of_another(tmp_path, mistake):
    broken, well = FakeCloud().plan("list", mistake), FakeCloud(pod("p1", NAME))
    run = giving(tmp_path, [])
    Ledger(tmp_path).write(ledger_module.CREATED, f"{PREFIX}0-2", "fake", pod_id="p2", usd_per_hour=0.69)
    with pytest.raises(errors.CloudError) as caught:
        run.everywhere({"fake": lambda: broken, "well": lambda: well})
    assert not well.pods
    for words in (type(mistake).__name__, "NOT PROVED GONE", "p2", "USD 0.69 per hour", "console of fake"):
        assert words in str(caught.value)


def test_of_a_provider_without_a_key_the_known_pods_are_named(tmp_path):
    run = giving(tmp_path, [])
    Ledger(tmp_path).write(ledger_module.CREATED, NAME, "fake", pod_id="p1", usd_per_hour=0.69)

    def connect():
        raise errors.AuthError("There is no API key.")

    with pytest.raises(errors.AuthError) as caught:
        run.everywhere({"fake": connect})
    for words in ("There is no API key", "NOT PROVED GONE", NAME, "p1", "USD 0.69 per hour"):
        assert words in str(caught.value)
    assert [result["id"] for result in caught.value.facts["pods_gone"]] == ["p1"]
