# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vast.ai as a whole: its account, its market, its instances, and all operations on them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from podyard_sandbox.faults import Fault, Faults
from podyard_sandbox.ledger import Ledger
from podyard_sandbox.meter import Meter
from podyard_sandbox.pace import Pace
from podyard_sandbox.pods import PodError, PodRuntime
from podyard_sandbox.vastai.account import Account
from podyard_sandbox.vastai.errors import ApiError, no_such_instance, refusal
from podyard_sandbox.vastai.fault_hooks import trigger
from podyard_sandbox.vastai.gateway import GatewayPorts
from podyard_sandbox.vastai.instance import Config, Instance
from podyard_sandbox.vastai.lifecycle import LIVE_FAULT_NAMES, REPLY_DELAY, Lifecycle
from podyard_sandbox.vastai.market import Market, Offer
from podyard_sandbox.vastai.ssh_keys import SshKey, identity
from podyard_sandbox.vastai.templates import Templates
from podyard_sandbox.vastai.volumes import Volumes

_logger = logging.getLogger(__name__)

# Seconds between two checks of bids, credit and containers that exited on their own.
_POLL_INTERVAL = 0.2
UNAVAILABLE = "Required resources are currently unavailable, state change queued."


class VastCloud:
    """The stand-in's state, which the API changes only through these methods."""

    def __init__(
        self, runtime: PodRuntime, faults: Faults, ledger: Ledger, pace: Pace, balance: float, seed: int
    ) -> None:
        self.runtime = runtime
        self.faults = faults
        self.market = Market(seed)
        self.account = Account(balance)
        self.volumes = Volumes()
        self.templates = Templates()
        self.limits: float | None = None  # factor for the intervals between calls, instead of the pace's
        self._ledger = ledger
        self._instances: dict[int, Instance] = {}
        self._past: dict[int, Instance] = {}
        self._meters: list[Meter] = []
        # Ids continue from those of the last daemon, since the ledger identifies an instance by its id alone.
        known = [int(pod["id"]) for pod in ledger.pods() if pod["provider"] == "vastai"]
        self._numbers = count(max(known, default=12_345_677) + 1)
        self._life = Lifecycle(runtime, self.account, faults, pace, self._note)

    @property
    def pace(self) -> Pace:
        """How fast instances come up."""
        return self._life.pace

    @pace.setter
    def pace(self, pace: Pace) -> None:
        self._life.pace = pace

    @property
    def scale(self) -> float:
        """The factor for the intervals required between calls; 0 lifts them."""
        return self.pace.vast_limits if self.limits is None else self.limits

    def serve_wheels_at(self, url: str | None) -> None:
        """Tell the containers that start from now on where to look for packages."""
        self._life.find_links = url

    # Money

    def credit(self) -> float:
        """Return the USD that the account may still spend."""
        fault = self.faults.peek("vast-credit-zero")
        return fault.params["usd"] if fault else self.account.credit(self._meters, time.time())

    def set_credit(self, usd: float) -> None:
        """Set what is left in the account, USD."""
        self.account.deposit += usd - self.account.credit(self._meters, time.time())

    def all_instances(self) -> list[Instance]:
        """Return every contract of this daemon, destroyed ones included, for the charges."""
        return [*{**self._past, **self._instances}.values()]

    # Rent

    def rent(self, offer: Offer, config: Config, bid: float | None, *, take: bool = True) -> Instance:
        """Create a contract; with ``take`` False it gets no GPUs, because someone else has them."""
        instance = Instance(
            id=next(self._numbers),
            config=config,
            machine=offer.machine,
            slots=offer.slots,
            bid=bid,
            gateway=GatewayPorts(),
            price=offer.price,
        )
        instance.ends_at = instance.created_at + offer.machine.ends_in
        if take:
            offer.machine.take(offer.slots, instance.id)
            instance.holds_gpu = True
        self._instances[instance.id] = instance
        self._meters.append(instance.meter)
        if config.volume is not None:
            self.volumes.use(config.volume, instance.id)
        if (fault := trigger(self.faults, "vast-null-after-create", name=instance.id_and_label)) is not None:
            instance.hidden_until = time.monotonic() + fault.params["seconds"]
            instance.hidden_in = fault.params["reading"]
        return instance

    def begin(self, instance: Instance, broken: str | None = None) -> None:
        """Start a contract's container."""
        self._life.begin(instance, broken)

    def leave_stopped(self, instance: Instance, shown: str | None = None) -> None:
        """Leave a contract stopped, because its start failed or was not asked for; its disk exists and is billed."""
        instance.machine.give_back(instance.id)
        instance.holds_gpu = False
        instance.actual, instance.wanted_state = shown, "stopped"
        instance.intended = instance.cur = instance.next = "stopped"
        instance.bill()
        self._note(instance)

    # Read

    def __iter__(self) -> Iterator[Instance]:
        return iter(list(self._instances.values()))

    def listed(self) -> list[Instance]:
        """Return the instances that a list shows now."""
        return [each for each in self if self._visible(each, "list")]

    def shown(self, instance_id: int) -> Instance | None:
        """Return the instance that a show finds now, or None."""
        instance = self._instances.get(instance_id)
        return instance if instance is not None and self._visible(instance, "show") else None

    def find(self, instance_id: int) -> Instance:
        """Return the instance for a change.

        Raises:
            ApiError: 404.
        """
        instance = self._instances.get(instance_id)
        if instance is None or instance.gone_at is not None:
            raise no_such_instance()
        return instance

    def was_there(self, instance_id: int) -> bool:
        """Return whether such an instance existed and was destroyed."""
        return instance_id in self._past

    def _visible(self, instance: Instance, where: str) -> bool:
        now = time.monotonic()
        if instance.leaving_until is not None and now >= instance.leaving_until:
            return False
        return instance.hidden_in not in (where, "both") or now >= instance.hidden_until

    # Change

    async def change_state(self, instance: Instance, state: str, *, from_inside: bool = False) -> None:
        """Start, stop or freeze an instance; ``from_inside`` means that the instance itself asks.

        Raises:
            ApiError: 200 with success false, if its GPUs are rented by someone else.
        """
        if state == "running":
            self._start(instance)
        elif state == "stopped":
            instance.intended = instance.wanted_state = "stopped"
            if from_inside:  # so that it still receives the response
                self._life.schedule(REPLY_DELAY, lambda: self._life.stop(instance))
            else:
                await self._life.stop(instance)
        elif state == "frozen":
            self._life.freeze(instance)
        else:
            raise refusal(400, "invalid_args", f"error 400/3467: Invalid args: state {state!r}")

    def _start(self, instance: Instance) -> None:
        if instance.actual == "frozen":
            instance.actual = instance.intended = instance.wanted_state = "running"
            self.note(instance)
            return
        if instance.intended == "running" and instance.cur == "running":
            return
        if instance.expired:
            raise refusal(400, "invalid_args", "error 400/3467: Invalid args: the contract has expired")
        if self.credit() <= 0:
            raise refusal(400, "missing_billing", "Your account lacks credit; see the billing page.")
        fault = trigger(self.faults, "vast-start-unavailable", name=instance.id_and_label)
        if fault is None and self._life.start(instance):
            return
        if fault is not None:
            # Users disagree whether a queued start stays queued or falls back.
            instance.queued = fault.params["reading"] == "queued"
            instance.intended = instance.wanted_state = "running" if instance.queued else "stopped"
        self.note(instance)
        raise refusal(200, "resources_unavailable", UNAVAILABLE)

    async def restart(self, instance: Instance, *, recreate: bool) -> None:
        """Reboot or recycle an instance."""
        await self._life.restart(instance, recreate=recreate)

    def change_bid(self, instance: Instance, usd: float) -> None:
        """Change the bid, which may stop or start the instance."""
        instance.bid = usd
        self.note(instance)

    def attach(self, instance: Instance, key: SshKey) -> bool:
        """Add a key to an instance; return False if the instance has it already."""
        if any(identity(line) == identity(key.line) for line in instance.key_lines()):
            return False
        instance.keys.append(key)
        instance.detached.discard(identity(key.line))
        self._life.set_keys(instance)
        return True

    def detach(self, instance: Instance, key: SshKey) -> None:
        """Remove a key from an instance."""
        gone = identity(key.line)
        instance.keys = [each for each in instance.keys if identity(each.line) != gone]
        instance.account_keys = tuple(each for each in instance.account_keys if identity(each.line) != gone)
        instance.detached.add(gone)
        self._life.set_keys(instance)

    def set_keys_everywhere(self, key: SshKey) -> None:
        """Give a new key of the account to the running instances too: the other reading of the documentation."""
        for instance in self:
            instance.account_keys = (*instance.account_keys, replace(key))
            self._life.set_keys(instance)

    async def destroy(self, instance: Instance) -> None:
        """Destroy an instance."""
        fault = trigger(self.faults, "vast-destroy-flaky", name=instance.id_and_label)
        reading = fault.params["reading"] if fault else ""
        if fault is not None and reading == "429":
            raise refusal(429, "rate_limit_exceeded", "API requests too frequent endpoint threshold=3.0")
        if fault is not None and reading == "500":
            raise ApiError(500, {"success": False, "error": "server_error", "msg": "Internal Server Error"})
        if fault is not None and reading == "ignored":
            return
        if fault is not None and reading == "back":
            instance.hidden_in, instance.hidden_until = "both", time.monotonic() + fault.params["seconds"]
            return
        await self._end(instance, linger=fault.params["seconds"] if fault else 0.0)

    async def _end(self, instance: Instance, linger: float = 0.0) -> None:
        if instance.gone_at is not None:
            return
        if instance.config.volume is not None:
            self.volumes.release(instance.config.volume, instance.id)
        self._past[instance.id] = instance
        self._life.end(instance)
        if linger > 0:
            instance.leaving_until = time.monotonic() + linger
            self._life.schedule(linger, lambda: self._drop(instance))
        else:
            await self._drop(instance)

    async def _drop(self, instance: Instance) -> None:
        self._instances.pop(instance.id, None)

    def fault_added(self, fault: Fault) -> None:
        """Apply a new fault at once to the running instances that it names."""
        if fault.kind.name not in LIVE_FAULT_NAMES or fault.params["pod"] == "*":
            return
        for instance in self:
            fits = instance.actual == "running" and fault.fits({"pod": instance.id_and_label})
            if fits and not fault.spent and fault.triggers():
                self._life.apply_fault(instance, fault)

    def note(self, instance: Instance) -> None:
        """Record an instance as it is now, and bill it accordingly."""
        instance.bill()
        self._note(instance)

    def _note(self, instance: Instance) -> None:
        self._ledger.put_pod(instance.ledger_entry())

    # Housekeeping

    async def watch(self) -> None:
        """Keep the market moving, and react to bids, an exhausted credit and queued starts."""
        moved = time.monotonic()
        while True:
            await asyncio.sleep(_POLL_INTERVAL)
            if 0 < self.pace.market <= time.monotonic() - moved:
                moved = time.monotonic()
                self.market.move()
            broke = self.credit() <= 0
            for instance in self:
                if instance.gone_at is None and instance.lost is None:
                    await self._check_on(instance, broke)

    async def _check_on(self, instance: Instance, broke: bool) -> None:
        try:
            self._life.notice_exit(instance)
            runs = instance.cur == "running"
            low = instance.bid is not None and instance.bid < instance.machine.min_bid * instance.size
            if runs and (broke or low):
                _logger.warning("instance %s stops: %s", instance.id, "no credit" if broke else "outbid")
                await self._life.stop(instance)
            elif runs and time.time() >= instance.ends_at:
                instance.expired = True
                await self._life.stop(instance)
            elif not runs and not broke and (instance.queued or (instance.bid is not None and not low)):
                self._resume(instance)
        except PodError:
            _logger.exception("instance %s could not be updated", instance.id)

    def _resume(self, instance: Instance) -> None:
        """Start an instance that waited for its GPUs, or whose bid wins again."""
        fault = self.faults.peek("vast-start-unavailable", name=instance.id_and_label)
        outbid = self.faults.peek("vast-outbid", pod=instance.id_and_label)
        if instance.wanted_state != "running" or instance.expired or fault is not None or outbid is not None:
            return
        if instance.machine.free(instance.slots):
            self._life.start(instance)

    async def close(self) -> None:
        """Destroy every instance, since the sandbox goes down."""
        await self._life.close()
        await asyncio.gather(*(self._give_up(instance) for instance in {*self, *self._past.values()}))

    async def _give_up(self, instance: Instance) -> None:
        """Destroy an instance on the sandbox's own account; what cannot be removed is left to the sweep."""
        try:
            await self._end(instance)
            await self._life.remove(instance)
        except (PodError, OSError):
            _logger.exception("instance %s could not be destroyed properly", instance.id)
