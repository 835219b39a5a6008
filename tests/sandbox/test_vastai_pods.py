# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inside of a container that Vast.ai launches. The pods here are real."""

from __future__ import annotations

import subprocess
from typing import Any

from pods_conftest import Lab, Result, lab, new_key

from podyard_sandbox.pods import RunningPod
from podyard_sandbox.pods.launch import Launch

__all__ = ["lab"]

ONSTART = 'echo "$WORD" >> /root/starts; env | grep ^WORD= >> /etc/environment; touch ~/.no_auto_tmux'


def started(lab: Lab, *, keys: tuple[str, ...] | None = None, onstart: str = ONSTART, **changes: Any) -> RunningPod:
    launch = Launch(onstart=onstart, keys=(lab.public_key,) if keys is None else keys, **changes)
    env = {"WORD": "hello world", "CONTAINER_API_KEY": "secret"}
    return lab.ready("v1", profile="vast", mount_path=None, env=env, launch=launch)


def over_gateway(lab: Lab, pod: RunningPod, command: str = "true") -> Result:
    there = RunningPod(pod.pod_id, {"22/tcp": pod.gateway or 0}, pod.started_at, pod.pid)
    return lab.ssh(there, command)


def test_environment_start_script_and_disk(lab: Lab) -> None:
    pod = started(lab)
    assert lab.ssh(pod, "echo $WORD-$CONTAINER_API_KEY", check=True).out == "hello world-\n"
    assert "CONTAINER_API_KEY=secret" in lab.ssh(pod, "tr '\\0' '\\n' < /proc/1/environ", check=True).out
    assert lab.ssh(pod, "cat /root/onstart.sh; ls /root/hasbooted", check=True).out.startswith(ONSTART)
    keys = lab.ssh(pod, "cat /etc/ssh/ssh_host_ed25519_key.pub; touch /srv/kept", check=True).out
    port = pod.ports["22/tcp"]
    lab.do(lab.runtime.stop("v1", wipe=False))
    pod = started(lab)
    assert pod.ports["22/tcp"] != port
    assert lab.ssh(pod, "ls /srv; cat /root/starts", check=True).out == "kept\nhello world\nhello world\n"
    assert lab.ssh(pod, "cat /etc/ssh/ssh_host_ed25519_key.pub", check=True).out == keys
    lab.do(lab.runtime.stop("v1", wipe=True))
    pod = started(lab)
    assert lab.ssh(pod, "ls /srv; cat /root/starts", check=True).out == "hello world\n"
    assert lab.ssh(pod, "cat /etc/ssh/ssh_host_ed25519_key.pub", check=True).out != keys, "a new container"


def test_environment_is_hidden_unless_onstart_saves_it(lab: Lab) -> None:
    pod = started(lab, onstart="")
    assert lab.ssh(pod, "echo [$WORD]", check=True).out == "[]\n"


def test_banner_on_stderr_and_tmux_at_login(lab: Lab) -> None:
    pod = started(lab, onstart="")
    options = [word.replace("=ERROR", "=INFO") for word in lab.ssh_options(pod)]
    result = lab.call("ssh", *options, "root@127.0.0.1", "echo out")
    assert result.out == "out\n" and "Welcome to vast.ai." in result.err
    options += ["-tt", "root@127.0.0.1"]
    login = lab.call("env", "TERM=xterm", "timeout", "20", "ssh", *options, stdin="echo in-$TMUX_PANE; exit\n")
    assert "in-%0" in login.out, login
    lab.ssh(pod, "touch ~/.no_auto_tmux", check=True)
    login = lab.call("env", "TERM=xterm", "timeout", "20", "ssh", *options, stdin="echo plain-[$TMUX]; exit\n")
    assert "plain-[]" in login.out, login


def test_keys_come_and_go_while_it_runs(lab: Lab) -> None:
    pod = started(lab)
    second = new_key(lab.folder / "second")
    own = new_key(lab.folder / "own")
    line = (lab.folder / "second.pub").read_text(encoding="utf-8").strip()
    mine = (lab.folder / "own.pub").read_text(encoding="utf-8").strip()
    lab.ssh(pod, f"echo '{mine}' >> ~/.ssh/authorized_keys", check=True)
    assert lab.ssh(pod, "true", key=own).code == 0, "the file alone lets it in directly"
    there = RunningPod(pod.pod_id, {"22/tcp": pod.gateway or 0}, pod.started_at, pod.pid)
    assert lab.ssh(there, "true", key=own).code != 0, "the gateway knows registered keys alone"
    assert lab.ssh(there, "true").code == 0
    lab.runtime.set_keys("v1", (lab.public_key, line))
    lab.until(lambda: lab.ssh(pod, "true", key=second).code == 0, "the attached key")
    assert lab.ssh(there, "true", key=second).code == 0
    assert lab.ssh(pod, "true", key=own).code == 0, "what else the file holds stays"
    lab.runtime.set_keys("v1", (lab.public_key,))
    lab.until(lambda: lab.ssh(pod, "true", key=second).code != 0, "the end of the detached key")
    lab.runtime.set_keys("v1", (lab.public_key,), rewrite=True)
    lab.until(lambda: lab.ssh(pod, "true", key=own).code != 0, "the file written anew")
    assert lab.ssh(pod, "true").code == 0


def test_a_key_file_that_sshd_refuses(lab: Lab) -> None:
    launch = Launch(keys=(lab.public_key,), spoiled=True)
    pod = lab.start("v1", profile="vast", mount_path=None, launch=launch)
    lab.until(lambda: over_gateway(lab, pod).code == 0, "the gateway")
    assert lab.ssh(pod, "true").code != 0
    over_gateway(lab, pod, "chmod 600 ~/.ssh/authorized_keys")
    assert lab.ssh(pod, "true").code == 0


def test_own_entry_point_that_ends(lab: Lab) -> None:
    launch = Launch(script=False)
    args = '{"entrypoint": ["/bin/sh"], "cmd": ["-c", "echo done; exit 3"]}'
    pod = lab.start("v1", profile="nosshd", mount_path=None, launch=launch, args=args)
    lab.until(lambda: pod.exit_code is not None, "the end of the container")
    assert pod.exit_code == 3 and lab.log_texts("v1") == ["done"]
    assert subprocess.run(["kill", "-0", str(pod.pid)], capture_output=True, check=False).returncode != 0
