#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.run_report, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_report
short_description: Say what happened in a run, on the screen and as a page
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Writes C(report.html) into the run's directory, a self-contained page, with outcome, cost, pods and the proof that
    they are gone, time by stage, curves of the training's metrics and of the GPU's use, artifacts and the end of the
    log.
  - Shows a summary of the same on the screen.
  - Works for every outcome, with whatever the run's directory holds.
options:
  path:
    description:
      - The run's directory on the controller.
      - Relative paths start at the directory in which C(ansible-playbook) was called.
    type: path
    required: true
requirements:
  - rich for the summary's form; without it, it is plain text
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
    details: The summary is shown and the page is not written.
  diff_mode:
    support: none
    details: The page is built from other files.
  idempotent:
    support: full
    details: The page of a run that has ended stays the same.
seealso:
  - module: podyard.gpu.run_record
"""

EXAMPLES = r"""
- name: Report
  podyard.gpu.run_report:
    path: runs/latest
  register: report

- name: Show where the page is
  ansible.builtin.debug:
    var: report.report
"""

RETURN = r"""
report:
  description: The path of the page.
  type: str
  returned: always
  sample: /home/me/runs/20260715_140000_1f2e/report.html
summary:
  description: The summary, as plain text.
  type: str
  returned: always
"""
