#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.runpod_registry_info: credentials of container registries on RunPod."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runpod_registry_info
short_description: Read which registry credentials there are on RunPod
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads names and ids of the account's credentials for container registries. Users and passwords cannot be read.
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
  - module: podyard.gpu.runpod_registry
"""

EXAMPLES = r"""
- name: Read which credentials there are
  podyard.gpu.runpod_registry_info:
"""

RETURN = r"""
registries:
  description: The credentials; an empty list when there are none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Their id.
      type: str
      sample: 6n2k8v4d
    name:
      description: Their name.
      type: str
      sample: dockerhub
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
        found = shared.gather(module, PROVIDER, "registry")
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, registries=found)


if __name__ == "__main__":
    main()
