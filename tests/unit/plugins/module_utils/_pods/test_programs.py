# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs whose output somebody else decides: bounded in bytes and in seconds, and nothing is left behind."""

from __future__ import annotations

import os
import resource
import time

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._pods.programs import (
    Call,
    Done,
    TooLong,
    TooMuch,
    run,
    run_all,
)

# Longer than any of these tests takes, and shorter than a person's patience.
PATIENCE = 60.0
ENDLESS = "while :; do printf '%0999d' 0; done"


def shell(text, data=b"", **bounds):
    return Call(["sh", "-c", text], data, **bounds)


def test_what_an_honest_program_leaves():
    assert run(shell("cat; echo oops >&2; exit 3", b"in")) == Done(3, b"in", b"oops\n")
    assert run(shell("cat")) == Done(0, b"", b""), "without data there is nothing to read, and no terminal"


def test_much_goes_both_ways_at_once():
    data = os.urandom(3 << 20)
    assert run(shell("cat", data, most_output=4 << 20), PATIENCE).output == data


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ENDLESS, "more than 65.5 kB of output"),
        (f"exec >&2; {ENDLESS}", "more than 32.8 kB of error text"),
        (f"exec 2>/dev/null; trap '' PIPE TERM; {ENDLESS}", "of output"),
    ],
)
def test_endless_output_ends_the_connection(text, words):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooMuch, match=words):
        run(shell(text, most_output=64 << 10, most_errors=32 << 10), PATIENCE)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 << 10, f"{grown} KiB of memory"


@pytest.mark.parametrize(
    "text",
    [
        "while :; do printf x; sleep 0.01; done",
        "exec >&- 2>&-; while :; do sleep 1; done",
        "exec </dev/null; while :; do sleep 1; done",
        "sleep 60 & while :; do sleep 1; done",
    ],
    ids=["drips", "closes its output", "reads nothing", "has children"],
)
def test_the_time_holds(text):
    begun = time.monotonic()
    with pytest.raises(TooLong, match="gave no answer for"):
        run(shell(text, b"x" * (1 << 20)), 0.5)
    assert time.monotonic() - begun < PATIENCE


def test_one_who_is_left_behind_keeps_nobody_waiting():
    begun = time.monotonic()
    done = run(shell("sleep 300 & echo answer; echo word >&2"), PATIENCE)
    assert (done.output, done.errors) == (b"answer\n", b"word\n")
    assert time.monotonic() - begun < PATIENCE


def test_many_at_once_each_with_its_own_end():
    calls = [shell("echo good"), shell(ENDLESS, most_output=1024), shell("exec sleep 300"), Call(["/no/such/program"])]
    good, endless, mute, missing = run_all(calls, 1.0)
    assert good == Done(0, b"good\n", b"")
    assert isinstance(endless, TooMuch) and isinstance(mute, TooLong) and isinstance(missing, FileNotFoundError)


def test_an_own_environment():
    assert run(shell('echo "$A:$HOME"', env={"A": "b"})).output == b"b:\n"
