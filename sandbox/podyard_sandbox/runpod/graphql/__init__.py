# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's older API, which will be switched off: the balance, and everything RunPod's Python SDK uses it for.

It works on the same cloud: a pod created here is the same pod in REST.
"""

from __future__ import annotations

from podyard_sandbox.runpod.graphql.engine import answer, gone, refusal

__all__ = ["answer", "gone", "refusal"]
