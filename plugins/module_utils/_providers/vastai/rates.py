# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Vast.ai bills an instance. Private to this collection.

Source: Vast.ai's page on billing: the GPU while the container runs and not while it loads, the disk from the order to
the end, traffic by the byte in both directions at each host's own price.
"""

from __future__ import annotations

from ..._core.offer import Offer
from ..._core.rates import Rates

#: Whether the image counts as traffic is documented nowhere; of everything else it is said.
REMARKS = ("Vast.ai counts the image as traffic to the pod, at the host's own price",)


def of(offer: Offer, disk_gb: float, volume_gb: float) -> Rates:
    """See Provider.rates. The offer's price holds the disk that the search asked for."""
    disk, whole = offer.disk_usd_per_hour, offer.usd_per_hour
    return Rates(
        gpu=round(whole - (disk or 0.0), 6) if whole is not None else None,
        disk=disk,
        gb_in=offer.usd_per_gb_down,
        gb_out=offer.usd_per_gb_up,
        loading=False,
        remarks=REMARKS,
    )
