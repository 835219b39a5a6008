# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver must offer, and what it declares about itself. Private to this collection.

A driver turns a provider's wire into the plain data of ``_pod`` and its refusals into the family of ``_errors``. It
knows nothing of the other drivers, of Ansible, or of waiting; it never repeats a create.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.podyard.gpu.plugins.module_utils._pod import (
    Account,
    Offer,
    OfferQuery,
    Pod,
    PodRequest,
    StopCost,
)

#: Changes that ``update`` understands: our words, not the wire's.
CHANGES = ("name", "image", "args", "disk_gb", "ports", "env", "registry", "volume_size_gb")


@dataclass(frozen=True)
class Capabilities:
    """What shared code may ask of a driver, so that it never asks which provider it is.

    :param stop: pods can be stopped and started again.
    :param restart: a pod's container can be restarted in place.
    :param update: a pod can be changed after its create.
    :param logs: the container's log can be read over the authenticated API.
    :param interruptible: cheaper pods that may be taken away are for rent.
    :param because: capability -> why it is missing, as the end of a sentence.
    """

    stop: bool = True
    restart: bool = True
    update: bool = True
    logs: bool = True
    interruptible: bool = False
    because: Mapping[str, str] = field(default_factory=dict)


class Provider(abc.ABC):
    """One provider, reached with one key."""

    #: The word that users write: ``runpod``.
    name: str
    capabilities: Capabilities

    @abc.abstractmethod
    def offers(self, query: OfferQuery) -> list[Offer]:
        """Everything the catalogue has for the query's count, clouds, regions and CUDA versions, in stock or not, at
        any
        price.

        Names of GPUs, price and availability are judged by ``_market``, which must also see what does not fit to say
        why.

        :raises BadRequest: for a region that does not exist.
        """

    @abc.abstractmethod
    def check(self, request: PodRequest) -> None:
        """Refuse, for nothing, what the provider is known to refuse or to misunderstand.

        :raises BadRequest: with one sentence.
        """

    @abc.abstractmethod
    def create(self, request: PodRequest) -> Pod:
        """Rent one pod. Sends exactly one create.

        :raises Ambiguous: when it is unknown whether the pod exists now.
        :raises CloudError: any other kind means that no pod was made; ``error.elsewhere`` says whether the next offer
            is worth a try.
        """

    @abc.abstractmethod
    def get(self, pod_id: str) -> Pod:
        """The pod with this id.

        :raises NotFound: when the provider has no such pod. Within the grace time after a create this proves nothing.
        """

    @abc.abstractmethod
    def logs(self, pod_id: str, *, source: str = "container", tail: int = 500, deadline: float = 10.0) -> list[str]:
        """The last lines of the pod's log, oldest first. ``source`` is ``container`` or ``system``; ``deadline``
        seconds
        at most.
        """

    @abc.abstractmethod
    def list(self) -> list[Pod]:
        """All pods of the account, all pages. An error is raised, never returned as an empty or partial list."""

    @abc.abstractmethod
    def update(self, pod_id: str, changes: Mapping[str, Any]) -> Pod:
        """Change what is in ``changes`` (keys of CHANGES) and nothing else. May reset the container."""

    @abc.abstractmethod
    def start(self, pod_id: str) -> Pod:
        """Start a stopped pod. :raises Conflict: when that is not allowed now."""

    @abc.abstractmethod
    def stop(self, pod_id: str) -> Pod:
        """Stop a pod; it goes on costing money. :raises Conflict: when that is not allowed now."""

    @abc.abstractmethod
    def restart(self, pod_id: str) -> Pod:
        """Restart the pod's container in place. :raises Conflict: when that is not allowed now."""

    @abc.abstractmethod
    def terminate(self, pod_id: str) -> bool:
        """End the pod for good; that it is gone is for the caller to prove.

        :returns: True when the provider took the order, False when it has no such pod (404): also a success, but of a
            pod made moments ago, which the provider may not show yet, it proves nothing.
        """

    @abc.abstractmethod
    def account(self) -> Account:
        """Balance and spending, each None where the provider does not say."""

    @abc.abstractmethod
    def end_command(self, pod_id: str) -> str:
        """A shell command, without any secret in it, by which a person ends the pod when all else failed."""

    @abc.abstractmethod
    def stop_cost(self, pod: Pod) -> StopCost:
        """What stopping this pod would lose, keep, and cost per month."""

    @property
    def notes(self) -> Sequence[str]:
        """Remarks for a debugging person that are no errors, for instance that the balance could not be read."""
        return ()
