# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting into a pod: keys, host keys, the environment that SSH sees and does not see, files by sftp and rsync."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from pods_conftest import Lab, lab, new_key

__all__ = ["lab"]


def connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def fingerprints(text: str) -> dict[str, str]:
    return {kind: found for found, kind in re.findall(r"(SHA256:\S+) .*\((\w+)\)", text)}


def test_key_opens_the_pod_as_root(lab: Lab) -> None:
    pod = lab.ready()
    assert lab.ssh(pod, "id -un; echo $HOME; pwd", check=True).out.split() == ["root", "/root", "/root"]


def test_other_key_and_password_are_refused(lab: Lab, tmp_path: Path) -> None:
    pod = lab.ready()
    refused = lab.ssh(pod, "true", key=new_key(tmp_path / "other"))
    assert refused.code == 255
    # What is offered to a client without the key is a key, and nothing to type.
    assert refused.err.strip().endswith("Permission denied (publickey).")


def test_several_keys_stand_in_lines(lab: Lab, tmp_path: Path) -> None:
    second = new_key(tmp_path / "second")
    keys = f"{lab.public_key}\n{second.with_suffix('.pub').read_text().strip()}"
    pod = lab.ready(env={"PUBLIC_KEY": keys})
    assert lab.ssh(pod, "echo in", key=second, check=True).out == "in\n"


@pytest.mark.parametrize("env", [{}, {"PUBLIC_KEY": ""}])
def test_without_a_key_there_is_no_sshd(lab: Lab, env: dict[str, str]) -> None:
    pod = lab.start(env=env)
    lab.until(lambda: any("ready to use" in text for text in lab.log_texts()), "the start script's end")
    assert not connects(pod.ports["22/tcp"])
    assert not any("SSH" in text for text in lab.log_texts())


def test_the_text_null_as_key_lets_nobody_in(lab: Lab) -> None:
    pod = lab.start(env={"PUBLIC_KEY": "null"})
    lab.until(lambda: connects(pod.ports["22/tcp"]), "sshd")
    refused = lab.ssh(pod, "true")
    assert (refused.code, "Permission denied (publickey)" in refused.err) == (255, True)


def test_sshd_comes_late_when_told(lab: Lab) -> None:
    pod = lab.start(sshd_delay=1.5)
    lab.until(lambda: "Setting up SSH..." in lab.log_texts(), "the start script")
    assert not connects(pod.ports["22/tcp"])
    lab.until(lambda: lab.ssh(pod, "true").code == 0, "SSH")
    [begun] = [line.at for line in lab.runtime.log("p1").lines() if line.text == "Setting up SSH..."]
    [up] = [line.at for line in lab.runtime.log("p1").lines() if line.text == "SSH host keys:"]
    assert (up - begun).total_seconds() >= 1.5


def test_log_has_the_fingerprints_that_the_server_shows(lab: Lab) -> None:
    pod = lab.ready()
    lab.until(lambda: any("ready to use" in text for text in lab.log_texts()), "the start script's end")
    told = fingerprints("\n".join(lab.log_texts()))
    keys = lab.call("ssh-keyscan", "-p", str(pod.ports["22/tcp"]), "127.0.0.1").out
    assert set(told) == {"RSA", "ECDSA", "ED25519"}
    assert fingerprints(lab.call("ssh-keygen", "-lf", "-", stdin=keys).out) == told


def test_commands_do_not_see_the_environment_and_shells_do(lab: Lab) -> None:
    secret = 'say "hi" to $HOME & `id` \\ = 1'
    pod = lab.ready(env={"PUBLIC_KEY": lab.public_key, "SECRET": secret, "lower": "x"})
    lab.until(lambda: any("ready to use" in text for text in lab.log_texts()), "the start script's end")
    plain = lab.ssh(pod, "env", check=True).out
    assert "SECRET" not in plain and "RUNPOD_" not in plain
    sourced = lab.ssh(pod, '. /etc/rp_environment; printf %s "$SECRET"', check=True)
    assert sourced.out == secret
    written = lab.ssh(pod, "cat /etc/rp_environment", check=True).out
    assert f'export RUNPOD_TCP_PORT_22="{pod.ports["22/tcp"]}"' in written
    assert "PUBLIC_KEY" not in written and "lower" not in written
    shell = lab.ssh(pod, "bash -ic 'printf %s \"$SECRET\"'", options=("-tt",), check=True)
    assert shell.out.endswith(secret)


def test_process_one_has_the_pods_environment(lab: Lab) -> None:
    pod = lab.ready(env={"PUBLIC_KEY": lab.public_key, "SECRET": "s3"})
    lines = lab.ssh(pod, "tr '\\0' '\\n' < /proc/1/environ", check=True).out.splitlines()
    assert {
        "SECRET=s3",
        f"PUBLIC_KEY={lab.public_key}",
        "RUNPOD_PUBLIC_IP=127.0.0.1",
        "HOME=/root",
        f"RUNPOD_TCP_PORT_22={pod.ports['22/tcp']}",
    } <= set(lines)
    assert lab.ssh(pod, "tr '\\0' ' ' < /proc/1/cmdline", check=True).out == "/bin/bash /start.sh "


def test_banner_is_for_people_only(lab: Lab) -> None:
    pod = lab.ready()
    banner = lab.ssh(pod, "cat /etc/runpod.txt", check=True)
    assert banner.out.strip() and banner.err == ""
    shell = lab.ssh(pod, "bash -i -c true", options=("-tt",), check=True).out.replace("\r", "")
    assert banner.out.strip() in shell


def test_shell_has_a_terminal(lab: Lab) -> None:
    pod = lab.ready()
    assert lab.ssh(pod, "tty", options=("-tt",), check=True).out.strip().startswith("/dev/pts/")


def test_files_go_by_sftp_and_rsync(lab: Lab, tmp_path: Path) -> None:
    pod = lab.ready()
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.bin").write_bytes(bytes(range(256)) * 4096)
    (source / "b c.txt").write_text("two\n")
    client = " ".join(["ssh", *lab.ssh_options(pod)])
    sent = lab.call("rsync", "-a", "-e", client, f"{source}/", "root@127.0.0.1:/workspace/data/")
    assert sent.code == 0, sent.err
    (tmp_path / "back").mkdir()
    options = ["-P" if word == "-p" else word for word in lab.ssh_options(pod)]
    fetched = lab.call("sftp", *options, "-b", "-", "root@127.0.0.1", stdin=f"get /workspace/data/* {tmp_path}/back/\n")
    assert fetched.code == 0, fetched.err
    for name in ("a.bin", "b c.txt"):
        assert (tmp_path / "back" / name).read_bytes() == (source / name).read_bytes()
