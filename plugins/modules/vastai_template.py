#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.vastai_template: a template of pods on Vast.ai."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vastai_template
short_description: Keep a template of pods on Vast.ai
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Keeps a template, which holds image, environment, start script and disk of pods. Pods name it with
    O(podyard.gpu.vastai_instance#module:template).
  - Its hash changes with its content; its number and its name do not.
options:
  image:
    description:
      - The container image. Needed to create a template.
    type: str
  tag:
    description:
      - Its tag, when that is not part of O(image).
    type: str
  env:
    description:
      - Environment variables, all of them; others are removed. They are secret, and appear in no result, diff or log.
    type: dict
  ports:
    description:
      - Ports to open beside 22, such as V(8080/tcp), all of them. They go with O(env).
    type: list
    elements: str
  onstart:
    description:
      - Shell text that runs at each start of the container.
    type: str
  runtype:
    description:
      - How the container is started. A new template gets V(ssh) if this is not given.
    type: str
    choices: [ssh, jupyter, args]
  ssh_direct:
    description:
      - Reach SSH by the machine's own address too. A new template gets V(true) if this is not given.
    type: bool
  jupyter_direct:
    description:
      - The same for Jupyter.
    type: bool
  jupyter_dir:
    description:
      - Where Jupyter starts.
    type: str
  use_jupyter_lab:
    description:
      - Start JupyterLab.
    type: bool
  disk:
    description:
      - The disk in GB that is recommended for its pods. A new template gets 20 if this is not given.
    type: int
  description:
    description:
      - What it is for, in a few words.
    type: str
  readme:
    description:
      - A longer description.
    type: str
  private:
    description:
      - Hide it from other accounts. A new template gets V(true) if this is not given.
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
    details: Of the environment only the names, and which of them changed.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.vastai_template_info
  - module: podyard.gpu.vastai_instance
"""

EXAMPLES = r"""
- name: Keep a template
  podyard.gpu.vastai_template:
    name: training
    image: pytorch/pytorch
    tag: 2.8.0-cuda12.8-cudnn9-devel
    disk: 40
    env:
      HF_HUB_ENABLE_HF_TRANSFER: "1"

- name: Delete it
  podyard.gpu.vastai_template:
    name: training
    state: absent
"""

RETURN = r"""
template:
  description: The template; V(none) when it is absent.
  returned: success
  type: dict
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
from ..module_utils._core.values import docker_port
from ..module_utils._module import resource as shared
from ..module_utils._module.common import failure, take_environment

PROVIDER = "vastai"
PROPERTIES = {
    "image": {"type": "str"},
    "tag": {"type": "str"},
    "env": {"type": "dict", "no_log": True},
    "onstart": {"type": "str"},
    "runtype": {"type": "str", "choices": ["ssh", "jupyter", "args"]},
    "ssh_direct": {"type": "bool"},
    "jupyter_direct": {"type": "bool"},
    "jupyter_dir": {"type": "str"},
    "use_jupyter_lab": {"type": "bool"},
    "disk": {"type": "int"},
    "description": {"type": "str"},
    "readme": {"type": "str"},
    "private": {"type": "bool"},
}


def environment(module: AnsibleModule) -> dict[str, str] | None:
    """Return variables and ports, which a template keeps in one place; None when neither is given."""
    env, ports = take_environment(module), module.params["ports"]
    if env is None and ports is None:
        return None
    return {**(env or {}), **{docker_port(str(port)): "1" for port in ports or []}}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**shared.STATE, **PROPERTIES, "ports": {"type": "list", "elements": "str"}},
        supports_check_mode=True,
        required_one_of=[("name", "id")],
    )
    try:
        values = {**shared.options(module, PROPERTIES), "env": environment(module)}
        outcome = shared.ensure(module, PROVIDER, "template", values)
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(**shared.result(module, outcome, "template"))


if __name__ == "__main__":
    main()
