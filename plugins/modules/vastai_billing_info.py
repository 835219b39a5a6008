#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.vastai_billing_info: what a Vast.ai account was charged."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vastai_billing_info
short_description: Show what a Vast.ai account was charged
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads the charges of the account for its pods, volumes and serverless work, or its invoices.
options:
  kind:
    description:
      - What was charged.
    type: str
    choices: [all, pods, volumes, serverless, invoices]
    default: all
  instance:
    description:
      - Only of the pod or volume with this number.
    type: str
  last_days:
    description:
      - The number of days up to now. If neither this nor O(start_time) is given, 30.
    type: int
  start_time:
    description:
      - From this moment on, as V(2026-06-01) or V(2026-06-01T12:00:00Z).
    type: str
  end_time:
    description:
      - Up to this moment. If not given, now.
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
- name: Read what the pods of the last week cost
  podyard.gpu.vastai_billing_info:
    kind: pods
    last_days: 7
  register: bills

- name: Show the sum
  ansible.builtin.debug:
    msg: "USD {{ bills.totals.total_usd }}"
"""

RETURN = r"""
records:
  description: One entry for each contract.
  returned: success
  type: list
  elements: dict
  contains:
    type:
      description: What it is, such as V(instance) or V(volume).
      type: str
      sample: instance
    object_id:
      description: The number of the pod or volume.
      type: str
      sample: "12345678"
    label:
      description: The pod's label.
      type: str
      sample: podyard-digits-20260715_140000_1f2e-0-1
    start:
      description: From when on, in UTC.
      type: str
      sample: "2026-07-15T14:00:00Z"
    end:
      description: Until when, in UTC.
      type: str
      sample: "2026-07-15T15:00:00Z"
    usd:
      description: The sum.
      type: float
      sample: 0.41
    amounts:
      description: Its parts in USD, C(gpu_usd), C(disk_usd), C(download_usd) and C(upload_usd).
      type: dict
      sample: {gpu_usd: 0.36, disk_usd: 0.05}
totals:
  description: The sum of all in C(total_usd), and of each part.
  returned: success
  type: dict
  sample: {total_usd: 0.41, gpu_usd: 0.36, disk_usd: 0.05}
query:
  description: What was asked for.
  returned: success
  type: dict
  sample: {start: "2026-07-08T14:00:00Z", end: "2026-07-15T14:00:00Z", kind: pods}
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

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import BadRequest, CloudError
from ..module_utils._module import resource as shared
from ..module_utils._module.common import API, failure
from ..module_utils._resources.resource import BillQuery

PROVIDER = "vastai"
ARGUMENTS = {
    "kind": {"type": "str", "choices": ["all", "pods", "volumes", "serverless", "invoices"], "default": "all"},
    "instance": {"type": "str"},
    "last_days": {"type": "int"},
    "start_time": {"type": "str"},
    "end_time": {"type": "str"},
    **API,
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS, supports_check_mode=True, mutually_exclusive=[("last_days", "start_time")]
    )
    params = module.params
    try:
        if params["last_days"] is not None and params["last_days"] < 1:
            raise BadRequest(f"The option last_days is {params['last_days']}; give at least 1.")
        query = BillQuery(
            kind=params["kind"],
            object_id=params["instance"],
            last=params["last_days"],
            start=params["start_time"],
            end=params["end_time"],
        )
        bills = shared.open_account_api(module, PROVIDER).bills(query)
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, **bills)


if __name__ == "__main__":
    main()
