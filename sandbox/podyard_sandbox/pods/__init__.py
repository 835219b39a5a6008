# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real pods: each rented pod is its own OpenSSH server in its own Linux namespaces."""

from __future__ import annotations

from .images import profile_for_image
from .log import LogLine, PodLog
from .runtime import PodRuntime
from .spec import GpuUsage, PodError, PodSpec, RunningPod, Utilisation

__all__ = [
    "GpuUsage",
    "LogLine",
    "PodError",
    "PodLog",
    "PodRuntime",
    "PodSpec",
    "RunningPod",
    "Utilisation",
    "profile_for_image",
]
