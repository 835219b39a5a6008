#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.runpod_network_volume_info: network volumes on RunPod."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runpod_network_volume_info
short_description: Read network volumes on RunPod
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads the account's network volumes and their approximate cost.
options: {}
extends_documentation_fragment:
  - podyard.gpu.attributes
  - podyard.gpu.api
  - podyard.gpu.resource.info
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Nothing is changed.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.runpod_network_volume
"""

EXAMPLES = r"""
- name: Read all network volumes
  podyard.gpu.runpod_network_volume_info:
  register: volumes

- name: Show what they cost together
  ansible.builtin.debug:
    msg: "USD {{ volumes.network_volumes | map(attribute='usd_per_month') | select | sum }} a month"
"""

RETURN = r"""
network_volumes:
  description: The volumes; an empty list when there is none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its id.
      type: str
      sample: agv6w2qcg7
    name:
      description: Its name.
      type: str
      sample: datasets
    size:
      description: Its size in GB.
      type: int
      sample: 100
    data_center:
      description: The data centre where it is, and where its pods must be.
      type: str
      sample: EU-RO-1
    type:
      description: Its storage tier; V(none) in check mode where the data centre chooses.
      type: str
      sample: STANDARD
    usd_per_month:
      description: Its approximate cost in USD per month, by the list prices; V(none) for a tier whose price is not
        known.
      type: float
      sample: 7.0
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

from ..module_utils._core.errors import CloudError
from ..module_utils._module import resource as shared
from ..module_utils._module.common import failure

PROVIDER = "runpod"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=shared.INFO, supports_check_mode=True)
    try:
        found = shared.gather(module, PROVIDER, "network_volume")
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, network_volumes=found)


if __name__ == "__main__":
    main()
