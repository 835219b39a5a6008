# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How RunPod bills a pod. Private to this collection.

Source: RunPod's pages on pricing and storage. The catalogue quotes GPUs only, so the disks go by the list.
"""

from __future__ import annotations

from ..._core.offer import Offer
from ..._core.rates import MONTH, Rates

#: USD per GB and month of the container's disk, and of the volume while its pod runs (list price, the same for both).
DISK = 0.10
#: When the GPU begins to bill is documented nowhere.
REMARKS = ("RunPod bills the GPU from the order on, disks by its list (0.10 USD per GB and month), and no traffic",)


def of(offer: Offer, disk_gb: float, volume_gb: float) -> Rates:
    """See Provider.rates. A network volume is billed by itself, used or not, and is no part of it."""
    return Rates(
        gpu=offer.usd_per_hour,
        disk=round((disk_gb + volume_gb) * DISK / MONTH, 6),
        gb_in=0.0,
        gb_out=0.0,
        beside=True,
        remarks=REMARKS,
    )
