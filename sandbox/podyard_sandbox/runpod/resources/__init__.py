# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account's resources besides pods: network volumes, templates, registry credentials, secrets."""

from __future__ import annotations

from podyard_sandbox.runpod.resources.registries import Registries, Registry
from podyard_sandbox.runpod.resources.templates import Template, Templates
from podyard_sandbox.runpod.resources.volumes import Volume, Volumes

__all__ = ["Registries", "Registry", "Template", "Templates", "Volume", "Volumes"]
