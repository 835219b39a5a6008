#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.run_info, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_info
short_description: Read the run directories of this machine
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads the records of runs, which program works on each, and how its pod is reached. No provider and no pod is asked.
options:
  run_ids:
    description:
      - The runs, by their ids; V(latest) is the newest one, V(all) are all.
      - None means the only run that is not over; several are an error.
    type: list
    elements: str
    default: []
  runs_dir:
    description:
      - The directory that holds the run directories.
      - Relative paths start at the directory in which C(ansible-playbook) was called.
    type: path
    default: ./runs
  allow_unknown:
    description:
      - Return ids that have no directory here, instead of failing for them.
    type: bool
    default: false
  allow_ended:
    description:
      - Without O(run_ids), take a run with a pod before those that have none yet, and the newest one when all are over.
    type: bool
    default: false
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Nothing is changed.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.run_status
  - module: podyard.gpu.run_record
"""

EXAMPLES = r"""
- name: Read all records
  podyard.gpu.run_info:
    run_ids: [all]
  register: found

- name: What has it all cost
  ansible.builtin.debug:
    msg: "USD {{ found.runs | map(attribute='cost_usd') | sum }}"
"""

RETURN = r"""
runs:
  description: The runs.
  type: list
  elements: dict
  returned: always
  contains:
    run_id:
      description: The run's id.
      type: str
    run_dir:
      description: Its directory.
      type: str
    name:
      description: The job's name.
      type: str
    outcome:
      description: How the run stands.
      type: str
    error:
      description: What went wrong, or null.
      type: str
    stage:
      description: The stage that runs, or the last one.
      type: str
    living:
      description: Whether it is not over, or has a pod that was not proved gone.
      type: bool
    owner:
      description:
        - Who works on it, with C(kind), which is V(controller), V(guard), V(elsewhere) (another machine's), V(unknown)
          or V(nobody); C(pid), C(host), and C(words) for a message.
      type: dict
    guard_state:
      description: The state in C(guard.json), or null.
      type: str
    pods:
      description: The pods in its record.
      type: list
      elements: dict
    left:
      description: For each pod that was not proved gone, its price per hour and the command that ends it.
      type: list
      elements: str
    cost_usd:
      description: What it has cost so far, in USD.
      type: float
    job:
      description: What its record says of the job, with C(dirs) on the pod, C(artifacts), C(checkpoints), C(providers).
      type: dict
    connection:
      description: How its pod is reached, from C(connection.json); null when it has none.
      type: dict
    host:
      description: A name for its pod in an inventory.
      type: str
unknown:
  description: Ids that have no directory here.
  type: list
  elements: str
  returned: always
"""
