# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vast.ai's own command line, in its own environment, pointed at a sandbox."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from harness import REPOSITORY, ran

ENVIRONMENT = REPOSITORY / ".venv-vastai-cli"
ABSENT = "Vast.ai's command line is not installed in .venv-vastai-cli; scripts/setup.sh test says why"
# The environment is worth something only once its set-up has ended.
READY = (ENVIRONMENT / ".podyard-test").is_file()


class Cli:
    """The program, with a home directory of its own: it keeps addresses, names and its user's role there."""

    def __init__(self, home: Path, url: str, key: str) -> None:
        self.home = home
        home.mkdir(parents=True)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "VASTAI_NO_UPDATE_CHECK": "1",
            "VAST_URL": url,
            "VAST_API_KEY": key,
            "COLUMNS": "250",
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command; its exit code says little, and is left to the caller."""
        return ran([ENVIRONMENT / "bin" / "vastai", *words], env=self.environ, cwd=self.home, stdin=subprocess.DEVNULL)

    def __call__(self, *words: str) -> str:
        """What a command prints that finds nothing wrong."""
        done = self.run(*words)
        # A progress line that it wipes again is no finding.
        found = re.sub(r"\r|\x1b\[K|Loading more\.\.\. \(page \d+\)", "", done.stderr).strip()
        assert done.returncode == 0 and not found, (words, done)
        return done.stdout

    def raw(self, *words: str) -> Any:
        """What a command prints for machines."""
        return json.loads(self(*words, "--raw"))

    def forget_addresses(self) -> None:
        """It goes on printing an address that it has seen once, also after a restart has changed it."""
        shutil.rmtree(self.home / "cache", ignore_errors=True)
