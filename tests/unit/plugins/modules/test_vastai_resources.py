# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules for what a Vast.ai account holds beside pods, and for its market and charges."""

from __future__ import annotations

import json

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._resources import ssh_keys
from ansible_collections.podyard.gpu.plugins.modules import (
    vastai_billing_info,
    vastai_env_var,
    vastai_env_var_info,
    vastai_offer_info,
    vastai_ssh_key,
    vastai_ssh_key_info,
    vastai_template,
    vastai_template_info,
    vastai_volume,
    vastai_volume_info,
)
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai import rows
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai.talk import NAMES, SEARCH, USER

OURS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ me@laptop"
ANNA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMbfQvkjmjrWZMtmUGi4AMg51XRERD3cWjP7AHGaJeFw anna@office"
SSH, ATTACHED = "/api/v0/ssh/", "/api/v0/instances/7/ssh/"
SECRETS, TEMPLATES, VOLUMES = "/api/v0/secrets/", "/api/v0/template/", "/api/v0/volumes/"
ROOM = "/api/v0/volumes/search/"
SECRET = "averysecretvalue"
YES = {"success": True}


@pytest.fixture(name="module")
def made_module(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PODYARD_VAST_THRESHOLD_SCALE", "0")
    monkeypatch.setattr(ssh_keys, "SETTLE", (0.0, 0.0))
    return Runner(capsys, tmp_path)


@pytest.fixture(name="do")
def doing(module):
    def do(what, *script, check=False, failing=False, **options):
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            result = how(what.main, check, api_key=KEY, api_url=api.url, **options)
        assert SECRET not in module.printed
        return result

    return do


def account(*lines):
    return expect("GET", SSH).reply([{"id": number, "public_key": line} for number, line in enumerate(lines, 1)])


# -- keys


def test_a_key_of_the_account_is_added_and_removed_by_itself(do):
    add = expect("POST", SSH, body={"ssh_key": OURS}).reply({"success": True, "key": {"id": 2}})
    result = do(vastai_ssh_key, account(ANNA), add, account(ANNA, OURS), key=[OURS])
    assert (result["changed"], result["changes"]) == (True, ["me@laptop"])
    assert do(vastai_ssh_key, account(ANNA, OURS), key=[OURS])["changed"] is False
    assert do(vastai_ssh_key, account(ANNA), key=[OURS], check=True)["changed"] is True
    drop = expect("DELETE", f"{SSH}2/").reply(YES)
    result = do(vastai_ssh_key, account(ANNA, OURS), drop, account(ANNA), key=[OURS], state="absent")
    assert result["diff"] == {"before": {"keys": [ANNA, OURS]}, "after": {"keys": [ANNA]}}
    assert do(vastai_ssh_key, account(ANNA), key=[OURS], state="absent")["changed"] is False


def test_a_path_is_no_key(do):
    result = do(vastai_ssh_key, failing=True, key=["/home/me/.ssh/id_ed25519.pub"])
    assert "is not an SSH public key" in result["msg"]
    listed = do(vastai_ssh_key_info, account("/home/me/.ssh/id_ed25519.pub", OURS))["ssh_keys"]
    assert [key["type"] for key in listed] == [None, "ssh-ed25519"]


def test_no_keys_and_no_answer_are_told_apart(do):
    assert do(vastai_ssh_key_info, expect("GET", SSH).reply({"msg": "no keys"}, 404))["ssh_keys"] == []
    assert do(vastai_ssh_key_info, expect("GET", SSH).reply([]))["ssh_keys"] == []
    assert (
        "does not mean that there are none"
        in do(vastai_ssh_key_info, expect("GET", SSH).reply({}), failing=True)["msg"]
    )


def test_a_key_of_one_pod_is_attached_and_detached(do):
    def keys(*lines):
        listed = [{"id": number, "public_key": line} for number, line in enumerate(lines, 1)]
        return expect("GET", ATTACHED).reply({"success": True, "ssh_keys": json.dumps(listed)})

    attach = expect("POST", ATTACHED, body={"ssh_key": OURS}).reply(YES)
    assert do(vastai_ssh_key, keys(), attach, keys(OURS), key=[OURS], instance="7")["changed"] is True
    assert do(vastai_ssh_key, keys(OURS), key=[OURS], instance="7")["changed"] is False
    detach = expect("DELETE", f"{ATTACHED}1/").reply(YES)
    assert do(vastai_ssh_key, keys(OURS), detach, keys(), key=[OURS], instance="7", state="absent")["changed"] is True
    assert do(vastai_ssh_key_info, keys(OURS), instance="7")["ssh_keys"][0]["comment"] == "me@laptop"


def test_the_key_that_somebody_else_adds_meanwhile_stays(do):
    """It was not there when we read, so nothing in our list says that it should go."""
    add = expect("POST", SSH, body={"ssh_key": OURS}).reply(YES)
    result = do(vastai_ssh_key, account(), add, account(ANNA, OURS), key=[OURS])
    assert [key["comment"] for key in result["ssh_keys"]] == ["anna@office", "me@laptop"]


# -- variables


def variables(**values):
    return expect("GET", SECRETS).reply({"success": True, "secrets": values})


def test_a_variable_is_set_changed_and_deleted(do):
    body = {"key": "TOKEN", "value": SECRET}
    result = do(vastai_env_var, variables(), expect("POST", SECRETS, body=body).reply(YES), name="TOKEN", value=SECRET)
    assert (result["changed"], result["variables"]) == (True, {"TOKEN": "(set)"})
    assert do(vastai_env_var, variables(TOKEN=SECRET), name="token", value=SECRET)["changed"] is False
    assert do(vastai_env_var, variables(TOKEN="old"), name="TOKEN", value=SECRET, check=True)["changed"] is True
    result = do(
        vastai_env_var, variables(TOKEN="old"), expect("PUT", SECRETS, body=body).reply(YES), name="TOKEN", value=SECRET
    )
    assert result["diff"] == {"before": {"TOKEN": "(set)"}, "after": {"TOKEN": "(changed)"}}
    drop = expect("DELETE", SECRETS, body={"key": "TOKEN"}).reply(YES)
    assert do(vastai_env_var, variables(TOKEN=SECRET), drop, name="TOKEN", state="absent")["changed"] is True
    assert do(vastai_env_var, variables(), name="TOKEN", state="absent")["changed"] is False


def test_a_value_that_is_not_shown_is_left_unless_it_is_renewed(do):
    result = do(vastai_env_var, variables(TOKEN="*****"), name="TOKEN", value=SECRET)
    assert result["changed"] is False
    assert "Set renew: true to write it" in str(result["warnings"])
    write = expect("PUT", SECRETS).reply(YES)
    assert (
        do(vastai_env_var, variables(TOKEN="*****"), write, name="TOKEN", value=SECRET, renew=True)["changed"] is True
    )


def test_what_the_account_cannot_hold_is_refused_for_nothing(do):
    assert "accepts only letters, digits" in do(vastai_env_var, failing=True, name="A", value="two words")["msg"]
    assert "is not a valid name of a variable" in do(vastai_env_var, failing=True, name="a b", value="x")["msg"]


def test_variables_are_shown_by_name_only(do):
    assert do(vastai_env_var_info, variables(B=SECRET, A="x"))["variables"] == {"A": "(set)", "B": "(set)"}
    assert (
        "does not mean that there are none"
        in do(vastai_env_var_info, expect("GET", SECRETS).reply({}), failing=True)["msg"]
    )


# -- templates

ME = expect("GET", USER).reply({"id": 42, "credit": 1})


def templates(*found):
    query = {"select_filters": json.dumps({"creator_id": {"eq": 42}})}
    return (ME, expect("GET", TEMPLATES, query=query).reply({"success": True, "templates": list(found)}))


def template(**changes):
    row = {"id": 3, "hash_id": "ab", "name": "training", "image": "x", "env": f"-e TOKEN={SECRET} -p 8080:8080"}
    rest = {"runtype": "ssh", "ssh_direct": True, "recommended_disk_space": 20.0, "private": True, "onstart": None}
    return {**row, **rest, **changes}


def test_a_template_is_made_and_then_there(do):
    wanted = {"name": "training", "image": "x", "env": {"TOKEN": SECRET}, "ports": ["8080/tcp"]}

    def whole(body):
        return body["env"] == template()["env"] and body["private"] is True and body["use_ssh"] is True

    made = expect("POST", TEMPLATES, body=whole).reply({"success": True, "template": {"id": 3, "hash_id": "ab"}})
    result = do(vastai_template, *templates(), made, *templates(template()), **wanted)
    assert (result["changed"], result["template"]["id"]) == (True, "3")
    assert result["template"]["env"] == {"TOKEN": "(set)", "-p 8080:8080": "(set)"}
    assert do(vastai_template, *templates(template()), **wanted)["changed"] is False
    assert do(vastai_template, *templates(), check=True, **wanted)["changed"] is True


def test_a_template_is_changed_under_its_hash_and_deleted_under_its_number(do):
    change = expect(
        "PUT", TEMPLATES, body=lambda body: body["hash_id"] == "ab" and body["recommended_disk_space"] == 50
    )
    answer = change.reply({"success": True, "template": {"id": 3, "hash_id": "cd"}})
    after = template(recommended_disk_space=50, hash_id="cd")
    result = do(vastai_template, *templates(template()), answer, *templates(after), name="training", disk=50)
    assert (result["changes"], result["template"]["disk"]) == (["disk"], 50)
    drop = expect("DELETE", TEMPLATES, body={"template_id": 3}).reply(YES)
    assert do(vastai_template, *templates(template()), drop, id="3", state="absent")["changed"] is True
    assert do(vastai_template, *templates(), name="training", state="absent")["changed"] is False
    assert [one["name"] for one in do(vastai_template_info, *templates(template()))["templates"]] == ["training"]


# -- volumes


def volumes(*found):
    return expect("GET", VOLUMES).reply({"volumes": list(found)})


VOLUME = {"id": 8, "name": "data", "disk_space": 15.0, "machine_id": 7, "status": "active", "storage_total_cost": 0.002}


def test_a_volume_is_rented_on_the_cheapest_machine_and_then_there(do):
    offers = [{"id": 5, "storage_cost": 0.2}, {"id": 6, "storage_cost": 0.1}]
    room = expect("POST", ROOM, body=lambda body: body["machine_id"] == {"eq": 7} and body["disk_space"] == {"gte": 15})
    rent = expect("PUT", VOLUMES, body={"id": 6, "size": 15, "name": "data"})
    made = rent.reply({"success": True, "volume_name": "V.8"})
    script = (volumes(), volumes(), room.reply({"offers": offers}), made, volumes(VOLUME))
    result = do(vastai_volume, *script, name="data", size=15, machine_id=7)
    assert (result["changed"], result["volume"]["id"], result["volume"]["usd_per_month"]) == (True, "8", 1.44)
    assert "USD 1.44 a month" in result["msg"]
    assert do(vastai_volume, volumes(VOLUME), name="data", size=15)["changed"] is False
    check = (volumes(), volumes(), expect("POST", ROOM).reply({"offers": offers}))
    assert do(vastai_volume, *check, name="data", size=15, check=True)["changed"] is True


@pytest.mark.parametrize("name", ["V.²", "V.", "V." + "9" * 5000])
def test_a_volume_whose_number_cannot_be_read_is_looked_up(do, name):
    offers = expect("POST", ROOM).reply({"offers": [{"id": 6, "storage_cost": 0.1}]})
    made = expect("PUT", VOLUMES).reply({"success": True, "volume_name": name})
    script = (volumes(), volumes(), offers, made, volumes(VOLUME))
    assert do(vastai_volume, *script, name="data", size=15, consistency_grace=0)["volume"]["id"] == "8"


def test_a_lost_answer_is_no_second_volume(do):
    offers = expect("POST", ROOM).reply({"offers": [{"id": 6, "storage_cost": 0.1}]})
    lost = expect("PUT", VOLUMES).drop()
    script = (volumes(), volumes(), offers, lost, volumes(VOLUME))
    assert do(vastai_volume, *script, name="data", size=15, consistency_grace=0)["volume"]["id"] == "8"


def test_a_volume_is_known_by_its_name_wherever_that_stands(do):
    both = {**VOLUME, "name": "V.8", "label": "data"}
    assert do(vastai_volume, volumes(both), name="data", size=15)["changed"] is False
    drop = expect("DELETE", VOLUMES, body={"id": 8}).reply({"success": True})
    assert do(vastai_volume, volumes(both), drop, name="data", state="absent")["changed"] is True


def test_a_volume_without_a_name_of_its_own_is_not_made_again(do):
    nameless = {**VOLUME, "name": None}
    result = do(vastai_volume, volumes(nameless), volumes(nameless), failing=True, name="data", size=15)
    assert "shows no name of the volume V.8" in result["msg"]


def test_a_volume_in_use_stays(do):
    used = {**VOLUME, "instances": [{"id": 77}]}
    result = do(vastai_volume, volumes(used), failing=True, name="data", state="absent")
    assert result["used_by"] == ["the pod 77"]
    drop = expect("DELETE", VOLUMES, body={"id": 8}).reply(YES)
    assert do(vastai_volume, volumes(VOLUME), drop, name="data", state="absent")["changed"] is True
    assert do(vastai_volume, volumes(), name="data", state="absent")["changed"] is False
    assert do(vastai_volume_info, volumes(VOLUME), name="data")["volumes"][0]["size"] == 15


def test_a_volume_keeps_its_size(do):
    assert "cannot be changed to 30" in do(vastai_volume, volumes(VOLUME), failing=True, name="data", size=30)["msg"]


# -- market and charges


def test_the_market_is_shown_cheapest_first(do):
    market = expect(
        "POST", SEARCH, body=lambda body: body["gpu_ram"] == {"gte": 24000} and body["num_gpus"] == {"eq": 1}
    )
    raws = [rows.offer(ask_contract_id=1, dph_base=0.5), rows.offer(ask_contract_id=2, dph_base=0.4)]
    result = do(vastai_offer_info, market.reply({"offers": raws}), search="gpu_ram>=24", disk=60, limit=1)
    assert [offer["id"] for offer in result["offers"]] == ["2"]
    assert result["offers"][0]["usd_per_hour"] == pytest.approx(0.415)
    names = expect("GET", NAMES).reply({"gpu_names": ["RTX 4090"]})
    result = do(vastai_offer_info, names, expect("POST", SEARCH).reply({"offers": []}), gpus=["4090"])
    assert result["offers"] == []
    assert "offered by no machine" in result["reason"]


def test_charges_are_added_up_over_all_pages(do):
    items = [{"type": "gpu", "amount": 0.36}, {"type": "bwd", "amount": 0.01}]
    record = {"type": "instance", "source": "instance-7", "amount": 0.37, "items": items, "start": 1790000000}
    filters = {"day": {"gte": 1767225600, "lte": 1767312000}, "type": {"in": ["instance"]}}
    query = {"select_filters": json.dumps(filters), "limit": "500"}
    first = expect("GET", "/api/v0/charges/", query=query).reply({"results": [record], "next_token": "x"})
    second = expect("GET", "/api/v0/charges/", query={**query, "after_token": "x"}).reply(
        {"results": [{**record, "source": "instance-8"}], "next_token": None}
    )
    window = {"start_time": "2026-01-01", "end_time": "2026-01-02T00:00:00Z", "kind": "pods"}
    result = do(vastai_billing_info, first, second, **window)
    assert result["totals"] == {"total_usd": 0.74, "gpu_usd": 0.72, "download_usd": 0.02}
    assert [one["object_id"] for one in result["records"]] == ["7", "8"]
    assert len(do(vastai_billing_info, first, second, instance="8", **window)["records"]) == 1


def test_invoices_need_another_range(do):
    invoices = expect("GET", "/api/v1/invoices/").reply({"success": True, "results": []})
    assert do(vastai_billing_info, invoices, kind="invoices")["records"] == []
    refused = expect("GET", "/api/v1/invoices/").reply({"success": False, "msg": "when is needed"})
    assert "when is needed" in do(vastai_billing_info, refused, failing=True, kind="invoices")["msg"]
    assert "write it like" in do(vastai_billing_info, failing=True, start_time="yesterday")["msg"]
    assert "give at least 1" in do(vastai_billing_info, failing=True, last_days=0)["msg"]
