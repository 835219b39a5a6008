#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.run_record, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_record
short_description: Keep the record of a run
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Changes C(run.json) in a run's directory on the controller, in one step. The first change makes the directory and
    points C(latest), beside it, to it.
  - The record holds what happened and what it cost. The pods that the run's ledger of attempts knows are added to it at
    every change. What a pod has cost is computed from its price and its time.
  - Several processes may change a record at the same time. A reader sees a whole record at any time.
options:
  path:
    description:
      - The run's directory on the controller. Its name is the run's id.
      - Relative paths start at the directory in which C(ansible-playbook) was called.
    type: path
    required: true
  state:
    description:
      - V(present) writes the record.
      - V(absent) removes the directory of a run for which nothing was ever rented or ordered, and points C(latest) to
        the newest of the others. The directory of any other run stays as it is, and so does a directory that holds
        anything else.
    type: str
    choices: [present, absent]
    default: present
  begin:
    description:
      - A stage that begins now. The current stage ends.
    type: str
    choices: [plan, provision, verify, prepare, data, launch, follow, fetch, give_back, report]
  end_stages:
    description:
      - End the current stage.
    type: bool
    default: false
  set:
    description:
      - Values to merge into the record. Objects are merged key by key, C(pods) and C(attempts) by their C(id),
        C(artifacts) by their C(path). Everything else is replaced.
      - Of a pod, only what the record is about is kept; its environment never is.
      - A value of another type than the record's field has is refused. Names of your own values begin with C(x_).
    type: dict
    default: {}
  artifacts:
    description:
      - Files that were brought home to C(artifacts) in the run's directory, as
        RV(podyard.gpu.transfer#module:manifest) tells them, each with a C(path) that starts there. The record holds
        them with C(artifacts/) before it.
    type: list
    elements: dict
  outcome:
    description:
      - How the run stands. Any value other than V(running) ends the run and its stages.
    type: str
    choices: [running, succeeded, failed, stopped, lost, kept, detached]
  error:
    description:
      - One sentence on what went wrong, given with O(outcome). An O(outcome) without it removes it.
    type: str
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
    details: The record is returned as it would be; nothing is written.
  diff_mode:
    support: none
    details: The record is a log of its own.
  idempotent:
    support: full
    details: A stage that runs is not begun again, and values that are there change nothing.
seealso:
  - module: podyard.gpu.run_report
"""

EXAMPLES = r"""
- name: Begin the transfer of the data
  podyard.gpu.run_record:
    path: runs/20260716_090000_5c3d
    begin: data

- name: Keep what was rented
  podyard.gpu.run_record:
    path: runs/20260716_090000_5c3d
    set:
      pods:
        - provider: runpod
          id: 7h9k2m4n6p
          name: podyard-digits-20260716_090000_5c3d-0-1
          usd_per_hour: 0.69

- name: Say that it went wrong
  podyard.gpu.run_record:
    path: runs/20260716_090000_5c3d
    outcome: failed
    error: The training ended with exit code 7.
"""

RETURN = r"""
run:
  description: The whole record.
  type: dict
  returned: always
  contains:
    run_id:
      description: The run's id.
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
    started:
      description: When the record was begun, RFC 3339 in UTC.
      type: str
    ended:
      description: When the run ended, or null.
      type: str
    limits:
      description: What bounds the money of the run, with C(max_price) in USD per hour, C(max_cost) in USD and
        C(max_hours), each V(none) where there is no limit; V(none) where it is not known.
      type: dict
    requested:
      description: The pod that the job asked for, with C(gpus) in order of preference, C(gpu_count) and C(image);
        V(none) where it is not known.
      type: dict
    job:
      description: What later commands must know of the job, or null.
      type: dict
    dataset:
      description: The dataset that was sent, with C(files), C(bytes), C(sent_bytes) and C(seconds); V(none) before.
      type: dict
    stages:
      description: The stages in their order, each with C(name), C(started) and C(ended).
      type: list
      elements: dict
    pods:
      description: The pods that were rented, each with C(provider), C(id), C(name), C(gpu), C(usd_per_hour),
        C(rented_at), C(gone_at), C(gone_proved), C(cost_usd), and C(account) and C(key_hash) of the account that rented
        it.
      type: list
      elements: dict
    unproved:
      description: The C(outcome) and the C(error) that the run had before its pods could not be proved gone, and gets
        back as soon as they are. Returned only until then.
      type: dict
    attempts:
      description: How each attempt to rent a pod went, as RV(podyard.gpu.pod#module:attempts).
      type: list
      elements: dict
    interruption:
      description: What took the pod away while the run needed it, with C(kind), C(provider), C(pod_id), C(pod),
        C(stage), C(message) and C(seen_at); V(none) where nothing did. The kinds are those of
        P(podyard.gpu.pod_fate#filter).
      type: dict
    cost_usd:
      description: What all pods have cost, in USD. A pod whose price is unknown counts as 0.
      type: float
    metrics:
      description: The last values that the training wrote.
      type: dict
    artifacts:
      description: The files that were fetched, each with C(path), C(bytes) and C(sha256).
      type: list
      elements: dict
"""
