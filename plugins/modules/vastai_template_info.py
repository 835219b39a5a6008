#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.vastai_template_info: templates of a Vast.ai account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vastai_template_info
short_description: Show the templates of a Vast.ai account
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads the account's own templates. Values of their environment are not returned.
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
  - module: podyard.gpu.vastai_template
"""

EXAMPLES = r"""
- name: Read them
  podyard.gpu.vastai_template_info:
  register: account

- name: Show their names
  ansible.builtin.debug:
    msg: "{{ account.templates | map(attribute='name') | list }}"
"""

RETURN = r"""
templates:
  description: All that were asked for; an empty list when there are none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its number.
      type: str
      sample: "310541"
    name:
      description: Its name.
      type: str
      sample: training
    image:
      description: The container image.
      type: str
      sample: pytorch/pytorch
    tag:
      description: The image's tag; V(none) when it is part of C(image).
      type: str
    env:
      description: Variables and ports; of their values only that they are set.
      type: dict
      sample: {HF_TOKEN: (set), "-p 8080:8080": (set)}
    onstart:
      description: What the container runs at each start.
      type: str
      sample: mkdir -p /workspace
    runtype:
      description: How the container is started.
      type: str
      sample: ssh
    ssh_direct:
      description: Whether SSH is reached by the machine's own address too.
      type: bool
      sample: true
    disk:
      description: The disk in GB that is recommended for its pods.
      type: int
      sample: 40
    private:
      description: Others cannot see it.
      type: bool
      sample: true
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
        found = shared.gather(module, PROVIDER, "template")
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, templates=found)


if __name__ == "__main__":
    main()
