# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account: its SSH keys, its secrets and its money."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from podyard_sandbox.meter import Meter, VolumeMeter
from podyard_sandbox.runpod.resources.secrets import Secrets

SPEND_LIMIT = 80.0  # USD per hour; the limit of a new account


@dataclass
class Account:
    """The sandbox's only account; ``deposit`` is its balance when the daemon started, USD."""

    deposit: float
    id: str = "user_sandbox"
    email: str = "sandbox@podyard.invalid"
    ssh_keys: list[str] = field(default_factory=list)
    secrets: Secrets = field(default_factory=Secrets)

    def balance(self, meters: Iterable[Meter | VolumeMeter], now: float) -> float:
        """Return the USD left after what pods and network volumes have cost so far."""
        return round(self.deposit - sum(meter.cost_usd(now) for meter in meters), 6)
