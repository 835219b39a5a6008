# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's older API, which is to be switched off: balance, and all that RunPod's Python SDK does by it.

It is another door to the same cloud: a pod made here is the same pod in REST.
"""

from __future__ import annotations

from podyard_sandbox.runpod.graphql.engine import answer, gone, refusal

__all__ = ["answer", "gone", "refusal"]
