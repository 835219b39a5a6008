# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Public SSH keys of the account and its instances."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from podyard_sandbox.timestamps import api_time


@dataclass
class SshKey:
    """One registered key; its line is stored as sent, since the service does not validate it."""

    id: int
    user_id: int
    line: str
    created_at: float = field(default_factory=time.time)

    def to_json(self, name: str) -> dict[str, Any]:
        """Return the key as JSON; ``name`` is the line's field, for which the service uses several names."""
        times = {"created_at": api_time(self.created_at), "deleted_at": None}
        return {"id": self.id, "user_id": self.user_id, name: self.line, **times}


def identity(line: str) -> tuple[str, ...]:
    """Return what identifies a key: type and material, not the comment."""
    return tuple(line.split()[:2])
