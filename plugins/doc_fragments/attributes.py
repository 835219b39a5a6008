# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes of every module of this collection, and the action group for its defaults."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes; each module states its own support for the first three."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the predicted result without changing anything.
  diff_mode:
    description: Returns what has changed, or in C(check_mode) would change, when the task runs with C(--diff).
  idempotent:
    description: When run twice in a row outside of C(check_mode) with the same options, the second run changes nothing.
  action_group:
    description: Use C(group/podyard.gpu.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - podyard.gpu.all
"""
