# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Vast.ai lets an account do in a time, with real processes against the sandbox's limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from stand_in import ServerThread

from podyard_sandbox.settings import Settings

# A tenth of the service's own times: what a playbook does in minutes takes seconds.
SCALE = 0.1
PROCESSES, ROUNDS = 5, 3
LOOKS = """
import sys
from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import NotFound
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai.provider import Vast
vast = Vast(sys.argv[1], sys.argv[2], scale=float(sys.argv[3]))
for _round in range(int(sys.argv[4])):
    vast.list_pods()
    try:
        vast.get_pod("7")
    except NotFound:
        pass
    vast.account()
"""


@pytest.mark.parametrize(
    ("scale", "refused"),
    [pytest.param(SCALE, False, id="kept"), pytest.param(0.0, True, id="not kept", marks=pytest.mark.matrix)],
)
def test_five_processes_at_once_are_not_called_too_frequent(tmp_path: Path, scale: float, refused: bool) -> None:
    """Without the pauses that they keep together there are refusals: the sandbox does count."""
    traffic = Path(os.environ.get("PODYARD_SANDBOX_TRAFFIC", tmp_path)) / f"{os.getpid()}-{tmp_path.name}"
    sandbox = ServerThread(tmp_path / "sandbox", Settings(traffic=traffic, vast_limits=SCALE))
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PODYARD_STATE_DIR": str(tmp_path / "state")}
    command = [sys.executable, "-c", LOOKS, sandbox.home.vast_api_key(), sandbox.url, str(scale), str(ROUNDS)]
    try:
        together = [subprocess.Popen(command, env=environ) for _process in range(PROCESSES)]
        assert [process.wait(120) for process in together] == [0] * PROCESSES
    finally:
        sandbox.close()
    said = [json.loads(line) for file in traffic.iterdir() for line in file.read_text().splitlines()]
    answers = Counter((line["operation"], line["status"]) for line in said)
    for operation in ("vast.listInstances", "vast.showInstance"):
        assert answers[operation, 200] == PROCESSES * ROUNDS
    assert (sum(number for (_operation, status), number in answers.items() if status == 429) > 0) == refused
