# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad hosts: pods rented there never become usable. The same seed gives the same bad hosts."""

from __future__ import annotations

from podyard_sandbox.faults.registry import Fact, Fault, Faults

NAME = "bad-hosts"
LOADING, NO_SSH, OCI, NO_GPU = "loading", "no-ssh", "oci", "no-gpu"
# Seconds until an SSH server starts that never does; no sandbox lives this long.
NEVER = 86_400.0


def host_problem(faults: Faults, provider: str, host: object, name: Fact) -> str | None:
    """Return what is wrong with a host, or None if the host is good."""
    for fault in faults.on(NAME):
        if fault.fits({"provider": provider, "name": name}):
            rng = fault.triggers_on_host(f"{provider} {host}")
            if rng is not None:
                return rng.choice([each.strip() for each in fault.params["trouble"].split(",")])
    return None


def placement_spread(faults: Faults, provider: str) -> Fault | None:
    """Return the fault if it is on: whoever rents without naming a host then gets a random one."""
    return faults.peek(NAME, provider=provider)


def set_bad_hosts(faults: Faults, share: float, seed: int) -> None:
    """Make this share of the hosts bad; 0 makes all of them good."""
    faults.clear(NAME)
    if share > 0:
        faults.add(NAME, {"seed": str(seed)}, share=share)
