# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's catalogue as offers."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import FACTS, OfferQuery
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Cpu
from ansible_collections.podyard.gpu.plugins.module_utils._http.session import ApiSession
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod import catalogue
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples as examples

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
        "id": None,
        "host": None,
        **dict.fromkeys(FACTS, None),
        "interruptible": False,
        "compute_capability": 8.9,
        "usd_per_gb_up": 0.0,
        "usd_per_gb_down": 0.0,
        "details": {},
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


def cpu_flavour(**changes):
    made = {
        "id": "cpu5c",
        "name": "Compute-Optimized",
        "vcpu": {"min": 2, "max": 32},
        "ramGbPerVcpu": 2.5,
        "price": {"securePerVcpu": 0.035},
        "availability": "MEDIUM",
        "dataCenters": [{"id": "EU-RO-1", "availability": "MEDIUM"}, {"id": "US-IL-1", "availability": "LOW"}],
    }
    return {**made, **changes}


def cpus(*flavours, count="4"):
    query = {"include": "AVAILABILITY", "product": "POD", "vcpuCount": count}
    return expect("GET", "/v2/catalog/cpus", query=query).reply({"cpus": list(flavours)})


def test_a_processor_is_an_offer_with_memory_and_price_of_all_its_vcpus():
    with Conversation(cpus(cpu_flavour())) as api:
        (found,) = offers(api.url, cpu=Cpu("CPU5C", 4))
    assert found.cpu == Cpu("cpu5c", 4, 10.0)
    assert (found.usd_per_hour, found.availability, found.title) == (0.14, "medium", "4 vCPUs of cpu5c")
    assert (found.gpu, found.gpu_count, found.offered) == ("", 0, True)


def test_a_processor_is_for_rent_in_the_secure_cloud_only():
    with Conversation(cpus(cpu_flavour())) as api:
        found = offers(api.url, cpu=Cpu("cpu5c", 4), clouds=("COMMUNITY", "SECURE"))
    assert [(each.cloud, each.offered) for each in found] == [("COMMUNITY", False), ("SECURE", True)]


def test_a_processor_has_its_own_stock_in_each_data_centre():
    script = (expect("GET", "/v2/catalog/datacenters").reply(PLACES), cpus(cpu_flavour()))
    with Conversation(*script) as api:
        (found,) = offers(api.url, cpu=Cpu("cpu5c", 4), regions=("us-il-1",))
    assert (found.region, found.availability, found.regions) == ("US-IL-1", "low", {"US-IL-1": "low"})


@pytest.mark.parametrize(
    ("cpu", "words"),
    [
        (Cpu("cpu9", 4), "no processor 'cpu9' (option cpu.id); there are: cpu5c"),
        (Cpu("cpu5c", 64), "comes with 2 to 32 vCPUs, and the option cpu.vcpu_count is 64"),
    ],
)
def test_a_processor_that_does_not_exist_is_refused(cpu, words):
    script = cpus(cpu_flavour(), count=str(cpu.vcpu_count))
    with Conversation(script) as api, pytest.raises(errors.BadRequest) as caught:
        offers(api.url, cpu=cpu)
    assert words in str(caught.value)


def test_what_the_catalogue_leaves_out_of_a_processor_is_unknown():
    bare = {"id": "cpu5c", "price": None, "vcpu": None, "ramGbPerVcpu": None}
    with Conversation(cpus(bare)) as api:
        (found,) = offers(api.url, cpu=Cpu("cpu5c", 4))
    assert (found.cpu, found.usd_per_hour, found.availability) == (Cpu("cpu5c", 4), None, "unknown")


def test_a_data_centre_without_global_networking_is_refused_with_those_that_have_it():
    places = [{"id": "EU-RO-1", "globalNetwork": True}, {"id": "US-IL-1", "globalNetwork": False}, {"id": "US-TX-3"}]
    places_answer = expect("GET", "/v2/catalog/datacenters").reply({"dataCenters": places})
    with Conversation(places_answer) as api, pytest.raises(errors.BadRequest, match="those that have it are: EU-RO-1"):
        offers(api.url, regions=("US-IL-1",), global_networking=True)
    # A service that does not say is asked by the create itself.
    with Conversation(places_answer, expect("GET", GPUS).reply({"gpus": []})) as api:
        assert offers(api.url, regions=("US-TX-3",), global_networking=True) == []


# -- countries, and what comes near


def in_country(*words):
    return expect("GET", GPUS, query={**COUNTRY, "countryCodes": ",".join(words)})


COUNTRY = {"include": "AVAILABILITY", "product": "POD", "count": "1", "cloud": "SECURE"}


def test_a_country_is_the_services_to_find_and_hides_no_name():
    """Its answer has only the GPUs that stand there; the others are shown as out of stock, and not as unknown."""
    here = examples.gpu(dataCenters=[{"id": "EU-FR-1", "availability": "HIGH"}], availability="HIGH")
    script = (in_country("FR", "DE").reply({"gpus": [here]}), expect("GET", GPUS, query={}).reply(CATALOGUE))
    with Conversation(*script) as api:
        found = {offer.gpu: offer for offer in offers(api.url, countries=("FR", "DE"))}
    assert (found["RTX 4090"].availability, found["RTX 4090"].regions) == ("high", {"EU-FR-1": "high"})
    assert (found["A100 PCIe"].availability, found["A100 PCIe"].regions) == ("none", {})


CATALOGUE = {"gpus": [examples.gpu(), examples.A100_PCIE]}


def test_countries_and_data_centres_are_two_questions_and_either_will_do():
    there = examples.gpu(dataCenters=[{"id": "EU-FR-1", "availability": "HIGH"}], availability="HIGH")
    script = (
        expect("GET", "/v2/catalog/datacenters").reply(PLACES),
        expect("GET", GPUS, query=COUNTRY).reply({"gpus": [examples.gpu()]}),
        in_country("FR").reply({"gpus": [there]}),
    )
    with Conversation(*script) as api:
        (found,) = offers(api.url, regions=("EU-RO-1",), countries=("FR",))
    assert (found.availability, found.regions) == ("high", {"EU-RO-1": "low", "EU-FR-1": "high"})


def near_offers(*script, **query):
    with Conversation(*script) as api:
        return catalogue.near_offers(ApiSession("RunPod", api.url, KEY), OfferQuery(**{"clouds": ("SECURE",), **query}))


def test_what_comes_near_is_in_the_other_cloud_when_nothing_else_was_filtered():
    other = expect("GET", GPUS, query={**COUNTRY, "cloud": "COMMUNITY"}).reply({"gpus": [examples.gpu()]})
    (found,) = near_offers(other)
    assert (found.cloud, found.objections) == ("COMMUNITY", ())
    assert near_offers(clouds=("SECURE", "COMMUNITY")) == []


def test_what_comes_near_is_elsewhere_or_on_an_older_driver_and_that_is_its_objection():
    old = examples.gpu(cudaVersions=[{"version": "12.4", "available": True}])
    none = {"gpus": [examples.gpu(availability="NONE", dataCenters=[])]}
    every, cuda = expect("GET", GPUS, query={}), {"minCudaVersion": "12.8"}
    both = {"cloud": "SECURE"}, {"cloud": "COMMUNITY"}

    def asked(more, body):
        return [expect("GET", GPUS, query={**COUNTRY, **cloud, **more}).reply(body) for cloud in both]

    def in_france(*more):
        return {"countryCodes": "FR", **{name: value for each in more for name, value in each.items()}}

    script = (
        expect("GET", GPUS, query={**COUNTRY, "cloud": "COMMUNITY", **in_france(cuda)}).reply(none),
        every.reply({"gpus": []}),
        *asked(cuda, none),
        *asked(in_france(), none),
        every.reply({"gpus": []}),
        *asked({}, {"gpus": [old]}),
    )
    secure, community = near_offers(*script, countries=("FR",), min_cuda_version="12.8")
    assert (secure.cloud, community.cloud) == ("SECURE", "COMMUNITY")
    assert [(each.requirement, each.reason) for each in secure.objections] == [
        ("regions", "is left in US-IL-1 and EU-RO-1 and not in FR"),
        ("min_cuda_version", "is left on hosts with CUDA 12.4, but you asked for 12.8"),
    ]


def test_the_compute_capability_is_known_from_the_table():
    with Conversation(expect("GET", GPUS).reply({"gpus": [examples.gpu(id="NVIDIA A40", name="A40")]})) as api:
        assert offers(api.url)[0].compute_capability == 8.6
    with Conversation(expect("GET", GPUS).reply({"gpus": [examples.gpu(id="New", name="New")]})) as api:
        assert offers(api.url)[0].compute_capability is None
