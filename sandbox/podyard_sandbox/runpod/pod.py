# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rented pod: what was requested, what it got, and its state."""

from __future__ import annotations

import asyncio
import secrets
import string
import time
from dataclasses import dataclass, field
from typing import Any

from podyard_sandbox.meter import Meter
from podyard_sandbox.pods import RunningPod
from podyard_sandbox.runpod.stock import Machine
from podyard_sandbox.stages import Stages

_ID_LETTERS = string.ascii_lowercase + string.digits
SSH_PORT = "22/tcp"

# The actions that each status allows. The service's own example of a PROVISIONING pod shows start and terminate,
# which contradicts its prose; the sandbox follows the prose.
ACTIONS: dict[str, tuple[str, ...]] = {
    "PROVISIONING": ("stop", "terminate"),
    "STARTING": ("stop", "terminate"),
    "RUNNING": ("stop", "restart", "terminate"),
    "EXITED": ("start", "terminate"),
    "ERROR": ("start", "terminate"),
    "TERMINATED": (),
}


def new_id() -> str:
    """Return a pod id like 8y5rumuyb50m78."""
    return "".join(secrets.choice(_ID_LETTERS) for _letter in range(14))


class VisibilityDelay:
    """A delay until something becomes visible: a number of reads, and at least some seconds."""

    def __init__(self, reads: int, seconds: float = 0.0) -> None:
        self._reads = reads
        self._until = time.monotonic() + seconds

    def is_over(self) -> bool:
        """Count a read, and return whether the delay was over before it."""
        if self._reads > 0:
            self._reads -= 1
            return False
        return time.monotonic() >= self._until


@dataclass
class Config:
    """What the user requested, and may change later."""

    name: str
    image: str
    args: str
    disk: int
    ports: list[str]
    env: dict[str, str]
    registry: str | None
    mounts: dict[str, Any]
    locked: bool = False
    global_networking: bool = False

    @property
    def mount_path(self) -> str | None:
        """The mount point of the storage that outlives the container, or None."""
        if "persistent" in self.mounts:
            return self.mounts["persistent"]["path"]
        return self.mounts["network"][0]["path"] if "network" in self.mounts else None

    @property
    def network_volume(self) -> str | None:
        """The id of the network volume, or None."""
        return self.mounts["network"][0]["volumeId"] if "network" in self.mounts else None

    @property
    def volume_gb(self) -> int:
        """The size of the volume disk in GB, 0 without one."""
        return self.mounts["persistent"]["size"] if "persistent" in self.mounts else 0


@dataclass(frozen=True)
class CpuShare:
    """A CPU pod's share of its host; memory in GB."""

    id: str
    vcpus: int
    memory: int


@dataclass(eq=False)
class Pod:
    """A pod of the account.

    Attributes:
        seq: its number; lists are in this order.
        gpu_id, gpu_count: its GPUs; a CPU pod has "" and 0, and a share of a host's CPUs in ``cpu``.
        machine: the host to which it is tied, even while stopped.
        template_id: the template it was created from, which the API does not show.
        holds_gpu: whether it holds GPUs of the machine now.
        assigned: whether the API shows the machine yet.
        never_placed: whether it stays in PROVISIONING for ever.
        mounted_gb: the size of the volume disk's file system, which grows only at a start after a stop.
        generation: counts starts, stops and ends, so that a pending start notices that it was superseded.
        direct_at: monotonic time from which the public SSH port is shown; None: never.
        old_port, stale_reads: the SSH port from before the last start, and for how many reads it is still shown.
        ssh_user: the user in ssh.direct since its last start.
        network_at_start: whether global networking was asked for when the container started.
        lost: the host died, but the API still says RUNNING.
        hidden: the delay until reads show the new pod.
        leaving: the delay until reads stop showing the terminated pod.
        last_shown: how they show it, if not as TERMINATED.
        stopping: the delay until a stop takes effect.
        is_fake: nothing runs behind it; it can only be read and terminated, and costs nothing.
        address: the public address of its ports.
    """

    seq: int
    config: Config
    cloud: str
    gpu_id: str
    gpu_count: int
    machine: Machine
    usd_per_hour: float
    start_ssh: bool
    jupyter_password: str | None
    template_id: str | None = None
    cpu: CpuShare | None = None
    never_placed: bool = False
    id: str = field(default_factory=new_id)
    host_suffix: str = field(default_factory=lambda: secrets.token_hex(4))
    key: str = field(default_factory=lambda: "rpa_pod" + secrets.token_hex(20), repr=False)
    status: str = "PROVISIONING"
    holds_gpu: bool = True
    assigned: bool = False
    created_at: float = field(default_factory=time.time)
    started_at: float | None = None
    gone_at: float | None = None
    meter: Meter = field(default_factory=Meter)
    running: RunningPod | None = None
    direct_at: float | None = None
    old_port: int | None = None
    stale_reads: int = 0
    ssh_user: str | None = "root"
    network_at_start: bool = False
    mounted_gb: int = 0
    lost: bool = False
    hidden: VisibilityDelay | None = None
    leaving: VisibilityDelay | None = None
    last_shown: dict[str, Any] | None = None
    stopping: VisibilityDelay | None = None
    generation: int = 0
    stages: Stages = field(default_factory=Stages)
    is_fake: bool = False
    address: str = "127.0.0.1"
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def units(self) -> int:
        """What it takes from its machine: GPUs, or vCPUs."""
        return self.cpu.vcpus if self.cpu is not None else self.gpu_count

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that its status allows."""
        return ACTIONS[self.status]

    @property
    def id_and_name(self) -> tuple[str, str]:
        """Its id and name: a fault can select it by either."""
        return (self.id, self.config.name)

    def ssh_port(self) -> int | None:
        """Return the public SSH port that the API shows now, which may be a stale one, or None."""
        if self.status != "RUNNING" or self.running is None or SSH_PORT not in self.config.ports:
            return None
        if self.direct_at is None or time.monotonic() < self.direct_at:
            return None
        if self.stale_reads > 0 and self.old_port is not None:
            return self.old_port
        return self.running.ports.get(SSH_PORT)

    def ledger_entry(self) -> dict[str, Any]:
        """Return the pod's entry for the ledger."""
        port = self.running.ports.get(SSH_PORT) if self.running is not None else None
        return {
            "provider": "runpod",
            "id": self.id,
            "name": self.config.name,
            "state": self.status,
            "gpu": self.gpu_id if self.cpu is None else self.cpu.id,
            "gpu_count": self.gpu_count,
            "usd_per_hour": self.usd_per_hour,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "gone_at": self.gone_at,
            "ssh": {"host": "127.0.0.1", "port": port} if port is not None else None,
            "meter": self.meter.to_json(),
            "host": f"runpod {self.machine.number}",
            "stages": dict(self.stages.moments),
        }
