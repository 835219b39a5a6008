# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is computed of a plan: the CUDA version in an image's name, costs, times; see also test_plan.py."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import Rates
from ansible_collections.podyard.gpu.plugins.plugin_utils._plan import cost, cuda
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import offer

IMAGES = {
    "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404": "12.8.1",
    "runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04": "12.4.1",
    "pytorch/pytorch:2.4.0-cuda12.4-cudnn9-devel": "12.4",
    "nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04": "12.8.1",
    "registry.example:5000/nvidia/cuda:11.8.0-base@sha256:00ff": "11.8.0",
    "vastai/pytorch:2.8.0-cu126-py312": "12.6",
    "me/train:torch2.9-cu130": "13.0",
    "me/train:cu12": "12",
    "me/pytorch-cuda12.1:latest": "12.1",
    "me/train:cuda-12.8": "12.8",
    "me/train:CU128": "12.8",
    "me/train:latest": None,
    "ubuntu:24.04": None,
    "me/train:acu128": None,
    "me/train": None,
    "": None,
}


@pytest.mark.parametrize(("image", "told"), IMAGES.items())
def test_the_cuda_version_in_the_name_of_an_image(image, told):
    assert cuda.of_image(image) == told


def counted(image, floor, *hosts):
    found = cuda.against(image, floor, [offer(cuda_versions=versions) for versions in hosts])
    return {kind: value for kind in ("fitting", "mixed", "too_old", "unknown") if (value := getattr(found, kind))}


def test_an_image_against_the_hosts_on_offer():
    """The third number decides nothing: a driver for 12.8 runs 12.8.1."""
    hosts = (("12.8",), ("12.4", "12.9"), ("12.4",), ())
    assert counted("i:cu1281", None, *hosts) == {"fitting": 1, "mixed": 1, "too_old": 1, "unknown": 1}
    assert cuda.against("i:cu1281", None, [offer(cuda_versions=("12.9", "12.10"))]).newest == "12.10"


def test_a_floor_leaves_older_hosts_out():
    hosts = (("12.8",), ("12.4", "12.9"), ("12.4",), ())
    assert counted("i:cu128", "12.8", *hosts) == {"fitting": 4}
    assert counted("i:cu130", "12.8", ("12.4", "12.8", "13.0"), ("12.4", "13.0")) == {"mixed": 1, "fitting": 1}


def test_an_image_that_tells_nothing_is_not_judged():
    found = cuda.against("i:latest", None, [offer(cuda_versions=("12.8",))])
    assert (found.image, found.newest, found.fitting) == (None, "12.8", None)


# -- costs
# ----------------------------------------------------------------------------------------------------------------------


def load(**changes):
    given = {
        "sent": 9_000_000_000, "output_gb": 5.0, "image_gb": 10.0, "bandwidth": 50.0, "hours": 10.0, "max_cost": None,
        **changes,
    }  # fmt: skip
    return cost.Load(**given)


def test_a_pod_that_bills_from_the_order_on():
    """USD 0.70 an hour for ten hours, free traffic; 10 GB at the assumed 500 Mbit/s are 160 s, 9 GB at 50 are 1440."""
    found = cost.estimate(offer(), Rates(gpu=0.6, disk=0.1, gb_in=0, gb_out=0), load())
    assert found.usd == pytest.approx(7.0)
    assert (found.gpu_usd, found.disk_usd, found.traffic_usd) == (6.0, 1.0, 0)
    assert found.first_hour_usd == pytest.approx(0.7)
    assert (found.loading_seconds, found.push_seconds) == (160, 1440)
    assert found.loading_usd == pytest.approx(0.7 * 160 / 3600, abs=1e-5)
    assert found.push_usd == pytest.approx(0.7 * 0.4)


def test_a_pod_whose_gpu_is_free_while_it_loads_and_whose_traffic_is_not():
    """10 GB at 100 Mbit/s load for 800 s; they and the data come in, the outputs go out."""
    rates = Rates(gpu=0.36, disk=0.036, gb_in=0.01, gb_out=0.02, loading=False)
    found = cost.estimate(offer(down_mbps=100.0), rates, load(bandwidth=1000.0))
    assert found.loading_seconds == 800
    assert found.push_seconds == 720, "the slower end decides"
    assert found.traffic_usd == pytest.approx(19 * 0.01 + 5 * 0.02)
    assert found.loading_usd == pytest.approx(0.036 * 800 / 3600)
    assert found.usd == pytest.approx(0.36 * (10 - 800 / 3600) + 0.36 + 0.19 + 0.1)
    assert found.first_hour_usd == pytest.approx(0.36 * (1 - 800 / 3600) + 0.036 + 0.19)


def test_the_first_limit_ends_the_run():
    rates = Rates(gpu=0.9, disk=0.1, gb_in=0, gb_out=0)
    by_money = cost.estimate(offer(), rates, load(max_cost=4.0))
    assert (by_money.hours_at_most, by_money.usd_at_most) == (4.0, 4.0)
    by_hours = cost.estimate(offer(), rates, load(max_cost=40.0))
    assert (by_hours.hours_at_most, by_hours.usd_at_most) == (10.0, 10.0)
    by_neither = cost.estimate(offer(), rates, load(hours=None))
    assert (by_neither.hours_at_most, by_neither.usd_at_most, by_neither.usd) == (None, None, None)
    assert by_neither.first_hour_usd == 1.0


def test_the_money_that_is_left_after_traffic_pays_the_hours():
    """The GPU is free for the 160 s of loading: they lengthen what the money lasts for."""
    rates = Rates(gpu=1.0, disk=0.0, gb_in=0.0, gb_out=0.2, loading=False)
    found = cost.estimate(offer(), rates, load(max_cost=3.0))
    assert found.hours_at_most == pytest.approx(2.0 + 160 / 3600, abs=1e-5)


def test_what_nobody_says_is_not_invented():
    found = cost.estimate(offer(), Rates(gpu=None), load(max_cost=5.0))
    missing = ("usd", "usd_per_hour", "first_hour_usd", "loading_usd", "push_usd", "traffic_usd", "disk_usd", "gpu_usd")
    assert {name: getattr(found, name) for name in missing} == dict.fromkeys(missing)
    assert (found.hours_at_most, found.usd_at_most) == (10.0, 5.0)
