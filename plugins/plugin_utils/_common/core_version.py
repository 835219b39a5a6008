# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ansible-core this needs.

Ansible itself only warns of a core that a collection does not support, and then fails in the middle of something. What
a newer core brought is therefore looked up where it is used, never when a file is imported.
"""

from __future__ import annotations

import sys

from ansible.errors import AnsibleError
from ansible.release import __version__

from ...module_utils._core.units import version as parse_version

#: The same as requires_ansible in meta/runtime.yml.
LEAST = (2, 19)


def refuse_old(version: str = __version__) -> None:
    """Say in one sentence what to do. :raises AnsibleError: on a core that is too old."""
    found = parse_version(version) or ()
    if found < LEAST:
        least = ".".join(map(str, LEAST))
        raise AnsibleError(
            f"podyard.gpu needs ansible-core {least} or newer, and this is {version}: install it where "
            f"ansible-playbook runs, as in {sys.executable} -m pip install 'ansible-core>={least}'."
        )
