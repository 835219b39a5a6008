# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing of the user's decides by accident: what plays, roles and plugins say themselves, so that no setting can."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from arrows import ROOT, tracked

PLAYBOOKS = [path for path in tracked(".yml") if path.startswith("playbooks/")]
TASKS = [path for path in tracked(".yml") if path.startswith("roles/") and "/tasks/" in path]
#: What may take longer than any time-out that a user has for the tasks of their own machines.
LONG = {"exec", "gpu_info", "guard", "plan", "pod", "pod_setup", "pod_shell", "pod_termination", "run_report"}
LONG |= {"run_results", "run_status", "run_wait", "training", "training_info", "training_progress", "transfer"}
LONG |= {"training_output_info"}


def tasks_in(found: Any) -> Iterator[dict[str, Any]]:
    for task in found or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks_in(task.get(part))


@pytest.mark.parametrize("path", PLAYBOOKS)
def test_every_play_says_what_settings_could_decide(path):
    for play in yaml.safe_load((ROOT / path).read_text(encoding="utf-8")):
        assert play.get("timeout") == 0, f"{play['name']}: task_timeout would end what takes long"
        assert play.get("gather_facts") is False, play["name"]
        if play["hosts"] == "localhost":
            assert play["connection"] == "local", play["name"]
            assert play["vars"]["ansible_become"] is False, play["name"]
            assert play["vars"]["ansible_python_interpreter"] == "{{ ansible_playbook_python }}", play["name"]


@pytest.mark.parametrize("path", TASKS)
def test_what_takes_long_has_no_time_out_of_the_users(path):
    for task in tasks_in(yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))):
        ours = {key.removeprefix("podyard.gpu.") for key in task if key.startswith("podyard.gpu.")}
        given = task.get("ansible.builtin.command") or {}
        if ours & LONG or "stdin" in given:
            assert task.get("timeout") == 0, f"{path}: {task['name']}"


@pytest.mark.parametrize("path", [path for path in tracked(".py") if path.startswith("plugins/")])
def test_no_command_is_expanded_here(path):
    """run_command replaces $NAME and ~ on this machine, unless it is told not to: an account's key would go with it."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "run_command"]
    told = [
        node.func
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and {word.arg: ast.unparse(word.value) for word in node.keywords}.get("expand_user_and_vars") == "False"
    ]
    assert [node.lineno for node in named if node not in told] == [], path


#: The beginning of an option as ssh takes it after -o.
SSH_OPTION = re.compile(
    r"(?:^|-o )(UserKnownHostsFile|ConnectTimeout|IdentityFile|IdentitiesOnly|StrictHostKeyChecking"
    r"|Control(Master|Path|Persist)|ServerAlive\w+|Compression|Ciphers|HostKeyAlias|BatchMode|RequestTTY|ProxyCommand|ForwardAgent)="
)


@pytest.mark.parametrize("path", [path for path in tracked(".py") if path.startswith("plugins/")])
def test_command_lines_of_ssh_have_one_home(path):
    if path.endswith("module_utils/_pods/ssh_options.py"):
        return
    words = [
        node.value
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    own = [word for word in words if SSH_OPTION.search(word)]
    assert not own, f"{path} makes a command line of its own: {own}"


@pytest.mark.parametrize(
    "word",
    ["StrictHostKeyChecking=no", "ControlPath=none", "Ciphers=^aes128-gcm@openssh.com", " -o HostKeyAlias="],
)
def test_an_option_of_ssh_is_recognised(word):
    assert SSH_OPTION.search(word)


@pytest.mark.parametrize("path", [path for path in tracked(".py") if path.startswith("plugins/plugin_utils/")])
def test_every_program_on_the_controller_has_its_environment_said(path):
    """A child that inherits ours has the account's keys, which ssh may send and others may read."""
    calls = [
        node
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("subprocess.run", "subprocess.Popen")
    ]
    assert [call.lineno for call in calls if "env" not in {word.arg for word in call.keywords}] == [], path


#: What only shows what it has rendered itself, or is no display to people.
SHOWS = {"plugins/plugin_utils/_common/screen.py", "plugins/connection/pod.py"}


@pytest.mark.parametrize("path", [path for path in tracked(".py") if path.startswith("plugins/")])
def test_everything_that_is_shown_goes_one_way(path):
    """Past it, what a pod or a server says could steer the terminal."""
    text = (ROOT / path).read_text(encoding="utf-8")
    shown = [word for word in ("import Display", "self.display.", "self._display.") if word in text]
    assert not shown or path in SHOWS, f"{path}: use _screen instead of {shown}"
