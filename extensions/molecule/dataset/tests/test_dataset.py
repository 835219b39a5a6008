# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dataset arrived as it was sent, and nothing else did."""

from __future__ import annotations

import hashlib

ROOT = "/workspace/d/data"


def test_the_files_are_there(host):
    assert host.file(f"{ROOT}/a name with spaces.txt").content_string == "first"
    assert host.file(f"{ROOT}/größe.txt").content_string == "zweite"
    assert host.file(f"{ROOT}/deep/empty").size == 0


def test_their_content_is_the_same(host):
    assert host.file(f"{ROOT}/deep/er/large.bin").sha256sum == hashlib.sha256(b"x" * 300000).hexdigest()


def test_links_are_links(host):
    assert host.file(f"{ROOT}/deep/link").linked_to == f"{ROOT}/größe.txt"


def test_what_is_excluded_stays_at_home(host):
    assert not host.file(f"{ROOT}/scratch.tmp").exists
