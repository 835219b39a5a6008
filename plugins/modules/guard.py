#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.guard, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guard
short_description: Give a run's pods back when the controller ends without having done so
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Starts a small process on the controller that watches C(ansible-playbook). When C(ansible-playbook) ends without
    having released the guard (a signal, a crash, a lack of memory), the guard forbids all further creates of the run,
    ends the run's pods, proves that they are gone, and records that in the run's record. Ansible itself runs neither
    C(rescue) nor C(always) on a signal.
  - The process has a session of its own, so that signals to C(ansible-playbook), its group or its terminal do not reach
    it. It goes on for three days when the provider cannot be reached or refuses the key, and writes every try to
    C(guard.log) in the run's directory. Its state is in C(guard.json).
  - Arm it before anything is rented. If the guard cannot be armed, the task fails. Before it is armed it lists the
    account's pods once, which proves that the key and the connection to the provider work.
  - Only pods whose names are those of this run are ever ended.
  - It cannot survive the end of the machine or of the container in which C(ansible-playbook) runs.
options:
  state:
    description:
      - V(armed) starts the guard, unless one already watches this C(ansible-playbook).
      - V(released) lets it end without touching a pod. That is refused as long as the record of the run does not prove
        all pods gone, unless its outcome is C(kept) or C(detached).
    type: str
    choices: [armed, released]
    default: armed
  run_dir:
    description:
      - The run's directory on the controller.
      - Relative paths start at the directory in which C(ansible-playbook) was called.
    type: path
    required: true
  project:
    description:
      - The project in the names of the run's pods. Required when O(state=armed).
    type: str
  run_id:
    description:
      - The run in the names of its pods. Required when O(state=armed).
    type: str
  providers:
    description:
      - The providers at which the run may rent. If not given, all for which a key is found; with O(api_key) or
        O(api_url) alone, RunPod.
    type: list
    elements: str
  consistency_grace:
    description:
      - Seconds in which a pod whose create got no clear answer may still appear. Waited for only after such a create.
    type: float
    default: 60
  env_file:
    description:
      - Files of settings, separated by colons, in which the guard looks for the key besides its environment.
    type: str
  api_key:
    description:
      - The API key. Default is where the provider's own tools look for it. It reaches the guard through a pipe and is
        in no file, no environment and no list of processes.
    type: str
  api_url:
    description:
      - The address of the API, without a path. Default is the provider's own, or what its environment variable says.
    type: str
requirements:
  - psutil
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
    details: No process is started or released.
  diff_mode:
    support: none
    details: There is nothing to compare.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.pod_termination
  - module: podyard.gpu.run_record
"""

EXAMPLES = r"""
- name: Watch over what is rented from here on
  podyard.gpu.guard:
    run_dir: runs/20260716_090000_5c3d
    project: digits
    run_id: 20260716_090000_5c3d

- name: Let the guard go, now that all is proved gone
  podyard.gpu.guard:
    state: released
    run_dir: runs/20260716_090000_5c3d
"""

RETURN = r"""
unwritable:
  description: Returned, and true, only when nothing but the run's directory stands in the way, for instance because the
    disk is full.
  type: bool
  returned: failure
pid:
  description: The guard's process id, null when there never was a guard.
  type: int
  returned: always
guard:
  description: The content of C(guard.json), empty when there is none.
  type: dict
  returned: always
  contains:
    state:
      description: One of C(armed), C(released), C(giving_back), C(gave_back) and C(failed).
      type: str
    host:
      description: The machine on which the guard and the process that it watches run.
      type: str
    controller:
      description: The process that is watched, as C(pid) and C(create_time).
      type: dict
    grace:
      description: Seconds in which a pod whose order got no clear answer may still appear.
      type: float
    env_file:
      description: The file of settings in which keys are looked for, or null.
      type: str
    own_key:
      description: Whether its key or address came from an option, so that no other task can arm another guard.
      type: bool
    armed_at:
      description: When it was armed, RFC 3339 in UTC.
      type: str
    ended_at:
      description: When it ended its watch, or null.
      type: str
    tries:
      description: How often it tried to give the pods back.
      type: int
    pods:
      description: The pods that it gave back and proved gone.
      type: list
      elements: dict
    error:
      description: Why the last try failed, or null.
      type: str
"""
