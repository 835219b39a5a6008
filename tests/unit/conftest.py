# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all unit tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._http import shared_file
from ansible_collections.podyard.gpu.plugins.plugin_utils._common import files
from ansible_collections.podyard.gpu.tests import record_schemas


def pytest_configure(config):
    # ansible-test brings a configuration of its own, which knows no mark of ours.
    config.addinivalue_line("markers", "foreign_records: the test leaves a record that no schema describes")


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory, monkeypatch):
    """What the processes of a user share is each test's own, and never that of the person who runs the tests."""
    directory = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("PODYARD_STATE_DIR", str(directory))
    monkeypatch.setattr(shared_file, "_ALONE", {})
    return directory


@pytest.fixture(autouse=True)
def records_fit_their_schema(request, monkeypatch):
    """Refuse a test that wrote a record, or left one behind, that docs/schema does not describe.

    A test that damages a record, or writes one of another version, has the mark foreign_records.
    """
    if request.node.get_closest_marker("foreign_records"):
        yield
        return
    written = files.replace_file
    wrong: list[str] = []

    def checked(path: Path, text: str, **how: object) -> None:
        if path.name in record_schemas.FILES:
            wrong.extend(record_schemas.faults(path.name, text))
        written(path, text, **how)

    monkeypatch.setattr(files, "replace_file", checked)
    left = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    assert not wrong
    if left is not None:
        # Another process of the test may have written them: a guard, a play.
        assert not record_schemas.faults_below(left)
