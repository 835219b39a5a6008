#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.runpod_ssh_key: SSH keys of a RunPod account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runpod_ssh_key
short_description: Add SSH keys to a RunPod account, or remove them
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Adds public keys to the account, which get into every pod that is rented with
    O(podyard.gpu.runpod_template#module:start_ssh) or the console, or removes them. All other keys of the account stay
    as they are.
  - A key is its type and its blob. A key that is there under another comment counts as present.
  - RunPod stores the keys as one list, which the module reads, merges and writes. Two to three seconds later it reads
    the list again. If another writer undid the change meanwhile, the module repeats it, and restores keys of others
    that this writer dropped.
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
  state:
    description:
      - V(present), the account has these keys.
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
    details: Reads the keys and predicts the result. Nothing is changed.
  diff_mode:
    support: full
  idempotent:
    support: full
notes:
  - Keys get into a pod when its container starts. Pods that run already do not get a new key, and keep one that was
    removed.
seealso:
  - module: podyard.gpu.runpod_ssh_key_info
  - module: podyard.gpu.runpod_template
"""

EXAMPLES = r"""
- name: Let my key into all pods from now on
  podyard.gpu.runpod_ssh_key:
    path: ~/.ssh/id_ed25519.pub

- name: The same for a colleague
  podyard.gpu.runpod_ssh_key:
    key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ colleague@example.com

- name: The colleague has left
  podyard.gpu.runpod_ssh_key:
    key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ
    state: absent
"""

RETURN = r"""
ssh_keys:
  description: All keys of the account, including those of others.
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
msg:
  description: What was done, or in check mode would be, as a sentence.
  returned: always
  type: str
  sample: "SSH keys added to the account: me@example.com. Keys in the account afterwards: 2."
changes:
  description: Comments, or else fingerprints, of the keys that were added or removed.
  returned: success
  type: list
  elements: str
  sample: [me@example.com]
failure:
  description: What is known of the error; C(detail) holds the provider's own words.
  returned: failure
  type: dict
  sample:
    kind: BadRequest
    status: 422
    code:
    request_id: 3f1c
    detail: Request validation failed.
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import CloudError
from ..module_utils._module import resource as shared
from ..module_utils._module.common import API, failure
from ..module_utils._resources import ssh_keys

PROVIDER = "runpod"
ARGUMENTS = {
    "key": {"type": "list", "elements": "str", "no_log": False},
    "path": {"type": "path"},
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
        account = shared.open_account_api(module, PROVIDER).keys()
        outcome = ssh_keys.ensure(account, shared.public_keys(module), module.params["state"], check=module.check_mode)
    except CloudError as error:
        module.fail_json(**failure(error))
    result = shared.result(module, outcome, "ssh_keys")
    module.exit_json(**{**result, "ssh_keys": [ssh_keys.describe(line) for line in result["ssh_keys"]["keys"]]})


if __name__ == "__main__":
    main()
