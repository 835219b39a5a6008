#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.runpod_network_volume: a network volume on RunPod."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runpod_network_volume
short_description: Keep a network volume on RunPod
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Keeps a network volume, which is storage in one data centre that outlives its pods. It can grow, and cannot shrink
    or move.
  - A volume costs money from its creation until it is deleted, used or not. The message and the diff say how much.
  - A create is sent once. When its outcome is unknown, the volume is looked up by its name and adopted.
options:
  size:
    description:
      - Its size in GB, 10 to 4096. Needed to create a volume. Later it can only grow.
    type: int
  data_center:
    description:
      - The data centre, such as V(EU-RO-1). Needed to create a volume. Case does not matter.
      - A data centre that does not exist or has no such volumes is refused before anything is created, with a list of
        those that do.
    type: str
  type:
    description:
      - The storage tier. If not given, the data centre chooses its own.
    type: str
    choices: [STANDARD, HIGH_PERFORMANCE]
extends_documentation_fragment:
  - podyard.gpu.attributes
  - podyard.gpu.api
  - podyard.gpu.resource
attributes:
  check_mode:
    support: full
    details: Reads what there is and predicts the result. Nothing is changed.
  diff_mode:
    support: full
    details: With the cost in USD a month.
  idempotent:
    support: full
notes:
  - All data on a volume is lost when it is deleted. It is not deleted while a pod uses it, even a stopped one;
    serverless endpoints are not looked at.
seealso:
  - module: podyard.gpu.runpod_network_volume_info
  - module: podyard.gpu.runpod_pod
"""

EXAMPLES = r"""
- name: Keep a volume for data sets
  podyard.gpu.runpod_network_volume:
    name: datasets
    size: 100
    data_center: EU-RO-1
  register: volume

- name: Say what it costs
  ansible.builtin.debug:
    msg: "USD {{ volume.network_volume.usd_per_month }} a month"

- name: Let it grow
  podyard.gpu.runpod_network_volume:
    name: datasets
    size: 200

- name: Delete it with all data, once no pod uses it any more
  podyard.gpu.runpod_network_volume:
    name: datasets
    state: absent
    wait_timeout: 300
"""

RETURN = r"""
network_volume:
  description: The volume; V(none) when it is absent.
  returned: success
  type: dict
  contains:
    id:
      description: Its id; V(none) in check mode for one that would be made.
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
msg:
  description: What was done, or in check mode would be, as a sentence.
  returned: always
  type: str
  sample: "The network volume datasets (agv6w2qcg7) was changed: size. It costs about USD 14.00 a month until it is
    deleted, used or not."
changes:
  description: Names of the options that differed.
  returned: success
  type: list
  elements: str
  sample: [size]
used_by:
  description: Who uses it, when that is why it was not deleted.
  returned: failure
  type: list
  elements: str
  sample: ["the pod trainer (7h9k2m4n6p, running)"]
failure:
  description: What is known of the error; C(detail) holds the provider's own words.
  returned: failure
  type: dict
  sample:
    kind: BadRequest
    status: 400
    code:
    request_id: 3f1c
    detail: network volume storage cannot be reduced
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import CloudError
from ..module_utils._module import resource as shared
from ..module_utils._module.common import failure

PROVIDER = "runpod"
PROPERTIES = {
    "size": {"type": "int"},
    "data_center": {"type": "str"},
    "type": {"type": "str", "choices": ["STANDARD", "HIGH_PERFORMANCE"]},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**shared.STATE, **PROPERTIES},
        supports_check_mode=True,
        required_one_of=[("name", "id")],
    )
    try:
        outcome = shared.ensure(module, PROVIDER, "network_volume", shared.options(module, PROPERTIES))
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(**shared.result(module, outcome, "network_volume"))


if __name__ == "__main__":
    main()
