# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's load, from its own processes: their CPU time stands for GPU time, their memory for GPU memory.

The pod's nvidia-smi measures in the same way from inside; the rules are in `gpus`.
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from . import gpus
from .spec import GpuUsage, PodSpec, Utilisation

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MACHINE_MEMORY = os.sysconf("SC_PHYS_PAGES") * _PAGE
_TOOLING = re.compile(gpus.TOOLING)
_MIB = 1024 * 1024

IDLE = Utilisation(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class _Process:
    pid: int
    name: str
    cpu_seconds: float
    began: float
    memory: int


class UsageMeter:
    """Measures one pod between two calls of `sample`."""

    def __init__(self, spec: PodSpec) -> None:
        self._spec = spec
        self._before: dict[int, _Process] = {}
        self._at = 0.0
        self.last = IDLE

    def sample(self, pid: int | None) -> None:
        """Measure the pod whose PID 1 has this PID on the host (None: it has no process), and set `last`."""
        if pid is None:
            self._before, self._at, self.last = {}, 0.0, IDLE
            return
        # The pod's own /proc lists only the pod's processes, with the pod's PIDs.
        folder = Path("/proc", str(pid), "root", "proc")
        now = time.monotonic()
        found = _processes(folder)
        seconds = now - self._at
        if self._at and seconds > 0:
            shares = {process.pid: self._share(process, seconds) for process in found.values()}
            self.last = self._utilisation(folder, found, shares)
        self._before, self._at = found, now

    def _share(self, process: _Process, seconds: float) -> float:
        """Return how many cores this process kept busy since the last sample."""
        before = self._before.get(process.pid)
        burnt = before.cpu_seconds if before and before.began == process.began else 0.0
        return max(0.0, process.cpu_seconds - burnt) / seconds

    def _utilisation(self, folder: Path, found: dict[int, _Process], shares: dict[int, float]) -> Utilisation:
        busy: dict[int, float] = defaultdict(float)
        memory: dict[int, int] = defaultdict(int)
        for process in found.values():
            if _computes(folder, process, shares[process.pid]):
                index = _gpu_of(folder, process.pid, self._spec.gpu_count)
                busy[index] += shares[process.pid]
                memory[index] += process.memory
        total = gpus.memory_mib(self._spec) * _MIB
        each = tuple(
            GpuUsage(index, _percent(busy[index]), _percent(memory[index] / total))
            for index in range(self._spec.gpu_count)
        )
        count = max(1, len(each))
        return Utilisation(
            gpu_percent=round(sum(gpu.gpu_percent for gpu in each) / count, 1),
            gpu_memory_percent=round(sum(gpu.memory_percent for gpu in each) / count, 1),
            cpu_percent=_percent(sum(shares.values()) / (os.cpu_count() or 1)),
            memory_percent=_percent(sum(process.memory for process in found.values()) / _MACHINE_MEMORY),
            gpus=each,
        )


def _percent(share: float) -> float:
    return round(min(100.0, 100.0 * share), 1)


def _processes(folder: Path) -> dict[int, _Process]:
    found = {}
    try:
        names = [name for name in os.listdir(folder) if name.isdigit()]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return {}  # The pod ended between two samples.
    for name in names:
        process = _process(folder / name)
        if process is not None:
            found[process.pid] = process
    return found


def _process(folder: Path) -> _Process | None:
    text = _read(folder / "stat")
    if not text:
        return None
    # The name is in parentheses and may contain any character, parentheses and spaces included.
    name = text[text.index("(") + 1 : text.rindex(")")]
    rest = text[text.rindex(")") + 2 :].split()
    return _Process(
        pid=int(folder.name),
        name=name,
        cpu_seconds=(int(rest[11]) + int(rest[12])) / _TICKS,
        began=int(rest[19]) / _TICKS,
        memory=int(rest[21]) * _PAGE,
    )


def _read(path: Path) -> str:
    """Read a file of /proc; empty if its process has ended or is not ours to read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def _computes(folder: Path, process: _Process, share: float) -> bool:
    age = max(0.01, _uptime() - process.began)
    held = process.cpu_seconds >= gpus.HELD_SECONDS and process.cpu_seconds / age >= gpus.HELD_SHARE
    if process.name in gpus.NOT_COMPUTE or (share < gpus.BUSY_SHARE and not held):
        return False
    line = _read(folder / str(process.pid) / "cmdline").replace("\0", " ").replace("\n", " ").strip()
    return bool(line) and not _TOOLING.search(line)


def _uptime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _gpu_of(folder: Path, pid: int, count: int) -> int:
    """Return the GPU a process would compute on: its LOCAL_RANK-th of CUDA_VISIBLE_DEVICES, or else the first."""
    variables = dict(item.partition("=")[::2] for item in _read(folder / str(pid) / "environ").split("\0"))
    visible = [int(word) for word in variables.get("CUDA_VISIBLE_DEVICES", "").split(",") if word.isdigit()]
    rank = variables.get("LOCAL_RANK", "0")
    order = visible or list(range(count)) or [0]
    index = order[int(rank) % len(order)] if rank.isdigit() else order[0]
    return index if index < count else 0
