# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One short look at the trainings on many pods at once; a pod that does not answer costs a moment."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ...module_utils._core.units import duration
from ...module_utils._pods.connection import Connection
from ...module_utils._pods.programs import Call, Outcome, TooLong, TooMuch, run_all
from ...module_utils._pods.ssh_options import environment, ours
from .._common.ssh import MARK, SSH_FAILED, script
from .._follow.answer import BadAnswer, program, read_answer
from .runs import Run

# The end of a file in which the last lines of metrics and of GPU samples are, however long.
TAIL = 8192
# So many connections at once neither trouble this machine nor keep a person waiting.
AT_ONCE = 64
# An image may have a Python of another name than the record says.
FIND_PYTHON = """
for python in "$@" python3 python; do
  command -v "$python" >/dev/null 2>&1 && exec "$python" -
done
echo "this host has no Python" >&2
exit 127
"""


@dataclass(frozen=True)
class ProbeAnswer:
    """What a pod said of its training (`found`, from ``_training_state.look``), or why it did not (`trouble`)."""

    found: dict[str, Any] | None = None
    trouble: str | None = None


def _answer(outcome: Outcome, run: Run, seconds: float) -> ProbeAnswer:
    """Return the answer of one ssh."""
    if isinstance(outcome, TooLong):
        return ProbeAnswer(trouble=f"no answer within {duration(seconds)}")
    if isinstance(outcome, Exception):
        return ProbeAnswer(trouble=f"the pod {outcome}" if isinstance(outcome, TooMuch) else str(outcome))
    words = outcome.errors.decode(errors="replace").split()
    _banner, mark, rest = outcome.output.partition(MARK)
    if outcome.code == SSH_FAILED or not mark:
        return ProbeAnswer(trouble=" ".join(words)[-200:] or "ssh ended without a word")
    try:
        return ProbeAnswer(read_answer(rest, _request(run)))
    except BadAnswer:
        return ProbeAnswer(trouble=" ".join(words)[-200:] or "its answer makes no sense")


def looks(runs: Iterable[Run], seconds: float) -> dict[str, ProbeAnswer]:
    """Look at the trainings of runs that have a connection, all together for `seconds` at most; by run id."""
    found: dict[str, ProbeAnswer] = {}
    left = [(run, run.connection) for run in runs if run.connection is not None]
    deadline = time.monotonic() + seconds
    while left:
        now, left = left[:AT_ONCE], left[AT_ONCE:]
        # Each group has its share of what is left.
        share = (deadline - time.monotonic()) / (1 + math.ceil(len(left) / AT_ONCE))
        found.update(_group(now, max(0.1, share)))
    return found


def _group(runs: list[tuple[Run, Connection]], seconds: float) -> dict[str, ProbeAnswer]:
    outcomes = run_all([_question(run, connection, seconds) for run, connection in runs], seconds)
    return {run.run_id: _answer(outcome, run, seconds) for (run, _way), outcome in zip(runs, outcomes, strict=True)}


def _question(run: Run, connection: Connection, seconds: float) -> Call:
    """Return the ssh that asks the Python of a run's pod."""
    remote = script(FIND_PYTHON, *([connection.python] if connection.python else []), renew=False)
    return Call([*ours(connection.ssh, connect=seconds), remote], program(_request(run)), env=environment())


def _request(run: Run) -> dict[str, Any]:
    job = run.job
    return {
        "dir": job["dirs"]["run"],
        "output_dir": job["dirs"]["output"],
        "metrics_file": job["metrics_file"],
        "log_offset": -1,
        "metrics_offset": -TAIL,
        "gpu_offset": -TAIL,
        "max_bytes": TAIL,
    }
