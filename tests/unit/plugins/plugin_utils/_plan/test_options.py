# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's options in a plan: what is read of them, and what they are called."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._job.pod import complete
from ansible_collections.podyard.gpu.plugins.plugin_utils._plan.options import Names, of_pod


def test_what_is_given_is_read_where_the_module_has_it():
    found = of_pod(
        complete(
            {
                "name": "podyard-demo-r1-0", "max_price": 0, "lease": 0, "disk": 40, "volume": {"size": 50},
                "network_volume": {"id": "v1"}, "vastai": {"search": "gpu_ram>20", "image": "their/own:1"},
            },
            "pod",
        )
    )  # fmt: skip
    assert (found["name"], found["max_price"], found["lease_hours"], found["disk"]) == ("podyard-demo-r1-0", 0, 0, 40)
    assert (found["volume_size"], found["network_volume"], found["search"]) == (50, "v1", "gpu_ram>20")
    assert found["vastai"]["image"] == "their/own:1", "what only one provider gets is planned too"


def test_what_is_not_given_is_as_the_module_rents_it():
    found = of_pod(complete({}, "pod"))
    assert (found["gpu_count"], found["disk"], found["interruptible"]) == (1, 20, False)
    assert (found["clouds"], found["regions"], found["attempts"], found["deadline"]) == ([], [], 5, 3600)
    assert found["volume_size"] is found["network_volume"] is found["search"] is found["lease_hours"] is None


@pytest.mark.parametrize(
    ("names", "cost", "price", "size"),
    [
        (Names(), "max_cost", "pod.max_price", "pod.volume.size"),
        (Names("plan_", "plan_pod."), "plan_max_cost", "plan_pod.max_price", "plan_pod.volume.size"),
        (Names("train_", "train_"), "train_max_cost", "train_max_price", "train_volume_size"),
    ],
)
def test_options_are_called_as_their_user_knows_them(names, cost, price, size):
    assert (names("max_cost"), names("max_price"), names("volume_size")) == (cost, price, size)
