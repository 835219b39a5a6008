#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.runpod_template_info: templates on RunPod."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runpod_template_info
short_description: Read templates of pods on RunPod
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads the account's own templates, or those that RunPod and others offer to everybody.
options:
  source:
    description:
      - Whose templates. V(own), the account's. V(official), RunPod's. V(verified), those of others that RunPod has
        verified. V(community), all others that are public. Of the last three the provider lists at most 100.
      - With V(own), O(id) also finds another account's public template.
    type: str
    choices: [own, official, verified, community]
    default: own
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
  - module: podyard.gpu.runpod_template
"""

EXAMPLES = r"""
- name: Read the account's own templates
  podyard.gpu.runpod_template_info:

- name: Read what RunPod offers
  podyard.gpu.runpod_template_info:
    source: official
  register: offered

- name: Show which of these are for pods
  ansible.builtin.debug:
    msg: "{{ offered.templates | rejectattr('serverless') | map(attribute='name') | list }}"
"""

RETURN = r"""
templates:
  description: The templates; an empty list when there is none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its id.
      type: str
      sample: 9x4m2p7v
    name:
      description: Its name.
      type: str
      sample: training
    image:
      description: The container image.
      type: str
      sample: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
    args:
      description: Arguments of the container's start, empty for the image's own.
      type: str
      sample: ""
    disk:
      description: The container's disk in GB.
      type: int
      sample: 40
    volume:
      description: The disk that outlives a stop, C(size) in GB and C(path); V(none) without one.
      type: dict
      sample: {size: 100, path: /workspace}
    ports:
      description: Ports that are opened.
      type: list
      elements: str
      sample: [22/tcp, 8888/http]
    env:
      description: The environment variables; of their values only that they are set.
      type: dict
      sample: {HF_TOKEN: (set)}
    registry:
      description: The id of the credentials with which the image is pulled; V(none) without.
      type: str
      sample: 6n2k8v4d
    start_ssh:
      description: Pods get the account's SSH keys at start.
      type: bool
      sample: true
    start_jupyter:
      description: Pods start JupyterLab.
      type: bool
      sample: false
    cuda_versions:
      description: Acceptable CUDA versions of the host's driver; empty for any.
      type: list
      elements: str
      sample: ["12.8"]
    category:
      description: How the console groups it.
      type: str
      sample: NVIDIA
    public:
      description: Others can see it.
      type: bool
      sample: false
    serverless:
      description: It is for serverless workers and not for pods.
      type: bool
      sample: false
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
SOURCES = ["own", "official", "verified", "community"]
ARGUMENTS = {**shared.INFO, "source": {"type": "str", "choices": SOURCES, "default": "own"}}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    source = module.params["source"]
    try:
        found = shared.gather(module, PROVIDER, "template", None if source == "own" else source)
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, templates=found)


if __name__ == "__main__":
    main()
