#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.vastai_env_var: a variable of a Vast.ai account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vastai_env_var
short_description: Keep a variable of a Vast.ai account
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Keeps one environment variable of the account, which gets into every pod that is rented afterwards.
  - Its value is secret and appears in no result, diff or log. Where Vast.ai does not show values, they cannot be
    compared; an existing variable is then written only with O(renew).
options:
  name:
    description:
      - Its name. Vast.ai writes names in capitals.
    type: str
    required: true
  value:
    description:
      - Its value, of letters, digits, V(_), V(-) and V(.). Needed with O(state=present).
    type: str
  renew:
    description:
      - Write a value that cannot be compared.
    type: bool
    default: false
  state:
    description:
      - V(present), the account has the variable.
      - V(absent), it does not.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - podyard.gpu.attributes
  - podyard.gpu.api
attributes:
  check_mode:
    support: full
    details: Reads what there is and predicts the result. Nothing is changed.
  diff_mode:
    support: full
    details: Of the value only that it is set or changed.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.vastai_env_var_info
"""

EXAMPLES = r"""
- name: Give all pods from now on a setting
  podyard.gpu.vastai_env_var:
    name: HF_HUB_ENABLE_HF_TRANSFER
    value: "1"

- name: Take it away
  podyard.gpu.vastai_env_var:
    name: HF_HUB_ENABLE_HF_TRANSFER
    state: absent
"""

RETURN = r"""
variables:
  description: The names of all variables of the account; of values only that they are set.
  returned: success
  type: dict
  sample: {HF_HUB_ENABLE_HF_TRANSFER: (set)}
msg:
  description: What was done, or in check mode would be, as a sentence.
  returned: always
  type: str
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

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import CloudError
from ..module_utils._module import resource as shared
from ..module_utils._module.common import API, failure
from ..module_utils._resources import env_vars

PROVIDER = "vastai"
ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "value": {"type": "str", "no_log": True},
    "renew": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    **API,
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS, supports_check_mode=True, required_if=[("state", "present", ("value",))]
    )
    params = module.params
    value = params["value"] if params["state"] == "present" else None
    try:
        held = shared.open_account_api(module, PROVIDER).variables()
        outcome = env_vars.ensure(held, params["name"], value, renew=params["renew"], check=module.check_mode)
    except CloudError as error:
        module.fail_json(**failure(error))
    result = shared.result(module, outcome, "variables")
    result.pop("changes")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
