# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of pods: who owns a pod is read from its name.

``podyard-<project>-<run_id>-<index>-<attempt>``, 60 characters at most. The project may hold hyphens, the rest may
not, so a name is read from its right end. All up to the index is the pod's identity; a fail-over's next create has
the next attempt.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime, timezone

PREFIX = "podyard"
MAX_LENGTH = 60
#: 60 less the fixed parts, a run id of 20 (what new_run_id gives), an index and attempts of a few digits.
MAX_PROJECT = 24
_PROJECT = r"[a-z0-9][a-z0-9_-]*"
_RUN = r"[a-z0-9_]{1,24}"
_NAME = re.compile(rf"^{PREFIX}-(?P<project>{_PROJECT})-(?P<run>{_RUN})-(?P<index>\d+)-(?P<attempt>[1-9]\d*)$")
_IDENTITY = re.compile(rf"^{PREFIX}-(?P<project>{_PROJECT})-(?P<run>{_RUN})-(?P<index>\d+)$")
_RUN_ID = re.compile(rf"^{_RUN}$")


@dataclass(frozen=True)
class PodName:
    """A name of our own pattern, taken apart. ``index`` and ``attempt`` are numbers, attempts are counted from 1."""

    project: str
    run_id: str
    index: int
    attempt: int

    @classmethod
    def parse(cls, text: str | None) -> PodName | None:
        """The parts of a full name (with attempt), or None when it is not of our pattern or too long."""
        match = _NAME.fullmatch(text or "")
        if match is None or len(text or "") > MAX_LENGTH:
            return None
        return cls(match["project"], match["run"], int(match["index"]), int(match["attempt"]))

    @classmethod
    def parse_identity(cls, text: str | None) -> PodName | None:
        """The parts of an identity (a name without its attempt, which becomes 0), or None when it is not one.

        Its length is not judged here: one that is too long must be refused as such, not taken for any other name.

        Attempts are counted from 1, so that an identity that ends in ``-0`` is never taken for a full name.
        """
        if cls.parse(text) is not None:
            return None
        match = _IDENTITY.fullmatch(text or "")
        if match is None:
            return None
        return cls(match["project"], match["run"], int(match["index"]), 0)

    @property
    def identity(self) -> str:
        """All up to the index: ``podyard-<project>-<run_id>-<index>``."""
        return f"{PREFIX}-{self.project}-{self.run_id}-{self.index}"

    @property
    def prefix_of_run(self) -> str:
        """What every pod's name of this run begins with."""
        return prefix_of_run(self.project, self.run_id)

    def with_attempt(self, attempt: int) -> PodName:
        """The same pod, another create."""
        return PodName(self.project, self.run_id, self.index, attempt)

    def __str__(self) -> str:
        return f"{self.identity}-{self.attempt}"


def prefix_of_run(project: str, run_id: str) -> str:
    """``podyard-<project>-<run_id>-``; with PodName.parse it selects the pods of one run and no other's."""
    return f"{PREFIX}-{project}-{run_id}-"


def slug(text: str) -> str:
    """A project name made of any text: lower case, everything else than a-z, 0-9, _ and - becomes -, 24 characters at
    most.

    :raises ValueError: when nothing usable is left.
    """
    made = re.sub(r"[^a-z0-9_-]+", "-", text.strip().lower()).lstrip("_-")[:MAX_PROJECT].rstrip("-")
    if not made:
        raise ValueError(f"no pod name can be made of {text!r}: it needs at least one letter or digit of ASCII")
    return made


def new_run_id(now: datetime | None = None) -> str:
    """A new run id, ``YYYYMMDD_HHMMSS_xxxx`` in UTC with four random hexadecimal digits."""
    moment = now or datetime.now(timezone.utc)
    return f"{moment:%Y%m%d_%H%M%S}_{os.urandom(2).hex()}"


def is_run_id(text: str) -> bool:
    """True when the text can be a run id: 1 to 24 of a-z, 0-9 and _ (no hyphen: names are read from the right)."""
    return _RUN_ID.fullmatch(text) is not None
