#!/bin/sh
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# prepare.sh PYTHON VENV_ROOT VENV_NAME REQUIREMENTS ENVIRONMENT [DIRECTORY...]: creates the directories, and, unless
# REQUIREMENTS (a path below VENV_ROOT) is empty, a virtual environment with these requirements. If ENVIRONMENT is
# "stdin", commands on standard input export the variables of the installation: they may be secret, and everybody can
# see the arguments of programs.
# Prints "changed: ..." for everything that it created, and the environment on the last line.
# Exits with 3 when it cannot create the environment, with 4 when it cannot install the requirements.
set -eu
python=$1 root=$2 name=$3 requirements=$4 environment=$5
shift 5
# Read all of it at once: the writer would fail if this program ended first. Do not read a terminal, which would block
# forever.
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

# The stamp is written last: an environment without it is incomplete and is created again. The name is a link to a
# directory of this process: on a shared volume another one may be creating the same environment, or training in it.
if [ ! -f "$venv/.podyard-complete" ]; then
    mkdir -p "$root"
    name=$venv
    own=$(mktemp -d "$name.XXXXXX")
    venv=$own
    # Other users who log in may use the environment.
    chmod 755 "$venv"
    trap 'rm -rf "$own"' EXIT
    trap 'exit 129' HUP INT TERM
    # In the file's own directory, pip reads no configuration and no project of the user who logs in.
    cd "$(dirname "$requirements")"
    [ "$environment" != stdin ] || eval "$exports"
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --system-site-packages --python "$python" "$venv" || exit 3
        uv pip install --quiet --python "$venv/bin/python" -r "$requirements" || exit 4
    else
        # The environment uses the image's pip if there is one; installing its own takes seconds.
        if "$python" -m pip --version >/dev/null 2>&1; then without=--without-pip; else without=; fi
        "$python" -m venv $without --system-site-packages "$venv" >&2 || exit 3
        # Modules are compiled when they are imported, and only a small part of them ever is.
        "$venv/bin/python" -m pip install --quiet --no-input --no-compile --disable-pip-version-check \
            -r "$requirements" >&2 || exit 4
    fi
    cp "$requirements" "$venv/requirements.txt"
    touch "$venv/.podyard-complete"
    publish() { ln -sn "$own" "$name" 2>/dev/null && [ -f "$name/.podyard-complete" ]; }
    # An environment without a stamp is incomplete, or a dangling link.
    publish || [ -f "$name/.podyard-complete" ] || { rm -rf "$name" && publish; } || true
    # Whichever process was first, there is an environment now; this one stays only if it is that one.
    [ -f "$name/.podyard-complete" ] || { echo "ERROR: $name could not be put in place" >&2; exit 3; }
    [ "$(readlink "$name")" != "$own" ] || trap - EXIT
    echo "changed: $name made"
    venv=$name
fi
echo "venv=$venv"
