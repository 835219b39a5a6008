#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.settings_info, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: settings_info
short_description: Which settings of the environment there are, and where each is set
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Lists the variables of the environment that replace options of modules and variables of a job that are not given,
    with the place where each is set now. No value is returned.
  - A setting is looked for in the environment, in the files that E(PODYARD_ENV_FILE) names (as PATH names directories),
    and in C(.env) in the directory in which C(ansible-playbook) was called. The first place that has it wins.
  - Returns the text of a documented C(.env) file too, which the playbook C(podyard.gpu.env_template) prints or writes.
options:
  show:
    description:
      - Print that text, exactly as the file would hold it.
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
"""

EXAMPLES = r"""
- name: Ask which settings there are
  podyard.gpu.settings_info:
  register: known

- name: Show those that are set, and where
  ansible.builtin.debug:
    msg: "{{ known.settings | selectattr('origin') | items2dict(key_name='name', value_name='origin') }}"

- name: Begin a .env file, unless there is one
  ansible.builtin.copy:
    content: "{{ known.template }}"
    dest: "{{ known.directory }}/.env"
    force: false
    mode: "0600"
"""

RETURN = r"""
settings:
  description: All settings.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The variable of the environment.
      type: str
      sample: RUNPOD_CONTAINER_DISK_GB
    provider:
      description: The provider that it belongs to.
      type: str
      sample: runpod
    meaning:
      description: What it says.
      type: str
      sample: The size of the container's own disk, which a stop wipes.
    unit:
      description: Its unit; V(none) for text.
      type: str
      sample: GB
    option:
      description: The option of modules that it stands in for; V(none) if there is none.
      type: str
      sample: disk
    variable:
      description: The variable of a job that it stands in for; V(none) if there is none.
      type: str
      sample: train_disk
    example:
      description: A value that it could have.
      type: str
      sample: "20"
    origin:
      description: The place where it is set now, V(the environment) or the path of a file; V(none) where it is not.
      type: str
      sample: /home/me/digits/.env
directory:
  description: The directory in which C(ansible-playbook) was called.
  type: str
  returned: success
  sample: /home/me/digits
template:
  description: The text of a C(.env) file that explains all settings and sets none.
  type: str
  returned: success
"""
