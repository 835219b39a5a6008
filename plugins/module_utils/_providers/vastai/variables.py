# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of Vast.ai's settings by environment. Private to this collection."""

from __future__ import annotations

from ..settings import Setting

TABLE: tuple[Setting, ...] = (
    Setting(
        "VAST_API_KEY",
        "The API key of the account.",
        "0123456789abcdef…",
        option="api_key",
        secret=True,
    ),
    Setting(
        "VAST_URL",
        "Scheme, host and port of the API; for tests, or for a proxy of your own.",
        "https://console.vast.ai",
        option="api_url",
    ),
)
