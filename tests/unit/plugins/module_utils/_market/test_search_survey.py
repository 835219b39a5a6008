# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The market over all providers: who is asked, what fits, in which order, and what comes nearest."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import Objection, Offer, OfferQuery, Rates
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Cpu
from ansible_collections.podyard.gpu.plugins.module_utils._market import search
from ansible_collections.podyard.gpu.plugins.module_utils._providers.base import Capabilities
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeCloud, offer


class Clouds(FakeCloud):
    """A provider like RunPod: catalogues of kinds of GPUs in data centres, disks beside the price."""

    name = "clouds"
    centres = ("EU-RO-1", "US-TX-3")
    near: tuple[Offer, ...] = ()

    def near_offers(self, query):
        self.calls.append(("near_offers", query))
        return list(self.near)

    def known_regions(self, words):
        return tuple(word for word in words if word in self.centres)

    def rates(self, offer, disk_gb, volume_gb):
        return Rates(gpu=offer.usd_per_hour, disk=disk_gb * 0.1 / 720)


class Machines(Clouds):
    """A provider like Vast.ai: each offer is one machine's, some are interruptible, disks are in the price."""

    name = "machines"
    usual_clouds = ()
    centres = ()
    capabilities = Capabilities(interruptible=True)

    def rates(self, offer, disk_gb, volume_gb):
        return Rates(gpu=offer.usd_per_hour)


def kind(gpu="RTX 4090", price=0.69, **changes):
    return offer(gpu, price, **{"provider": "clouds", "compute_capability": 8.9, **changes})


def machine(number=1, gpu="RTX 4090", price=0.36, **changes):
    known = {
        "provider": "machines", "gpu_id": gpu, "cloud": None, "id": str(number), "host": f"m{number}",
        "max_count": None, "compute_capability": 8.9, "ram_gb": 64.0, "vcpus": 16.0, "disk_gb": 400.0,
        "hours_left": 720.0, "region": "US", "reliability": 0.99, "down_mbps": 900.0, "cuda_versions": ("12.8",),
    }  # fmt: skip
    return offer(gpu, price, **{**known, **changes})


def survey(*catalogues, avoid=lambda offer: None, near=True, **query):
    """The market of these providers (a provider, or offers of one), all with the same wishes."""
    providers = {each.name: each for each in catalogues}
    return search.survey(providers, dict.fromkeys(providers, OfferQuery(**query)), avoid, near=near)


def both(*offers):
    return (
        Clouds(offers=[each for each in offers if each.id is None]),
        Machines(offers=[each for each in offers if each.id is not None]),
    )


def order(found):
    return [(each.provider, each.gpu, each.usd_per_hour) for each in found.offers]


# -- asking


def test_all_providers_are_asked_at_the_same_time():
    meeting = threading.Barrier(2, timeout=20)
    providers = both(kind(), machine())
    for each in providers:
        each.plan("offers", lambda query, each=each: (meeting.wait(), list(each.catalogue))[1])
    assert len(survey(*providers).offers) == 2


def test_a_signal_reaches_no_thread_of_the_market():
    import signal

    clouds, machines = both(kind(), machine())
    masks = []
    machines.plan(
        "offers",
        lambda query: (masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ())), list(machines.catalogue))[1],
    )
    survey(clouds, machines)
    assert signal.SIGTERM in masks[0]
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_who_is_stopped_waits_for_no_thread():
    clouds, machines = both(kind(), machine())
    let_go, ended = threading.Event(), []
    clouds.plan("offers", KeyboardInterrupt())
    machines.plan("offers", lambda query: (let_go.wait(20), ended.append(True), [])[2])
    with pytest.raises(KeyboardInterrupt):
        survey(clouds, machines)
    assert not ended
    let_go.set()


def test_a_fault_of_ours_in_a_thread_is_raised():
    clouds, machines = both(kind(), machine())
    machines.plan("offers", ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError):
        survey(clouds, machines)


def test_one_that_is_down_is_told_and_the_other_is_used():
    clouds, machines = both(kind(), machine())
    machines.plan("offers", errors.Unreachable("Vast.ai was not reached."))
    found = survey(clouds, machines, gpus=("4090",))
    assert [each.provider for each in found.offers] == ["clouds"]
    assert found.down["machines"].message == "Vast.ai was not reached."


def test_when_all_are_down_nothing_is_known_and_both_reasons_are_told():
    clouds, machines = both(kind(), machine())
    clouds.plan("offers", errors.AuthError("RunPod refused the key.", status=401))
    machines.plan("offers", errors.Unreachable("Vast.ai was not reached."))
    with pytest.raises(errors.AuthError, match=r"RunPod refused the key\. Vast\.ai was not reached\.") as caught:
        survey(clouds, machines)
    assert caught.value.status == 401


def test_one_that_is_down_is_named_when_the_other_has_nothing():
    clouds, machines = both(kind(), machine())
    machines.plan("offers", errors.Unreachable("Vast.ai was not reached."))
    refused = survey(clouds, machines, gpus=("4090",), max_price=0.1).refusal()
    assert "machines could not be asked: Vast.ai was not reached." in refused.message
    assert isinstance(refused, errors.TooExpensive)


def test_what_one_provider_refuses_is_a_note_and_not_down():
    clouds, machines = both(replace(kind(), cpu=Cpu("cpu3c", 4)), machine())
    machines.plan("offers", errors.BadRequest("There are no pods without a GPU."))
    found = survey(clouds, machines, cpu=Cpu("cpu3c", 4))
    assert len(found.offers) == 1
    assert not found.down
    assert "machines is left out: There are no pods without a GPU." in found.notes


# -- GPUs


def test_a_gpu_is_found_under_the_name_of_the_other_provider_too():
    found = survey(*both(kind("A100 SXM", 1.74), machine(gpu="A100 SXM4", price=1.2)), gpus=("A100 SXM",))
    assert {each.gpu for each in found.offers} == {"A100 SXM", "A100 SXM4"}


def test_a_gpu_that_one_provider_has_not_is_a_note():
    found = survey(*both(kind("MI300X", 2.49), kind(), machine()), gpus=("MI300X", "4090"))
    assert order(found)[0] == ("clouds", "MI300X", 2.49)
    assert "machines has no GPU MI300X" in found.notes
    several = both(kind("A40"), kind(), machine(1), machine(2, "A40 PCIe"), machine(3, "A40 SXM"))
    found = survey(*several, gpus=("4090", "A40"))
    assert any(note.startswith("machines: The GPU 'A40' ") and "any of: A40 PCIe" in note for note in found.notes)


def test_a_gpu_that_nobody_has_is_an_error_with_the_closest_names():
    with pytest.raises(errors.BadRequest, match=r"no GPU 'RTX 4091'.*RTX 4090"):
        survey(*both(kind(), machine()), gpus=("RTX 4091",))
    several = both(kind("A100 SXM"), kind("A100 PCIe"), machine())
    with pytest.raises(errors.BadRequest, match="could be any of: A100 PCIe"):
        survey(*several, gpus=("A100",))


def test_gpus_can_be_wished_by_memory_and_compute_capability():
    offers = (
        kind("RTX 4090", 0.6, memory_gb=24),
        kind("A40", 0.4, memory_gb=48, compute_capability=8.6),
        kind("L40S", 0.86, memory_gb=48, compute_capability=8.9),
        machine(1, "RTX 6000Ada", 0.7, memory_gb=48),
        machine(2, "Strange", 0.1, memory_gb=None, compute_capability=None),
    )
    found = survey(*both(*offers), min_gpu_memory=48, min_compute_capability=8.9, rank_by="price")
    assert [each.gpu for each in found.offers] == ["RTX 6000Ada", "L40S"]


# -- machines


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"min_ram_gb": 128}, "has 64 GB of memory, but you asked for at least 128 (option min_memory)"),
        ({"min_vcpus": 32}, "has 16 vCPUs, but you asked for at least 32 (option min_vcpus)"),
        ({"disk_gb": 500}, "has 400 GB of disk, but you asked for at least 500 (option disk)"),
        ({"hours": 1000}, "has 720 hours left, but you asked for at least 1000 (option hours)"),
        (
            {"min_cuda_version": "12.10"},
            "supports CUDA 12.8 at most, but you asked for 12.10 (option min_cuda_version)",
        ),
        ({"cuda_versions": ("13.0",)}, "does not support CUDA 13.0 (option cuda_versions)"),
        ({"regions": ("DE",)}, "is in US, not in DE (option regions)"),
        ({"gpu_count": 2}, "comes with 1 GPU, but you asked for 2 (option gpu_count)"),
        ({"min_gpu_memory": 48}, "has 24 GB per GPU, but you asked for at least 48 (option min_gpu_memory)"),
        ({"min_compute_capability": 9.0}, "has compute capability 8.9, but you asked for at least 9"),
    ],
)
def test_what_excludes_a_machine_is_named_with_its_number(wish, words):
    found = survey(Machines(offers=[machine()]), **wish)
    (miss,) = found.misses
    assert words in miss.text
    assert miss.text.startswith("RTX 4090 on machines at USD 0.36 per hour")
    assert words in found.refusal().message


def test_what_a_catalogue_does_not_tell_is_asked_for_at_the_create():
    assert survey(Clouds(offers=[kind()]), min_ram_gb=64, min_vcpus=8, disk_gb=100, hours=10).offers


def test_a_machine_that_does_not_tell_what_is_wished_is_not_rented():
    (miss,) = survey(Machines(offers=[machine(ram_gb=None)]), min_ram_gb=1).misses
    assert "does not report its memory" in miss.text


def test_a_host_of_bad_memory_is_avoided_and_told():
    def avoid(each):
        return "failed yesterday: no GPU in nvidia-smi" if each.host == "m1" else None

    found = survey(*both(machine(1), machine(2)), avoid=avoid)
    assert [each.host for each in found.offers] == ["m2"]
    found = survey(*both(machine(1)), avoid=avoid)
    assert "failed yesterday: no GPU in nvidia-smi" in found.refusal().message


# -- ranking


TIED = (
    machine(1, price=0.4, reliability=0.96),
    machine(2, price=0.4004, reliability=0.999),
    machine(3, price=0.4, reliability=0.999, down_mbps=5000),
    machine(4, price=0.3),
    machine(5, "RTX 3090", 0.19, compute_capability=8.6),
    machine(6, "H100 SXM", 2.2, memory_gb=80, compute_capability=9.0),
)


def hosts(**query):
    return [each.host for each in survey(Machines(offers=TIED), **query).offers]


def test_by_price_the_cheapest_of_all_comes_first_and_ties_go_to_the_better_host():
    assert hosts(rank_by="price") == ["m5", "m4", "m3", "m2", "m1", "m6"]


def test_by_preference_the_gpus_are_tried_as_they_are_listed():
    assert hosts(gpus=("H100 SXM", "4090", "3090")) == ["m6", "m4", "m3", "m2", "m1", "m5"]


def test_by_value_the_most_throughput_for_the_money_comes_first():
    # USD per PFLOPS: 4090 1.82 and 2.42, H100 2.22, 3090 2.67.
    assert hosts(rank_by="value") == ["m4", "m6", "m3", "m2", "m1", "m5"]


def test_a_gpu_of_unknown_throughput_is_ranked_last_and_told():
    offers = [machine(1, "Abacus 9000", 0.01), machine(2)]
    found = survey(Machines(offers=offers), rank_by="value")
    assert [each.gpu for each in found.offers] == ["RTX 4090", "Abacus 9000"]
    assert "the throughput of Abacus 9000 is not known, so it is ranked last" in found.notes
    assert survey(Machines(offers=offers), rank_by="price").notes == ()


def test_disks_count_wherever_they_are_billed():
    # 720 GB cost USD 0.10 per hour beside the one price, and are in the other.
    found = survey(*both(kind(price=0.5), machine(price=0.55, disk_gb=900)), rank_by="price", disk_gb=720)
    assert [(each.provider, each.billed_usd_per_hour) for each in found.offers] == [("machines", 0.55), ("clouds", 0.6)]
    # The cap is held against the price that the contract will show.
    assert len(survey(*both(kind(price=0.5)), max_price=0.5, disk_gb=720).offers) == 1


def test_of_one_price_what_is_well_in_stock_comes_first():
    offers = [kind("A40", 0.4, availability="low"), kind("L40S", 0.4, availability="high")]
    found = survey(Clouds(offers=offers), rank_by="price")
    assert [each.gpu for each in found.offers] == ["L40S", "A40"]


# -- places


PLACED = kind(availability="high", regions={"EU-RO-1": "low", "US-TX-3": "high", "US-IL-1": "none"})


def test_each_provider_takes_the_places_that_it_knows():
    clouds, machines = both(PLACED, machine(region="DE"))
    found = survey(clouds, machines, regions=("eu-ro-1", "DE"))
    assert clouds.calls[-1][1].regions == ("EU-RO-1",)
    assert clouds.calls[-1][1].countries == ("DE",)
    assert (machines.calls[-1][1].regions, machines.calls[-1][1].countries) == ((), ("DE",))
    assert "machines has no place EU-RO-1 (option regions)" in found.notes
    assert {(each.provider, each.region) for each in found.offers} >= {("machines", "DE"), ("clouds", "EU-RO-1")}


def test_every_place_with_stock_is_an_offer_of_its_own():
    found = survey(Clouds(offers=[PLACED]), regions=("US-TX-3", "EU-RO-1", "US"))
    assert [(each.region, each.availability) for each in found.offers] == [("US-TX-3", "high"), ("EU-RO-1", "low")]


def test_a_provider_without_the_place_is_left_out_with_a_note():
    clouds, machines = both(PLACED, machine())
    found = survey(clouds, machines, regions=("EU-RO-1",))
    assert not machines.calls
    assert "machines is left out: it has no place EU-RO-1 (option regions)" in found.notes
    with pytest.raises(
        errors.BadRequest, match=r"'EU-RO-9' .* neither a country nor a data centre of clouds or machines"
    ):
        survey(clouds, machines, regions=("EU-RO-9",))


def failing(error):
    """A question that gets this error for an answer."""

    def ask(_question):
        raise error

    return ask


def test_who_is_down_may_know_the_place():
    clouds, machines = both(PLACED, machine())
    clouds.known_regions = failing(errors.Unreachable("RunPod was not reached."))
    with pytest.raises(errors.Unreachable, match="RunPod was not reached"):
        survey(clouds, machines, regions=("EU-RO-1",))


def test_a_region_of_the_world_is_its_countries():
    clouds, machines = both(PLACED, machine(region="NO"))
    assert survey(clouds, machines, regions=("europe",)).offers
    assert {"DE", "NO"} <= set(machines.calls[-1][1].countries)


# -- contradictions: nobody is asked


@pytest.mark.parametrize(
    ("wishes", "why"),
    [
        ({"min_gpu_memory": 80, "gpus": ("RTX 4090",)}, r"min_gpu_memory is 80 GB.*RTX 4090 has 24"),
        ({"min_compute_capability": 9.0, "gpus": ("4090", "A40")}, r"min_compute_capability is 9.*A40 has 8.6"),
        ({"bid": 0.2}, "bid is USD 0.20, but interruptible is false"),
        (
            {"bid": 0.5, "max_price": 0.4, "interruptible": True},
            r"bid \(USD 0.50.*above the option max_price \(USD 0.40",
        ),
        ({"regions": ("ZZ",)}, "'ZZ' .*is not a country's code in ISO 3166"),
        ({"regions": ("UK",)}, "United Kingdom is GB"),
        ({"regions": ("EU",)}, "region europe"),
        ({"min_cuda_version": "twelve"}, "min_cuda_version is 'twelve'; write it like 12.8"),
        ({"min_cuda_version": "12.4", "cuda_versions": ("12.4",)}, "exclude each other"),
        ({"clouds": ("PRIVATE",)}, "clouds contains 'PRIVATE'"),
        ({"rank_by": "beauty"}, "rank_by is 'beauty'"),
        ({"max_price": 0}, "max_price is 0; give a number above 0"),
        ({"gpu_count": 0}, "gpu_count is 0"),
        ({"gpu_count": 64}, "no machine has more than 16"),
        ({"min_compute_capability": 890}, "write it like 8.9"),
        ({"hours": -1}, "hours is -1"),
        ({"cpu": Cpu("cpu3c", 4), "min_gpu_memory": 24}, "cpu and min_gpu_memory exclude each other"),
    ],
)
def test_wishes_that_contradict_each_other_are_named_before_anybody_is_asked(wishes, why):
    providers = both(kind(), machine())
    with pytest.raises(errors.BadRequest, match=why):
        survey(*providers, **wishes)
    assert not [call for each in providers for call in each.calls]


def test_interruptible_is_refused_where_nobody_has_it_and_a_note_where_one_has():
    clouds, machines = both(kind(), machine(interruptible=True, min_bid=0.2))
    with pytest.raises(
        errors.BadRequest, match=r"interruptible is true, but there are no such pods on clouds .*there are none"
    ):
        survey(clouds, interruptible=True)
    found = survey(clouds, machines, interruptible=True, bid=0.25)
    assert [each.provider for each in found.offers] == ["machines"]
    assert not clouds.calls
    assert "clouds is left out: there are none (option interruptible)" in found.notes


def test_what_the_table_does_not_know_contradicts_nothing():
    assert survey(*both(kind("Abacus", memory_gb=96)), gpus=("Abacus",), min_gpu_memory=80).offers


# -- the nearest misses


def test_the_price_is_told_with_the_cap_and_the_place():
    found = survey(Clouds(offers=[replace(PLACED, usd_per_hour=0.44)]), gpus=("4090",), max_price=0.4)
    refused = found.refusal()
    assert (
        "RTX 4090 at USD 0.44 per hour exceeds the cap of USD 0.40 per hour (option max_price); the cheapest is "
        "USD 0.44 on clouds in US-TX-3." in refused.message
    )
    assert isinstance(refused, errors.TooExpensive)
    assert refused.facts["misses"][0]["wishes"] == ["max_price"]


def test_the_closest_comes_first_and_alike_ones_come_once():
    offers = [machine(number, price=0.40 + number / 100) for number in range(1, 9)]
    offers += [machine(20, ram_gb=63.0, price=0.3), machine(21, ram_gb=10.0, price=0.2)]
    found = survey(Machines(offers=offers), max_price=0.4, min_ram_gb=64)
    assert [(miss.offer.host, miss.requirements) for miss in found.misses] == [
        ("m20", ("min_memory",)),
        ("m1", ("max_price",)),
    ]


def test_what_two_wishes_exclude_is_told_as_the_pair():
    found = survey(Machines(offers=[machine(ram_gb=16.0, price=0.5)]), max_price=0.4, min_ram_gb=64)
    (miss,) = found.misses
    assert set(miss.requirements) == {"max_price", "min_memory"}
    assert "has 16 GB of memory" in miss.text
    assert "exceeds the cap of USD 0.40 per hour (option max_price)" in miss.text


def test_a_single_wish_is_told_before_any_pair():
    offers = [machine(1, ram_gb=16.0, price=0.41), machine(2, price=2.0)]
    found = survey(Machines(offers=offers), max_price=0.4, min_ram_gb=64)
    assert [miss.offer.host for miss in found.misses] == ["m2"]


def test_at_most_a_handful_is_told():
    offers = [machine(number, f"GPU {number}", 1.0) for number in range(20)]
    assert len(survey(Machines(offers=offers), max_price=0.4).misses) == 5


def test_what_the_provider_filters_away_is_asked_for_only_when_nothing_fits():
    machines = Machines(offers=[machine()])
    machines.near = (machine(2, objections=(Objection("search", "has a reliability of 0.9", 0.05),)),)
    assert survey(machines).offers
    assert machines.count("near_offers") == 0
    gone = Machines(offers=[replace(machine(), id=None, availability="none", obstacle="is offered by no machine")])
    gone.near = machines.near
    found = survey(gone, gpus=("4090",))
    assert [miss.text for miss in found.misses] == [
        "RTX 4090 on machines at USD 0.36 per hour in US has a reliability of 0.9 (option search)"
    ]
    assert survey(gone, gpus=("4090",), near=False).misses[0].text.endswith("is offered by no machine")


def test_what_comes_near_and_fits_by_now_is_an_offer():
    gone = Machines(offers=[replace(machine(), id=None, availability="none", obstacle="is offered by no machine")])
    gone.near = (machine(2),)
    assert [each.host for each in survey(gone, gpus=("4090",)).offers] == ["m2"]


def test_a_failure_to_look_around_is_no_failure():
    machines = Machines(offers=[machine()])
    machines.near_offers = failing(errors.RateLimited("too many searches today"))
    found = survey(machines, max_price=0.1)
    assert [miss.requirements for miss in found.misses] == [("max_price",)]
    assert any("too many searches today" in note for note in found.notes)


def test_another_gpu_that_would_fit_is_one_hint():
    offers = [kind("RTX 4090", 0.69), kind("L40S", 0.5), kind("RTX 6000 Ada", 0.45), kind("T4", 0.1)]
    found = survey(Clouds(offers=offers), gpus=("RTX 4090",), max_price=0.5)
    assert [miss.offer.gpu for miss in found.misses] == ["RTX 4090", "RTX 6000 Ada"]
    assert found.misses[1].text.endswith("would fit but is not one of the GPUs you named (option gpus)")


def test_nothing_left_is_told_last_and_is_no_wish():
    offers = [kind("H100", 2.99, availability="none"), kind("RTX 4090", 0.69)]
    found = survey(Clouds(offers=offers), gpus=("H100", "4090"), max_price=0.5)
    assert [(miss.offer.gpu, miss.hopeless) for miss in found.misses] == [("RTX 4090", False), ("H100", True)]
    only = survey(Clouds(offers=offers[:1]), gpus=("H100",))
    assert isinstance(only.refusal(), errors.NoCapacity)
    assert "H100 on clouds at USD 2.99 per hour is out of stock in the cloud SECURE" in only.refusal().message


def test_what_never_is_for_rent_is_a_wrong_request():
    never = survey(Clouds(offers=[kind(offered=False)]), gpus=("4090",)).refusal()
    assert isinstance(never, errors.BadRequest)
    many = survey(Clouds(offers=[kind(max_count=4)]), gpus=("4090",), gpu_count=8).refusal()
    assert isinstance(many, errors.BadRequest)
    assert "comes with at most 4 GPUs per pod" in many.message


def test_what_is_not_tried_is_told_with_the_offers():
    offers = [kind(), kind("H100", 2.99, availability="none")]
    found = survey(*both(*offers, machine(1), machine(2, price=0.9)), gpus=("H100", "4090"), max_price=0.8)
    assert "H100 on clouds is out of stock in the cloud SECURE" in found.notes
    assert "offers of machines that do not fit: 1 (1 max_price)" in found.notes
