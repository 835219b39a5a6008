#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.run_results, which runs on the controller for the pod's host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_results
short_description: Fetch what a run has so far
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Fetches log, metrics, GPU samples, checkpoints and artifacts of a training over the SSH connection of the task's
    host into the run's directory on the controller, each file of the last two verified by SHA-256.
  - It can run while the training runs, and while another C(ansible-playbook) follows it. A file that was written to a
    moment ago is incomplete and is not taken, nor is a file that changes while it is fetched.
  - A host that cannot be reached fails the task, and stays in the play.
options:
  run_dir:
    description:
      - The run's directory on the controller, below which C(checkpoints) and C(artifacts) are filled.
      - Relative paths start at the directory in which C(ansible-playbook) was called.
    type: path
    required: true
  dir:
    description:
      - The run's directory on the host.
    type: str
    required: true
  output_dir:
    description:
      - Directory where the training leaves its results. Default is C(output) in O(dir).
    type: str
  metrics_file:
    description:
      - File of the metrics, absolute or relative to O(output_dir). Default is C(metrics.jsonl).
    type: str
  checkpoints:
    description:
      - Patterns of checkpoints, relative to O(output_dir), written as in O(podyard.gpu.transfer#module:include).
    type: list
    elements: str
    default: []
  artifacts:
    description:
      - Patterns of artifacts, likewise.
    type: list
    elements: str
    default: []
  max_gb:
    description:
      - The most that may come, in GB, of checkpoints and of artifacts each. A host that has more is refused before
        anything of them is moved. V(0) means no limit but the free space.
    type: float
    default: 0
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
    details: What would be fetched is returned.
  diff_mode:
    support: none
    details: Results are not text.
  idempotent:
    support: full
    details: What is here already is not fetched again.
seealso:
  - module: podyard.gpu.training_progress
  - module: podyard.gpu.transfer
"""

EXAMPLES = r"""
- name: Bring home what there is
  podyard.gpu.run_results:
    run_dir: runs/20260715_140000_1f2e
    dir: /workspace/podyard/digits/runs/20260715_140000_1f2e
    checkpoints: [checkpoints/*]
    artifacts: ["*.safetensors"]
"""

RETURN = r"""
state:
  description: State of the training, V(absent), V(running), V(succeeded), V(failed), V(stopped) or V(lost).
  type: str
  returned: success
reached:
  description: Whether the host could be reached.
  type: bool
  returned: always
checkpoints:
  description: The files of checkpoints that are here now, each with C(path), C(bytes) and C(sha256).
  type: list
  elements: dict
  returned: success
artifacts:
  description: The artifacts that are here now, likewise.
  type: list
  elements: dict
  returned: success
sent:
  description: Paths, below O(run_dir), of what was fetched by this task.
  type: list
  elements: str
  returned: success
sent_bytes:
  description: Bytes of these.
  type: int
  returned: success
changing:
  description: Paths that were left out because they were written to while they were fetched.
  type: list
  elements: str
  returned: success
unmatched:
  description: Patterns of artifacts that no complete file matches.
  type: list
  elements: str
  returned: success
metrics:
  description: The last values that the training wrote.
  type: dict
  returned: success
"""
