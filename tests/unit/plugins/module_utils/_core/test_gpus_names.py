# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a GPU's name, and whether two names are one model: what providers call it, what its driver calls it."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import gpus
from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._core.gpus import Name, parse
from ansible_collections.podyard.gpu.plugins.module_utils._module.gpu_info import same_gpu

#: The driver's name of a model, then names by which it was seen for rent: each line another model at another price.
DRIVERS = """
    NVIDIA GeForce GTX 1080 | GTX 1080
    NVIDIA GeForce GTX 1080 Ti | GTX 1080 Ti
    NVIDIA GeForce GTX 1660 | GTX 1660
    NVIDIA GeForce GTX 1660 Ti | GTX 1660 Ti
    NVIDIA GeForce GTX 1660 SUPER | GTX 1660 S | GTX 1660 SUPER
    NVIDIA GeForce RTX 2060 | RTX 2060
    NVIDIA GeForce RTX 2060 SUPER | RTX 2060S | RTX 2060 Super
    NVIDIA GeForce RTX 2070 SUPER | RTX 2070S
    NVIDIA GeForce RTX 2080 | RTX 2080
    NVIDIA GeForce RTX 2080 SUPER | RTX 2080S
    NVIDIA GeForce RTX 2080 Ti | RTX 2080 Ti
    NVIDIA GeForce RTX 2080 with Max-Q Design | RTX 2080 Max-Q
    NVIDIA TITAN RTX | Titan RTX | TITAN RTX
    NVIDIA TITAN V | Titan V
    NVIDIA TITAN Xp | Titan Xp
    Quadro RTX 4000 | Q RTX 4000
    Quadro RTX 5000 | Q RTX 5000 | Quadro RTX 5000
    Quadro RTX 6000 | Q RTX 6000 | Q_RTX_6000
    Quadro RTX 8000 | Q RTX 8000
    Quadro P4000 | Quadro P4000
    NVIDIA GeForce RTX 3060 | RTX 3060
    NVIDIA GeForce RTX 3060 Ti | RTX 3060 Ti
    NVIDIA GeForce RTX 3060 Laptop GPU | RTX 3060 laptop
    NVIDIA GeForce RTX 3070 | RTX 3070 | NVIDIA GeForce RTX 3070
    NVIDIA GeForce RTX 3070 Ti | RTX 3070 Ti
    NVIDIA GeForce RTX 3080 | RTX 3080
    NVIDIA GeForce RTX 3080 Ti | RTX 3080 Ti | NVIDIA GeForce RTX 3080TI
    NVIDIA GeForce RTX 3080 Ti Laptop GPU | RTX 3080 Ti laptop
    NVIDIA GeForce RTX 3090 | RTX 3090
    NVIDIA GeForce RTX 3090 Ti | RTX 3090 Ti
    NVIDIA RTX A2000 | RTX A2000
    NVIDIA RTX A4000 | RTX A4000
    NVIDIA RTX A4500 | RTX A4500 | NVIDIA  RTX A4500
    NVIDIA RTX A5000 | RTX A5000
    NVIDIA RTX A5500 | RTX A5500
    NVIDIA RTX A6000 | RTX A6000 | A6000
    NVIDIA A10 | A10
    NVIDIA A10G | A10G
    NVIDIA A16 | A16
    NVIDIA A30 | A30 | NVIDIA  A30 | NVIDIA RTX A30
    NVIDIA A40 | A40
    NVIDIA A100-SXM4-80GB | A100 SXM4 | A100 SXM | A100 SXM 80GB
    NVIDIA A100 80GB PCIe | A100 PCIE | A100 PCIe
    NVIDIA A100X | A100X
    NVIDIA A800 80GB PCIe | A800 PCIE
    NVIDIA GeForce RTX 4060 | RTX 4060
    NVIDIA GeForce RTX 4060 Ti | RTX 4060 Ti
    NVIDIA GeForce RTX 4070 | RTX 4070
    NVIDIA GeForce RTX 4070 SUPER | RTX 4070S | RTX 4070 Super
    NVIDIA GeForce RTX 4070 Ti | RTX 4070 Ti
    NVIDIA GeForce RTX 4070 Ti SUPER | RTX 4070S Ti | RTX 4070 Ti Super
    NVIDIA GeForce RTX 4070 Laptop GPU | RTX 4070 laptop
    NVIDIA GeForce RTX 4080 | RTX 4080
    NVIDIA GeForce RTX 4080 SUPER | RTX 4080S | RTX 4080 SUPER
    NVIDIA GeForce RTX 4090 | RTX 4090 | NVIDIA RTX 4090
    NVIDIA GeForce RTX 4090 D | RTX 4090D
    NVIDIA GeForce RTX 4090 Laptop GPU | RTX 4090 laptop
    NVIDIA RTX 2000 Ada Generation | RTX 2000Ada | RTX 2000 Ada
    NVIDIA RTX 4000 SFF Ada Generation | RTX 4000 SFF Ada | RTX 4000 Ada SFF
    NVIDIA RTX 4000 Ada Generation | RTX 4000Ada | RTX 4000 Ada
    NVIDIA RTX 4500 Ada Generation | RTX 4500Ada
    NVIDIA RTX 5000 Ada Generation | RTX 5000Ada | NVIDIA A5000 Ada
    NVIDIA RTX 5880 Ada Generation | RTX 5880Ada
    NVIDIA RTX 6000 Ada Generation | RTX 6000Ada | RTX 6000 Ada
    NVIDIA L4 | L4
    NVIDIA L40 | L40
    NVIDIA L40S | L40S
    NVIDIA H100 80GB HBM3 | H100 SXM | H100 80GB SXM5
    NVIDIA H100 PCIe | H100 PCIE | H100 80GB PCIe
    NVIDIA H100 NVL | H100 NVL
    NVIDIA H200 | H200 | H200 SXM
    NVIDIA H200 NVL | H200 NVL
    NVIDIA GH200 480GB | GH200 SXM | GH200
    NVIDIA B200 | B200 | B200 SXM
    NVIDIA B300 SXM6 AC | B300 SXM6 AC | B300
    NVIDIA GeForce RTX 5060 Ti | RTX 5060 Ti
    NVIDIA GeForce RTX 5070 | RTX 5070
    NVIDIA GeForce RTX 5070 Ti | RTX 5070 Ti
    NVIDIA GeForce RTX 5080 | RTX 5080
    NVIDIA GeForce RTX 5090 | RTX 5090
    NVIDIA GeForce RTX 5090 D | RTX 5090D
    NVIDIA RTX PRO 4000 Blackwell | RTX PRO 4000
    NVIDIA RTX PRO 4500 Blackwell | RTX PRO 4500
    NVIDIA RTX PRO 5000 Blackwell | RTX PRO 5000
    NVIDIA RTX PRO 6000 Blackwell Server Edition | RTX PRO 6000 S | RTX PRO 6000 | RTX PRO 6000 Blackwell Server Edition
    NVIDIA RTX PRO 6000 Blackwell Workstation Edition | RTX PRO 6000 WS | RTX PRO 6000 WK
    NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition | RTX PRO 6000 MaxQ | RTX PRO 6000 Max-Q
    Tesla P40 | Tesla P40
    Tesla P100-PCIE-16GB | Tesla P100 PCIe
    Tesla T4 | Tesla T4 | T4
    Tesla V100-FHHL-16GB | V100 FHHL
    Tesla V100-PCIE-16GB | Tesla V100-PCIE-32GB | V100 PCIe
    Tesla V100-SXM2-16GB | Tesla V100-SXM2-32GB | V100 SXM2
    AMD Instinct MI300X OAM | MI300X
    AMD Instinct MI250X | MI250X
"""
LINES = [[name.strip() for name in line.split("|")] for line in DRIVERS.strip().splitlines()]
SAME = [(rented, driver) for driver, *names in LINES for rented in (driver, *names) if "32GB" not in rented]
OTHERS = [(rented, other[0]) for one, other in itertools.permutations(LINES, 2) for rented in one]


@pytest.mark.parametrize(("rented", "driver"), SAME)
def test_what_is_rented_is_what_its_driver_says(rented, driver):
    assert gpus.same_model(rented, driver) is True


def test_another_model_is_never_what_was_rented():
    assert [(rented, driver) for rented, driver in OTHERS if gpus.same_model(rented, driver) is not False] == []
    assert len(OTHERS) > 15_000


def test_a_wish_finds_its_model_and_no_other_in_a_catalogue_of_the_others():
    catalogue = {names[1]: names[1] for names in LINES}
    for driver, *names in LINES:
        for wanted in (driver, *names):
            if "GB" not in wanted:
                assert gpus.resolve(wanted, catalogue) == names[0]


def test_a_model_that_a_catalogue_lacks_is_not_taken_for_its_sister():
    names = [each[1] for each in LINES]
    for wanted in ("RTX 4070", "RTX 3060", "RTX 4080", "RTX 4090", "H200", "RTX PRO 6000 S", "RTX 4000 Ada", "2080"):
        with pytest.raises(BadRequest, match="There is no GPU"):
            gpus.resolve(wanted, {name: name for name in names if parse(name).kind != parse(wanted).kind})


@pytest.mark.parametrize(
    ("rented", "driver"),
    [
        ("A100", "NVIDIA A100-SXM4-80GB"), ("H100", "NVIDIA H100 PCIe"), ("Tesla V100", "Tesla V100-PCIE-32GB"),
        ("H100 SXM", "NVIDIA H100"), ("RTX PRO 6000 WS", "NVIDIA RTX PRO 6000 Blackwell"),
        ("RTX 4090", "NVIDIA Graphics Device"), ("RTX 4090", "[Not Supported]"), ("RTX 4090", "[N/A]"), ("A40", ""),
        ("Something", "NVIDIA GeForce RTX 4090"), ("Tesla P100", "Tesla P100-PCIE-16GB"),
        ("RTX PRO 6000 MIG 1g.24gb", "NVIDIA RTX PRO 6000 Blackwell Server Edition"),
        ("RTX 6000", "Quadro RTX 6000"), ("RTX 2070 laptop", "NVIDIA GeForce RTX 2070"),
        ("RTX 2080 laptop", "NVIDIA GeForce RTX 2080 with Max-Q Design"), ("A40", "NVIDIA A40-48Q"),
    ],
)  # fmt: skip
def test_a_name_that_leaves_it_open_condemns_no_host(rented, driver):
    assert gpus.same_model(rented, driver) is None
    assert same_gpu(rented, driver)


@pytest.mark.parametrize(
    ("rented", "driver"),
    [
        ("A100 80GB", "NVIDIA A100-SXM4-40GB"), ("A100-SXM4-80GB", "NVIDIA A100-SXM4-40GB"),
        ("V100 SXM2 32GB", "Tesla V100-SXM2-16GB"), ("RTX 4080S 32G", "NVIDIA GeForce RTX 4080 SUPER 16GB"),
        ("A40", "NVIDIA A40-12Q"), ("A100 SXM4", "NVIDIA A100-SXM4-80GB MIG 1g.10gb"), ("A100", "GRID A100D-10C"),
        ("RTX PRO 6000 S", "NVIDIA RTX PRO 6000D Blackwell Server Edition"), ("V100 PCIe", "Tesla V100S-PCIE-32GB"),
        ("RTX 4090", "NVIDIA GeForce RTX 4191"), ("L4", "NVIDIA L40"),
    ],
)  # fmt: skip
def test_another_size_a_slice_and_a_sister_are_not_what_was_rented(rented, driver):
    assert gpus.same_model(rented, driver) is False
    assert not same_gpu(rented, driver)


def test_the_measured_memory_counts_where_the_name_says_none():
    assert not same_gpu("RTX 4080S 32G", "NVIDIA GeForce RTX 4080 SUPER", 16376)
    assert same_gpu("RTX 4080S 32G", "NVIDIA GeForce RTX 4080 SUPER", 32760)
    assert same_gpu("NVIDIA H100 NVL 96GB", "NVIDIA H100 NVL", 95830)


def test_forms_that_are_left_open_are_ranked_by_the_slowest():
    assert gpus.model("H100") is gpus.model("H100 PCIe")
    assert gpus.model("Tesla V100") is gpus.model("V100 PCIe")
    assert gpus.model("NVIDIA A100-SXM4-80GB MIG 1g.10gb") is None


def test_parts_of_a_name():
    assert parse("RTX 4070S Ti") == Name("4070", frozenset({"super", "ti"}))
    assert parse("NVIDIA A100-SXM4-80GB") == Name("a100", form="sxm", memory_gb=80)
    assert parse("RTX PRO 6000 MIG 1g.24gb") == Name("pro6000", memory_gb=24, part="mig 1g 24gb")
