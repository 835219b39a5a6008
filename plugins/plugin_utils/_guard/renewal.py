# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard renews the lease of its run's pod as long as the controller lives.

A follower renews with every look. But a dataset may be on its way for hours, and packages may install for one, without
any look: then the guard renews, a few times in the length of a lease.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ...module_utils._pods.connection import Connection
from ...module_utils._pods.lease import RENEW
from ...module_utils._pods.ssh_options import environment, ours
from .._record.record import RunError
from .._record.run_file import RunFile

# How often in the length of a lease: three of four may fail before it is over.
SHARE = 4
# A pod across the ocean answers within seconds; a frozen ssh must not keep the next one from trying.
ANSWER_SECONDS = 60.0
# After a failure, at least: a pod that is cut off is not asked every moment.
LEAST_PAUSE = 5.0
# Of what ssh says when it fails; a pipe holds no more.
MOST_WORDS = 64 << 10
# A pod that lives answers the first bytes within seconds.
CONNECT_SECONDS = 20.0


class Renewal:
    """One renewal after the other, none of which is waited for: the guard's own watch goes on."""

    def __init__(
        self,
        run_dir: Path,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        at_once: bool = False,
    ) -> None:
        self._run_dir, self._log, self._clock, self._at_once = run_dir, log, clock, at_once
        self._process: subprocess.Popen[bytes] | None = None
        self._pod: str | None = None
        self._begun = self._next = self._seconds = 0.0
        self._failing = False

    def step(self) -> None:
        """Do what is due. Every trouble is logged and borne."""
        try:
            if self._process is not None:
                self._settle()
            elif (due := self._due()) is not None:
                self._begin(*due)
        except (OSError, ValueError, RunError) as error:
            self._next = self._clock() + ANSWER_SECONDS
            self._tell(f"{type(error).__name__}: {error}")

    def close(self) -> str:
        """End a renewal that is under way: no renewal may outlive its controller. Returns its last words."""
        process, self._process = self._process, None
        if process is None or process.stderr is None:
            return ""
        process.kill()
        process.wait()
        with process.stderr as pipe:
            # Something that ssh left behind may hold it open, and need not be waited for.
            os.set_blocking(pipe.fileno(), False)
            said = pipe.read(MOST_WORDS) or b""
        return " ".join(said.decode(errors="replace").split())[-300:]

    def _due(self) -> tuple[str, float] | None:
        """Return the ssh command of a pod whose lease is due for renewal, and its length in seconds."""
        if self._clock() < self._next:
            return None
        connection = Connection.read(self._run_dir)
        seconds = connection.lease_seconds if connection is not None else None
        if connection is None or not seconds:
            return None
        if connection.pod_id != self._pod:
            self._pod = connection.pod_id
            if not self._at_once:
                # Who rented it has just renewed it.
                self._next = self._clock() + seconds / SHARE
                return None
        return connection.ssh, seconds

    def _begin(self, ssh: str, seconds: float) -> None:
        self._begun, self._seconds = self._clock(), seconds
        remote = f"sh -c {shlex.quote(RENEW)}"
        # The pipe is read at the end only: what a pod says beyond what it holds waits in ssh until that is ended.
        self._process = subprocess.Popen(
            [*ours(ssh, connect=CONNECT_SECONDS), remote],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(),
        )

    def _settle(self) -> None:
        code = self._process.poll() if self._process is not None else 0
        if code is None and self._clock() - self._begun < ANSWER_SECONDS:
            return
        words = self.close()
        if code == 0:
            self._next = self._begun + self._seconds / SHARE
            self._failing = False
            RunFile(self._run_dir).lease_is(self._seconds)
            return
        self._next = self._clock() + max(LEAST_PAUSE, min(ANSWER_SECONDS, self._seconds / SHARE / SHARE))
        self._tell(words or "no answer")

    def _tell(self, why: str) -> None:
        """Once for each time that it begins to fail: the log is for people."""
        if not self._failing:
            self._log(f"the lease of the run's pod could not be renewed, and is tried again: {why}")
        self._failing = True
