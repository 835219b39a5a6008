# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: a sandbox of one's own for each test, with its own home and a port the kernel chose."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "sandbox"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from stand_in import Api, ServerThread

from podyard_sandbox.settings import Settings


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[ServerThread]:
    """The API in this process, with pods of which only the SSH port is real, at a quick pace."""
    thread = ServerThread(tmp_path / "home")
    yield thread
    thread.close()


@pytest.fixture
def unrecorded_sandbox(tmp_path: Path) -> Iterator[ServerThread]:
    """One that records no traffic: the vendors' descriptions have no words for most of what makes no sense."""
    thread = ServerThread(tmp_path / "home", Settings(traffic=None))
    yield thread
    thread.close()


@pytest.fixture
def api(sandbox: ServerThread) -> Api:
    """A client with the account's key."""
    return Api(sandbox.url, sandbox.home.api_key())
