#!/usr/bin/env bash
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Shared by the other scripts: where the clone is, how to say something, which Python fits. Sourced, never run.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$ROOT"
mkdir -p .cache
export PODYARD_SANDBOX_HOME="$ROOT/.sandbox"
export PIP_DISABLE_PIP_VERSION_CHECK=1

# The pods of the sandbox see the machine's /usr, so this is their Python, whatever `python3` means on the PATH.
export POD_PYTHON=/usr/bin/python3

say() { printf '%s\n' "podyard: $*" >&2; }

die() {
    say "$@"
    exit 1
}

# python_fits PYTHON LOW HIGH: true if it runs, lies between the two versions (3.11 is written 311) and can make a
# virtual environment. A pyenv shim for a version that is not active exists and fails: only running it tells.
python_fits() {
    "$1" -c "import sys, venv, ensurepip; sys.exit(not $2 <= sys.version_info[0] * 100 + sys.version_info[1] <= $3)" \
        >/dev/null 2>&1
}

# find_python LOW HIGH NAME...: prints the first Python that fits, looking at the names given, then at the places
# where a Python often lies without being on the PATH.
find_python() {
    local low=$1 high=$2 candidate
    shift 2
    for candidate in "$@" "${HOME:-/root}"/.pyenv/versions/3.*/bin/python3 "${HOME:-/root}"/.local/share/uv/python/*/bin/python3 \
        /usr/local/bin/python3.* /opt/python*/bin/python3; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        if python_fits "$candidate" "$low" "$high"; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# with_lock NAME PROGRAM...: one at a time in this clone; the lock is not handed on to what the command leaves running.
with_lock() {
    local name=$1 descriptor status=0
    shift
    exec {descriptor}>".cache/$name.lock"
    if ! flock --nonblock "$descriptor"; then
        say "another call in this clone is busy with $name; waiting for it"
        flock "$descriptor"
    fi
    "$@" {descriptor}>&- || status=$?
    exec {descriptor}>&-
    return "$status"
}
