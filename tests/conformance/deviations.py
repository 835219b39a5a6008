# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where sandbox and driver mean to differ from the saved description: deviations.yml, and what each entry explains."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "deviations.yml"


@dataclass
class Deviation:
    """One entry; what it does not name it does not care about. ``used`` is set by what it explains."""

    operations: list[str]
    side: str
    where: str
    rule: str
    reason: str
    statuses: list[int] | None = None
    struck: str = ""
    used: bool = False

    def explains(self, finding: Any) -> bool:
        """Whether a finding is this deviation."""
        return (
            any(fnmatchcase(finding.operation, name) for name in self.operations)
            and finding.side == self.side
            and finding.rule == self.rule
            and re.fullmatch(self.where, finding.where) is not None
            and (self.statuses is None or finding.status in self.statuses)
            and (not self.struck or finding.struck == self.struck)
        )


class Deviations:
    """All of them."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.entries = [Deviation(**entry) for entry in entries]

    @classmethod
    def load(cls) -> Deviations:
        """Those of the file."""
        return cls(yaml.safe_load(FILE.read_text(encoding="utf-8")))

    def explain(self, finding: Any) -> bool:
        """Whether some entry explains a finding; all that do count as used."""
        found = [entry for entry in self.entries if entry.explains(finding)]
        for entry in found:
            entry.used = True
        return bool(found)

    def unused(self) -> list[Deviation]:
        """Entries that explain nothing any more."""
        return [entry for entry in self.entries if not entry.used]
