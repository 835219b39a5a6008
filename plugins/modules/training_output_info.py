#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module podyard.gpu.training_output_info: what a training left, in its output directory and elsewhere."""

from __future__ import annotations

DOCUMENTATION = r"""
module: training_output_info
short_description: List what a training left on its host, in its output directory and elsewhere
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Counts the files of the output directory and says which patterns match none of them.
  - With O(search), finds the files that were made or changed since the training began, in its code and data, in the
    home directory, below O(mount) and in other places where programs leave results. Hidden directories, caches and
    virtual environments are left out.
  - It looks at 100,000 names at most in each case, and says when there are more.
options:
  dir:
    description:
      - The run's directory, as it was given to M(podyard.gpu.training).
    type: path
    required: true
  output_dir:
    description:
      - The output directory. Default is C(output) in O(dir).
    type: path
  artifacts:
    description:
      - Patterns of files below O(output_dir).
    type: list
    elements: str
    default: []
  checkpoints:
    description:
      - Patterns of files below O(output_dir) to count.
    type: list
    elements: str
    default: []
  search:
    description:
      - Whether to look elsewhere too.
    type: bool
    default: false
  code:
    description:
      - The directory in which the training ran.
    type: path
  data:
    description:
      - The directory with its data.
    type: path
  mount:
    description:
      - A directory that is searched too, except for C(podyard) in it.
    type: path
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.training
"""

EXAMPLES = r"""
- name: See what there is
  podyard.gpu.training_output_info:
    dir: /workspace/podyard/digits/runs/20261122_101500_4f2a
    artifacts: ["*.safetensors"]
    search: true
    code: /workspace/podyard/digits/runs/20261122_101500_4f2a/code
    mount: /workspace
"""

RETURN = r"""
output:
  description: What the output directory holds.
  type: dict
  returned: success
  contains:
    files:
      description: Number of files.
      type: int
    bytes:
      description: Their size.
      type: int
    complete:
      description: Whether all of it was examined.
      type: bool
    first:
      description: Names of up to 50 of them.
      type: list
      elements: str
    checkpoints:
      description: Number of files that O(checkpoints) name.
      type: int
    unmatched:
      description: Patterns of O(artifacts) that match nothing.
      type: list
      elements: str
elsewhere:
  description: What was made or changed elsewhere since the training began.
  type: dict
  returned: success
  contains:
    files:
      description: Number of files.
      type: int
    bytes:
      description: Their size.
      type: int
    complete:
      description: Whether everything was examined and is named.
      type: bool
    places:
      description:
        - Up to 50 places, each with C(root), C(path), C(files), C(bytes), and C(pattern), which names it below C(root)
          (V(null) where its name is not text).
      type: list
      elements: dict
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.patterns import BadPattern
from ..module_utils._module.training_output import Search, output, roots

ARGUMENTS: dict[str, Any] = {
    "dir": {"type": "path", "required": True},
    "output_dir": {"type": "path"},
    "artifacts": {"type": "list", "elements": "str", "default": []},
    "checkpoints": {"type": "list", "elements": "str", "default": []},
    "search": {"type": "bool", "default": False},
    "code": {"type": "path"},
    "data": {"type": "path"},
    "mount": {"type": "path"},
}
NOTHING: dict[str, Any] = {"places": [], "files": 0, "bytes": 0, "complete": True}


def elsewhere(params: dict[str, Any], output_dir: str) -> dict[str, Any]:
    """Find files that the training left outside its output directory; nothing when its start is unknown."""
    try:
        # By the clock of the file system, which also dates the new files.
        since = os.stat(os.path.join(params["dir"], "started_at")).st_mtime
    except OSError:
        return NOTHING
    mount = params["mount"]
    ours = [params["dir"], output_dir, *([os.path.join(mount, "podyard")] if mount else [])]
    return Search(since, ours).look(roots(params["code"], params["data"], mount))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    params = module.params
    output_dir = params["output_dir"] or os.path.join(params["dir"], "output")
    try:
        found = output(output_dir, params["artifacts"], params["checkpoints"])
    except BadPattern as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False, output=found, elsewhere=elsewhere(params, output_dir) if params["search"] else NOTHING
    )


if __name__ == "__main__":
    main()
