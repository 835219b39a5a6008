# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that modules run, in one thread and in several."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.podyard.gpu.plugins.module_utils._arguments import runner, threads_runner

#: Says what it was given, also bytes that are no text, and ends with that number.
SCRIPT = (
    "import sys; sys.stdout.buffer.write(sys.argv[1].encode() + b' \\xff'); "
    "sys.stderr.write('$HOME'); sys.exit(int(sys.argv[1]))"
)


@pytest.fixture(name="module")
def _module(tmp_path):
    with patch_module_args({"_ansible_remote_tmp": str(tmp_path), "_ansible_keep_remote_files": False}):
        return AnsibleModule(argument_spec={})


def test_several_threads_run_commands_at_the_same_time(module):
    run = threads_runner(module)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda number: run([sys.executable, "-c", SCRIPT, str(number)]), range(4)))
    assert results == [(number, f"{number} \N{REPLACEMENT CHARACTER}", "$HOME") for number in range(4)]


def test_a_missing_program_ends_the_thread_and_not_the_module(module):
    """What ends the module here would leave pods behind that other threads have rented."""
    with pytest.raises(OSError, match="podyard-no-such-program"):
        threads_runner(module)(["podyard-no-such-program"])


def test_nothing_in_a_command_is_expanded(module):
    assert runner(module)([sys.executable, "-c", "import sys; print(sys.argv[1])", "$HOME ~"]) == (0, "$HOME ~\n", "")
