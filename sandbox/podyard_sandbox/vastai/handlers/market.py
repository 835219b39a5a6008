# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Searching and renting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from podyard_sandbox.exchange import current
from podyard_sandbox.faults import Faults
from podyard_sandbox.vastai import bodies, query
from podyard_sandbox.vastai.cloud import VastCloud
from podyard_sandbox.vastai.errors import ApiError, DroppedLine, answer, no_such_ask, refusal
from podyard_sandbox.vastai.fault_hooks import trigger
from podyard_sandbox.vastai.instance import Config, Instance
from podyard_sandbox.vastai.lifecycle import OCI, PORT_TAKEN
from podyard_sandbox.vastai.machines import GPUS
from podyard_sandbox.vastai.market import Offer
from podyard_sandbox.vastai.search import search
from podyard_sandbox.vastai.volumes import volume_offer

_NO_CREDIT = "Your account lacks credit; see the billing page."


class MarketHandlers:
    """The operations on offers."""

    def __init__(self, cloud: VastCloud, faults: Faults) -> None:
        self._cloud = cloud
        self._faults = faults

    def operations(self) -> dict[str, Any]:
        """Return the handlers by operation name."""
        return {
            "searchOffers": self.search,
            "searchOffersByQuery": self.search_by_query,
            "searchAsks": self.search,
            "gpuNames": self.gpu_names,
            "gpuTypes": self.gpu_types,
            "createInstance": self.create,
            "createInstances": self.create_many,
            "launchInstance": self.launch,
        }

    async def search(self, request: web.Request) -> web.Response:
        """List the offers that match the filters of the body."""
        return answer({"offers": self._search(await bodies.read(request))})

    async def search_by_query(self, request: web.Request) -> web.Response:
        """List offers with the filters in the query, as old clients send them."""
        return answer({"offers": self._search(query.parameter(request.query.get("q"), dict, "q"))})

    async def gpu_names(self, _request: web.Request) -> web.Response:
        """List the GPU names that a search knows."""
        return answer({"gpu_names": sorted(GPUS)})

    async def gpu_types(self, _request: web.Request) -> web.Response:
        """List the GPU names with their memory."""
        return answer({"gpu_types": [{"gpu_name": gpu.name, "gpu_ram": gpu.memory} for gpu in GPUS.values()]})

    async def create(self, request: web.Request) -> web.Response:
        """Rent an offer."""
        number, body = bodies.number(request.match_info["id"]), await bodies.read(request)
        return answer(self._rent(number, body))

    async def create_many(self, request: web.Request) -> web.Response:
        """Rent several offers with the same body."""
        body = await bodies.read(request)
        results: list[Any] = []
        for number in bodies.numbers(body.get("ids"), "ids"):
            try:
                results.append(self._rent(number, body))
            except ApiError as refused:
                results.append(refused.body)
        return answer(
            {"success": all(isinstance(each, dict) and each.get("success") for each in results), "results": results}
        )

    async def launch(self, request: web.Request) -> web.Response:
        """Search, and rent the first offer found."""
        body = await bodies.read(request)
        filters = body.get("q") or {}
        if not isinstance(filters, dict):
            raise bodies.invalid("q is not a dictionary")
        offers = self._search(filters)
        if not offers:
            raise refusal(400, "no_such_ask", "error 400/3603: no_such_ask No offers match the search.")
        return answer(self._rent(offers[0]["id"], body))

    def _search(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        return search(self._cloud.market, self._faults, body)

    # Rent

    def _rent(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        current().name = body.get("label") if isinstance(body.get("label"), str) else None
        body, template = self._with_template(body)
        config = bodies.config(body)
        _describe(config, template)
        bid = bodies.bid(body)
        offer = self._offer(number, config, bid)
        self._mount(config, offer, body)
        self._check(config, offer, bid)
        if self._triggered("vast-create-timeout-unmade", config):
            raise DroppedLine
        stopped = body.get("target_state") == "stopped"
        cancels = body.get("cancel_unavail")
        cancel = cancels if isinstance(cancels, bool) else bid is None and not stopped
        instance = self._contract(offer, config, bid, cancel=cancel, stopped=stopped)
        current().pod_id = instance.pod_id
        if template is not None:
            self._cloud.templates.used(template)
        if self._triggered("vast-create-timeout-but-created", config):
            raise DroppedLine
        return {"success": True, "new_contract": instance.id, "instance_api_key": instance.key}

    def _with_template(self, body: dict[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
        number, hash_id = body.get("template_id"), body.get("template_hash_id")
        if number is None and hash_id is None:
            return body, None
        try:
            template = self._cloud.templates.find(number=number, hash_id=hash_id)
        except ApiError:
            raise bodies.invalid("template not found") from None
        return bodies.merged(body, template), template

    def _offer(self, number: int, config: Config, bid: float | None) -> Offer:
        """Return the offer, which may be gone.

        Raises:
            ApiError: 400, 404 or 410.
        """
        offer = self._cloud.market.offer(number)
        gpu = offer.machine.gpu.name if offer is not None else ""
        facts = {"offer": str(number), "gpu": gpu, "name": config.label or ""}
        if (fault := trigger(self._faults, "vast-ask-gone", **facts)) is not None:
            raise no_such_ask(fault.params["status"], number)
        if offer is None:
            raise no_such_ask(404, number)
        return offer

    def _check(self, config: Config, offer: Offer, bid: float | None) -> None:
        if config.vm and not self._cloud.account.ssh_keys:
            raise refusal(400, "no_ssh_key_for_vm", "VM instances need an SSH key on the account.", ask_id=offer.id)
        if config.disk > offer.machine.disk:
            raise bodies.invalid("disk is more than the machine has", ask_id=offer.id)
        if self._triggered("vast-spend-limit", config):
            raise refusal(400, "spend_rate_limit", "Spend rate limit reached; verify your e-mail.", ask_id=offer.id)
        if self._cloud.credit() <= 0:
            raise refusal(400, "insufficient_credit", _NO_CREDIT, ask_id=offer.id)

    def _contract(self, offer: Offer, config: Config, bid: float | None, *, cancel: bool, stopped: bool) -> Instance:
        """Create the contract, or leave it stopped if its start fails.

        Raises:
            ApiError: it cannot start; without cancel_unavail, a stopped contract remains.
        """
        cloud = self._cloud
        if self._triggered("vast-create-error-with-contract", config):
            raise self._stopped_contract(offer, config, bid, "invalid_price", "Bid is too low or GPU is busy.")
        if bid is not None and bid < offer.min_bid:
            text = f"Bid {bid:g} is below the minimum bid {offer.min_bid:g} $/hr."
            if cancel:
                raise refusal(400, "invalid_price", text, ask_id=offer.id)
            raise self._stopped_contract(offer, config, bid, "invalid_price", text)
        if not offer.rentable:
            return self._taken(offer, config, bid, cancel=cancel)
        if (fault := trigger(self._faults, "vast-bid-ignored", name=config.label or "")) is not None:
            bid = None
        instance = cloud.rent(offer, config, bid)
        if (fault := trigger(self._faults, "vast-price-above", name=instance.id_and_label)) is not None:
            instance.price *= fault.params["factor"]
        if stopped:
            cloud.leave_stopped(instance)
        elif self._triggered("vast-success-but-stopped", config):
            cloud.leave_stopped(instance, "loading")
            instance.wanted_state = "running"
        else:
            cloud.begin(instance)
        return instance

    def _taken(self, offer: Offer, config: Config, bid: float | None, *, cancel: bool) -> Instance:
        """Handle an offer that someone else has rented."""
        if (fault := trigger(self._faults, "vast-double-accept", name=config.label or "")) is not None:
            instance = self._cloud.rent(offer, config, bid, take=False)
            words = PORT_TAKEN.format(id=instance.id) if fault.params["text"] == "port" else OCI
            self._cloud.begin(instance, broken=words)
            return instance
        if cancel:
            raise no_such_ask(410, offer.id)
        instance = self._cloud.rent(offer, config, bid, take=False)
        self._cloud.leave_stopped(instance)
        return instance

    def _stopped_contract(self, offer: Offer, config: Config, bid: float | None, code: str, text: str) -> ApiError:
        instance = self._cloud.rent(offer, config, bid, take=False)
        self._cloud.leave_stopped(instance)
        current().pod_id = instance.pod_id
        return refusal(400, code, text, ask_id=offer.id, new_contract=instance.id)

    def _mount(self, config: Config, offer: Offer, body: Mapping[str, Any]) -> None:
        """Find or create the volume to mount."""
        volumes = self._cloud.volumes
        for flag in config.env:
            if flag.startswith("-v V."):
                name, _colon, path = flag[5:].partition(":")
                config.volume, config.mount_path = volumes.find(int(name)).place, path
        info = body.get("volume_info")
        if not isinstance(info, Mapping):
            return
        if info.get("create_new"):
            if info.get("volume_id") is not None and bodies.number(info["volume_id"]) != volume_offer(offer.machine):
                raise bodies.invalid("the volume offer is on another machine", ask_id=offer.id)
            volume = volumes.create(offer.machine, bodies.size(info), bodies.name(info))
        else:
            volume = volumes.find(bodies.number(info.get("volume_id")))
            if volume.machine is not offer.machine:
                raise bodies.invalid("the volume is on another machine", ask_id=offer.id)
        config.volume, config.mount_path = volume.place, str(info.get("mount_path") or "/workspace")

    def _triggered(self, name: str, config: Config) -> bool:
        return trigger(self._faults, name, name=config.label or "") is not None


def _describe(config: Config, template: Mapping[str, Any] | None) -> None:
    if template is not None:
        config.template_id, config.template_hash = template["id"], template["hash_id"]
        config.template_name = template["name"]
