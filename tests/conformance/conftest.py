# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: RunPod's own description of REST v2, without which nothing here can be said."""

from __future__ import annotations

import pytest
from description import ABSENT, FILE, Description, load
from deviations import Deviations
from exchanges import Judge


@pytest.fixture(scope="session")
def description() -> Description:
    """The saved description; where it is not, the test is skipped and says so."""
    if not FILE.is_file():
        pytest.skip(ABSENT)
    return load()


@pytest.fixture
def judge(description: Description) -> Judge:
    """One who has seen nothing yet."""
    return Judge(description, Deviations.load())
