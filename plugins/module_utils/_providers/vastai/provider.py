# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drive Vast.ai, and say how it bills an instance."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..._core import errors
from ..._core.offer import MONTH, Offer, OfferQuery, Rates
from ..._core.pod import Account, Pod, PodRequest, Reference, StopCost
from ..._core.values import mapping
from ..._http.retry import Gate
from ..base import Capabilities, HttpProvider
from . import instances, offers, validation, volumes, wire
from . import query as query_language
from .config import KEY_VARIABLE
from .session import VastSession
from .ssh_keys import PodKeys
from .volumes import NewVolumes

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


#: Seconds for which an offer that this machine's user has just rented is not rented again: the service accepts a second
#: create on it, and then neither pod starts.
HELD = 120.0
#: Seconds for which an ended pod is watched: some came back after their end had been confirmed.
WATCHED = 60.0
#: Subject of the notes on which offers this user's processes have rented.
RENTED = "rented offers"


class Vast(HttpProvider):
    """Vast.ai, reached with one API key at one address.

    :param scale: a factor on all pauses, for stand-ins that scale theirs.
    """

    _api: VastSession
    name = wire.PROVIDER
    key_variable = KEY_VARIABLE
    capabilities = Capabilities(
        interruptible=True,
        recycle=True,
        onstart=True,
        keeps_disk=True,
        shows_template=True,
        prints_host_keys=False,
        query=True,
        # Vast.ai puts an SSH server of its own into every image.
        ssh_images=("",),
        watched=WATCHED,
    )

    def __init__(self, api_key: str, api_url: str, *, scale: float = 1.0, session: VastSession | None = None) -> None:
        super().__init__(session or VastSession(api_url, api_key, scale=scale), api_key)
        self._pod_keys = PodKeys(self._api, self._notes)
        self._new_volumes = NewVolumes(self._api, self._notes)
        own_end = wire.own_end(api_url)
        self.capabilities = replace(type(self).capabilities, watched=WATCHED * scale, own_end=own_end)

    def account_id(self) -> str | None:
        """See Provider."""
        return instances.account_id(self._api)

    # -- before anything is rented
    # ------------------------------------------------------------------------------------

    def offers(self, query: OfferQuery) -> list[Offer]:
        """See Provider."""
        return offers.offers(self._api, query)

    def near_offers(self, query: OfferQuery) -> list[Offer]:
        """See Provider."""
        return offers.near_offers(self._api, query)

    def check(self, request: PodRequest) -> None:
        """See Provider."""
        validation.check(request, self._key)
        if request.offer_id is None and request.regions:
            query_language.countries(request.regions)

    def places(self, regions: Sequence[str]) -> tuple[str, ...]:
        """See Provider. A region of the world is its countries."""
        return tuple(query_language.countries(list(regions)))

    def filters(self, given: Any) -> Mapping[str, Any]:
        """See Provider."""
        if given is not None and not isinstance(given, (str, Mapping)):
            raise errors.BadRequest(
                f"The option search is {given!r}; it is a mapping like {{gpu_ram: {{gte: 24}}}} or a text like "
                "gpu_ram>=24."
            )
        return query_language.filters(given)

    def check_changes(self, pod: Pod, changes: Mapping[str, Any]) -> None:
        """See Provider."""
        validation.check_changes(pod, changes, self._key)

    def find(self, kind: str, reference: str) -> Reference:
        """See Provider."""
        return volumes.find(self._api, kind, reference)

    # -- renting
    # ------------------------------------------------------------------------------------------------------

    def _create(self, request: PodRequest, gate: Gate | None) -> Pod:
        self.check(request)
        if request.offer_id is None:
            raise errors.BadRequest(f"The pod {request.name} was not rented: no offer was chosen.")
        place = self._new_volumes.offer(request) if self._new_volumes.wanted(request) else None
        mounts = volumes.more_volumes(self._api, request)
        self._pod_keys.put_on_account(request)
        if not self._api.turns.claim(RENTED, request.offer_id, HELD, request.name):
            self._pod_keys.take_back()
            raise errors.NoCapacity(
                f"The offer {request.offer_id} was rented a moment ago by another task of this machine; two contracts "
                "on one offer would both fail.",
                detail="rented a moment ago by another task of this machine",
            )
        try:
            answer = self._api.request(
                "PUT",
                f"/api/v0/asks/{int(request.offer_id)}/",
                body=wire.create_body(request, place, mounts),
                secrets=wire.secrets(request),
                attempted=f"rent the pod {request.name} on Vast.ai (offer {request.offer_id})",
                like="POST",
                gate=gate,
            )
        except errors.CloudError as error:
            raise self._refused(error, request) from error
        made = wire.contract(mapping(answer.data).get("new_contract"))
        if made is None:
            raise errors.Ambiguous(
                f"Could not rent the pod {request.name} on Vast.ai: the answer {answer.status} names no contract.",
                status=answer.status,
            )
        self._api.turns.note(RENTED, request.offer_id, made)
        self._new_volumes.belongs_to(made, request)
        return wire.made(request, made)

    def _refused(self, error: errors.CloudError, request: PodRequest) -> errors.CloudError:
        """Return what a refused create means. One that made a contract all the same says which."""
        made = wire.contract(error.body.get("new_contract"))
        if made is not None:
            error.made = made
            error.add(f"It created the contract {made} anyway, which is billed for its disk.")
            error.elsewhere = "yes"
            self._api.turns.note(RENTED, str(request.offer_id), made)
            self._pod_keys.belong_to(made)
            self._new_volumes.belongs_to(made, request)
        elif not isinstance(error, errors.Ambiguous):
            self._api.turns.forget(RENTED, key=request.offer_id)
        if isinstance(error, errors.PaymentRequired):
            # No other offer is cheaper than nothing, and each would make another contract that bills.
            error.elsewhere = "no"
        elif isinstance(error, (errors.NotFound, errors.NoCapacity)) or error.code == "invalid_price":
            error.elsewhere = "yes"
        elif error.status == 400 and isinstance(error, errors.BadRequest) and not made:
            error.elsewhere = "once"
        if error.code == "invalid_price":
            error.add(f"The option bid is {request.bid}: raise it, or leave interruptible out.")
        if not made and not isinstance(error, errors.Ambiguous):
            # Whether another offer is tried is not known here.
            self._pod_keys.take_back()
        return error

    def finish_create(self, pod: Pod, request: PodRequest) -> Pod:
        """See Provider. Attach the keys, then read the contract back."""
        self._pod_keys.belong_to(pod.id)
        if wire.runtype(request) != wire.RUNTYPES["args"]:
            self._pod_keys.attach(pod, request.public_keys)
        if request.extra.get("target_state") == wire.STOPPED:
            self._api.turns.note(instances.STOPPED_BY_US, pod.id)
        now = self._read_back(pod)
        if now.interruptible is not None and now.interruptible != (request.bid is not None):
            kind = "interruptible" if now.interruptible else "on demand"
            wrong = errors.WrongContract(
                f"The contract of the pod {pod.label()} says that it is {kind}, and that was not asked for; it was "
                "given back at once."
            )
            wrong.pod = now
            raise wrong
        return now

    def _read_back(self, pod: Pod) -> Pod:
        """Return the contract as the service has it now. It may not show it yet, neither here nor in the list."""
        with contextlib.suppress(errors.NotFound):
            return self.get_pod(pod.id)
        return next((each for each in self.list_pods() if each.id == pod.id), pod)

    def start_once(self, pod: Pod) -> bool:
        """See Provider. A contract on demand that sits stopped and never ran; one that can be taken away was."""
        row = instances.row(self._api, pod.id)
        if row is None or not wire.never_ran(row) or row.get("is_bid"):
            return False
        try:
            self.start(pod.id)
        except (errors.NoCapacity, errors.BadRequest, errors.Conflict):
            return False
        return True

    # -- looking
    # ------------------------------------------------------------------------------------------------------

    def get_pod(self, pod_id: str) -> Pod:
        """See Provider. "No such instance" is an answer of 200 that says null."""
        row = instances.row(self._api, pod_id)
        if row is None:
            raise errors.NotFound(f"Vast.ai has no pod {pod_id}.", status=404)
        return instances.explained(self._api, [wire.pod(row)])[0]

    def list_pods(self) -> list[Pod]:
        """See Provider."""
        return instances.explained(self._api, [wire.pod(row) for row in instances.rows(self._api)])

    def logs(self, pod_id: str, *, source: str = "container", tail: int = 500, deadline: float = 10.0) -> list[str]:
        """See Provider. The service puts the log elsewhere, after some seconds; it is fetched without the key."""
        return instances.logs(self._api, pod_id, source, tail, deadline)

    def account(self) -> Account:
        """See Provider. What can be spent is ``credit``; ``balance`` is mostly 0."""
        return Account(self.name, instances.credit(self._api))

    # -- changing
    # ------------------------------------------------------------------------------------------------------

    def update(self, pod_id: str, changes: Mapping[str, Any]) -> Pod:
        """See Provider. The label and the bid by themselves; everything else replaces the container."""
        attempted = f"change the pod {pod_id} on Vast.ai"
        if "name" in changes:
            self._api.request("PUT", instances.path(pod_id), body={"label": changes["name"]}, attempted=attempted)
        if "bid" in changes:
            body = {"client_id": "me", "price": changes["bid"]}
            path = f"/api/v0/instances/bid_price/{int(pod_id)}/"
            self._api.request("PUT", path, body=body, attempted=attempted)
        rest = {name: value for name, value in changes.items() if name not in ("name", "bid")}
        if rest:
            env = rest.get("env")
            self._api.request(
                "PUT",
                f"/api/v0/instances/update_template/{int(pod_id)}/",
                body=self._template_body(pod_id, rest),
                secrets=[value for value in (env or {}).values() if len(value) > 5],
                attempted=attempted,
            )
        return self.get_pod(pod_id)

    def _template_body(self, pod_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of a change: flags for ports and mounts in the environment vanish if not sent again."""
        names = {"template": "template_hash_id"}
        body: dict[str, Any] = {"id": int(pod_id)}
        body.update({names.get(name, name): value for name, value in changes.items()})
        row = instances.row(self._api, pod_id) or {} if {"env", "onstart"} & set(changes) else {}
        if "onstart" in changes:
            body["onstart"] = wire.with_own_part(str(row.get("onstart") or ""), changes["onstart"])
        if "env" in changes:
            variables = wire.environment(row)
            flags = {name: value for name, value in wire.extra_env(row) if name not in variables}
            body["env"] = {**flags, **changes["env"]}
        return body

    def start(self, pod_id: str) -> Pod:
        """Start the pod, see Provider.

        A start without a free GPU is queued, for ever perhaps, and would then bill unasked: it is called off.
        """
        try:
            self._set_state(pod_id, "running", "start")
        except errors.NoCapacity as error:
            with contextlib.suppress(errors.CloudError):
                self._set_state(pod_id, "stopped", "call off the start of")
            error.add("Its GPU was rented to another while it was stopped.")
            raise
        self._api.turns.forget(instances.STOPPED_BY_US, key=pod_id)
        return self.get_pod(pod_id)

    def stop(self, pod_id: str) -> Pod:
        """See Provider. It is noted that the stop was ours: it looks like one by an outbid."""
        self._api.turns.note(instances.STOPPED_BY_US, pod_id)
        self._set_state(pod_id, "stopped", "stop")
        return self.get_pod(pod_id)

    def _set_state(self, pod_id: str, state: str, verb: str) -> None:
        self._api.request(
            "PUT", instances.path(pod_id), body={"state": state}, attempted=f"{verb} the pod {pod_id} on Vast.ai"
        )

    def restart(self, pod_id: str) -> Pod:
        """See Provider."""
        return self._in_place(pod_id, "reboot")

    def recycle(self, pod_id: str) -> Pod:
        """See Provider. The GPU is kept, what is on the container's disk is not."""
        return self._in_place(pod_id, "recycle")

    def _in_place(self, pod_id: str, action: str) -> Pod:
        # Sent once: a second one would stop what the first has just started.
        path = f"/api/v0/instances/{action}/{int(pod_id)}/"
        self._api.request("PUT", path, body={}, attempted=f"{action} the pod {pod_id} on Vast.ai", like="POST")
        return self.get_pod(pod_id)

    # -- giving back
    # ------------------------------------------------------------------------------------------------------

    def terminate(self, pod_id: str) -> bool:
        """See Provider. Three answers mean that it is gone already: two kinds of 404, and a second success."""
        try:
            self._api.request("DELETE", instances.path(pod_id), body={}, attempted=f"end the pod {pod_id} on Vast.ai")
            taken = True
        except errors.NotFound:
            taken = False
        self._api.turns.forget(RENTED, value=pod_id)
        self._api.turns.forget(instances.STOPPED_BY_US, key=pod_id)
        self._pod_keys.take_off(pod_id)
        self._new_volumes.delete(pod_id)
        return taken

    def end_command(self, pod_id: str) -> str:
        """See Provider."""
        return (
            f'curl -X DELETE -H "Authorization: Bearer ${KEY_VARIABLE}" -H "Content-Type: application/json" -d "{{}}" '
            f"{self._api.base_url}{instances.path(pod_id)}"
        )

    def rates(self, offer: Offer, disk_gb: float, volume_gb: float) -> Rates:
        """See Provider."""
        return of(offer, disk_gb, volume_gb)

    def stop_cost(self, pod: Pod) -> StopCost:
        """See Provider."""
        hourly = pod.stopped_usd_per_hour
        return StopCost(
            loses="its GPU (which another may rent meanwhile, and then it never starts again) and its address",
            keeps="its disk, on that one machine",
            usd_per_month=round(hourly * MONTH, 2) if hourly is not None else None,
        )
