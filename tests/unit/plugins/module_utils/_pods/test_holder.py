# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only the account that rented a pod can prove that it is gone."""

from __future__ import annotations

import json

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._pods import create as lookup
from ansible_collections.podyard.gpu.plugins.module_utils._pods import ledger as ledger_module
from ansible_collections.podyard.gpu.plugins.module_utils._pods.context import PodContext
from ansible_collections.podyard.gpu.plugins.module_utils._pods.create import create_once
from ansible_collections.podyard.gpu.plugins.module_utils._pods.holder import Holder, holder
from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.plugins.module_utils._pods.terminate import (
    give_back_run,
    require_gone,
    terminate_and_prove,
)
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod.provider import RunPod
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai.provider import Vast
from ansible_collections.podyard.gpu.plugins.module_utils._resources import account as account_module
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import PREFIX, FakeCloud, FakeTime, Lines, pod, request
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect

NAME = f"{PREFIX}0-1"


class Account(FakeCloud):
    """A cloud that is asked with the key of one account."""

    key_variable = "FAKE_API_KEY"

    def __init__(self, account, key, *pods):
        super().__init__(*pods)
        self._account, self._key = account, key

    @property
    def key_hash(self):
        return account_module.key_hash(self.name, self._key)

    def account_id(self):
        return self._call("account_id", None, lambda: self._account)


def rented(run_dir, cloud, account="mine", name=NAME, outcome=ledger_module.CREATED):
    """A ledger of a pod that was rented an hour ago and that the cloud does not show."""
    ledger = Ledger(run_dir)
    ledger.write(
        ledger_module.CREATING, name, "fake", holder=Holder(account, cloud.key_hash) if cloud is not None else None
    )
    if outcome:
        ledger.write(
            outcome, name, "fake", pod_id="p1" if outcome == ledger_module.CREATED else None, usd_per_hour=0.69
        )
    path = run_dir / ledger_module.FILE
    events = [{**json.loads(line), "time": "2026-01-01T00:00:00Z"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return ledger


def give_back(cloud, ledger):
    return give_back_run(cloud, PREFIX, polls=FakeTime().polls(), progress=Lines(), ledger=ledger)


MINE, OTHER = "rpa_mine_0123456789", "rpa_other_0123456789"


def test_the_account_is_in_the_ledger_before_the_create_leaves(tmp_path):
    cloud = Account("mine", MINE)

    def create(wanted):
        (asked,) = Ledger(tmp_path).read()
        assert asked["event"] == "creating" and asked["key_hash"] == cloud.key_hash
        return cloud.make(wanted)

    cloud.plan("create", create)
    create_once(PodContext(cloud, FakeTime().polls(), Lines(), tmp_path), request(NAME))
    assert cloud.count("account_id") == 0, "a run costs no request more"
    assert MINE not in (tmp_path / ledger_module.FILE).read_text()


def test_another_account_proves_nothing_and_says_what_to_do(tmp_path):
    ledger = rented(tmp_path, Account("mine", MINE))
    cloud = Account("other", OTHER)
    results = give_back(cloud, ledger)
    assert [(result["id"], result["gone_proved"], result["gone_at"]) for result in results] == [("p1", False, None)]
    with pytest.raises(errors.NotProvedGone) as caught:
        require_gone(cloud, results)
    for words in ("p1", "USD 0.69 per hour", "the account mine", "of the account other", "FAKE_API_KEY", "fake end p1"):
        assert words in str(caught.value)
    assert [event["event"] for event in ledger.read()] == ["creating", "created"]
    again = give_back(Account("mine", MINE), ledger)
    assert [result["gone_proved"] for result in again] == [True]
    assert give_back(Account("mine", MINE), ledger) == []


def test_a_new_key_of_the_same_account_proves_it(tmp_path):
    (result,) = give_back(Account("mine", "rpa_new_0123456789"), rented(tmp_path, Account("mine", MINE)))
    assert result["gone_proved"]


def test_the_same_key_needs_no_request_for_its_account(tmp_path):
    cloud = Account("mine", MINE)
    (result,) = give_back(cloud, rented(tmp_path, cloud, account=None))
    assert result["gone_proved"] and cloud.count("account_id") == 0


@pytest.mark.parametrize("problem", [errors.Forbidden("no right"), errors.ServerError("503")])
def test_an_account_that_is_not_told_is_known_by_its_key_alone(tmp_path, problem):
    cloud = Account("mine", OTHER).plan("account_id", *[problem] * 9)
    (result,) = give_back(cloud, rented(tmp_path, Account("mine", MINE)))
    assert not result["gone_proved"]
    assert "account mine" in result["reason"] and f"hash {cloud.key_hash}" in result["reason"]


def test_an_account_that_shows_the_pod_is_its_own(tmp_path):
    """Whatever the ledger says: a team's key, an account whose id is told otherwise now."""
    cloud = Account("other", OTHER, pod("p1", NAME))
    (result,) = give_back(cloud, rented(tmp_path, Account("mine", MINE)))
    assert result["gone_proved"] and not cloud.pods


@pytest.mark.parametrize("shown", [True, False])
def test_an_old_ledger_names_no_account(tmp_path, shown):
    """What the account in force shows it can prove; of what it never showed nobody knows whose it was."""
    cloud = Account("mine", MINE, *([pod("p1", NAME)] if shown else []))
    (result,) = give_back(cloud, rented(tmp_path, None))
    assert result["gone_proved"] is shown
    assert shown or "nothing says which account rented it" in result["reason"]


def test_a_proof_of_another_account_is_none(tmp_path):
    ledger = rented(tmp_path, Account("mine", MINE))
    ledger.write(ledger_module.GONE, NAME, "fake", pod_id="p1", holder=Holder("other", "0" * 24))
    ledger.write(ledger_module.GONE, NAME, "fake", pod_id="p1")
    assert [event["id"] for event in ledger.made()] == ["p1"]
    assert ledger.open_at(PREFIX) == {"fake"}
    (result,) = give_back(Account("mine", MINE), ledger)
    assert result["gone_proved"] and ledger.made() == []


@pytest.mark.parametrize("outcome", [None, ledger_module.AMBIGUOUS])
def test_a_create_without_an_outcome_is_not_closed_by_another_account(tmp_path, outcome):
    ledger = rented(tmp_path, Account("mine", MINE), outcome=outcome)
    (result,) = give_back(Account("other", OTHER), ledger)
    assert not result["gone_proved"] and "account mine" in result["reason"]
    assert [event["name"] for event in ledger.pending()] == [NAME]
    assert give_back(Account("mine", MINE), ledger) == [] and ledger.pending() == []


@pytest.mark.parametrize("outcome", [None, ledger_module.CREATED])
def test_nothing_is_rented_in_the_place_of_another_accounts_pod(tmp_path, outcome):
    rented(tmp_path, Account("mine", MINE), outcome=outcome)
    work = PodContext(Account("other", OTHER), FakeTime().polls(), Lines(), tmp_path)
    with pytest.raises(errors.NotProvedGone, match="account mine"):
        lookup.settle(work, NAME)


def test_one_pod_alone_is_proved_by_its_own_account_too(tmp_path):
    ledger = rented(tmp_path, Account("mine", MINE))
    gone = pod("p1", NAME, phase="unknown")
    (result,) = terminate_and_prove(Account("other", OTHER), [gone], polls=FakeTime().polls(), ledger=ledger)
    assert not result["gone_proved"]


# -- what the providers tell


def test_runpods_account_is_noted_with_the_balance_and_asked_for_by_nobody():
    answer = {"data": {"myself": {"id": "user_a", "clientBalance": 1.0, "currentSpendPerHr": 0.0, "spendLimit": 80}}}
    with Conversation(expect("POST", "/graphql").reply(answer)) as api:
        RunPod(KEY, api.url).account()
        place = api.url.partition("://")[2]
        assert holder(RunPod(KEY, api.url), ask=True).account == f"user_a@{place}", "another address is another account"


def test_runpods_account_is_asked_for_once():
    asked = expect("POST", "/graphql").reply({"data": {"myself": {"id": "user_a"}}})
    with Conversation(asked) as api:
        for _time in range(2):
            assert holder(RunPod(KEY, api.url), ask=True).account.startswith("user_a@")


@pytest.mark.parametrize("answer", [{"data": {"myself": None}}, {"errors": [{"message": "no"}]}, None, [1]])
def test_an_account_that_runpod_does_not_tell(answer):
    with Conversation(expect("POST", "/graphql").reply(answer)) as api:
        assert holder(RunPod(KEY, api.url), ask=True) == Holder(None, account_module.key_hash("runpod", KEY))


def test_vastais_account_is_noted_with_the_credit():
    key = "0" * 64
    with Conversation(expect("GET", "/api/v0/users/current/").reply({"id": 17, "credit": 3.0}), key=key) as api:
        assert Vast(key, api.url, scale=0.0).account().balance_usd == 3.0
        assert holder(Vast(key, api.url), ask=True).account.startswith("17@")
