# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules for what an account holds besides pods."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that ``STATE`` and, under INFO, ``INFO`` in ``_module.resource`` declare."""

    DOCUMENTATION = r"""
options:
  name:
    description:
      - The name by which it is found again. The provider allows two objects of one name; here that is refused, because
        the module must not guess which one is meant.
      - Together with O(id), the object gets this name.
    type: str
  id:
    description:
      - The provider's id of an object that exists. If it does not exist, nothing is created.
    type: str
  state:
    description:
      - V(present), it exists as the options say. Options that are not given stay as they are.
      - V(absent), it does not exist. It is not deleted while anything uses it.
    type: str
    choices: [present, absent]
    default: present
  wait_timeout:
    description:
      - Seconds to wait, before the object is deleted, until nothing uses it any more.
      - With V(0) the module fails at once and names what uses it.
    type: float
    default: 0
  poll_interval:
    description:
      - Seconds between two looks while something is waited for. If not given, five to ten.
    type: float
  consistency_grace:
    description:
      - Seconds after a create during which the provider may not list the object yet. For that long the module looks for
        it by its name when the answer to the create was lost.
    type: float
    default: 60
"""

    INFO = r"""
options:
  name:
    description:
      - Only objects of this name. If not given, all.
    type: str
  id:
    description:
      - Only the object with this id.
    type: str
"""
