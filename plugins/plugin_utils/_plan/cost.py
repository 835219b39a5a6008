# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training will cost and how long its data is under way. Plain computation, no I/O.

Bytes and GB are decimal, as disks and traffic are sold.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...module_utils._core.offer import Offer, Rates
from .record import Estimate

GB = 1_000_000_000
HOUR = 3600
#: Mbit/s at which a host is taken to load an image when the provider does not say: a slow one, as community hosts are.
HOST_MBPS = 500.0


@dataclass(frozen=True)
class Load:
    """What goes over the line and how long the pod is wanted.

    :param sent: bytes of code and data.
    :param output_gb: GB of checkpoints and artifacts that are fetched.
    :param image_gb: GB of the image that the host loads.
    :param bandwidth: Mbit/s that this machine sends.
    :param hours: that the pod may live; None: as long as it takes.
    :param max_cost: USD that the run may cost; None: any.
    """

    sent: int
    output_gb: float
    image_gb: float
    bandwidth: float
    hours: float | None
    max_cost: float | None


def loading_seconds(offer: Offer, load: Load) -> float:
    """How long the host needs to load the image."""
    return load.image_gb * GB * 8 / ((offer.down_mbps or HOST_MBPS) * 1e6)


def push_seconds(offer: Offer | None, load: Load) -> float:
    """How long code and data are under way: the slower one of both ends decides."""
    told = offer.down_mbps if offer is not None else None
    return load.sent * 8 / (min(load.bandwidth, told or load.bandwidth) * 1e6)


def estimate(offer: Offer, rates: Rates, load: Load) -> Estimate:
    """Say what a run on this offer costs, as far as the rates are known; None for what is not known."""
    loading, push = loading_seconds(offer, load), push_seconds(offer, load)
    arriving = (load.sent / GB + load.image_gb) * rates.gb_in if rates.gb_in is not None else None
    leaving = load.output_gb * rates.gb_out if rates.gb_out is not None else None
    idle = 0.0 if rates.loading else loading / HOUR
    traffic = (arriving or 0.0) + (leaving or 0.0)
    usd, gpu, disk = None, None, None
    if load.hours is not None:
        usd = _rounded(_whole(rates, load.hours, idle, traffic))
        gpu = _rounded(rates.gpu * max(0.0, load.hours - idle) if rates.gpu is not None else None)
        disk = _rounded(rates.disk * load.hours if rates.disk is not None else None)
    hours_at_most, usd_at_most = _limits(rates, load, idle, traffic, usd)
    return Estimate(
        usd_per_hour=_rounded(rates.hourly),
        gpu_usd_per_hour=_rounded(rates.gpu),
        disk_usd_per_hour=_rounded(rates.disk),
        traffic_usd=_rounded(_sum(arriving, leaving)),
        loading_seconds=round(loading, 1),
        loading_usd=_rounded(_span(rates, loading / HOUR, idle)),
        push_seconds=round(push, 1),
        push_usd=_rounded(_span(rates, push / HOUR, 0.0)),
        first_hour_usd=_rounded(_whole(rates, 1.0, idle, arriving or 0.0)),
        hours=load.hours,
        usd=usd,
        gpu_usd=gpu,
        disk_usd=disk,
        hours_at_most=hours_at_most,
        usd_at_most=usd_at_most,
    )


def _limits(
    rates: Rates, load: Load, idle: float, traffic: float, whole: float | None
) -> tuple[float | None, float | None]:
    """Hours and USD at which the run is ended: by its hours, or before that by what it may cost."""
    hours = [load.hours]
    if load.max_cost is not None and rates.hourly:
        # While the image is loaded, the GPU may be free of charge.
        hours.append(max(0.0, load.max_cost - traffic + (rates.gpu or 0.0) * idle) / rates.hourly)
    return _least(hours), _least([load.max_cost, whole])


def _whole(rates: Rates, hours: float, idle: float, traffic: float) -> float | None:
    """USD for a pod that lives for so many hours; ``idle`` of these its GPU is not billed."""
    span = _span(rates, hours, min(idle, hours))
    return None if span is None else span + traffic


def _span(rates: Rates, hours: float, idle: float) -> float | None:
    """USD for GPU and disk."""
    if rates.gpu is None:
        return None
    return rates.gpu * max(0.0, hours - idle) + (rates.disk or 0.0) * hours


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None and other is None else (one or 0.0) + (other or 0.0)


def _least(values: list[float | None]) -> float | None:
    return _rounded(min((value for value in values if value is not None), default=None))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
