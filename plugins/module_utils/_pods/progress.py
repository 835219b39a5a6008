# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is going on, line by line, in a file that the action plugin of a module shows.

A module prints nothing until it ends; renting a pod takes minutes. So the module appends plain lines here and the
action plugin of the same name tails the file. No line may hold a secret.
"""

from __future__ import annotations

import os

from .._core.clock import Clock
from .._core.shown import clean_line

#: Seconds between two reminders that a wait still goes on: often enough to be seen alive, not so often that it scrolls.
REMINDER = 15.0


class Progress:
    """Appends lines to ``path``; without a path it keeps silent. A file that cannot be written never fails the work."""

    def __init__(self, path: str | None = None, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or Clock()
        self._last = float("-inf")

    def say(self, line: str) -> None:
        """Show one line now."""
        self._last = self._clock.monotonic()
        if self._path is None:
            return
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
                file.write(clean_line(line).rstrip() + "\n")
        except OSError:
            # Progress is a courtesy; a full disk must not lose a pod that is already paid for.
            self._path = None

    def remind(self, line: str) -> None:
        """Show the line when nothing was shown for a while: for the inside of a loop that polls."""
        if self._clock.monotonic() - self._last >= REMINDER:
            self.say(line)
