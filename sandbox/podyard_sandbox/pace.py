# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each stage of a pod takes, and how many requests an account may send."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Durations in seconds; ``quota`` is requests per window.

    Attributes:
        provisioning: from the create until a machine is assigned.
        starting: from there until the container runs (the image pull, in real life).
        restarting: the same for a stopped or restarted pod, whose image the machine already has.
        direct: from RUNNING until the API shows the public SSH port.
        sshd: from there until sshd listens on it.
        quota: requests per minute, hour and day before RunPod's API answers 429.
        vast_limits: factor for the intervals that Vast.ai requires between calls; 0 lifts them.
        market: seconds between two changes of Vast.ai's market; 0 stops it.
    """

    name: str
    provisioning: float
    starting: float
    restarting: float
    direct: float
    sshd: float
    quota: tuple[int, int, int]
    vast_limits: float = 0.0
    market: float = 0.0


PACES = {
    # Each stage lasts longer than a quick client's poll (0.2 s), so that every one can be seen, and all of
    # them together stay under two seconds. The quota only has to be out of a test's way.
    "fast": Pace("fast", 0.3, 0.4, 0.3, 0.3, 0.3, (6_000, 300_000, 5_000_000), 0.02, 2.0),
    # What users of the service report for a good host: under a minute to RUNNING with a cached image, the port
    # some seconds later, sshd later still. 180 a minute is what an account was seen to have left.
    "real": Pace("real", 6.0, 35.0, 15.0, 6.0, 10.0, (180, 3_000, 50_000), 1.0, 15.0),
}
