#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.vastai_volume_info: volumes of a Vast.ai account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vastai_volume_info
short_description: Show the volumes of a Vast.ai account
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads the account's volumes, each of which is on one machine.
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
  - module: podyard.gpu.vastai_volume
"""

EXAMPLES = r"""
- name: Read them
  podyard.gpu.vastai_volume_info:
  register: account

- name: Show their names
  ansible.builtin.debug:
    msg: "{{ account.volumes | map(attribute='name') | list }}"
"""

RETURN = r"""
volumes:
  description: All that were asked for; an empty list when there are none.
  returned: success
  type: list
  elements: dict
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


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=shared.INFO, supports_check_mode=True)
    try:
        found = shared.gather(module, PROVIDER, "volume")
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, volumes=found)


if __name__ == "__main__":
    main()
