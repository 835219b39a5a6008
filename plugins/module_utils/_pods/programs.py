# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program whose output somebody else decides, such as ssh: bounded in bytes and in seconds.

What a pod writes is never gathered beyond its bound, neither in memory nor in a file, and the time holds also for one
that drips, that never closes its output, or that never reads what it is sent.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Union

from .._core.units import duration, size

#: Bytes of standard output. Most questions to a pod are answered within some kilobytes; who expects more says so.
MOST_OUTPUT = 1 << 20
#: Bytes of error text. A banner and the last words of a program are a few kilobytes.
MOST_ERRORS = 256 << 10
#: Bytes that are read or written at a time.
_CHUNK = 64 << 10
#: Seconds after which a program is looked at again whose output somebody else may hold open, and one that has closed
#: its output and not ended.
_HELD_OPEN, _ENDING = 0.5, 0.01


@dataclass(frozen=True)
class Call:
    """A program with its arguments, what it is fed, and the bytes that it may write."""

    argv: Sequence[str]
    data: bytes = b""
    most_output: int = MOST_OUTPUT
    most_errors: int = MOST_ERRORS
    env: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Done:
    """What a program left: its exit code, standard output and standard error."""

    code: int
    output: bytes
    errors: bytes


class TooMuch(Exception):
    """The program wrote more than it may, and was ended; the text is the second half of a sentence."""

    def __init__(self, bound: int, stream: str) -> None:
        super().__init__(f"answered with more than {size(bound)} {stream}; the connection was ended")
        self.bound = bound


class TooLong(Exception):
    """The program took longer than it may, and was ended."""

    def __init__(self, seconds: float, output: bytes = b"", errors: bytes = b"") -> None:
        super().__init__(f"gave no answer for {duration(seconds)}")
        self.output, self.errors = output, errors


Outcome = Union[Done, TooMuch, TooLong, OSError]


def run(call: Call, timeout: float | None = None) -> Done:
    """Run one program for `timeout` seconds at most.

    :raises TooMuch, TooLong, OSError: see there; OSError when it cannot be started.
    """
    [outcome] = run_all([call], timeout)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def run_all(calls: Iterable[Call], timeout: float | None = None) -> list[Outcome]:
    """Run programs at the same time, for `timeout` seconds at most, and say what became of each."""
    deadline = None if timeout is None else time.monotonic() + timeout
    started: list[_Child | OSError] = []
    with selectors.DefaultSelector() as selector:
        try:
            for call in calls:
                # One that does not start must not keep the others from their end.
                try:
                    started.append(_Child(call, selector))
                except OSError as error:
                    started.append(error)
            children = [child for child in started if isinstance(child, _Child)]
            _pump(selector, children, deadline)
            for child in children:
                if child.outcome is None:
                    child.outcome = TooLong(timeout or 0.0, child.text("output"), child.text("errors"))
        finally:
            for each in started:
                if isinstance(each, _Child):
                    each.end()
    return [_outcome(each) for each in started]


def _outcome(child: _Child | OSError) -> Outcome:
    if isinstance(child, OSError):
        return child
    return child.outcome or TooLong(0.0)


def _pump(selector: selectors.BaseSelector, children: list[_Child], deadline: float | None) -> None:
    """Move bytes until all have ended, or until the deadline."""
    settled = 0.0
    while left := [child for child in children if child.outcome is None]:
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            return
        pause = _ENDING if any(child.silent for child in left) else _HELD_OPEN
        pause = pause if deadline is None else min(pause, deadline - now)
        if not selector.get_map():
            time.sleep(pause)
        for key, _events in selector.select(pause) if selector.get_map() else ():
            key.data(key.fileobj)
        # Asked for only now and then, since each question is a system call and there may be many children.
        if any(child.silent for child in left) or now - settled >= _HELD_OPEN:
            settled = now
            for child in left:
                child.settle()


class _Child:
    """One program that runs, with what it has said so far."""

    def __init__(self, call: Call, selector: selectors.BaseSelector) -> None:
        self.outcome: Done | TooMuch | TooLong | None = None
        self._selector = selector
        self._rest = memoryview(call.data)
        pipe = subprocess.PIPE
        # run_command has no bound.
        self._process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            list(call.argv), stdin=pipe if call.data else subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=call.env
        )
        self._said = {"output": bytearray(), "errors": bytearray()}
        self._most = {"output": call.most_output, "errors": call.most_errors}
        self._names = {self._process.stdout: "output", self._process.stderr: "errors"}
        self._pipes = [each for each in (self._process.stdin, *self._names) if each is not None]
        self._open = {each for each in self._names if each is not None}
        for each in self._pipes:
            os.set_blocking(each.fileno(), False)
            write = each is self._process.stdin
            event = selectors.EVENT_WRITE if write else selectors.EVENT_READ
            selector.register(each, event, self._write if write else self._read)

    @property
    def silent(self) -> bool:
        """Whether it has closed its output: then it is about to end, whatever holds its error stream open."""
        return self._process.stdout not in self._open

    def text(self, stream: str) -> bytes:
        return bytes(self._said[stream])

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            self._rest = self._rest[os.write(pipe.fileno(), self._rest[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            # It reads nothing more; it says itself why.
            self._rest = self._rest[:0]
        if not self._rest:
            self._selector.unregister(pipe)
            with contextlib.suppress(OSError):
                pipe.close()

    def _read(self, pipe: IO[bytes]) -> bool:
        """Take what is there; false when there is nothing now, or never again."""
        try:
            chunk = os.read(pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return False
        name = self._names[pipe]
        if not chunk:
            self._selector.unregister(pipe)
            self._open.discard(pipe)
            return False
        self._said[name] += chunk
        if len(self._said[name]) > self._most[name] and self.outcome is None:
            self.outcome = TooMuch(self._most[name], "of output" if name == "output" else "of error text")
            self._process.kill()
            self._forget()
        return self.outcome is None

    def settle(self) -> None:
        """Notice its end.

        A master connection that ssh leaves behind may hold the error stream open; everything that the program itself
        wrote is in the pipe by then.
        """
        if self.outcome is not None or self._process.poll() is None:
            return
        for pipe in list(self._open):
            while self._read(pipe):
                continue
        if self.outcome is None:
            self.outcome = Done(self._process.returncode, self.text("output"), self.text("errors"))
            self._forget()

    def _forget(self) -> None:
        for pipe in self._pipes:
            if not pipe.closed and pipe in self._selector.get_map():
                self._selector.unregister(pipe)

    def end(self) -> None:
        """Leave nothing behind."""
        self._forget()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()
