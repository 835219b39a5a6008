# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drive Tiny: GPUs at one fixed price each, pods with an SSH server of the provider's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..._core.errors import Ambiguous, BadAnswer, BadRequest, NotFound
from ..._core.offer import Offer, OfferQuery
from ..._core.pod import RUNNING, STARTING, STOPPED, UNKNOWN, Account, Endpoint, Pod, PodRequest, StopCost
from ..._core.values import amount, identifier, integer, listing, mapping, text
from ..._http.retry import Gate
from ..._http.session import ApiSession
from ..base import Capabilities, HttpProvider
from .info import KEY

PHASES = {"booting": STARTING, "up": RUNNING, "off": STOPPED}


class Tiny(HttpProvider):
    """Tiny, reached with one API key at one address."""

    name = "tiny"
    key_variable = KEY
    capabilities = Capabilities(
        restart=False,
        update=False,
        prints_host_keys=False,
        ssh_images=("",),
        because={"interruptible": "Tiny takes no pod away"},
    )

    def __init__(self, api_key: str, api_url: str) -> None:
        super().__init__(ApiSession("Tiny", api_url, api_key), api_key)

    def offers(self, query: OfferQuery) -> list[Offer]:
        """See Provider."""
        answer = self._api.request("GET", "/offers", attempted="read the offers of Tiny")
        return [
            Offer(
                provider=self.name,
                gpu=str(each["gpu"]),
                gpu_id=str(each["id"]),
                gpu_count=query.gpu_count,
                memory_gb=integer(each.get("memory_gb")),
                usd_per_hour=amount(each.get("usd_per_hour")),
                cloud=None,
                availability="high" if each.get("free") else "none",
                max_count=1,
                id=str(each["id"]),
                # An offer with an id of its own is one machine's, and says what that machine has left.
                disk_gb=amount(each.get("disk_gb")),
                hours_left=amount(each.get("hours_left")),
            )
            for each in map(mapping, listing(answer.data))
        ]

    def check(self, request: PodRequest) -> None:
        """See Provider."""
        if request.gpu_count != 1:
            raise BadRequest(f"A pod of Tiny has one GPU (option gpu_count), not {request.gpu_count}.")
        if request.args is not None:
            raise BadRequest("Tiny starts images by their own command (option args); leave the option out.")

    def _create(self, request: PodRequest, gate: Gate | None) -> Pod:
        self.check(request)
        body = {
            "name": request.name,
            "offer": request.offer_id,
            "image": request.image,
            "env": dict(request.env),
            "keys": list(request.public_keys),
            **request.extra,
        }
        attempted = f"rent the pod {request.name} on Tiny"
        secrets = list(request.env.values())
        answer = self._api.request("POST", "/pods", body=body, secrets=secrets, attempted=attempted, gate=gate)
        try:
            return _pod(answer.data)
        except BadAnswer as error:
            raise Ambiguous(f"Could not {attempted}: the answer names no pod.", status=answer.status) from error

    def get_pod(self, pod_id: str) -> Pod:
        """See Provider."""
        return _pod(self._api.request("GET", _path(pod_id), attempted=f"read the pod {pod_id} on Tiny").data)

    def list_pods(self) -> list[Pod]:
        """See Provider."""
        answer = self._api.request("GET", "/pods", attempted="list the pods on Tiny")
        if not isinstance(answer.data, list):
            raise BadAnswer("Tiny's list of pods is no list.")
        return [_pod(each) for each in answer.data]

    def logs(self, pod_id: str, *, source: str = "container", tail: int = 500, deadline: float = 10.0) -> list[str]:
        """See Provider."""
        answer = self._api.request("GET", f"{_path(pod_id)}/log", attempted=f"read the log of the pod {pod_id} on Tiny")
        return [str(line) for line in listing(answer.data)][-tail:]

    def update(self, pod_id: str, changes: Mapping[str, Any]) -> Pod:
        """See Provider."""
        raise BadRequest("Tiny changes no pod; end it and rent another.")

    def start(self, pod_id: str) -> Pod:
        """See Provider."""
        return self._act(pod_id, "start")

    def stop(self, pod_id: str) -> Pod:
        """See Provider."""
        return self._act(pod_id, "stop")

    def restart(self, pod_id: str) -> Pod:
        """See Provider."""
        raise BadRequest("Tiny restarts no pod; stop it and start it.")

    def _act(self, pod_id: str, verb: str) -> Pod:
        path = f"{_path(pod_id)}/{verb}"
        return _pod(self._api.request("POST", path, body={}, attempted=f"{verb} the pod {pod_id} on Tiny").data)

    def terminate(self, pod_id: str) -> bool:
        """See Provider."""
        try:
            self._api.request("DELETE", _path(pod_id), attempted=f"end the pod {pod_id} on Tiny")
        except NotFound:
            return False
        return True

    def account(self) -> Account:
        """See Provider."""
        answer = mapping(self._api.request("GET", "/account", attempted="read the balance on Tiny").data)
        return Account(self.name, amount(answer.get("usd")))

    def end_command(self, pod_id: str) -> str:
        """See Provider."""
        return f'curl -X DELETE -H "Authorization: Bearer ${KEY}" {self._api.base_url}{_path(pod_id)}'

    def stop_cost(self, pod: Pod) -> StopCost:
        """See Provider."""
        return StopCost(loses="its GPU", keeps="its disk", usd_per_month=None)


def _path(pod_id: str) -> str:
    return f"/pods/{quote(pod_id, safe='')}"


def _pod(value: Any) -> Pod:
    """Read a pod. :raises BadAnswer: without an id, for to drop it could hide a pod that costs money."""
    raw = mapping(value)
    pod_id = identifier(raw.get("id"))
    if pod_id is None:
        raise BadAnswer("Tiny sent a pod without an id.")
    port = integer(raw.get("port"))
    return Pod(
        provider=Tiny.name,
        id=pod_id,
        name=text(raw.get("name")) or "",
        phase=PHASES.get(str(raw.get("state")), UNKNOWN),
        raw_status=text(raw.get("state")),
        gpu=text(raw.get("gpu")),
        gpu_id=text(raw.get("offer")),
        gpu_count=1,
        usd_per_hour=amount(raw.get("usd_per_hour")),
        image=text(raw.get("image")),
        endpoint=Endpoint(str(raw.get("host")), port) if port else None,
        created_at=text(raw.get("made_at")),
        ports=("22/tcp",),
    )
