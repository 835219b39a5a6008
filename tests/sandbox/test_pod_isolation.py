# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod is shut off from: this machine's files and processes, other pods, other sandboxes."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from pods_conftest import Lab, lab, pod_processes

__all__ = ["lab"]


def everybody(what: str) -> dict[int, bytes]:
    """The `cmdline` or `environ` of every process of this machine."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found[int(entry)] = Path("/proc", entry, what).read_bytes()
            except OSError:
                continue
    return found


def test_root_is_the_pods_own(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "machine.txt").write_text("the machine's")
    pod = lab.ready()
    assert lab.ssh(pod, f"cat {tmp_path}/machine.txt").code != 0
    assert lab.ssh(pod, "ls -A /home /root /workspace /tmp /opt /mnt", check=True).out == (
        "/home:\n\n/mnt:\n\n/opt:\n\n/root:\n.bashrc\n.profile\n.ssh\n\n/tmp:\n\n/workspace:\n"
    )
    lab.ssh(
        pod, "echo pod > /etc/only-here; echo pod > /root/only-here; echo pod > /usr/local/bin/only-here", check=True
    )
    for folder in ("/etc", "/root", "/usr/local/bin"):
        assert not Path(folder, "only-here").exists()


def test_system_programs_cannot_be_changed(lab: Lab) -> None:
    pod = lab.ready()
    for path in ("/usr/bin/env", "/usr/.bin/env", "/usr/lib/os-release", "/bin/new"):
        assert "Read-only file system" in lab.ssh(pod, f"echo x >> {path}").err


def test_accounts_are_the_pods_own(lab: Lab) -> None:
    pod = lab.ready()
    names = lab.ssh(pod, "cut -d: -f1 /etc/passwd", check=True).out.split()
    assert names[0] == "root" and set(names) <= {"root", "daemon", "_apt", "sshd", "nobody"}
    assert set(lab.ssh(pod, "cut -d: -f2 /etc/shadow", check=True).out.split()) == {"*"}
    assert lab.ssh(pod, "ls /etc/ssh", check=True).out.count("ssh_host_") == 6


def test_host_name_and_processes_are_the_pods_own(lab: Lab) -> None:
    pod = lab.ready(hostname="4f1b22c0aa9d")
    assert lab.ssh(pod, "hostname; cat /etc/hostname", check=True).out.split() == ["4f1b22c0aa9d"] * 2
    assert socket.gethostname() != "4f1b22c0aa9d"
    names = lab.ssh(pod, "ps -e -o comm=", check=True).out.split()
    assert names[0] == "start.sh" and set(names) <= {"start.sh", "sshd", "sleep", "bash", "ps"}


def test_root_of_a_pod_has_no_power_over_the_machine(lab: Lab) -> None:
    pod = lab.ready()
    for attempt in (
        "mount -t tmpfs none /mnt",
        "hostname stolen",
        "mknod /tmp/disk b 8 0",
        "echo 1 > /proc/sys/vm/drop_caches",
    ):
        assert lab.ssh(pod, attempt).code != 0, attempt


def test_no_secret_of_a_pod_is_in_the_process_list(lab: Lab) -> None:
    lab.ready(env={"PUBLIC_KEY": lab.public_key, "TOKEN": "s3cr3t-t0ken"})
    insiders = set(pod_processes(lab.home))
    assert insiders
    assert not any(b"s3cr3t-t0ken" in line for line in everybody("cmdline").values())
    assert not any(b"s3cr3t-t0ken" in text for pid, text in everybody("environ").items() if pid not in insiders)


def test_nobody_else_can_read_a_pods_files(lab: Lab) -> None:
    lab.ready()
    [folder] = (lab.home / "pods").iterdir()
    assert [path.stat().st_mode & 0o777 for path in (lab.home / "pods", folder)] == [0o700, 0o700]


def test_two_pods_do_not_meet(lab: Lab) -> None:
    first, second = lab.ready("p1"), lab.ready("p2")
    assert first.ports != second.ports
    lab.ssh(
        first,
        "echo one > /workspace/one; echo one > /tmp/one; (setsid sleep 4711 > /dev/null 2>&1 < /dev/null &)",
        check=True,
    )
    seen = lab.ssh(second, "ls /workspace /tmp; ps -e -o args=", check=True).out
    assert "one" not in seen.split() and "4711" not in seen
    assert "4711" in lab.ssh(first, "ps -e -o args=", check=True).out


def test_two_sandboxes_do_not_meet(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Lab(tmp_path / "other")
    try:
        mine, theirs = lab.ready("p1"), other.ready("p1")
        assert mine.ports != theirs.ports
        other.do(other.runtime.sweep())
        assert pod_processes(other.home) == []
        assert lab.ssh(mine, "echo alive", check=True).out == "alive\n"
    finally:
        other.close()


def test_the_network_is_what_is_said_of_it(lab: Lab) -> None:
    pod = lab.ready()
    with socket.create_server(("127.0.0.1", 0)) as service:
        asked = f"exec 3<>/dev/tcp/127.0.0.1/{service.getsockname()[1]}"
        assert (lab.ssh(pod, f"bash -c '{asked}'").code == 0) == (lab.runtime.network == "shared")


def test_nothing_is_mounted_on_the_machine(lab: Lab) -> None:
    lab.ready()
    assert str(lab.home) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def test_the_held_port_goes_to_nobody_else(lab: Lab) -> None:
    # A pod without sshd: its public port is not listened on, and still is nobody else's.
    pod = lab.start(env={})
    port = pod.ports["22/tcp"]
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        try:
            thief.bind(("127.0.0.1", port))
        except OSError as error:
            assert error.errno == 98
        else:
            raise AssertionError("the port was free")


def test_python_and_a_virtual_environment_work(lab: Lab) -> None:
    pod = lab.ready()
    made = lab.ssh(
        pod,
        "python3 -m venv /root/v && cd /root/v/bin && "
        "./python -c 'import sys, ssl, ctypes; print(sys.prefix, sys.base_prefix)' && "
        "./pip --version && python -c 'import sys; print(sys.executable)'",
        check=True,
    )
    lines = made.out.splitlines()
    assert lines[0] == "/root/v /usr" and lines[1].startswith("pip ") and lines[2] == "/usr/bin/python"


def test_a_client_of_this_machine_is_not_needed_inside(lab: Lab) -> None:
    # The sandbox's own environment (its user's tokens, say) must not leak into a pod.
    os.environ["PODYARD_TEST_LEAK"] = "leaked"
    try:
        pod = lab.ready()
    finally:
        del os.environ["PODYARD_TEST_LEAK"]
    found = lab.ssh(pod, "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | sort -u", check=True).out
    assert "HOSTNAME=" in found and "PODYARD" not in found
    outside = subprocess.run(["pgrep", "-f", "PODYARD_TEST_LEAK"], capture_output=True, check=False)
    assert outside.stdout == b""
