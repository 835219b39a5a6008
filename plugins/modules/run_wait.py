#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.run_wait, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_wait
short_description: Wait until no program works on a run any more
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Waits until the C(ansible-playbook) that works on a run has ended, or has released its guard, and until a guard that
    gives the run's pods back is done.
options:
  run_dir:
    description:
      - The run's directory on the controller.
      - Relative paths start at the directory in which C(ansible-playbook) was called.
    type: path
    required: true
  timeout:
    description:
      - Seconds to wait; the task fails after that.
    type: float
    default: 600
  interrupt:
    description:
      - Send SIGTERM to the C(ansible-playbook) that works on the run. Its guard then gives the pods back.
      - A program on another machine cannot be signalled, and is then not waited for.
    type: bool
    default: false
requirements:
  - psutil
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
    details: Nothing is interrupted and nothing is waited for.
  diff_mode:
    support: none
    details: There is nothing to compare.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.guard
  - module: podyard.gpu.run_info
"""

EXAMPLES = r"""
- name: See who works on the newest run, without waiting
  podyard.gpu.run_wait:
    run_dir: runs/latest
  check_mode: true
  register: before

- name: Wait for a guard that gives its pod back
  podyard.gpu.run_wait:
    run_dir: runs/latest
    timeout: 300
  when: before.owner == 'guard'
"""

RETURN = r"""
owner:
  description: What worked on it before, C(nobody) for nothing; see M(podyard.gpu.run_info).
  type: str
  returned: success
outcome:
  description: How the run stands after that.
  type: str
  returned: success
"""
