# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that runs one training on a host, and the environment that the training gets."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping

from .supervisor import MARKER

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables that are read-only in some shells; assigning to them would end the shell.
FIXED = frozenset({"UID", "EUID", "PPID", "BASHOPTS", "SHELLOPTS", "BASH_VERSINFO"})
# Variables of a login or a process, not of the pod. A training has no use for PUBLIC_KEY, and programs often print
# their environment.
NOT_THE_PODS = FIXED | {
    *("HOME", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "SHLVL", "TERM", "HOSTNAME", "MAIL", "_", "PUBLIC_KEY"),
    *("LS_COLORS", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_AUTH_SOCK", "INIT_VERSION", "BASH_ENV", "ENV"),
}

# Arguments: directory, token, seconds between samples, file with the environment, directory to train in, Python,
# seconds for which processes that the command leaves behind may be idle, command line of the shell (see
# `shell_command`).
# Only the attempt that makes the directory `once` ever trains here: making a directory is atomic on every file system,
# even on network volumes without locks.
RUNNER = r"""#!/bin/sh
# Runs one training and records its state. Written by podyard.gpu.training.
trap '' HUP
dir=$1 token=$2 interval=$3 environment=$4 place=$5 python=$6 patience=$7
shift 7
umask 022
cd "$dir" || exit 1
mkdir once 2>/dev/null || { rm -f "$environment" ".command.$token" ".job.$token"; exit 0; }
printf '%s\n' "$token" >once/token
mv -f ".command.$token" command.sh
mv -f ".job.$token" job.json

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
put() { printf '%s\n' "$2" >"$dir/.$1.new" && mv -f "$dir/.$1.new" "$dir/$1"; }
identity() {
  read -r line <"/proc/$1/stat" || return 1
  pid=$1
  # shellcheck disable=SC2086
  set -- ${line##*) }
  printf '%s %s %s\n' "$pid" "${20}" "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown)"
}
sample() {
  command -v nvidia-smi >/dev/null 2>&1 || return 0
  limit=; command -v timeout >/dev/null 2>&1 && limit='timeout 10'
  $limit nvidia-smi --format=csv,noheader,nounits \
    --query-gpu=index,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw 2>/dev/null |
    awk -F ', *' -v time="$1" 'NF == 6 {
      for (i = 1; i <= 6; i++) if ($i !~ /^[0-9.]+$/) $i = "null"
      printf "{\"time\": \"%s\", \"index\": %s, \"utilization_percent\": %s, \"memory_used_mb\": %s, " \
        "\"memory_total_mb\": %s, \"temperature_c\": %s, \"power_w\": %s}\n", time, $1, $2, $3, $4, $5, $6
    }' >>"$dir/gpu.jsonl"
}
beat() {
  nap=
  trap '[ -z "$nap" ] || kill "$nap" 2>/dev/null; exit 0' TERM
  # $$ is the runner here too; this loop ends when the runner does.
  while kill -0 "$$" 2>/dev/null; do
    time=$(now)
    put heartbeat "$time"
    sample "$time"
    sleep "$interval" &
    nap=$!
    wait "$nap"
  done
}

put started_at "$(now)"
put pid "$(identity "$$")"
# Freed before the exit code is written, so that a full disk does not hide how the training ended.
head -c 65536 /dev/zero >.reserve
beat </dev/null >/dev/null 2>&1 &
beat=$!
# Ending the training's processes must not end its bookkeeping.
trap ':' TERM INT
if cd "$place"; then
  # The inner shell reads the environment: here a variable of the training could replace one of ours.
  setsid "$python" -I "$dir/supervisor.py" "$dir" "$patience" \
    sh -c '. "$1" && rm -f "$1" && shift && exec "$@"' sh "$environment" "$@" </dev/null >>"$dir/train.log" 2>&1 &
  child=$!
  put child "$(identity "$child")"
  while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
  done
else
  echo "There is no directory $place to train in." >>"$dir/train.log"
  code=126
fi
rm -f "$environment"
rm -f "$dir/.reserve"
kill "$beat" 2>/dev/null
put ended_at "$(now)"
# Try for a minute: a network volume may hang for a while, and this file decides the outcome.
tries=0
until put exit_code "$code" || [ "$tries" -ge 12 ]; do tries=$((tries + 1)); sleep 5; done
"""


# Bash reads this before the command. Its own `wait` without arguments returns 0 even if a job failed, so that one of
# two trainings side by side could fail unseen; helpers that the command itself ended are not failures. The list of
# jobs goes through a file, because in a subshell it lacks those that have ended.
STRICT = r"""
wait() {
  if [ $# -gt 0 ]; then
    builtin wait "$@" || return $?
    return 0
  fi
  local job jobs code=0 list="${0%/*}/.jobs.$BASHPID"
  jobs -p >"$list" && mapfile -t jobs <"$list" && rm -f "$list"
  for job in "${jobs[@]}"; do
    builtin wait "$job" || case $? in 129 | 130 | 143) ;; *) code=$? ;; esac
  done
  builtin wait
  [ "$code" = 0 ] || return "$code"
}
_podyard_failed() {
  [[ $BASH_SUBSHELL = 0 && $- = *e* ]] || return 0
  local parts= what=$4
  [[ $3 != *" "* ]] || parts=" (its parts: ${3// /, })"
  case $what in 'return $?' | 'return "$code"') what=wait ;; esac
  printf 'podyard: Line %s of the command failed with exit code %s%s: %s\n' "$1" "$2" "$parts" "${what:0:200}" >&2
}
trap '_podyard_failed "$LINENO" "$?" "${PIPESTATUS[*]}" "$BASH_COMMAND"' ERR
. "$0"
"""
PIPE = re.compile(r"(?<![|>\\])\|(?!\|)")


def shell_command(script: str, *, strict: bool) -> list[str]:
    """Return the command line that runs the file `script` in the best shell of this host.

    `strict` makes it end with the first command that fails, including inside a pipe if the shell can tell.
    """
    bash = shutil.which("bash")
    if not strict:
        return [bash or "/bin/sh", script]
    if bash:
        return [bash, "-eE", "-o", "pipefail", "-c", STRICT, script]
    return ["/bin/sh", "-e", *(["-o", "pipefail"] if _sh_knows_pipefail() else []), script]


def sees_pipes() -> bool:
    """Return whether a shell of this host can tell that a part of a pipe failed other than the last one."""
    return shutil.which("bash") is not None or _sh_knows_pipefail()


def _sh_knows_pipefail() -> bool:
    asked = ["/bin/sh", "-o", "pipefail", "-c", ":"]
    # There is no module object here whose run_command could be used.
    done = subprocess.run(asked, capture_output=True, check=False)  # pylint: disable=ansible-bad-function
    return done.returncode == 0


def has_pipe(command: str) -> bool:
    """Return whether a shell command joins programs by a pipe, outside quotes and comments."""
    try:
        words = shlex.shlex(command, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        return bool({"|", "|&"} & set(words))
    except ValueError:
        # Not a simple command, for example one that contains a text of several lines.
        return bool(PIPE.search(command))


def quoted_environment(values: Mapping[str, str]) -> str:
    """Return shell text that exports the values, except those whose names no shell could pass on."""
    return "".join(f"export {name}={shlex.quote(text)}\n" for name, text in values.items() if NAME.fullmatch(name))


def parse_environ(data: bytes) -> dict[str, str]:
    """Return the content of /proc/PID/environ as a dict."""
    pairs = (item.partition(b"=") for item in data.split(b"\0") if b"=" in item)
    return {os.fsdecode(name): os.fsdecode(value) for name, _equals, value in pairs}


def parse_rp_environment(text: str) -> dict[str, str]:
    """Return the content of /etc/rp_environment, which RunPod's images write at start: lines `export NAME="value"`.

    Values are not escaped there, so they are taken as they stand between the outer quotes.
    """
    return dict(re.findall(r'^export ([A-Za-z_][A-Za-z0-9_]*)="(.*)"$', text, re.MULTILINE))


def pod_environment() -> dict[str, str]:
    """Return the environment that the container was given, which an SSH session lacks.

    It is that of the first process, completed by what the image's start-up recorded.
    """
    values: dict[str, str] = {}
    try:
        with open("/etc/rp_environment", encoding="utf-8", errors="surrogateescape") as stream:
            values.update(parse_rp_environment(stream.read()))
    except (FileNotFoundError, PermissionError):
        pass
    try:
        with open("/proc/1/environ", "rb") as binary:
            values.update(parse_environ(binary.read()))
    except (FileNotFoundError, PermissionError):
        pass
    return {name: text for name, text in values.items() if name not in NOT_THE_PODS and NAME.fullmatch(name)}


def search_path(*parts: str) -> str:
    """Join several search paths into one, each directory once, at its first place."""
    return ":".join(dict.fromkeys(folder for part in parts for folder in part.split(":") if folder))


def training_environment(
    directory: str, run_id: str | None, path_prefix: list[str], given: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of a training: our defaults, the pod's own, and the user's, the later over the earlier."""
    login = {name: os.environ[name] for name in ("HOME", "USER", "LOGNAME", "SHELL") if name in os.environ}
    # Without these the log arrives late, and in an encoding that has only ASCII.
    values = {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **login, **pod_environment()}
    values.update({str(name): "" if text is None else str(text) for name, text in given.items()})
    values["PATH"] = search_path(":".join(path_prefix), values.get("PATH", ""), os.environ.get("PATH", ""))
    if path_prefix and os.path.exists(os.path.join(os.path.dirname(path_prefix[0]), "pyvenv.cfg")):
        values["VIRTUAL_ENV"] = os.path.dirname(path_prefix[0])
    values[MARKER] = directory
    if run_id:
        values["PODYARD_RUN_ID"] = run_id
    return values
