# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a follower says: log lines, the line of progress, how it ended."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from ...module_utils._core.shown import clean
from ...module_utils._training.metrics import number

# Lines of one look that are shown; a training that prints more is read in its file.
MOST_LINES = 100
# Characters of a line that are shown; the others are read in the file.
MOST_SHOWN = 1000
# Of a progress bar, so that it fits most terminals.
MOST_BAR = 160
# Bytes of an unfinished line that are remembered.
MOST_REST = 64 << 10
# A bar shows that something moves; more often it would bury the rest.
BAR_SECONDS = 15.0
# Lines that a message about a failure quotes.
LAST_LINES = 20
# Metrics in a line of progress; more would not fit a terminal.
MOST_METRICS = 6
# GPUs of one pod.
MOST_GPUS = 16
# Characters of a metric's name, and of its value where that is text.
MOST_WORD = 40
_HINTS = (
    ("CUDA out of memory", "The GPU's memory was not enough: use a smaller batch or a GPU with more memory."),
    ("OutOfMemoryError", "The GPU's memory was not enough: use a smaller batch or a GPU with more memory."),
    ("No space left on device", "The pod's disk is full: rent it with a larger one, or keep fewer checkpoints."),
    ("no kernel image is available", "The image's CUDA code does not fit this GPU: use an image for its generation."),
    ("ModuleNotFoundError", "A Python package is missing: add it to the requirements."),
    ("DataLoader worker", "If it ran out of shared memory: use fewer workers of the data loader."),
)


class LogView:
    """Turns the bytes of a growing log into lines to show.

    Of a line that a progress bar rewrote only its last form is kept.
    """

    def __init__(self, show: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._show, self._clock = show, clock
        self._rest = b""
        # Bytes of the unfinished line that are not kept.
        self._cut = 0
        self._bar, self._shown_at = "", clock()
        self.last: deque[str] = deque(maxlen=LAST_LINES)

    def recall(self, data: bytes) -> None:
        """Take the end of what was shown before, so that a follower that goes on knows the last lines too."""
        self.last.extend(self._lines(data))

    def feed(self, data: bytes, *, end: bool = False) -> None:
        """Take new bytes, and at the end also a line that has no end."""
        lines = self._lines(data)
        if end and self._rest:
            lines += self._lines(b"\n")
        self.last.extend(lines)
        if len(lines) > MOST_LINES:
            self._show(f"  ... {len(lines) - MOST_LINES} lines that are only in train.log")
            lines = lines[-MOST_LINES:]
        for line in lines:
            self._show(f"  {line}")
        if lines:
            self._shown_at = self._clock()
        else:
            self._show_unfinished()

    def _show_unfinished(self) -> None:
        """Show now and then how far a line has got that has no end yet: a progress bar may have none for an hour."""
        if self._clock() - self._shown_at < BAR_SECONDS:
            return
        state = printable(self._rest)
        if state.strip() and state != self._bar:
            self._bar, self._shown_at = state, self._clock()
            self._show(f"  {_short(state, MOST_BAR)}")

    def _lines(self, data: bytes) -> list[str]:
        """Return the lines that these bytes complete. Of the rest its last form is kept, up to a length."""
        *whole, rest = (self._rest + data).split(b"\n")
        lines = []
        for line in whole:
            cut, self._cut = self._cut, 0
            lines.append(_short(printable(line), MOST_SHOWN, 0 if b"\r" in line.rstrip(b"\r") else cut))
        state = rest.rstrip(b"\r")
        if b"\r" in state:
            self._cut, state = 0, state.rpartition(b"\r")[2]
        self._cut += max(0, len(state) - MOST_REST)
        self._rest = state[:MOST_REST] + (b"\r" if rest.endswith(b"\r") else b"")
        return lines


def _short(line: str, most: int, more: int = 0) -> str:
    """Shorten a line as it is shown; `more` bytes of it are missing already."""
    more += max(0, len(line) - most)
    return f"{line[:most]} … ({more} more characters are only in train.log)" if more else line


def printable(line: bytes) -> str:
    """Return a line of a log without what would steer the terminal."""
    return clean(line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")).replace("\n", " ").expandtabs()


def metric_words(metrics: dict[str, Any]) -> str:
    """Return the simple values of the last metrics: `epoch 3, loss 0.31`."""
    simple = [(name, value) for name, value in metrics.items() if isinstance(value, int | float | str)]
    return ", ".join(
        f"{name[:MOST_WORD]} " + (f"{value:.4g}" if isinstance(value, float) else str(value)[:MOST_WORD])
        for name, value in simple[:MOST_METRICS]
    )


def gpu_words(samples: Iterable[dict[str, Any]]) -> str:
    """Return the newest sample of each GPU: `GPU 87 %, 12.3 of 24.0 GiB`."""
    newest = {str(sample.get("index")): sample for sample in samples}
    words = []
    for sample in list(newest.values())[:MOST_GPUS]:
        names = ("utilization_percent", "memory_used_mb", "memory_total_mb")
        use, used, total = (number(sample.get(name)) for name in names)
        memory = f", {used / 1024:.1f} of {total / 1024:.1f} GiB" if used is not None and total else ""
        words.append(f"{'?' if use is None else f'{use:.0f}'} %{memory}")
    return f"GPU {'; '.join(words)}" if words else ""


def hint(lines: Iterable[str]) -> str:
    """Return what to do about a common failure, recognised by its words in the log."""
    text = "\n".join(lines)
    return next((advice for words, advice in _HINTS if words in text), "")


def exit_words(code: int) -> str:
    """Describe an exit code: `exit code 137 (killed by SIGKILL, most likely since the host's memory was full)`."""
    meanings = {
        126: "the command cannot be executed",
        127: "the command was not found",
        137: "killed by SIGKILL, most likely since the host's memory was full",
        141: "ended by SIGPIPE: the program behind it in a pipe, such as head, had ended and stopped reading",
        139: "killed by SIGSEGV, a crash in compiled code",
    }
    if code in meanings:
        return f"exit code {code} ({meanings[code]})"
    if code > 128:
        try:
            return f"exit code {code} (ended by {signal.Signals(code - 128).name})"
        except ValueError:
            return f"exit code {code}"
    return f"exit code {code}"
