# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a training left on its host: its state, new bytes of its files, checkpoints.

This file needs only the standard library and `files`, because the follower also sends the text of both to the Python of
a host.
"""

from __future__ import annotations

import base64
import functools
import glob
import json
import os
import re
import time
import zlib
from collections.abc import Iterator
from typing import Any

from .files import (
    age_of,
    attempt,
    bytes_moved,
    files_below,
    has_variable,
    living_pid,
    process_of,
    read_new,
    read_text,
    start_ticks,
    stat_fields,
)

# From the moment when the runner wins the right to train until its pid file is there, milliseconds pass, on a sleeping
# network volume seconds; after half a minute without one the runner has died.
STARTING_SECONDS = 30.0
# A checkpoint that was not written to for two seconds before the last heartbeat is complete. The heartbeat is on the
# same file system, so that both times come from one clock.
SETTLED_SECONDS = 2.0
# How soon the end of a training is noticed; a look costs a few reads of small files.
LOOK_SECONDS = 0.2
# A tree with more files than this holds something other than checkpoints.
MOST_FILES = 50_000
# Bytes of names and times in one answer; a longer list is cut.
MOST_LISTED = 8 << 20
# Files of the output to look at for signs of life; more would keep a network volume busy.
MOST_SIGNS = 2000
STREAMS = ("log", "metrics", "gpu")
Record = dict[str, Any]
# Where a pod keeps its lease, if it has one. Below /tmp, because not every login may write elsewhere.
LEASE = "/tmp/podyard-lease"


def _exit_code(directory: str) -> int | None:
    """Return the exit code that the runner has written; None when there is none. Raises ValueError for other text."""
    written = read_text(directory, "exit_code")
    if not written:
        return None
    if not re.fullmatch("[0-9]{1,3}", written, re.ASCII) or int(written) > 255:
        raise ValueError(f"it does not contain an exit code: {written[:80]!r}")
    return int(written)


def _begun(directory: str) -> float | None:
    """Return the seconds since an attempt won the right to train here, by the wall clock; None if none did."""
    try:
        return time.time() - os.stat(os.path.join(directory, "once")).st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None


def state_of(directory: str) -> Record:
    """Return the state of the training in `directory`.

    The record has state, stopped, exit_code, pid, started_at, ended_at, seconds, heartbeat_age; and `trouble`, what
    could not be read and why. The state is `unknown` when that would decide it.
    """
    record: Record = {"state": "absent", "exit_code": None, "pid": None, "stopped": False, "trouble": {}}
    ask = functools.partial(attempt, record["trouble"])
    begun = ask("once", lambda: _begun(directory))
    written = None
    if "once" in record["trouble"]:
        record["state"] = "unknown"
    elif begun is not None:
        # Read once: the pid of a training that is just starting may appear between two reads.
        written = ask("pid", lambda: read_text(directory, "pid"))
        record["pid"] = ask("pid", lambda: process_of(written))
        # Read after the look for the process, which writes its exit code before it ends.
        code = ask("exit_code", lambda: _exit_code(directory))
        if code is not None:
            record.update(state="failed" if code else "succeeded", exit_code=code, pid=None)
        elif record["pid"] is not None or (written is None and "pid" not in record["trouble"] and _young(begun)):
            record["state"] = "running"
        else:
            record["state"] = "unknown" if _unreadable(record["trouble"]) else "lost"
    record["stopped"] = os.path.exists(os.path.join(directory, "stopped"))
    for name in ("started_at", "ended_at"):
        record[name] = ask(name, functools.partial(read_text, directory, name))
    record["heartbeat_age"] = ask("heartbeat", lambda: age_of(directory, "heartbeat"))
    record["seconds"] = ask("seconds", lambda: _duration(directory, record, written))
    return record


def _young(begun: float) -> bool:
    return begun < STARTING_SECONDS


def _unreadable(trouble: dict[str, str]) -> bool:
    """Return whether a file that decides the state exists but could not be read; a wrong exit code was read."""
    return "pid" in trouble or not trouble.get("exit_code", "ValueError").startswith("ValueError")


def _duration(directory: str, record: Record, written: str | None) -> float | None:
    """Return the seconds from the start to the end, or to the last sign of life, or to now.

    For a running training they come from the clock in which the kernel records a process's start; it is never set.
    """
    if record["pid"] is not None and hasattr(time, "CLOCK_BOOTTIME"):
        started = int((written or "").split()[1]) / os.sysconf("SC_CLK_TCK")
        return round(max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started), 3)
    begun = age_of(directory, "started_at")
    if begun is None:
        return None
    last = {"succeeded": "exit_code", "failed": "exit_code", "lost": "heartbeat"}.get(record["state"])
    ended = age_of(directory, last) if last else 0.0
    return round(max(0.0, begun - (ended or 0.0)), 3)


def checkpoints(
    directory: str, output: str, expressions: list[str], *, final: bool, trouble: dict[str, str] | None = None
) -> list[Record]:
    """List the complete files below `output` that one of the expressions matches (see to_regex), newest first.

    What cannot be read is left out, and reported in `trouble`.
    """
    trouble = {} if trouble is None else trouble
    regexes = [re.compile(text, re.DOTALL) for text in expressions]
    age = age_of(directory, "heartbeat")
    if not regexes or (age is None and not final):
        return []
    latest = None if final or age is None else time.time() - age - SETTLED_SECONDS
    found, room = [], MOST_LISTED
    for path, status in files_below(output, trouble, MOST_FILES):
        ends = [match.end("entry") for regex in regexes if (match := regex.fullmatch(path))]
        if ends and (latest is None or status.st_mtime <= latest):
            record = {"path": path, "group": path[: min(ends)], "bytes": status.st_size, "mtime": status.st_mtime}
            room -= len(json.dumps(record, allow_nan=False))
            if room < 0:
                trouble["checkpoints"] = f"the list of them exceeds {MOST_LISTED} bytes; some are left out"
                break
            found.append(record)
    return sorted(found, key=lambda record: (-record["mtime"], record["path"]))


def look(request: Record) -> Record:
    """Return everything that is new since the last look.

    `request` has dir, output_dir, metrics_file, log_offset, metrics_offset, gpu_offset, checkpoints (expressions),
    max_bytes, `activity` (whether to look for signs of life) and `wait` (the most seconds to wait for the training to
    end before looking). The result is that of `state_of`, with `log`, `metrics` and `gpu` as `read_new` returns them,
    `checkpoints`, `disk_free_gb`, `activity` as `activity` returns it, the rest of the lease as `lease` returns it, and
    `now`, the host's time. A part that fails is left out, and reported in `trouble`.
    """
    directory = request["dir"]
    _wait_for_end(directory, request.get("wait") or 0.0)
    output = request.get("output_dir") or os.path.join(directory, "output")
    # The state first: whatever is read after the training has ended is complete.
    result = state_of(directory)
    ask = functools.partial(attempt, result["trouble"])
    final = result["state"] not in ("running", "unknown")
    places = {
        "log": os.path.join(directory, "train.log"),
        "metrics": os.path.join(output, request.get("metrics_file") or "metrics.jsonl"),
        "gpu": os.path.join(directory, "gpu.jsonl"),
    }
    for name, path in places.items():
        offset = request.get(f"{name}_offset") or 0
        read = functools.partial(read_new, path, offset, request["max_bytes"], lines=name != "log", final=final)
        nothing = {"data": b"", "offset": max(0, offset), "size": max(0, offset), "reset": False}
        result[name] = ask(name, read, nothing)
    expressions = request.get("checkpoints") or []
    files = functools.partial(checkpoints, directory, output, expressions, final=final, trouble=result["trouble"])
    result["checkpoints"] = ask("checkpoints", files, [])
    result["activity"] = ask("activity", lambda: activity(directory, output)) if request.get("activity") else None
    result["disk_free_gb"] = ask("disk", lambda: _free(directory))
    result.update(ask("lease", lease, {"lease_ends_in": None, "lease_ends_at": None}))
    result["now"] = time.time()
    return result


def activity(directory: str, output: str) -> Record:
    """Return signs of life, which only grow or change while something works.

    They are `cpu_seconds` and `io_bytes` of all processes of the training, `output` (a summary of its files), and
    `gpus`: percent and used memory in MiB where the kernel itself reports them. What is not known is null.
    """
    cpu = io = None
    for pid, fields, alone in _workers(directory):
        # For the process that only waits for the others, count the time of those that it has reaped.
        ticks = sum(int(text) for text in fields[13 if alone else 11 : 15])
        cpu = (cpu or 0.0) + ticks / os.sysconf("SC_CLK_TCK")
        moved = None if alone else bytes_moved(pid)
        io = io if moved is None else (io or 0) + moved
    files = [(status.st_size, status.st_mtime) for _path, status in files_below(output, {}, MOST_SIGNS)]
    mark = f"{len(files)} {sum(size for size, _time in files)} {max((when for _size, when in files), default=0)}"
    seconds = None if cpu is None else round(cpu, 2)
    return {"cpu_seconds": seconds, "io_bytes": io, "output": mark, "gpus": _kernel_gpus()}


def _workers(directory: str) -> Iterator[tuple[int, list[str], bool]]:
    """Yield the training's processes: pid, fields of /proc/PID/stat, and whether it only waits for the others.

    The one that waits was started without the training's environment.
    """
    mark = b"PODYARD_RUN_DIR=" + os.fsencode(directory)
    living = {pid: fields for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if (fields := stat_fields(pid))}
    child = living_pid(directory, "child")
    marked = {pid for pid in living if has_variable(pid, mark)}
    members, grown = marked | ({child} if child is not None and child in living else set()), True
    while grown:
        more = {pid for pid, fields in living.items() if int(fields[1]) in members} - members
        members |= more
        grown = bool(more)
    for pid in members - {os.getpid()}:
        yield pid, living[pid], pid == child and pid not in marked


def _kernel_gpus() -> list[Record]:
    """Return percent and used memory in MiB of each GPU whose driver reports them in files."""
    found = []
    for place in sorted(glob.glob("/sys/class/drm/card*/device/gpu_busy_percent"))[:64]:
        texts = [read_text(os.path.dirname(place), name) or "" for name in ("gpu_busy_percent", "mem_info_vram_used")]
        percent, memory = (int(text) if text.isdigit() else None for text in texts)
        found.append({"percent": percent, "memory_mb": None if memory is None else memory >> 20})
    return found


def lease() -> Record:
    """Return what is left of the pod's lease: `lease_ends_in` (seconds) and `lease_ends_at` (by the pod's clock).

    Both are null when the pod has no lease, or the program that enforces it no longer runs.
    """
    try:
        pid, begun = (read_text(LEASE, "on") or "").split()
        if start_ticks(int(pid)) != int(begun):
            return {"lease_ends_in": None, "lease_ends_at": None}
        if os.path.exists(os.path.join(LEASE, "renew")):
            left = float(read_text(LEASE, "seconds") or "")
        else:
            left = float(read_text(LEASE, "ends") or "") - float((read_text("/proc", "uptime") or "").split()[0])
    except (ValueError, IndexError):
        return {"lease_ends_in": None, "lease_ends_at": None}
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + left))
    return {"lease_ends_in": round(max(0.0, left), 1), "lease_ends_at": moment}


def _wait_for_end(directory: str, seconds: float) -> None:
    """Wait until the training has ended, at most for `seconds`.

    Waiting on the host instead of the controller saves connections, and notices the end sooner.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and state_of(directory)["state"] == "running":
        time.sleep(min(LOOK_SECONDS, seconds))


def _free(directory: str) -> float | None:
    try:
        status = os.statvfs(directory)
    except FileNotFoundError:
        return None
    return round(status.f_bavail * status.f_frsize / 2**30, 3)


def packed(result: Record) -> str:
    """Write a result of `look` as four lines: one of JSON, and the bytes of each file, compressed and in base64."""
    copy = dict(result)
    lines = []
    for name in STREAMS:
        copy[name] = {key: value for key, value in result[name].items() if key != "data"}
        lines.append(base64.b64encode(zlib.compress(result[name]["data"], 1)).decode())
    return "\n".join([json.dumps(copy, allow_nan=False), *lines])
