# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there at Vast.ai: one instance, all of them, their logs, the account's credit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..._core import errors
from ..._core.pod import EXPIRED, NO_CREDIT, STOPPED, Pod
from ..._core.values import integer, mapping, number, text, to_json
from ..._resources.account import account_at, note_account
from . import wire
from .config import DEFAULT_URL
from .session import VastSession

INSTANCES = "/api/v1/instances/"
USER = "/api/v0/users/current/"
#: Rows of one page of the list: the service's own limit.
PAGE = 25
#: Subject of the notes on which stops were our own.
STOPPED_BY_US = "stopped"


def path(pod_id: str) -> str:
    """Return the instance's path; an id from outside cannot lead elsewhere.

    :raises NotFound: for what is no id.
    """
    if not pod_id.isdigit():
        raise errors.NotFound(f"Vast.ai has no pod {pod_id!r}: its ids are numbers.", status=404)
    return f"/api/v0/instances/{pod_id}/"


def row(api: VastSession, pod_id: str) -> Mapping[str, Any] | None:
    """One instance as it is on the wire; None when there is none. :raises NotFound: for what is no id."""
    place = path(pod_id)
    try:
        answer = api.request("GET", place, attempted=f"read the pod {pod_id} on Vast.ai")
    except errors.NotFound:
        return None
    return wire.unwrapped(answer.data)


def rows(api: VastSession) -> list[Mapping[str, Any]]:
    """Every row, all pages. :raises BadAnswer: for a list that is none, or that ends too early."""
    known: dict[str, Mapping[str, Any]] = {}
    query: dict[str, Any] = {"limit": PAGE, "order_by": to_json([{"col": "id", "dir": "asc"}])}
    seen: set[str] = set()
    while True:
        data = mapping(api.request("GET", INSTANCES, query=query, attempted="list the pods on Vast.ai").data)
        found = data.get("instances")
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise errors.BadAnswer(
                "Vast.ai's answer holds no list of instances. That does not mean that there are none."
            )
        # One without a number is kept by its place: to drop it could hide a pod that costs money.
        known.update({wire.contract(each.get("id")) or f"row {len(known) + at}": each for at, each in enumerate(found)})
        token, total = text(data.get("next_token")), integer(data.get("total_instances"))
        if token is None:
            if total is not None and len(known) < total:
                raise errors.BadAnswer(f"Vast.ai listed {len(known)} of {total} instances and then no more.")
            return [*known.values()]
        if token in seen:
            raise errors.BadAnswer("The pages of Vast.ai's list of instances repeat, so it cannot be read to its end.")
        seen.add(token)
        query = {**query, "after_token": token}


def explained(api: VastSession, pods: Sequence[Pod]) -> list[Pod]:
    """With what the rows alone do not tell: whether a stop was ours, or for lack of credit."""
    stopped = [pod for pod in pods if pod.phase == STOPPED and pod.interruption != EXPIRED]
    foreign = [pod.id for pod in stopped if not api.turns.has_note(STOPPED_BY_US, pod.id)]
    broke = bool(foreign) and _without_credit(api)
    told = []
    for pod in pods:
        if pod.id in foreign and broke:
            pod = replace(pod, interruption=NO_CREDIT)
        elif pod in stopped and pod.id not in foreign:
            pod = replace(pod, interruption=None)
        told.append(pod)
    return told


def _without_credit(api: VastSession) -> bool:
    """Return True when the account has no credit. That it cannot be read proves nothing."""
    try:
        balance = credit(api)
    except errors.CloudError:
        return False
    return balance is not None and balance <= 0


def credit(api: VastSession) -> float | None:
    """Return what the account can spend, in USD: ``credit``; ``balance`` is mostly 0."""
    data = mapping(api.request("GET", USER, attempted="read the account on Vast.ai").data)
    if not data:
        raise errors.BadAnswer("Vast.ai's answer holds no account; it cannot be read.")
    note_account(api.budget.mark, _whose(api, data))
    found = number(data.get("credit"))
    return found if found is not None else number(data.get("balance"))


def account_id(api: VastSession) -> str | None:
    """Return the id of the account whose key it is."""
    return _whose(api, api.request("GET", USER, attempted="read whose API key it is on Vast.ai", repeat=False).data)


def _whose(api: VastSession, data: Any) -> str | None:
    return account_at(text(mapping(data).get("id")), api.base_url, DEFAULT_URL)


def logs(api: VastSession, pod_id: str, source: str, tail: int, deadline: float) -> list[str]:
    """Return the last lines of a log. The service puts it elsewhere, after some seconds."""
    body = {"tail": str(tail), **({"daemon_logs": "true"} if source == "system" else {})}
    answer = api.request(
        "PUT",
        f"/api/v0/instances/request_logs/{int(pod_id)}/",
        body=body,
        attempted=f"ask for the log of the pod {pod_id} on Vast.ai",
    )
    url = text(mapping(answer.data).get("result_url"))
    if url is None:
        raise errors.BadAnswer("Vast.ai's answer does not say where the log will be.")
    return api.fetch(url, deadline, f"read the log of the pod {pod_id} on Vast.ai").splitlines()[-tail:]
