# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's specification, and its state while it runs: plain data, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from .launch import Launch

PROFILES = ("runpod", "vast", "slim", "nosshd", "nopython", "nonroot")

_POD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_PORT = re.compile(r"[0-9]{1,5}/(tcp|http)")
# A mount at one of these paths would hide what the pod needs to start.
_RESERVED_MOUNTS = ("/", "/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr")


class PodError(Exception):
    """A pod could not be started, stopped or read; the message is one sentence for the user."""


@dataclass(frozen=True)
class PodSpec:
    """Everything a pod needs to start.

    `id` names the pod for the runtime, `profile` is one of `PROFILES`, `env` the container's environment (names to
    text), `args` the text that replaces the image's own command (None: the image's own), `ports` entries like
    "22/tcp" or "8888/http", `mount_path` where the persistent directory is seen (None: no persistent storage),
    `network_volume` the storage that is seen there, which pods share and which outlives them (None: the pod's own),
    `gpu_name` what nvidia-smi calls the GPU, `gpu_memory_gb` of one GPU, `sshd_delay` the seconds between the
    container's start and sshd's, `find_links` the address of a page of wheels that pip uses instead of any index,
    `packages` whether the pod's apt-get can reach the place that it has packages from, `gpu_lost` whether the driver
    finds none of the rented GPUs, `launch` how Vast.ai starts it (None: as RunPod does).
    Raises PodError if a value is invalid.
    """

    id: str
    hostname: str
    profile: str
    env: dict[str, str] = field(default_factory=dict, repr=False)
    args: str | None = field(default=None, repr=False)
    ports: tuple[str, ...] = ("22/tcp",)
    mount_path: str | None = "/workspace"
    network_volume: str | None = None
    gpu_name: str = "NVIDIA GeForce RTX 4090"
    gpu_count: int = 1
    gpu_memory_gb: int = 24
    cuda_version: str = "12.8"
    driver_version: str = "570.124.06"
    sshd_delay: float = 0.0
    find_links: str | None = None
    packages: bool = True
    gpu_lost: bool = False
    launch: Launch | None = None

    def __post_init__(self) -> None:
        if not _POD_ID.fullmatch(self.id):
            raise PodError(f"the pod id {self.id!r} is not made of letters, digits, - and _")
        if self.network_volume is not None and not _POD_ID.fullmatch(self.network_volume):
            raise PodError(f"pod {self.id}: {self.network_volume!r} is not the id of a volume")
        if not _HOSTNAME.fullmatch(self.hostname):
            raise PodError(f"pod {self.id}: {self.hostname!r} is not a host name")
        if self.profile not in PROFILES:
            raise PodError(f"pod {self.id}: there is no image profile {self.profile!r}, only {', '.join(PROFILES)}")
        for port in self.ports:
            if not _PORT.fullmatch(port):
                raise PodError(f"pod {self.id}: {port!r} is not a port like 22/tcp or 8888/http")
        self._check_env()
        self._check_mount()

    def _check_env(self) -> None:
        for name, value in self.env.items():
            if not name or "=" in name or "\0" in name or "\0" in value:
                raise PodError(
                    f"pod {self.id}: {name!r} cannot be the name of an environment variable, or its value "
                    "holds a zero byte"
                )

    def _check_mount(self) -> None:
        path = self.mount_path
        if path is None:
            return
        plain = path.rstrip("/") or "/"
        if not path.startswith("/") or ".." in path.split("/") or plain in _RESERVED_MOUNTS:
            raise PodError(f"pod {self.id}: a volume cannot be mounted at {path!r}")


@dataclass
class RunningPod:
    """A started pod.

    ``ports`` maps requested ports ("22/tcp") to public ones on 127.0.0.1; ``pid`` is the host's number of the pod's
    PID 1, and changes when the container restarts by itself; times are UTC. ``gateway`` is where its sshd takes what
    comes over Vast.ai's gateway; ``exit_code`` that of a container that ended and is not restarted.
    """

    pod_id: str
    ports: dict[str, int]
    started_at: datetime
    pid: int
    gateway: int | None = None
    exit_code: int | None = None


@dataclass(frozen=True)
class GpuUsage:
    """One GPU's load in percent."""

    index: int
    gpu_percent: float
    memory_percent: float


@dataclass(frozen=True)
class Utilisation:
    """A pod's load in percent over the last sample.

    ``gpu_percent`` and ``gpu_memory_percent`` are the mean of the rented GPUs, ``cpu_percent`` of all of this machine's
    cores, ``memory_percent`` of its memory.
    """

    gpu_percent: float
    gpu_memory_percent: float
    cpu_percent: float
    memory_percent: float
    gpus: tuple[GpuUsage, ...] = ()
