#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.text_files: writes several text files on a host in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: text_files
short_description: Put texts into files on a host, all in one call
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Writes each text to its file, with the directories above it, and reads it back. A file changes in one step, so that
    no reader ever sees half of it.
  - The texts may be secret. They appear in no result, no diff and no log; a diff shows names, permissions and the
    beginning of each SHA-256.
options:
  files:
    description:
      - The files.
    type: list
    elements: dict
    required: true
    suboptions:
      dest:
        description:
          - The file's path on the host, absolute.
        type: path
        required: true
      content:
        description:
          - Its text.
        type: str
        required: true
      mode:
        description:
          - Its permissions, as an octal number in quotes.
        type: str
        default: "0600"
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
  - module: podyard.gpu.transfer
"""

EXAMPLES = r"""
- name: Put a configuration and a token on the pod
  podyard.gpu.text_files:
    files:
      - dest: /workspace/podyard/digits/runs/20261122_101500_4f2a/code/config/train.yml
        content: |
          epochs: 3
          data: /workspace/podyard/digits/runs/20261122_101500_4f2a/data
        mode: "0644"
      - dest: /workspace/podyard/digits/runs/20261122_101500_4f2a/code/.netrc
        content: "machine example.org password {{ lookup('ansible.builtin.env', 'EXAMPLE_TOKEN') }}"
"""

RETURN = r"""
files:
  description: The files, in the order in which they were given.
  type: list
  elements: dict
  returned: success
  contains:
    dest:
      description: Path on the host.
      type: str
      sample: /workspace/podyard/digits/runs/20261122_101500_4f2a/code/config/train.yml
    bytes:
      description: Size of the text.
      type: int
      sample: 52
    changed:
      description: Whether it was written, or only its permissions were changed.
      type: bool
"""

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.files import replace_file

ARGUMENTS: dict[str, Any] = {
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "dest": {"type": "path", "required": True},
            "content": {"type": "str", "required": True, "no_log": True},
            "mode": {"type": "str", "default": "0600"},
        },
    },
}
# Digits of a SHA-256 in a diff: enough to see that two differ.
SHOWN = 12


class Refused(Exception):
    """The task cannot be done; the message says why."""


def found(path: str) -> tuple[str, str] | None:
    """Return SHA-256 and permissions of an existing file, or None."""
    try:
        with open(path, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest(), f"0{stat.S_IMODE(os.fstat(stream.fileno()).st_mode):03o}"
    except FileNotFoundError:
        return None


def write(path: str, data: bytes, mode: int) -> None:
    """Write the bytes to the file in one step, and verify them by reading."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    replace_file(Path(path), data, mode=mode)
    there = found(path)
    if there is None or there[0] != hashlib.sha256(data).hexdigest():
        raise Refused(f"The file {path} does not contain what was written to it: the disk or the volume is faulty.")


def put(entry: dict[str, Any], check: bool) -> dict[str, Any]:
    """Bring one file into the requested state; return what it was and is, without its text."""
    path, mode = entry["dest"], entry["mode"]
    if not os.path.isabs(path) or not re.fullmatch(r"0?[0-7]{3}", mode):
        raise Refused(f"The file {path} needs an absolute path, and a mode such as '0644', not '{mode}'.")
    data = entry["content"].encode("utf-8", "surrogateescape")
    wanted = (hashlib.sha256(data).hexdigest(), f"0{mode[-3:]}")
    try:
        before = found(path)
        if before != wanted and not check:
            if before is not None and before[0] == wanted[0]:
                os.chmod(path, int(mode, 8))
            else:
                write(path, data, int(mode, 8))
    except OSError as error:
        raise Refused(f"The file {path} cannot be written: {error.strerror}.") from error
    return {"dest": path, "bytes": len(data), "changed": before != wanted, "before": before, "after": wanted}


def lines(done: list[dict[str, Any]], when: str) -> str:
    """Return one side of the diff."""
    told = [(each["dest"], each[when]) for each in done if each[when] is not None]
    return "".join(f"{path} {state[1]} sha256 {state[0][:SHOWN]}\n" for path, state in told)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    # As in the module training: Ansible must not mask a text such as "1" everywhere else, so the arguments are returned
    # without the texts, and nothing is masked.
    module.no_log_values = set()
    files = module.params["files"]
    shown = {"module_args": {"files": [{"dest": each["dest"], "mode": each["mode"]} for each in files]}}
    try:
        done = [put(each, module.check_mode) for each in files]
    except Refused as error:
        module.fail_json(msg=str(error), invocation=shown)
    result: dict[str, Any] = {"changed": any(each["changed"] for each in done), "invocation": shown}
    if module._diff:
        result["diff"] = {"before": lines(done, "before"), "after": lines(done, "after")}
    module.exit_json(files=[{name: each[name] for name in ("dest", "bytes", "changed")} for each in done], **result)


if __name__ == "__main__":
    main()
