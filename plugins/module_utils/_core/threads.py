# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads beside the main one, which alone acts on signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable


def begin(work: Callable[[], object], name: str) -> threading.Thread:
    """Start ``work`` in a thread that no signal is delivered to.

    Ansible ends a task by a signal to its process. Python runs what it does about one in the main thread only, and that
    waits for the module without a time limit: a signal that reaches another thread does not wake it, and after Ctrl-C
    the module would go on, and its pod with it, until it ended by itself.

    ``work`` must start no process: that would not be reached by signals either.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    # A thread begins with its parent's mask, so that there is no moment in which it could be chosen.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread


def run_together(works: Iterable[Callable[[], object]], name: str) -> None:
    """Run all of it at the same time, the first in the caller's thread and each other one in a thread of its own.

    Signals reach the caller's thread only, which is the one that acts on them: what it raises then, which is no
    Exception, is raised at once, and the others are not waited for.

    :param name: of the threads.
    :raises BaseException: the first that one of them raised, after all have ended.
    """
    faults: list[BaseException] = []

    def safely(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as fault:  # noqa: BLE001 - raised in the caller's thread
            faults.append(fault)

    first, *others = [*works] or [lambda: None]
    threads = [begin(lambda work=work: safely(work), name) for work in others]  # type: ignore[misc]
    try:
        first()
    except Exception as fault:  # noqa: BLE001 - raised when the others have ended
        faults.append(fault)
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
