#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.runpod_registry: credentials of a container registry on RunPod."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runpod_registry
short_description: Keep credentials of a container registry on RunPod
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Keeps the credentials with which RunPod pulls private images, or public ones without the limits of anonymous users.
    Pods and templates name them.
  - RunPod returns neither user nor password, and cannot change them. So a difference cannot be seen, and new ones are
    set by deleting the credentials and recreating them under another id; see O(update_password).
  - A create is sent once. When its outcome is unknown, the credentials are looked up by their name and adopted.
options:
  username:
    description:
      - The user at the registry. Needed to create credentials.
    type: str
  password:
    description:
      - The password or token. Needed to create credentials. It is never returned or logged.
    type: str
  update_password:
    description:
      - V(on_create), credentials that exist stay as they are.
      - V(always), they are deleted and recreated each time, which needs O(username) and O(password). It is refused
        while a pod or a template uses them, because those hold the old id.
    type: str
    choices: [always, on_create]
    default: on_create
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
  idempotent:
    support: partial
    details: Not with O(update_password=always).
notes:
  - Credentials are not deleted while a pod uses them, nor while a template names them. The provider would remove them
    from a template without notice.
seealso:
  - module: podyard.gpu.runpod_registry_info
  - module: podyard.gpu.runpod_template
"""

EXAMPLES = r"""
- name: Keep the credentials for private images
  podyard.gpu.runpod_registry:
    name: dockerhub
    username: trainer
    password: "{{ lookup('ansible.builtin.env', 'DOCKERHUB_TOKEN') | default('not-a-token', true) }}"

- name: Set a new token
  podyard.gpu.runpod_registry:
    name: dockerhub
    username: trainer
    password: "{{ lookup('ansible.builtin.env', 'DOCKERHUB_TOKEN') | default('not-a-token', true) }}"
    update_password: always

- name: Delete them
  podyard.gpu.runpod_registry:
    name: dockerhub
    state: absent
"""

RETURN = r"""
registry:
  description: The credentials without user and password; V(none) when they are absent.
  returned: success
  type: dict
  contains:
    id:
      description: Their id; V(none) in check mode for those that would be made.
      type: str
      sample: 6n2k8v4d
    name:
      description: Their name.
      type: str
      sample: dockerhub
msg:
  description: What was done, or in check mode would be, as a sentence.
  returned: always
  type: str
  sample: The registry credential dockerhub (6n2k8v4d) was created.
changes:
  description: Names of the options that differed.
  returned: success
  type: list
  elements: str
  sample: [username, password]
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
    detail: registry credential is in use by a pod
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import CloudError
from ..module_utils._module import resource as shared
from ..module_utils._module.common import failure

PROVIDER = "runpod"
PROPERTIES = {
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
}
UPDATE = {"type": "str", "choices": ["always", "on_create"], "default": "on_create", "no_log": False}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**shared.STATE, **PROPERTIES, "update_password": UPDATE},
        supports_check_mode=True,
        required_one_of=[("name", "id")],
        required_if=[("update_password", "always", ["username", "password"])],
    )
    renew = module.params["update_password"] == "always"
    try:
        outcome = shared.ensure(module, PROVIDER, "registry", shared.options(module, PROPERTIES), renew=renew)
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(**shared.result(module, outcome, "registry"))


if __name__ == "__main__":
    main()
