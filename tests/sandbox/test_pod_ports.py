# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a pod's sshd listens: at the mapped port for the container's port 22, else where it is told."""

from __future__ import annotations

import shlex
import socket

import pytest
from pods_conftest import Lab, lab

__all__ = ["lab"]

START = """
mkdir -p ~/.ssh /run/sshd; echo "$PUBLIC_KEY" >> ~/.ssh/authorized_keys; chmod 700 ~/.ssh; ssh-keygen -A
{start}; echo code $?
sleep infinity
"""


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as knocking:
        return knocking.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("start", "mapped"),
    [
        ("/usr/sbin/sshd -p {port}", False),
        ("/usr/sbin/sshd -ep{port}", False),
        ("/usr/sbin/sshd -o Port={port}", False),
        ("/usr/sbin/sshd -p {port} -p 22", True),
        ("echo 'Port {port}' > /etc/ssh/sshd_config.d/mine.conf; /usr/sbin/sshd", False),
        ("echo 'Port {port}' >> /etc/ssh/sshd_config; service ssh start", False),
        ("printf 'Port 22\\nPort {port}\\nListenAddress 127.0.0.1\\n' > /etc/ssh/sshd_config; /usr/sbin/sshd", True),
    ],
)
def test_a_port_that_is_named(lab: Lab, start: str, mapped: bool) -> None:
    port = free_port()
    pod = lab.start(args=f"bash -c {shlex.quote(START.format(start=start.format(port=port)))}")
    lab.until(lambda: any(line.startswith("code ") for line in lab.log_texts()), "sshd's start")
    lab.until(lambda: listens(port), "the port that was named")
    assert listens(pod.ports["22/tcp"]) is mapped, lab.log_texts()
    options = [str(port) if word == str(pod.ports["22/tcp"]) else word for word in lab.ssh_options(pod)]
    assert lab.call("ssh", *options, "root@127.0.0.1", "echo in").out == "in\n"


@pytest.mark.parametrize(
    "start",
    ["/usr/sbin/sshd -p 22", "/usr/sbin/sshd -e -o Port=22", "echo > /etc/ssh/sshd_config; /usr/sbin/sshd",
     "echo 'Port 22' >> /etc/ssh/sshd_config; service ssh start", "service ssh start; service ssh restart"],
)  # fmt: skip
def test_port_22_is_the_mapped_one(lab: Lab, start: str) -> None:
    pod = lab.start(args=f"bash -c {shlex.quote(START.format(start=start))}")
    lab.until(lambda: lab.ssh(pod, "true").code == 0, "SSH")


def test_a_port_that_is_none(lab: Lab) -> None:
    pod = lab.ready()
    assert "Bad port number" in lab.ssh(pod, "/usr/sbin/sshd -p y").err
    assert "option requires an argument" in lab.ssh(pod, "/usr/sbin/sshd -p").err
    assert lab.ssh(pod, "/usr/sbin/sshd -T | grep ^port", check=True).out == f"port {pod.ports['22/tcp']}\n"
