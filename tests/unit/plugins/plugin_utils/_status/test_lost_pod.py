# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a pod that fell silent, in the provider's terms."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.podyard.gpu.plugins.filter.pod_fate import FilterModule, pod_fate
from ansible_collections.podyard.gpu.plugins.module_utils._core import pod
from ansible_collections.podyard.gpu.plugins.plugin_utils._status.lost_pod import ADVICE

OURS = {"provider": "vastai", "id": "77", "name": "podyard-digits-r1-0-1"}
OTHER = {**OURS, "provider": "runpod", "phase": "stopped", "interruption": "outbid", "raw_status": "EXITED"}
LABEL = "podyard-digits-r1-0-1 (77 on vastai)"


def of(phase="stopped", interruption=None, raw="stopped/running", **more):
    return pod_fate([OTHER, {**OURS, "phase": phase, "interruption": interruption, "raw_status": raw, **more}], OURS)


@pytest.mark.parametrize("kind", pod.INTERRUPTIONS)
def test_an_interruption_has_words_and_a_way_out(kind):
    told = of(interruption=kind)
    assert told["kind"] == kind and told["advice"] == ADVICE[kind]
    assert told["message"] == f"The pod {LABEL} {pod.INTERRUPTIONS[kind]} (the provider says stopped/running)."


def test_somebody_stopped_it():
    assert of()["kind"] == "stopped" and "was stopped by somebody" in of()["message"]


def test_it_failed():
    assert of("failed", raw="ERROR")["message"] == f"The pod {LABEL} failed (the provider says ERROR)."


def test_it_is_not_in_the_list():
    """One of the same id at another provider is another pod."""
    told = pod_fate([OTHER], OURS)
    assert told["kind"] == "gone" and told["message"].startswith(f"The pod {LABEL} is not on the account any more")
    assert of("gone")["kind"] == "gone"


@pytest.mark.parametrize(("phase", "words"), [("running", "runs as it should"), ("unknown", "is unknown")])
def test_the_provider_knows_of_nothing(phase, words):
    told = of(phase, raw="odd")
    assert told["kind"] is None and f"To its provider the pod {LABEL} {words} (odd)" in told["message"]


@pytest.mark.parametrize(
    ("mode", "port", "kind"), [("direct", 4001, "restarted"), ("direct", 4000, None), ("proxy", 4001, None)]
)
def test_one_that_came_back_at_another_address(mode, port, kind):
    """After somebody else had its GPU, for instance; nothing of what ran there is left."""
    endpoint = {"host": "203.0.113.9", "port": 4000, "user": "root", "mode": mode}
    found = {
        **OURS,
        "phase": "running",
        "interruption": None,
        "raw_status": "x",
        "endpoint": {**endpoint, "port": port},
    }
    told = pod_fate([found], {**OURS, "endpoint": endpoint})
    assert told["kind"] == kind and ("was started anew" in told["message"]) == (kind is not None)


def test_what_is_no_list_of_pods():
    with pytest.raises(AnsibleFilterError, match="takes the pods that pod_info returns"):
        FilterModule().filters()["pod_fate"](None, OURS)
