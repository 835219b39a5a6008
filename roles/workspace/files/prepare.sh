#!/bin/sh
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# prepare.sh PYTHON VENV_ROOT VENV_NAME REQUIREMENTS ENVIRONMENT [DIRECTORY...]: makes the directories, and, unless
# REQUIREMENTS is empty, a virtual environment for that file, a path below VENV_ROOT. Where ENVIRONMENT is "stdin", the
# commands on standard input export what the installation sees: it may be secret, and arguments are seen by everybody.
# Says "changed" when it made something, and the environment on the last line.
# Ends with 3 when no environment can be made, with 4 when the requirements cannot be installed.
set -eu
python=$1 root=$2 name=$3 requirements=$4 environment=$5
shift 5
# All of it at once: whoever writes there would fail if this ended before. A terminal has nothing to say, and would be
# waited for without end.
exports=
[ -t 0 ] || exports=$(cat)

for directory in "$@"; do
    [ -d "$directory" ] || { mkdir -p "$directory" && echo "changed: $directory made"; }
done

if [ -z "$requirements" ]; then
    echo "venv="
    exit 0
fi

case $root in
    \~ | \~/*) root=$HOME${root#"~"} ;;
esac
venv=$root/$name
requirements=$root/$requirements

# The stamp is written last: an environment without it was cut off and is made anew. The name leads to a directory of
# this process: on a shared volume another one may make the same environment now, or train in it.
if [ ! -f "$venv/.podyard-complete" ]; then
    mkdir -p "$root"
    name=$venv
    own=$(mktemp -d "$name.XXXXXX")
    venv=$own
    # Others that log in may use what is there.
    chmod 755 "$venv"
    trap 'rm -rf "$own"' EXIT
    trap 'exit 129' HUP INT TERM
    # The file's own directory: pip reads no configuration and no project of whoever logs in.
    cd "$(dirname "$requirements")"
    [ "$environment" != stdin ] || eval "$exports"
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --system-site-packages --python "$python" "$venv" || exit 3
        uv pip install --quiet --python "$venv/bin/python" -r "$requirements" || exit 4
    else
        # The environment sees the image's pip, where there is one; to bring one of its own takes seconds.
        if "$python" -m pip --version >/dev/null 2>&1; then without=--without-pip; else without=; fi
        "$python" -m venv $without --system-site-packages "$venv" >&2 || exit 3
        # What is used is compiled when it is imported, which is a small part of what is installed.
        "$venv/bin/python" -m pip install --quiet --no-input --no-compile --disable-pip-version-check \
            -r "$requirements" >&2 || exit 4
    fi
    cp "$requirements" "$venv/requirements.txt"
    touch "$venv/.podyard-complete"
    publish() { ln -sn "$own" "$name" 2>/dev/null && [ -f "$name/.podyard-complete" ]; }
    # What is there without a stamp was cut off, or leads to nothing.
    publish || [ -f "$name/.podyard-complete" ] || { rm -rf "$name" && publish; } || true
    # Whoever was first, one is there, and this one stays only if it is the one.
    [ -f "$name/.podyard-complete" ] || { echo "ERROR: $name could not be put in its place" >&2; exit 3; }
    [ "$(readlink "$name")" != "$own" ] || trap - EXIT
    echo "changed: $name made"
    venv=$name
fi
echo "venv=$venv"
