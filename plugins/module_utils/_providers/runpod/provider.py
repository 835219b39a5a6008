# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drive RunPod's REST v2 (and one optional GraphQL query for the balance), and say how RunPod bills a pod."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from ..._core import errors
from ..._core.offer import MONTH, Offer, OfferQuery, Rates
from ..._core.pod import Account, Pod, PodRequest, Reference, StopCost
from ..._core.values import to_json
from ..._http.events import QUIET, read_events
from ..._http.retry import Gate
from ..._http.session import ApiSession
from ..._resources.account import account_at, note_account
from ..base import TEMPLATE, Capabilities, HttpProvider
from . import account as account_resources
from . import catalogue, validation, wire
from .config import DEFAULT_URL, KEY_VARIABLE

#: USD per GB and month of the container's disk, and of the volume while its pod runs (list price, the same for both).
DISK = 0.10
#: When the GPU begins to bill is documented nowhere.
REMARKS = ("RunPod bills the GPU from the order on, disks by its list (USD 0.10 per GB and month), and no traffic",)


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


#: USD per GB and month of a stopped pod's volume disk: twice what it costs while the pod runs (list price).
STOPPED_DISK = 0.20
#: What REST v2 lacks: two figures, and whose they are. As few fields as possible: the schema changes without notice.
BALANCE_QUERY = "query { myself { id clientBalance currentSpendPerHr spendLimit } }"
#: Fields of this API go without notice; that one is missing must not cost the balance.
SHORT_BALANCE_QUERY = "query { myself { clientBalance currentSpendPerHr } }"
#: REST v2 does not say whose key it was asked with.
ACCOUNT_QUERY = "query { myself { id } }"
SPOT_WITHDRAWN = "RunPod withdrew spot pods; every pod is on demand"


class RunPod(HttpProvider):
    """RunPod, reached with one API key at one address."""

    name = wire.PROVIDER
    key_variable = KEY_VARIABLE
    capabilities = Capabilities(
        ssh_images=("runpod/",), commands_by_proxy=False, because={"interruptible": SPOT_WITHDRAWN}
    )
    usual_clouds = catalogue.USUAL

    def __init__(self, api_key: str, api_url: str, *, session: ApiSession | None = None, quiet: float = QUIET) -> None:
        super().__init__(session or ApiSession("RunPod", api_url, api_key), api_key)
        self._quiet = quiet
        self.capabilities = replace(type(self).capabilities, own_end=wire.own_end(api_url))
        self._data_centers: Mapping[str, Mapping[str, Any]] | None = None

    def account_id(self) -> str | None:
        """See Provider. Asked once, for a key may have no right to GraphQL, and it is to be switched off."""
        body, attempted = {"query": ACCOUNT_QUERY}, "read whose API key it is on RunPod"
        answer = self._api.request("POST", "/graphql", body=body, attempted=attempted, like="GET", repeat=False)
        myself = wire.mapping(wire.mapping(wire.mapping(answer.data).get("data")).get("myself"))
        return self._at(myself)

    def _at(self, myself: Mapping[str, Any]) -> str | None:
        return account_at(wire.text(myself.get("id")), self._api.base_url, DEFAULT_URL)

    def offers(self, query: OfferQuery) -> list[Offer]:
        """See Provider."""
        return catalogue.offers(self._api, query, self._data_centers)

    def near_offers(self, query: OfferQuery) -> list[Offer]:
        """See Provider."""
        return catalogue.near_offers(self._api, query, self._data_centers)

    def known_regions(self, words: Sequence[str]) -> tuple[str, ...]:
        """See Provider."""
        self._data_centers = self._data_centers or catalogue.data_centers(self._api)
        return tuple(word for word in words if word in self._data_centers)

    def check(self, request: PodRequest) -> None:
        """See Provider."""
        validation.check(request, self._key)

    def check_changes(self, pod: Pod, changes: Mapping[str, Any]) -> None:
        """See Provider."""
        validation.check_changes(pod, changes, self._key)

    def find(self, kind: str, reference: str) -> Reference:
        """See Provider."""
        found = account_resources.find(self._api, kind, reference)
        if kind == TEMPLATE and found.get("serverless"):
            raise errors.BadRequest(
                f"The template {reference!r} (option template) is for serverless workers; a pod needs one for pods. "
                "Nothing was rented or changed."
            )
        return wire.template(found, reference) if kind == TEMPLATE else wire.reference(kind, found, reference)

    def start_command(self, entrypoint: Sequence[str] | None, cmd: Sequence[str] | None) -> str:
        """See Provider."""
        return wire.start_command(entrypoint, cmd)

    def _create(self, request: PodRequest, gate: Gate | None) -> Pod:
        """Send the create.

        A success whose body cannot be read is ambiguous: the pod exists, but under an unknown id.
        """
        self.check(request)
        body = wire.create_body(request)
        secrets = _secrets(body["env"])
        attempted = f"rent the pod {request.name} on RunPod"
        try:
            answer = self._api.request("POST", "/v2/pods", body=body, secrets=secrets, attempted=attempted, gate=gate)
        except errors.CloudError as error:
            raise validation.of_create(error, request) from error
        try:
            return wire.pod(answer.data)
        except errors.BadAnswer as error:
            raise errors.Ambiguous(
                f"Could not {attempted}: RunPod answered {answer.status} with a body that names no pod.",
                status=answer.status,
                request_id=answer.request_id,
            ) from error

    def get_pod(self, pod_id: str) -> Pod:
        """See Provider."""
        return wire.pod(self._api.request("GET", _path(pod_id), attempted=f"read the pod {pod_id} on RunPod").data)

    def logs(self, pod_id: str, *, source: str = "container", tail: int = 500, deadline: float = 10.0) -> list[str]:
        """See Provider. The stream stays open, so it is read with a deadline of our own."""
        payloads = read_events(
            self._api,
            f"{_path(pod_id)}/logs",
            {"source": source, "tail": tail},
            deadline=deadline,
            quiet=self._quiet,
            attempted=f"read the log of the pod {pod_id} on RunPod",
        )
        return [_log_line(payload) for payload in payloads]

    def list_pods(self) -> list[Pod]:
        """See Provider. Follows ``nextCursor`` where there is one; older services send all pods at once."""
        pods: list[Pod] = []
        seen: set[str] = set()
        query: dict[str, Any] = {}
        while True:
            data = self._api.request("GET", "/v2/pods", query=query, attempted="list the pods on RunPod").data
            pods.extend(wire.pod(entry) for entry in catalogue.entries(data, "pods"))
            page = wire.mapping(wire.mapping(data).get("pagination"))
            cursor = wire.text(page.get("nextCursor"))
            if not page.get("hasNextPage") and cursor is None:
                return pods
            if cursor is None or cursor in seen:
                raise errors.BadAnswer("The pages of RunPod's list of pods repeat, so it cannot be read to its end.")
            seen.add(cursor)
            query = {"cursor": cursor}

    def update(self, pod_id: str, changes: Mapping[str, Any]) -> Pod:
        """See Provider."""
        mounts = "volume_size_gb" in changes or "mount_path" in changes
        now = self.get_pod(pod_id) if mounts else Pod(self.name, pod_id, "", "unknown")
        secrets = _secrets(changes.get("env") or {})
        try:
            answer = self._api.request(
                "PATCH",
                _path(pod_id),
                body=wire.update_body(changes, now),
                secrets=secrets,
                attempted=f"change the pod {pod_id} on RunPod",
            )
        except errors.CloudError as error:
            raise validation.of_update(error, changes) from error
        return wire.pod(answer.data)

    def start(self, pod_id: str) -> Pod:
        """See Provider."""
        return self._act(pod_id, "start")

    def stop(self, pod_id: str) -> Pod:
        """See Provider."""
        return self._act(pod_id, "stop")

    def restart(self, pod_id: str) -> Pod:
        """See Provider."""
        return self._act(pod_id, "restart")

    def _act(self, pod_id: str, action: str) -> Pod:
        """POST one action; the answer shows the pod as it is at that moment, not at the end of the action."""
        attempted = f"{action} the pod {pod_id} on RunPod"
        try:
            answer = self._api.request("POST", f"{_path(pod_id)}/action", body={"action": action}, attempted=attempted)
        except errors.CloudError as error:
            # With which status a start without a free GPU is refused is not documented; the words are known.
            if action == "start" and wire.error_is_capacity(error.detail or ""):
                raise errors.NoCapacity(
                    f"{error.message} Its GPU was rented to another while it was stopped.",
                    status=error.status,
                    request_id=error.request_id,
                    detail=error.detail,
                ) from error
            raise
        return wire.pod(answer.data)

    def terminate(self, pod_id: str) -> bool:
        """See Provider. DELETE is legal in every state, the action of the same effect is not."""
        try:
            self._api.request("DELETE", _path(pod_id), attempted=f"end the pod {pod_id} on RunPod")
        except errors.NotFound:
            return False
        except errors.Conflict as error:
            error.add(
                "A locked pod is unlocked first by locked: false beside state: absent of runpod_pod; a pod of a "
                "cluster ends with its cluster, in the console."
            )
            raise
        return True

    def account(self) -> Account:
        """Return the account, see Provider.

        The balance is only in GraphQL, which is being switched off: without it the figures are None and a note says
        why; the key is then proved by reading the pods.
        """
        try:
            data = self._asked_for_balance(BALANCE_QUERY)
            if "spendLimit" in to_json(data.get("errors")):
                data = self._asked_for_balance(SHORT_BALANCE_QUERY)
        except errors.CloudError as error:  # a refused key, too: it may be good for REST and not for GraphQL
            return self._account_without_balance(error.message)
        myself = wire.mapping(wire.mapping(data.get("data")).get("myself"))
        note_account(self.account_mark, self._at(myself))
        balance, spend = wire.number(myself.get("clientBalance")), wire.number(myself.get("currentSpendPerHr"))
        if data.get("errors") or balance is None:
            return self._account_without_balance(f"GraphQL said: {to_json(data.get('errors') or data)[:200]}")
        return Account(self.name, balance, spend, wire.number(myself.get("spendLimit")) or None)

    def _asked_for_balance(self, query: str) -> Mapping[str, Any]:
        """Return what GraphQL answers; its errors, where it refuses a field of the query with a status of its own."""
        try:
            answer = self._api.request(
                "POST", "/graphql", body={"query": query}, attempted="read the balance on RunPod"
            )
        except errors.BadRequest as error:
            if "spendLimit" not in error.message:
                raise
            return {"errors": error.message}
        return wire.mapping(answer.data)

    def _account_without_balance(self, why: str) -> Account:
        self._notes.append(f"The balance on RunPod could not be read and is left out. {why}")
        self._api.request("GET", "/v2/pods", query={"limit": 1}, attempted="use the API key on RunPod")
        return Account(self.name)

    def end_command(self, pod_id: str) -> str:
        """See Provider."""
        return f'curl -X DELETE -H "Authorization: Bearer ${KEY_VARIABLE}" {self._api.base_url}{_path(pod_id)}'

    def rates(self, offer: Offer, disk_gb: float, volume_gb: float) -> Rates:
        """See Provider."""
        return of(offer, disk_gb, volume_gb)

    def stop_cost(self, pod: Pod) -> StopCost:
        """See Provider."""
        disks = [mount for mount in pod.mounts if mount.kind == "disk"]
        kept = [mount.path or "its volume" for mount in pod.mounts]
        size = sum(mount.size_gb or 0 for mount in disks)
        networks = " (a network volume bills as always, stopped or not)" if len(disks) < len(pod.mounts) else ""
        return StopCost(
            loses=("everything outside " + " and ".join(kept) if kept else "everything on its disk")
            + ", its GPU (which another may rent meanwhile), its address and its host keys",
            keeps=(" and ".join(kept) if kept else "nothing but its name") + networks,
            usd_per_month=round(size * STOPPED_DISK, 2),
        )


def _path(pod_id: str) -> str:
    """Return the pod's path; an id from outside cannot lead elsewhere."""
    return f"/v2/pods/{quote(pod_id, safe='')}"


def _secrets(env: Mapping[str, str]) -> list[str]:
    """Return values that no message may repeat.

    Public keys are public; values of up to five characters (``true``, ``4096``) are left readable, since hiding them
    would garble innocent words.
    """
    return [value for name, value in env.items() if name != "PUBLIC_KEY" and len(value) > 5]


def _log_line(payload: str) -> str:
    """Return the text of one log event; a payload that is not JSON is the text itself."""
    try:
        event = json.loads(payload)
    except ValueError:
        return payload
    return str(wire.mapping(event).get("line") or "") if isinstance(event, dict) else payload
