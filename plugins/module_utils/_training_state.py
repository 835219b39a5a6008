# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training left on its host: state, new bytes of its files, checkpoints. Private to this collection.

Needs nothing but the standard library and imports nothing of this collection, since the follower also sends this file's
text to the Python of a host.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
import zlib
from typing import Any

# Between the moment when the runner has won the right to train and the moment when its pid file is there lie
# milliseconds, on a sleeping network volume seconds; after half a minute it has died in between.
STARTING_SECONDS = 30.0
# A checkpoint that was not written to for two seconds before the last heartbeat is complete. The heartbeat lies on the
# same file system, so that no other clock is asked.
SETTLED_SECONDS = 2.0
# How soon the end of a training is noticed; looking costs a few reads of small files.
LOOK_SECONDS = 0.2
# Names under which programs write a file, or a directory as transformers, Orbax and TensorFlow do, before it is
# complete; then it gets its own name. A name with `temp` in it may speak of a temperature.
UNFINISHED = re.compile(
    r"^\.?tmp($|[-_.]|[a-z0-9_]{8}$)|^te?mp[-_.]?(checkpoint|ckpt)|[-.]tmp[-._]|\.tmp[0-9a-f]*$|[-_]tmp$|\d_temp$"
    r"|\.(temp|part|partial|lock|download|crdownload|aria2)$|[-_.](incomplete|in[-_]?progress|unfinished)$",
    re.IGNORECASE,
)
# A tree with more files than this holds something else than checkpoints.
MOST_FILES = 50_000
Record = dict[str, Any]
# Where a pod keeps its lease, if it has one. Below /tmp, since not every login may write elsewhere.
LEASE = "/tmp/podyard-lease"


def read_text(directory: str, name: str) -> str | None:
    """The stripped text of a small file, or None when it is not there."""
    try:
        with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except FileNotFoundError:
        return None


def start_ticks(pid: int) -> int | None:
    """When a living process started, in the kernel's ticks; None when there is none or only its zombie is left."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # fields[0] is the third field of the line (state), fields[19] the 22nd (start time).
    return None if fields[0] in "ZX" else int(fields[19])


def boot_id() -> str:
    """What tells one start of the machine from another."""
    return read_text("/proc/sys/kernel/random", "boot_id") or "unknown"


def living_pid(directory: str, name: str = "pid") -> int | None:
    """The process that the file `name` means (`PID START BOOT`), if it is still that process."""
    return _process(read_text(directory, name))


def _process(written: str | None) -> int | None:
    words = (written or "").split()
    if len(words) != 3 or words[2] != boot_id():
        return None
    return int(words[0]) if start_ticks(int(words[0])) == int(words[1]) else None


def state_of(directory: str) -> Record:
    """State of the training in `directory`: state, stopped, exit_code, pid, started_at, ended_at, seconds,
    heartbeat_age.
    """
    record: Record = {"state": "absent", "exit_code": None, "pid": None, "stopped": False}
    once = os.path.join(directory, "once")
    if os.path.isdir(once):
        # Read once: that of a training which starts in this moment may appear between two looks.
        written = read_text(directory, "pid")
        record["pid"] = _process(written)
        # Read after the process was looked for: it writes its exit code before it ends.
        code = read_text(directory, "exit_code")
        if code:
            record.update(state="succeeded" if code == "0" else "failed", exit_code=int(code), pid=None)
        elif record["pid"] is not None or (
            written is None and time.time() - os.stat(once).st_mtime < STARTING_SECONDS
        ):
            record["state"] = "running"
        else:
            record["state"] = "lost"
    record["stopped"] = os.path.exists(os.path.join(directory, "stopped"))
    for name in ("started_at", "ended_at"):
        record[name] = read_text(directory, name)
    record["heartbeat_age"] = _age(directory, "heartbeat")
    record["seconds"] = _duration(directory, record)
    return record


def _age(directory: str, name: str) -> float | None:
    try:
        return round(max(0.0, time.time() - os.stat(os.path.join(directory, name)).st_mtime), 3)
    except FileNotFoundError:
        return None


def _duration(directory: str, record: Record) -> float | None:
    """Seconds from the start to the end, or to the last sign of life, or to now."""
    begun = _age(directory, "started_at")
    if begun is None:
        return None
    last = {"succeeded": "exit_code", "failed": "exit_code", "lost": "heartbeat"}.get(record["state"])
    ended = _age(directory, last) if last else 0.0
    return round(max(0.0, begun - (ended or 0.0)), 3)


def read_new(path: str, offset: int, limit: int, *, lines: bool, final: bool) -> Record:
    """Read a growing file from `offset` on: `data` (bytes), `offset` to go on from, `size`, `reset`.

    A negative offset counts from the end. A file shorter than the offset was written anew: then it is read from its
    beginning and `reset` is true. With `lines` only whole lines are read, unless `final` (nobody writes any more) or a
    line alone is longer than `limit`; else no UTF-8 character is cut.
    """
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            start = max(0, size + offset) if offset < 0 else offset
            reset = start > size
            start = 0 if reset else start
            stream.seek(start)
            data = stream.read(min(limit, size - start))
    except FileNotFoundError:
        return {"data": b"", "offset": 0, "size": 0, "reset": offset > 0}
    rest = start + len(data) < size
    if lines and (rest or not final):
        whole = data[: data.rfind(b"\n") + 1]
        data = whole if whole or not rest else data
    elif rest or not final:
        data = _whole_characters(data)
    return {"data": data, "offset": start + len(data), "size": size, "reset": reset}


def _whole_characters(data: bytes) -> bytes:
    """Leave out a character at the end of which bytes are missing."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            length = 2 if byte >> 5 == 6 else 3 if byte >> 4 == 14 else 4 if byte >> 3 == 30 else 1
            return data[:-back] if length > back else data
    return data


def checkpoints(directory: str, output: str, expressions: list[str], *, final: bool) -> list[Record]:
    """Files below `output` that one of the expressions names (see to_regex) and that are complete, newest first."""
    regexes = [re.compile(text, re.DOTALL) for text in expressions]
    age = _age(directory, "heartbeat")
    if not regexes or (age is None and not final):
        return []
    latest = None if final or age is None else time.time() - age - SETTLED_SECONDS
    found = []
    for path, status in _files(output):
        ends = [match.end("entry") for regex in regexes if (match := regex.fullmatch(path))]
        if ends and (latest is None or status.st_mtime <= latest):
            record = {"path": path, "group": path[: min(ends)], "bytes": status.st_size, "mtime": status.st_mtime}
            found.append(record)
    return sorted(found, key=lambda record: (-record["mtime"], record["path"]))


def _files(root: str) -> list[tuple[str, os.stat_result]]:
    found: list[tuple[str, os.stat_result]] = []
    folders = [""]
    while folders and len(found) < MOST_FILES:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(os.path.join(root, folder)), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                if UNFINISHED.search(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_file() and not entry.name.startswith("."):
                    found.append((path, entry.stat()))
            except FileNotFoundError:
                # Rotated away by the training while we look.
                continue
    return found


def look(request: Record) -> Record:
    """Everything that is new since the last look.

    `request` has dir, output_dir, metrics_file, log_offset, metrics_offset, gpu_offset, checkpoints (expressions),
    max_bytes, and `wait`: seconds to wait at most for the training to end before looking. The result is that of
    `state_of` and `log`, `metrics`, `gpu` as `read_new` returns them, `checkpoints`, `disk_free_gb`, and `now`, the
    host's time; and what of its lease is left, as `lease` returns it.
    """
    directory = request["dir"]
    _wait_for_end(directory, request.get("wait") or 0.0)
    output = request.get("output_dir") or os.path.join(directory, "output")
    # The state first: what is read after a training has ended is complete.
    result = state_of(directory)
    final = result["state"] != "running"
    places = {
        "log": os.path.join(directory, "train.log"),
        "metrics": os.path.join(output, request.get("metrics_file") or "metrics.jsonl"),
        "gpu": os.path.join(directory, "gpu.jsonl"),
    }
    for name, path in places.items():
        offset = request.get(f"{name}_offset") or 0
        result[name] = read_new(path, offset, request["max_bytes"], lines=name != "log", final=final)
    result["checkpoints"] = checkpoints(directory, output, request.get("checkpoints") or [], final=final)
    result["disk_free_gb"] = _free(directory)
    result.update(lease())
    result["now"] = time.time()
    return result


def lease() -> Record:
    """What is left of the pod's lease: `lease_ends_in` (seconds) and `lease_ends_at` (by the pod's clock), or nulls
    when it has none or nobody watches over it any more.
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
    """Return when the training has ended, or after `seconds`.

    Waiting here instead of there saves connections, and money.
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
    """A result of `look` as one line of JSON, its bytes compressed and in base64."""
    copy = dict(result)
    for name in ("log", "metrics", "gpu"):
        copy[name] = {**result[name], "data": base64.b64encode(zlib.compress(result[name]["data"], 1)).decode()}
    return json.dumps(copy)


def unpacked(text: str) -> Record:
    """The inverse of `packed`. Raises ValueError on anything else."""
    result = json.loads(text)
    for name in ("log", "metrics", "gpu"):
        result[name]["data"] = zlib.decompress(base64.b64decode(result[name]["data"]))
    return result


def json_lines(data: bytes) -> list[Record]:
    """The JSON objects of a file with one a line; lines that are none are left out."""
    found = []
    for line in data.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found
