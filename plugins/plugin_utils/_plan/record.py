# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a training as `plan.json` holds it; `docs/schema/plan.schema.json` says the same for other programs.

Money is USD, sizes are GB where the name does not say bytes, durations are seconds or, where the name says so, hours.
None is what is not known, or what was not asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .._common.records import Record, hints_of

#: The form of plan.json. Another number means that a field went away or means something else now.
SCHEMA = 1


@dataclass
class Credential(Record):
    """Where a provider's key comes from, and never the key."""

    provider: str
    name: str | None
    place: str | None


@dataclass
class Account(Record):
    """What an account has, and what this run takes of it.

    `usd_per_hour` and `first_hour_usd` are the cheapest offer's there, `usd` is what all the hours cost on the offer
    that is tried first there.
    """

    provider: str
    balance_usd: float | None
    spend_usd_per_hour: float | None
    spend_limit_usd_per_hour: float | None
    pods: int
    pods_usd_per_hour: float | None
    usd_per_hour: float | None
    first_hour_usd: float | None
    usd: float | None
    note: str | None
    error: str | None


@dataclass
class PodOptions(Record):
    """The pod that is asked for."""

    providers: list[str]
    gpus: list[str]
    gpu_count: int
    min_gpu_memory: float | None
    min_compute_capability: float | None
    min_memory: float | None
    min_vcpus: float | None
    clouds: list[str]
    regions: list[str]
    min_cuda_version: str | None
    rank_by: str | None
    interruptible: bool
    bid: float | None
    search: Any
    template: str | None
    registry: str | None
    disk: float
    volume_size: float | None
    network_volume: str | None


@dataclass
class Estimate(Record):
    """What a run on one offer costs and how long its parts take.

    `usd` is for all the hours, `first_hour_usd` for one and for what is sent in it; `hours_at_most` and `usd_at_most`
    are where the first of the limits ends the run.
    """

    usd_per_hour: float | None
    gpu_usd_per_hour: float | None
    disk_usd_per_hour: float | None
    traffic_usd: float | None
    loading_seconds: float
    loading_usd: float | None
    push_seconds: float
    push_usd: float | None
    first_hour_usd: float | None
    hours: float | None
    usd: float | None
    gpu_usd: float | None
    disk_usd: float | None
    hours_at_most: float | None
    usd_at_most: float | None


@dataclass
class Region(Record):
    """A place in which an offer is to be rented, and how many are left there, in a word."""

    id: str
    availability: str


@dataclass
class PlannedOffer(Record):
    """An offer as the module offer_info returns it, how many on its machine are `alike`, and what the run costs."""

    provider: str
    gpu: str
    gpu_id: str
    gpu_count: int
    memory_gb: float | None
    usd_per_hour: float | None
    cloud: str | None
    region: str | None
    availability: str
    max_count: int | None
    regions: list[Region]
    cuda_versions: list[str]
    id: str | None
    host: str | None
    compute_capability: float | None
    ram_gb: float | None
    vcpus: float | None
    disk_gb: float | None
    reliability: float | None
    down_mbps: float | None
    up_mbps: float | None
    usd_per_gb_up: float | None
    usd_per_gb_down: float | None
    disk_usd_per_hour: float | None
    billed_usd_per_hour: float | None
    tflops: float | None
    hours_left: float | None
    interruptible: bool
    min_bid: float | None
    details: dict[str, Any]
    alike: int
    estimate: Estimate


@dataclass
class SentTree(Record):
    """A directory that is sent; `special` are the sockets, devices and the like in it, which are not."""

    path: str
    files: int
    bytes: int
    largest_bytes: int
    special: list[str]


@dataclass
class Transfer(Record):
    """How long code and data are under way, at this many Mbit/s; `assumed` unless they were given."""

    bytes: int
    mbps: float
    assumed: bool
    seconds: float


@dataclass
class Disk(Record):
    """The disk that holds code, data and outputs; of several providers' the smallest one."""

    kind: Literal["container", "volume", "network volume"]
    gb: float | None
    sent_gb: float
    output_gb: float
    output_assumed: bool
    free_gb: float | None


@dataclass
class Cuda(Record):
    """The CUDA version that the image is built for, the one that is asked of the hosts, and the newest on offer.

    Of the offers, `fitting` are those of which every host known runs the image, `mixed` those of which some do; the
    numbers are None where the image's name tells no version.
    """

    image: str | None
    floor: str | None
    newest: str | None
    fitting: int | None
    mixed: int | None
    too_old: int | None
    unknown: int | None


@dataclass
class PodThere(Record):
    """A pod of the run's name that is there already."""

    provider: str
    id: str
    name: str | None
    phase: str
    gpu: str | None
    usd_per_hour: float | None


@dataclass
class RunThere(Record):
    """What there is of the run already.

    `state` is new, living (a pod of this name is there), ended (only its record is) or unproved (by the record, its
    pods may be there, and they are not listed).
    """

    name: str | None
    directory: str | None
    state: Literal["new", "living", "ended", "unproved"]
    outcome: str | None
    pods: list[PodThere]


@dataclass
class PlanLimits(Record):
    """The limits in force; None is no limit. USD an hour, USD, hours, pods, seconds, hours."""

    max_price: float | None
    max_cost: float | None
    max_hours: float | None
    attempts: int | None
    deadline: float | None
    lease_hours: float | None


@dataclass
class Plan(Record):
    """What is known before anything is rented. `problems` are why it is refused, `warnings` what is doubtful."""

    schema: int
    created_at: str
    title: str
    credentials: list[Credential]
    accounts: list[Account]
    pod: PodOptions
    offers: list[PlannedOffer]
    offers_fitting: int
    notes: list[str]
    estimate: Estimate | None
    usd_per_hour_at_most: float | None
    usd_at_most: float | None
    hours_at_most: float | None
    balance_usd: float | None
    code: SentTree | None
    dataset: SentTree | None
    transfer: Transfer
    disk: Disk
    image: str | None
    image_gb: float
    cuda: Cuda
    command: str
    artifacts: list[str]
    artifacts_max_gb: float | None
    ready_when: str | None
    files: list[str]
    run: RunThere
    limits: PlanLimits
    settings: list[str]
    assumptions: list[str]
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def trees(self) -> dict[str, SentTree]:
        """What is sent, by the names of its options."""
        return {name: tree for name, tree in (("code", self.code), ("dataset", self.dataset)) if tree is not None}


#: What of the options describes the pod, and what ends or bounds the run.
POD = tuple(hints_of(PodOptions))
LIMITS = tuple(hints_of(PlanLimits))
