# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon is told, and why it may refuse: apart, so that a command need not load the server to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class AlreadyUp(Exception):
    """Another daemon serves this home."""


@dataclass(frozen=True)
class Settings:
    """What ``up`` can choose: the name of a pace, the account's balance in USD, a directory of wheels."""

    pace: str = "fast"
    balance: float = 100.0
    wheels: Path | None = None
