# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vast.ai's market: what is asked, and what an answer is worth."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import (
    BadAnswer,
    BadRequest,
    NoCapacity,
    TooExpensive,
)
from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import OfferQuery
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Cpu
from ansible_collections.podyard.gpu.plugins.module_utils._market import search
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai import offers
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai import query as query_module
from ansible_collections.podyard.gpu.plugins.modules import vastai_instance, vastai_offer_info
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai import rows
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai.talk import NAMES, SEARCH, driver

GPUS = expect("GET", NAMES).reply({"gpu_names": ["RTX 4090", "RTX 3090", "A100 SXM4", "A100 PCIE"]})


def query(**changes):
    return OfferQuery(**{"gpus": ("4090",), "clouds": (), "disk_gb": 60, **changes})


def found(*raws):
    return expect("POST", SEARCH).reply({"offers": list(raws)})


def test_the_search_says_everything_that_counts():
    body = offers.body(query(regions=("US", "europe"), hours=8, min_cuda_version="12.4", port_count=3), ["RTX 4090"])
    assert body.pop("geolocation")["in"][:2] == ["US", "AD"]
    assert body == {
        "verified": {"eq": True},
        "rentable": {"eq": True},
        "rented": {"eq": False},
        "external": {"eq": False},
        "reliability2": {"gte": 0.95},
        "inet_down": {"gte": 100},
        "inet_down_cost": {"lte": 0.02},
        "inet_up_cost": {"lte": 0.02},
        "compute_cap": {"gte": 600},
        "num_gpus": {"eq": 1},
        "direct_port_count": {"gte": 3},
        "gpu_name": {"in": ["RTX 4090"]},
        "disk_space": {"gte": 60},
        "cuda_max_good": {"gte": 12.4},
        "duration": {"gte": 28800},
        "order": [["dph_total", "asc"]],
        "type": "on-demand",
        "limit": 200,
        "allocated_storage": 60,
    }


def test_a_filter_of_the_user_takes_the_place_of_a_default():
    body = offers.body(query(filters={"verified": None, "reliability2": {"gte": 0.99}, "compute_cap": None}), [])
    assert "verified" not in body
    assert body["reliability2"] == {"gte": 0.99}
    # A filter by CUDA version is never without one by compute capability.
    body = offers.body(query(filters={"compute_cap": None, "cuda_max_good": {"gte": 12.8}}), [])
    assert body["compute_cap"] == {"gte": 600}


def test_the_price_is_with_the_disk_that_will_be_made():
    with Conversation(GPUS, found(rows.offer())) as api:
        offer = next(each for each in driver(api).offers(query()) if each.id)
    # The answer says 0.3615, which is with the disk of nobody.
    assert offer.usd_per_hour == pytest.approx(0.36 + 0.18 * 60 / 720)
    assert (offer.id, offer.host, offer.gpu, offer.region, offer.cloud) == ("21530011", "18422", "RTX 4090", "US", None)
    details = offer.details
    assert (details["gpu_memory_gb"], details["memory_gb"], details["days_left"]) == (24.564, 64.0, 30.0)
    assert (details["compute_capability"], details["inet_down_mbps"], details["verified"]) == (8.9, 905.2, True)


def test_a_gpu_that_nobody_offers_is_none_and_not_unknown():
    with Conversation(GPUS, found()) as api, pytest.raises(NoCapacity) as caught:
        search.rank(driver(api), query(gpus=("3090",)))
    assert "RTX 3090 is offered by no machine that passes the filters" in caught.value.message
    with Conversation(GPUS) as api, pytest.raises(BadRequest, match="could be any of: A100 PCIE"):
        driver(api).offers(query(gpus=("A100",)))
    with Conversation(GPUS) as api, pytest.raises(BadRequest, match="no GPU 'RTX 9999'"):
        driver(api).offers(query(gpus=("RTX 9999",)))


def test_the_order_is_that_of_the_gpus_then_the_price():
    raws = [
        rows.offer(ask_contract_id=1, gpu_name="RTX 3090", dph_base=0.1),
        rows.offer(ask_contract_id=2, dph_base=0.5),
        rows.offer(ask_contract_id=3, dph_base=0.4),
    ]
    with Conversation(GPUS, found(*raws)) as api:
        ranked = search.rank(driver(api), query(gpus=("4090", "3090")))[0]
    assert [offer.id for offer in ranked] == ["3", "2", "1"]
    with Conversation(GPUS, found(*raws)) as api:
        ranked = search.rank(driver(api), query(gpus=("4090", "3090"), prefer="price"))[0]
    assert [offer.id for offer in ranked] == ["1", "3", "2"]


def test_a_bid_that_is_too_low_everywhere_is_told_with_the_nearest_ones():
    raws = [
        rows.offer(ask_contract_id=number, machine_id=number, min_bid=0.2 + number / 100) for number in range(1, 60)
    ]
    wish = query(interruptible=True, bid=0.1)
    with Conversation(GPUS, found(*reversed(raws))) as api, pytest.raises(NoCapacity) as caught:
        search.rank(driver(api), wish)
    assert caught.value.message.count("needs a bid of at least") == 3
    assert "needs a bid of at least USD 0.21 per hour" in caught.value.message
    assert "and 56 more" in caught.value.message


def test_an_answer_that_was_cut_off_does_not_hide_a_gpu():
    cheap = [rows.offer(ask_contract_id=number, gpu_name="RTX 3090") for number in range(1, 65)]
    wanted = expect("POST", SEARCH, body=lambda body: body["gpu_name"] == {"in": ["RTX 4090"]})
    with Conversation(GPUS, found(*cheap), wanted.reply({"offers": [rows.offer()]})) as api:
        names = [offer.gpu for offer in driver(api).offers(query(gpus=("4090", "3090")))]
    assert names.count("RTX 4090") == 1


def test_a_bid_below_the_least_is_an_obstacle_that_is_named():
    bid = expect("POST", SEARCH, body=lambda body: body["type"] == "bid")
    with (
        Conversation(GPUS, bid.reply({"offers": [rows.offer(min_bid=0.3)]})) as api,
        pytest.raises(NoCapacity, match=r"needs a bid of at least USD 0.30 per hour, and the option bid is USD 0.20"),
    ):
        search.rank(driver(api), query(bid=0.2))
    with Conversation(GPUS, bid.reply({"offers": [rows.offer(min_bid=0.2)]})) as api:
        offer = search.rank(driver(api), query(bid=0.2))[0][0]
    assert offer.usd_per_hour == pytest.approx(0.2 + 0.015)


def test_what_is_above_the_cap_is_named_with_its_price():
    with Conversation(GPUS, found(rows.offer())) as api, pytest.raises(TooExpensive) as caught:
        search.rank(driver(api), query(max_price=0.2))
    assert "The cheapest is RTX 4090 at USD 0.375 per hour." in caught.value.message
    assert "cloud" not in caught.value.message


def test_without_the_list_of_names_the_offers_themselves_are_the_catalogue():
    nothing = expect("GET", NAMES).reply({"msg": "no"}, 404)
    with Conversation(nothing, found(rows.offer(), rows.offer(ask_contract_id=2, gpu_name="RTX 3090"))) as api:
        assert [offer.gpu for offer in search.rank(driver(api), query())[0]] == ["RTX 4090"]


def test_the_offer_of_the_example_that_is_no_list_is_read_and_nothing_is_not():
    with Conversation(GPUS, expect("POST", SEARCH).reply({"offers": rows.offer()})) as api:
        assert driver(api).offers(query())[0].id == "21530011"
    for body in ({}, {"offers": None}, "", {"offers": [1]}):
        with Conversation(GPUS, expect("POST", SEARCH).reply(body)) as api, pytest.raises(BadAnswer):
            driver(api).offers(query())


def test_there_are_no_pods_without_gpus():
    with Conversation() as api, pytest.raises(BadRequest, match="leave the option cpu out"):
        driver(api).offers(query(cpu=Cpu("cpu5c", 4)))


# -- wishes that every provider has


def test_wishes_are_said_in_the_services_units():
    wishes = query(
        min_gpu_memory=48, min_compute_capability=8.9, min_vcpus=8, min_ram_gb=64, countries=("DE",), regions=("US",)
    )
    body = offers.body(wishes, [])
    # A card of 48 GB reports 46068 MB.
    assert body["gpu_ram"] == {"gte": 45711}
    assert body["compute_cap"] == {"gte": 890}
    assert body["cpu_cores_effective"] == {"gte": 8}
    assert body["cpu_ram"] == {"gte": 64000}
    assert body["geolocation"] == {"in": ["US", "DE"]}
    assert offers.body(query(min_compute_capability=5.0), [])["compute_cap"] == {"gte": 600}


@pytest.mark.parametrize(
    ("clouds", "filtered"),
    [((), None), (("SECURE",), {"eq": True}), (("COMMUNITY",), {"eq": False}), (("SECURE", "COMMUNITY"), None)],
)
def test_a_cloud_is_a_kind_of_host(clouds, filtered):
    assert offers.body(query(clouds=clouds), []).get("datacenter") == filtered


def test_by_value_the_best_value_is_in_the_part_of_the_answer_that_comes():
    assert offers.body(query(gpus=(), rank_by="value"), [])["order"] == [["dlperf_per_dphtotal", "desc"]]
    assert offers.body(query(rank_by="value"), ["RTX 4090"])["order"] == [["dph_total", "asc"]]


def test_an_interruptible_without_a_bid_is_shown_at_the_least_one():
    bid = expect("POST", SEARCH, body=lambda body: body["type"] == "bid")
    with Conversation(GPUS, bid.reply({"offers": [rows.offer(min_bid=0.2)]})) as api:
        offer = next(each for each in driver(api).offers(query(interruptible=True)) if each.id)
    assert (offer.usd_per_hour, offer.min_bid, offer.interruptible) == (pytest.approx(0.215), 0.2, True)


def test_an_offer_tells_what_a_plan_needs():
    with Conversation(GPUS, found(rows.offer())) as api:
        offer = next(each for each in driver(api).offers(query()) if each.id)
    assert (offer.memory_gb, offer.compute_capability, offer.ram_gb, offer.vcpus) == (24, 8.9, 64.0, 16.0)
    assert (offer.reliability, offer.down_mbps, offer.up_mbps) == (0.9975, 905.2, 812.4)
    assert (offer.usd_per_gb_down, offer.usd_per_gb_up, offer.hours_left, offer.disk_gb) == (0.001, 0.002, 720.0, 412.5)
    assert (offer.disk_usd_per_hour, offer.min_bid, offer.interruptible) == (0.015, None, False)


def test_a_gpu_that_another_provider_may_have_is_no_error():
    with Conversation(GPUS, found(rows.offer())) as api:
        offers_of = driver(api).offers(query(gpus=("4090", "MI300X"), elsewhere=True))
    assert {each.gpu for each in offers_of} == {"RTX 4090", "RTX 3090", "A100 SXM4", "A100 PCIE"}
    with Conversation(GPUS) as api:
        nothing = driver(api).offers(query(gpus=("MI300X",), elsewhere=True))
    assert {each.availability for each in nothing} == {"none"}


# -- what comes near


def near(*raws, **wishes):
    with Conversation(GPUS, found(*raws)) as api:
        return driver(api).near_offers(query(**wishes))


def test_a_second_search_asks_for_the_gpu_and_nothing_else():
    plain = {"gpu_name", "rentable", "rented", "external", "verified", "num_gpus"}
    asked = expect("POST", SEARCH, body=lambda body: set(body) == plain | set(offers.CONTROLS))
    with Conversation(GPUS, asked.reply({"offers": [rows.offer()]})) as api:
        (offer,) = driver(api).near_offers(query(min_cuda_version="13.0", regions=("DE",), hours=10))
    assert (offer.id, offer.objections) == ("21530011", ())


@pytest.mark.parametrize(
    ("raw", "wishes", "wish", "words"),
    [
        (
            {"reliability2": 0.9},
            {},
            "search",
            "has a reliability of 0.9, and at least 0.95 is required (a default, search:",
        ),
        ({"inet_down": 40.0}, {}, "search", "has a download in Mbps of 40, and at least 100 is required"),
        ({"inet_up_cost": 0.05}, {}, "search", "has a price in USD per GB sent of 0.05, and at most 0.02 is required"),
        ({"direct_port_count": 0}, {}, "ports", "has a number of free ports of 0, and at least 1 is required"),
        ({}, {"clouds": ("SECURE",)}, "clouds", "is on a host in no data centre, and SECURE is required"),
        ({"hosting_type": 1}, {"clouds": ("COMMUNITY",)}, "clouds", "is on a host in a data centre, and COMMUNITY"),
        ({}, {"filters": {"gpu_ram": {"gte": 40000}}}, "search", "GB of memory per GPU of 24.564, and at least 40 is"),
        (
            {},
            {"filters": {"geolocation": {"in": ["DE", "FR"]}}},
            "search",
            "the country US, and one of DE, FR is required",
        ),
        ({}, {"filters": {"geolocation": {"notin": ["US"]}}}, "search", "none of US is required (the option search)"),
        ({}, {"filters": {"static_ip": {"eq": False}}}, "search", "has static_ip true, and false is required"),
        ({}, {"filters": {"cpu_name": {"neq": "EPYC_7543"}}}, "search", "another than EPYC_7543 is required"),
        (
            {"dlperf": None},
            {"filters": {"dlperf": {"gt": 1}}},
            "search",
            "has dlperf unknown, and more than 1 is required",
        ),
        ({}, {"filters": {"driver_version": {"lt": 570000000}}}, "search", "less than 5.7e+08 is required"),
    ],
)
def test_each_filter_that_an_offer_breaks_is_an_objection(raw, wishes, wish, words):
    (offer,) = near(rows.offer(**raw), **wishes)
    (objection,) = offer.objections
    assert objection.requirement == wish
    assert words in objection.reason


@pytest.mark.parametrize("version", ["unknown", "1.2.3.4", "²", ["535"]])
def test_a_driver_version_that_cannot_be_read_breaks_a_filter_and_is_no_fault_of_the_user(version):
    (offer,) = near(rows.offer(driver_version=version), filters={"driver_version": {"lt": 570000000}})
    assert "less than 5.7e+08 is required" in offer.objections[0].reason


def test_fewer_gpus_to_a_pod_come_near_where_there_are_not_so_many():
    fewer = expect("POST", SEARCH, body=lambda body: body["num_gpus"] == {"lt": 8})
    with Conversation(GPUS, found(), fewer.reply({"offers": [rows.offer(num_gpus=4)]})) as api:
        (offer,) = driver(api).near_offers(query(gpu_count=8))
    assert offer.gpu_count == 4


def test_a_search_that_finds_nothing_says_which_wish_excludes_what():
    raws = [rows.offer(cuda_max_good=12.2), rows.offer(ask_contract_id=2, machine_id=2, geolocation="Paris, FR")]
    with Conversation(GPUS, found(), GPUS, found(*raws)) as api:
        survey = search.survey({"vastai": driver(api)}, {"vastai": query(min_cuda_version="12.8", regions=("US",))})
    assert [miss.requirements for miss in survey.misses] == [("min_cuda_version",), ("regions",)]
    assert "supports CUDA 12.2 at most, but you asked for 12.8 (option min_cuda_version)" in survey.refusal().message
    assert "is in FR, not in US (option regions)" in survey.refusal().message


SIGNS = {"eq": "=", "gte": ">=", "lte": "<="}


@pytest.mark.parametrize("module", [vastai_offer_info, vastai_instance])
def test_every_default_of_the_search_is_documented_as_it_is_written_there(module):
    words = " ".join(module.DOCUMENTATION.split())
    for field, conditions in offers.DEFAULTS.items():
        ((sign, value),) = conditions.items()
        text = str(value).lower() if isinstance(value, bool) else f"{value:g}"
        assert f"{query_module.spelled(field)}{SIGNS[sign]}{text}" in words
