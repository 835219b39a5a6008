# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vast.ai's market: what is asked, and what an answer is worth."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils import _market
from ansible_collections.podyard.gpu.plugins.module_utils._errors import (
    BadAnswer,
    BadRequest,
    NoCapacity,
    TooExpensive,
)
from ansible_collections.podyard.gpu.plugins.module_utils._offer import OfferQuery
from ansible_collections.podyard.gpu.plugins.module_utils._pod import Cpu
from ansible_collections.podyard.gpu.plugins.module_utils._vastai import offers
from ansible_collections.podyard.gpu.tests.unit.conversation import Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.plugins.module_utils._vastai import rows
from ansible_collections.podyard.gpu.tests.unit.plugins.module_utils._vastai.talk import NAMES, SEARCH, driver

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
        _market.rank(driver(api), query(gpus=("3090",)))
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
        ranked = _market.rank(driver(api), query(gpus=("4090", "3090")))[0]
    assert [offer.id for offer in ranked] == ["3", "2", "1"]
    with Conversation(GPUS, found(*raws)) as api:
        ranked = _market.rank(driver(api), query(gpus=("4090", "3090"), prefer="price"))[0]
    assert [offer.id for offer in ranked] == ["1", "3", "2"]


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
        pytest.raises(NoCapacity, match=r"needs a bid of at least 0.30 USD per hour, and the option bid is 0.20"),
    ):
        _market.rank(driver(api), query(bid=0.2))
    with Conversation(GPUS, bid.reply({"offers": [rows.offer(min_bid=0.2)]})) as api:
        offer = _market.rank(driver(api), query(bid=0.2))[0][0]
    assert offer.usd_per_hour == pytest.approx(0.2 + 0.015)


def test_what_is_above_the_cap_is_named_with_its_price():
    with Conversation(GPUS, found(rows.offer())) as api, pytest.raises(TooExpensive) as caught:
        _market.rank(driver(api), query(max_price=0.2))
    assert "The cheapest is RTX 4090 at 0.375 USD per hour." in caught.value.message
    assert "cloud" not in caught.value.message


def test_without_the_list_of_names_the_offers_themselves_are_the_catalogue():
    nothing = expect("GET", NAMES).reply({"msg": "no"}, 404)
    with Conversation(nothing, found(rows.offer(), rows.offer(ask_contract_id=2, gpu_name="RTX 3090"))) as api:
        assert [offer.gpu for offer in _market.rank(driver(api), query())[0]] == ["RTX 4090"]


def test_the_offer_of_the_example_that_is_no_list_is_read_and_nothing_is_not():
    with Conversation(GPUS, expect("POST", SEARCH).reply({"offers": rows.offer()})) as api:
        assert driver(api).offers(query())[0].id == "21530011"
    for body in ({}, {"offers": None}, "", {"offers": [1]}):
        with Conversation(GPUS, expect("POST", SEARCH).reply(body)) as api, pytest.raises(BadAnswer):
            driver(api).offers(query())


def test_there_are_no_pods_without_gpus():
    with Conversation() as api, pytest.raises(BadRequest, match="leave the option cpu out"):
        driver(api).offers(query(cpu=Cpu("cpu5c", 4)))
