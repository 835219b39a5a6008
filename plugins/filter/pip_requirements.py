# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter podyard.gpu.pip_requirements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._common.action import local_path
from ..plugin_utils._job.requirements import BadRequirements, read

DOCUMENTATION = r"""
name: pip_requirements
short_description: Read a requirements file with all that it includes, for another machine
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads a requirements file of the controller, and what it includes with C(-r) and C(-c), as C(pip) reads them, also
    in UTF-16, and gives their texts in UTF-8.
  - Anything that a file names by a path, as in C(-e .) or C(./wheels/x.whl), must lie in the code that goes to the
    machine, and is named by its path there. Such a path is relative to the file, else to the code's directory.
  - Fails with a sentence for each line that could not be installed there.
options:
  _input:
    description: The requirements file, a path of the controller.
    type: path
    required: true
  code:
    description:
      - The directory of the controller that goes to the machine. If not given, the file must not name anything by a
        path.
    type: path
  code_directory:
    description: Where O(code) is on the machine.
    type: str
    default: /code
  exclude:
    description: What of O(code) is not sent, as patterns of file or directory names.
    type: list
    elements: str
    default: []
  env:
    description: The environment variables that C(pip) will see.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what would be installed
  ansible.builtin.debug:
    msg: "{{ (file | podyard.gpu.pip_requirements(code='src', code_directory='/workspace/code')).files }}"
  vars:
    file: src/requirements.txt
"""

RETURN = r"""
_value:
  description: What to put on the machine, and what it is.
  type: dict
  contains:
    main:
      description: Which of C(files) is to be installed.
      type: str
    files:
      description: Texts by the paths of their files, below one directory.
      type: dict
    digest:
      description: A SHA-256 that changes whenever the resulting environment would.
      type: str
    empty:
      description: Whether the text is blank.
      type: bool
"""


def pip_requirements(
    file: str,
    code: str | None = None,
    code_directory: str = "/code",
    exclude: Sequence[str] = (),
    env: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Read a requirements file for another machine. :raises AnsibleFilterError: for one that cannot be used there."""
    try:
        found = read(local_path(file), local_path(code) if code else None, code_directory, tuple(exclude), env)
    except BadRequirements as error:
        raise AnsibleFilterError(str(error)) from error
    return {"main": found.main, "files": found.files, "digest": found.digest, "empty": found.empty}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by their names."""
        return {"pip_requirements": pip_requirements}
