# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's catalogue as offers."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils import _errors as errors
from ansible_collections.podyard.gpu.plugins.module_utils._http import ApiSession
from ansible_collections.podyard.gpu.plugins.module_utils._pod import OfferQuery
from ansible_collections.podyard.gpu.plugins.module_utils._runpod import catalogue
from ansible_collections.podyard.gpu.tests.unit.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.plugins.module_utils._runpod import wire_examples as examples

GPUS = "/v2/catalog/gpus"
PLACES = {"dataCenters": [{"id": "EU-RO-1"}, {"id": "US-IL-1"}, {"id": "US-TX-3"}]}


def offers(url, **query):
    return catalogue.offers(ApiSession("RunPod", url, KEY), OfferQuery(**query))


def test_a_gpu_is_an_offer_of_each_cloud_with_the_price_of_the_whole_pod():
    base = {"include": "AVAILABILITY", "product": "POD", "count": "2"}
    script = (
        expect("GET", GPUS, query={**base, "cloud": "SECURE", "minCudaVersion": "12.4"}).reply(
            {"gpus": [examples.gpu()]}
        ),
        expect("GET", GPUS, query={**base, "cloud": "COMMUNITY", "minCudaVersion": "12.4"}).reply(
            {"gpus": [examples.gpu(), examples.A100_PCIE]}
        ),
    )
    with Conversation(*script) as api:
        found = offers(api.url, gpu_count=2, clouds=("SECURE", "COMMUNITY"), min_cuda_version="12.4")
    secure, community, a100 = found
    assert secure.to_result() == {
        "provider": "runpod",
        "gpu": "RTX 4090",
        "gpu_id": "NVIDIA GeForce RTX 4090",
        "gpu_count": 2,
        "memory_gb": 24,
        "usd_per_hour": 1.38,
        "cloud": "SECURE",
        "region": None,
        "availability": "low",
        "max_count": 8,
        "regions": [{"id": "EU-RO-1", "availability": "low"}, {"id": "US-IL-1", "availability": "high"}],
        "cuda_versions": ["12.8"],
    }
    assert (community.cloud, community.usd_per_hour, community.max_count) == ("COMMUNITY", 0.68, 4)
    # A price is quoted even where the cloud does not rent the type.
    assert (a100.usd_per_hour, a100.offered) == (2.38, False)


@pytest.mark.parametrize(
    ("regions", "left"),
    [(("eu-ro-1",), "low"), (("US-IL-1", "EU-RO-1"), "high"), (("US-TX-3",), "none")],
)
def test_in_wanted_data_centres_the_best_of_them_counts(regions, left):
    script = (
        expect("GET", "/v2/catalog/datacenters").reply(PLACES),
        expect("GET", GPUS).reply({"gpus": [examples.gpu()]}),
    )
    with Conversation(*script) as api:
        (offer,) = offers(api.url, regions=regions)
    assert offer.availability == left
    assert offer.region == (regions[0].upper() if len(regions) == 1 else None)


def test_an_unknown_data_centre_is_refused_with_the_closest_names():
    script = expect("GET", "/v2/catalog/datacenters").reply(PLACES)
    with Conversation(script) as api, pytest.raises(errors.BadRequest, match=r"'EU-RO-2'.*EU-RO-1"):
        offers(api.url, regions=("eu-ro-2",))


@pytest.mark.parametrize("value", [..., None, "High", "HIGH", "SOMETHING"])
def test_stock_is_read_whatever_its_spelling(value):
    with Conversation(expect("GET", GPUS).reply({"gpus": [examples.gpu(availability=value)]})) as api:
        (offer,) = offers(api.url)
    assert offer.availability == ("high" if value in ("High", "HIGH") else "unknown")


@pytest.mark.parametrize("field", [name for name in examples.RTX_4090 if name != "id"])
@pytest.mark.parametrize("value", [..., None, "x", []])
def test_any_field_of_an_entry_may_be_missing_or_strange(field, value):
    with Conversation(expect("GET", GPUS).reply({"gpus": [examples.gpu(**{field: value}), {}, None]})) as api:
        (offer,) = offers(api.url)
    assert offer.gpu_id == "NVIDIA GeForce RTX 4090"
    offer.to_result()


@pytest.mark.parametrize("body", [{}, {"gpus": None}, [], "", "<html>"])
def test_an_answer_that_cannot_be_read_is_not_an_empty_catalogue(body):
    with Conversation(expect("GET", GPUS).reply(body)) as api, pytest.raises(errors.BadAnswer):
        offers(api.url)
