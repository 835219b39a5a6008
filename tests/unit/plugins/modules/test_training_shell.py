# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a training succeed: every line of its command, every part of a pipe, and all that it leaves running."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._training import runner, supervisor
from ansible_collections.podyard.gpu.plugins.modules import training
from ansible_collections.podyard.gpu.tests.unit.fakes.training_pod import call, pod, until

__all__ = ["call", "pod"]

# (command, exit code, words that its log must hold)
COMMANDS = {
    "a line before the last": ("echo one\nfalse\necho two", 1, "Line 2 of the command failed with exit code 1: false"),
    "a part of a pipe": (
        "echo one\npython3 -c 'raise SystemExit(3)' 2>&1 | tee -a console.log",
        3,
        "Line 2 of the command failed with exit code 3 (its parts: 3, 0)",
    ),
    "a program that is not there": ("no-such-program --x\necho two", 127, "Line 1 of the command failed"),
    "a function": ("f() { false; echo no; }\nf\necho two", 1, "Line 1 of the command failed with exit code 1: false"),
    "a part in parentheses": ("(false; echo no)\necho two", 1, "Line 1 of the command failed"),
    "a loop": ("for i in 1 2; do\n  test $i = 1\ndone\necho two", 1, "Line 2 of the command failed"),
    "a substitution": ("x=$(false)\necho two", 1, "Line 1 of the command failed with exit code 1: x=$(false)"),
    "a reader that has read enough": ("yes | head -n 1 >/dev/null\necho two", 141, "(its parts: 141, 0)"),
    "one of two jobs": ("false & sleep 0.2 & wait\necho two", 1, "Line 1 of the command failed with exit code 1: wait"),
    "a job that is waited for": ("false & wait $!\necho two", 1, "Line 1 of the command failed"),
    "no shell command": ("if then", 2, "syntax error"),
    "its own code": ("echo one\nexit 7", 7, "one"),
}  # fmt: skip
HONEST = {
    "a condition": "if false; then echo a; fi\ngrep -q nothing /dev/null || echo two",
    "a list": "false && echo a\necho two",
    "not": "! false\necho two",
    "a loop's condition": "while false; do :; done\nuntil true; do :; done\necho two",
    "nothing set": "echo $NOT_SET_AT_ALL\necho two",
    "a default": "x=$(false || echo 1)\necho two",
    "a helper that the command ends": "sleep 100 & helper=$!\nkill $helper\nwait\necho two",
    "its own exit trap": "trap 'echo two' EXIT\n(sleep 0.1; echo child) &\nwait\nexec true",
    "a heredoc": "cat >x <<'END'\na | b $(false)\nEND\ntest -s x\necho two",
    "a switch": "set +e\nfalse\necho two",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_fails_with_any_of_its_parts(pod, name):
    command, code, words = COMMANDS[name]
    pod.start(command)
    found = pod.ended()
    assert (found["state"], found["exit_code"]) == ("failed", code), found["log"]
    assert words in found["log"]
    assert "two" not in found["log"].splitlines()


@pytest.mark.parametrize("name", HONEST)
def test_what_may_fail_by_the_rules_of_the_shell_does_not_fail(pod, name):
    pod.start(HONEST[name])
    found = pod.ended()
    assert (found["state"], found["exit_code"]) == ("succeeded", 0), found["log"]
    if name != "its own exit trap":
        assert found["log"].splitlines()[-1] == "two"


def test_the_strict_shell_can_be_switched_off(pod):
    pod.start("false\nfalse | true", strict_shell=False)
    assert pod.ended()["state"] == "succeeded"


@pytest.fixture(name="plain_sh")
def _plain_sh(monkeypatch):
    """A host without bash, whose sh knows no pipefail."""
    real = shutil.which
    monkeypatch.setattr(runner.shutil, "which", lambda name: None if name == "bash" else real(name))
    monkeypatch.setattr(runner, "_sh_knows_pipefail", lambda: False)


def test_without_bash_every_line_still_counts(pod, plain_sh):
    pod.start("false\necho two")
    assert pod.ended()["exit_code"] == 1


@pytest.mark.parametrize("command", ["python3 x | tee log", "a |& b", "cat <<'END' | wc\nit's\nEND"])
def test_a_pipe_whose_failure_no_shell_sees_is_refused(pod, plain_sh, command):
    result = pod.start(command)
    assert result["failed"] is True
    assert "train_strict_shell" in result["msg"]
    assert not pod.dir.exists()


@pytest.mark.parametrize("command", ["echo 'a | b'", "false || true", "true # a | b"])
def test_what_only_looks_like_a_pipe_is_not_refused(pod, plain_sh, command):
    pod.start(command)
    assert pod.ended()["state"] == "succeeded"


def working(seconds, then="pass"):
    """A program that uses a processor for so long."""
    return (
        f'python3 -c "import sys, time; end = time.monotonic() + {seconds}\n'
        f'while time.monotonic() < end: sum(range(9999))\n{then}"'
    )


LEFT = {
    "nohup": "nohup {work} >out 2>&1 &",
    "setsid": "setsid {work} >out 2>&1 &",
    "disown": "{work} >out 2>&1 & disown",
    "a daemon": "(setsid sh -c '(exec \"$@\") & exit 0' sh {work} >out 2>&1 &)",
    "an environment of its own": 'env -i PATH="$PATH" setsid {work} >out 2>&1 &',
}


@pytest.mark.parametrize("way", LEFT)
def test_a_training_lasts_as_long_as_the_last_of_its_processes(pod, way):
    work = working(1.0, "open('model.bin', 'w').write('x')")
    pod.start(LEFT[way].format(work=work), chdir=str(pod.home), background_timeout=60)
    found = pod.ended()
    assert (found["state"], found["exit_code"]) == ("succeeded", 0), found["log"]
    assert (pod.home / "model.bin").exists()
    assert "The command ended with exit code 0" in found["log"]
    assert "python3 -c" in found["log"]


@pytest.mark.parametrize("way", ["nohup", "setsid", "an environment of its own"])
def test_a_training_that_is_left_behind_and_fails_fails_the_run(pod, way):
    pod.start(LEFT[way].format(work=working(0.7, "sys.exit(5)")), background_timeout=60)
    found = pod.ended()
    assert (found["state"], found["exit_code"]) == ("failed", 5), found["log"]
    assert "which the command left running, ended with exit code 5" in found["log"]


def test_a_helper_that_never_ends_does_not_keep_a_run_for_ever(pod):
    pod.start("sleep 1000 & echo $! >helper\necho two", background_timeout=0.5)
    found = pod.ended()
    assert (found["state"], found["exit_code"]) == ("succeeded", 0), found["log"]
    assert "so they are not training and are ended" in found["log"]
    assert supervisor._fields(int(pod.text("helper"))) is None


def test_what_a_command_that_failed_leaves_behind_is_ended_at_once(pod):
    pod.start("sleep 1000 & echo $! >helper\nfalse", background_timeout=600)
    found = pod.ended()
    assert (found["state"], found["exit_code"]) == ("failed", 1)
    assert supervisor._fields(int(pod.text("helper"))) is None


def test_stop_ends_what_is_left_behind_and_that_is_no_success(pod):
    pod.start(f"nohup {working(1000)} >out 2>&1 & echo $! >left", background_timeout=600)
    until(lambda: "running: " in pod.log(), "the end of the command")
    result = pod.stop(grace=5)
    assert (result["state"], result["exit_code"]) == ("failed", 128 + signal.SIGTERM)
    assert supervisor._fields(int(pod.text("left"))) is None


def test_a_busy_gpu_is_a_sign_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_ticks", lambda pids: dict.fromkeys(pids, 7))
    (tmp_path / "gpu.jsonl").write_text('{"utilization_percent": 1}\n{"utilization_percent": null}\nno json\n')
    activity = supervisor.Activity(str(tmp_path), [os.getpid()], 0.0)
    monkeypatch.setattr(supervisor, "_holds_gpu", lambda pid: True)
    activity.active_at -= 100
    assert activity.idle([os.getpid()]) >= 100
    (tmp_path / "gpu.jsonl").write_text('{"utilization_percent": 80}\n')
    assert activity.idle([os.getpid()]) < 100


def test_the_options_have_the_roles_defaults():
    assert training.ARGUMENTS["strict_shell"]["default"] is True
    assert training.ARGUMENTS["background_timeout"]["default"] == 600.0
