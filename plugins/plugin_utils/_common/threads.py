# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads beside a task, in Ansible's own process for it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable


def begin(work: Callable[[], object], name: str) -> threading.Thread:
    """Start `work` in a thread that no signal is delivered to.

    Ansible ends a task by a signal to its process. Python runs what it does about one in the main thread only, and that
    waits for the module without a time limit: a signal that reaches another thread does not wake it, and after Ctrl-C
    the module would go on, and its pod with it, until it ended by itself.

    `work` must start no process: that would not be reached by signals either.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    # A thread begins with its parent's mask, so that there is no moment in which it could be chosen.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
