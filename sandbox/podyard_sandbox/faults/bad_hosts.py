# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of which some are bad: what is rented there never becomes of use. The same hosts are bad for the same seed."""

from __future__ import annotations

from podyard_sandbox.faults.registry import Fact, Fault, Faults

NAME = "bad-hosts"
LOADING, NO_SSH, OCI, NO_GPU = "loading", "no-ssh", "oci", "no-gpu"
# Seconds until an SSH server comes that never comes; no sandbox lives so long.
NEVER = 86_400.0


def host_problem(faults: Faults, provider: str, host: object, name: Fact) -> str | None:
    """What is wrong with a host, None if nothing is."""
    for fault in faults.on(NAME):
        if fault.fits({"provider": provider, "name": name}):
            rng = fault.triggers_on_host(f"{provider} {host}")
            if rng is not None:
                return rng.choice([each.strip() for each in fault.params["trouble"].split(",")])
    return None


def placement_spread(faults: Faults, provider: str) -> Fault | None:
    """The fault, if it is on: then who rents without naming a host is given any, and not the same one each time."""
    return faults.peek(NAME, provider=provider)


def set_bad_hosts(faults: Faults, share: float, seed: int) -> None:
    """Have this share of the hosts bad; 0: none."""
    faults.clear(NAME)
    if share > 0:
        faults.add(NAME, {"seed": str(seed)}, share=share)
