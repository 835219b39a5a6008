# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the integration tests: a sandbox of their own, jobs, and ansible-playbook as a user starts it."""

from __future__ import annotations

import os

import pytest
from harness import REPOSITORY, Cloud, Job, Playbook

from ansible_collections.podyard.gpu.tests import record_schemas


def pytest_collection_modifyitems(config, items):
    """Leave out, and say so, what belongs to the whole matrix alone: `make matrix` runs all of it."""
    if os.environ.get("PODYARD_WHOLE_MATRIX"):
        return
    left_out = [item for item in items if item.get_closest_marker("matrix")]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """A running sandbox with its own state directory; gone after the module's tests, whatever they did."""
    sandbox = Cloud(tmp_path_factory.mktemp("sandbox"))
    sandbox.up()
    try:
        yield sandbox
    finally:
        sandbox.down()


@pytest.fixture(autouse=True)
def no_fault_left(request):
    """Faults are switched on by one test and must not reach the next."""
    yield
    if "cloud" in request.fixturenames:
        request.getfixturevalue("cloud").clear_faults()


@pytest.fixture(autouse=True)
def records_fit_their_schema(request):
    """Refuse a test whose runs leave a record that docs/schema does not describe, unless it damages one itself."""
    left = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if left is not None and not request.node.get_closest_marker("foreign_records"):
        assert not record_schemas.faults_below(left)


@pytest.fixture
def job(tmp_path):
    """A small job whose training can be steered from the test."""
    return Job(tmp_path)


@pytest.fixture
def playbook(cloud, tmp_path):
    """Starts ansible-playbook against the sandbox; whatever is still running at the end is ended."""
    starter = Playbook(cloud, tmp_path, REPOSITORY)
    try:
        yield starter
    finally:
        starter.end_all()
