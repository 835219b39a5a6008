# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of pods, which say who owns a pod.

``podyard-<project>-<run_id>-<index>-<attempt>``, 60 characters at most. The project may contain hyphens, the other
parts may not, so a name is read from its right end. Everything up to the index is the pod's identity; the next create
of a fail-over has the next attempt.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime, timezone

PREFIX = "podyard"
MAX_LENGTH = 60
#: 60 minus the fixed parts, a run id of 20 (what new_run_id returns), an index and attempts of a few digits.
MAX_PROJECT = 24
_PROJECT = r"[a-z0-9][a-z0-9_-]*"
_RUN = r"[a-z0-9_]{1,24}"
_NAME = re.compile(rf"^{PREFIX}-(?P<project>{_PROJECT})-(?P<run>{_RUN})-(?P<index>\d+)-(?P<attempt>[1-9]\d*)$")
_IDENTITY = re.compile(rf"^{PREFIX}-(?P<project>{_PROJECT})-(?P<run>{_RUN})-(?P<index>\d+)$")
_RUN_ID = re.compile(rf"^{_RUN}$")


@dataclass(frozen=True)
class PodName:
    """The parts of a name of our own pattern. Attempts count from 1."""

    project: str
    run_id: str
    index: int
    attempt: int

    @classmethod
    def parse(cls, text: str | None) -> PodName | None:
        """Read a full name (with attempt); None when it is not of our pattern, or is too long."""
        match = _NAME.fullmatch(text or "")
        if match is None or len(text or "") > MAX_LENGTH:
            return None
        return cls(match["project"], match["run"], int(match["index"]), int(match["attempt"]))

    @classmethod
    def parse_identity(cls, text: str | None) -> PodName | None:
        """Read an identity (a name without its attempt, which becomes 0); None when it is not one.

        The length is not checked here: a name that is too long must be refused as such, not taken for a foreign name.

        Attempts count from 1, so that an identity that ends in ``-0`` is never taken for a full name.
        """
        if cls.parse(text) is not None:
            return None
        match = _IDENTITY.fullmatch(text or "")
        if match is None:
            return None
        return cls(match["project"], match["run"], int(match["index"]), 0)

    @property
    def identity(self) -> str:
        """Everything up to the index: ``podyard-<project>-<run_id>-<index>``."""
        return f"{PREFIX}-{self.project}-{self.run_id}-{self.index}"

    @property
    def prefix_of_run(self) -> str:
        """The beginning of the names of all pods of this run."""
        return prefix_of_run(self.project, self.run_id)

    def with_attempt(self, attempt: int) -> PodName:
        """Return the name of the same pod in another create."""
        return PodName(self.project, self.run_id, self.index, attempt)

    def __str__(self) -> str:
        return f"{self.identity}-{self.attempt}"


def prefix_of_run(project: str, run_id: str) -> str:
    """Return ``podyard-<project>-<run_id>-``, which together with PodName.parse selects the pods of one run alone."""
    return f"{PREFIX}-{project}-{run_id}-"


def slug(text: str) -> str:
    """Make a project name of any text.

    :returns: lower case, at most 24 characters; everything but a-z, 0-9, _ and - becomes -.
    :raises ValueError: when nothing usable is left.
    """
    made = re.sub(r"[^a-z0-9_-]+", "-", text.strip().lower()).lstrip("_-")[:MAX_PROJECT].rstrip("-")
    if not made:
        raise ValueError(f"{text!r} cannot be used in a pod's name: it needs at least one ASCII letter or digit")
    return made


def new_run_id(now: datetime | None = None) -> str:
    """Make a run id: ``YYYYMMDD_HHMMSS_xxxx`` in UTC with four random hexadecimal digits."""
    moment = now or datetime.now(timezone.utc)
    return f"{moment:%Y%m%d_%H%M%S}_{os.urandom(2).hex()}"


def is_run_id(text: str) -> bool:
    """Return whether the text can be a run id: 1 to 24 of a-z, 0-9 and _ (no hyphen: names are read from the right)."""
    return _RUN_ID.fullmatch(text) is not None
