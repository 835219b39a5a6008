# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a pod is billed, for every provider. Plain data, no I/O. Private to this collection."""

from __future__ import annotations

from dataclasses import dataclass

#: Hours of a month, where a price is for a month. Thirty days: the shortest month that bills most of the year, so that
#: an estimate is rather too high than too low.
MONTH = 720


@dataclass(frozen=True)
class Rates:
    """What one pod costs on one offer. None means that nobody says; 0 means that it is free.

    :param gpu: USD per hour of the GPUs, all of them.
    :param disk: USD per hour of its disks, from the order to the end, whether the container runs or not.
    :param gb_in: USD per GB that the pod receives.
    :param gb_out: USD per GB that the pod sends.
    :param loading: the GPUs are billed from the order on, also while the image is loaded.
    :param beside: the price of a contract is that of the GPUs alone, and the disks are billed beside it.
    :param remarks: what of it is assumed, a sentence each.
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
        """USD per hour of a pod that runs, as far as it is known."""
        return None if self.gpu is None else self.gpu + (self.disk or 0.0)
