#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.vastai_offer_info: what Vast.ai's market offers now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vastai_offer_info
short_description: Search Vast.ai's market
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Searches the market by anything that its query language can express, and returns the offers with the prices that
    will be billed for the given disk, in GB, Mbps, days and USD.
options:
  gpus:
    description:
      - The GPUs of interest, loosely spelled (V(4090), V(rtx4090) and V(RTX 4090) are the same). If not given, all.
    type: list
    elements: str
    default: []
  gpu_count:
    description:
      - GPUs in one pod.
    type: int
    default: 1
  disk:
    description:
      - The disk in GB that the pod will have. It is part of the price.
    type: int
    default: 20
  regions:
    description:
      - Countries by their two letters, or the regions V(africa), V(asia), V(europe), V(north_america), V(oceania) and
        V(south_america). If not given, all.
    type: list
    elements: str
    default: []
  min_cuda_version:
    description:
      - The lowest CUDA version that the machine's driver must support, in quotes, such as V("12.8").
    type: str
  hours:
    description:
      - The offer must be valid for at least so many more hours. V(0) means any.
    type: float
    default: 6
  max_price:
    description:
      - The most that the whole pod may cost in USD per hour, disk included.
    type: float
  bid:
    description:
      - Search pods that may be taken away, at this bid in USD per hour, without the disk.
    type: float
  search:
    description:
      - More filters, as a mapping from fields to operators and values, or as the text of Vast.ai's own command line
        tool, such as V(gpu_ram>=24 inet_down>500). Memory is in GB, network in Mbps, duration in days.
      - "They replace these defaults: C(verified=true rentable=true rented=false external=false reliability>=0.95
        inet_down>=100 inet_down_cost<=0.02 inet_up_cost<=0.02 compute_cap>=600 direct_port_count>=1), and C(disk_space)
        of at least O(disk). C(field=any) removes a default."
    type: raw
  limit:
    description:
      - The most offers to return, the cheapest first. V(0) returns all.
    type: int
    default: 0
extends_documentation_fragment:
  - podyard.gpu.attributes
  - podyard.gpu.api
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Nothing is changed.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.vastai_instance
  - module: podyard.gpu.offer_info
"""

EXAMPLES = r"""
- name: Look for a card of 24 GB with a fast line in Europe
  podyard.gpu.vastai_offer_info:
    gpus: [RTX 4090, RTX 3090]
    disk: 60
    regions: [europe]
    search:
      inet_down: {gte: 500}
      reliability: {gte: 0.98}
  register: market

- name: Show the cheapest
  ansible.builtin.debug:
    msg: "{{ market.offers | first | default(market.reason) }}"

- name: The same question in the words of the vendor's own tool
  podyard.gpu.vastai_offer_info:
    search: gpu_ram>=24 num_gpus=1 geolocation in [US,CA] verified=any
    limit: 5
"""

RETURN = r"""
offers:
  description: The offers, the cheapest first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The offer's number.
      type: str
      sample: "21530011"
    host:
      description: The machine.
      type: str
      sample: "18422"
    gpu:
      description: The GPU.
      type: str
      sample: RTX 4090
    gpu_count:
      description: GPUs in the pod.
      type: int
      sample: 1
    memory_gb:
      description: Memory of each GPU.
      type: int
      sample: 25
    usd_per_hour:
      description: Price of the whole pod with its disk, or the bid with it.
      type: float
      sample: 0.375
    region:
      description: The country.
      type: str
      sample: US
    cuda_versions:
      description: The CUDA version that the driver supports.
      type: list
      elements: str
      sample: ["12.8"]
    details:
      description: What else is known of it; the names contain the units.
      type: dict
      sample:
        reliability: 0.9975
        verified: true
        datacenter: false
        inet_down_mbps: 905.2
        inet_down_usd_per_gb: 0.001
        storage_usd_per_gb_month: 0.15
        min_bid: 0.21
        days_left: 30.0
        direct_ports: 124
reason:
  description: Why nothing fits; V(none) when something does.
  returned: success
  type: str
failure:
  description: What is known of the error; C(detail) holds the provider's own words.
  returned: failure
  type: dict
  sample:
    kind: AuthError
    status: 404
    code: auth_error
    request_id:
    detail: "auth_error: Invalid user key"
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import CloudError
from ..module_utils._core.offer import OfferQuery
from ..module_utils._market import search
from ..module_utils._module.common import API, failure, open_provider

PROVIDER = "vastai"
ARGUMENTS: dict[str, Any] = {
    "gpus": {"type": "list", "elements": "str", "default": []},
    "gpu_count": {"type": "int", "default": 1},
    "disk": {"type": "int", "default": 20},
    "regions": {"type": "list", "elements": "str", "default": []},
    "min_cuda_version": {"type": "str"},
    "hours": {"type": "float", "default": 6},
    "max_price": {"type": "float"},
    "bid": {"type": "float"},
    "search": {"type": "raw"},
    "limit": {"type": "int", "default": 0},
    **API,
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    try:
        provider = open_provider(module, PROVIDER)
        query = OfferQuery(
            gpus=tuple(params["gpus"]),
            gpu_count=params["gpu_count"],
            clouds=(),
            regions=provider.places(params["regions"]),
            min_cuda_version=params["min_cuda_version"],
            max_price=params["max_price"],
            disk_gb=params["disk"],
            hours=params["hours"] or None,
            bid=params["bid"],
            filters=provider.filters(params["search"]),
        )
        offers, reason = search.cheapest(provider, query)
    except CloudError as error:
        module.fail_json(**failure(error))
    kept = offers[: params["limit"]] if params["limit"] > 0 else offers
    module.exit_json(changed=False, offers=[offer.to_result() for offer in kept], reason=reason)


if __name__ == "__main__":
    main()
