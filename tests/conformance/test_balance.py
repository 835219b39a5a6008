# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver's one query of GraphQL against the sandbox's schema, and once GraphQL is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in import Api, ServerThread

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Account
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod.provider import RunPod


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerThread]:
    """The sandbox's API in this process, and a driver that shares nothing with other processes."""
    monkeypatch.setenv("PODYARD_STATE_DIR", str(tmp_path / "state"))
    thread = ServerThread(tmp_path / "home")
    yield thread
    thread.close()


@pytest.fixture
def api(sandbox: ServerThread) -> Api:
    return Api(sandbox.url, sandbox.home.api_key())


@pytest.fixture
def driver(sandbox: ServerThread) -> RunPod:
    return RunPod(sandbox.home.api_key(), sandbox.url)


def test_balance_and_spend_are_read(api: Api, driver: RunPod) -> None:
    api.made()
    account = driver.account()
    assert account.balance_usd is not None and 99 < account.balance_usd < 100
    assert (account.spend_usd_per_hour, account.spend_limit_usd_per_hour) == (0.69, 80)
    assert driver.notes == ()


@pytest.mark.parametrize("reading", ["410", "404", "schema", "html"])
def test_once_graphql_is_gone_a_note_is_all_that_is_lost(api: Api, driver: RunPod, reading: str) -> None:
    api.fault("graphql-gone", reading=reading)
    assert driver.account() == Account("runpod")
    (note,) = driver.notes
    assert note.startswith("The balance on RunPod could not be read and is left out.")
    assert "\n" not in note, "one line"


def test_a_wrong_key_shows_though_graphql_is_gone(sandbox: ServerThread, api: Api) -> None:
    api.fault("graphql-gone")
    with pytest.raises(errors.AuthError):
        RunPod("rpa_wrong", sandbox.url).account()
