# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all tests of every kind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

# A shell's background job ignores SIGINT and SIGQUIT, `nohup` SIGHUP, and all that a test starts would do so too. One
# that has a handler is at its default there, and these tests still outlive it.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)


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
