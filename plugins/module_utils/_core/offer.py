# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Offers, searches for offers, and what a pod on an offer costs, for every provider. Plain data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .pod import Cpu
from .units import usd

#: Hours of a month, where a price is per month. Thirty days: most months are as long or longer, so an hourly estimate
#: errs on the high side.
MONTH = 720


@dataclass(frozen=True)
class Rates:
    """What one pod costs on one offer. None means that the price is unknown; 0 means that it is free.

    :param gpu: USD per hour for all GPUs together.
    :param disk: USD per hour for its disks, from the create to the end, whether the container runs or not.
    :param gb_in: USD per GB that the pod receives.
    :param gb_out: USD per GB that the pod sends.
    :param loading: the GPUs are billed from the create on, including the time in which the image is pulled.
    :param beside: the price in the contract covers the GPUs alone, and the disks are billed on top of it.
    :param remarks: what is assumed, one sentence each.
    """

    gpu: float | None
    disk: float | None = None
    gb_in: float | None = None
    gb_out: float | None = None
    loading: bool = True
    beside: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def hourly(self) -> float | None:
        """USD per hour of a running pod, as far as it is known."""
        return None if self.gpu is None else self.gpu + (self.disk or 0.0)


#: How many of a GPU are left, best first. ``unknown`` says nothing either way, so it is tried after ``low``.
AVAILABILITIES = ("high", "medium", "low", "unknown", "none")

#: Which offer is tried first: in the order in which GPUs, clouds and regions are listed, or the cheapest.
ORDER, PRICE = "order", "price"
PREFERENCES = (ORDER, PRICE)

#: How the offers of all providers are ranked: the GPUs in the order listed, the cheapest pod, or the most throughput
#: for the money.
PREFERENCE, VALUE = "preference", "value"
RANKINGS = (PREFERENCE, PRICE, VALUE)

#: Facts that only some offers have.
FACTS = (
    "compute_capability", "ram_gb", "vcpus", "disk_gb", "reliability", "down_mbps", "up_mbps", "usd_per_gb_up",
    "usd_per_gb_down", "disk_usd_per_hour", "billed_usd_per_hour", "tflops", "hours_left", "interruptible", "min_bid",
)  # fmt: skip


@dataclass(frozen=True)
class Objection:
    """A reason why an offer does not fit.

    ``requirement`` is the name of the option that excludes it, ``reason`` the end of a sentence that begins with the
    offer, ``gap`` how far off the offer is, as a share of what is required.
    """

    requirement: str
    reason: str
    gap: float = 1.0


@dataclass(frozen=True)
class Offer:
    """Something that can be rented: a GPU model, a count, a cloud, a price.

    ``usd_per_hour`` is for the whole pod (all its GPUs), ``memory_gb`` per GPU. ``availability`` is one of
    AVAILABILITIES. ``region`` is set when the offer is for one place only; ``regions`` says what is left in each
    place. ``max_count`` is the largest number of GPUs in one pod. ``offered`` is False when this cloud does not rent
    out the GPU at all.

    Where each offer is one machine, ``id`` is the offer's own id and ``host`` the machine. ``obstacle`` is why the
    driver knows that it cannot be rented, ``details`` what else the provider says.

    None where unknown: ``ram_gb`` and ``vcpus`` of the whole pod, ``disk_gb`` that the machine has left,
    ``reliability`` from 0 to 1, ``usd_per_gb_up`` (from the pod) and ``usd_per_gb_down`` of traffic,
    ``disk_usd_per_hour`` the disk's share of ``usd_per_hour``, ``hours_left`` for which the host offers it,
    ``min_bid`` in USD per hour. The market adds ``billed_usd_per_hour``, which includes the disk wherever its price
    is listed, and the ``tflops`` of all GPUs. ``objections`` are those that only the driver can raise.
    """

    provider: str
    gpu: str
    gpu_id: str
    gpu_count: int
    memory_gb: int | None
    usd_per_hour: float | None
    cloud: str | None
    region: str | None = None
    availability: str = "unknown"
    max_count: int | None = None
    regions: Mapping[str, str] = field(default_factory=dict)
    cuda_versions: tuple[str, ...] = ()
    offered: bool = True
    cpu: Cpu | None = None
    id: str | None = None
    host: str | None = None
    obstacle: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    compute_capability: float | None = None
    ram_gb: float | None = None
    vcpus: float | None = None
    disk_gb: float | None = None
    reliability: float | None = None
    down_mbps: float | None = None
    up_mbps: float | None = None
    usd_per_gb_up: float | None = None
    usd_per_gb_down: float | None = None
    disk_usd_per_hour: float | None = None
    hours_left: float | None = None
    interruptible: bool = False
    min_bid: float | None = None
    billed_usd_per_hour: float | None = None
    tflops: float | None = None
    objections: tuple[Objection, ...] = ()

    @property
    def where(self) -> str:
        """The cloud, as the end of a sentence; empty where a provider has no clouds."""
        return f" in the cloud {self.cloud}" if self.cloud else ""

    @property
    def title(self) -> str:
        """The GPU's name, or the processor of an offer without GPUs."""
        return self.cpu.describe() if self.cpu is not None else self.gpu

    def to_result(self) -> dict[str, Any]:
        """Return the offer as a JSON-able dict; ``regions`` is a list of ``{"id", "availability"}``."""
        return {
            "provider": self.provider,
            "gpu": self.gpu,
            "gpu_id": self.gpu_id,
            **{name: getattr(self, name) for name in ("gpu_count", "memory_gb", "usd_per_hour", "cloud", "region")},
            "availability": self.availability,
            "max_count": self.max_count,
            "regions": [{"id": name, "availability": left} for name, left in sorted(self.regions.items())],
            "cuda_versions": list(self.cuda_versions),
            "id": self.id,
            "host": self.host,
            **{name: getattr(self, name) for name in FACTS},
            "details": dict(self.details),
        }


@dataclass(frozen=True)
class OfferQuery:
    """The requirements of a search for offers.

    ``gpus`` in any spelling, in order of preference; empty means all. ``cpu`` instead of GPUs. ``max_price`` is in
    USD per hour for the whole pod. ``prefer`` (one of PREFERENCES) says which offer of one provider is tried first,
    ``rank_by`` (one of RANKINGS) which offer of all providers.

    ``clouds`` empty means the provider's own default. ``regions`` are places as the provider names them, ``countries``
    ISO codes; an offer in any of either fits. ``elsewhere``: a GPU that this provider does not have is not an error,
    because another provider is asked too.

    ``min_gpu_memory`` is in GB per GPU, ``min_compute_capability`` a number such as 8.9, ``min_ram_gb`` and
    ``min_vcpus`` are for the whole pod. ``interruptible`` asks for a pod that may be taken away, at ``bid`` or at the
    bid that the provider suggests.

    The price and the fit of one machine's offer depend on ``disk_gb``, ``port_count`` (ports to open), ``hours`` for
    which the pod is needed, and ``bid`` in USD per hour. ``filters`` are in one provider's own words.
    """

    gpus: tuple[str, ...] = ()
    gpu_count: int = 1
    clouds: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    min_cuda_version: str | None = None
    cuda_versions: tuple[str, ...] = ()
    max_price: float | None = None
    cpu: Cpu | None = None
    prefer: str = "order"
    global_networking: bool = False
    disk_gb: int | None = None
    port_count: int = 1
    hours: float | None = None
    bid: float | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    min_gpu_memory: float | None = None
    min_compute_capability: float | None = None
    min_ram_gb: float | None = None
    min_vcpus: float | None = None
    interruptible: bool = False
    rank_by: str = PREFERENCE
    countries: tuple[str, ...] = ()
    elsewhere: bool = False

    @property
    def taken_away(self) -> bool:
        """Whether the pod may be taken away: it is interruptible, or has a bid."""
        return self.interruptible or self.bid is not None

    def describe(self) -> str:
        """Describe every filter of the search, so that people can compare it with the provider's console."""
        what = self.cpu.describe() if self.cpu else f"{self.gpu_count} x {' or '.join(self.gpus) or 'any GPU'}"
        names = [region.upper() for region in (*self.regions, *self.countries)]
        places, kind = " or ".join(names) or "any", "country" if all(len(name) == 2 for name in names) else "place"
        parts = [
            what,
            *([f"cloud {' or '.join(self.clouds)}, data centre {places}"] if self.clouds else []),
            *([f"{kind} {places}"] if names and not self.clouds else []),
        ]
        least = {
            "{:g} GB per GPU": self.min_gpu_memory,
            "compute capability {}": self.min_compute_capability,
            "{:g} GB of memory": self.min_ram_gb,
            "{:g} vCPUs": self.min_vcpus,
        }
        parts += [f"at least {form.format(value)}" for form, value in least.items() if value is not None]
        if self.min_cuda_version:
            parts.append(f"CUDA {self.min_cuda_version} or later")
        if self.cuda_versions:
            parts.append(f"CUDA exactly {' or '.join(self.cuda_versions)}")
        if self.max_price is not None:
            parts.append(f"at most {usd(self.max_price)} per hour")
        if self.global_networking:
            parts.append("with global networking")
        if self.bid is not None:
            parts.append(f"interruptible at a bid of {usd(self.bid)} per hour")
        elif self.interruptible:
            parts.append("interruptible")
        if self.hours is not None:
            parts.append(f"for at least {self.hours:g} hours")
        parts += [f"{name} {value}" for name, value in self.filters.items()]
        return ", ".join(parts)
