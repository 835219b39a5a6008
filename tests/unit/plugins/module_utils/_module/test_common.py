# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that modules run, in one thread and in several."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._module import common
from ansible_collections.podyard.gpu.plugins.module_utils._module.common import run_bounded

#: Says what it was given, also bytes that are no text, and ends with that number.
SCRIPT = (
    "import sys; sys.stdout.buffer.write(sys.argv[1].encode() + b' \\xff'); "
    "sys.stderr.write('$HOME'); sys.exit(int(sys.argv[1]))"
)


def test_several_threads_run_commands_at_the_same_time():
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda number: run_bounded([sys.executable, "-c", SCRIPT, str(number)]), range(4)))
    assert results == [(number, f"{number} \N{REPLACEMENT CHARACTER}", "$HOME") for number in range(4)]


def test_nothing_in_a_command_is_expanded():
    assert run_bounded([sys.executable, "-c", "import sys; print(sys.argv[1])", "$HOME ~"]) == (0, "$HOME ~\n", "")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["podyard-no-such-program"], "podyard-no-such-program cannot be started: .*No such file"),
        (["sh", "-c", "while :; do printf '%0999d' 0; done"], "the pod answered with more than 1.0 MB of output"),
        (["sh", "-c", "while :; do echo drip; sleep 0.01; done"], "sh gave no answer for"),
    ],
)
def test_what_goes_wrong_is_a_failed_try_and_not_the_end_of_the_module(argv, words, monkeypatch):
    """What ends the module here would leave pods behind that other threads have rented."""
    if "drip" in argv[-1]:
        monkeypatch.setattr(common, "COMMAND_SECONDS", 0.3)
    code, output, error = run_bounded(argv)
    assert (code, output) == (255, "")
    assert re.search(words, error), error
