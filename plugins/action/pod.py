# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.pod: runs the module of that name and shows its progress."""

from __future__ import annotations

from ..plugin_utils._common.action import LiveAction


class ActionModule(LiveAction):
    """Nothing but the module, seen live."""
