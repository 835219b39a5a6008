# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nvidia-smi shows of a rented GPU, and which processes it counts as using the GPU."""

from __future__ import annotations

import shlex
import uuid
from dataclasses import dataclass

from .spec import PodSpec

# Where the pod's nvidia-smi reads its facts; a real container has the driver's socket there.
FACTS_PATH = "/run/nvidia-persistenced/gpus"

# Programs that use CPU but never a GPU. Everything else that computes in a pod counts as using the GPU, since a pod
# here has only CPUs to compute on.
NOT_COMPUTE = frozenset(
    (
        "sshd",
        "sshd-session",
        "sshd-auth",
        "sftp-server",
        "ssh",
        "scp",
        "sftp",
        "ssh-keygen",
        "bash",
        "sh",
        "dash",
        "start.sh",
        "sleep",
        "cat",
        "tail",
        "head",
        "less",
        "rsync",
        "tar",
        "gzip",
        "gunzip",
        "zstd",
        "xz",
        "bzip2",
        "zip",
        "unzip",
        "cp",
        "mv",
        "rm",
        "ln",
        "ls",
        "mkdir",
        "find",
        "grep",
        "sed",
        "awk",
        "mawk",
        "gawk",
        "sort",
        "tee",
        "dd",
        "xargs",
        "sha256sum",
        "md5sum",
        "sha1sum",
        "du",
        "df",
        "stat",
        "ps",
        "top",
        "htop",
        "tmux",
        "screen",
        "nvidia-smi",
        "timeout",
        "nohup",
        "setsid",
        "env",
        "id",
        "tr",
        "cut",
        "wc",
        "git",
        "curl",
        "wget",
        "apt",
        "apt-get",
        "dpkg",
        "service",
        "pip",
        "pip3",
        "uv",
        "ansible",
        "cc1",
        "cc1plus",
        "ld",
        "as",
        "make",
        "ninja",
        "cmake",
        "gcc",
        "g++",
        "bwrap",
    )
)
# Command lines (an extended regular expression) of Python that installs or manages: pip and what it starts, venv,
# Ansible's modules; an interpreter without any argument reads its program from its input, which is how Ansible runs
# modules through a pipe.
TOOLING = (
    r"(^|[ /])(pip[0-9.]*|uv|virtualenv)( |$)|-m (pip|venv|ensurepip|virtualenv|compileall)( |$)|/pip/"
    r"|run_module\(.pip|[Aa]nsi([Bb]all|ble)|^[^ ]*python[0-9.]*$"
)
# A process counts if it used this share of one core in the sample …
BUSY_SHARE = 0.05
# … or if it has used this many CPU seconds in total, and this share of one core since it started (then it is only
# waiting for data, and would still hold GPU memory).
HELD_SECONDS = 2.0
HELD_SHARE = 0.10


@dataclass(frozen=True)
class Model:
    """Facts of one GPU model: memory as the driver counts it, board power limit, compute capability."""

    memory_mib: int
    power_watts: int
    compute: str


# The driver keeps a little of the memory for itself; these are the sizes it shows.
_MODELS = {
    "NVIDIA A100 80GB PCIe": Model(81920, 300, "8.0"),
    "NVIDIA A100-SXM4-80GB": Model(81920, 400, "8.0"),
    "NVIDIA A40": Model(46068, 300, "8.6"),
    "NVIDIA B200": Model(183359, 1000, "10.0"),
    "NVIDIA GeForce RTX 3090": Model(24576, 350, "8.6"),
    "NVIDIA GeForce RTX 4090": Model(24564, 450, "8.9"),
    "NVIDIA GeForce RTX 5090": Model(32607, 575, "12.0"),
    "NVIDIA H100 80GB HBM3": Model(81559, 700, "9.0"),
    "NVIDIA H100 NVL": Model(95830, 400, "9.0"),
    "NVIDIA H100 PCIe": Model(81559, 350, "9.0"),
    "NVIDIA H200": Model(143771, 700, "9.0"),
    "NVIDIA L4": Model(23034, 72, "8.9"),
    "NVIDIA L40": Model(46068, 300, "8.9"),
    "NVIDIA L40S": Model(46068, 350, "8.9"),
    "NVIDIA RTX 2000 Ada Generation": Model(16380, 70, "8.9"),
    "NVIDIA RTX 4000 Ada Generation": Model(20475, 130, "8.9"),
    "NVIDIA RTX 6000 Ada Generation": Model(49140, 300, "8.9"),
    "NVIDIA RTX A4000": Model(16376, 140, "8.6"),
    "NVIDIA RTX A5000": Model(24564, 230, "8.6"),
    "NVIDIA RTX A6000": Model(49140, 300, "8.6"),
}


def memory_mib(spec: PodSpec) -> int:
    """Return the memory of one GPU in MiB: the driver's figure for a known model, else what was rented."""
    known = _MODELS.get(spec.gpu_name)
    # The rented model may have a different memory size; then the rented figure applies.
    if known and abs(known.memory_mib / 1024 - spec.gpu_memory_gb) <= 0.1 * spec.gpu_memory_gb:
        return known.memory_mib
    return spec.gpu_memory_gb * 1024


def facts(spec: PodSpec) -> str:
    """Return the file that the pod's nvidia-smi reads: shell assignments."""
    known = _MODELS.get(spec.gpu_name)
    space = uuid.uuid5(uuid.NAMESPACE_DNS, f"{spec.id}.pods.podyard")
    values = {
        "gpu_name": spec.gpu_name,
        "gpu_count": str(spec.gpu_count),
        "gpu_memory": str(memory_mib(spec)),
        "driver": spec.driver_version,
        "cuda": spec.cuda_version,
        "power_limit": str(known.power_watts) if known else "",
        "compute_cap": known.compute if known else "",
        "uuids": " ".join(f"GPU-{uuid.uuid5(space, str(index))}" for index in range(spec.gpu_count)),
        "not_compute": " ".join(sorted(NOT_COMPUTE)),
        "tooling": TOOLING,
        "gpu_lost": "1" if spec.gpu_lost else "",
        "busy_share": str(BUSY_SHARE),
        "held_seconds": str(HELD_SECONDS),
        "held_share": str(HELD_SHARE),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
