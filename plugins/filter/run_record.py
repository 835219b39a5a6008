# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter podyard.gpu.run_record: the record of a run, or {} when its file is missing or damaged."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_record
short_description: Read the record of a run
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads C(run.json) of a run directory. A record that is not there, or that cannot be read, is an empty one, so that
    it never keeps pods from being given back.
options:
  _input:
    description: The run's directory on the controller.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Say how a run went
  ansible.builtin.debug:
    msg: "{{ ('runs/20260715_140000_1f2e' | podyard.gpu.run_record).outcome | default('unknown') }}"
"""

RETURN = r"""
_value:
  description: The record, or an empty dictionary.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ..plugin_utils._common.action import local_path
from ..plugin_utils._record.record import RunError
from ..plugin_utils._record.run_file import RunFile


def run_record(directory: str) -> dict[str, Any]:
    """Return the record of a run directory; {} when there is none that can be read."""
    try:
        record = RunFile(local_path(str(directory))).read()
    except RunError:
        return {}
    return record.to_json() if record is not None else {}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by their names."""
        return {"run_record": run_record}
