# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each provider bills a pod, and what is said of one that tells nothing."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import Rates
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod import provider
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai import provider as vastai
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeCloud, offer


def test_runpod_bills_gpu_and_both_disks_from_the_order_on_and_no_traffic():
    rates = provider.of(offer(price=0.69), disk_gb=20, volume_gb=52)
    assert rates.gpu == 0.69
    assert rates.disk == pytest.approx(72 * 0.10 / 720)
    assert rates.hourly == pytest.approx(0.70)
    assert (rates.gb_in, rates.gb_out, rates.loading) == (0, 0, True)


def test_vastai_bills_the_disk_as_a_part_of_the_price_the_gpu_not_while_loading_and_traffic():
    found = offer(price=0.3725, disk_usd_per_hour=0.0125, usd_per_gb_up=0.002, usd_per_gb_down=0.001)
    rates = vastai.of(found, disk_gb=60, volume_gb=0)
    assert (rates.gpu, rates.disk) == (pytest.approx(0.36), 0.0125)
    assert rates.hourly == pytest.approx(0.3725)
    assert (rates.gb_in, rates.gb_out, rates.loading) == (0.001, 0.002, False)


def test_what_nobody_says_stays_unknown():
    assert Rates(gpu=None, disk=0.01).hourly is None
    assert vastai.of(offer(price=None), 10, 0).gpu is None
    told = FakeCloud().rates(offer(price=0.5), 20, 0)
    assert (told.hourly, told.disk, told.gb_in) == (0.5, None, None)
    assert "not included" in told.remarks[0]
