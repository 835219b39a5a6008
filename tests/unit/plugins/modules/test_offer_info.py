# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module offer_info."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.modules import offer_info
from ansible_collections.podyard.gpu.tests.unit.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.modules import Runner
from ansible_collections.podyard.gpu.tests.unit.plugins.module_utils._runpod import wire_examples as examples

CATALOGUE = {
    "gpus": [examples.A100_PCIE, examples.gpu(), examples.gpu(id="NVIDIA A40", name="A40", availability="NONE")]
}


@pytest.fixture(name="module")
def made_module(capsys, tmp_path):
    return Runner(capsys, tmp_path)


@pytest.fixture(name="ask")
def asking(module):
    """Ask once, with one answer of the catalogue for each cloud."""

    def ask(check=False, failing=False, **options):
        clouds = options.get("clouds") or ["SECURE"]
        with Conversation(*[expect("GET", "/v2/catalog/gpus").reply(CATALOGUE)] * len(clouds)) as api:
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
        ({"gpus": ["a40"]}, "out of stock"),
        ({"gpus": ["4090"], "max_price": 0.5}, "The cheapest is RTX 4090 at 0.69 USD"),
    ],
)
def test_no_offer_has_a_reason(ask, options, words):
    result = ask(**options)
    assert result["offers"] == []
    assert words in result["reason"]


def test_an_unknown_gpu_is_refused_with_the_closest(ask):
    result = ask(failing=True, gpus=["RTX 4091"])
    assert "'RTX 4091'" in result["msg"]
    assert "RTX 4090" in result["msg"]


def test_options_that_exclude_each_other_are_refused(module):
    result = module.fail(offer_info.main, min_cuda_version="12.8", cuda_versions=["12.8"])
    assert "mutually exclusive" in result["msg"]
