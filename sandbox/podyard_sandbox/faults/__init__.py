# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that can be switched on: which kinds exist, and which are on."""

from __future__ import annotations

from podyard_sandbox.faults.kinds import KINDS, OPERATIONS, FaultKind, Param
from podyard_sandbox.faults.registry import Fact, Fault, FaultError, Faults

__all__ = ["KINDS", "OPERATIONS", "Fact", "Fault", "FaultError", "FaultKind", "Faults", "Param"]
