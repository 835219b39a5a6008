#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.offer_info: what can be rented, and at what price."""

from __future__ import annotations

DOCUMENTATION = r"""
module: offer_info
short_description: List what can be rented now, at all providers
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Asks all providers at the same time for GPUs that fit, with the price of the whole pod, and ranks them in one list.
    The options are those of M(podyard.gpu.pod), which rents the first offer.
  - When nothing fits, RV(misses) lists what comes nearest, each with the requirement that excludes it.
  - Requirements that contradict each other are refused before any provider is asked.
  - An available offer is not a reservation. A create can still be refused.
options:
  providers:
    description:
      - The providers to ask.
      - If not given, those for which a key is found; with O(api_key), RunPod.
    type: list
    elements: str
    choices:
      - runpod
      - vastai
  gpus:
    description:
      - The GPUs of interest, by display name, by id, or loosely spelled (V(4090), V(rtx4090) and V(RTX 4090) are the
        same). If not given, all GPUs are listed. The name at one provider finds the same GPU at the other.
      - A spelling that fits no GPU, or more than one, is an error that names the closest matches. A GPU that only one
        provider has gives a note.
    type: list
    elements: str
    default: []
  min_gpu_memory:
    description:
      - The minimum memory of one GPU, in GB as its manufacturer sells it (V(48) finds an L40S, whose driver reports
        46).
    type: float
  min_compute_capability:
    description:
      - The minimum compute capability of CUDA, such as V(8.9). RunPod does not report it; it is known for the GPUs in
        the table of C(docs/market.md).
    type: float
  gpu_count:
    description:
      - GPUs in one pod.
    type: int
    default: 1
  disk:
    description:
      - The size of the disk in GB. Its price is part of RV(offers[].billed_usd_per_hour), and on Vast.ai of the offer's
        own. If not given, disks are not counted.
    type: int
  min_memory:
    description:
      - The minimum memory of the host for the whole pod, in GB. RunPod does not report it before a pod is rented, so
        its offers are not filtered by it.
    type: float
  min_vcpus:
    description:
      - The minimum number of virtual CPUs for the whole pod; of RunPod's offers the same holds as for O(min_memory).
    type: float
  min_cuda_version:
    description:
      - The lowest CUDA version that the host's driver must support, such as V(12.8).
    type: str
  cuda_versions:
    description:
      - Exactly these CUDA versions of the host's driver.
    type: list
    elements: str
    default: []
  regions:
    description:
      - Only in these places. Each is the two letters of a country (ISO 3166, such as V(US) or V(DE)), a region of the
        world (V(africa), V(asia), V(europe), V(north_america), V(oceania), V(south_america)) or a data centre of RunPod
        (such as V(EU-RO-1)). Case does not matter.
      - A country means the data centres of RunPod in it. A provider that knows none of the places is left out, with a
        note. If not given, anywhere.
    type: list
    elements: str
    default: []
    aliases: [data_centers]
  clouds:
    description:
      - The kinds of hosts. On Vast.ai V(SECURE) are hosts in data centres, V(COMMUNITY) all others.
      - If not given, the provider's default, V(SECURE) at RunPod and both at Vast.ai.
    type: list
    elements: str
    choices:
      - SECURE
      - COMMUNITY
    default: []
  interruptible:
    description:
      - Cheaper pods that may be taken away at any time. Only Vast.ai has them.
    type: bool
    default: false
  bid:
    description:
      - With O(interruptible=true), the bid for the GPUs of the whole pod, in USD per hour. If not given, the minimum
        bid of each machine is shown, at which a pod is the first to be taken away.
    type: float
  max_price:
    description:
      - The most that the whole pod may cost by its contract, in USD per hour.
    type: float
  hours:
    description:
      - The offer must be valid for at least so many more hours, where offers end, as on Vast.ai.
    type: float
  rank_by:
    description:
      - What comes first, V(price) the cheapest pod with its disk, V(preference) the GPUs as O(gpus) lists them and then
        the cheapest, V(value) the lowest price per throughput (by the table of C(docs/market.md); GPUs that it does not
        have come last). Ties are broken by availability, reliability and bandwidth.
    type: str
    choices:
      - preference
      - price
      - value
    default: price
  include_unavailable:
    description:
      - Also list offers that do not fit, after those that do, each with RV(offers[].why_not).
    type: bool
    default: false
  runpod:
    description:
      - Key and address of RunPod, where both providers are asked.
    type: dict
    suboptions:
      api_key:
        description:
          - The API key. If not given, it is looked for in the same places as by the vendor's own tools.
        type: str
      api_url:
        description:
          - Scheme, host and port of the API, for tests, or for a proxy of your own.
        type: str
  vastai:
    description:
      - Key and address of Vast.ai, and filters that only it has.
    type: dict
    suboptions:
      api_key:
        description:
          - The API key. If not given, it is looked for in the same places as by the vendor's own tools.
        type: str
      api_url:
        description:
          - Scheme, host and port of the API, for tests, or for a proxy of your own.
        type: str
      search:
        description:
          - More filters, in Vast.ai's query language, as a mapping or as the text of its own command line tool, such as
            V(inet_down>500). They replace the defaults in C(docs/vastai.md).
        type: raw
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
  - module: podyard.gpu.pod
  - module: podyard.gpu.vastai_offer_info
  - module: podyard.gpu.account_info
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
    msg: "{{ market.offers[0].gpu }} at USD {{ market.offers[0].usd_per_hour }} per hour"
  when: market.offers | length > 0

- name: The most throughput for the money, of everything with 40 GB per GPU and CUDA 12.4
  podyard.gpu.offer_info:
    min_gpu_memory: 40
    min_compute_capability: 8.0
    min_cuda_version: "12.4"
    disk: 100
    rank_by: value
  delegate_to: localhost
  register: market

- name: Why there is nothing, and what comes nearest
  ansible.builtin.debug:
    msg: "{{ market.reason }}"
  when: market.offers | length == 0
"""

RETURN = r"""
offers:
  description: What can be rented, the best first.
  returned: success
  type: list
  elements: dict
  contains:
    provider:
      description: The provider.
      type: str
      sample: runpod
    gpu:
      description: The GPU's usual name.
      type: str
      sample: RTX 4090
    gpu_id:
      description: The provider's name for the GPU.
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
      description:
        - Price of the whole pod as its contract will have it, in USD per hour; V(none) where the provider does not say.
          O(max_price) is compared with it. On Vast.ai it includes the disk.
      type: float
      sample: 0.69
    billed_usd_per_hour:
      description: The same with the disk of O(disk) at either provider; the ranking uses this price.
      type: float
      sample: 0.6928
    disk_usd_per_hour:
      description: The part of RV(offers[].usd_per_hour) that is the disk's; V(none) where it is not included.
      type: float
    tflops:
      description: Throughput of all GPUs, dense and in 16 bits, by the table of C(docs/market.md).
      type: float
      sample: 165.2
    fits:
      description: Whether all requirements are met; always V(true) without O(include_unavailable).
      type: bool
      sample: true
    why_not:
      description: What excludes it, when it does not fit.
      type: str
    compute_capability:
      description: CUDA's compute capability.
      type: float
      sample: 8.9
    ram_gb:
      description: Memory of the host for the whole pod, in GB. This and the following are V(none) where no provider
        reports them.
      type: float
    vcpus:
      description: Virtual CPUs for the whole pod.
      type: float
    disk_gb:
      description: What is left of the machine's disk, in GB.
      type: float
    reliability:
      description: The share of recent time in which the machine was reachable, from 0 to 1.
      type: float
    down_mbps:
      description: Bandwidth towards the machine, in Mbit/s.
      type: float
    up_mbps:
      description: Bandwidth from the machine, in Mbit/s.
      type: float
    usd_per_gb_down:
      description: Price of what the pod receives, in USD per GB.
      type: float
      sample: 0.0
    usd_per_gb_up:
      description: Price of what the pod sends, in USD per GB.
      type: float
      sample: 0.0
    hours_left:
      description: For how many hours the host still offers it.
      type: float
    interruptible:
      description: Whether such a pod can be taken away.
      type: bool
      sample: false
    min_bid:
      description: The minimum bid for it, in USD per hour.
      type: float
    cloud:
      description: The kind of hosts.
      type: str
      sample: SECURE
    region:
      description: The data centre, or the country of the machine; V(none) where the provider chooses.
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
      description: What else the provider reports of it; see M(podyard.gpu.vastai_offer_info).
      type: dict
reason:
  description: Why nothing fits, in words, when nothing does; V(none) otherwise.
  returned: success
  type: str
misses:
  description: When nothing fits, what comes nearest, at most five.
  returned: success
  type: list
  elements: dict
  contains:
    words:
      description: What it is, and what excludes it.
      type: str
      sample: RTX 4090 at USD 0.69 per hour exceeds the cap of USD 0.60 per hour (option max_price)
    wishes:
      description: The options that exclude it; only one where a single option excludes an offer.
      type: list
      elements: str
      sample: [max_price]
    provider:
      description: The provider. C(gpu_count), C(usd_per_hour), C(cloud), C(region) and C(id) are there too, as of an
        offer.
      type: str
    gpu:
      description: The GPU.
      type: str
notes:
  description: Requirements that were not tried at some provider, and why.
  returned: success
  type: list
  elements: str
down:
  description: Providers that could not be asked, and why; each is a warning too.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import CloudError
from ..module_utils._core.offer import PRICE, RANKINGS, OfferQuery
from ..module_utils._market import search
from ..module_utils._module.common import API, PROVIDERS, failure
from ..module_utils._module.pod import chosen, connector
from ..module_utils._providers import registry
from ..module_utils._providers.base import Provider, ProviderInfo


def own(provider: ProviderInfo) -> dict[str, Any]:
    """Return the options for one provider: its key and address, and its filters if it has a query language."""
    return {**API, **{name: each for name, each in provider.own_options.items() if name == "search"}}


ARGUMENTS: dict[str, Any] = {
    **PROVIDERS,
    "gpus": {"type": "list", "elements": "str", "default": []},
    "min_gpu_memory": {"type": "float"},
    "min_compute_capability": {"type": "float"},
    "gpu_count": {"type": "int", "default": 1},
    "disk": {"type": "int"},
    "min_memory": {"type": "float"},
    "min_vcpus": {"type": "float"},
    "min_cuda_version": {"type": "str"},
    "cuda_versions": {"type": "list", "elements": "str", "default": []},
    "regions": {"type": "list", "elements": "str", "default": [], "aliases": ["data_centers"]},
    "clouds": {"type": "list", "elements": "str", "choices": ["SECURE", "COMMUNITY"], "default": []},
    "interruptible": {"type": "bool", "default": False},
    "bid": {"type": "float"},
    "max_price": {"type": "float"},
    "hours": {"type": "float"},
    "rank_by": {"type": "str", "choices": list(RANKINGS), "default": PRICE},
    "include_unavailable": {"type": "bool", "default": False},
    **{each.name: {"type": "dict", "options": own(each)} for each in registry.PROVIDERS},
    **API,
}


def query(params: dict[str, Any], provider: Provider) -> OfferQuery:
    """Turn the module's options into a query for one provider."""
    own = params[provider.name] or {}
    return OfferQuery(
        gpus=tuple(params["gpus"]),
        gpu_count=params["gpu_count"],
        clouds=tuple(params["clouds"]),
        regions=tuple(params["regions"]),
        min_cuda_version=params["min_cuda_version"],
        cuda_versions=tuple(params["cuda_versions"]),
        max_price=params["max_price"],
        disk_gb=params["disk"],
        hours=params["hours"],
        bid=params["bid"],
        filters=provider.filters(own.get("search")),
        min_gpu_memory=params["min_gpu_memory"],
        min_compute_capability=params["min_compute_capability"],
        min_ram_gb=params["min_memory"],
        min_vcpus=params["min_vcpus"],
        interruptible=params["interruptible"],
        rank_by=params["rank_by"],
    )


def ask(module: AnsibleModule) -> dict[str, Any]:
    """Search the market and return the module's result."""
    params = module.params
    if params["api_key"] and not params["providers"]:
        params["providers"] = [registry.default()]
    names = chosen(params)
    providers = {name: connector(module, name, len(names) == 1)() for name in names}
    queries = {name: query(params, provider) for name, provider in providers.items()}
    found = search.survey(providers, queries)
    for name, error in found.down.items():
        module.warn(f"{name} could not be asked: {error.message}")
    offers = [{**offer.to_result(), "fits": True, "why_not": None} for offer in found.offers]
    if params["include_unavailable"]:
        offers += [{**miss.offer.to_result(), "fits": False, "why_not": miss.reasons} for miss in found.others]
    why = found.refusal().message.replace("Nothing was rented: no", "No", 1)
    return {
        "offers": offers,
        "reason": None if found.offers else why,
        "misses": [miss.to_result() for miss in found.misses],
        "notes": list(found.notes),
        "down": {name: error.message for name, error in found.down.items()},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("min_cuda_version", "cuda_versions")],
    )
    try:
        result = ask(module)
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
