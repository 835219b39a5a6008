# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A terminal that is found, lent and given back, with a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._common.terminal import lent, run_at, terminal_of


def nothing() -> None:
    """What is done meanwhile."""


@pytest.fixture(name="screen")
def _screen():
    """Both ends of a terminal of 30 lines and 100 columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    yield master, slave
    os.close(master)
    os.close(slave)


@pytest.fixture(name="at")
def _at(screen):
    """Starts a program that sits at the terminal, as a shell's foreground program does, and ends it at last."""
    started = []

    def at(*command, **streams):
        def sit():
            os.setsid()
            fcntl.ioctl(screen[1], termios.TIOCSCTTY, 0)

        streams = {"stdin": screen[1], "stdout": screen[1], "stderr": screen[1], **streams}
        # Only in the child is there no other thread that could be at work.
        process = subprocess.Popen(command, preexec_fn=sit, **streams)
        started.append(process)
        return process

    yield at
    for process in started:
        process.kill()
        process.wait()


class TestTerminalOf:
    def test_somebody_sits_there(self, at):
        path = terminal_of(at("sleep", "300").pid)
        assert path is not None
        with lent(path) as descriptor:
            assert os.isatty(descriptor)

    @pytest.mark.parametrize("stream", ["stdin", "stdout"])
    def test_a_pipe_is_no_terminal(self, at, stream):
        assert terminal_of(at("sleep", "300", **{stream: subprocess.DEVNULL}).pid) is None

    def test_a_program_in_the_background_must_not_take_it(self, at, screen):
        shell = at("sh", "-c", "set -m; sleep 300 & echo $!; wait")
        background = int(os.read(screen[0], 100))
        assert terminal_of(shell.pid) is not None
        assert terminal_of(background) is None

    def test_no_terminal_at_all(self):
        process = subprocess.Popen(["sleep", "300"], stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            assert terminal_of(process.pid) is None
        finally:
            process.kill()
            process.wait()

    def test_no_process(self):
        assert terminal_of(2**22 + 1) is None


class TestRunAt:
    def test_the_program_sees_the_terminal(self, screen):
        assert run_at(screen[1], ["sh", "-c", "stty size; exit 3"], nothing) == 3
        assert os.read(screen[0], 100) == b"30 100\r\n"

    def test_a_window_that_changes_its_size(self, screen):
        told = []

        def resize() -> None:
            told.append(True)
            fcntl.ioctl(screen[1], termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

        # It ends by the signal alone.
        script = "trap 'stty size; exit 0' WINCH; while :; do sleep 0.05; done"
        assert run_at(screen[1], ["sh", "-c", script], resize) == 0
        assert told and os.read(screen[0], 100) == b"40 120\r\n"

    def test_an_end_from_outside_ends_the_program(self, screen):
        def leave() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_at(screen[1], ["sleep", "300"], leave)
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    def test_no_such_program(self, screen):
        with pytest.raises(OSError, match=r"No such file"):
            run_at(screen[1], ["/no/such/ssh"], nothing)


def test_settings_are_as_before(screen):
    before = termios.tcgetattr(screen[1])
    path = f"/proc/self/fd/{screen[1]}"
    with pytest.raises(OSError, match=r"lost"), lent(path) as descriptor:
        run_at(descriptor, ["stty", "raw", "-echo"], nothing)
        assert termios.tcgetattr(screen[1]) != before
        raise OSError("lost")
    assert termios.tcgetattr(screen[1]) == before
    assert signal.getsignal(signal.SIGTTOU) == signal.SIG_DFL
