#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.pod_setup, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_setup
short_description: Wait until a pod's own set-up is done
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Many images and templates keep installing for minutes after their SSH server answers. This module waits until a file
    or a command on the pod says that they are done, and shows the command's output meanwhile.
  - Works over the SSH connection of the task's host, and needs a shell there and nothing else. A connection that the
    set-up itself breaks off is opened again.
  - In check mode it checks once, and fails when the set-up is not done.
options:
  file:
    description:
      - An absolute path on the pod that must exist. Either this or O(command) must be given.
    type: str
  command:
    description:
      - A command, run by C(sh) in the user's home, which must exit with 0. As in every SSH session, it does not see the
        environment of the pod's container. One that has not ended after a minute is ended and run again.
    type: str
  label:
    description:
      - The pod's name in messages. Default is the host's name in the inventory.
    type: str
  timeout:
    description:
      - Seconds within which the set-up must be done, from now on. Templates that fetch a model when they start need
        some minutes; a template that works never needs twenty.
    type: float
    default: 1200
  unreachable_timeout:
    description:
      - Seconds without an answer after which the module gives up on the pod. A set-up that restarts the SSH server
        needs a few seconds.
    type: float
    default: 120
  poll_interval:
    description:
      - Seconds between two looks; the first ones follow faster.
    type: float
    default: 5
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
  - module: podyard.gpu.exec
"""

EXAMPLES = r"""
- name: Wait until the machine has found its name
  podyard.gpu.pod_setup:
    file: /etc/hostname
    timeout: 60

- name: Wait until nothing installs packages any more, and say what goes on
  podyard.gpu.pod_setup:
    command: tail -n 1 /var/log/dpkg.log; ! pgrep -x dpkg
    poll_interval: 2
  register: setup

- name: Show how long it took
  ansible.builtin.debug:
    msg: "Ready after {{ setup.seconds }} s and {{ setup.tries }} looks"
"""

RETURN = r"""
seconds:
  description: How long it took.
  type: float
  returned: success
  sample: 74.2
tries:
  description: How often the pod was asked.
  type: int
  returned: success
  sample: 17
"""
