#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.tree_info, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tree_info
short_description: Count and hash a directory tree of the controller
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Says how many files, of which size, M(podyard.gpu.transfer) will have to move.
  - Computes and remembers the SHA-256 of each file, so that no rented pod has to wait for it during the transfer. A
    file that has not changed since it was last hashed is not read again.
options:
  path:
    description:
      - The directory, on the controller.
    type: path
    required: true
  include:
    description:
      - Patterns of what counts, written as in O(podyard.gpu.transfer#module:include). If not given, everything does.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Patterns of what does not count, written as in O(podyard.gpu.transfer#module:include). They take precedence over
        O(include).
    type: list
    elements: str
    default: []
  hash:
    description:
      - Whether to compute the hashes.
    type: bool
    default: true
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
  - module: podyard.gpu.transfer
"""

EXAMPLES = r"""
- name: How much is there to send
  podyard.gpu.tree_info:
    path: ./data
    exclude: [.git]
  register: __data
"""

RETURN = r"""
path:
  description: The absolute path of the directory.
  type: str
  returned: success
files:
  description: Number of files.
  type: int
  returned: success
  sample: 1798
bytes:
  description: Size of the files in bytes.
  type: int
  returned: success
  sample: 1280345
links:
  description: Number of symbolic links that are kept as links.
  type: int
  returned: success
special:
  description: Paths of sockets, devices and the like, which are not moved.
  type: list
  elements: str
  returned: success
largest_bytes:
  description: Size of the largest file in bytes.
  type: int
  returned: success
digest:
  description:
    - SHA-256 of the list of what is in the directory, with the SHA-256 of each file. Two directories with the same
      content have the same, whatever the times and modes of their files.
    - None with O(hash=false).
  type: str
  returned: success
seconds:
  description: Duration in seconds.
  type: float
  returned: success
"""
