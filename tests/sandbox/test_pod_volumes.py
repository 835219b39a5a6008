# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network volumes inside pods: one directory for several pods, which outlives them; and a command that ends."""

from __future__ import annotations

from pods_conftest import Lab, lab

__all__ = ["lab"]


def test_a_volume_outlives_its_pods(lab: Lab) -> None:
    first = lab.ready("p1", network_volume="vol1", mount_path="/data")
    other = lab.ready("p2", network_volume="vol1", mount_path="/workspace")
    lab.ssh(first, "echo one > /data/file", check=True)
    assert lab.ssh(other, "cat /workspace/file; echo two > /workspace/file", check=True).out == "one\n"
    lab.do(lab.runtime.destroy("p1"))
    lab.do(lab.runtime.destroy("p2"))
    again = lab.ready("p3", network_volume="vol1", mount_path="/data")
    assert lab.ssh(again, "cat /data/file", check=True).out == "two\n"
    # Another volume is another directory, and a pod's own disk yet another.
    assert lab.ssh(lab.ready("p4", network_volume="vol2", mount_path="/data"), "ls /data", check=True).out == ""
    lab.do(lab.runtime.destroy_volume("vol1"))
    assert lab.ssh(again, "ls /data").out == ""


def test_a_command_that_ends_is_started_again_and_again(lab: Lab) -> None:
    pod = lab.start(args="sh -c 'echo starting; exit 1'")
    lab.until(lambda: lab.log_texts().count("starting") >= 2, "the second start")
    system = lab.log_texts(source="system")
    assert "container exited with code 1" in system and system.count("restarting container in 0.5 s") == 1
    assert lab.call("ssh-keyscan", "-T", "1", "-p", str(pod.ports["22/tcp"]), "127.0.0.1").out == ""
