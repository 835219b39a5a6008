#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.runpod_template: a template of pods on RunPod."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runpod_template
short_description: Keep a template of pods on RunPod
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Keeps a template, which holds a pod's image, disk, ports, environment and start command.
  - Pods name it with O(podyard.gpu.runpod_pod#module:template). A template is applied when a pod is rented; pods that
    exist already do not change with it.
  - A create is sent once. When its outcome is unknown, the template is looked up by its name and adopted.
options:
  image:
    description:
      - The container image. Needed to create a template.
    type: str
  args:
    description:
      - Arguments of the container's start command, as one line. They replace the image's own; on the official images
        that also replaces the script that starts the SSH server.
      - Empty text restores the image's own.
    type: str
  disk:
    description:
      - The container's disk in GB, which a stop wipes. A new template gets 20 if this is not given.
    type: int
  volume:
    description:
      - A disk on the pod's host that outlives a stop, but not the pod. It cannot be removed from a template again.
    type: dict
    suboptions:
      size:
        description:
          - Its size in GB, at least 10.
        type: int
        required: true
      path:
        description:
          - Where it is mounted.
        type: str
        default: /workspace
  ports:
    description:
      - Ports to open, such as V(22/tcp) and V(8888/http). Their order does not matter. A new template gets V(22/tcp) if
        this is not given, so that SSH reaches its pods.
    type: list
    elements: str
  env:
    description:
      - Environment variables, all of them; others are removed. At most 50.
      - They are secret, and appear in no result, diff or log.
    type: dict
  registry:
    description:
      - Name or id of the credentials for a private image, see M(podyard.gpu.runpod_registry). Empty text removes them.
    type: str
  start_ssh:
    description:
      - Give the pods the SSH keys of the account at start, see M(podyard.gpu.runpod_ssh_key). A new template gets
        V(true) if this is not given.
    type: bool
  start_jupyter:
    description:
      - Start JupyterLab, on images that know how; reach it with V(8888/http) in O(ports). A new template gets V(false)
        if this is not given.
    type: bool
  cuda_versions:
    description:
      - Acceptable CUDA versions of the host's driver, such as V(12.8). An empty list allows any.
    type: list
    elements: str
  category:
    description:
      - How the console groups the template. A new one gets V(NVIDIA) if this is not given.
    type: str
    choices: [NVIDIA, AMD, CPU]
  public:
    description:
      - Make the template public, including its environment. A new template gets V(false) if this is not given.
    type: bool
  serverless:
    description:
      - The template is for serverless workers, and no pod can be rented with it. A new template gets V(false) if this
        is not given.
    type: bool
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
    details: Of environment variables only the names, and which of them changed.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.runpod_template_info
  - module: podyard.gpu.runpod_pod
  - module: podyard.gpu.runpod_registry
"""

EXAMPLES = r"""
- name: Keep a template whose pods SSH reaches on the first try
  podyard.gpu.runpod_template:
    name: training
    image: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
    disk: 40
    ports: [22/tcp]
    env:
      HF_HUB_ENABLE_HF_TRANSFER: "1"
  register: template

- name: Give it a disk that outlives a stop
  podyard.gpu.runpod_template:
    id: "{{ template.template.id }}"
    volume:
      size: 100
      path: /workspace

- name: Delete it, once the last pod that was made of it is gone
  podyard.gpu.runpod_template:
    name: training
    state: absent
    wait_timeout: 600
"""

RETURN = r"""
template:
  description: The template; V(none) when it is absent.
  returned: success
  type: dict
  contains:
    id:
      description: Its id; V(none) in check mode for one that would be made.
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
msg:
  description: What was done, or in check mode would be, as a sentence.
  returned: always
  type: str
  sample: "The template training (9x4m2p7v) was changed: disk."
changes:
  description: Names of the options that differed.
  returned: success
  type: list
  elements: str
  sample: [disk]
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
    detail: template is in use by a pod
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import CloudError
from ..module_utils._module import resource as shared
from ..module_utils._module.common import failure, take_environment

PROVIDER = "runpod"
VOLUME = {"size": {"type": "int", "required": True}, "path": {"type": "str", "default": "/workspace"}}
PROPERTIES = {
    "image": {"type": "str"},
    "args": {"type": "str"},
    "disk": {"type": "int"},
    "volume": {"type": "dict", "options": VOLUME},
    "ports": {"type": "list", "elements": "str"},
    "env": {"type": "dict", "no_log": True},
    "registry": {"type": "str"},
    "start_ssh": {"type": "bool"},
    "start_jupyter": {"type": "bool"},
    "cuda_versions": {"type": "list", "elements": "str"},
    "category": {"type": "str", "choices": ["NVIDIA", "AMD", "CPU"]},
    "public": {"type": "bool"},
    "serverless": {"type": "bool"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**shared.STATE, **PROPERTIES},
        supports_check_mode=True,
        required_one_of=[("name", "id")],
    )
    env = take_environment(module)
    try:
        values = {**shared.options(module, PROPERTIES), "env": env}
        outcome = shared.ensure(module, PROVIDER, "template", values)
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(**shared.result(module, outcome, "template"))


if __name__ == "__main__":
    main()
