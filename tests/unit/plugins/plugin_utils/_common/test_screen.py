# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown to a person, by every way that there is: nothing of it steers the terminal."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ansible_collections.podyard.gpu.plugins.plugin_utils._common import screen, words
from ansible_collections.podyard.gpu.plugins.plugin_utils._common.ssh import OversizedAnswer, SshHost, unreachable
from ansible_collections.podyard.gpu.plugins.plugin_utils._follow import text as text_module

EVIL = "a\x1b[2J\x1b]0;owned\x07\x9b31m\u202eb"


class Display:
    columns = 80

    def __init__(self) -> None:
        self.said: list[Any] = []

    def display(self, text, **_options):
        self.said.append(text)

    warning = error = display


@pytest.mark.parametrize("way", [screen.show, screen.warn, screen.fault])
def test_every_way_to_the_screen(monkeypatch, way):
    display = Display()
    monkeypatch.setattr(screen, "Display", lambda: display)
    way(EVIL)
    assert display.said == ["ab"]


@pytest.mark.parametrize("kind", [AnsibleActionFail, AnsibleConnectionFailure, OversizedAnswer])
def test_the_words_of_a_failure(kind):
    with pytest.raises(kind) as failure, screen.clean_errors():
        raise kind(f"rsync failed: {EVIL}")
    assert str(failure.value) == "rsync failed: ab"


def test_ssh_words_log_lines_and_the_end_of_a_log():
    host = SshHost("ssh", "pod", "h", (), False)
    assert str(unreachable("reading", host, EVIL)).endswith("failed: ab")
    assert text_module.printable(EVIL.encode()) == "ab"
    assert words.lines_of(f"{EVIL}\n", 5) == ["ab"]
