# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon is told, and why it may refuse: apart, so that a command need not load the server to know."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

TRAFFIC_VARIABLE = "PODYARD_SANDBOX_TRAFFIC"


class AlreadyUp(Exception):
    """Another daemon serves this home."""


def _traffic_of_environment() -> Path | None:
    named = os.environ.get(TRAFFIC_VARIABLE)
    return Path(named).absolute() if named else None


@dataclass(frozen=True)
class Settings:
    """What ``up`` can choose: the name of a pace, the account's balance in USD, a directory of wheels, one for a record
    of the traffic (else that of the environment, else no record), the seed of Vast.ai's market and of the many pods, a
    factor for the times that Vast.ai wants between two calls (else the pace's), a number of pods on paper, and the
    share of hosts that are bad.
    """

    pace: str = "fast"
    balance: float = 100.0
    wheels: Path | None = None
    traffic: Path | None = field(default_factory=_traffic_of_environment)
    seed: int = 1
    vast_limits: float | None = None
    many_pods: int = 0
    bad_hosts: float = 0.0
