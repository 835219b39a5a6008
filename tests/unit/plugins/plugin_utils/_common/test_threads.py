# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads beside a task: the signals by which Ansible ends it are for the main thread alone."""

from __future__ import annotations

import signal

from ansible_collections.podyard.gpu.plugins.plugin_utils._common import action
from ansible_collections.podyard.gpu.plugins.plugin_utils._common.threads import begin


def mask():
    """The signals that the calling thread does not get."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_no_signal_is_for_the_thread_and_all_are_for_the_others():
    before, seen = mask(), []
    begin(lambda: seen.append(mask()), "test").join()
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= seen[0]
    assert mask() == before


def test_progress_is_shown_by_such_a_thread(tmp_path):
    path, seen = tmp_path / "progress", []
    path.write_text("one line\n")
    with action.Tail(str(path), lambda line: seen.append((line, mask()))):
        pass
    assert [line for line, _mask in seen] == ["one line"]
    assert signal.SIGINT in seen[0][1]
