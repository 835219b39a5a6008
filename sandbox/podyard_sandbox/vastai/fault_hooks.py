# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that hit the request being answered."""

from __future__ import annotations

from podyard_sandbox.exchange import current
from podyard_sandbox.faults import Fault, Faults
from podyard_sandbox.faults.registry import Fact


def trigger(faults: Faults, fault_name: str, /, **facts: Fact) -> Fault | None:
    """Return the fault of that name if it triggers now, and record it with the request."""
    fault = faults.trigger(fault_name, **facts)
    if fault is not None:
        current().fault = fault_name
    return fault
