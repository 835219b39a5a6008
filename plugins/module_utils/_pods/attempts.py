# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was tried until a pod was rented for good, how far each try got, what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .._core import pod as pod_states
from .._core.clock import Clock
from .._core.offer import Offer, Rates
from .._core.pod import Pod, PodRequest
from .._core.units import duration, usd

#: What became of a try.
RENTED, REFUSED, GIVEN_BACK = "rented", "refused", "given back"
#: How a pod is billed when its provider does not say.
NOTHING = Rates(None)


@dataclass
class AttemptMeter:
    """The times of one try, as ``Clock.monotonic`` has them, and the stage that its pod reached."""

    clock: Clock
    begun: float
    rates: Rates = NOTHING
    made: float | None = None
    ran: float | None = None
    stage: str | None = None

    def reach(self, stage: str) -> None:
        """Note that the pod has just reached this stage."""
        self.stage, now = stage, self.clock.monotonic()
        if stage == pod_states.RENTED:
            # One that was found by its name has been billed since it was asked for.
            self.made = now if self.made is None else self.made
        elif self.ran is None:
            self.ran = now

    @property
    def seconds(self) -> float:
        """Since the try began."""
        return self.clock.monotonic() - self.begun

    def cost(self, usd_per_hour: float | None) -> float | None:
        """USD so far: the price for the time that is billed, and the disk while that is not in the price."""
        if self.made is None:
            return 0.0
        if usd_per_hour is None:
            return None
        now = self.clock.monotonic()
        billed = self.made if self.rates.loading else self.ran if self.ran is not None else now
        disk = (self.rates.disk or 0.0) * ((now if self.rates.beside else billed) - self.made)
        return round((usd_per_hour * (now - billed) + disk) / 3600, 6)


@dataclass
class AttemptLog:
    """What was tried for one pod.

    ``attempts`` has for each create {"provider", "name", "offer", "host", "gpu", "gpu_id", "cpu", "cloud", "region",
    "usd_per_hour", "stage", "outcome", "id", "reason", "seconds", "cost_usd"}; ``gone`` are results of
    ``terminate_and_prove``. ``uncertain`` is True once a create was ambiguous: a twin may turn up late. ``given_up`` is
    the one count of pods that were rented and given up, which is held against the limit of attempts.
    """

    attempts: list[dict[str, Any]] = field(default_factory=list)
    gone: list[dict[str, Any]] = field(default_factory=list)
    uncertain: bool = False
    given_up: int = 0
    clock: Clock = field(default_factory=Clock)
    meter: AttemptMeter = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self, rates: Rates | None = None) -> None:
        """Another try begins."""
        self.meter = AttemptMeter(self.clock, self.clock.monotonic(), rates or NOTHING)

    def reach(self, pod: Pod, stage: str) -> None:
        """Note that the pod of this attempt has just reached this stage."""
        self.meter.reach(stage)

    def record(
        self,
        provider: str,
        request: PodRequest,
        offer: Offer,
        outcome: str,
        pod: Pod | None = None,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Add one create and what came of it; its region is the pod's, else the only one that was asked for."""
        asked = request.regions[0] if len(request.regions) == 1 else None
        said = pod.usd_per_hour if pod is not None else None
        entry = {
            "provider": provider,
            "name": request.name,
            "offer": offer.id,
            "host": (pod.host if pod is not None else None) or offer.host,
            "gpu": request.gpu or None,
            "gpu_id": request.gpu_id or None,
            "cpu": request.cpu.describe() if request.cpu is not None else None,
            "cloud": request.cloud,
            "region": (pod.region if pod is not None else None) or asked,
            "usd_per_hour": said if said is not None else offer.usd_per_hour,
            "stage": self.meter.stage,
            "outcome": outcome,
            "id": pod.id if pod is not None else None,
            "reason": reason,
        }
        self.attempts.append(entry)
        self.settle(entry)
        return entry

    def settle(self, entry: dict[str, Any]) -> None:
        """Time and money of the try that goes on, up to now."""
        entry["seconds"] = round(self.meter.seconds, 1)
        entry["cost_usd"] = self.meter.cost(entry["usd_per_hour"])

    def facts(self) -> dict[str, Any]:
        """For the result of a failure."""
        return {"attempts": self.attempts, "pods_gone": self.gone}


def describe(entry: dict[str, Any]) -> str:
    """One try in a line: what it was, how far it got, and what it cost."""
    what = entry["cpu"] or entry["gpu"]
    where = f" in {entry['region']}" if entry["region"] else ""
    host = f" (machine {entry['host']})" if entry["host"] else ""
    stage = f", reached {entry['stage']}" if entry["stage"] else ""
    cost = f", cost {usd(entry['cost_usd'])}" if entry["stage"] else ""
    return (
        f"{entry['name']}: {what}{where} on {entry['provider']}{host} at {usd(entry['usd_per_hour'])} per hour: "
        f"{entry['outcome']} after {duration(entry['seconds'])}{stage}{cost}"
    )
