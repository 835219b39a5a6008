#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module podyard.gpu.training: start a training exactly once and detached, or stop it."""
from __future__ import annotations

DOCUMENTATION = r"""
module: training
short_description: Start a training exactly once, detached from the connection, or stop it
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Starts a command in a session of its own that outlives the SSH connection, and at most once for each O(dir), however
    often and from however many places it is asked to.
  - The directory then holds C(command.sh), C(runner.sh), C(pid), C(started_at), C(train.log), C(heartbeat),
    C(gpu.jsonl), C(job.json) and, after the end, C(exit_code) and C(ended_at).
  - The training sees the pod's own environment, which an SSH session lacks, and O(env) on top of it.
options:
  state:
    description:
      - V(started) starts the training unless it was ever started in this O(dir).
      - V(stopped) ends it with all its processes. One that has ended already is left as it is.
    type: str
    choices: [started, stopped]
    default: started
  dir:
    description:
      - The run's directory on the host. It is created when missing.
    type: path
    required: true
  command:
    description:
      - The shell command that trains. Required with O(state=started). Run by C(bash) where there is one, else by C(sh).
    type: str
  chdir:
    description:
      - Directory in which O(command) runs. Default is O(dir).
    type: path
  env:
    description:
      - Variables for the training. They reach it through a file that only the user can read and that is removed at
        once, never through an argument, and are stored nowhere.
    type: dict
    default: {}
  path_prefix:
    description:
      - Directories to put before the pod's own search path, such as the C(bin) of a virtual environment.
    type: list
    elements: path
    default: []
  run_id:
    description:
      - Id of the run; the training sees it as C(PODYARD_RUN_ID).
    type: str
  metadata:
    description:
      - What to keep in C(job.json) beside the training, for whoever finds the pod. Must hold no secret.
    type: dict
    default: {}
  sample_interval:
    description:
      - Seconds between two heartbeats and GPU samples.
    type: float
    default: 5
  grace:
    description:
      - With O(state=stopped), seconds between the request to end (SIGTERM) and the kill (SIGKILL).
    type: float
    default: 30
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.training_info
  - module: podyard.gpu.training_progress
"""

EXAMPLES = r"""
- name: Start the training
  podyard.gpu.training:
    dir: /workspace/podyard/digits/runs/20261122_101500_4f2a
    chdir: /workspace/podyard/digits/code
    command: python train.py --data ../data --out ../runs/20261122_101500_4f2a/output
    path_prefix: [/root/.podyard/venv-1f0c9a3b2d4e/bin]
    env:
      HF_TOKEN: "{{ lookup('ansible.builtin.env', 'HF_TOKEN') }}"

- name: End it, with a minute to write a checkpoint
  podyard.gpu.training:
    state: stopped
    dir: /workspace/podyard/digits/runs/20261122_101500_4f2a
    grace: 60
"""

RETURN = r"""
state:
  description: State of the training after the task (in check mode, the predicted one).
  type: str
  returned: success
  choices: [absent, running, succeeded, failed, lost]
pid:
  description: Process id of the runner, or V(null).
  type: int
  returned: success
exit_code:
  description: Exit code of a training that has ended, or V(null).
  type: int
  returned: success
started_at:
  description: When it started, RFC 3339 in UTC.
  type: str
  returned: success
ended_at:
  description: When it ended, RFC 3339 in UTC.
  type: str
  returned: success
dir:
  description: The run's directory.
  type: str
  returned: success
log:
  description: Path of the log.
  type: str
  returned: success
killed:
  description: Number of processes that had to be killed after the grace time.
  type: int
  returned: when O(state=stopped)
msg:
  description: What was found or done.
  type: str
  returned: success
"""
