# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m podyard_sandbox`` is the same program as ``podyard-sandbox``."""

from __future__ import annotations

from podyard_sandbox.cli import main

if __name__ == "__main__":
    main()
