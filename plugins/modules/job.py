#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.job, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Check and convert the variables of a training job
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads all variables whose names begin with C(train_), compares them with their declaration in the argument
    specification of the role P(podyard.gpu.train#role), and returns them as one job. All faults are reported at once,
    one sentence each.
  - A name that is not declared is refused, with the closest declared one as a suggestion.
  - Text, as it comes from surveys and from C(-e key=value), becomes a number, a truth value, a list (commas, lines,
    YAML or JSON) or a dictionary (YAML, JSON or C(k=v)) where one is declared. Empty text counts as not given.
  - The names C(train_dataset_dir), C(train_output_dir), C(train_code_dir) and C(train_run_id) can be used in any value.
    They stand for the directories on the pod and for the run. The first one exists only when C(train_dataset) is given.
  - Settings of the environment, such as E(RUNPOD_GPU_TYPE), replace variables that are not given. They are looked for
    in the environment, in C(.env) beside the files that C(-e @FILE) names (or in C(train_env_file)), and in C(.env) in
    the directory in which C(ansible-playbook) was called. M(podyard.gpu.settings_info) lists them all.
  - Directories and files must exist, numbers must be positive, names must fit into the name of a pod. Relative paths of
    the controller start at the directory in which C(ansible-playbook) was called.
  - The result of this task is never shown, because the environment of a job may hold secrets. A task that uses
    RV(job.env) should have C(no_log) set. The task of this action should not, because its messages hold no secrets and
    would be hidden.
options:
  spec:
    description:
      - The declaration, a file as C(meta/argument_specs.yml) of a role. Default is that of the role
        P(podyard.gpu.train#role).
    type: path
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Nothing is changed.
  idempotent:
    support: partial
    details: A new RV(job.run_id) is made each time when C(train_run_id) is not given.
"""

EXAMPLES = r"""
- name: Check the job
  podyard.gpu.job:
  register: checked

- name: Show where the results will be
  ansible.builtin.debug:
    msg: "{{ checked.job.run_dir }}/artifacts"
"""

RETURN = r"""
job:
  description:
    - The job. Besides the keys below, it has every declared variable without the prefix C(train_), with its default
      where it was not given. Paths of the controller are absolute.
  type: dict
  returned: success
  contains:
    run_id:
      description: The run's id, given or new.
      type: str
      sample: 20260715_140000_1f2e
    project:
      description: The job's name in the form that pods' names use.
      type: str
      sample: digits
    run_dir:
      description: The run's directory on the controller.
      type: str
      sample: /home/me/runs/20260715_140000_1f2e
    identity:
      description: The name of the run's first pod, without the number of the attempt.
      type: str
      sample: podyard-digits-20260715_140000_1f2e-0
    pod_prefix:
      description: The prefix of the names of all pods of the run.
      type: str
      sample: podyard-digits-20260715_140000_1f2e-
    dirs:
      description: The directories on the pod, C(mount), C(base), C(code), C(data), C(run) and C(output).
      type: dict
    dataset_digest:
      description:
        - With a network volume, the digest after which the directory of the data is named, as M(podyard.gpu.tree_info)
          returns it.
        - None where the data are the run's own.
      type: str
    env:
      description: The environment of the training. All values are text.
      type: dict
    settings:
      description: A line for each setting of the environment in effect, with its name and origin, without its value.
      type: list
      elements: str
      sample: [RUNPOD_GPU_TYPE from the environment as train_gpus]
    env_file:
      description: The files of settings that were read, separated by colons; modules find them by E(PODYARD_ENV_FILE).
      type: str
      sample: /home/me/digits/.env
    ssh_public_keys:
      description: The keys that may log in, as lines of text.
      type: list
      elements: str
"""
