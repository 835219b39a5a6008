# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order the offers of all providers are tried. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._core.offer import AVAILABILITIES, PRICE, VALUE, Offer
from .desk import ProviderSearch

#: Prices are compared to a tenth of a cent per hour, values to a cent per hour and PFLOPS.
DIGITS = 3
#: A provider that does not tell how reliable and how well connected its hosts are is taken to have in a data centre
#: (the cloud SECURE) what such hosts have, and elsewhere what we ask for at least.
ASSUMED = {"SECURE": (0.99, 1000.0)}
AT_LEAST = (0.95, 100.0)


def ranked(found: Sequence[tuple[ProviderSearch, Offer]]) -> list[Offer]:
    """The best first."""
    return [offer for _desk, offer in sorted(found, key=_key)]


def _key(each: tuple[ProviderSearch, Offer]) -> tuple[Any, ...]:
    desk, offer = each
    query = desk.query
    gpu = desk.order.get(offer.gpu_id, len(desk.order))
    if query.rank_by == PRICE:
        first: tuple[Any, ...] = (_price(offer),)
    elif query.rank_by == VALUE:
        first = (offer.tflops is None, _value(offer), _price(offer))
    else:
        first = (gpu, _price(offer))
    return (
        *first,
        AVAILABILITIES.index(offer.availability),
        *_quality(offer),
        gpu,
        _cloud(offer, desk),
        _region(offer, desk),
    )


def _price(offer: Offer) -> float:
    """What an hour costs with the disk, whether the provider puts it into the offer's price or bills it beside."""
    told = offer.billed_usd_per_hour if offer.billed_usd_per_hour is not None else offer.usd_per_hour
    return round(told, DIGITS) if told is not None else float("inf")


def _value(offer: Offer) -> float:
    """USD per hour and PFLOPS."""
    return round(_price(offer) / offer.tflops * 1000, DIGITS - 1) if offer.tflops else float("inf")


def _quality(offer: Offer) -> tuple[float, float]:
    """The more reliable first, then the faster line."""
    reliability, mbps = ASSUMED.get(offer.cloud or "", AT_LEAST)
    told = offer.reliability if offer.reliability is not None else reliability
    return -round(told, 3), -(offer.down_mbps if offer.down_mbps is not None else mbps)


def _cloud(offer: Offer, desk: ProviderSearch) -> int:
    clouds = list(desk.query.clouds)
    return clouds.index(offer.cloud) if offer.cloud in clouds else len(clouds)


def _region(offer: Offer, desk: ProviderSearch) -> int:
    """As the places are listed."""
    listed = [*desk.query.regions, *desk.query.countries]
    return listed.index(offer.region) if offer.region in listed else len(listed)
