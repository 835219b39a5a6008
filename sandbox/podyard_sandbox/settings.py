# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's settings, apart from the server so that commands need not load it."""

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
    """The options of ``up``.

    Attributes:
        pace: a name in ``PACES``.
        balance: USD in each account.
        wheels: directory of wheels that pods install from; None: from the internet.
        traffic: directory for the record of all traffic; None: no record.
        seed: of Vast.ai's market, the bad hosts and the fake pods.
        vast_limits: factor for the intervals that Vast.ai requires between calls; None: the pace's.
        many_pods: number of fake pods.
        bad_hosts: share of the hosts that are bad, 0 to 1.
    """

    pace: str = "fast"
    balance: float = 100.0
    wheels: Path | None = None
    traffic: Path | None = field(default_factory=_traffic_of_environment)
    seed: int = 1
    vast_limits: float | None = None
    many_pods: int = 0
    bad_hosts: float = 0.0
