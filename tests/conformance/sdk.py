# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's Python SDK and its command line, in their own environment, pointed at a sandbox."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from harness import REPOSITORY, ran

ENVIRONMENT = REPOSITORY / ".venv-runpod-sdk"
PYTHON = ENVIRONMENT / "bin" / "python"
ABSENT = "RunPod's SDK is not installed in .venv-runpod-sdk; scripts/setup.sh test says why"
# The environment is worth something only once its set-up has ended.
READY = (ENVIRONMENT / ".podyard-test").is_file()


class Raised(Exception):
    """What the SDK raised: its class by its full name, and its text."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text


class Sdk:
    """The SDK in a process of its own. A method of any name is the SDK's function of that name.

    It finds a home directory of its own, and of the settings of whoever runs the tests nothing.
    """

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.environ = {"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", "RUNPOD_API_BASE_URL": url}
        # Its SSH must not write into the known hosts of whoever runs the tests; HOME does not keep it from that.
        (home / "bin").mkdir(parents=True)
        ssh = home / "bin" / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {_path("ssh")} -F none -o UserKnownHostsFile=/dev/null "$@"\n')
        ssh.chmod(0o755)
        self._process = subprocess.Popen(
            [PYTHON, Path(__file__).with_name("sdk_calls.py")],
            env=self.environ,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps({"name": name, "args": args, "kwargs": kwargs}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            assert line, f"the SDK's process ended while it did {name}"
            answer = json.loads(line)
            if "error" in answer:
                raise Raised(f"{answer['module']}.{answer['error']}", answer["text"])
            return answer["result"]

        return call

    def command(self, *words: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        """Run the SDK's command line, with answers to its questions."""
        return ran([ENVIRONMENT / "bin" / "runpod", *words], env=self.environ, cwd=self.home, input=answers)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def _path(program: str) -> str:
    found = ran(["which", program]).stdout.strip()
    assert found, f"{program} is not on the PATH"
    return found
