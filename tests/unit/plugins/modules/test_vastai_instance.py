# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vastai_instance against a scripted API."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import Ledger
from ansible_collections.podyard.gpu.plugins.modules import vastai_instance
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai import rows
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai.rows import KEY_LINE
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai.talk import (
    ASK,
    LIST,
    NAMES,
    ONE,
    SEARCH,
    USER,
    listed,
    no_keys,
)

NAME = "podyard-digits-r1-0"
SECRET = "hf_averysecrettoken"
RENT = {
    "name": NAME,
    "image": "pytorch/pytorch:2.4.0",
    "gpus": ["4090"],
    "disk": 60,
    "public_keys": [KEY_LINE],
    "wait_for": "addressed",
}
GPUS = expect("GET", NAMES).reply({"gpu_names": ["RTX 4090", "RTX 3090"]})
NOTHING = expect("GET", LIST).reply(listed())
MARKET = expect("POST", SEARCH).reply({"offers": [rows.offer()]})
BUY = expect("PUT", ASK).reply({"success": True, "new_contract": 12345678})
ATTACH = expect("POST", "/api/v0/instances/12345678/ssh/").reply({"success": True})
END = expect("DELETE", ONE, body={}).reply({"success": True})
NULL = expect("GET", ONE).reply({"instances": None})
ENDED = (END, NOTHING, NULL, NOTHING, NULL)


def here(**changes):
    return expect("GET", LIST).reply(listed(rows.instance(**changes)))


def shown(row=None, **changes):
    return expect("GET", ONE).reply({"instances": row or rows.instance(**changes)})


@pytest.fixture(name="module")
def made_module(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PODYARD_VAST_THRESHOLD_SCALE", "0")
    return Runner(capsys, tmp_path)


@pytest.fixture(name="ensure")
def ensuring(module):
    def ensure(*script, check=False, failing=False, **options):
        given = {"poll_interval": 0.001, "consistency_grace": 0, "api_key": KEY, **options}
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            result = how(vastai_instance.main, check, api_url=api.url, **given)
        assert KEY not in module.printed
        assert SECRET not in module.printed
        return result

    return ensure


RENTED = (NOTHING, NOTHING, GPUS, MARKET, no_keys(), BUY, ATTACH, shown(rows.provisioning()), here())


def test_a_pod_is_rented_and_then_there(ensure):
    result = ensure(*RENTED, env={"TOKEN": SECRET}, **RENT)
    pod = result["pod"]
    assert (result["changed"], pod["id"], pod["stage"]) == (True, "12345678", "addressed")
    assert pod["endpoint"] == {"host": "203.0.113.42", "port": 40022, "user": "root", "mode": "direct"}
    assert (pod["usd_per_hour"], pod["billing"], pod["host"]) == (0.3725, "gpu", "18422")
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["rented"]
    again = ensure(here(), **RENT)
    assert (again["changed"], again["pod"]["id"]) == (False, "12345678")


def test_check_mode_shows_price_and_rents_nothing(ensure):
    result = ensure(NOTHING, NOTHING, GPUS, MARKET, check=True, **RENT)
    assert result["changed"] is True
    assert result["pod"]["usd_per_hour"] == pytest.approx(0.375)
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"]["gpu"] == "RTX 4090"
    assert "PUBLIC_KEY" not in result["diff"]["after"].get("env", {})
    assert ensure(here(), check=True, **RENT)["changed"] is False


def test_the_ledger_knows_the_contract_before_anything_is_judged(ensure, tmp_path):
    broken = expect("GET", ONE).reply("")
    script = (NOTHING, NOTHING, GPUS, MARKET, no_keys(), BUY, ATTACH, broken, *ENDED)
    result = ensure(*script, failing=True, run_dir=str(tmp_path), **RENT)
    events = [(event["event"], event.get("id")) for event in Ledger(tmp_path).read()]
    assert events[:2] == [("creating", None), ("created", "12345678")]
    assert result["pods_gone"][0]["gone_proved"] is True


def test_a_contract_above_the_cap_is_given_back(ensure):
    script = (NOTHING, NOTHING, GPUS, MARKET, no_keys(), BUY, ATTACH, shown(dph_total=0.9), *ENDED)
    result = ensure(*script, failing=True, max_price=0.5, **RENT)
    assert "says USD 0.90 per hour, above the cap of USD 0.50" in result["msg"]
    assert result["pods_gone"][0]["gone_proved"] is True


def test_what_can_never_run_ends_the_wait_at_once_and_its_machine_is_left_out(ensure):
    """Two offers of one machine and one of another: after the first fails, the second is not tried."""
    market = [rows.offer(), rows.offer(ask_contract_id=2), rows.offer(ask_contract_id=3, machine_id=7, dph_base=0.5)]
    dead = expect("GET", LIST).reply(
        listed(rows.provisioning(actual_status="created", status_msg="Error: OCI runtime create failed: no device"))
    )
    other = rows.instance(id=9, machine_id=7, label=f"{NAME}-2")
    script = (
        *(NOTHING, NOTHING, GPUS, expect("POST", SEARCH).reply({"offers": market})),
        *(no_keys(), BUY, ATTACH, shown(rows.provisioning()), dead),
    )
    again = (
        no_keys(),
        expect("PUT", "/api/v0/asks/3/", body=lambda body: body["label"] == f"{NAME}-2").reply(
            {"success": True, "new_contract": 9}
        ),
        expect("POST", "/api/v0/instances/9/ssh/").reply({"success": True}),
        expect("GET", "/api/v0/instances/9/").reply({"instances": other}),
    )
    logs = [expect("PUT", "/api/v0/instances/request_logs/12345678/").reply({"msg": "none"}, 404)] * 2
    result = ensure(*script, *logs, *ENDED, *again, attempts=2, **RENT)
    assert result["pod"]["id"] == "9"
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["given back", "rented"]


def test_an_image_that_nobody_has_is_not_tried_on_another_machine(ensure):
    market = [rows.offer(), rows.offer(ask_contract_id=3, machine_id=7, dph_base=0.5)]
    dead = expect("GET", LIST).reply(
        listed(rows.provisioning(actual_status="loading", status_msg="manifest for x not found: manifest unknown"))
    )
    logs = [expect("PUT", "/api/v0/instances/request_logs/12345678/").reply({"msg": "none"}, 404)] * 2
    script = (NOTHING, NOTHING, GPUS, expect("POST", SEARCH).reply({"offers": market}), no_keys(), BUY, ATTACH)
    result = ensure(*script, shown(rows.provisioning()), dead, *logs, *ENDED, failing=True, attempts=2, **RENT)
    assert "manifest unknown" in result["msg"] and "Check the option image" in result["msg"]
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["given back"]
    assert result["pods_gone"][0]["gone_proved"] is True


def test_one_that_sits_stopped_gets_one_start(ensure):
    still = rows.stopped(actual_status="loading")
    start = expect("PUT", ONE, body={"state": "running"}).reply({"success": True})
    credit = expect("GET", USER).reply({"id": 1, "credit": 5})
    script = (
        *(NOTHING, NOTHING, GPUS, MARKET, no_keys(), BUY, ATTACH, shown(still), credit),
        *(shown(still), start, shown(rows.provisioning()), here()),
    )
    assert ensure(*script, **RENT)["pod"]["stage"] == "addressed"


def test_an_outbid_pod_is_lost_at_once_and_said_to_be_outbid(ensure):
    bid = {**RENT, "interruptible": True, "bid": 0.3}
    outbid = rows.stopped(actual_status="loading", is_bid=True)
    credit = expect("GET", USER).reply({"id": 1, "credit": 5})
    logs = [expect("PUT", "/api/v0/instances/request_logs/12345678/").reply({"msg": "none"}, 404)] * 2
    buy = expect("PUT", ASK, body=lambda body: body["price"] == 0.3).reply({"success": True, "new_contract": 12345678})
    script = (NOTHING, NOTHING, GPUS, MARKET, no_keys(), buy, ATTACH, shown(outbid), credit, *logs, *ENDED)
    result = ensure(*script, failing=True, **bid)
    assert "was taken away because another customer pays more for its GPU" in result["msg"]


def test_a_contract_of_the_other_kind_is_an_attempt_and_the_next_offer_is_tried(ensure):
    """No more often than attempts says."""
    bid = {**RENT, "interruptible": True, "bid": 0.3}
    market = [rows.offer(), rows.offer(ask_contract_id=3, machine_id=7, dph_base=0.5)]
    script = (
        *(NOTHING, NOTHING, GPUS, expect("POST", SEARCH).reply({"offers": market})),
        *(no_keys(), BUY, ATTACH, shown(is_bid=False), *ENDED),
    )
    again = (
        no_keys(),
        expect("PUT", "/api/v0/asks/3/").reply({"success": True, "new_contract": 9}),
        expect("POST", "/api/v0/instances/9/ssh/").reply({"success": True}),
        expect("GET", "/api/v0/instances/9/").reply({"instances": rows.instance(id=9, is_bid=True)}),
    )
    result = ensure(*script, *again, attempts=2, **bid)
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["given back", "rented"]
    result = ensure(*script, failing=True, attempts=1, **bid)
    assert "says that it is on demand" in result["msg"] and len(result["attempts"]) == 1


def test_an_interruptible_without_a_bid_is_refused_for_nothing(ensure):
    assert "bid is not given" in ensure(failing=True, interruptible=True, **RENT)["msg"]
    assert "only interruptible pods have a bid" in ensure(failing=True, interruptible=False, bid=0.2, **RENT)["msg"]


LATER = ("bid is 900", "size is 0", "absolute", "one path", "vm and", "option hostname", "option network")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"search": "gpu_rma>=24"}, "no field 'gpu_rma'"),
        ({"search": {"gpu_ram": {"above": 2}}}, "operator 'above'"),
        ({"search": 7}, "a mapping like"),
        ({"regions": ["atlantis"]}, "atlantis"),
        ({"regions": ["ZZ"]}, "ZZ"),
        ({"public_keys": ["/home/me/.ssh/id_ed25519.pub"]}, "not its path"),
        ({"public_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "a private key"),
        ({"volume": {"path": "/data"}}, "Give either the id of an existing volume or the size of a new one"),
        ({"volume": {"id": "7", "size": 3}}, "Give either the id of an existing volume or the size of a new one"),
        ({"volume": {"id": "7", "name": "x"}}, "only a new volume takes a name"),
        ({"state": "running", "target_state": "stopped"}, "exclude each other"),
        ({"bid": 900}, "option bid is 900"),
        ({"volume": {"size": 0}}, "volume.size is 0"),
        ({"volume": {"size": 5, "path": "data"}}, "absolute path"),
        ({"volume": {"size": 5, "path": "/d"}, "more_volumes": [{"id": "7", "path": "/d"}]}, "at one path"),
        ({"volume": {"size": 5}, "vm": True}, "vm and volume exclude"),
        ({"network": "ring", "vm": True}, "vm and network exclude"),
        ({"hostname": "no_good.example"}, "option hostname"),
        ({"network": "a b"}, "option network"),
    ],
)
def test_bad_input_is_one_sentence_before_any_request(ensure, options, why):
    # What concerns the shape of the options is found before the list is read, what a new pod may be after it.
    first = (NOTHING,) if any(word in why for word in LATER) else ()
    assert why in ensure(*first, failing=True, **{**RENT, **options})["msg"]


def test_a_name_that_two_pods_have_is_refused(ensure):
    both = expect("GET", LIST).reply(listed(rows.instance(label="x"), rows.instance(id=2, label="x")))
    assert "2 pods answer to the name x" in ensure(both, failing=True, **{**RENT, "name": "x"})["msg"]


@pytest.mark.parametrize("wrong", ["~/.ssh/id_ed25519.pub", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl"])
def test_what_is_no_public_key_is_told_also_where_a_private_key_is_given(ensure, tmp_path, wrong):
    """Such a text fits no private key, and to say that would send people the wrong way."""
    private = tmp_path / "key"
    private.write_text("not read")
    wish = {**RENT, "public_keys": [wrong], "wait_for": "ready", "private_key_file": str(private)}
    result = ensure(failing=True, **wish)
    assert "has an entry that is not a public SSH key" in result["msg"] and "b3Bl" not in result["msg"]


def test_a_pod_that_is_elsewhere_is_told_by_the_option_that_this_module_has(ensure):
    result = ensure(here(), failing=True, regions=["DE"], **RENT)
    assert "regions: it is in US, but you asked for DE" in result["msg"]


def test_label_and_bid_are_changed_in_place(ensure):
    row = rows.instance(is_bid=True, dph_base=0.2)
    label = expect("PUT", ONE, body={"label": "b"}).reply({"success": True})
    bid = expect("PUT", "/api/v0/instances/bid_price/12345678/", body={"client_id": "me", "price": 0.3})
    after = rows.instance(is_bid=True, dph_base=0.3, label="b")
    wanted = {"id": "12345678", "name": "b", "bid": 0.3, "wait": False}
    alone = expect("GET", LIST).reply(listed(row))
    result = ensure(shown(row), alone, label, bid.reply({"success": True}), shown(after), **wanted)
    assert result["changed"] is True
    assert (result["diff"]["before"]["bid"], result["diff"]["after"]["bid"]) == (0.2, 0.3)
    assert ensure(shown(after), **wanted)["changed"] is False


def test_a_pod_elsewhere_is_told_in_words_of_this_module(ensure):
    result = ensure(here(), failing=True, **{**RENT, "regions": ["DE"]})
    assert "cannot be changed: regions: it is in US" in result["msg"]


def test_a_label_that_another_pod_has_is_not_given_twice(ensure):
    both = expect("GET", LIST).reply(listed(rows.instance(label="a"), rows.instance(id=2, label="b")))
    result = ensure(shown(label="a"), both, failing=True, id="12345678", name="b", wait=False)
    assert "b (2) on vastai is called b already" in result["msg"]


@pytest.mark.parametrize("template", [None, "0123456789abcdef0123456789abcdef"])
def test_on_a_pod_that_is_there_a_path_for_a_key_and_an_unknown_template_are_refused(ensure, template):
    path = {**RENT, "public_keys": ["~/.ssh/id_ed25519.pub"]}
    assert "not its path" in ensure(failing=True, **path)["msg"]
    there = here(template_hash_id=template)
    unknown = expect("GET", "/api/v0/template/").reply({"templates": []})
    assert "has no template 'nonesuch'" in ensure(there, unknown, failing=True, template="nonesuch", **RENT)["msg"]


def test_a_tag_that_the_service_chooses_is_no_difference(ensure):
    wish = {**RENT, "image": "vastai/pytorch:@vastai-automatic-tag"}
    assert ensure(here(image_uuid="vastai/pytorch:2.8.0-cu128"), **wish)["changed"] is False
    assert "set allow_reset" in ensure(here(image_uuid="vastai/base:1"), failing=True, **wish)["msg"]


def test_a_pod_with_a_new_volume_is_there_with_any(ensure):
    wish = {**RENT, "volume": {"size": 50, "path": "/data"}}
    volume = [{"volume_id": 7, "mount_path": "/data", "size": 50}]
    assert ensure(here(volume_info=volume), **wish)["changed"] is False
    assert "you asked for a new one of 50 GB" in ensure(here(), failing=True, **wish)["msg"]


def test_a_pod_that_is_made_stopped_stays_so_and_is_not_waited_for(ensure):
    make = expect("PUT", ASK, body=lambda body: body["target_state"] == "stopped")
    script = (
        NOTHING,
        NOTHING,
        GPUS,
        MARKET,
        no_keys(),
        make.reply({"success": True, "new_contract": 12345678}),
        ATTACH,
    )
    result = ensure(*script, shown(rows.stopped(actual_status=None)), target_state="stopped", **RENT)
    assert (result["pod"]["phase"], result["pod"]["billing"], result["pod"]["stage"]) == ("stopped", "disk", "rented")
    off = expect("GET", LIST).reply(listed(rows.stopped(actual_status=None)))
    credit = expect("GET", USER).reply({"id": 1, "credit": 5})
    assert ensure(off, credit, target_state="stopped", **RENT)["changed"] is False


def test_an_image_of_a_pod_that_runs_is_changed_only_when_that_is_meant(ensure):
    result = ensure(here(), failing=True, **{**RENT, "image": "other:1"})
    assert "To accept that, set allow_reset to true" in result["msg"]


def test_a_pod_is_stopped_with_its_price_and_started(ensure):
    stop = expect("PUT", ONE, body={"state": "stopped"}).reply({"success": True})
    off = expect("GET", LIST).reply(listed(rows.stopped()))
    result = ensure(here(), stop, shown(rows.stopped()), off, name=NAME, state="stopped")
    assert (result["changed"], result["pod"]["phase"], result["pod"]["billing"]) == (True, "stopped", "disk")
    assert "still costs USD 9.00 per month" in str(result["warnings"])
    # At another address nobody knows whose stop it was.
    credit = expect("GET", USER).reply({"id": 1, "credit": 5})
    assert ensure(off, credit, name=NAME, state="stopped")["changed"] is False
    start = expect("PUT", ONE, body={"state": "running"}).reply({"success": True})
    result = ensure(off, credit, start, shown(), shown(), name=NAME, state="running", wait_for="addressed")
    assert (result["changed"], result["pod"]["phase"]) == (True, "running")


def test_a_start_whose_gpu_is_gone_says_what_to_do(ensure):
    off = expect("GET", LIST).reply(listed(rows.stopped()))
    credit = expect("GET", USER).reply({"id": 1, "credit": 5})
    queued = {"success": False, "error": "resources_unavailable", "msg": "state change queued."}
    script = (off, credit, expect("PUT", ONE).reply(queued), expect("PUT", ONE, body={"state": "stopped"}).reply({}))
    result = ensure(*script, failing=True, name=NAME, state="running")
    assert "on that one machine" in result["msg"]
    assert "checkpoint" in result["msg"]


@pytest.mark.parametrize(("state", "action"), [("rebooted", "reboot"), ("recycled", "recycle")])
def test_reboot_and_recycle_happen_each_time(ensure, state, action):
    order = expect("PUT", f"/api/v0/instances/{action}/12345678/").reply({"success": True})
    for _again in range(2):
        result = ensure(here(), order, shown(), shown(), name=NAME, state=state, wait=False)
        assert result["changed"] is True
    assert ensure(here(), check=True, name=NAME, state=state)["changed"] is True


def test_a_pod_is_ended_and_proved_gone(ensure):
    result = ensure(here(), *ENDED, name=NAME, state="absent")
    assert (result["changed"], result["pods_gone"][0]["gone_proved"]) == (True, True)
    assert ensure(NOTHING, NOTHING, name=NAME, state="absent")["changed"] is False
    assert ensure(here(), check=True, name=NAME, state="absent")["changed"] is True


def test_a_pod_that_comes_back_is_ended_again(ensure):
    """Once absent, then there again: the count begins anew."""
    back = (END, NOTHING, NULL, here(), NOTHING, NULL, NOTHING, NULL)
    assert ensure(here(), *back, name=NAME, state="absent")["pods_gone"][0]["gone_proved"] is True
