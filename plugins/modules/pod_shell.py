#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.pod_shell, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_shell
short_description: Open a shell on the pod of a run
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Lends the terminal at which C(ansible-playbook) was called to C(ssh), over the connection in the run's
    C(connection.json), until the shell ends. The terminal is then as it was before.
  - As long as the shell is open, the pod's lease is renewed.
  - Without a terminal (its input or output is none, C(ansible-playbook) is in the background, or the machine has no
    C(/proc)), it shows the C(ssh) command and does nothing else.
options:
  run_id:
    description:
      - The run, as the name of its directory in O(runs_dir); V(latest) is the newest one.
      - Default is the only run that is not over; when all are, the newest.
    type: str
  runs_dir:
    description:
      - The directory that holds the run directories.
      - Relative paths start at the directory in which C(ansible-playbook) was called.
    type: path
    default: ./runs
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
    details: The command is shown, and no shell is opened.
  diff_mode:
    support: none
    details: What a person does in a shell cannot be known.
  idempotent:
    support: none
    details: A shell is opened each time.
seealso:
  - module: podyard.gpu.exec
"""

EXAMPLES = r"""
- name: Open a shell on the pod of the only run that is not over
  podyard.gpu.pod_shell:
"""

RETURN = r"""
command:
  description: The C(ssh) command.
  type: str
  returned: always
opened:
  description: Whether a shell was opened.
  type: bool
  returned: always
run_id:
  description: The run.
  type: str
  returned: always
rc:
  description: The shell's exit code, which never fails the task.
  type: int
  returned: when a shell was opened
"""
