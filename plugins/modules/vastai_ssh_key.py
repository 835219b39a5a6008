#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.vastai_ssh_key: SSH keys of a Vast.ai account or pod."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vastai_ssh_key
short_description: Add SSH keys to a Vast.ai account or to one pod, or remove them
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Adds public keys to the account, which get into every pod that is rented afterwards, or to one pod that is there
    already, or removes them. All other keys stay as they are.
  - A key is its type and its blob. A key that is there under another comment counts as present.
  - A path or anything else that is not a key is refused before it is sent, because Vast.ai accepts any text.
options:
  key:
    description:
      - The public keys, one line each, as in the files that end in C(.pub). A text may hold several lines.
    type: list
    elements: str
  path:
    description:
      - A file with public keys, one on each line, instead of O(key). It is read on the host where the module runs.
    type: path
  instance:
    description:
      - The number of a pod. If not given, the keys are those of the account.
    type: str
  state:
    description:
      - V(present), it has these keys.
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
    details: Public keys are not secret.
  idempotent:
    support: full
notes:
  - A key that is added to the account does not get into pods that are there already; one that is removed stays in them.
  - Accounts of teams take no keys; theirs are attached to each pod.
seealso:
  - module: podyard.gpu.vastai_ssh_key_info
  - module: podyard.gpu.vastai_instance
"""

EXAMPLES = r"""
- name: Let my key into all pods from now on
  podyard.gpu.vastai_ssh_key:
    path: ~/.ssh/id_ed25519.pub

- name: The same for a colleague
  podyard.gpu.vastai_ssh_key:
    key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ colleague@example.com

- name: The colleague has left
  podyard.gpu.vastai_ssh_key:
    key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ
    state: absent
"""

RETURN = r"""
ssh_keys:
  description: All keys of the account or the pod.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The whole line.
      type: str
      sample: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ me@example.com
    type:
      description: The kind of key; V(none) for an entry that is not a key, such as the path of one.
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
msg:
  description: What was done, or in check mode would be, as a sentence.
  returned: always
  type: str
changes:
  description: Names of what differed.
  returned: success
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
from ..module_utils._module.common import API, failure
from ..module_utils._resources import ssh_keys

PROVIDER = "vastai"
ARGUMENTS = {
    "key": {"type": "list", "elements": "str", "no_log": False},
    "path": {"type": "path"},
    "instance": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    **API,
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_one_of=[("key", "path")],
        mutually_exclusive=[("key", "path")],
    )
    try:
        held = shared.open_account_api(module, PROVIDER).keys(module.params["instance"])
        outcome = ssh_keys.ensure(held, shared.public_keys(module), module.params["state"], check=module.check_mode)
    except CloudError as error:
        module.fail_json(**failure(error))
    result = shared.result(module, outcome, "ssh_keys")
    module.exit_json(**{**result, "ssh_keys": [ssh_keys.describe(line) for line in result["ssh_keys"]["keys"]]})


if __name__ == "__main__":
    main()
