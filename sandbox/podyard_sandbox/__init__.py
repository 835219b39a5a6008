# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local stand-in for RunPod and Vast.ai: their HTTP APIs on loopback, and pods that are real SSH servers."""

from __future__ import annotations

__version__ = "0.1.0"
