# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on several pods at the same time, each in a thread, and end all of them early.

A thread is not interrupted from outside: it asks whether to stop at points where stopping does no harm. So a pod whose
create is under way is always known before its thread ends, and is given back.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Callable

from .clock import Clock

#: Pods to work on at the same time: each takes a connection and an ssh process, and creates are paced anyway.
SIZE = 16
#: Seconds for which the waiting thread joins at a time, so that it handles signals on every system.
LOOK = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The work must stop: a signal came, or another pod of the call failed. What was rented is given back."""


class WorkerPool:
    """The threads of one call.

    :param clock: the source of time.
    :param size: how many threads work at the same time.
    """

    def __init__(self, clock: Clock, size: int = SIZE) -> None:
        self._stopped = threading.Event()
        self._size = size
        self._clock = clock
        #: The name of the signal that ended the work; empty when none did.
        self.signalled = ""

    def stop(self) -> None:
        """Make every thread stop at its next ``check`` or wait."""
        self._stopped.set()

    def check(self) -> None:
        """Raise Interrupted when the work must stop."""
        if self._stopped.is_set():
            raise Interrupted(self.signalled or "another pod of this call failed")

    def waiting(self) -> Clock:
        """Return a clock whose sleeps end early, with Interrupted, when the work must stop."""

        def sleep(seconds: float) -> None:
            self.check()
            if self._clock.sleep is time.sleep:
                self._stopped.wait(seconds)
            else:
                self._clock.sleep(seconds)
            self.check()

        return replace(self._clock, sleep=sleep)

    def run(self, jobs: Sequence[Callable[[], Any]], *, all_or_none: bool = False) -> list[Any]:
        """Run all jobs and return their results in order; a failed job's result is its exception.

        :param all_or_none: once one job has failed, stop the others.
        """
        results: list[Any] = [None] * len(jobs)
        left: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(jobs)):
            left.put(number)

        def drain() -> None:
            while True:
                try:
                    number = left.get_nowait()
                except queue.Empty:
                    return
                try:
                    results[number] = jobs[number]()
                except BaseException as error:  # noqa: BLE001 - the caller raises it
                    results[number] = error
                    if all_or_none:
                        self.stop()

        threads = [threading.Thread(target=drain, name="podyard-worker") for _each in jobs[: self._size]]
        with self.catch_signals():
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(LOOK)
        return results

    @contextlib.contextmanager
    def catch_signals(self) -> Iterator[None]:
        """Let signals end the work instead of the process during the block.

        A signal that the process ignores, as under ``nohup``, stays ignored.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def heard(number: int, _frame: Any) -> None:
            self.signalled = signal.Signals(number).name
            self.stop()

        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, heard)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
