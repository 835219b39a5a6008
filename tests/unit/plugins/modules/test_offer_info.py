# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module offer_info."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.modules import offer_info
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples as examples
from ansible_collections.podyard.gpu.tests.unit.fakes.vastai import rows

CATALOGUE = {
    "gpus": [examples.A100_PCIE, examples.gpu(), examples.gpu(id="NVIDIA A40", name="A40", availability="NONE")]
}


@pytest.fixture(name="module")
def made_module(capsys, tmp_path):
    return Runner(capsys, tmp_path)


@pytest.fixture(name="ask")
def asking(module):
    """Ask once, with one answer of the catalogue for each cloud, and once for the other cloud where nothing fits."""

    def ask(check=False, failing=False, near=0, **options):
        clouds = options.get("clouds") or ["SECURE"]
        with Conversation(*[expect("GET", "/v2/catalog/gpus").reply(CATALOGUE)] * (len(clouds) + near)) as api:
            how = module.fail if failing else module.run
            return how(offer_info.main, check, api_key=KEY, api_url=api.url, **options)

    return ask


@pytest.mark.parametrize("check", [False, True])
def test_what_can_be_rented_comes_cheapest_first(ask, module, check):
    result = ask(check)
    assert result["changed"] is False
    assert [offer["gpu"] for offer in result["offers"]] == ["RTX 4090", "A100 PCIe"]
    assert result["offers"][0]["usd_per_hour"] == 0.69
    assert result["offers"][0]["regions"][0] == {"id": "EU-RO-1", "availability": "low"}
    assert result["reason"] is None
    assert KEY not in module.printed


def test_each_cloud_has_its_price(ask):
    result = ask(clouds=["SECURE", "COMMUNITY"], gpus=["rtx4090"])
    assert [(offer["cloud"], offer["usd_per_hour"]) for offer in result["offers"]] == [
        ("COMMUNITY", 0.34),
        ("SECURE", 0.69),
    ]


def test_what_cannot_be_had_is_shown_when_asked_for(ask):
    assert len(ask(include_unavailable=True)["offers"]) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gpus": ["a40"]}, "Nearest: A40 on runpod at USD 0.69 per hour is out of stock in the cloud SECURE"),
        (
            {"gpus": ["4090"], "max_price": 0.3},
            "exceeds the cap of USD 0.30 per hour (option max_price); the cheapest is USD 0.69 on runpod in US-IL-1",
        ),
    ],
)
def test_no_offer_has_a_reason(ask, options, words):
    result = ask(near=1, **options)
    assert result["offers"] == []
    assert words in result["reason"]
    assert result["misses"]


def test_an_unknown_gpu_is_refused_with_the_closest(ask):
    result = ask(failing=True, gpus=["RTX 4091"])
    assert "'RTX 4091'" in result["msg"]
    assert "RTX 4090" in result["msg"]


def test_options_that_exclude_each_other_are_refused(module):
    result = module.fail(offer_info.main, min_cuda_version="12.8", cuda_versions=["12.8"])
    assert "mutually exclusive" in result["msg"]


# -- both providers

NAMES = expect("GET", "/api/v0/gpu_names/unique/").reply({"gpu_names": ["RTX 4090", "RTX 3090"]})
GPUS = expect("GET", "/v2/catalog/gpus").reply(CATALOGUE)


def market(*raws):
    return expect("POST", "/api/v0/bundles/").reply({"offers": list(raws)})


@pytest.fixture(name="ask_both")
def asking_both(module, monkeypatch):
    """Ask both providers; each has its script."""
    monkeypatch.setenv("PODYARD_VAST_THRESHOLD_SCALE", "0")

    def ask_both(one_script, other_script, failing=False, search=None, **options):
        with Conversation(*one_script) as one, Conversation(*other_script) as other:
            access = {
                "runpod": {"api_key": KEY, "api_url": one.url},
                "vastai": {"api_key": KEY, "api_url": other.url, **({"search": search} if search else {})},
            }
            how = module.fail if failing else module.run
            return how(offer_info.main, **{"providers": ["runpod", "vastai"], **access, **options})

    return ask_both


def test_both_providers_are_ranked_together(ask_both, module):
    result = ask_both([GPUS], [NAMES, market(rows.offer())], gpus=["4090"], disk=60)
    assert [(each["provider"], each["usd_per_hour"], each["billed_usd_per_hour"]) for each in result["offers"]] == [
        ("vastai", 0.375, 0.375),
        ("runpod", 0.69, 0.698333),
    ]
    assert (result["misses"], result["notes"], result["down"]) == ([], [], {})
    assert [each["tflops"] for each in result["offers"]] == [165.2, 165.2]
    assert KEY not in module.printed


def test_those_with_a_key_are_asked_when_none_are_named(ask_both, monkeypatch):
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    result = ask_both([GPUS], [market(rows.offer())], providers=None)
    assert {each["provider"] for each in result["offers"]} == {"runpod", "vastai"}


def test_one_that_is_down_is_a_warning(ask_both):
    down = expect("POST", "/api/v0/bundles/").reply({"error": "auth_error", "msg": "Invalid user key"}, 401)
    result = ask_both([GPUS], [NAMES, down], gpus=["4090"])
    assert {each["provider"] for each in result["offers"]} == {"runpod"}
    assert "vastai" in result["down"]
    assert any("vastai could not be asked" in str(each) for each in result["warnings"])


def test_why_nothing_fits_is_told_of_both(ask_both):
    community = expect("GET", "/v2/catalog/gpus").reply({"gpus": []})
    search = [NAMES, market(rows.offer()), NAMES, market()]
    result = ask_both([GPUS, community], search, gpus=["4090"], max_price=0.3)
    assert [(each["provider"], each["wishes"]) for each in result["misses"]] == [
        ("vastai", ["max_price"]),
        ("runpod", ["max_price"]),
    ]
    assert "cheapest is USD 0.3615 on vastai in US" in result["reason"]
    assert result["changed"] is False


def test_what_does_not_fit_is_listed_after_what_does_with_its_reason(ask_both):
    result = ask_both(
        [GPUS], [NAMES, market(rows.offer())], gpus=["4090", "A40"], max_price=0.5, include_unavailable=True
    )
    assert [(each["provider"], each["gpu"], each["fits"]) for each in result["offers"]] == [
        ("vastai", "RTX 4090", True),
        ("runpod", "RTX 4090", False),
        ("runpod", "A40", False),
    ]
    assert result["offers"][1]["why_not"] == "exceeds the cap of USD 0.50 per hour (option max_price)"


def test_filters_in_the_words_of_one_provider_go_to_it_alone(ask_both):
    asked = expect("POST", "/api/v0/bundles/", body=lambda body: body["inet_down"] == {"gt": 500})
    result = ask_both([GPUS], [asked.reply({"offers": [rows.offer()]})], search="inet_down>500")
    assert result["offers"][0]["provider"] == "vastai"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gpus": ["4090"], "min_gpu_memory": 80}, "min_gpu_memory is 80 GB"),
        ({"regions": ["ZZ"]}, "ISO 3166"),
        ({"bid": 0.2}, "interruptible is false"),
        ({"search": "gpu_rma>=24"}, "no field 'gpu_rma'"),
        ({"api_key": KEY}, "give runpod.api_key and vastai.api_key"),
    ],
)
def test_what_is_wrong_is_refused_before_anybody_is_asked(ask_both, options, words):
    options = dict(options)
    if "api_key" in options:
        options["vastai"] = {}
    assert words in ask_both([], [], failing=True, **options)["msg"]
