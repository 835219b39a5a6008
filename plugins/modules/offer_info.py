#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.offer_info: what can be rented, and at which price."""

from __future__ import annotations

DOCUMENTATION = r"""
module: offer_info
short_description: List what can be rented now, cheapest first
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Lists GPUs that can be rented, with the price of the whole pod and what is left in which data centre.
  - What a provider calls available is advice, not a reservation. A create can still be refused.
options:
  gpus:
    description:
      - The GPUs of interest, by display name, by id, or loosely spelled (V(4090), V(rtx4090) and V(RTX 4090) are the
        same). If not given, all GPUs are listed.
      - A spelling that fits no GPU, or more than one, is an error that names the closest ones.
    type: list
    elements: str
    default: []
  gpu_count:
    description:
      - GPUs in one pod.
    type: int
    default: 1
  clouds:
    description:
      - The kinds of hosts to look at.
    type: list
    elements: str
    choices:
      - SECURE
      - COMMUNITY
    default:
      - SECURE
  data_centers:
    description:
      - Only these data centres. If not given, all of them. Upper and lower case are the same.
    type: list
    elements: str
    default: []
  min_cuda_version:
    description:
      - The least CUDA version that the host's driver must support, such as V(12.8).
    type: str
  cuda_versions:
    description:
      - Exactly these CUDA versions of the host's driver.
    type: list
    elements: str
    default: []
  max_price:
    description:
      - The most that the whole pod may cost, in USD per hour.
    type: float
  disk:
    description:
      - The size of the disk in GB, where its price is part of an offer's, as on Vast.ai.
    type: int
  hours:
    description:
      - The offer must stand for so many hours more, where offers end, as on Vast.ai.
    type: float
  include_unavailable:
    description:
      - Also list what is out of stock, not rented in that cloud, or above O(max_price).
    type: bool
    default: false
extends_documentation_fragment:
  - podyard.gpu.attributes
  - podyard.gpu.api
  - podyard.gpu.api.providers
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Nothing is changed.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.account_info
  - module: podyard.gpu.runpod_pod
"""

EXAMPLES = r"""
- name: Which of these can be had for less than a dollar
  podyard.gpu.offer_info:
    gpus: [RTX 4090, A6000, L40S]
    max_price: 1.0
  delegate_to: localhost
  register: market

- name: Show the cheapest
  ansible.builtin.debug:
    msg: "{{ market.offers[0].gpu }} at {{ market.offers[0].usd_per_hour }} USD per hour"
  when: market.offers | length > 0
"""

RETURN = r"""
offers:
  description: What can be rented, cheapest first.
  returned: success
  type: list
  elements: dict
  contains:
    provider:
      description: The provider.
      type: str
      sample: runpod
    gpu:
      description: The GPU as people call it.
      type: str
      sample: RTX 4090
    gpu_id:
      description: The GPU as the provider calls it.
      type: str
      sample: NVIDIA GeForce RTX 4090
    gpu_count:
      description: GPUs in one pod.
      type: int
      sample: 1
    memory_gb:
      description: Memory of one GPU, in GB.
      type: int
      sample: 24
    usd_per_hour:
      description: Price of the whole pod, in USD per hour; V(none) where the provider does not say.
      type: float
      sample: 0.69
    cloud:
      description: The kind of hosts.
      type: str
      sample: SECURE
    region:
      description: The data centre, when only one was asked for.
      type: str
    availability:
      description: What is left, V(high), V(medium), V(low), V(unknown) or V(none).
      type: str
      sample: low
    max_count:
      description: The most GPUs of this kind in one pod.
      type: int
      sample: 8
    regions:
      description: What is left in which data centre.
      type: list
      elements: dict
      sample:
        - id: EU-RO-1
          availability: low
    cuda_versions:
      description: CUDA versions of the hosts that have some left.
      type: list
      elements: str
      sample: ["12.8"]
    id:
      description: The offer's own number where each is one machine's; V(none) elsewhere.
      type: str
    host:
      description: That machine.
      type: str
    details:
      description: What else the provider tells of it, see M(podyard.gpu.vastai_offer_info).
      type: dict
reason:
  description: Why nothing fits, when O(include_unavailable) is off and RV(offers) is empty; V(none) otherwise.
  returned: success
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.podyard.gpu.plugins.module_utils import _market
from ansible_collections.podyard.gpu.plugins.module_utils._arguments import API, PROVIDERS, failure, open_provider
from ansible_collections.podyard.gpu.plugins.module_utils._errors import CloudError
from ansible_collections.podyard.gpu.plugins.module_utils._offer import OfferQuery

CLOUDS = ["SECURE", "COMMUNITY"]
ARGUMENTS: dict[str, Any] = {
    "gpus": {"type": "list", "elements": "str", "default": []},
    "gpu_count": {"type": "int", "default": 1},
    "clouds": {"type": "list", "elements": "str", "choices": CLOUDS, "default": ["SECURE"]},
    "data_centers": {"type": "list", "elements": "str", "default": []},
    "min_cuda_version": {"type": "str"},
    "cuda_versions": {"type": "list", "elements": "str", "default": []},
    "max_price": {"type": "float"},
    "disk": {"type": "int"},
    "hours": {"type": "float"},
    "include_unavailable": {"type": "bool", "default": False},
    **API,
    **PROVIDERS,
}


def query(params: dict[str, Any]) -> OfferQuery:
    """The module's options as a query."""
    return OfferQuery(
        gpus=tuple(params["gpus"]),
        gpu_count=params["gpu_count"],
        clouds=tuple(params["clouds"]),
        regions=tuple(params["data_centers"]),
        min_cuda_version=params["min_cuda_version"],
        cuda_versions=tuple(params["cuda_versions"]),
        max_price=params["max_price"],
        include_unavailable=params["include_unavailable"],
        disk_gb=params["disk"],
        hours=params["hours"],
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("min_cuda_version", "cuda_versions")],
    )
    try:
        providers = [open_provider(module, name) for name in module.params["providers"]]
        offers, reason = _market.search(providers, query(module.params))
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, offers=[offer.to_result() for offer in offers], reason=reason)


if __name__ == "__main__":
    main()
