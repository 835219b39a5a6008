#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.exec: runs one command on the pod of a run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: exec
short_description: Run one command on the pod of a run
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Runs a command on the pod that a run has rented, over the connection in the run's C(connection.json), and returns
    its exit code and what it wrote.
  - Works on the controller and needs neither an inventory nor Python on the pod.
  - The command is run by the login shell of the pod's user, without a terminal and with nothing to read. As in every
    SSH session, it does not see the environment of the pod's container.
  - It reaches that shell as it is written. No C($NAME) and no C(~) in it is replaced on the controller, and it appears
    in no program's arguments there.
  - A command may write 16 MiB to each of its outputs. Past that the connection ends, and the task fails.
options:
  command:
    description:
      - The command, as typed into a shell.
    type: str
    required: true
  run_dir:
    description:
      - The run's directory on the controller.
      - Relative paths start at the directory in which C(ansible-playbook) was called.
    type: path
  run_id:
    description:
      - The run, as the name of its directory in O(runs_dir); V(latest) is the newest one. Used when O(run_dir) is not
        given.
      - Default is the only run that is not over; when all are, the newest.
    type: str
  runs_dir:
    description:
      - The directory of all run directories. A relative path starts where C(ansible-playbook) was called.
    type: path
    default: ./runs
  timeout:
    description:
      - End the command when it takes longer than this, in seconds. Default is no limit.
    type: float
  fail_on_rc:
    description:
      - Fail when the command's exit code is not zero. When SSH itself fails, the task fails in any case.
    type: bool
    default: true
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: partial
    details: The command is not run, and the task is skipped, because what a command would do cannot be known.
  diff_mode:
    support: none
    details: What a command changes cannot be known.
  idempotent:
    support: none
    details: The command is run each time.
seealso:
  - module: podyard.gpu.run_record
"""

EXAMPLES = r"""
- name: Look at the GPU of the newest run
  podyard.gpu.exec:
    command: nvidia-smi
  delegate_to: localhost
  register: gpu

- name: See whether a file is there
  podyard.gpu.exec:
    run_id: 20260715_140000_1f2e
    runs_dir: ./runs
    command: test -e /workspace/podyard/digits/runs/20260715_140000_1f2e/data/labels.csv
    fail_on_rc: false
    timeout: 30
  delegate_to: localhost
  register: labels
"""

RETURN = r"""
rc:
  description: The exit code of the command. V(124) when it was ended at O(timeout).
  type: int
  returned: when the command was run
  sample: 0
stdout:
  description: What the command wrote to its standard output.
  type: str
  returned: when the command was run
stderr:
  description: What the command wrote to its standard error.
  type: str
  returned: always except in check mode
timed_out:
  description: Whether the command was ended at O(timeout).
  type: bool
  returned: when the command was run
pod:
  description: The pod on which it ran.
  type: dict
  returned: always except in check mode
  contains:
    provider:
      description: The provider.
      type: str
    id:
      description: The provider's id of the pod.
      type: str
    name:
      description: The pod's name.
      type: str
"""

import os
import re
import secrets
import shlex
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.shown import clean
from ..module_utils._core.units import duration
from ..module_utils._pods import programs, ssh_options
from ..module_utils._pods.connection import Connection, NotRun, connection_of
from ..module_utils._pods.lease import RENEW

# Seconds until a dead address is given up: a pod that works answers within one, and the user is waiting.
CONNECT_SECONDS = 15.0
# Bytes of either stream, since all of it is kept in memory and shown.
MOST_OUTPUT = 16 << 20
# The exit code of ssh for its own failures; a command may end with it too, and only the mark tells which it was.
SSH_FAILED = 255
# What `timeout` on the pod ends with.
TIMED_OUT = 124
# Seconds after the time-out for the pod to end the command, before the connection is cut.
PATIENCE = 10


def script(mark: str, timeout: float | None) -> str:
    """Return what the pod's shell runs: the command from standard input, then the report of its exit code.

    The exit code follows the mark on standard error. The script also renews the pod's lease, since somebody uses it.
    """
    limit = f"limit='timeout -k 5 {timeout:g}'" if timeout else "limit="
    # An image may lack timeout; then the connection is cut from here.
    lines = (
        f"{RENEW}; {limit}; command -v timeout >/dev/null 2>&1 || limit=; command=$(cat); "
        '$limit "${SHELL:-/bin/sh}" -c "$command" </dev/null; '
        f'rc=$?; printf "\\n{mark} %d\\n" "$rc" >&2; exit "$rc"'
    )
    # These lines need a shell that splits words, whatever the user's login shell is.
    return f"exec /bin/sh -c {shlex.quote(lines)}"


def without_mark(stderr: str, mark: str) -> tuple[str, int | None]:
    """Return standard error as the command wrote it, and its exit code; None when its end was never seen."""
    found = re.search(rf"\n{mark} (\d+)\n", stderr)
    if found is None:
        return stderr, None
    return stderr[: found.start()] + stderr[found.end() :], int(found.group(1))


def run(params: dict[str, Any], connection: Connection) -> dict[str, Any]:
    """Run the command and return rc, stdout, stderr and timed_out. Raises NotRun when SSH itself failed."""
    timeout, mark = params["timeout"], f"podyard-{secrets.token_hex(8)}"
    call = programs.Call(
        [*ssh_options.ours(connection.ssh, connect=CONNECT_SECONDS), script(mark, timeout)],
        # By standard input, because a command may contain a secret, and everybody can see the arguments of programs.
        params["command"].encode(errors="surrogateescape"),
        most_output=MOST_OUTPUT,
        most_errors=MOST_OUTPUT,
        env=ssh_options.environment(),
    )
    begun = time.monotonic()
    try:
        done = programs.run(call, timeout + PATIENCE if timeout else None)
    except programs.TooLong as error:
        stderr, _rc = without_mark(_text(error.errors), mark)
        return {"rc": TIMED_OUT, "stdout": _text(error.output), "stderr": stderr, "timed_out": True}
    except programs.TooMuch as error:
        raise NotRun(
            f"Pod {connection.label} {error}. Make the command write to a file on the pod, and fetch that file."
        ) from error
    except OSError as error:
        raise NotRun(f"ssh cannot be started: {error}") from error
    stderr, rc = without_mark(_text(done.errors), mark)
    if rc is None:
        words = clean(stderr).strip() or "ssh said nothing"
        how = (
            "cannot be reached"
            if done.code == SSH_FAILED
            else f"was lost during the command (ssh ended with {done.code})"
        )
        raise NotRun(f"Pod {connection.label} {how}: {words}.")
    # A command may use the same exit code for a reason of its own.
    late = bool(timeout) and rc == TIMED_OUT and time.monotonic() - begun >= timeout
    return {"rc": rc, "stdout": _text(done.output), "stderr": stderr, "timed_out": late}


def _text(said: bytes) -> str:
    return said.decode(errors="replace")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "command": {"type": "str", "required": True},
            "run_dir": {"type": "path"},
            "run_id": {"type": "str"},
            "runs_dir": {"type": "path", "default": "./runs"},
            "timeout": {"type": "float"},
            "fail_on_rc": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, skipped=True, msg="A command is not run in check mode.")
    params = module.params
    if params["timeout"] is not None and params["timeout"] <= 0:
        module.fail_json(msg=f"timeout must be more than 0 seconds, not {params['timeout']:g}.")
    try:
        connection = connection_of(params["run_dir"] or os.path.join(params["runs_dir"], params["run_id"] or "latest"))
        result = run(params, connection)
    except NotRun as error:
        module.fail_json(msg=str(error))
    result["pod"] = {"provider": connection.provider, "id": connection.pod_id, "name": connection.name}
    if result["timed_out"]:
        ended = f"The command did not end within {duration(params['timeout'])} on pod {connection.label}"
        module.fail_json(msg=f"{ended} and was stopped.", changed=True, **result)
    if result["rc"] != 0 and params["fail_on_rc"]:
        last = (result["stderr"].strip() or result["stdout"].strip()).splitlines()[-1:]
        words = f": {clean(last[0])}" if last else "."
        module.fail_json(
            msg=f"The command ended with exit code {result['rc']} on pod {connection.label}{words}",
            changed=True,
            **result,
        )
    module.exit_json(changed=True, failed=False, **result)


if __name__ == "__main__":
    main()
