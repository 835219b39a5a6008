#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.vastai_env_var_info: the variables of a Vast.ai account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vastai_env_var_info
short_description: Show which variables a Vast.ai account has
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads the names of the environment variables that get into every new pod. No value is returned.
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
  - module: podyard.gpu.vastai_env_var
"""

EXAMPLES = r"""
- name: Read which variables new pods get
  podyard.gpu.vastai_env_var_info:
  register: account

- name: Show their names
  ansible.builtin.debug:
    msg: "{{ account.variables | list }}"
"""

RETURN = r"""
variables:
  description: The names of all variables; of values only that they are set.
  returned: success
  type: dict
  sample: {HF_HUB_ENABLE_HF_TRANSFER: (set)}
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
from ..module_utils._module.common import API, failure
from ..module_utils._resources import env_vars

PROVIDER = "vastai"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=API, supports_check_mode=True)
    try:
        found = shared.open_account_api(module, PROVIDER).variables().read()
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, variables=env_vars.to_result(found))


if __name__ == "__main__":
    main()
