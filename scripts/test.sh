#!/usr/bin/env bash
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# test.sh PART: sets up what tests need and runs one part of them, or all.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scripts/setup.sh test
with_lock data .venv/bin/python examples/digits/make_data.py
export PATH="$ROOT/.venv/bin:$PATH"
# Every test has a sandbox of its own; this one belongs to `make train`.
unset PODYARD_SANDBOX_HOME
exec .venv/bin/python scripts/run_tests.py "${1:-all}"
