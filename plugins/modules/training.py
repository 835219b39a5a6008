#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module podyard.gpu.training: start a training exactly once and detached, or stop it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: training
short_description: Start a training exactly once, detached from the connection, or stop it
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Starts a command in a session of its own that outlives the SSH connection, at most once for each O(dir), however
    often and from wherever the module is called.
  - The directory then holds C(command.sh), C(runner.sh), C(pid), C(started_at), C(train.log), C(heartbeat),
    C(gpu.jsonl), C(job.json) and, after the end, C(exit_code) and C(ended_at).
  - The training sees the pod's own environment, which an SSH session lacks, and O(env) in addition.
options:
  state:
    description:
      - V(started) starts the training unless it was ever started in this O(dir).
      - V(stopped) ends it with all its processes. One that has ended already is left as it is.
    type: str
    choices: [started, stopped]
    default: started
  dir:
    description:
      - The run's directory on the host. It is created when missing.
    type: path
    required: true
  command:
    description:
      - The shell command that trains. Required with O(state=started). Run by C(bash) where there is one, else by C(sh).
    type: str
  chdir:
    description:
      - Directory in which O(command) runs. Default is O(dir).
    type: path
  env:
    description:
      - Variables for the training. They reach it through a file that only the user can read and that is removed at
        once, never through an argument, and are stored nowhere.
    type: dict
    default: {}
  path_prefix:
    description:
      - Directories to put before the pod's own search path, such as the C(bin) of a virtual environment.
    type: list
    elements: path
    default: []
  run_id:
    description:
      - Id of the run; the training sees it as C(PODYARD_RUN_ID).
    type: str
  metadata:
    description:
      - What to keep in C(job.json) beside the training, for whoever finds the pod. It must not contain secrets.
    type: dict
    default: {}
  strict_shell:
    description:
      - Whether O(command) ends with the first of its lines that fails (C(set -e)), also inside of a pipe (C(set -o
        pipefail)). The log then names the line. C(wait) without arguments fails when one of the jobs has failed.
      - With V(false) only the last line decides, and only the last program of a pipe.
      - It applies to the command itself and not to scripts that it calls. Where there is no C(bash), and C(sh) has no
        C(pipefail), a command with a pipe is refused.
    type: bool
    default: true
  background_timeout:
    description:
      - Seconds for which processes that O(command) leaves behind (C(nohup), C(&), C(setsid)) may be idle.
      - A training is over when the last of its processes has ended, and fails when one of them ends by itself with
        another exit code than 0. Processes that together use less than a fifth of a processor and no GPU for that long
        count as helpers, such as a TensorBoard server, and are ended. After a command that failed, they are ended at
        once.
    type: float
    default: 600
  sample_interval:
    description:
      - Seconds between two heartbeats and GPU samples.
    type: float
    default: 5
  grace:
    description:
      - With O(state=stopped), seconds between the request to end (SIGTERM) and the kill (SIGKILL).
    type: float
    default: 30
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
  - module: podyard.gpu.training_info
  - module: podyard.gpu.training_progress
"""

EXAMPLES = r"""
- name: Start the training
  podyard.gpu.training:
    dir: /workspace/podyard/digits/runs/20261122_101500_4f2a
    chdir: /workspace/podyard/digits/runs/20261122_101500_4f2a/code
    command: python train.py --data ../data --out ../output
    path_prefix: [/root/.podyard/venv-1f0c9a3b2d4e/bin]
    env:
      HF_TOKEN: "{{ lookup('ansible.builtin.env', 'HF_TOKEN') }}"

- name: End it, with a minute to write a checkpoint
  podyard.gpu.training:
    state: stopped
    dir: /workspace/podyard/digits/runs/20261122_101500_4f2a
    grace: 60
"""

RETURN = r"""
state:
  description: State of the training after the task (in check mode, the predicted one).
  type: str
  returned: success
  choices: [absent, running, succeeded, failed, lost, unknown]
pid:
  description: Process id of the runner, or V(null).
  type: int
  returned: success
exit_code:
  description: Exit code of a training that has ended, or V(null).
  type: int
  returned: success
started_at:
  description: When it started, RFC 3339 in UTC.
  type: str
  returned: success
ended_at:
  description: When it ended, RFC 3339 in UTC.
  type: str
  returned: success
dir:
  description: The run's directory.
  type: str
  returned: success
log:
  description: Path of the log.
  type: str
  returned: success
killed:
  description: Number of processes that had to be killed after the grace period.
  type: int
  returned: when O(state=stopped)
msg:
  description: What was found or done.
  type: str
  returned: success
"""

import os
import secrets
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._training.launch import Launch, begun
from ..module_utils._training.processes import end_all, settle
from ..module_utils._training.runner import FIXED, NAME, has_pipe, sees_pipes
from ..module_utils._training.state import living_pid, state_of
from ..module_utils._training.supervisor import members

ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
    "dir": {"type": "path", "required": True},
    "command": {"type": "str"},
    "chdir": {"type": "path"},
    "env": {"type": "dict", "default": {}, "no_log": True},
    "path_prefix": {"type": "list", "elements": "path", "default": []},
    "run_id": {"type": "str"},
    "metadata": {"type": "dict", "default": {}},
    "strict_shell": {"type": "bool", "default": True},
    "background_timeout": {"type": "float", "default": 600.0},
    "sample_interval": {"type": "float", "default": 5.0},
    "grace": {"type": "float", "default": 30.0},
}


class Refused(Exception):
    """The task cannot be done; the message says why."""


def start(module: AnsibleModule, directory: str) -> dict[str, Any]:
    """Start the training unless it was ever started; return the result without its state."""
    before = begun(directory)
    if before["state"] != "absent":
        message = f"The training in {directory} was started before; its state is {before['state']}."
        return {"changed": False, "msg": message}
    if module.check_mode:
        return {"changed": True, "msg": f"The training would be started in {directory}."}
    bad = [name for name in module.params["env"] if not NAME.fullmatch(str(name)) or name in FIXED]
    if bad:
        raise Refused(f"These names in env cannot be set in a shell: {', '.join(map(repr, sorted(bad)))}.")
    if module.params["strict_shell"] and has_pipe(module.params["command"]) and not sees_pipes():
        raise Refused(
            "The command contains a pipe, but no shell of this host notices a failure inside a pipe: there is no bash, "
            "and sh does not support pipefail. Use an image with bash, or set strict_shell to false "
            "(train_strict_shell in a job), so that only the last program of a pipe counts."
        )
    launch = Launch(directory, secrets.token_hex(8))
    try:
        command = launch.write(module.params)
    except OSError as error:
        raise Refused(f"The training cannot be set up in {directory}: {error.strerror}: {error.filename}.") from error
    home = str(Path.home())
    clean = ["env", "-i", f"PATH={os.environ.get('PATH', os.defpath)}", f"HOME={home}"]
    setsid = module.get_bin_path("setsid", required=True)
    # The shell ends at once; the process that it leaves behind has a session of its own and none of our pipes.
    behind = '"$0" "$@" </dev/null >/dev/null 2>&1 &'
    module.run_command(["sh", "-c", behind, setsid, *clean, *command], check_rc=True, expand_user_and_vars=False)
    try:
        won = launch.won()
    except TimeoutError as error:
        raise Refused(f"The training in {directory} could not be started: {error}. Is the disk full?") from error
    how = "was started" if won else "was started by another task at the same moment"
    return {"changed": won, "msg": f"The training in {directory} {how}."}


def stop(module: AnsibleModule, directory: str) -> dict[str, Any]:
    """End the training with all its processes; return the result without its state."""
    before = state_of(directory)
    child = living_pid(directory, "child")
    running = before["state"] == "running" or bool(members(directory, child))
    if not running:
        message = f"Nothing runs in {directory}; the state of the training is {before['state']}."
        return {"changed": False, "killed": 0, "msg": message}
    if module.check_mode:
        return {"changed": True, "killed": 0, "msg": f"The training in {directory} would be ended."}
    if before["state"] == "running":
        with open(os.path.join(directory, "stopped"), "w", encoding="utf-8"):
            pass
    try:
        count, killed = end_all(directory, child, module.params["grace"])
    except TimeoutError as error:
        raise Refused(f"The training in {directory} could not be ended: {error}. Terminate the pod.") from error
    settle(directory, killed=bool(killed))
    return {"changed": True, "killed": killed, "msg": f"Ended {count} processes of the training, {killed} by force."}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(ARGUMENTS, required_if=[("state", "started", ["command"])], supports_check_mode=True)
    # A secret must not show in the arguments that Ansible returns, but Ansible must not mask a value such as "1" or the
    # run's own path everywhere else either. So the arguments are returned without env, and nothing is masked.
    module.no_log_values = set()
    shown = {"module_args": {name: value for name, value in module.params.items() if name != "env"}}
    directory = os.path.abspath(module.params["dir"])
    before = state_of(directory)["state"]
    try:
        done = (start if module.params["state"] == "started" else stop)(module, directory)
    except Refused as error:
        module.fail_json(msg=str(error), invocation=shown)
    after = state_of(directory)
    if module.check_mode and done["changed"]:
        after["state"] = "running" if module.params["state"] == "started" else "failed"
    names = ("state", "pid", "exit_code", "started_at", "ended_at")
    result = {name: after[name] for name in names}
    result.update(done, dir=directory, log=os.path.join(directory, "train.log"))
    if module._diff:
        result["diff"] = {"before": {"state": before}, "after": {"state": after["state"]}}
    module.exit_json(**result, invocation=shown)


if __name__ == "__main__":
    main()
