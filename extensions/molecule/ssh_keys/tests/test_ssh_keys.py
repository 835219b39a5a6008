# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key on the controller is private, whole, and alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import testinfra

KEYS = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "state") / "made-keys"


@pytest.fixture
def host():
    """The role works on the controller, not on the pod."""
    return testinfra.get_host("local://")


def test_only_the_user_can_read_it(host):
    assert host.file(str(KEYS)).mode == 0o700
    assert host.file(str(KEYS / "id_ed25519")).mode == 0o600


def test_both_halves_belong_together(host):
    made = host.check_output("ssh-keygen -y -f %s", str(KEYS / "id_ed25519"))
    assert host.file(str(KEYS / "id_ed25519.pub")).content_string.split()[:2] == made.split()[:2]


def test_nothing_else_is_left(host):
    assert sorted(path.name for path in KEYS.iterdir()) == ["id_ed25519", "id_ed25519.pub"]
