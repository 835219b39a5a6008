# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the pod of a run is reached, as ``connection.json`` in the run's directory says."""

from __future__ import annotations

import json
import os
import shlex
from typing import Any


class NotRun(Exception):
    """The command was not run; the text is a sentence for people."""


def connection_of(run_dir: str) -> dict[str, Any]:
    """Read connection.json of a run directory. Raises NotRun with a sentence."""
    run = os.path.basename(os.path.realpath(run_dir))
    if not os.path.isdir(run_dir):
        raise NotRun(f"There is no run directory {run_dir}. Name the run by run_dir, or by run_id and runs_dir.")
    try:
        with open(os.path.join(run_dir, "connection.json"), encoding="utf-8") as stream:
            connection = json.load(stream)
        if not isinstance(connection["ssh"], str) or not shlex.split(connection["ssh"]):
            raise ValueError("ssh is no command")
    except FileNotFoundError as error:
        raise NotRun(
            f"Run {run} has no connection.json in {run_dir}: its pod is not reachable yet, or was "
            f"given back{_outcome(run_dir)}."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotRun(f"connection.json of run {run} in {run_dir} cannot be used: {error!r}.") from error
    return dict(connection)


def _outcome(run_dir: str) -> str:
    try:
        with open(os.path.join(run_dir, "run.json"), encoding="utf-8") as stream:
            return f" (outcome: {json.load(stream)['outcome']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def label(connection: dict[str, Any]) -> str:
    """How a message names the pod."""
    return f"{connection.get('name')} ({connection.get('pod_id')} on {connection.get('provider')})"
