# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress: lines in a file, never in the way of the work."""

from __future__ import annotations

import stat

from ansible_collections.podyard.gpu.plugins.module_utils._pods.progress import Progress
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime


def test_each_line_is_one_line(tmp_path):
    path = tmp_path / "progress"
    progress = Progress(str(path))
    progress.say("one")
    progress.say("two\nlines ")
    assert path.read_text() == "one\ntwo lines\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_reminder_comes_only_after_a_while(tmp_path):
    path, time = tmp_path / "progress", FakeTime()
    progress = Progress(str(path), time.clock)
    progress.say("begun")
    progress.remind("too early")
    time.now += 16
    progress.remind("still waiting")
    progress.remind("too early again")
    assert path.read_text().splitlines() == ["begun", "still waiting"]


def test_what_cannot_be_written_does_not_matter(tmp_path):
    progress = Progress(str(tmp_path / "missing" / "progress"))
    progress.say("lost")
    Progress().say("nowhere")
    assert list(tmp_path.iterdir()) == []
