# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of GPUs, and the list of countries."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import gpus, places
from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest

#: Every GPU of RunPod's description of REST v1, and the names that clients saw at Vast.ai.
RENTED = """
    AMD Instinct MI300X OAM; NVIDIA  A30; NVIDIA  RTX A4500; NVIDIA A100 80GB PCIe; NVIDIA A100-SXM4-80GB; NVIDIA A30;
    NVIDIA A100-SXM4-40GB; NVIDIA A40; NVIDIA A5000 Ada; NVIDIA B200; NVIDIA GeForce RTX 3070; NVIDIA GeForce RTX 3080;
    NVIDIA GeForce RTX 3080 Ti; NVIDIA GeForce RTX 3080TI; NVIDIA GeForce RTX 3090; NVIDIA GeForce RTX 3090 Ti;
    NVIDIA GeForce RTX 4070 Ti; NVIDIA GeForce RTX 4080; NVIDIA GeForce RTX 4080 SUPER; NVIDIA GeForce RTX 4090;
    NVIDIA GeForce RTX 5080; NVIDIA GeForce RTX 5090; NVIDIA H100 80GB HBM3; NVIDIA H100 NVL; NVIDIA H100 PCIe;
    NVIDIA H200; NVIDIA H200 NVL; NVIDIA L4; NVIDIA L40; NVIDIA L40S; NVIDIA RTX 2000 Ada Generation;
    NVIDIA RTX 4000 Ada Generation; NVIDIA RTX 4000 SFF Ada Generation; NVIDIA RTX 5000 Ada Generation;
    NVIDIA RTX 6000 Ada Generation; NVIDIA RTX A2000; NVIDIA RTX A30; NVIDIA RTX A4000; NVIDIA RTX A4500;
    NVIDIA RTX A5000; NVIDIA RTX A6000; NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition;
    NVIDIA RTX PRO 6000 Blackwell Server Edition; NVIDIA RTX PRO 6000 Blackwell Workstation Edition; Tesla T4;
    Tesla V100-FHHL-16GB; Tesla V100-PCIE-16GB; Tesla V100-PCIE-32GB; Tesla V100-SXM2-16GB; Tesla V100-SXM2-32GB;
    RTX 3060; RTX 3090; RTX 4080; RTX 4090; RTX 5090; RTX A4000; RTX A6000; RTX 6000Ada; L4; L40S; A100 PCIE; A100 SXM4;
    H100 PCIE; H100 NVL; H100 SXM; H200; H200 NVL; Tesla T4; Tesla V100
"""


@pytest.mark.parametrize("name", [each.strip() for each in RENTED.split(";")])
def test_every_gpu_that_is_rented_is_in_the_table(name):
    assert gpus.model(name) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100 SXM4"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000Ada"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000 S"),
        ("NVIDIA GeForce RTX 3080TI", "rtx 3080 ti"),
    ],
)
def test_two_names_of_one_gpu(one, other):
    assert gpus.model(one) is gpus.model(other)


@pytest.mark.parametrize(("one", "other"), [("L40", "L40S"), ("RTX 6000 Ada", "Quadro RTX 6000"), ("A10", "A100 PCIe")])
def test_alike_names_of_two_gpus(one, other):
    assert gpus.model(one) is not gpus.model(other)


def test_no_name_is_that_of_two_models():
    every = [{gpus.parse(name).kind for name in (model.name, *model.names)} for model in gpus.MODELS]
    names = [name for each in every for name in each]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_what_is_unknown_is_none():
    assert gpus.model("Abacus", None, "") is None


@pytest.mark.parametrize(
    ("name", "told", "sold"),
    [
        ("RTX 4090", 24564, 24), ("L40S", 46068, 48), ("L4", 23034, 24), ("Tesla T4", 15360, 16),
        ("H200 NVL", 143771, 141),
        ("H200", 143771, 141), ("Tesla V100", 32768, 32), ("Tesla V100", 16384, 16), ("RTX 3060", 12288, 12),
        ("Abacus", 24564, 25), ("RTX 4090", 12000, 12), ("Abacus", None, None), ("Tesla V100", None, 16),
    ],
)  # fmt: skip
def test_memory_is_what_the_maker_sells(name, told, sold):
    assert gpus.memory(gpus.model(name), told) == sold


def test_the_manual_shows_the_table_as_it_is():
    manual = (Path(__file__).parents[5] / "docs" / "market.md").read_text(encoding="utf-8")
    for model in gpus.MODELS:
        memory, capability = " / ".join(map(str, model.memory_gb)), model.capability or "–"
        tflops = f"{model.tflops:g}" if model.tflops is not None else "–"
        assert f"| {model.name} | {tflops} | {memory} | {capability} | {model.source} |" in manual


@pytest.mark.parametrize("code", ["us", "DE", " gb ", "XK"])
def test_a_country_is_its_code(code):
    assert places.of(code) == (code.strip().upper(),)


@pytest.mark.parametrize("code", ["ZZ", "AA", "QM", "XX", "OC", "AP"])
def test_two_letters_that_are_assigned_to_no_country(code):
    with pytest.raises(BadRequest, match=f"'{code}'.*ISO 3166"):
        places.of(code)


def test_regions_consist_of_countries():
    assert all(code in places.CODES for codes in places.REGIONS.values() for code in codes)
    assert places.of("North-America") == places.REGIONS["north_america"]
    assert len(places.CODES) == 250
    assert places.of("EU-RO-1") is None


def test_words_are_sorted_into_countries_and_others():
    assert places.sort(["us", "EU-ro-1", "US", "oceania"]) == (("US", "AU", "FJ", "NC", "NZ", "PG"), ("EU-RO-1",))
