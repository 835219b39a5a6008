# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods and requests for pods, the same for every provider. Plain data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .units import usd

#: Phases of a pod. A provider's own words are mapped to these in its driver and nowhere else.
PROVISIONING = "provisioning"
STARTING = "starting"
RUNNING = "running"
STOPPED = "stopped"
GONE = "gone"
FAILED = "failed"
UNKNOWN = "unknown"
PHASES = (PROVISIONING, STARTING, RUNNING, STOPPED, GONE, FAILED, UNKNOWN)

#: Stages of readiness, each later than the one before.
RENTED = "rented"
ADDRESSED = "addressed"
PORT_OPEN = "port_open"
AUTHENTICATED = "authenticated"
READY = "ready"
STAGES = (RENTED, RUNNING, ADDRESSED, PORT_OPEN, AUTHENTICATED, READY)

#: The port of SSH, as the port lists of this collection spell it.
SSH_PORT = "22/tcp"

#: What a pod is billed for now.
BILLS_GPU, BILLS_DISK, BILLS_NOTHING = "gpu", "disk", "none"

#: Why a provider took away a pod that its owner wanted to run.
OUTBID, NO_CREDIT, EXPIRED, HOST_LOST = "outbid", "no credit", "expired", "host lost"
INTERRUPTIONS: Mapping[str, str] = {
    OUTBID: "was taken away because another customer pays more for its GPU",
    NO_CREDIT: "was stopped because the account has no credit left",
    EXPIRED: "was stopped because the time for which its host offered it is over",
    HOST_LOST: "is unreachable because its host no longer answers the provider",
}


@dataclass(frozen=True)
class Endpoint:
    """Where SSH answers. ``mode`` is ``direct`` (public address and mapped port 22) or ``proxy``."""

    host: str
    port: int
    user: str = "root"
    mode: str = "direct"

    def to_result(self) -> dict[str, Any]:
        """Return ``{"host", "port", "user", "mode"}``."""
        return {"host": self.host, "port": self.port, "user": self.user, "mode": self.mode}


@dataclass(frozen=True)
class Mount:
    """Storage that survives a stop of the pod.

    ``kind`` is ``disk`` (on the pod's own host, ``size_gb`` known) or ``network`` (a volume with its own id).
    """

    kind: str
    path: str | None = None
    size_gb: int | None = None
    volume_id: str | None = None

    def to_result(self) -> dict[str, Any]:
        """Return ``{"kind", "path", "size_gb", "volume_id"}``."""
        return {"kind": self.kind, "path": self.path, "size_gb": self.size_gb, "volume_id": self.volume_id}


@dataclass(frozen=True)
class Cpu:
    """The processor of a pod without GPUs: the provider's flavour, virtual CPUs, and GB of memory when known."""

    id: str
    vcpu_count: int
    memory_gb: float | None = None

    def to_result(self) -> dict[str, Any]:
        """Return ``{"id", "vcpu_count", "memory_gb"}``."""
        return {"id": self.id, "vcpu_count": self.vcpu_count, "memory_gb": self.memory_gb}

    def describe(self) -> str:
        """Describe the processor for a message: ``8 vCPUs of cpu3g``."""
        return f"{self.vcpu_count} vCPUs of {self.id}"


@dataclass(frozen=True)
class Reference:
    """An object of the account that a pod refers to: a template, a network volume, or registry credentials.

    ``region`` (or ``filters`` of offers) says where a volume is, ``size_gb`` how large it is; the other fields are
    what a template sets.
    """

    kind: str
    id: str
    name: str | None = None
    region: str | None = None
    image: str | None = None
    ports: tuple[str, ...] | None = None
    onstart: str | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    size_gb: int | None = None

    def label(self) -> str:
        """Return what a message calls it: ``data (agv6w2qcg7)``."""
        return f"{self.name} ({self.id})" if self.name and self.name != self.id else self.id


@dataclass(frozen=True)
class Pod:
    """One rented GPU container. Everything that a provider may leave out is None or empty.

    Units: ``usd_per_hour`` is for the whole pod (None when the provider did not say), ``disk_gb`` is in GB, times are
    RFC 3339 text in UTC, ``uptime`` is in seconds since the container started. ``env`` holds secrets: it is only
    compared, never shown. ``alternates`` are other addresses of the SSH server, ``host`` is the machine that the pod
    runs on. ``billing`` says what is billed now, ``stopped_usd_per_hour`` is the price while stopped, ``bid`` what an
    interruptible pod offers per hour; ``interruption`` is one of INTERRUPTIONS.
    """

    provider: str
    id: str
    name: str
    phase: str
    raw_status: str | None = None
    gpu: str | None = None
    gpu_id: str | None = None
    gpu_count: int | None = None
    usd_per_hour: float | None = None
    region: str | None = None
    cloud: str | None = None
    image: str | None = None
    endpoint: Endpoint | None = None
    created_at: str | None = None
    started_at: str | None = None
    actions: tuple[str, ...] = ()
    disk_gb: int | None = None
    ports: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    cuda_version: str | None = None
    uptime: float | None = None
    utilisation: Mapping[str, Any] | None = None
    args: str | None = None
    registry: str | None = None
    locked: bool = False
    cpu: Cpu | None = None
    global_networking: bool | None = None
    internal_host: str | None = None
    alternates: tuple[Endpoint, ...] = ()
    host: str | None = None
    interruptible: bool | None = None
    bid: float | None = None
    billing: str | None = None
    stopped_usd_per_hour: float | None = None
    interruption: str | None = None
    template: str | None = None
    onstart: str | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def to_result(self) -> dict[str, Any]:
        """Return the pod as a JSON-able dict, without its environment (it may hold secrets) and its start arguments."""
        return {
            "provider": self.provider,
            "id": self.id or None,
            "name": self.name,
            "phase": self.phase,
            "raw_status": self.raw_status,
            "gpu": self.gpu,
            "gpu_id": self.gpu_id,
            "gpu_count": self.gpu_count,
            "cpu": self.cpu.to_result() if self.cpu else None,
            "usd_per_hour": self.usd_per_hour,
            "region": self.region,
            "cloud": self.cloud,
            "image": self.image,
            "endpoint": self.endpoint.to_result() if self.endpoint else None,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "actions": list(self.actions),
            "disk_gb": self.disk_gb,
            "ports": list(self.ports),
            "mounts": [mount.to_result() for mount in self.mounts],
            "cuda_version": self.cuda_version,
            "utilisation": dict(self.utilisation) if self.utilisation is not None else None,
            **{name: getattr(self, name) for name in (*_AS_THEY_ARE, "interruption", "stopped_usd_per_hour")},
        }

    def label(self) -> str:
        """Return what a message calls the pod: ``name (id) on provider``."""
        return f"{self.name} ({self.id}) on {self.provider}" if self.id else f"{self.name} on {self.provider}"


_AS_THEY_ARE = ("locked", "global_networking", "internal_host", "host", "interruptible", "bid", "billing", "template")


@dataclass(frozen=True)
class PodRequest:
    """One pod to rent, on one offer. Everything in it can be checked free of charge before it is sent.

    ``gpu_id`` and ``cloud`` come from an Offer. ``public_keys`` are the SSH keys that may log in (OpenSSH lines).
    ``disk_gb`` is the container's disk, wiped by a stop. ``args`` None keeps the image's own command. With a template,
    a field that is None is taken from it. The minimum memory (GB) and vCPUs are per GPU. ``offer_id`` and ``host`` are
    the offer's; ``onstart`` runs at each start, ``extra`` is for one provider's driver. ``boot`` is our shell text for
    the container's start, where we control the start.
    """

    name: str
    image: str | None
    gpu_id: str
    gpu: str
    gpu_count: int = 1
    cloud: str | None = None
    regions: tuple[str, ...] = ()
    min_cuda_version: str | None = None
    cuda_versions: tuple[str, ...] = ()
    disk_gb: int | None = 20
    volume: Mount | None = None
    network_volume: Mount | None = None
    ports: tuple[str, ...] | None = (SSH_PORT,)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    public_keys: tuple[str, ...] = ()
    registry: str | None = None
    args: str | None = None
    template_id: str | None = None
    cpu: Cpu | None = None
    min_ram_per_gpu: int | None = None
    min_vcpu_count_per_gpu: int | None = None
    global_networking: bool = False
    start_ssh: bool = True
    start_jupyter: bool = False
    offer_id: str | None = None
    host: str | None = None
    bid: float | None = None
    onstart: str | None = field(default=None, repr=False)
    boot: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def compute(self) -> str:
        """Describe the GPUs or the processor that are rented: ``2 x RTX 4090``."""
        return self.cpu.describe() if self.cpu is not None else f"{self.gpu_count} x {self.gpu}"


@dataclass(frozen=True)
class Account:
    """What the provider says about the account, in USD; None where it does not say."""

    provider: str
    balance_usd: float | None = None
    spend_usd_per_hour: float | None = None
    #: The most that the account may spend: no pod is rented that would exceed it.
    spend_limit_usd_per_hour: float | None = None

    def to_result(self) -> dict[str, Any]:
        """Return ``{"provider", "balance_usd", "spend_usd_per_hour", "spend_limit_usd_per_hour"}``."""
        return {
            "provider": self.provider,
            "balance_usd": self.balance_usd,
            "spend_usd_per_hour": self.spend_usd_per_hour,
            "spend_limit_usd_per_hour": self.spend_limit_usd_per_hour,
        }


@dataclass(frozen=True)
class StopCost:
    """The price of a provider's own stop: what is lost, what is kept, USD per month while stopped (None: unknown)."""

    loses: str
    keeps: str
    usd_per_month: float | None

    def sentence(self) -> str:
        """Describe the loss and the price in a message."""
        return (
            f"A stopped pod loses {self.loses}, keeps {self.keeps}, and still costs "
            f"{usd(self.usd_per_month)} per month. To stop paying for it, end it (state absent)."
        )
