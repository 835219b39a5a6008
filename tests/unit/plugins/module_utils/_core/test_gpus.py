# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loose spellings of GPUs."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import gpus
from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest

CATALOGUE = {
    "NVIDIA GeForce RTX 4090": "RTX 4090",
    "NVIDIA GeForce RTX 3090": "RTX 3090",
    "NVIDIA GeForce RTX 3090 Ti": "RTX 3090 Ti",
    "NVIDIA  RTX A4500": "RTX A4500",
    "NVIDIA RTX A4000": "RTX A4000",
    "NVIDIA A40": "A40",
    "NVIDIA RTX A6000": "RTX A6000",
    "NVIDIA RTX 6000 Ada Generation": "RTX 6000 Ada",
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "RTX PRO 6000",
    "NVIDIA L4": "L4",
    "NVIDIA L40": "L40",
    "NVIDIA L40S": "L40S",
    "NVIDIA A100 80GB PCIe": "A100 PCIe",
    "NVIDIA A100-SXM4-80GB": "A100 SXM",
    "NVIDIA H200": "H200 SXM",
    "NVIDIA H200 NVL": "H200 NVL",
    "AMD Instinct MI300X OAM": "MI300X",
}


@pytest.mark.parametrize(
    ("wanted", "gpu_id"),
    [
        ("RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("4090", "NVIDIA GeForce RTX 4090"),
        ("rtx4090", "NVIDIA GeForce RTX 4090"),
        ("RTX-4090", "NVIDIA GeForce RTX 4090"),
        ("nvidia geforce rtx 4090", "NVIDIA GeForce RTX 4090"),
        ("GeForce 4090", "NVIDIA GeForce RTX 4090"),
        ("NVIDIA RTX A4500", "NVIDIA  RTX A4500"),
        ("NVIDIA  RTX A4500", "NVIDIA  RTX A4500"),
        ("a4500", "NVIDIA  RTX A4500"),
        ("3090", "NVIDIA GeForce RTX 3090"),
        ("3090 ti", "NVIDIA GeForce RTX 3090 Ti"),
        ("3090Ti", "NVIDIA GeForce RTX 3090 Ti"),
        ("A40", "NVIDIA A40"),
        ("A6000", "NVIDIA RTX A6000"),
        ("6000 Ada", "NVIDIA RTX 6000 Ada Generation"),
        ("L4", "NVIDIA L4"),
        ("l40", "NVIDIA L40"),
        ("L40S", "NVIDIA L40S"),
        ("A100 PCIe", "NVIDIA A100 80GB PCIe"),
        ("a100-sxm", "NVIDIA A100-SXM4-80GB"),
        ("A100-SXM4-80GB", "NVIDIA A100-SXM4-80GB"),
        ("H200", "NVIDIA H200"),
        ("MI300X", "AMD Instinct MI300X OAM"),
    ],
)
def test_a_spelling_finds_its_gpu(wanted, gpu_id):
    assert gpus.resolve(wanted, CATALOGUE) == gpu_id
    assert gpus.same(wanted, gpu_id, CATALOGUE[gpu_id])


@pytest.mark.parametrize(
    ("wanted", "names"),
    [("A100", ["A100 PCIe", "A100 SXM"]), ("6000", ["RTX 6000 Ada", "RTX PRO 6000"])],
)
def test_a_spelling_that_fits_several_names_them_all(wanted, names):
    with pytest.raises(BadRequest) as caught:
        gpus.resolve(wanted, CATALOGUE)
    for name in names:
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "close"),
    [("RTX 4080", "RTX 4090"), ("4091", "RTX 4090"), ("A10", "A40"), ("H20", "H200"), ("RXT 4090", "RTX 4090")],
)
def test_an_unknown_gpu_is_refused_with_close_names(wanted, close):
    with pytest.raises(BadRequest) as caught:
        gpus.resolve(wanted, CATALOGUE)
    assert close in str(caught.value)
    assert repr(wanted) in str(caught.value)


@pytest.mark.parametrize("wanted", ["", "-", "quantum"])
def test_nonsense_finds_nothing_but_says_what_there_is(wanted):
    with pytest.raises(BadRequest, match="RTX 4090"):
        gpus.resolve(wanted, CATALOGUE)


def test_words_are_never_cut():
    assert not gpus.same("A10", "NVIDIA A100 80GB PCIe", "A100 PCIe")
    assert not gpus.same("L40", "NVIDIA L40S", "L40S")
    assert not gpus.same("90", "NVIDIA GeForce RTX 4090", "RTX 4090")
