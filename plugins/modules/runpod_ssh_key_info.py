#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.runpod_ssh_key_info: SSH keys of a RunPod account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runpod_ssh_key_info
short_description: Read the SSH keys of a RunPod account
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads the public keys of the account, which get into the pods.
options: {}
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
  - module: podyard.gpu.runpod_ssh_key
"""

EXAMPLES = r"""
- name: Read the keys of the account
  podyard.gpu.runpod_ssh_key_info:
  register: account

- name: Show whose they are
  ansible.builtin.debug:
    msg: "{{ account.ssh_keys | map(attribute='comment') | list }}"
"""

RETURN = r"""
ssh_keys:
  description: All keys of the account; an empty list when it has none.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The whole line.
      type: str
      sample: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ me@example.com
    type:
      description: The kind of key; V(none) for an entry that is not a key.
      type: str
      sample: ssh-ed25519
    fingerprint:
      description: Its fingerprint as C(ssh-keygen -l) prints it; V(none) for an entry that is not a key.
      type: str
      sample: SHA256:vURoX8c5f9jk2VAqkdDhsG8VkEiNtNS7dVs/Y9t2vtQ
    comment:
      description: The comment behind it.
      type: str
      sample: me@example.com
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
from ..module_utils._module.common import API, failure
from ..module_utils._resources import ssh_keys

PROVIDER = "runpod"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=API, supports_check_mode=True)
    try:
        found = ssh_keys.read(shared.open_account_api(module, PROVIDER).keys())
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, ssh_keys=found)


if __name__ == "__main__":
    main()
