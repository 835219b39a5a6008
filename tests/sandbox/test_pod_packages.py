# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The apt-get of a pod: an image without SSH becomes one with it, and what cannot be had is said in apt's words; and
images that let in another user than root."""

from __future__ import annotations

import shlex

import pytest
from pods_conftest import Lab, lab

__all__ = ["lab"]

# What clients of the service put in place of a raw image's command.
BOOTSTRAP = """
set -e
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends openssh-server rsync
mkdir -p ~/.ssh /run/sshd
echo "$PUBLIC_KEY" >> ~/.ssh/authorized_keys
chmod 700 ~/.ssh
{start}
sleep infinity
"""

NEWEST = "rsync is already the newest version (1.0)."


def args(script: str) -> str:
    return f"bash -c {shlex.quote(script)}"


def said(lab: Lab, script: str, last: str = "over", **changes: object) -> list[str]:
    """What a script prints in a raw image."""
    lab.start(profile="nosshd", args=args(f"{script}\necho {last}; sleep infinity"), **changes)
    lab.until(lambda: last in lab.log_texts(), "the script's end")
    return lab.log_texts()


@pytest.mark.parametrize("start", ["ssh-keygen -A; /usr/sbin/sshd", "service ssh start"])
def test_a_raw_image_becomes_one_with_ssh(lab: Lab, start: str) -> None:
    pod = lab.ready(profile="nosshd", args=args(BOOTSTRAP.format(start=start)))
    assert lab.ssh(pod, "rsync --version; dpkg -s rsync", check=True).out.startswith("rsync  version")
    assert lab.call("ssh-keyscan", "-t", "ed25519", "-p", str(pod.ports["22/tcp"]), "127.0.0.1").out
    # It is installed on the container's disk, which goes with the container.
    lab.do(lab.runtime.stop("p1"))
    assert any("sshd: command not found" in line for line in said(lab, "sshd -t"))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("apt-get install -y rsync", "E: Unable to locate package rsync"),
        ("apt-get update; apt-get install -y no-such-thing", "E: Unable to locate package no-such-thing"),
        ("apt update; apt install rsync", "Do you want to continue? [Y/n] Abort."),
        ("apt-get update; apt-get install -qq rsync curl; apt-get install rsync", NEWEST),
        ("apt-get frobnicate", "E: Invalid operation frobnicate"),
    ],
)  # fmt: skip
def test_what_apt_says(lab: Lab, script: str, words: str) -> None:
    assert words in said(lab, script)


def test_exit_codes(lab: Lab) -> None:
    script = "apt-get update -q; echo code $?; apt-get -y install no-such-thing; echo code $?"
    assert [line for line in said(lab, script) if line.startswith("code")] == ["code 0", "code 100"]


def test_package_mirror_down(lab: Lab) -> None:
    script = "apt-get update; echo code $?; apt-get install -y openssh-server; echo code $?"
    lines = said(lab, script, packages=False)
    assert [line for line in lines if line.startswith("code")] == ["code 0", "code 100"]
    assert any(line.startswith("W: Failed to fetch") for line in lines)
    assert "E: Unable to locate package openssh-server" in lines


def test_only_the_images_user_gets_in(lab: Lab) -> None:
    pod = lab.start(profile="nonroot")
    destination = [*lab.ssh_options(pod), "user@127.0.0.1"]
    lab.until(lambda: lab.call("ssh", *destination, "true").code == 0, "SSH of the user")
    seen = lab.call("ssh", *destination, "echo $HOME; touch /workspace/mine && echo written; cat ~/.bashrc | wc -l")
    assert seen.out.split()[:2] == ["/home/user", "written"], seen
    assert "Permission denied" in lab.ssh(pod, "true").err


def test_what_is_there_is_the_newest(lab: Lab) -> None:
    """Also on a fresh image, without lists; and nothing else can be had then."""
    pod = lab.ready()
    script = "apt-get install -y -qq openssh-server rsync; echo code $?; apt-get install --no-install-recommends -y "
    script += "openssh-server rsync python3; echo code $?; apt-get install -y rsync no-such-thing; echo code $?"
    said = lab.ssh(pod, f"{{ {script}; }} 2>&1", check=True).out.splitlines()
    assert said[0] == "code 0"
    newest = [line for line in said if line.endswith("is already the newest version (1.0).")]
    assert [line.split()[0] for line in newest] == ["openssh-server", "rsync", "python3"]
    assert "0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded." in said
    assert said[-2:] == ["E: Unable to locate package no-such-thing", "code 100"]


@pytest.mark.parametrize("flags", ["-y -qq", "-yqq", "-qqy", "-q -y", "--yes --no-install-recommends", "-y -o A::B=c"])
def test_flags_of_apt(lab: Lab, flags: str) -> None:
    script = f"apt-get update -qq && apt-get install {flags} rsync curl > /dev/null; echo code $?; rsync --version"
    lines = said(lab, script)
    assert "code 0" in lines and any(line.startswith("rsync  version") for line in lines), lines
