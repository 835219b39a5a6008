#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.runpod_billing_info: what RunPod billed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runpod_billing_info
short_description: Read what RunPod billed
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads what the account was billed, hour by hour up to year by year, and the totals. All amounts are USD.
  - The balance is in M(podyard.gpu.account_info).
options:
  kind:
    description:
      - What was billed. V(all), everything, in one record for each O(bucket_size). V(pods) and V(network_volumes), one
        record for each of them. V(clusters), V(serverless) and V(endpoints) (public ones) are things that this
        collection does not create.
    type: str
    choices: [all, pods, network_volumes, clusters, serverless, endpoints]
    default: all
  pod_id:
    description:
      - Only this pod. Needs O(kind=pods).
    type: str
  network_volume:
    description:
      - Only this volume, by the id that it had. Needs O(kind=network_volumes).
    type: str
  bucket_size:
    description:
      - How long one record is.
    type: str
    choices: [hour, day, week, month, year]
    default: day
  last_n:
    description:
      - The number of most recent buckets of O(bucket_size), including the current one.
    type: int
  start_time:
    description:
      - The beginning, such as V(2026-06-01) or V(2026-06-01T12:00:00Z). If neither this nor O(last_n) is given, 30 days
        ago. The provider takes the beginning of the O(bucket_size) in which it lies.
    type: str
  end_time:
    description:
      - The end, exclusive. If not given, now.
    type: str
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
  - module: podyard.gpu.account_info
"""

EXAMPLES = r"""
- name: Read what everything cost in the last seven days
  podyard.gpu.runpod_billing_info:
    last_n: 7
  register: bills

- name: Show the sum
  ansible.builtin.debug:
    msg: "USD {{ bills.totals.total_usd }}"

- name: Read what the pods cost since the first of June, month by month
  podyard.gpu.runpod_billing_info:
    kind: pods
    bucket_size: month
    start_time: "2026-06-01"
"""

RETURN = r"""
records:
  description:
    - What was billed, a record for each bucket and, by O(kind), each pod or volume.
    - The parts of C(total_usd) differ by O(kind). Pods have C(gpu_usd), C(cpu_usd) and C(disk_usd), network volumes
      have C(standard_usd) and C(high_performance_usd), and V(all) has C(pod_gpu_usd), C(storage_standard_usd) and more.
  returned: success
  type: list
  elements: dict
  sample:
    - start_time: "2026-06-01T00:00:00Z"
      end_time: "2026-06-02T00:00:00Z"
      pod_id: 7h9k2m4n6p
      total_usd: 12.34
      gpu_usd: 11.1
      cpu_usd: 0.0
      disk_usd: 1.24
totals:
  description: The sums of all records, in USD.
  returned: success
  type: dict
  sample: {total_usd: 12.34, gpu_usd: 11.1, cpu_usd: 0.0, disk_usd: 1.24}
query:
  description: The period that the provider used, widened to whole buckets.
  returned: success
  type: dict
  sample: {start_time: "2026-06-01T00:00:00Z", end_time: "2026-06-02T00:00:00Z", bucket_size: day}
failure:
  description: What is known of the error; C(detail) holds the provider's own words.
  returned: failure
  type: dict
  sample:
    kind: AuthError
    status: 401
    code:
    request_id: 3f1c
    detail: invalid api key
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import BadRequest, CloudError
from ..module_utils._module import resource as shared
from ..module_utils._module.common import API, failure
from ..module_utils._resources.resource import BillQuery

PROVIDER = "runpod"
KINDS = ["all", "pods", "network_volumes", "clusters", "serverless", "endpoints"]
#: The option that narrows a kind to one object.
ONLY = {"pods": "pod_id", "network_volumes": "network_volume"}
ARGUMENTS = {
    "kind": {"type": "str", "choices": KINDS, "default": "all"},
    "pod_id": {"type": "str"},
    "network_volume": {"type": "str"},
    "bucket_size": {"type": "str", "choices": ["hour", "day", "week", "month", "year"], "default": "day"},
    "last_n": {"type": "int"},
    "start_time": {"type": "str"},
    "end_time": {"type": "str"},
    **API,
}


def query(module: AnsibleModule) -> BillQuery:
    """Turn the options into a query.

    :raises BadRequest: for options that do not go together.
    """
    params = module.params
    kind, last = params["kind"], params["last_n"]
    for of_kind, option in ONLY.items():
        if params[option] is not None and kind != of_kind:
            raise BadRequest(f"The option {option} needs kind to be {of_kind}, but it is {kind}.")
    if last is not None and last < 1:
        raise BadRequest(f"The option last_n is {last}; give at least 1.")
    return BillQuery(
        kind=kind,
        object_id=params[ONLY[kind]] if kind in ONLY else None,
        bucket=params["bucket_size"],
        last=last,
        start=params["start_time"],
        end=params["end_time"],
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("last_n", "start_time"), ("last_n", "end_time")],
    )
    try:
        bills = shared.open_account_api(module, PROVIDER).bills(query(module))
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, **bills)


if __name__ == "__main__":
    main()
