# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter podyard.gpu.artifacts_choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._transfer.artifacts import choice

DOCUMENTATION = r"""
name: artifacts_choice
short_description: Decide which unnamed results of a training are fetched
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - When a job names no results, or nothing matches a pattern, the results may be anything that the training left. This
    filter decides what is fetched, and says in sentences what is and what is not.
  - Makes no request.
options:
  _input:
    description:
      - What M(podyard.gpu.training_output_info) returned.
    type: dict
    required: true
  unmatched:
    description:
      - The patterns that matched nothing.
    type: list
    elements: str
    default: []
  max_gb:
    description:
      - GB that may be fetched without having been named, output and other places together.
    type: float
    required: true
  place:
    description:
      - The directory on the controller into which they go.
    type: path
    required: true
  checkpoints:
    description:
      - Patterns of the checkpoints.
    type: list
    elements: str
    default: []
  saved:
    description:
      - How many files of checkpoints are on the controller already. When those are all, they are not fetched again.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: See what there is
  podyard.gpu.training_output_info:
    dir: /workspace/podyard/digits/runs/first
    search: true
  register: found

- name: Say what would come home
  ansible.builtin.debug:
    msg: "{{ (found | podyard.gpu.artifacts_choice(max_gb=20, place='./first/artifacts')).remark }}"
"""

RETURN = r"""
_value:
  description: What is fetched, and what to tell the user.
  type: dict
  contains:
    output:
      description: Whether all of the output is fetched.
      type: bool
    exclude:
      description: Patterns of the files that are already here.
      type: list
      elements: str
    elsewhere:
      description: Transfers from other places, each with C(src), C(dest) and C(include).
      type: list
      elements: dict
    remark:
      description: Sentences on what is fetched without having been named and where else there is something, or empty
        text.
      type: str
    left:
      description: A sentence on what is not fetched and why, or empty text.
      type: str
"""


def artifacts_choice(
    found: Any,
    unmatched: Sequence[str] = (),
    max_gb: float = 0,
    place: str = "",
    checkpoints: Sequence[str] = (),
    saved: int = 0,
) -> dict[str, Any]:
    """Choose what to fetch of a training's output."""
    try:
        return choice(found, unmatched=unmatched, max_gb=max_gb, place=place, checkpoints=checkpoints, saved=saved)
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError("artifacts_choice takes what training_output_info returns.") from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by their names."""
        return {"artifacts_choice": artifacts_choice}
