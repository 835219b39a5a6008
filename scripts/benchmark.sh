#!/usr/bin/env bash
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# benchmark.sh [NAME…]: sets up what tests need and runs the benchmarks below tests/benchmarks, or those that are named.
# A market that was measured is kept in build/market.jsonl, so that a run that was broken off goes on where it was.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scripts/setup.sh test
export PATH="$ROOT/.venv/bin:$PATH"
# Every benchmark has a sandbox of its own; this one belongs to `make train`.
unset PODYARD_SANDBOX_HOME
mkdir -p build
[ $# -gt 0 ] || set -- inventory time_to_ready market
status=0
for name in "$@"; do
    options=()
    [ "$name" != market ] || options=(--out build/market.jsonl)
    echo "== $name"
    .venv/bin/python "tests/benchmarks/$name.py" "${options[@]}" </dev/null || status=1
done
exit "$status"
