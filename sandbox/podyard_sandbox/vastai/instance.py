# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One contract: what was requested, what it got, and its state."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from podyard_sandbox.meter import Interval, Meter
from podyard_sandbox.pods import RunningPod
from podyard_sandbox.stages import Stages
from podyard_sandbox.vastai.gateway import GatewayPorts
from podyard_sandbox.vastai.machines import Machine
from podyard_sandbox.vastai.market import disk_price
from podyard_sandbox.vastai.ssh_keys import SshKey, identity

SSH_PORT = "22/tcp"


class PhaseMeter(Meter):
    """A bill whose price follows the instance's state."""

    def bill(self, usd_per_hour: float, gpu: bool, now: float) -> None:
        """Bill this price from now on; ``gpu`` says whether it includes the GPU."""
        last = self.intervals[-1] if self.intervals else None
        if last is None or last.end is not None or (last.usd_per_hour, last.gpu) != (usd_per_hour, gpu):
            self._begin(Interval(now, None, usd_per_hour, gpu))


@dataclass
class Config:
    """What the user requested, and may change later."""

    image: str
    label: str | None
    disk: float
    runtype: str
    env: dict[str, str] = field(default_factory=dict, repr=False)
    onstart: str | None = field(default=None, repr=False)
    args: list[str] = field(default_factory=list, repr=False)
    image_login: str | None = field(default=None, repr=False)
    template_id: int | None = None
    template_hash: str | None = None
    template_name: str | None = None
    volume: str | None = None
    mount_path: str | None = None
    vm: bool = False

    @property
    def modes(self) -> frozenset[str]:
        """The words of the runtype, in a uniform spelling."""
        words = self.runtype.replace("direct", "direc").split()
        found = set(words)
        for word in words:
            if word.endswith("_direc"):
                found |= {"ssh_direc", "ssh_proxy"}
        return frozenset(found)

    @property
    def direct(self) -> bool:
        """Whether port 22 is mapped."""
        return "ssh_direc" in self.modes

    @property
    def jupyter(self) -> bool:
        """Whether Jupyter is launched, and takes the first of the two ports at the gateway."""
        return any(mode.startswith("jupyter") for mode in self.modes)

    @property
    def launched(self) -> bool:
        """Whether the platform's start script replaces the image's own."""
        return any(mode.startswith(("ssh", "jupyter")) for mode in self.modes)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables among what ``env`` holds."""
        return {name: value for name, value in self.env.items() if not name.startswith("-")}

    @property
    def mapped(self) -> list[str]:
        """The ports that ``env`` asks for, like 8080/tcp."""
        found = []
        for flag in self.env:
            if flag.startswith("-p "):
                inside = flag[3:].strip().rsplit(":", 1)[-1]
                found.append(inside if "/" in inside else f"{inside}/tcp")
        return found


@dataclass(eq=False)
class Instance:
    """A contract of the account.

    Attributes:
        bid: USD per hour for the GPUs if it is interruptible, else None.
        actual, intended, cur, next, status_msg: what the API shows under these names.
        wanted_state: what the owner wants: running, stopped or frozen; the platform may intend something else.
        queued: whether it is waiting for its GPUs.
        holds_gpu: whether it holds the GPUs of its offer now.
        running: the container, while it runs.
        generation: counts starts, stops and ends, so that a pending start notices that it was superseded.
        keys: the keys attached to it; account_keys: the account's keys as of its last start; detached: keys that it
            must not get from the account again.
        hidden_until: monotonic time until which show, or the list, or both (``hidden_in``) do not show it.
        lost: the status to show while its host does not respond, else None.
    """

    id: int
    config: Config
    machine: Machine
    slots: range
    bid: float | None
    gateway: GatewayPorts
    price: float
    key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    jupyter_token: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    actual: str | None = None
    intended: str = "running"
    cur: str = "running"
    next: str = "running"
    status_msg: str | None = None
    wanted_state: str = "running"
    queued: bool = False
    holds_gpu: bool = False
    lost: str | None = None
    expired: bool = False
    has_container: bool = False
    generation: int = 0
    keys: list[SshKey] = field(default_factory=list)
    account_keys: tuple[SshKey, ...] = ()
    detached: set[tuple[str, ...]] = field(default_factory=set)
    ports_null: bool = False
    proxy_only: bool = False
    newline: bool = False
    hidden_until: float = 0.0
    hidden_in: str = ""
    leaving_until: float | None = None
    meter: PhaseMeter = field(default_factory=PhaseMeter)
    created_at: float = field(default_factory=time.time)
    started_at: float | None = None
    gone_at: float | None = None
    ends_at: float = 0.0
    prepaid: float = 0.0
    stages: Stages = field(default_factory=Stages)
    running: RunningPod | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def pod_id(self) -> str:
        """Its id for the pod runtime and for the ledger."""
        return str(self.id)

    @property
    def id_and_label(self) -> tuple[str, str]:
        """Its id and label: a fault can select it by either."""
        return (self.pod_id, self.config.label or "")

    @property
    def size(self) -> int:
        """How many GPUs."""
        return len(self.slots)

    @property
    def disk_usd(self) -> float:
        """USD per hour for the disk."""
        return disk_price(self.machine, self.config.disk)

    @property
    def gpu_usd(self) -> float:
        """USD per hour for the GPUs."""
        return self.price if self.bid is None else self.bid

    @property
    def total_usd(self) -> float:
        """USD per hour while it runs."""
        return round(self.gpu_usd + self.disk_usd, 6)

    def all_keys(self) -> list[SshKey]:
        """Return the keys that may log in: the account's as of the last start, and those attached since."""
        return list({key.line: key for key in (*self.account_keys, *self.keys)}.values())

    def key_lines(self) -> tuple[str, ...]:
        """Return the lines of the keys that may log in."""
        return tuple(key.line for key in self.all_keys())

    def adopt_account_keys(self, keys: Iterable[SshKey]) -> None:
        """Adopt the account's current keys, except those that were detached."""
        self.account_keys = tuple(replace(key) for key in keys if identity(key.line) not in self.detached)

    def rate(self) -> tuple[float, bool]:
        """Return what the instance costs now, USD per hour, and whether that includes the GPUs."""
        if self.lost is not None:
            return 0.0, False
        if self.actual in ("running", "frozen"):
            return self.total_usd, True
        return self.disk_usd, False

    def bill(self) -> None:
        """Continue the bill at the current price."""
        if self.gone_at is None:
            self.meter.bill(*self.rate(), time.time())

    def ledger_entry(self) -> dict[str, Any]:
        """Return the instance's entry for the ledger."""
        port = self.running.ports.get(SSH_PORT) if self.running is not None else None
        return {
            "provider": "vastai",
            "id": self.pod_id,
            "name": self.config.label or "",
            "state": "destroyed" if self.gone_at is not None else self.actual or "created",
            "gpu": self.machine.gpu.name,
            "gpu_count": self.size,
            "usd_per_hour": self.total_usd,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "gone_at": self.gone_at,
            "ssh": {"host": "127.0.0.1", "port": port} if port is not None else None,
            "meter": self.meter.to_json(),
            "host": f"vastai {self.machine.id}",
            "stages": dict(self.stages.moments),
        }
