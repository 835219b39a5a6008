#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.run_status, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_status
short_description: Show all pods, what they cost, and how their jobs are doing doing
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Asks all providers for their pods at the same time, looks at the trainings on those that run, and shows a table of
    all pods with names of this collection's pattern, with what each costs, its lease, and the state of its job.
  - Says which pods belong to no run on this machine, which nothing looks after, and which runs are recorded as running
    and have no pod.
  - No pod is waited for longer than O(pod_timeout). For a pod that does not answer, the table shows what the run's
    record says, and how old that is. That is not an error.
  - A provider that does not answer completely is never read as one without pods. Its row says so, everything else is
    shown and returned, and the task fails.
options:
  run_ids:
    description:
      - Only these runs, by their ids; V(latest) is the newest one on this machine.
      - None, or V(all), means every pod.
    type: list
    elements: str
    default: []
  runs_dir:
    description:
      - The directory that holds the run directories.
      - Relative paths start at the directory in which C(ansible-playbook) was called.
    type: path
    default: ./runs
  providers:
    description:
      - The providers to ask. A provider that is named here and has no key is an error.
      - By default those for which a key is found, and those at which a run on this machine has pods that were not
        proved gone.
    type: list
    elements: str
    choices: [runpod, vastai]
  format:
    description:
      - How to show it. V(none) shows nothing and only returns it.
    type: str
    choices: [table, json, none]
    default: table
  file:
    description:
      - A file to which to write the same as JSON. A relative path starts where C(ansible-playbook) was called.
    type: path
  width:
    description:
      - Columns of the screen. Default is the width of the terminal, and 79 without a terminal.
    type: int
  pod_timeout:
    description:
      - Seconds for the looks at all pods together, which happen at the same time.
    type: float
    default: 8
  api_timeout:
    description:
      - Seconds for the lists of all providers together; they are asked at the same time.
      - Vast.ai returns at most 25 pods per second.
    type: float
    default: 60
  env_file:
    description:
      - A file of settings in which to look for keys besides the environment.
    type: path
  remarks:
    description:
      - Sentences to show below the table, after its own. Each stays on one line, so that a command in it can be copied.
    type: list
    elements: str
    default: []
requirements:
  - rich for the table's form; without it, it is plain text
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
    details: O(file) is not written.
  diff_mode:
    support: none
    details: Nothing is changed.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.pod_info
  - module: podyard.gpu.run_info
"""

EXAMPLES = r"""
- name: What is running, and what does it cost
  podyard.gpu.run_status:
  register: status

- name: Say it in one line
  ansible.builtin.debug:
    msg: "{{ status.pods | length }} pods, USD {{ status.usd_per_hour }} per hour"
"""

RETURN = r"""
pods:
  description: The pods with names of this collection's pattern that are not gone, oldest first.
  type: list
  elements: dict
  returned: always
  contains:
    provider:
      description: The provider.
      type: str
    id:
      description: The provider's id of the pod.
      type: str
    name:
      description: The pod's name.
      type: str
    run_id:
      description: The run in its name.
      type: str
    project:
      description: The project in its name.
      type: str
    known:
      description: Whether the run has a directory in O(runs_dir).
      type: bool
    phase:
      description: As M(podyard.gpu.pod_info) returns it.
      type: str
    raw_status:
      description: The provider's own word for its state.
      type: str
    gpu:
      description: The GPU's usual name.
      type: str
    gpu_count:
      description: GPUs in the pod.
      type: int
    region:
      description: The data centre.
      type: str
    usd_per_hour:
      description: What it costs now, in USD per hour; of a stopped pod what its disk costs. V(none) when unknown.
      type: float
    cost_usd:
      description: What it has cost so far, from its price and its age; V(none) when that cannot be told.
      type: float
    created_at:
      description: When it was rented, in UTC.
      type: str
    age_seconds:
      description: Seconds since then.
      type: float
    lease_ends_at:
      description: When it ends itself unless its lease is renewed; V(none) when it has no lease that is known here.
      type: str
    lease_known:
      description: Whether the pod or the record of its run tells RV(pods[].lease_ends_at).
      type: bool
    interruption:
      description: What took the pod away, as M(podyard.gpu.pod_info) returns it.
      type: str
    end:
      description: A command that ends it when everything else has failed.
      type: str
    job:
      description:
        - How the job is, with C(source), which is V(pod), V(record) (the run's record, C(age_seconds) old, with C(why)
          the pod was not asked) or V(none); C(state), which is V(running), V(succeeded), V(failed), V(stopped), V(lost)
          or V(none) by the pod, and the run's outcome by the record; C(seconds), C(exit_code), C(metrics),
          C(gpu_percent) and C(stage) where they are known.
      type: dict
runs:
  description: The runs that are not over and have no pod, each with C(run_id), C(outcome), C(stage), C(owner), C(why).
  type: list
  elements: dict
  returned: always
notes:
  description: Remarks, in sentences.
  type: list
  elements: str
  returned: always
errors:
  description: Why nothing is known of the pods at a provider, by its name.
  type: dict
  returned: always
providers:
  description: The providers that were asked.
  type: list
  elements: str
  returned: always
usd_per_hour:
  description: What all these pods cost together now, in USD per hour.
  type: float
  returned: always
cost_usd:
  description: What they have cost so far, in USD.
  type: float
  returned: always
table:
  description: The table as plain text.
  type: str
  returned: always
"""
