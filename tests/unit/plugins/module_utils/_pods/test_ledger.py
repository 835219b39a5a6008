# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: what was about to be rented is on the disk before, and what came of it after."""

from __future__ import annotations

import json
import stat

from ansible_collections.podyard.gpu.plugins.module_utils._pods import ledger as ledger_module
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger


def test_without_a_run_nothing_is_written():
    ledger = Ledger(None)
    ledger.write(ledger_module.CREATING, "x", "fake")
    assert ledger.read() == []
    assert ledger.pending() == []


def test_events_are_lines_with_everything_in_them(tmp_path):
    ledger = Ledger(tmp_path / "run")
    assert ledger.read() == []
    ledger.write(ledger_module.CREATING, "x-1", "fake", gpu="RTX 4090")
    ledger.write(ledger_module.CREATED, "x-1", "fake", pod_id="p1", gpu="RTX 4090", usd_per_hour=0.69)
    lines = (tmp_path / "run" / "attempts.jsonl").read_text().splitlines()
    assert len(lines) == 2
    first, second = map(json.loads, lines)
    assert list(first) == ["time", "event", "name", "provider", "id", "gpu", "usd_per_hour", "reason"]
    assert first["id"] is None
    assert first["time"].endswith("Z")
    assert (second["event"], second["id"], second["usd_per_hour"]) == ("created", "p1", 0.69)
    assert ledger.read() == [first, second]
    assert stat.S_IMODE((tmp_path / "run" / "attempts.jsonl").stat().st_mode) == 0o600


def test_pending_is_what_may_still_turn_into_a_pod(tmp_path):
    ledger = Ledger(tmp_path)
    outcomes = {
        "a": [ledger_module.CREATED],
        "b": [ledger_module.REFUSED],
        "c": [],
        "d": [ledger_module.AMBIGUOUS],
        "e": [ledger_module.AMBIGUOUS, ledger_module.GONE],
    }
    for name, events in outcomes.items():
        for event in [ledger_module.CREATING, *events]:
            ledger.write(event, name, "fake")
    assert [event["name"] for event in ledger.pending()] == ["c", "d"]
    assert ledger.names() == set(outcomes)


def test_a_line_torn_by_a_crash_is_left_out(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.write(ledger_module.CREATING, "a", "fake")
    with open(tmp_path / "attempts.jsonl", "a", encoding="utf-8") as file:
        file.write('{"time": "2026-')
    assert [event["name"] for event in ledger.read()] == ["a"]
    ledger.write(ledger_module.CREATING, "b", "fake")
    assert [event["name"] for event in ledger.pending()] == ["a", "b"], "the torn line does not swallow the next"
