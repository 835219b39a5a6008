# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of fault: its name, one sentence on what it does, and its parameters.

Where the service's behaviour is in doubt, the sandbox follows the documentation, and a fault gives the other reading.
"""

from __future__ import annotations

from collections.abc import Mapping

from podyard_sandbox.faults import pod_faults, request_faults, vastai_faults
from podyard_sandbox.faults.kind import OPERATIONS, SKIP, FaultKind, Param

__all__ = ["KINDS", "OPERATIONS", "SKIP", "FaultKind", "Param"]

_ALL = (*pod_faults.KINDS, *request_faults.KINDS, *vastai_faults.KINDS)
KINDS: Mapping[str, FaultKind] = {kind.name: kind for kind in _ALL}
