# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One short look at the trainings on many pods at once; a pod that does not answer costs a moment. Private to this
collection.
"""

from __future__ import annotations

import json
import math
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ansible_collections.podyard.gpu.plugins.module_utils import _training_state
from ansible_collections.podyard.gpu.plugins.plugin_utils._known_runs import Run
from ansible_collections.podyard.gpu.plugins.plugin_utils._ssh import MARK, SSH_FAILED, script

# The end of a file in which the last lines of metrics and of GPU samples are, however long.
TAIL = 8192
# So many connections at once neither trouble this machine nor keep a person waiting.
AT_ONCE = 64
# An image may have a Python of another name than the record says.
FIND_PYTHON = """
for python in "$@" python3 python; do
  command -v "$python" >/dev/null 2>&1 && exec "$python" -
done
echo "there is no Python" >&2
exit 127
"""


@dataclass(frozen=True)
class Look:
    """What a pod said of its training (`found`, from ``_training_state.look``), or why it did not (`trouble`)."""

    found: dict[str, Any] | None = None
    trouble: str | None = None


@dataclass
class _Asked:
    """One ssh that is on its way."""

    run_id: str
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    errors: IO[bytes]

    def answer(self, seconds: float) -> Look:
        self.output.seek(0)
        self.errors.seek(0)
        said, words = self.output.read(), self.errors.read().decode(errors="replace").split()
        _banner, mark, rest = said.partition(MARK)
        if self.process.returncode is None or self.process.returncode < 0:
            return Look(trouble=f"no answer within {seconds:.2g} s")
        if self.process.returncode == SSH_FAILED or not mark:
            return Look(trouble=" ".join(words)[-200:] or "ssh ended without a word")
        try:
            return Look(_training_state.unpacked(rest.decode()))
        except (ValueError, KeyError):
            return Look(trouble=" ".join(words)[-200:] or "its answer makes no sense")


def looks(runs: Iterable[Run], seconds: float) -> dict[str, Look]:
    """Look at the trainings of runs that have a connection, all together for `seconds` at most; by run id."""
    found: dict[str, Look] = {}
    left = [run for run in runs if run.connection is not None]
    deadline = time.monotonic() + seconds
    while left:
        now, left = left[:AT_ONCE], left[AT_ONCE:]
        # Each group has its share of what is left.
        share = (deadline - time.monotonic()) / (1 + math.ceil(len(left) / AT_ONCE))
        found.update(_group(now, max(0.1, share)))
    return found


def _group(runs: list[Run], seconds: float) -> dict[str, Look]:
    asked: list[_Asked] = []
    failed: dict[str, Look] = {}
    try:
        for run in runs:
            try:
                asked.append(_ask(run, seconds))
            except OSError as error:
                failed[run.run_id] = Look(trouble=str(error))
        deadline = time.monotonic() + seconds
        for each in asked:
            try:
                each.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                each.process.kill()
                each.process.wait()
        return {**failed, **{each.run_id: each.answer(seconds) for each in asked}}
    finally:
        for each in asked:
            if each.process.poll() is None:
                each.process.kill()
                each.process.wait()
            each.output.close()
            each.errors.close()


def _ask(run: Run, seconds: float) -> _Asked:
    """Send the text of `_training_state` to the Python of a run's pod. Files instead of pipes: nobody has to read."""
    connection = run.connection or {}
    program, *arguments = shlex.split(connection["ssh"])
    options = ["-T", "-S", "none", "-o", "ControlMaster=no", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
    options += ["-o", f"ConnectTimeout={math.ceil(seconds)}", "-o", "ConnectionAttempts=1"]
    remote = script(FIND_PYTHON, *([connection["python"]] if connection.get("python") else []), renew=False)
    output, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed when all have answered
    with tempfile.TemporaryFile() as source:
        source.write(_source(run))
        source.seek(0)
        process = subprocess.Popen([program, *options, *arguments, remote], stdin=source, stdout=output, stderr=errors)
    return _Asked(run.run_id, process, output, errors)


def _source(run: Run) -> bytes:
    job = run.job
    request = {
        "dir": job["dirs"]["run"],
        "output_dir": job["dirs"]["output"],
        "metrics_file": job["metrics_file"],
        "log_offset": -1,
        "metrics_offset": -TAIL,
        "gpu_offset": -TAIL,
        "max_bytes": TAIL,
    }
    call = f"\nprint(packed(look(json.loads({json.dumps(request)!r}))))\n"
    return (Path(_training_state.__file__).read_text(encoding="utf-8") + call).encode()
