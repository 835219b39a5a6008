# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call for one pod or for several came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .readiness import Reached


@dataclass
class PodOutcome:
    """Hold what ``ensure`` did, or in check mode would do.

    ``before`` and ``after`` are for the diff: of several pods by name. ``attempts`` and ``gone`` are those of an
    ``AttemptLog``.
    """

    changed: bool = False
    pods: list[Reached] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    gone: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def reached(self) -> Reached | None:
        """The first pod, and how far it got; None when there is none."""
        return self.pods[0] if self.pods else None

    @reached.setter
    def reached(self, reached: Reached) -> None:
        self.pods = [reached]

    def to_result(self) -> dict[str, Any]:
        """Return the result of a module for one pod, warnings left out."""
        return {
            "changed": self.changed,
            "pod": self.pods[0].to_result() if self.pods else None,
            "pods_gone": self.gone,
            "attempts": self.attempts,
            "diff": {"before": self.before, "after": self.after},
        }

    def to_group_result(self, notes: Sequence[str]) -> dict[str, Any]:
        """Return the result of a module for several pods, warnings left out."""
        pods = [reached.to_result() for reached in self.pods]
        return {**self.to_result(), "pods": pods, "notes": list(dict.fromkeys(notes))}
