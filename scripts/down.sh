#!/usr/bin/env bash
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# down.sh: stops the sandbox of this clone with all its pods; fine when there is none.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ -x .venv/bin/podyard-sandbox ]; then
    .venv/bin/podyard-sandbox down
else
    say "nothing is set up in this clone, so no sandbox of its own is running"
fi
