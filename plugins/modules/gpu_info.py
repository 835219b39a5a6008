#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module podyard.gpu.gpu_info: what a pod has, measured on the pod in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_info
short_description: Measure a pod's GPUs, driver, disks and tools against what was rented
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Asks C(nvidia-smi), the file systems and the Python that will train, and computes on each GPU if that Python has
    torch.
  - A GPU of which C(nvidia-smi) says C([GPU requires reset]), C([Unknown Error]), C(ERR!) and the like is a problem; a
    value that it may not or cannot report, such as C([N/A]) and C([Insufficient Permissions]), is unknown and no
    problem. Any other text in place of a number gives a warning.
  - C(nvidia-smi) does not know AMD's GPUs; they are judged only by what torch computes.
  - Everything happens in one task. Each requirement that is not met becomes a sentence in RV(problems); the module
    itself does not fail.
options:
  gpu_count:
    description:
      - Number of GPUs that were rented.
    type: int
  gpu:
    description:
      - Name of the GPU that was rented, as the provider or the driver writes it, so that V(RTX 4080S) is C(NVIDIA
        GeForce RTX 4080 SUPER).
      - Another variant of a model (PCIe instead of SXM), another memory size or a slice of the GPU is a problem. A name
        that leaves the variant or the size open is none.
    type: str
  min_cuda_version:
    description:
      - Lowest CUDA version that the driver must support, such as V(12.8).
    type: str
  min_driver_version:
    description:
      - Lowest driver version, such as V(550).
    type: str
  min_free_gpu_memory_gb:
    description:
      - GPU memory in GiB that must be free on every GPU.
      - If not given, a GPU with more than a tenth of its memory in use is a problem.
    type: float
  mount:
    description:
      - Directory that must exist and be writable, such as V(/workspace).
    type: path
  directory:
    description:
      - Directory that the user of the login must be able to write to, or to create.
      - A user other than root usually cannot do that in V(/workspace).
    type: path
  min_disk_free_gb:
    description:
      - Free space in GiB that O(mount) needs (without O(mount) the home directory).
      - Not compared on network file systems, which report the size of the whole cluster.
    type: float
  python:
    description:
      - The Python that will train, a path or a name on the search path.
    type: path
    default: python3
  min_python_version:
    description:
      - Lowest version of O(python), such as V(3.9).
    type: str
  tools:
    description:
      - Programs whose presence is reported in RV(tools).
    type: list
    elements: str
    default: [rsync, tar, git, curl, setsid, nohup, timeout]
  compute:
    description:
      - Compute on every GPU if O(python) has torch.
    type: bool
    default: true
  compute_timeout:
    description:
      - Seconds after which the computation, including the import of torch from a slow disk, counts as hung.
    type: int
    default: 120
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: See whether the pod is what was rented
  podyard.gpu.gpu_info:
    gpu: RTX 4090
    gpu_count: 1
    min_cuda_version: "12.8"
    mount: /workspace
    min_disk_free_gb: 10
  register: __measured

- name: A bad host is no host
  ansible.builtin.fail:
    msg: "{{ __measured.problems | join(' ') }}"
  when: __measured.problems | length > 0
"""

RETURN = r"""
problems:
  description: One sentence for each requirement that is not met; empty when all are met.
  type: list
  elements: str
  returned: success
gpus:
  description: The GPUs that C(nvidia-smi) lists.
  type: list
  elements: dict
  returned: success
  contains:
    index:
      description: Number of the GPU.
      type: int
    name:
      description: Name of the GPU.
      type: str
    uuid:
      description: Identity of the GPU.
      type: str
    memory_total_mb:
      description: Memory in MiB.
      type: int
    memory_free_mb:
      description: Free memory in MiB.
      type: int
    utilization_percent:
      description: Utilisation in percent, or V(null) when the driver does not say.
      type: int
    faults:
      description: What C(nvidia-smi) says of a GPU that is broken.
      type: list
      elements: str
    unreadable:
      description: What C(nvidia-smi) says where a number should be, and that means nothing known.
      type: list
      elements: str
driver_version:
  description: Version of the NVIDIA driver.
  type: str
  returned: success
  sample: "570.86.15"
cuda_version:
  description: Highest CUDA version that the driver supports.
  type: str
  returned: success
  sample: "12.8"
disk:
  description: The file system of O(mount), or of the home directory.
  type: dict
  returned: success
  contains:
    path:
      description: Path that was examined.
      type: str
    exists:
      description: Whether it exists.
      type: bool
    fstype:
      description: Type of the file system.
      type: str
    network:
      description: Whether it is a network file system, whose free space means nothing.
      type: bool
    total_gb:
      description: Size in GiB.
      type: float
    free_gb:
      description: Free space in GiB.
      type: float
    writable:
      description: Whether a file could be written there.
      type: bool
    error:
      description: Why nothing could be written, or V(null).
      type: str
directory:
  description: What was found out about O(directory); V(null) without it.
  type: dict
  returned: success
  contains:
    path:
      description: Full path.
      type: str
    usable:
      description: Whether it can be written to, or created.
      type: bool
    user:
      description: The user of the login.
      type: str
python:
  description: The Python that will train.
  type: dict
  returned: success
  contains:
    path:
      description: Full path, or V(null) when there is none.
      type: str
    version:
      description: Version.
      type: str
    error:
      description: Why it does not run, or V(null).
      type: str
tools:
  description: For each name in O(tools) its full path, or V(null).
  type: dict
  returned: success
torch:
  description: What torch computed; V(null) when O(python) has no torch.
  type: dict
  returned: success
  contains:
    version:
      description: Version of torch.
      type: str
    cuda:
      description: CUDA version that torch was built for.
      type: str
    devices:
      description: Number of GPUs that torch sees.
      type: int
    milliseconds:
      description: Time of the matrix product on each GPU.
      type: list
      elements: float
    error:
      description: What went wrong, or V(null).
      type: str
"""

import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._host.probe import directory, disk, gpus, python
from ..module_utils._module.gpu_info import problems

ARGUMENTS: dict[str, Any] = {
    "gpu_count": {"type": "int"},
    "gpu": {"type": "str"},
    "min_cuda_version": {"type": "str"},
    "min_driver_version": {"type": "str"},
    "min_free_gpu_memory_gb": {"type": "float"},
    "mount": {"type": "path"},
    "directory": {"type": "path"},
    "min_disk_free_gb": {"type": "float"},
    "python": {"type": "path", "default": "python3"},
    "min_python_version": {"type": "str"},
    "tools": {
        "type": "list",
        "elements": "str",
        "default": ["rsync", "tar", "git", "curl", "setsid", "nohup", "timeout"],
    },
    "compute": {"type": "bool", "default": True},
    "compute_timeout": {"type": "int", "default": 120},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    params = module.params
    found: dict[str, Any] = {}

    def run(argv: list[str]) -> tuple[int, str, str]:
        code, output, errors = module.run_command(argv, expand_user_and_vars=False)
        return int(code), str(output), str(errors)

    found["gpus"], versions, trouble = gpus(run)
    found.update(versions)
    found["disk"] = disk(params["mount"] or str(Path.home()))
    found["directory"] = directory(params["directory"]) if params["directory"] else None
    found["python"], found["torch"] = python(
        run, params["python"], compute=params["compute"], seconds=params["compute_timeout"]
    )
    found["tools"] = {name: shutil.which(name) for name in params["tools"]}
    for gpu in found["gpus"]:
        for report in gpu["unreadable"]:
            module.warn(f"nvidia-smi reports a value of unknown meaning: {report}.")
    module.exit_json(changed=False, problems=problems(params, found, trouble), **found)


if __name__ == "__main__":
    main()
