# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that say who logs in to a pod, and how."""

from __future__ import annotations


class ModuleDocFragment:
    """The options public_keys, private_key_file, ssh_user, ssh_users and known_hosts_file."""

    DOCUMENTATION = r"""
options:
  public_keys:
    description:
      - SSH public keys that may log in, one line each, as in files that end in C(.pub). They are installed when the
        container starts.
    type: list
    elements: str
    default: []
  private_key_file:
    description:
      - The private key to log in with. Its public half must be among O(public_keys). If not given, SSH uses the keys of
        its agent and the user's own.
    type: path
  ssh_user:
    description:
      - The user to log in as. If not given, the user that the provider names, else V(root), else the first of
        O(ssh_users) that the pod accepts.
    type: str
  ssh_users:
    description:
      - The users to try, in this order, when the pod refuses the provider's user and V(root).
    type: list
    elements: str
    default: []
  known_hosts_file:
    description:
      - The file that keeps the pods' host keys. It is never the user's own. If not given, the host keys are forgotten
        after the task.
    type: path
"""
