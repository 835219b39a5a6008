# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: which profile a name means, and what each profile lacks."""

from __future__ import annotations

import pytest
from pods_conftest import Lab, lab

from podyard_sandbox.pods import profile_for_image

__all__ = ["lab"]

# Programs whose absence a profile promises.
LACKS = {
    "runpod": [],
    "slim": ["rsync", "curl"],
    "nosshd": ["sshd", "rsync"],
    "nopython": ["python3", "python", "python3.11", "pip3"],
}


@pytest.mark.parametrize(
    ("image", "profile"),
    [
        ("runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404", "runpod"),
        ("docker.io/runpod/base:0.7.0", "runpod"),
        ("runpod/pytorch@sha256:00ff", "runpod"),
        ("runpod/base:0.7.0-slim", "slim"),
        ("python:3.11-slim", "slim"),
        ("registry.example:5000/me/train-slim", "slim"),
        ("registry.example:5000/me/train", "nosshd"),
        ("runpod/base:nopython", "nopython"),
        ("me/nosshd:1", "nosshd"),
        ("me/train:nonroot", "nonroot"),
        ("pytorch/pytorch:2.8.0-cuda12.8-cudnn9-runtime", "nosshd"),
        ("nvidia/cuda:12.8.1-devel-ubuntu24.04", "nosshd"),
        ("ubuntu", "nosshd"),
        ("slimmer/image:1", "nosshd"),
    ],
)
def test_profile_of_a_name(image: str, profile: str) -> None:
    assert profile_for_image(image) == profile


@pytest.mark.parametrize("profile", ["runpod", "slim", "nopython"])
def test_what_a_profile_lacks_is_not_found(lab: Lab, profile: str) -> None:
    pod = lab.ready(profile=profile)
    everything = sorted({name for names in LACKS.values() for name in names} | {"ssh-keygen", "sha256sum", "tar"})
    found = lab.ssh(pod, f"command -v {' '.join(everything)}").out.split()
    for name in LACKS[profile]:
        assert f"/usr/bin/{name}" not in found and f"/usr/sbin/{name}" not in found
        tried = lab.ssh(pod, name)
        assert tried.code == 127 and f"{name}: command not found" in tried.err
        assert lab.ssh(pod, f"/usr/.bin/{name} --version").code in (126, 127)
    there = {"/usr/sbin/sshd", "/usr/bin/tar", "/usr/bin/rsync", "/usr/bin/python3"}
    assert there - {f"/usr/bin/{name}" for name in LACKS[profile]} <= set(found)


def test_without_sshd_a_pod_runs_and_nobody_gets_in(lab: Lab) -> None:
    pod = lab.start(profile="nosshd")
    assert lab.call("ssh-keyscan", "-T", "1", "-p", str(pod.ports["22/tcp"]), "127.0.0.1").out == ""
    lab.do(lab.runtime.stop("p1"))
    # Its own command would sleep for ever; this one tells what the image has.
    lab.start(profile="nosshd", args="bash -c 'sshd -t; rsync --version; command -v ssh; echo looked; sleep infinity'")
    lab.until(lambda: "looked" in lab.log_texts(), "the look")
    said = lab.log_texts()
    assert len(said) == 3 and "sshd: command not found" in said[0] and "rsync: command not found" in said[1]
    assert "container exited" not in " ".join(lab.log_texts(source="system"))


def test_python_works_in_a_slim_image(lab: Lab) -> None:
    pod = lab.ready(profile="slim")
    made = lab.ssh(
        pod, "python3 -m venv v && v/bin/python -c 'import sys; print(sys.base_prefix)' && ls v/bin/pip", check=True
    )
    assert made.out == "/usr\nv/bin/pip\n"


def test_nvidia_smi_needs_no_python(lab: Lab) -> None:
    pod = lab.ready(profile="nopython")
    assert lab.ssh(pod, "nvidia-smi -L", check=True).out.startswith("GPU 0: NVIDIA GeForce RTX 4090 (UUID: GPU-")
    assert "No running processes found" in lab.ssh(pod, "nvidia-smi", check=True).out


def test_a_pod_without_gpu_has_no_nvidia_smi(lab: Lab) -> None:
    pod = lab.ready(gpu_count=0)
    assert lab.ssh(pod, "nvidia-smi").code == 127


def test_pip_looks_only_where_it_was_told(lab: Lab) -> None:
    pod = lab.ready(find_links="http://127.0.0.1:9/wheels/")
    assert lab.ssh(pod, "cat /etc/pip.conf", check=True).out.splitlines() == [
        "[global]",
        "no-index = true",
        "find-links = http://127.0.0.1:9/wheels/",
        "trusted-host = 127.0.0.1:9",
        "disable-pip-version-check = true",
    ]
    told = lab.ssh(
        pod, "python3 -m venv v && v/bin/pip config list && v/bin/pip install --retries 0 nothing-of-the-kind"
    )
    assert "global.no-index='true'" in told.out and told.code == 1
    assert "127.0.0.1:9" in told.out + told.err and "No matching distribution" in told.err


def test_pip_is_left_alone_otherwise(lab: Lab) -> None:
    pod = lab.ready()
    assert lab.ssh(pod, "ls /etc/pip.conf").code != 0
