# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""offer_info against the markets of both providers in the sandbox."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stand_in import ServerThread

from ansible_collections.podyard.gpu.plugins.modules import offer_info
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from podyard_sandbox.settings import Settings

READS = {"listGpuTypes", "listDataCenters", "vast.searchOffers", "vast.gpuNames"}


class Market:
    """The module, and what was said to the sandbox."""

    def __init__(self, runner: Runner, sandbox: ServerThread, traffic: Path) -> None:
        self.runner, self.sandbox, self.traffic = runner, sandbox, traffic

    def options(self, **wishes: Any) -> dict[str, Any]:
        url, home = self.sandbox.url, self.sandbox.home
        return {
            "providers": ["runpod", "vastai"],
            "runpod": {"api_key": home.api_key(), "api_url": url},
            "vastai": {"api_key": home.vast_api_key(), "api_url": url},
            **wishes,
        }

    def ask(self, **wishes: Any) -> dict[str, Any]:
        return self.runner.run(offer_info.main, **self.options(**wishes))

    def operations(self) -> set[str]:
        lines = [line for file in self.traffic.iterdir() for line in file.read_text().splitlines()]
        ours = [line for line in map(json.loads, lines) if line["agent"].startswith("podyard.gpu/")]
        return {line["operation"] for line in ours}


@pytest.fixture(name="market")
def standing_market(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Market]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PODYARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PODYARD_VAST_THRESHOLD_SCALE", "0")
    monkeypatch.chdir(tmp_path)
    traffic = Path(os.environ.get("PODYARD_SANDBOX_TRAFFIC", tmp_path)) / f"{os.getpid()}-{tmp_path.name}"
    sandbox = ServerThread(tmp_path / "sandbox", Settings(traffic=traffic, vast_limits=0))
    try:
        yield Market(Runner(capsys, tmp_path), sandbox, traffic)
    finally:
        sandbox.close()


def test_both_markets_are_ranked_as_one_and_nothing_but_reading_is_done(market):
    found = market.ask(gpus=["RTX 4090", "A100 SXM"], disk=60, hours=6, min_cuda_version="12.4")
    prices = [offer["billed_usd_per_hour"] for offer in found["offers"]]
    assert {offer["provider"] for offer in found["offers"]} == {"runpod", "vastai"}
    assert prices == sorted(prices)
    assert {"A100 SXM", "A100 SXM4"} <= {offer["gpu"] for offer in found["offers"]}
    listed = market.ask(gpus=["A100 SXM", "RTX 4090"], rank_by="preference")["offers"]
    assert listed[0]["gpu"].startswith("A100") and listed[-1]["gpu"] == "RTX 4090"
    assert market.operations() <= READS


def test_by_value_every_gpu_of_both_catalogues_is_known(market):
    found = market.ask(rank_by="value", include_unavailable=True, clouds=["SECURE", "COMMUNITY"])
    fitting = [offer for offer in found["offers"] if offer["fits"]]
    values = [offer["billed_usd_per_hour"] / offer["tflops"] for offer in fitting]
    assert values == pytest.approx(sorted(values), abs=1e-5)
    assert not [note for note in found["notes"] if "throughput" in note]
    assert all(offer["compute_capability"] for offer in found["offers"] if offer["gpu"] != "MI300X" and offer["fits"])


WISHES = {
    "price": {"gpus": ["RTX 4090"], "max_price": 0.2},
    "country": {"gpus": ["RTX 4090"], "regions": ["JP"]},
    "country and CUDA": {"gpus": ["H100 SXM"], "regions": ["IS"], "min_cuda_version": "13.0"},
    "CUDA": {"gpus": ["RTX 3090"], "min_cuda_version": "13.0"},
    "cloud": {"gpus": ["H100 SXM"], "clouds": ["COMMUNITY"], "providers": ["runpod"]},
    "disk": {"gpus": ["RTX 3060"], "disk": 50000},
    "hours": {"gpus": ["RTX 3060"], "hours": 100000},
    "host": {"gpus": ["RTX 3060"], "min_memory": 4000, "min_vcpus": 2},
    "count": {"gpus": ["RTX 3060"], "gpu_count": 8},
    "bid": {"gpus": ["RTX 4090"], "interruptible": True, "bid": 0.01},
    "everything": {"min_gpu_memory": 100, "max_price": 0.5, "min_cuda_version": "12.8"},
}


@pytest.mark.parametrize("wishes", WISHES.values(), ids=list(WISHES))
def test_who_loosens_the_wish_that_is_named_has_an_offer(market, wishes):
    """The promise of a miss: it is that wish alone which excludes the offer."""
    found = market.ask(**wishes)
    assert found["offers"] == [] and found["misses"] and found["reason"]
    for miss in found["misses"]:
        # A bid is not loosened but raised, and a count not left out but lowered to what there is.
        changed = {"bid": {"bid": 100.0}, "gpu_count": {"gpu_count": miss["gpu_count"]}}
        if not set(miss["wishes"]) & {"stock", "never", "avoided", "search", "ports"}:
            rest = {name: value for name, value in wishes.items() if name not in miss["wishes"]}
            rest.update({name: value for wish in miss["wishes"] for name, value in changed.get(wish, {}).items()})
            loose = market.ask(**rest)["offers"]
            assert miss["gpu"] in {offer["gpu"] for offer in loose if offer["provider"] == miss["provider"]}, miss
    assert market.operations() <= READS


def test_one_provider_down_is_said_and_the_other_used(market):
    locked_out = {"runpod": {"api_key": "rpa_wrong", "api_url": market.sandbox.url}}
    found = market.ask(gpus=["RTX 4090"], **locked_out)
    assert {offer["provider"] for offer in found["offers"]} == {"vastai"}
    assert "runpod" in found["down"] and any("runpod could not be asked" in str(each) for each in found["warnings"])
    locked_out["vastai"] = {"api_key": "wrong", "api_url": market.sandbox.url}
    told = market.runner.fail(offer_info.main, **market.options(gpus=["RTX 4090"], **locked_out))
    assert "RunPod" in told["msg"] and "Vast.ai" in told["msg"]
