# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account: its money, its SSH keys, its API keys and its environment variables."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from podyard_sandbox.meter import Meter
from podyard_sandbox.vastai.ssh_keys import SshKey, identity

RIGHTS = (
    "misc", "user_read", "user_write", "instance_read", "instance_write", "billing_read", "billing_write",
    "machine_read", "machine_write", "team_read", "team_write",
)  # fmt: skip


@dataclass
class ApiKey:
    """An API key of the account, and its rights."""

    id: int
    name: str
    rights: frozenset[str]
    key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    permissions: dict[str, Any] = field(default_factory=dict)
    created_at: float = field(default_factory=time.time)


@dataclass
class Account:
    """The sandbox's only account; ``deposit`` is its balance when the daemon started, USD."""

    deposit: float
    id: int = 417_001
    email: str = "sandbox@podyard.invalid"
    ssh_keys: list[SshKey] = field(default_factory=list)
    api_keys: list[ApiKey] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=lambda: count(300_001), repr=False)

    def __post_init__(self) -> None:
        self.main_key = ApiKey(next(self.numbers), "main", frozenset(RIGHTS))
        self.api_keys.append(self.main_key)

    def credit(self, meters: Iterable[Meter], now: float) -> float:
        """Return the USD left after what instances have cost so far."""
        return round(self.deposit - sum(meter.cost_usd(now) for meter in meters), 6)

    def ssh_key(self, line: str) -> SshKey | None:
        """Return the account's key with this type and material, or None."""
        return next((key for key in self.ssh_keys if identity(key.line) == identity(line)), None)

    def new_ssh_key(self, line: str) -> SshKey:
        """Create a key with its own number, which is not registered with the account yet."""
        return SshKey(next(self.numbers), self.id, line)
