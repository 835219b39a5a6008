# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action training_progress asks a provider about a pod that does not answer."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.action import training_progress as module
from ansible_collections.podyard.gpu.plugins.plugin_utils._common.pod_lists import PodList

POD = {"provider": "vastai", "id": "7", "name": "podyard-digits-r1-0-1", "endpoint": None}


def row(**changes):
    return {**POD, "phase": "stopped", "raw_status": "exited", "interruption": None, **changes}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"pods": (row(interruption="outbid"),)}, "outbid"),
        ({"pods": (row(interruption="no credit"),)}, "no credit"),
        ({"pods": (row(interruption="expired"),)}, "expired"),
        ({"pods": (row(),)}, "stopped"),
        ({"pods": ()}, "gone"),
        # It may come back, and what runs there may run on.
        ({"pods": (row(phase="unknown", interruption="host lost"),)}, None),
        ({"pods": (row(phase="running"),)}, None),
        ({"error": "vastai gave no complete list of its pods within 10 seconds."}, None),
    ],
)
def test_what_ended_all_that_ran_on_a_pod_is_told_and_nothing_else(monkeypatch, answer, told):
    asked = []

    def lists(names, environ, seconds):
        asked.append((names, environ["PODYARD_ENV_FILE"], seconds))
        return [PodList("vastai", **answer)]

    monkeypatch.setattr(module, "lists", lists)
    assert module._over(POD, "/etc/keys.env") == told
    assert asked == [(["vastai"], "/etc/keys.env", module.ASKED)]


def test_who_does_not_know_the_pod_asks_nobody(monkeypatch):
    monkeypatch.setattr(module, "lists", None)
    assert module._over({}, None) is None
