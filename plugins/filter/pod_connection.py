# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter podyard.gpu.pod_connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._pods.ssh_options import Target, line, rsync_line

DOCUMENTATION = r"""
name: pod_connection
short_description: Say how a person reaches a pod
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Adds to the connection data of a pod the commands C(ssh) and C(rsync) that a person can use, quoted for a shell and
    for SSH itself, whatever the paths are called.
options:
  _input:
    description:
      - The connection data, with C(host), C(port), C(user), C(known_hosts_file), C(host_key_checking) (V(strict) or
        V(accept-new)), and usually C(private_key_file). Everything else is passed through.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show how to log in
  ansible.builtin.debug:
    msg: "{{ (pod_place | podyard.gpu.pod_connection).ssh }}"
  vars:
    pod_place:
      host: 203.0.113.9
      port: 40022
      user: root
      private_key_file: /home/ada/my jobs/runs/r1/ssh/id_ed25519
      known_hosts_file: /home/ada/my jobs/runs/r1/known_hosts
      host_key_checking: strict
"""

RETURN = r"""
_value:
  description: The connection data with the two commands.
  type: dict
  contains:
    ssh:
      description: The command that logs in.
      type: str
    rsync:
      description: The beginning of an rsync command, to which the paths are added.
      type: str
"""


def pod_connection(data: Mapping[str, Any]) -> dict[str, Any]:
    """Add the commands for a person. Raises AnsibleFilterError when this is not connection data."""
    try:
        target = Target(
            host=str(data["host"]),
            port=int(data["port"]),
            user=str(data["user"]),
            known_hosts=str(data["known_hosts_file"]),
            key=data.get("private_key_file") or None,
            strict=data["host_key_checking"] == "strict",
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnsibleFilterError(f"This is not the connection data of a pod: {error!r}.") from error
    return {**data, "ssh": line(target), "rsync": rsync_line(target)}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by their names."""
        return {"pod_connection": pod_connection}
