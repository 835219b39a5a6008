# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of a module, shown by a thread that no signal is delivered to."""

from __future__ import annotations

import signal

from ansible_collections.podyard.gpu.plugins.plugin_utils._common import action


def test_progress_is_shown_by_such_a_thread(tmp_path):
    path, seen = tmp_path / "progress", []
    path.write_text("one line\n")
    with action.Tail(str(path), lambda line: seen.append((line, signal.pthread_sigmask(signal.SIG_BLOCK, [])))):
        pass
    assert [line for line, _mask in seen] == ["one line"]
    assert signal.SIGINT in seen[0][1]
