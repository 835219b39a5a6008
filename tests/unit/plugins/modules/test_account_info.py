# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module account_info."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.modules import account_info
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect, refused_url
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner

BALANCE = {"data": {"myself": {"clientBalance": 41.7, "currentSpendPerHr": 0.69, "spendLimit": 80}}}


@pytest.fixture(name="module")
def made_module(capsys, tmp_path, monkeypatch):
    for name in ("RUNPOD_API_KEY", "RUNPOD_API_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Runner(capsys, tmp_path)


@pytest.mark.parametrize("check", [False, True])
def test_balance_and_spending(module, check):
    with Conversation(*[expect("POST", "/graphql").reply(BALANCE)] * 2) as api:
        for _again in range(2):
            result = module.run(account_info.main, check, api_key=KEY, api_url=api.url)
    account = {"provider": "runpod", "balance_usd": 41.7, "spend_usd_per_hour": 0.69, "note": None}
    account["spend_limit_usd_per_hour"] = 80
    assert (result["changed"], result["accounts"]) == (False, [account])
    assert KEY not in module.printed


def test_key_and_address_come_from_the_environment(module, monkeypatch):
    with Conversation(expect("POST", "/graphql").reply(BALANCE)) as api:
        monkeypatch.setenv("RUNPOD_API_KEY", KEY)
        monkeypatch.setenv("RUNPOD_API_BASE_URL", api.url)
        assert module.run(account_info.main)["accounts"][0]["balance_usd"] == 41.7


def test_without_the_balance_there_is_a_note(module):
    script = (expect("POST", "/graphql").problem(410, "retired"), expect("GET", "/v2/pods").reply({"pods": []}))
    with Conversation(*script) as api:
        (account,) = module.run(account_info.main, api_key=KEY, api_url=api.url)["accounts"]
    assert account["balance_usd"] is None
    assert "retired" in account["note"]


def test_a_refused_key_is_one_sentence(module):
    refused = [expect("POST", "/graphql"), expect("GET", "/v2/pods")]  # asked twice: it may be good for REST alone
    with Conversation(*[each.problem(401, "invalid api key", X_Request_Id="r1") for each in refused]) as api:
        result = module.fail(account_info.main, api_key=KEY, api_url=api.url)
    assert "invalid api key" in result["msg"]
    assert result["failure"]["kind"] == "AuthError"
    assert result["failure"]["request_id"] == "r1"
    assert KEY not in module.printed


def test_no_key_is_one_sentence(module):
    assert "RUNPOD_API_KEY" in module.fail(account_info.main, api_url=refused_url())["msg"]


def test_a_missing_library_is_named(module, monkeypatch):
    monkeypatch.setattr(account_info.open_provider.__globals__["session"], "LIBRARY_PROBLEM", ImportError("gone"))
    assert "requests" in module.fail(account_info.main, api_key=KEY)["msg"]
