# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the environment of RunPod's SDK, and does with it what the test on the other end of the pipe says.

One JSON line comes in for each call, ``{"name", "args", "kwargs"}``, and one goes out: ``{"result"}``, or
``{"error", "module", "text"}`` for what the SDK raised. The name ``api_key`` sets the SDK's key to its argument, and
``functions`` lists what the SDK's API offers.
"""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

import runpod
from runpod.api import ctl_commands


def functions() -> list[str]:
    """The names of all functions that the SDK's API has of its own, or that the package hands on from it."""
    own = inspect.getmembers(ctl_commands, inspect.isfunction)
    return sorted(name for name, function in own if function.__module__ == ctl_commands.__name__)


def call(name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """What the SDK's function of that name returns."""
    if name == "functions":
        return functions()
    if name == "api_key":
        runpod.api_key = args[0]
        return None
    return getattr(runpod, name)(*args, **kwargs)


def main() -> None:
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever the SDK prints is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"result": call(asked["name"], asked["args"], asked["kwargs"])}
        except Exception as error:  # noqa: BLE001  every one goes to the test
            answer = {"error": type(error).__name__, "module": type(error).__module__, "text": str(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
