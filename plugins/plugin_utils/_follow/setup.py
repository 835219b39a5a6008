# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until a pod's own set-up is done, as a file or a command on it says."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleConnectionFailure

from ...module_utils._core.threads import begin
from ...module_utils._core.units import duration
from .._common.ssh import Shell, SshHost, script
from . import text

# A file or a command answers in a moment; one that waits by itself is asked again after a minute, which shows that it
# still goes on, and that the pod still lives.
TRY_SECONDS = 60.0
# So long has the last look, that it can say more than that it was cut off.
LEAST_SECONDS = 10.0
# The first looks come quickly, since many images are ready with their SSH server; then up to the user's interval.
FIRST_WAIT = 0.5
SLOWER = 1.3
# Between two lines of progress that say nothing new.
REMINDER = 15.0
# A wait longer than this shows that it is one.
SILENT_SECONDS = 2.0
# How much of a command, and of its output, is shown.
SHOWN, SHOWN_OF_OUTPUT = 80, 300
# How `timeout` ends what took too long, and a shell what it could not find.
TIMED_OUT, NOT_FOUND = 124, 127

# The exit code is the last line, since one of 255 would look like ssh's own.
# What it says goes to a file: a program that it leaves behind in the background would hold a pipe open.
COMMAND = r"""
limit=; command -v timeout >/dev/null 2>&1 && limit="timeout $2"
said=$(mktemp 2>/dev/null) || said=
$limit sh -c "$1" >"${said:-/dev/null}" 2>&1 </dev/null; code=$?
[ -z "$said" ] || { tail -c 2000 "$said"; rm -f "$said"; }
printf '\n%s' "$code"
"""
FILE = r"""
[ ! -e "$1" ] || { printf '\n0'; exit 0; }
folder=$(dirname "$1")
if [ -d "$folder" ]; then
    said="$(ls -A "$folder" | head -n 10 | tr '\n' ' ')"
    printf '%s holds %s' "$folder" "${said:-nothing}"
else
    printf 'there is no directory %s' "$folder"
fi
printf '\n1'
"""


class NotDone(Exception):
    """The set-up is not done; the text is a sentence for people."""


@dataclass(frozen=True)
class Condition:
    """What must come true: a file that is there, or a command that ends with 0."""

    file: str | None = None
    command: str | None = None

    @property
    def words(self) -> str:
        return f"there is {self.file}" if self.file else f"{self.quoted} ends with 0"

    @property
    def quoted(self) -> str:
        """The command, short enough for a message."""
        words = " ".join((self.command or "").split())
        return f"`{words if len(words) <= SHOWN else words[: SHOWN - 1] + '…'}`"


@dataclass(frozen=True)
class Answer:
    """What one look gave: the exit code and the end of what was said."""

    code: int
    said: str
    limit: float = TRY_SECONDS

    def words(self, condition: Condition) -> str:
        if condition.file:
            return f"there is no {condition.file} ({' '.join(self.said.split())})"
        how = {TIMED_OUT: f"did not end within {duration(self.limit)}", NOT_FOUND: "was not found (exit code 127)"}
        ended = how.get(self.code, f"last ended with exit code {self.code}")
        said = " ".join(text.printable(self.said.encode()).split())[-SHOWN_OF_OUTPUT:]
        return f"{condition.quoted} {ended}{f', and said: {said}' if said else ' and said nothing'}"


class Probe:
    """Asks a host, over its SSH connection, whether a condition is true."""

    def __init__(self, host: SshHost, condition: Condition, *, renew: bool = True) -> None:
        self._host, self._shell, self._condition = host, Shell(host), condition

    def __call__(self, limit: float = TRY_SECONDS) -> Answer:
        """One look, for which the command has so many seconds. Raises AnsibleConnectionFailure."""
        # Less than a second is nothing, and 0 is no limit at all.
        seconds = max(1, math.ceil(limit))
        file, command = self._condition.file, self._condition.command or ""
        remote = script(FILE, file) if file else script(COMMAND, command, str(seconds))
        try:
            done = self._shell.run("waiting for the set-up", remote, timeout=seconds + 15)
        except AnsibleConnectionFailure:
            # What the set-up did to the SSH server may have left a connection that never says anything again.
            self._host.drop_master()
            raise
        said, _newline, code = done.output.decode(errors="replace").rpartition("\n")
        if not re.fullmatch("[0-9]{1,3}", code):
            raise AnsibleConnectionFailure(f"its shell broke off: {done.error or said or 'without a word'}")
        return Answer(int(code), said.rstrip("\n"), seconds)


@dataclass
class Wait:
    """Looks until the condition is true, within `timeout` seconds, of which the host may be silent for `silence`.

    `orphaned` says whether the program is gone that waits.
    """

    label: str
    condition: Condition
    probe: Callable[[float], Answer]
    show: Callable[[str], None]
    timeout: float
    silence: float
    poll_interval: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    orphaned: Callable[[], bool] = lambda: False

    def run(self) -> dict[str, Any]:
        """Wait for the set-up, and return the seconds and the number of looks that it took.

        :raises NotDone: when it does not end in time, or cannot.
        """
        start = self._heard = self._said_at = self.clock()
        self._said, self._announced = "", False
        wait, tries = min(FIRST_WAIT, self.poll_interval), 0
        while True:
            if self.orphaned():
                # A killed ansible-playbook leaves its workers behind: a look of theirs would renew the pod's lease.
                raise NotDone(f"The program that waited for the set-up of {self.label} was killed.")
            tries += 1
            answer, trouble = self._look(start)
            seconds = self.clock() - start
            if answer is not None and answer.code == 0:
                if self._announced:
                    self.show(f"set-up: {self.label} is set up after {duration(seconds)}")
                return {"seconds": round(seconds, 1), "tries": tries}
            words = trouble if answer is None else answer.words(self.condition)
            self._announce()
            if answer is None and self.clock() - self._heard >= self.silence:
                raise NotDone(
                    f"The pod {self.label} has not answered for {duration(self.silence)} during its set-up: {words}"
                )
            if seconds >= self.timeout:
                raise NotDone(f"The pod {self.label} has not set itself up within {duration(self.timeout)}: {words}.")
            self._progress(seconds, words)
            self.sleep(max(0.0, min(wait, self.timeout - seconds)))
            wait = min(wait * SLOWER, self.poll_interval)

    def _announce(self) -> None:
        """Say once what is waited for."""
        if not self._announced:
            self._announced = True
            limit = duration(self.timeout)
            self.show(f"set-up: waiting for {self.label} until {self.condition.words}, for {limit} at most")

    def _look(self, start: float) -> tuple[Answer | None, str]:
        """Look once, and show that the wait goes on."""
        left = self.timeout - (self.clock() - start)
        ended = threading.Event()

        def tell() -> None:
            if not ended.wait(SILENT_SECONDS):
                self._announce()
            while not ended.wait(REMINDER):
                self.show(f"set-up: {duration(self.clock() - start)}: {self.label} has not answered yet")

        teller = begin(tell, "podyard-set-up")
        try:
            answer = self.probe(TRY_SECONDS if self.timeout == 0 else max(LEAST_SECONDS, min(TRY_SECONDS, left)))
        except AnsibleConnectionFailure as error:
            return None, str(error)
        finally:
            ended.set()
            teller.join()
        self._heard = self.clock()
        return answer, ""

    def _progress(self, seconds: float, words: str) -> None:
        """Show a line when there is news, and a sign of life now and then."""
        if words != self._said or self.clock() - self._said_at >= REMINDER:
            self.show(f"set-up: {duration(seconds)}: {words}")
            self._said, self._said_at = words, self.clock()
