# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that was recorded while the other parts of the test run went on, against RunPod's description."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from exchanges import report

RECORDED = os.environ.get("PODYARD_SANDBOX_TRAFFIC")


@pytest.mark.skipif(not RECORDED, reason="no traffic was recorded; `make test` does that")
def test_all_that_was_said_in_this_test_run_is_as_described(judge, record_property, capsys):
    files = sorted(Path(RECORDED).rglob("*.jsonl"))
    assert files, f"no sandbox has recorded anything in {RECORDED}"
    started = time.monotonic()
    for file in files:
        judge.read(file)
    served = [name for name in judge.answers if name in judge.operations]
    summary = (
        f"{sum(judge.answers.values())} answers of {len(served)} operations and {sum(judge.requests.values())} requests"
        f" of our driver from {len(files)} sandboxes, checked in {time.monotonic() - started:.1f} s"
    )
    record_property("conformance", summary)
    with capsys.disabled():
        print(f"\nmeasured: {summary}")
    assert not judge.findings, f"{len(judge.findings)} findings\n{report(judge.findings)}"
    assert judge.answers and judge.requests, "answers and our own requests were among it"
