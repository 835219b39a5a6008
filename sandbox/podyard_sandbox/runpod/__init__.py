# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod: its REST v2 API, the part of its GraphQL API that is still in use, its catalogue, and its pods."""

from __future__ import annotations
