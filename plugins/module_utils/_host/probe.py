# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the pod that this runs on: GPUs, file system, Python, torch."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

Run = Callable[[list[str]], tuple[int, str, str]]

_FIELDS = ("index", "name", "uuid", "memory.total", "memory.free", "utilization.gpu", "driver_version")
_NUMBERS = ("index", "memory.total", "memory.free", "utilization.gpu")
# Network file systems, whose free space is that of the whole cluster (RunPod's volumes show as fuse or mfs).
_NETWORK = re.compile(r"^(fuse|mfs|nfs|cifs|smb|ceph|lustre|gluster|beegfs|9p|virtiofs)")

# Prints one line of JSON after a mark. The alarm ends it even if Python hangs: its default action needs no Python code.
_COMPUTE = r"""
import json, signal, sys, time
signal.alarm(int(sys.argv[1]))
answer = {"python": "%d.%d.%d" % sys.version_info[:3], "torch": None}
def tell():
    print("@podyard@" + json.dumps(answer), flush=True)
try:
    if sys.argv[2] == "no":
        raise ImportError
    import torch
except ImportError:
    tell()
    sys.exit(0)
result = answer["torch"] = {"version": torch.__version__, "cuda": torch.version.cuda, "devices": 0,
                            "milliseconds": [], "error": None}
try:
    if not torch.cuda.is_available():
        raise RuntimeError("it finds no usable GPU (built for CUDA %s)" % torch.version.cuda)
    result["devices"] = torch.cuda.device_count()
    for number in range(result["devices"]):
        a = torch.ones(512, 512, device="cuda:%d" % number)
        torch.cuda.synchronize(number)
        begun = time.perf_counter()
        product = a @ a
        torch.cuda.synchronize(number)
        result["milliseconds"].append(round(1000 * (time.perf_counter() - begun), 3))
        if float(product[3, 5]) != 512.0:
            raise RuntimeError("GPU %d computes wrongly: 512 ones add up to %s" % (number, float(product[3, 5])))
except Exception as error:
    result["error"] = " ".join(str(error).split())[:300] or type(error).__name__
tell()
"""


# What nvidia-smi prints for a number that a healthy GPU may lack, or that this user may not see.
_UNKNOWN = re.compile(
    r"\[?(n/a|not (supported|available|found)|insufficient permissions|no permission)\]?", re.IGNORECASE
)
# What it prints for a GPU that is unusable until its host is repaired.
_BROKEN = re.compile(
    r"\berr(or|!)|requires? reset|reset required|\blost\b|fallen off|fail(ed|ure)|unable to determine|timed? ?out",
    re.IGNORECASE,
)


def _number(text: str) -> int | None:
    """Read a number as nvidia-smi prints it; None for `[N/A]` and the like."""
    return int(float(text)) if re.fullmatch(r"\d{1,15}(\.\d{1,15})?", text) else None


def _cells(cells: list[str]) -> tuple[list[str], list[str]]:
    """Return the cells of a GPU's line that report a broken GPU, and those that are not readable, with their fields."""
    odd = [
        (f"{field} of GPU {cells[0][:100]!r} is {cell[:100]!r}", cell)
        for field, cell in zip(_FIELDS, cells)
        if not _UNKNOWN.fullmatch(cell) and (_number(cell) is None) and (field in _NUMBERS or _BROKEN.search(cell))
    ]
    broken = [words for words, cell in odd if _BROKEN.search(cell)]
    return broken, [words for words, _cell in odd if words not in broken]


def _listed(output: str, versions: dict[str, str | None]) -> list[dict[str, Any]]:
    """Read the GPUs from nvidia-smi's lines; `driver_version` goes into `versions`."""
    found: list[dict[str, Any]] = []
    trouble: list[str] = []
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(_FIELDS):
            trouble += [repr(line.strip()[:200])] if _BROKEN.search(line) else []
            continue
        faults, unreadable = _cells(cells)
        found.append(
            {
                "index": _number(cells[0]),
                "name": cells[1],
                "uuid": cells[2],
                "memory_total_mb": _number(cells[3]),
                "memory_free_mb": _number(cells[4]),
                "utilization_percent": _number(cells[5]),
                "faults": faults,
                "unreadable": unreadable,
            }
        )
        versions["driver_version"] = cells[6]
    if found:
        # A GPU that is lost may have no regular line any more; this text is all that is left of it.
        found[0]["faults"] += trouble
    return found


def gpus(run: Run) -> tuple[list[dict[str, Any]], dict[str, str | None], str | None]:
    """Ask nvidia-smi; return the GPUs, `driver_version` and `cuda_version`, and what went wrong.

    For each GPU, `faults` are reports of a broken GPU, `unreadable` is unknown text where a number should be.
    """
    versions: dict[str, str | None] = {"driver_version": None, "cuda_version": None}
    if shutil.which("nvidia-smi") is None:
        return [], versions, "there is no nvidia-smi"
    query = f"--query-gpu={','.join(_FIELDS)}"
    code, output, error = run(["nvidia-smi", query, "--format=csv,noheader,nounits"])
    words = " ".join((output + " " + error).split())
    if code != 0:
        return [], versions, f"nvidia-smi ended with {code}: {words[:300]}"
    found = _listed(output, versions)
    # Only the header of the plain table shows the CUDA version that the driver supports.
    _code, table, _error = run(["nvidia-smi"])
    match = re.search(r"CUDA Version:\s*([\d.]+)", table)
    versions["cuda_version"] = match[1] if match else None
    return found, versions, None if found else f"nvidia-smi lists no GPU: {words[:300]}"


def _file_system(path: str) -> str:
    """Return the type of the file system of an existing path."""
    real, best = os.path.realpath(path), ("", "unknown")
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            _source, place, kind = line.split(" ")[:3]
            place = re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), place)
            inside = real == place or real.startswith(place.rstrip("/") + "/")
            if inside and len(place) >= len(best[0]):
                best = (place, kind)
    return best[1]


def disk(path: str) -> dict[str, Any]:
    """Measure the file system at `path`, and try to write to it."""
    found: dict[str, Any] = dict.fromkeys(("fstype", "network", "total_gb", "free_gb", "error"))
    found.update(path=path, exists=os.path.isdir(path), writable=False)
    if not found["exists"]:
        return found
    status = os.statvfs(path)
    kind = _file_system(path)
    found.update(fstype=kind, network=bool(_NETWORK.match(kind)))
    found.update(total_gb=round(status.f_blocks * status.f_frsize / 2**30, 3))
    found.update(free_gb=round(status.f_bavail * status.f_frsize / 2**30, 3))
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".podyard-") as probe:
            probe.write(b"x")
            probe.flush()
        found["writable"] = True
    except OSError as error:
        found["error"] = error.strerror
    return found


def directory(path: str) -> dict[str, Any]:
    """Find out whether the user of this login can work in a directory: it is writable, or can be created."""
    place = os.path.abspath(os.path.expanduser(path))
    nearest = place
    while not os.path.isdir(nearest) and nearest != "/":
        nearest = os.path.dirname(nearest)
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = f"number {os.geteuid()}"
    try:
        # Tried for real: a read-only or network file system may refuse what the modes allow.
        os.rmdir(tempfile.mkdtemp(dir=nearest, prefix=".podyard-"))
    except OSError:
        return {"path": place, "usable": False, "user": user}
    return {"path": place, "usable": True, "user": user}


def python(run: Run, name: str, *, compute: bool, seconds: int) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Test the Python that will train; return what it is, and what its torch computed (None without torch)."""
    path = shutil.which(os.path.expanduser(name))
    found: dict[str, Any] = {"path": path, "version": None, "error": None}
    if path is None:
        return found, None
    code, output, error = run([path, "-c", _COMPUTE, str(seconds), "yes" if compute else "no"])
    _before, mark, line = output.rpartition("@podyard@")
    if mark:
        answer = json.loads(line)
        found["version"] = answer["python"]
        return found, answer["torch"]
    last = " ".join(error.split())[-300:] or f"it ended with {code}"
    hung = code in (-14, 142)
    trouble = f"no result after {seconds} s" if hung else last
    code, output, _error = run([path, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"])
    if code != 0:
        found["error"] = trouble
        return found, None
    found["version"] = output.strip()
    return found, {"version": None, "cuda": None, "devices": 0, "milliseconds": [], "error": trouble}
