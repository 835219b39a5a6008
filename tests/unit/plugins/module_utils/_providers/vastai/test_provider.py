# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver for Vast.ai against a scripted server."""

from __future__ import annotations

import json

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import Offer
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Mount
from ansible_collections.podyard.gpu.plugins.module_utils._pods.attempts import AttemptLog
from ansible_collections.podyard.gpu.plugins.module_utils._pods.context import PodContext
from ansible_collections.podyard.gpu.plugins.module_utils._pods.readiness import Reached
from ansible_collections.podyard.gpu.plugins.module_utils._pods.rent import OfferPool, RentLimits, RentTarget, rent
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai import wire
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime, Lines
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai import rows
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai.talk import (
    ASK,
    AUTH,
    KEYS,
    LIST,
    ONE,
    PAGE,
    USER,
    driver,
    listed,
    no_keys,
    request,
)

SSH = "/api/v0/instances/12345678/ssh/"
ATTACHED = {"success": False, "msg": "SSH key already associated with instance."}
MADE = {"success": True, "new_contract": 12345678, "instance_api_key": "0" * 64}


def shown(**changes):
    return expect("GET", ONE).reply({"instances": rows.instance(**changes)})


# -- create


def test_a_create_says_what_it_wants_once():
    with Conversation(no_keys(), expect("PUT", ASK).reply(MADE)) as api:
        pod = driver(api).create(request(env={"A": "b c"}, ports=("22/tcp", "8080/tcp", "9000/udp")))
    assert (pod.id, pod.name, pod.phase, pod.host) == ("12345678", "podyard-digits-r1-0-1", "provisioning", "18422")
    body = api.log[-1][2]
    onstart = body.pop("onstart")
    assert body == {
        "client_id": "me",
        "image": "pytorch/pytorch:2.4.0",
        "disk": 60,
        "label": "podyard-digits-r1-0-1",
        "runtype": "ssh_direc ssh_proxy",
        "target_state": "running",
        "cancel_unavail": True,
        "env": {"A": "b c", "-p 8080:8080": "1", "-p 9000:9000/udp": "1"},
    }
    assert onstart.count(rows.KEY_LINE) == 1
    assert "touch ~/.no_auto_tmux" in onstart


def test_a_bid_is_sent_as_the_price():
    with Conversation(no_keys(), expect("PUT", ASK, body=lambda body: body["price"] == 0.21).reply(MADE)) as api:
        driver(api).create(request(bid=0.21))


def test_the_key_is_on_the_account_before_the_create_and_off_it_after_the_end():
    added = expect("POST", KEYS, body={"ssh_key": rows.KEY_LINE}).reply({"success": True, "key": {"id": 9}})
    with Conversation(
        expect("GET", KEYS).reply(
            [{"id": 5, "key": "/home/me/.ssh/id.pub"}, {"id": 6, "key": rows.KEY_LINE, "deleted_at": 1}]
        ),
        added,
        expect("PUT", ASK).reply(MADE),
        expect("POST", SSH, body={"ssh_key": rows.KEY_LINE}).reply({"success": True}),
        shown(),
        expect("DELETE", ONE).reply({"success": True}),
        expect("DELETE", f"{KEYS}9/").reply({"success": True}),
    ) as api:
        vast = driver(api)
        vast.finish_create(vast.create(request()), request())
        assert vast.terminate("12345678") is True


def key_added(key_id=9):
    return expect("GET", KEYS).reply([]), expect("POST", KEYS).reply({"success": True, "key": {"id": key_id}})


def key_off(key_id=9):
    return expect("DELETE", f"{KEYS}{key_id}/").reply({"success": True})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "insufficient_credit"}, errors.PaymentRequired),
        (410, {"error": "no_such_ask"}, errors.NoCapacity),
        (400, {"error": "invalid_args", "msg": "error 400/3467: Invalid args"}, errors.BadRequest),
    ],
)
def test_no_key_stays_when_an_offer_is_refused_which_may_have_been_the_last(status, body, kind):
    refused = expect("PUT", ASK).reply(body, status)
    with Conversation(*key_added(), refused, key_off()) as api, pytest.raises(kind):
        driver(api).create(request())


def test_the_key_of_a_contract_that_came_with_an_error_goes_with_it():
    half = expect("PUT", ASK).reply({"success": False, "error": "invalid_price", "new_contract": 12345678}, 400)
    with Conversation(*key_added(), half, expect("DELETE", ONE).reply({"success": True}), key_off()) as api:
        vast = driver(api)
        with pytest.raises(errors.CloudError):
            vast.create(request(bid=0.1))
        vast.terminate("12345678")


def test_no_key_stays_when_another_task_was_first():
    with Conversation(no_keys(), expect("PUT", ASK).reply(MADE), *key_added(), key_off()) as api:
        driver(api).create(request())
        with pytest.raises(errors.NoCapacity, match="another task of this machine"):
            driver(api).create(request(name="podyard-digits-r2-0-1"))


def test_without_credit_no_other_offer_is_tried_also_when_a_contract_was_made():
    half = expect("PUT", ASK).reply({"success": False, "error": "insufficient_credit", "new_contract": 12345678}, 400)
    with Conversation(no_keys(), half) as api, pytest.raises(errors.PaymentRequired) as caught:
        driver(api).create(request())
    assert (caught.value.made, caught.value.elsewhere) == ("12345678", "no")


def test_a_team_takes_no_account_keys_and_the_pod_gets_them_all_the_same():
    team = {"success": False, "error": "team_ssh_keys_not_supported", "msg": "Teams have no keys"}
    with Conversation(
        expect("GET", KEYS).reply([]), expect("POST", KEYS).reply(team, 400), expect("PUT", ASK).reply(MADE)
    ) as api:
        vast = driver(api)
        vast.create(request())
    assert "only on the pod itself" in vast.notes[0]


def test_an_error_with_a_contract_names_the_contract():
    half = {"success": False, "error": "invalid_price", "msg": "bid too low", "new_contract": 12345678}
    with (
        Conversation(no_keys(), expect("PUT", ASK).reply(half, 400)) as api,
        pytest.raises(errors.CloudError) as caught,
    ):
        driver(api).create(request(bid=0.1))
    assert (caught.value.made, caught.value.elsewhere) == ("12345678", "yes")
    assert "The option bid is 0.1" in caught.value.message


def test_a_contract_that_came_with_an_error_is_ended_before_the_next_offer_is_tried():
    half = {"success": False, "error": "whatever", "msg": "GPU busy", "new_contract": 12345678}
    time = FakeTime()
    gone = [expect("GET", LIST).reply(listed()), expect("GET", ONE).reply({"instances": None})] * 2
    other = rows.instance(id=9, machine_id=2)
    with Conversation(
        no_keys(),
        expect("PUT", ASK).reply(half, 400),
        expect("DELETE", ONE).reply({"success": True}),
        *gone,
        no_keys(),
        expect("PUT", "/api/v0/asks/2/").reply({"success": True, "new_contract": 9}),
        expect("POST", "/api/v0/instances/9/ssh/").reply(ATTACHED),
        expect("GET", "/api/v0/instances/9/").reply({"instances": other}),
    ) as api:  # fmt: skip
        work = PodContext(driver(api, time), time.polls(), Lines(), None, 0.0)
        found = [
            Offer("vastai", "RTX 4090", "RTX 4090", 1, 24, 0.4, None, id=number, host=number)
            for number in ("21530011", "2")
        ]
        history = AttemptLog()

        def make(offer, attempt):
            return request(offer_id=offer.id, name=f"podyard-digits-r1-0-{attempt}")

        targets = {"vastai": RentTarget(work, make, lambda pod: Reached("rented", pod))}
        reached = rent(targets, OfferPool(found), 1, RentLimits(1.0, 2), history)
    assert reached.pod.id == "9"
    assert [attempt["outcome"] for attempt in history.attempts] == ["given back", "rented"]
    assert history.gone[0]["gone_proved"] is True


@pytest.mark.parametrize(
    ("status", "body", "kind", "elsewhere"),
    [
        (400, {"error": "no_such_ask", "msg": "gone"}, errors.NoCapacity, "yes"),
        (404, {"error": "invalid_args", "msg": "error 404/3603: no_such_ask"}, errors.NoCapacity, "yes"),
        (410, {"error": "no_such_ask", "msg": "error 410/3907: no_such_ask"}, errors.NoCapacity, "yes"),
        (400, {"error": "invalid_price", "msg": "too low"}, errors.BadRequest, "yes"),
        (400, {"error": "invalid_args", "msg": "error 400/3467: Invalid args"}, errors.BadRequest, "once"),
        (400, {"error": "insufficient_credit"}, errors.PaymentRequired, "no"),
        (404, AUTH, errors.AuthError, "no"),
    ],
)
def test_a_refused_create_says_whether_another_offer_may_do(status, body, kind, elsewhere):
    with Conversation(no_keys(), expect("PUT", ASK).reply(body, status)) as api, pytest.raises(kind) as caught:
        driver(api).create(request())
    assert caught.value.elsewhere == elsewhere
    assert caught.value.made is None


def test_a_create_without_an_answer_is_never_sent_again():
    for lost in (
        expect("PUT", ASK).drop(),
        expect("PUT", ASK).reply("", 500),
        expect("PUT", ASK).reply({"success": True}),
    ):
        with Conversation(no_keys(), lost) as api, pytest.raises(errors.Ambiguous):
            driver(api).create(request())


def test_one_offer_is_not_rented_twice_by_the_tasks_of_one_machine():
    with Conversation(no_keys(), expect("PUT", ASK).reply(MADE), no_keys()) as api:
        driver(api).create(request())
        with pytest.raises(errors.NoCapacity, match="another task of this machine") as caught:
            driver(api).create(request(name="podyard-digits-r2-0-1"))
    assert caught.value.elsewhere == "yes"
    # A refused offer, and one whose pod has ended, are free again.
    ended = expect("DELETE", ONE).reply({"success": True})
    gone = expect("PUT", ASK).reply({"error": "no_such_ask"}, 410)
    with Conversation(no_keys(), expect("PUT", ASK).reply(MADE), ended, no_keys(), gone, no_keys(), gone) as api:
        driver(api).create(request())
        driver(api).terminate("12345678")
        for _again in range(2):
            with pytest.raises(errors.NoCapacity, match="no_such_ask"):
                driver(api).create(request())


def test_a_message_repeats_no_secret():
    text = "Invalid args: env TOKEN=hunter22222 -p hunter33333"
    login = {"registry_login": {"username": "me", "password": "hunter33333", "server": None}}
    with (
        Conversation(no_keys(), expect("PUT", ASK).reply({"error": "invalid_args", "msg": text}, 400)) as api,
        pytest.raises(errors.BadRequest) as caught,
    ):
        driver(api).create(request(env={"TOKEN": "hunter22222"}, extra=login))
    assert api.log[-1][2]["image_login"] == "-u me -p hunter33333 docker.io"
    assert "hunter" not in caught.value.message


# -- settle and start_once


def test_the_contract_is_read_back_where_it_is_shown_first():
    row = rows.instance(dph_total=0.5)
    attach = expect("POST", SSH).reply({"success": True})
    with Conversation(
        attach, expect("GET", ONE).reply({"instances": None}), expect("GET", LIST).reply(listed(row))
    ) as api:
        vast = driver(api)
        pod = vast.finish_create(made(), request())
    assert pod.usd_per_hour == 0.5


NEW_VOLUME = Mount("network", "/data", size_gb=50)
ROOM = expect(
    "POST", "/api/v0/volumes/search/", body={"machine_id": {"eq": 18422}, "disk_space": {"gte": 50}, "limit": 1}
)
VOLUMES = "/api/v0/volumes/"


def test_a_new_volume_goes_to_the_machine_of_the_offer_and_is_named_after_the_pod():
    create = expect("PUT", ASK, body=lambda body: body["volume_info"] == {
        "create_new": True, "volume_id": 4018422, "size": 50, "mount_path": "/data", "name": "podyard-digits-r1-0-1",
    })  # fmt: skip
    with Conversation(ROOM.reply({"offers": [{"id": 4018422}]}), no_keys(), create.reply(MADE)) as api:
        driver(api).create(request(network_volume=NEW_VOLUME))
    named = expect("PUT", ASK, body=lambda body: body["volume_info"]["name"] == "data").reply(MADE)
    with Conversation(ROOM.reply({"offers": [{"ask_contract_id": 9}]}), no_keys(), named) as api:
        driver(api).create(request(network_volume=NEW_VOLUME, extra={"volume_name": "data"}))


def test_a_machine_without_room_for_the_volume_is_passed_over_for_nothing():
    with Conversation(ROOM.reply({"offers": []})) as api, pytest.raises(errors.NoCapacity, match="no room") as refused:
        driver(api).create(request(network_volume=NEW_VOLUME))
    assert refused.value.elsewhere == "yes"


def test_the_new_volume_of_a_pod_that_is_given_back_does_not_go_on_billing():
    rented = (ROOM.reply({"offers": [{"id": 9}]}), no_keys(), expect("PUT", ASK).reply(MADE))
    end = expect("DELETE", ONE).reply({"success": True})
    there = {"volumes": [{"id": 5, "label": "other"}, {"id": 7, "label": "podyard-digits-r1-0-1", "name": "V.7"}]}
    listing = expect("GET", VOLUMES).reply(there)
    busy = expect("DELETE", VOLUMES, body={"id": 7}).reply({"error": "invalid_args", "msg": "in use"}, 400)
    deleted = expect("DELETE", VOLUMES, body={"id": 7}).reply({"success": True})
    with Conversation(*rented, end, listing, busy, listing, deleted) as api:
        vast = driver(api)
        vast.create(request(network_volume=NEW_VOLUME))
        vast.terminate("12345678")
    assert vast.notes == ()
    with Conversation(*rented, end, *[listing, busy] * 5) as api:
        vast = driver(api)
        vast.create(request(network_volume=NEW_VOLUME))
        vast.terminate("12345678")
    assert "may still bill" in vast.notes[0] and "podyard.gpu.vastai_volume" in vast.notes[0]
    with Conversation(end) as api:  # one that was kept, in a later call
        driver(api).terminate("12345678")


def test_more_volumes_a_host_name_and_a_network_are_flags_of_docker():
    volumes = {"volumes": [{"id": 881, "name": "V.881", "label": "cache", "machine_id": 18422}]}
    create = expect("PUT", ASK, body=lambda body: body["env"] == {
        "-h": "trainer", "-n ring": "1", "-v V.881:/cache": "1"
    })  # fmt: skip
    extra = {"hostname": "trainer", "network": "ring", "more_volumes": [{"id": "cache", "path": "/cache"}]}
    with Conversation(expect("GET", VOLUMES).reply(volumes), no_keys(), create.reply(MADE)) as api:
        driver(api).create(request(network_volume=Mount("network", "/data", volume_id="7"), extra=extra))
    volumes["volumes"][0]["machine_id"] = 7
    with (
        Conversation(expect("GET", VOLUMES).reply(volumes)) as api,
        pytest.raises(errors.BadRequest, match="machine 7"),
    ):
        driver(api).create(request(extra=extra))


def test_a_pod_may_be_made_stopped_and_that_is_nobody_elses_doing():
    create = expect("PUT", ASK, body=lambda body: body["target_state"] == "stopped").reply(MADE)
    row = rows.stopped(actual_status=None, is_bid=True)
    with Conversation(
        no_keys(), create, expect("POST", SSH).reply({}), expect("GET", ONE).reply({"instances": row})
    ) as api:
        vast = driver(api)
        wish = request(bid=0.2, extra={"target_state": "stopped"})
        pod = vast.finish_create(vast.create(wish), wish)
    assert (pod.phase, pod.interruption, pod.billing) == ("stopped", None, "disk")


def made():
    """The pod as a create returns it."""
    return wire.made(request(), "12345678")


def test_a_contract_of_the_other_kind_is_not_kept():
    attach = expect("POST", SSH).reply({"success": True})
    with Conversation(attach, shown(is_bid=False)) as api, pytest.raises(errors.WrongContract, match="on demand"):
        driver(api).finish_create(made(), request(bid=0.2))
    with Conversation(attach, shown(is_bid=True)) as api, pytest.raises(errors.WrongContract, match="is interruptible"):
        driver(api).finish_create(made(), request())


def test_a_key_that_cannot_be_attached_is_no_reason_to_give_up():
    lost = expect("POST", SSH).reply({"error": "no_such_instance"}, 404)
    with Conversation(lost, lost, lost, shown()) as api:
        vast = driver(api)
        vast.finish_create(made(), request())
    assert "in its start script only" in vast.notes[0]


def test_a_contract_that_sits_stopped_gets_one_start():
    start = expect("PUT", ONE, body={"state": "running"}).reply({"success": True})
    row = rows.stopped(actual_status="loading")
    with Conversation(expect("GET", ONE).reply({"instances": row}), start, shown()) as api:
        assert driver(api).start_once(made()) is True
    for row in (rows.instance(), rows.stopped(actual_status="loading", is_bid=True), rows.stopped(), None):
        with Conversation(expect("GET", ONE).reply({"instances": row})) as api:
            assert driver(api).start_once(made()) is False


# -- looking


def test_none_is_not_found_and_unreadable_is_neither():
    with Conversation(expect("GET", ONE).reply({"instances": None})) as api, pytest.raises(errors.NotFound):
        driver(api).get_pod("12345678")
    with Conversation(expect("GET", ONE).reply("")) as api, pytest.raises(errors.BadAnswer):
        driver(api).get_pod("12345678")
    with Conversation(expect("GET", ONE).reply(AUTH, 404)) as api, pytest.raises(errors.AuthError):
        driver(api).get_pod("12345678")
    with Conversation() as api, pytest.raises(errors.NotFound, match="ids are numbers"):
        driver(api).get_pod("../users")


def test_the_list_is_read_to_its_end():
    first = listed(*(rows.instance(id=number) for number in range(1, 26)), total_instances=26, next_token="abc")
    second = listed(rows.instance(id=26), total_instances=26)
    with Conversation(
        expect("GET", LIST, query=PAGE).reply(first),
        expect("GET", LIST, query={**PAGE, "after_token": "abc"}).reply(second),
    ) as api:
        assert len(driver(api).list_pods()) == 26


@pytest.mark.parametrize(
    "body", ["", "[]", {}, {"instances": None}, {"instances": [1]}, {"instances": [], "total_instances": 3}]
)
def test_an_answer_that_cannot_be_read_is_not_an_empty_list(body):
    with Conversation(expect("GET", LIST).reply(body)) as api, pytest.raises(errors.BadAnswer):
        driver(api).list_pods()


def test_a_list_that_goes_round_is_refused():
    page = expect("GET", LIST).reply(listed(rows.instance(), next_token="x"))
    with Conversation(page, page) as api, pytest.raises(errors.BadAnswer, match="repeat"):
        driver(api).list_pods()


def test_a_stop_is_explained_by_the_credit_or_by_ourselves():
    stopped = expect("GET", ONE).reply({"instances": rows.stopped(is_bid=True)})
    with Conversation(stopped, expect("GET", USER).reply({"id": 1, "credit": -0.02})) as api:
        assert driver(api).get_pod("12345678").interruption == "no credit"
    with Conversation(stopped, expect("GET", USER).reply({"id": 1, "credit": 4})) as api:
        assert driver(api).get_pod("12345678").interruption == "outbid"
    stop = expect("PUT", ONE, body={"state": "stopped"}).reply({"success": True})
    with Conversation(stop, stopped) as api:
        pod = driver(api).stop("12345678")
    assert (pod.interruption, pod.billing) == (None, "disk")


def test_the_balance_is_what_can_be_spent():
    with Conversation(expect("GET", USER).reply({"id": 1, "balance": 0, "credit": 12.5})) as api:
        assert driver(api).account().balance_usd == 12.5
    with Conversation(expect("GET", USER).reply("")) as api, pytest.raises(errors.BadAnswer):
        driver(api).account()


def test_a_log_comes_from_elsewhere():
    with Conversation(key=None) as store:
        ask = expect("PUT", "/api/v0/instances/request_logs/12345678/", body={"tail": "2", "daemon_logs": "true"})
        with Conversation(ask.reply({"success": True, "result_url": f"{store.url}/x"})) as api:
            store._script.append(expect("GET", "/x").reply("one\ntwo\nthree\n"))
            assert driver(api).logs("12345678", source="system", tail=2) == ["two", "three"]


# -- changing


def test_label_and_bid_are_changed_in_place_and_the_rest_by_its_template():
    update = "/api/v0/instances/update_template/12345678/"
    bid = expect("PUT", "/api/v0/instances/bid_price/12345678/", body={"client_id": "me", "price": 0.3})
    body = {"id": 12345678, "image": "x:2", "env": {"A": "1", "-p 8080:8080": "1"}}
    body["onstart"] = "touch ~/.no_auto_tmux\n# podyard: the user's own part\ntrue"
    with Conversation(
        expect("PUT", ONE, body={"label": "b"}).reply({"success": True}),
        bid.reply({"success": True}),
        shown(),
        expect("PUT", update, body=body).reply({"success": True}),
        shown(),
    ) as api:  # fmt: skip
        driver(api).update("12345678", {"name": "b", "bid": 0.3, "image": "x:2", "env": {"A": "1"}, "onstart": "true"})


def test_a_start_without_a_gpu_is_called_off():
    queued = {"success": False, "error": "resources_unavailable", "msg": "state change queued."}
    with Conversation(
        expect("PUT", ONE, body={"state": "running"}).reply(queued),
        expect("PUT", ONE, body={"state": "stopped"}).reply({"success": True}),
    ) as api, pytest.raises(errors.NoCapacity, match="rented to another"):  # fmt: skip
        driver(api).start("12345678")


def test_reboot_and_recycle_are_sent_once():
    for verb, action in (("restart", "reboot"), ("recycle", "recycle")):
        path = f"/api/v0/instances/{action}/12345678/"
        with Conversation(expect("PUT", path).reply({"success": True}), shown()) as api:
            getattr(driver(api), verb)("12345678")
        with Conversation(expect("PUT", path).drop()) as api, pytest.raises(errors.Ambiguous):
            getattr(driver(api), verb)("12345678")


@pytest.mark.parametrize(
    ("status", "body", "taken"),
    [
        (200, {"success": True}, True),
        (404, {"error": "not_found"}, False),
        (404, {"error": "no_such_instance"}, False),
        (200, {"success": False, "error": "no_such_instance"}, False),
    ],
)
def test_all_that_mean_gone_mean_gone(status, body, taken):
    with Conversation(expect("DELETE", ONE, body={}).reply(body, status)) as api:
        assert driver(api).terminate("12345678") is taken


def test_a_refused_key_is_not_gone():
    with Conversation(expect("DELETE", ONE).reply(AUTH, 404)) as api, pytest.raises(errors.AuthError):
        driver(api).terminate("12345678")


def test_what_a_stop_costs_is_the_disk():
    with Conversation(shown()) as api:
        vast = driver(api)
        cost = vast.stop_cost(vast.get_pod("12345678"))
    assert cost.usd_per_month == 9.0
    assert "its disk" in cost.keeps


# -- checks, for nothing


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bid": 0.0001}, "option bid is 0.0001"),
        ({"bid": 500.0}, "option bid is 500.0"),
        ({"public_keys": ("/home/me/.ssh/id_ed25519.pub",)}, "not its path"),
        ({"ports": ("8888/http",)}, "http is not supported"),
        ({"image": None}, "needs an image"),
        ({"disk_gb": 0}, "option disk is 0"),
        ({"env": {"KEY": f"x{KEY}"}}, "no pod may get"),
        ({"env": {"a b": "x"}}, "cannot be the name"),
        ({"onstart": "x" * 5000}, "the most is 4000"),
        ({"extra": {"args_list": ["x" * 3000, "y" * 2000]}}, "args and onstart have 5000 characters"),
        ({"args": "run", "extra": {"runtype": "direct"}}, "exclude each other"),
        ({"name": "x" * 300}, "has 300 characters"),
        ({"regions": ("atlantis",), "offer_id": None}, "neither a country nor a region"),
    ],
)
def test_what_would_be_refused_is_found_for_nothing(changes, why):
    with Conversation() as api, pytest.raises(errors.BadRequest, match=why):
        driver(api).check(request(**changes))


def test_what_cannot_be_changed_is_found_for_nothing():
    with Conversation(shown()) as api:
        vast = driver(api)
        pod = vast.get_pod("12345678")
        for changes, why in (({"disk_gb": 80}, "cannot be changed"), ({"bid": 0.2}, "takes no bid")):
            with pytest.raises(errors.BadRequest, match=why):
                vast.check_changes(pod, changes)
        vast.check_changes(pod, {"name": "x", "image": "y"})


# -- what a pod names


def test_a_template_is_found_by_its_hash_or_its_name():
    template = {"id": 3, "hash_id": "ab" * 16, "name": "mine", "image": "x"}
    query = {"select_filters": json.dumps({"name": {"eq": "mine"}})}
    with Conversation(expect("GET", "/api/v0/template/", query=query).reply({"templates": [template]})) as api:
        assert driver(api).find("template", "mine").id == "ab" * 16
    with (
        Conversation(expect("GET", "/api/v0/template/").reply({"templates": []})) as api,
        pytest.raises(errors.BadRequest, match="no template 'cd"),
    ):
        driver(api).find("template", "cd" * 16)


def test_a_volume_binds_the_pod_to_its_machine():
    volumes = [{"id": 7, "machine_id": 18422}]
    with Conversation(expect("GET", "/api/v0/volumes/").reply({"volumes": volumes})) as api:
        found = driver(api).find("network_volume", "7")
    assert (found.id, found.filters) == ("7", {"machine_id": {"eq": 18422}})
