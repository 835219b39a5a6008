# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which offers fit, in which order, and why the others do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import OfferQuery
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Cpu
from ansible_collections.podyard.gpu.plugins.module_utils._market import search
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeCloud, offer

OFFERS = (
    offer("RTX 4090", 0.69, availability="low"),
    offer("RTX 4090", 0.34, cloud="COMMUNITY", availability="low"),
    offer("A40", 0.40),
    offer("L40S", 0.86, availability="medium"),
    offer("H100", 2.99, availability="none"),
    offer("B200", None),
    offer("V100", 0.20, offered=False),
    offer("T4", 0.10, max_count=1),
)


BOTH = ("SECURE", "COMMUNITY")


def ranked(**query):
    offers, _why = search.rank(FakeCloud(offers=OFFERS), OfferQuery(**query))
    return [(each.gpu, each.usd_per_hour) for each in offers]


def test_gpus_then_clouds_are_tried_as_they_are_listed():
    assert ranked(gpus=("L40S", "4090", "A40"), clouds=BOTH) == [
        ("L40S", 0.86),
        ("RTX 4090", 0.69),
        ("RTX 4090", 0.34),
        ("A40", 0.4),
    ]
    assert ranked(gpus=("4090",), clouds=BOTH[::-1]) == [("RTX 4090", 0.34), ("RTX 4090", 0.69)]


def test_without_a_wish_stock_and_price_decide():
    assert ranked(max_price=0.9, clouds=("SECURE",))[:4] == [
        ("T4", 0.1),
        ("A40", 0.4),
        ("L40S", 0.86),
        ("RTX 4090", 0.69),
    ]


def test_the_cheapest_can_be_tried_first_whatever_the_order():
    assert ranked(gpus=("L40S", "4090", "A40"), clouds=BOTH, prefer="price") == [
        ("RTX 4090", 0.34),
        ("A40", 0.4),
        ("RTX 4090", 0.69),
        ("L40S", 0.86),
    ]


def test_of_equal_prices_the_stock_and_then_the_order_of_the_lists_decide():
    offers = (offer("A", 1, availability="low"), offer("B", 1), offer("C", 1))
    found, _why = search.rank(FakeCloud(offers=offers), OfferQuery(gpus=("A", "C", "B"), prefer="price"))
    assert [each.gpu for each in found] == ["C", "B", "A"]


PLACED = (
    offer("A", availability="high", regions={"EU-1": "low", "US-1": "high"}),
    offer("B", availability="unknown"),
    offer("C", availability="none"),
)


def test_data_centres_are_tried_as_they_are_listed_one_at_a_time():
    query = OfferQuery(gpus=("B", "A", "C"), regions=("eu-1", "us-1", "AP-1", "EU-1"))
    found, _why = search.rank(FakeCloud(offers=PLACED), query)
    assert [(each.gpu, each.region, each.availability) for each in found] == [
        ("B", "EU-1", "unknown"),
        ("B", "US-1", "unknown"),
        ("B", "AP-1", "unknown"),
        ("A", "EU-1", "low"),
        ("A", "US-1", "high"),
    ]


@pytest.mark.parametrize(("prefer", "regions"), [("price", ("EU-1", "US-1")), ("order", ("EU-1",)), ("order", ())])
def test_where_the_order_of_data_centres_does_not_matter_the_provider_chooses(prefer, regions):
    found, _why = search.rank(FakeCloud(offers=PLACED), OfferQuery(gpus=("A",), regions=regions, prefer=prefer))
    assert [(each.gpu, each.region) for each in found] == [("A", None)]


def test_what_is_not_tried_is_told_with_its_reason():
    _found, why = search.rank(FakeCloud(offers=PLACED), OfferQuery(gpus=("A", "C"), regions=("EU-1", "AP-1")))
    assert why == [
        "A is out of stock in the cloud SECURE in AP-1",
        "C is out of stock in the cloud SECURE in EU-1",
        "C is out of stock in the cloud SECURE in AP-1",
    ]
    zero = (offer("A", max_count=0), offer("B"))
    assert search.rank(FakeCloud(offers=zero), OfferQuery())[1] == ["A is not for rent in the cloud SECURE"]


def test_what_is_too_expensive_is_told_with_its_price():
    _found, why = search.rank(FakeCloud(offers=OFFERS), OfferQuery(gpus=("4090", "A40"), clouds=BOTH, max_price=0.5))
    assert why == ["RTX 4090 at USD 0.69 per hour in the cloud SECURE exceeds the cap of USD 0.50 per hour"]


def test_what_the_provider_has_filtered_is_not_judged_again():
    """The option search of vastai_instance loosens any filter, also one that stands for another option."""
    machine = offer("RTX 4090", 0.3, id="7", host="m7", gpu_count=2, disk_gb=10.0, hours_left=1.0, region="US")
    query = OfferQuery(gpus=("4090",), regions=("DE",), disk_gb=60, hours=6, filters={"num_gpus": {"gte": 2}})
    assert search.rank(FakeCloud(offers=(machine,)), query)[0] == [machine]
    assert search.cheapest(FakeCloud(offers=(machine,)), query) == ([machine], None)


def test_nothing_free_says_every_filter_that_took_part():
    query = OfferQuery(
        gpus=("H100",),
        gpu_count=2,
        clouds=BOTH,
        regions=("eu-1", "US-1"),
        min_cuda_version="12.8",
        max_price=3,
        global_networking=True,
    )
    with pytest.raises(errors.NoCapacity) as caught:
        search.rank(FakeCloud(offers=OFFERS), query)
    for words in (
        "2 x H100",
        "cloud SECURE or COMMUNITY",
        "data centre EU-1 or US-1",
        "CUDA 12.8 or later",
        "at most USD 3.00",
        "global networking",
    ):
        assert words in str(caught.value)
    with pytest.raises(errors.NoCapacity, match=r"data centre any, CUDA exactly 12.4 or 12.6"):
        search.rank(FakeCloud(offers=OFFERS), OfferQuery(gpus=("H100",), cuda_versions=("12.4", "12.6")))
    with pytest.raises(errors.NoCapacity, match=r"country ZZ.* name more GPUs or countries, or try again"):
        cloudless = FakeCloud(offers=OFFERS)
        cloudless.usual_clouds = ()
        search.rank(cloudless, OfferQuery(gpus=("H100",), regions=("zz",)))


def test_a_processor_is_an_offer_of_its_own():
    cpu = Cpu("cpu5c", 4)
    one = offer("", 0.12, gpu_id="", gpu_count=0, max_count=None, cpu=cpu)
    assert search.rank(FakeCloud(offers=(one,)), OfferQuery(cpu=cpu)) == ([one], [])
    with pytest.raises(errors.BadRequest, match=r"4 vCPUs of cpu5c is not for rent.*the option cpu or clouds"):
        search.rank(FakeCloud(offers=(replace(one, offered=False),)), OfferQuery(cpu=cpu))
    with pytest.raises(errors.TooExpensive, match="cheapest is 4 vCPUs of cpu5c"):
        search.rank(FakeCloud(offers=(one,)), OfferQuery(cpu=cpu, max_price=0.1))


def test_a_gpu_wished_for_twice_is_tried_once():
    assert ranked(gpus=("A40", "NVIDIA A40")) == [("A40", 0.4)]


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ({"gpus": ("4090",), "max_price": 0.3}, errors.TooExpensive, "cheapest is RTX 4090 at USD 0.34 per hour"),
        ({"gpus": ("L40S",), "max_price": 0.8599}, errors.TooExpensive, "USD 0.8599"),
        ({"gpus": ("H100",)}, errors.NoCapacity, "H100 is out of stock in the cloud SECURE"),
        ({"gpus": ("H100",), "regions": ("eu-1",)}, errors.NoCapacity, "in EU-1"),
        ({"gpus": ("V100",)}, errors.BadRequest, "V100 is not for rent"),
        ({"gpus": ("T4",), "gpu_count": 4}, errors.BadRequest, "T4 comes with at most 1 GPU per pod"),
        ({"gpus": ("B200",), "max_price": 5}, errors.NoCapacity, "B200 has no price"),
        ({"gpus": ("H100", "L40S"), "max_price": 0.5}, errors.TooExpensive, "cheapest is L40S"),
        ({"gpus": ("4080",)}, errors.BadRequest, "no GPU '4080'"),
    ],
)
def test_what_does_not_fit_is_said_with_its_reason(query, kind, words):
    with pytest.raises(kind) as caught:
        ranked(**query)
    assert words in str(caught.value)


def test_an_empty_catalogue_is_not_taken_for_an_unknown_gpu():
    with pytest.raises(errors.BadRequest, match="no GPUs at all"):
        search.rank(FakeCloud(offers=()), OfferQuery(gpus=("4090",)))
    with pytest.raises(errors.NoCapacity, match="catalogue is empty"):
        search.rank(FakeCloud(offers=()), OfferQuery())


def searched(**query):
    return search.cheapest(FakeCloud(offers=OFFERS), OfferQuery(**query))


def test_a_search_is_sorted_by_price():
    offers, reason = searched(gpus=("4090", "A40"))
    assert [each.usd_per_hour for each in offers] == [0.34, 0.40, 0.69]
    assert reason is None


def test_a_search_without_a_find_says_why():
    offers, reason = searched(gpus=("H100",))
    assert offers == []
    assert "out of stock" in reason


def test_a_price_at_the_cap_is_within_it():
    assert not search.over(0.1 + 0.2, 0.3)
    assert search.over(0.31, 0.3)
    assert not search.over(None, 0.3)
    assert not search.over(0.31, None)
