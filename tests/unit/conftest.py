# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all unit tests."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._http import shared_file


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory, monkeypatch):
    """What the processes of a user share is each test's own, and never that of the person who runs the tests."""
    directory = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("PODYARD_STATE_DIR", str(directory))
    monkeypatch.setattr(shared_file, "_ALONE", {})
    return directory
