# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter podyard.gpu.printable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..module_utils._core.shown import cleaned

DOCUMENTATION = r"""
name: printable
short_description: Remove from text what would steer a terminal
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Removes control characters, whole escape sequences (colours, cursor, titles, links, clipboard) and the marks that
    change the direction of text. Line feeds and tabs stay.
  - The output of a pod may hold any of them.
options:
  _input:
    description: A text, or a list or dictionary with texts in it.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show what a command on a pod said
  ansible.builtin.debug:
    msg: "{{ result.stdout_lines | podyard.gpu.printable }}"
"""

RETURN = r"""
_value:
  description: The same without them.
  type: raw
"""


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by their names."""
        return {"printable": cleaned}
