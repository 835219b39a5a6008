# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a training shows signs of life. What is unknown is not idle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...module_utils._training.metrics import number

# An idle GPU shows a percent or two now and then.
BUSY_PERCENT = 5.0
# Threads that only wait wake up now and then, and take a hundredth of a processor.
BUSY_CPU = 0.05
# Bytes a second: a monitor reads some kB of the kernel's files now and then.
BUSY_IO = 64 << 10
# MiB: so much a driver may keep for itself on an idle GPU.
HELD_MB = 256.0
# Bytes of GPU memory come and go while something computes, even where its use is not known.
MOVED_MB = 64.0
# Between two measurements of processor time: long enough to tell work from a wake-up, and rare enough to cost nothing.
MEASURE_SECONDS = 10.0


class Life:
    """What is known of a training that may have stalled, and since when nothing has moved.

    Signs of life are new bytes of log or metrics, changed files of the output, a busy GPU, GPU memory that changes,
    processor time, and bytes read and written. Of a GPU whose use is not known (MIG, other makers, an image without
    nvidia-smi) memory in use is one.
    """

    def __init__(self, now: float, stall_timeout: float) -> None:
        self.moved_at = now
        self._interval = min(MEASURE_SECONDS, stall_timeout / 4)
        self._measured_at = self._asked_at = now
        self._measured: Mapping[str, Any] | None = None
        self._memory: dict[str, float] = {}
        self._gpu_known = self._cpu_known = False

    def wants(self, now: float) -> bool:
        """Whether the next look should measure: only while nothing else moves."""
        return self._interval > 0 and now - max(self.moved_at, self._asked_at) >= self._interval

    def asked(self, now: float) -> None:
        """Note that a look measures now."""
        self._asked_at = now

    def see(self, now: float, grew: bool, samples: Iterable[Mapping[str, Any]], found: Mapping[str, Any]) -> None:
        """Take what a look has found."""
        busy = [self._sampled(sample) for sample in samples]
        busy.append(self._acted(now, found.get("activity")))
        if grew or any(busy):
            self.moved_at = now
            # Known is what was seen since then.
            self._gpu_known = self._cpu_known = False

    def _sampled(self, sample: Mapping[str, Any]) -> bool:
        use, used = number(sample.get("utilization_percent")), number(sample.get("memory_used_mb"))
        index = str(sample.get("index"))
        before = self._memory.get(index)
        if used is not None:
            self._memory[index] = used
        if use is None:
            return used is not None and used >= HELD_MB
        self._gpu_known = True
        moved = used is not None and before is not None and abs(used - before) >= MOVED_MB
        return use > BUSY_PERCENT or moved

    def _acted(self, now: float, activity: Mapping[str, Any] | None) -> bool:
        if activity is None:
            return False
        before, since, self._measured, self._measured_at = self._measured, self._measured_at, activity, now
        gpus = [
            {"index": f"k{index}", "utilization_percent": gpu["percent"], "memory_used_mb": gpu["memory_mb"]}
            for index, gpu in enumerate(activity["gpus"])
        ]
        # All of them, since each remembers its memory.
        busy = any(list(map(self._sampled, gpus)))
        if before is None:
            return busy
        span = max(now - since, 1.0)
        self._cpu_known = self._cpu_known or None not in (before["cpu_seconds"], activity["cpu_seconds"])
        return (
            busy
            or _rate(before["cpu_seconds"], activity["cpu_seconds"], span) > BUSY_CPU
            or _rate(before["io_bytes"], activity["io_bytes"], span) > BUSY_IO
            or before["output"] != activity["output"]
        )

    def stalled(self, now: float, stall_timeout: float) -> bool:
        """Whether all that is known stands still for that long, and enough is known to say so."""
        return bool(stall_timeout) and now - self.moved_at >= stall_timeout and (self._gpu_known or self._cpu_known)

    def blind(self, now: float, stall_timeout: float) -> bool:
        """Whether nothing that is known moves for that long, but too little is known to say that nothing does."""
        return bool(stall_timeout) and now - self.moved_at >= stall_timeout and not (self._gpu_known or self._cpu_known)

    def words(self) -> str:
        """Return what has stood still, and what is not known, for the end of a sentence."""
        still = ["neither its log nor its metrics grew"]
        unknown: list[str] = []
        for known, idle, what in (
            (self._gpu_known, "the GPU was idle", "the use of the GPU"),
            (self._cpu_known, "its processes took no processor time", "the processor time of its processes"),
        ):
            (still if known else unknown).append(idle if known else what)
        first = f"{', '.join(still[:-1])} and {still[-1]}" if len(still) > 1 else still[0]
        return f"{first}; not known is {' and '.join(unknown)}" if unknown else first


def _rate(before: float | None, after: float | None, span: float) -> float:
    """How much has come a second. Less than before means that a process has ended, which tells nothing."""
    return 0.0 if before is None or after is None else max(0.0, after - before) / span
