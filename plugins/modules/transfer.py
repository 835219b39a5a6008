#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.transfer, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: transfer
short_description: Move a directory tree to or from a pod and prove that it arrived
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Moves a directory tree between the controller and the host of the task, over the host's own SSH connection.
  - Only what differs is sent. Every file is compared by SHA-256 on both sides before the task succeeds.
  - Uses C(rsync) if both sides have a version with the options that are needed (3.1 or later here, 3.0 or later there),
    otherwise C(tar) over SSH.
  - When the task is run again, an interrupted transfer continues where it stopped.
  - Shows progress when the transfer takes longer than two seconds.
options:
  direction:
    description:
      - V(push) moves from the controller to the host, V(pull) from the host to the controller.
    type: str
    required: true
    choices: [push, pull]
  src:
    description:
      - The directory whose content is moved. With O(direction=push) a path on the controller, else on the host.
      - With O(direction=push) it may also be a single file; it arrives in O(dest) under its own name.
    type: str
    required: true
  dest:
    description:
      - The directory that receives the content. It is created, with its parents, when it is missing.
    type: str
    required: true
  include:
    description:
      - Patterns of what to move. If not given, everything is moved.
      - A pattern without a slash matches a name at any depth, one with a slash matches the path from O(src) on. V(*)
        and V(?) stop at a slash, V(**) does not, V([a-z]) is one character of a set. What lies below a matching
        directory matches too.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Patterns of what not to move, written as in O(include). They take precedence over O(include).
    type: list
    elements: str
    default: []
  verify:
    description:
      - How arrival is verified. V(sha256) compares a SHA-256 of every moved file on both sides; V(none) trusts the
        transport.
    type: str
    choices: [sha256, none]
    default: sha256
  delete:
    description:
      - Also remove what is in O(dest) but not in O(src). Excluded paths are left alone.
      - Only for O(direction=push) without O(include).
    type: bool
    default: false
  bandwidth_limit:
    description:
      - Upper limit of the rate, in MiB per second. V(0) means none.
    type: float
    default: 0
  method:
    description:
      - V(auto) uses C(rsync) if both sides have it, else C(tar).
    type: str
    choices: [auto, rsync, tar]
    default: auto
  reconnects:
    description:
      - How often a broken transfer is continued over a new connection before the host counts as unreachable.
    type: int
    default: 2
  max_gb:
    description:
      - The most that a pull may fetch, in GB. A host that has more to fetch is refused before anything is moved. V(0)
        means no limit but the free space.
    type: float
    default: 0
  digest:
    description:
      - The RV(podyard.gpu.tree_info#module:digest) after which O(dest) was named. A tree whose content has changed
        since is not sent.
      - Several hosts may then push the same to the same place on one volume at the same time, while others read it. No
        file is visible before it is complete.
      - Only for O(direction=push) without O(delete).
    type: str
    version_added: 0.1.0
notes:
  - What a host answers is not trusted. A name that leads out of O(dest), a line that does not belong to a listing, and
    more bytes than the listing announced end a pull. Nothing is written outside O(dest).
  - On the controller no symbolic link below O(dest) is followed, and no directory is removed to make room. A pull is
    refused into a home directory, one above it, one with keys of SSH, and one that holds what controls a run.
  - A pull needs room on the controller for everything that it fetches, and 64 MiB that stay free for the records of
    runs.
  - Pulled files are not writable by group and others, and lose setuid, setgid and sticky bits.
  - The task needs the connection plugin P(ansible.builtin.ssh#connection) with a key; passwords and C(become) are
    refused.
  - Symbolic links that stay inside the tree are kept as links; for a link that leads outside, its target is moved. A
    pull creates links last, and only those that lead to something that it fetches, by the shortest path.
  - Owner, group and the times of directories are not kept, because network volumes refuse them.
  - On the host a directory C(.NAME.podyard) beside O(dest) remembers what was verified, so that nothing is read twice.
  - Above 16 MiB a separate connection with the cipher C(aes128-gcm@openssh.com) is opened, which is faster than the
    default one. Set C(Ciphers) in the SSH arguments of the host to decide otherwise.
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.training_progress
"""

EXAMPLES = r"""
- name: Bring the dataset to the pod
  podyard.gpu.transfer:
    direction: push
    src: ./data
    dest: /workspace/podyard/digits/runs/20261122_101500_4f2a/data
    exclude: [".git", "*.tmp"]
    delete: true

- name: Bring the results home
  podyard.gpu.transfer:
    direction: pull
    src: /workspace/podyard/digits/runs/20261122_101500_4f2a/output
    dest: runs/20261122_101500_4f2a/artifacts
    include: ["*.safetensors", "metrics.jsonl"]
  register: __artifacts

- name: A pattern that matched nothing is an error
  ansible.builtin.assert:
    that: __artifacts.unmatched | length == 0
"""

RETURN = r"""
files:
  description: Number of files of the tree that O(include) and O(exclude) select.
  type: int
  returned: success
  sample: 1797
bytes:
  description: Size of these files in bytes.
  type: int
  returned: success
  sample: 1280345
sent:
  description: Paths that were sent (in check mode, that would be sent), relative to the source.
  type: list
  elements: str
  returned: success
sent_bytes:
  description: Size of what was sent, in bytes of content. In check mode what would be sent.
  type: int
  returned: success
removed:
  description: Paths that O(delete) removed or would remove.
  type: list
  elements: str
  returned: success
resent:
  description: Paths whose SHA-256 differed after the first attempt and that were sent again.
  type: list
  elements: str
  returned: success
unmatched:
  description: Patterns of O(include) that matched nothing.
  type: list
  elements: str
  returned: success
special:
  description: Sockets, devices and the like, which are not moved.
  type: list
  elements: str
  returned: when O(direction=push)
vanished:
  description: Paths that were removed on the host while they were fetched, and so are left out.
  type: list
  elements: str
  returned: when O(direction=pull)
skipped_links:
  description:
    - Symbolic links on the host that were not pulled because they lead to a directory outside of what is pulled, or
      nowhere.
  type: list
  elements: str
  returned: when O(direction=pull)
seconds:
  description: Duration in seconds.
  type: float
  returned: success
  sample: 3.2
mode:
  description: What moved the bytes.
  type: str
  returned: success
  sample: rsync
src:
  description: The absolute source path.
  type: str
  returned: success
dest:
  description: The absolute destination path.
  type: str
  returned: success
manifest:
  description: Every file, sorted by path.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: Path relative to the source.
      type: str
    bytes:
      description: Size in bytes.
      type: int
    sha256:
      description: SHA-256 of the content, lower-case hexadecimal.
      type: str
"""
