#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.pod_info: the pods of an account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_info
short_description: List pods
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Lists the pods of the accounts, or those that match.
  - A list that cannot be read completely is an error, never a shorter list.
  - The environment of a pod is never returned, because it may hold secrets.
options:
  id:
    description:
      - Only the pod with this id. An id that does not exist gives an empty list.
    type: str
  name:
    description:
      - Only pods of this name. A name of the form C(podyard-<project>-<run>-<index>) stands for all its attempts.
    type: str
  name_prefix:
    description:
      - Only pods whose names begin with this text.
    type: str
  run_id:
    description:
      - Only pods of this run, according to their names.
    type: str
  phases:
    description:
      - Only pods in one of these phases.
    type: list
    elements: str
    choices:
      - provisioning
      - starting
      - running
      - stopped
      - gone
      - failed
      - unknown
    default: []
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
  - module: podyard.gpu.runpod_pod
  - module: podyard.gpu.pod_termination
"""

EXAMPLES = r"""
- name: What is running, and what does it cost
  podyard.gpu.pod_info:
    phases: [provisioning, starting, running]
  delegate_to: localhost
  register: living

- name: Show the sum
  ansible.builtin.debug:
    msg: "USD {{ living.pods | map(attribute='usd_per_hour') | select('number') | sum }} per hour"
"""

RETURN = r"""
pods:
  description: The pods, oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    provider:
      description: The provider.
      type: str
      sample: runpod
    id:
      description: The provider's id of the pod.
      type: str
      sample: 7h9k2m4n6p
    name:
      description: The pod's name.
      type: str
      sample: podyard-digits-20260715_140000_1f2e-0-1
    project:
      description: The project in a name of this collection's pattern; V(none) for any other name.
      type: str
      sample: digits
    run_id:
      description: The run in a name of this collection's pattern; V(none) for any other name.
      type: str
      sample: 20260715_140000_1f2e
    phase:
      description: One of the values of O(phases).
      type: str
      sample: running
    raw_status:
      description: The provider's own word for its state.
      type: str
      sample: RUNNING
    gpu:
      description: The GPU's usual name.
      type: str
      sample: RTX 4090
    gpu_id:
      description: The provider's name for the GPU.
      type: str
      sample: NVIDIA GeForce RTX 4090
    gpu_count:
      description: GPUs in the pod.
      type: int
      sample: 1
    cpu:
      description: The processor of a pod without GPUs; V(none) for a pod with GPUs.
      type: dict
      sample: {id: cpu5c, vcpu_count: 4, memory_gb: 8.0}
    usd_per_hour:
      description: Price of the whole pod in its contract, in USD per hour.
      type: float
      sample: 0.69
    region:
      description: The data centre; V(none) until the pod is placed.
      type: str
      sample: EU-RO-1
    cloud:
      description: The kind of hosts.
      type: str
      sample: SECURE
    image:
      description: The container image.
      type: str
      sample: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
    endpoint:
      description: Where SSH answers; V(none) while it has no address.
      type: dict
      sample: {host: 203.0.113.9, port: 34446, user: root, mode: direct}
    created_at:
      description: When it was rented, in UTC.
      type: str
      sample: "2026-07-15T14:00:00Z"
    started_at:
      description: When its container started, in UTC.
      type: str
      sample: "2026-07-15T14:02:10Z"
    actions:
      description: The actions that the provider allows now.
      type: list
      elements: str
      sample: [stop, restart, terminate]
    disk_gb:
      description: The container's disk, in GB; wiped by a stop.
      type: int
      sample: 20
    ports:
      description: The ports that were asked for.
      type: list
      elements: str
      sample: [22/tcp]
    mounts:
      description: Storage that outlives a stop.
      type: list
      elements: dict
      sample:
        - kind: disk
          path: /workspace
          size_gb: 50
          volume_id:
    cuda_version:
      description: The CUDA version of the host's driver; V(none) when unknown.
      type: str
      sample: "12.8"
    utilisation:
      description: The current utilisation in percent; V(none) without telemetry.
      type: dict
      sample: {gpus: [{gpu: 97, memory: 61}], cpu: 12, memory: 8}
    locked:
      description: A locked pod cannot be stopped.
      type: bool
      sample: false
    global_networking:
      description: Whether it has an address in the account's private network; V(none) when unknown.
      type: bool
      sample: false
    internal_host:
      description: Its name in the account's private network; V(none) without global networking.
      type: str
      sample: 7h9k2m4n6p.runpod.internal
    host:
      description: The machine that it is on; V(none) where a provider does not say.
      type: str
      sample: "18422"
    interruptible:
      description: Whether another customer can take it away by paying more; V(none) where a provider has no such pods.
      type: bool
    bid:
      description: The bid of an interruptible pod in USD per hour, without its disk.
      type: float
    billing:
      description: What is billed now, V(gpu) (with the disk), V(disk) or V(none); empty where it is not known.
      type: str
      sample: gpu
    stopped_usd_per_hour:
      description: What a stopped pod costs in USD per hour, where it is known.
      type: float
      sample: 0.0125
    interruption:
      description: What took the pod away, V(outbid), V(no credit), V(expired) or V(host lost); V(none) if nothing did.
      type: str
    template:
      description: The template that it was rented with, where the provider reports it.
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import CloudError, NotFound
from ..module_utils._core.names import PodName
from ..module_utils._core.pod import PHASES, Pod
from ..module_utils._module.common import API, PROVIDERS, asked, failure, open_provider

ARGUMENTS: dict[str, Any] = {
    "id": {"type": "str"},
    "name": {"type": "str"},
    "name_prefix": {"type": "str"},
    "run_id": {"type": "str"},
    "phases": {"type": "list", "elements": "str", "choices": list(PHASES), "default": []},
    **API,
    **PROVIDERS,
}


def pods_of(module: AnsibleModule, name: str) -> list[Pod]:
    """Return all pods at one provider, or the one with the requested id."""
    provider = open_provider(module, name)
    if module.params["id"] is None:
        return provider.list_pods()
    try:
        return [provider.get_pod(module.params["id"])]
    except NotFound:
        return []


def fits(pod: Pod, params: dict[str, Any]) -> bool:
    """Return whether the options select the pod."""
    name = PodName.parse(pod.name)
    wanted = params["name"]
    if wanted is not None and wanted not in (pod.name, name.identity if name is not None else None):
        return False
    if params["run_id"] is not None and (name is None or name.run_id != params["run_id"]):
        return False
    if not pod.name.startswith(params["name_prefix"] or ""):
        return False
    return not params["phases"] or pod.phase in params["phases"]


def to_result(pod: Pod) -> dict[str, Any]:
    """Return the pod as a dict, with the project and the run that its name says."""
    name = PodName.parse(pod.name)
    return {
        **pod.to_result(),
        "project": name.project if name is not None else None,
        "run_id": name.run_id if name is not None else None,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        found = [pod for name in asked(module) for pod in pods_of(module, name)]
    except CloudError as error:
        module.fail_json(**failure(error))
    pods = sorted((pod for pod in found if fits(pod, module.params)), key=lambda pod: (pod.created_at or "", pod.id))
    module.exit_json(changed=False, pods=[to_result(pod) for pod in pods])


if __name__ == "__main__":
    main()
