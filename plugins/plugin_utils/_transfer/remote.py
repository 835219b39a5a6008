# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The far side of a transfer: what a directory of a host holds, with hashes, each question one round trip.

The scripts need a POSIX shell, find, xargs, stat and sha256sum, of GNU or of busybox, and nothing else. All names
travel between NUL bytes and with `./` before them, so that no name is special.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable

from ansible.errors import AnsibleActionFail

from ...module_utils._core.patterns import Patterns, to_posix_regex
from .._common.ssh import Completed, Shell, script
from .foreign import printable
from .listing import RemoteTree, sections, tree

# Files per hashing process: enough that starting it costs little, few enough that all cores have work.
HASH_BATCH = 200
# A command line of Linux holds 128 KiB in one argument, of which quoting may take its part.
LONGEST_EXPRESSION = 30_000
# A first round trip over a sleeping network volume takes long; a dead connection is noticed by ssh itself after a
# minute.
LOOK_TIMEOUT = 300.0
# Hashing takes as long as the host's disk: two hours are a terabyte at 150 MB/s.
HASH_TIMEOUT = 7200.0
# Bytes of a listing with its hashes: two million files with names of a hundred bytes.
MOST_LISTED = 512 << 20
# Bytes of the answer to a question that is answered with a few words, and of each hash beside the names.
FEW_BYTES, HASH_BYTES = 1 << 20, 200

# Where there is a Python it hashes several times as fast as sha256sum, which mostly knows nothing of the processor's
# own instructions for it. Reads and writes what hash_list in _HEAD does without it; the times are as GNU find prints
# them.
_HASH_PROGRAM = r"""
import hashlib, os, stat, sys
from concurrent.futures import ThreadPoolExecutor
def moment(ns):
    return b"%d.%09d0" % (ns // 10**9, ns % 10**9)
def told(path):
    try:
        found, digest = os.stat(path), hashlib.sha256()
        if not stat.S_ISREG(found.st_mode):
            return b""
        with open(path, "rb", 0) as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    except OSError:
        return b""
    stamp = b"@s %d %s %s %s" % (found.st_size, moment(found.st_mtime_ns), moment(found.st_ctime_ns), path)
    return stamp + b"\0" + digest.hexdigest().encode() + b"  " + path + b"\0"
def group(paths):
    return b"".join(map(told, paths))
def size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
paths = [path for path in sys.stdin.buffer.read().split(b"\0") if path]
sizes = {path: size(path) for path in paths}
large = sorted((path for path in paths if sizes[path] > 1 << 20), key=sizes.get, reverse=True)
small = [path for path in paths if sizes[path] <= 1 << 20]
groups = [[path] for path in large] + [small[n : n + 64] for n in range(0, len(small), 64)]
with ThreadPoolExecutor(min(8, int(sys.argv[1]))) as pool:
    for part in pool.map(group, groups):
        sys.stdout.buffer.write(part)
"""

_HEAD = (
    f"hash_program={shlex.quote(_HASH_PROGRAM)}\n"
    r"""
export LC_ALL=C
umask 022
place() { case $1 in '~') root=$HOME ;; '~/'*) root=$HOME/${1#'~/'} ;; /*) root=$1 ;; *) root=$HOME/$1 ;; esac }
place "$1"
gnu=; [ "$(find /dev/null -maxdepth 0 -printf x 2>/dev/null)" = x ] && sha256sum -z /dev/null >/dev/null 2>&1 && gnu=1
cores=$(nproc 2>/dev/null || echo 1)
export gnu
hash_list() {  # file with NUL-separated paths, paths for each process; the result lies in "$work"/h.*
  python3 -c "$hash_program" "$cores" <"$1" >"$work/h.python" 2>/dev/null && return
  rm -f "$work/h.python"
  many=; [ -n "$gnu" ] && many="-P $cores"
  export work
  xargs -0 $many -n "$2" sh -c '
    [ $# -gt 0 ] || exit 0
    if [ -n "$gnu" ]; then find -H "$@" -maxdepth 0 -printf "@s %s %T@ %C@ %p\0"; sha256sum -z -- "$@"
    else for p do h=$(sha256sum <"$p") && printf "%s  %s\0" "${h%% *}" "$p"; done
    fi >>"$work/h.$$"' sh <"$1"
}
hash_told() { for part in "$work"/h.*; do [ ! -f "$part" ] || cat "$part"; done; }
work=$(mktemp -d) || exit 4
# Of words about a hundred thousand files that went away meanwhile the last ones are enough.
exec 3>&2 2>"$work/words"
trap 'tail -c 4096 "$work/words" >&3; rm -rf "$work"' EXIT
"""
)

# $1 directory, $2 "make" when it may be created, $3 expression of the files to hash, $4 excluded expression, $5 name of
# the memory
_SCAN = (
    _HEAD
    + r"""
say() { printf '%s\0' "$1"; }
[ "$2" != make ] || mkdir -p -- "$root" || exit 3
[ -d "$root" ] && root=$(cd -- "$root" && pwd -P)
say "root=$root"
[ -d "$root" ] && say "directory=1"
[ -f "$root" ] && say "file=1"
say "rsync=$(rsync --version 2>/dev/null | sed -n 1p)"
say "tar=$(command -v tar)"
say "cores=$cores"
near=$root; while [ ! -e "$near" ]; do near=$(dirname -- "$near"); done
say "df=$(df -Pk -- "$near" 2>/dev/null | sed -n 2p)"
memory=
if [ -n "$5" ]; then memory=$(dirname -- "$root")/.$(basename -- "$root").podyard; fi
if [ -d "$root" ] && cd -- "$root"; then
  say @list
  if [ -n "$gnu" ]; then
    find . -mindepth 1 \( -name .podyard-partial -o -name .podyard-incoming \) -prune \
      -o -printf '%y %Y %s %T@ %C@ %P\0%l\0'
  else
    find . ! -name . \( -name .podyard-partial -o -name .podyard-incoming \) -prune -o ! -name . -exec sh -c '
      kind() {
        if [ -d "$1" ]; then echo d; elif [ -f "$1" ]; then echo f; elif [ -e "$1" ]; then echo o; else echo N; fi
      }
      for p do
        to=$(kind "$p"); own=$to; link=
        [ ! -L "$p" ] || { own=l; link=$(readlink "$p"); }
        size=; [ "$to" != f ] || size=$(stat -L -c %s "$p")
        printf "%s %s %s 0 0 %s\0%s\0" "$own" "$to" "${size:-0}" "${p#./}" "$link"
      done' sh {} +
  fi
  if [ -n "$memory" ] && [ -f "$memory/known" ]; then say @known; cat "$memory/known"; fi
  if [ -n "$3" ] && [ -n "$gnu" ]; then
    say @hash
    never='$^'
    find . -mindepth 1 \( -name .podyard-partial -o -name .podyard-incoming \) -prune -o -regextype posix-extended \
      -regex "$3" ! -regex "${4:-$never}" \( -type f -o -type l -xtype f \) -print0 >"$work/in"
    hash_list "$work/in" 16
    hash_told
  fi
fi
say @end
"""
)

# $1 directory, $2 files a process, $3 what to do with the memory: "" nothing, "add", "new"; standard input:
# NUL-separated paths
_HASH = (
    _HEAD
    + r"""
cat >"$work/in"
cd -- "$root" || exit 3
hash_list "$work/in" "$2"
hash_told >"$work/out"
cat "$work/out"
printf '@end\0'
if [ -n "$3" ]; then
  memory=$(dirname -- "$root")/.$(basename -- "$root").podyard
  # A new one takes its place as a whole: another push to a shared volume may do the same at this moment.
  { mkdir -p -- "$memory" && if [ "$3" = new ]; then
      part=$(mktemp "$memory/known.XXXXXX") && cat "$work/out" >"$part" && mv -f -- "$part" "$memory/known" ||
        rm -f -- "$part" "$memory/known"
    else cat "$work/out" >>"$memory/known"; fi
  } 2>/dev/null
fi
:
"""
)

_REMOVE = _HEAD + 'cat >"$work/in"\ncd -- "$root" && xargs -0 rm -rf -- <"$work/in"\n'
_FOLDERS = _HEAD + 'cat >"$work/in"\ncd -- "$root" && xargs -0 mkdir -p -- <"$work/in"\n'


def _checked(done: Completed, what: str) -> Completed:
    """Raise AnsibleActionFail with the host's own words when a script failed."""
    if done.code != 0:
        words = printable(" ".join(done.error.splitlines()[-3:])) or f"exit code {done.code}"
        raise AnsibleActionFail(f"{what} failed on the host: {words}")
    return done


def look(
    shell: Shell, root: str, *, make: bool = False, remember: bool = False, hashed: Patterns | None = None
) -> RemoteTree:
    """Read a directory of the host in one round trip.

    With `make` it is created, with `remember` the proofs of earlier transfers are read too, with `hashed` the files
    that these patterns mean are hashed (on hosts with GNU tools). A missing directory is no error. Raises
    AnsibleActionFail, Distrusted.
    """
    expression = excluded = ""
    if hashed is not None:
        expression = "|".join(f"({to_posix_regex(text)})" for text in hashed.include) or ".*"
        # A set or a question mark may mean more to the host than to us, so that it excludes here only.
        exact = [text for text in hashed.exclude if not set(text) & set("?[")]
        excluded = "|".join(f"({to_posix_regex(text)})" for text in exact)
    if len(expression) + len(excluded) > LONGEST_EXPRESSION:
        # The host lists only; what is meant is hashed with a second question.
        expression = excluded = ""
    command = script(_SCAN, root, "make" if make else "look", expression, excluded, "1" if remember else "")
    patience = HASH_TIMEOUT if hashed else LOOK_TIMEOUT
    done = _checked(shell.run(f"reading {root}", command, timeout=patience, max_output=MOST_LISTED), f"Reading {root}")
    parts = sections(done.output)
    if "end" not in parts:
        raise AnsibleActionFail(f"Reading {root} on the host ended early: {printable(done.error) or 'no reason given'}")
    return tree(parts, root, clean=not done.banner)


def listed(paths: Iterable[str]) -> bytes:
    """Paths as the scripts read them."""
    return b"".join(b"./" + os.fsencode(path) + b"\0" for path in paths)


def hash_files(shell: Shell, tree: RemoteTree, paths: list[str], sizes: Iterable[int], memory: str = "") -> None:
    """Put into the tree the SHA-256 of files of the host, in one round trip; a file that is not there has none.

    `memory` is "add" to remember the proofs on the host, "new" to forget older ones first. Raises AnsibleActionFail,
    Distrusted.
    """
    for path in paths:
        tree.hashes.pop(path, None)
    if not paths:
        return
    # Large files go to a process each; of small ones every process gets a batch.
    large = sum(sizes) / len(paths) > 1 << 20
    batch = 1 if large else max(1, min(HASH_BATCH, -(-len(paths) // tree.cores)))
    asked = listed(paths)
    command = script(_HASH, tree.root, str(batch), memory)
    most = 2 * len(asked) + HASH_BYTES * len(paths) + FEW_BYTES
    done = _checked(shell.run("verifying", command, asked, timeout=HASH_TIMEOUT, max_output=most), "Verifying")
    tokens = done.output.split(b"\0")
    if b"@end" not in tokens:
        raise AnsibleActionFail(f"Verifying on the host ended early: {printable(done.error) or 'no reason given'}")
    tree.hashed(tokens[: tokens.index(b"@end")])


def remove(shell: Shell, tree: RemoteTree, paths: list[str]) -> None:
    """Remove files, links and whole directories below the tree's root. Raises AnsibleActionFail."""
    if paths:
        _checked(
            shell.run("removing", script(_REMOVE, tree.root), listed(paths), timeout=LOOK_TIMEOUT),
            "Removing what is no longer in the source",
        )


def make_folders(shell: Shell, tree: RemoteTree, paths: Iterable[str]) -> None:
    """Create directories below the tree's root. Raises AnsibleActionFail."""
    data = listed(paths)
    if data:
        command = script(_FOLDERS, tree.root)
        _checked(shell.run("creating directories", command, data, timeout=LOOK_TIMEOUT), "Creating directories")
