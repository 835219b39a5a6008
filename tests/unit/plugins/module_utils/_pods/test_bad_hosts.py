# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places of a provider that names no machines: where a pod did not get ready is tried last."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import Offer
from ansible_collections.podyard.gpu.plugins.module_utils._pods.bad_hosts import BadHosts


def offer(gpu: str, region: str | None) -> Offer:
    return Offer("runpod", gpu, gpu, 1, 24, 0.5, "SECURE", region=region)


@pytest.mark.parametrize("region", ["EU-CZ-1", None])
def test_a_gpu_where_a_pod_did_not_get_ready_is_tried_last_also_by_an_offer_that_names_no_place(tmp_path, region):
    """Else a call that follows a condemned pod rents the same machine again, for it is the cheapest still."""
    hosts = BadHosts(str(tmp_path / "hosts.json"), tmp_path)
    first, second, elsewhere = offer("RTX 3090", region), offer("RTX A6000", None), offer("RTX 3090", "US-NC-1")
    assert hosts.last([first, second]) == [first, second]
    hosts.add("runpod", None, "RTX 3090", "EU-CZ-1", "nvidia-smi finds no GPU")
    later = BadHosts(str(tmp_path / "hosts.json"), tmp_path)
    assert later.last([first, elsewhere, second]) == [elsewhere, second, first]
    assert hosts.last([first, second]) == [second, first]
