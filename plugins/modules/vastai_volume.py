#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.vastai_volume: a volume on Vast.ai."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vastai_volume
short_description: Keep a volume on a machine of Vast.ai
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Rents a volume on the cheapest machine that fits, or gives it back. A volume is on one machine, and only pods on
    that machine can mount it, see O(podyard.gpu.vastai_instance#module:volume).
  - It is billed until it is deleted, used or not. It cannot change its size or its machine.
options:
  size:
    description:
      - Its size in GB. Needed to create one.
    type: int
  machine_id:
    description:
      - The machine, by its number, such as RV(podyard.gpu.vastai_offer_info#module:offers[].host). If not given, the
        cheapest that fits.
    type: int
  search:
    description:
      - More filters for the machine, see O(podyard.gpu.vastai_offer_info#module:search).
    type: dict
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
    details: Shows the price.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.vastai_volume_info
  - module: podyard.gpu.vastai_instance
"""

EXAMPLES = r"""
- name: Keep a volume for data sets
  podyard.gpu.vastai_volume:
    name: datasets
    size: 15
    search:
      reliability: {gte: 0.97}
  register: kept

- name: Give it back
  podyard.gpu.vastai_volume:
    id: "{{ kept.volume.id }}"
    state: absent
"""

RETURN = r"""
volume:
  description: The volume; V(none) when it is absent.
  returned: success
  type: dict
  contains:
    id:
      description: Its number.
      type: str
      sample: "20118481"
    name:
      description: Its name, or V(V.) and its number where Vast.ai does not show one.
      type: str
      sample: datasets
    size:
      description: Its size in GB.
      type: int
      sample: 100
    machine_id:
      description: The machine that it is on, and that its pods must be on.
      type: int
      sample: 18422
    status:
      description: Vast.ai's own word for its state.
      type: str
      sample: active
    usd_per_hour:
      description: What it costs in USD an hour; V(none) when unknown.
      type: float
      sample: 0.014
    usd_per_month:
      description: The same for a month of 720 hours.
      type: float
      sample: 10.0
msg:
  description: What was done, or in check mode would be, as a sentence.
  returned: always
  type: str
changes:
  description: Names of what differed.
  returned: success
  type: list
  elements: str
used_by:
  description: Who uses it, when that is why it was not deleted.
  returned: failure
  type: list
  elements: str
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

from ..module_utils._core.errors import CloudError
from ..module_utils._module import resource as shared
from ..module_utils._module.common import failure

PROVIDER = "vastai"
PROPERTIES = {"size": {"type": "int"}, "machine_id": {"type": "int"}, "search": {"type": "dict"}}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**shared.STATE, **PROPERTIES},
        supports_check_mode=True,
        required_one_of=[("name", "id")],
    )
    try:
        outcome = shared.ensure(module, PROVIDER, "volume", shared.options(module, PROPERTIES))
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(**shared.result(module, outcome, "volume"))


if __name__ == "__main__":
    main()
