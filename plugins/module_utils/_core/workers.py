# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pods at the same time, each in a thread, and how all of them end early.

A thread is not interrupted from outside: it asks, where an end does no harm, whether it shall go on. So a pod whose
create is on its way is always known before its thread ends, and given back.
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

#: Pods that are worked on at the same time: each is a connection and an ssh process, and creates have a pause anyway.
SIZE = 16
#: Seconds between two looks of the waiting thread, in which signals are heard on every system.
LOOK = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The work shall end: a signal came, or another pod of the call failed. What was rented is given back."""


class WorkerPool:
    """Threads that work for one call.

    :param clock: what time is made of.
    :param size: how many work at the same time.
    """

    def __init__(self, clock: Clock, size: int = SIZE) -> None:
        self._stopped = threading.Event()
        self._size = size
        self._clock = clock
        #: The signal that ended the work, as people know it; empty when none did.
        self.signalled = ""

    def stop(self) -> None:
        """Let nobody go on."""
        self._stopped.set()

    def halt(self) -> None:
        """:raises Interrupted: when nobody shall go on."""
        if self._stopped.is_set():
            raise Interrupted(self.signalled or "another pod of this call failed")

    def waiting(self) -> Clock:
        """The clock for waits that may end early."""

        def sleep(seconds: float) -> None:
            self.halt()
            if self._clock.sleep is time.sleep:
                self._stopped.wait(seconds)
            else:
                self._clock.sleep(seconds)
            self.halt()

        return replace(self._clock, sleep=sleep)

    def work(self, jobs: Sequence[Callable[[], Any]], *, all_or_none: bool = False) -> list[Any]:
        """The results of all jobs in their order; in the place of one that failed its exception.

        :param all_or_none: once one has failed, none goes on.
        """
        results: list[Any] = [None] * len(jobs)
        left: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(jobs)):
            left.put(number)

        def labour() -> None:
            while True:
                try:
                    number = left.get_nowait()
                except queue.Empty:
                    return
                try:
                    results[number] = jobs[number]()
                except BaseException as error:  # noqa: BLE001 - who asked for the job raises it
                    results[number] = error
                    if all_or_none:
                        self.stop()

        threads = [threading.Thread(target=labour, name="podyard-crew") for _each in jobs[: self._size]]
        with self.hearing():
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(LOOK)
        return results

    @contextlib.contextmanager
    def hearing(self) -> Iterator[None]:
        """Signals end the work in place of the process, as long as the block lasts. Who asked not to hear one does not
        (``nohup``).
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
