# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all tests of every kind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_state_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the processes of a user share is not that of the person who runs the tests; whatever is started inherits
    it.
    """
    before = os.environ.get("PODYARD_STATE_DIR")
    os.environ["PODYARD_STATE_DIR"] = str(tmp_path_factory.mktemp("state"))
    yield
    if before is None:
        del os.environ["PODYARD_STATE_DIR"]
    else:
        os.environ["PODYARD_STATE_DIR"] = before
