# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver must offer, and what it declares about itself.

A driver turns a provider's wire into the plain data of ``_pod`` and its refusals into the family of ``_errors``. It
knows nothing of the other drivers, of Ansible, or of waiting; it never repeats a create.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from .._core.errors import BadRequest
from .._core.offer import Offer, OfferQuery, Rates
from .._core.pod import Account, Mount, Pod, PodRequest, Reference, StopCost
from .._http.retry import Gate
from .._http.session import ApiSession
from .._resources.account import key_hash
from .._resources.resource import AccountApi
from .settings import Setting, Sources

#: Changes that ``update`` understands: our words, not the wire's.
CHANGES = (
    "name",
    "image",
    "args",
    "disk_gb",
    "ports",
    "env",
    "registry",
    "volume_size_gb",
    "mount_path",
    "global_networking",
    "locked",
    "bid",
    "onstart",
    "template",
)
#: Fields of a change -> the options of the modules, where people know them by another name.
OPTIONS: Mapping[str, str] = {
    "disk_gb": "disk",
    "volume_size_gb": "volume.size",
    "mount_path": "path of the mount",
}
#: Kinds of things that a pod may name: see ``Provider.find``.
TEMPLATE, NETWORK_VOLUME, REGISTRY = "template", "network_volume", "registry"


@dataclass(frozen=True)
class Template(Reference):
    """A template with all that it says about the container of a pod, for providers that tell it."""

    args: str | None = None
    disk_gb: int | None = None
    registry: str | None = None
    volume: Mount | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class OwnEnd:
    """How a pod ends itself, in words of a POSIX shell.

    These are the variables of its container that hold its own key and its id, the address of the API, and the text that
    does it. That text finds ``$id``, ``$try`` (how often it was tried) and ``ask METHOD PATH [BODY]``, one request with
    the key; it succeeds when the order was accepted.
    """

    key: str
    id: str
    url: str
    script: str


@dataclass(frozen=True)
class Capabilities:
    """What shared code may ask of a driver, so that it never asks which provider it is.

    :param stop: pods can be stopped and started again.
    :param restart: a pod's container can be restarted in place.
    :param update: a pod can be changed after its create.
    :param logs: the container's log can be read over the authenticated API.
    :param interruptible: cheaper pods that may be taken away are for rent.
    :param recycle: a pod's container can be made anew in place, without giving its GPU back.
    :param onstart: a text can be run at each start of the container, beside the image's own command.
    :param keeps_disk: a stopped pod keeps the container's own disk.
    :param shows_template: a pod tells from which template it was made, and that it was from none.
    :param prints_host_keys: the container's log may hold the host keys' fingerprints.
    :param watched: seconds for which an ended pod must stay away to count as gone.
    :param commands_by_proxy: its proxy runs commands without a terminal, as any SSH server does.
    :param query: its market is searched in a query language of its own.
    :param ssh_images: beginnings of the names of images whose own command starts an SSH server.
    :param own_end: how a pod ends itself, by a key that can do nothing to others; None: it cannot.
    :param because: capability -> why it is missing, as the end of a sentence.
    """

    stop: bool = True
    restart: bool = True
    update: bool = True
    logs: bool = True
    interruptible: bool = False
    recycle: bool = False
    onstart: bool = False
    keeps_disk: bool = False
    shows_template: bool = False
    prints_host_keys: bool = True
    watched: float = 0.0
    commands_by_proxy: bool = True
    query: bool = False
    ssh_images: tuple[str, ...] = ()
    own_end: OwnEnd | None = None
    because: Mapping[str, str] = field(default_factory=dict)


class Provider(abc.ABC):
    """One provider, reached with one key."""

    #: The word that users write: ``runpod``.
    name: str
    capabilities: Capabilities
    #: The variable of the environment that its key is taken from.
    key_variable: str | None = None
    #: The kinds of hosts that are searched by default; empty: all.
    usual_clouds: tuple[str, ...] = ()

    @abc.abstractmethod
    def offers(self, query: OfferQuery) -> list[Offer]:
        """Return everything the catalogue has for the query's count, clouds, regions and CUDA versions.

        It is returned in stock or not, at any price: names of GPUs, price and availability are judged by ``_market``,
        which must also see what does not fit to say why.

        :raises BadRequest: for a region that does not exist.
        """

    def near_offers(self, query: OfferQuery) -> list[Offer]:
        """Return what ``offers`` leaves out, or shows as out of stock, because of the provider's own filters.

        Each has its ``objections``. It is called only when nothing fits, to say which requirement excludes what.
        """
        return []

    def known_regions(self, words: Sequence[str]) -> tuple[str, ...]:
        """Those of the words (capital letters, no countries) that are places of this provider."""
        return ()

    @abc.abstractmethod
    def check(self, request: PodRequest) -> None:
        """Refuse, for nothing, what the provider is known to refuse or to misunderstand.

        Asked twice: before the offers are known (no GPU, cloud and place in the request yet), and of each offer.

        :raises BadRequest: with one sentence that names the option, its value and a remedy.
        """

    def check_changes(self, pod: Pod, changes: Mapping[str, Any]) -> None:  # noqa: B027 - to have nothing to say is fine
        """Check an ``update`` in the same way.

        :raises BadRequest: with one sentence.
        """

    def find(self, kind: str, reference: str) -> Reference:
        """Return what an id or a name stands for; ``kind`` is TEMPLATE, NETWORK_VOLUME or REGISTRY.

        :raises BadRequest: when nothing, or more than one thing, has that name, naming what exists.
        """
        raise BadRequest(f"{self.name} has nothing of the kind {kind}, so {reference!r} cannot be used; leave it out.")

    def start_command(self, entrypoint: Sequence[str] | None, cmd: Sequence[str] | None) -> str:
        """Words of an entrypoint and a command as the one text that ``PodRequest.args`` is. Empty: the image's own."""
        raise BadRequest(f"{self.name} takes no entrypoint and no cmd; use args.")

    @abc.abstractmethod
    def create(self, request: PodRequest) -> Pod:
        """Rent one pod. Sends exactly one create.

        :raises Ambiguous: when it is unknown whether the pod exists now.
        :raises CloudError: any other kind means that no pod was made; ``error.elsewhere`` says whether the next offer
            is worth a try.
        """

    def rent(self, request: PodRequest, gate: Gate) -> Pod:
        """Call ``create`` with the gate held while it is sent; the caller leaves the gate.

        A driver whose create may have to wait enters the gate only after that, and leaves it before it waits again.
        """
        gate.enter()
        return self.create(request)

    def places(self, regions: Sequence[str]) -> tuple[str, ...]:
        """Regions as the provider's offers and pods name them. :raises BadRequest: for one that does not exist."""
        return tuple(region.upper() for region in regions)

    def filters(self, given: Any) -> Mapping[str, Any]:
        """Check filters of offers in the provider's own query language.

        :raises BadRequest: with one sentence.
        """
        if given:
            raise BadRequest(f"The offers of {self.name} cannot be searched by {given!r}; leave the option search out.")
        return {}

    def finish_create(self, pod: Pod, request: PodRequest) -> Pod:
        """Do what is left to do with a pod that was just made and recorded: read its contract back, attach keys.

        :raises CloudError: when the contract is not what was requested; the pod is then given back.
        """
        return pod

    def start_once(self, pod: Pod) -> bool:
        """One try to start a pod that was made to run and never did. False: there is nothing to try."""
        return False

    def recycle(self, pod_id: str) -> Pod:
        """Replace the pod's container with a fresh one from its image, in place.

        :raises Conflict: when that is not allowed now.
        """
        raise BadRequest(f"{self.name} cannot replace a pod's container in place; end the pod and rent another.")

    @abc.abstractmethod
    def get_pod(self, pod_id: str) -> Pod:
        """Return the pod with this id.

        :raises NotFound: when the provider has no such pod. Within the grace time after a create this proves nothing.
        """

    @abc.abstractmethod
    def logs(self, pod_id: str, *, source: str = "container", tail: int = 500, deadline: float = 10.0) -> list[str]:
        """Return the last lines of the pod's log, oldest first.

        ``source`` is ``container`` or ``system``; it takes ``deadline`` seconds at most.
        """

    @abc.abstractmethod
    def list_pods(self) -> list[Pod]:
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
        """Return a shell command, without any secret in it, by which a person ends the pod when all else failed."""

    @abc.abstractmethod
    def stop_cost(self, pod: Pod) -> StopCost:
        """Return what stopping this pod would lose, keep, and cost per month."""

    def rates(self, offer: Offer, disk_gb: float, volume_gb: float) -> Rates:
        """How a pod with disks of these sizes is billed on this offer, which was found by a query for that disk."""
        remark = f"{self.name}: what disk and traffic cost is not known, and not counted"
        return Rates(gpu=offer.usd_per_hour, remarks=(remark,))

    @property
    def notes(self) -> Sequence[str]:
        """Remarks for a person who debugs, for instance that the balance could not be read."""
        return ()

    # -- whose pods these are
    # ---------------------------------------------------------------------------------------------------------

    @property
    def key_hash(self) -> str | None:
        """A word that stands for the key and from which it cannot be read. None: accounts cannot be distinguished."""
        return None

    def account_id(self) -> str | None:
        """Return the account's id at this address, which stays when its key is replaced; None where it is not given.

        :raises CloudError: when it cannot be read.
        """
        return None

    # -- the budget of requests: a provider without one has nothing to say here
    # -------------------------------------------------------------------------

    @property
    def account_mark(self) -> str | None:
        """Return a word without any secret that stands for this account at this address.

        Processes with the same one share what they see. None: nothing is shared.
        """
        return None

    @property
    def held_back(self) -> float:
        """Seconds for which requests had to wait so far, because of the provider's rate limit."""
        return 0.0

    @property
    def clock_ahead(self) -> float | None:
        """Seconds by which the provider's clock is ahead of this machine's, by its last answer; None: unknown."""
        return None

    def urgently(self) -> contextlib.AbstractContextManager[None]:
        """Inside the block requests give money back, and go before all others."""
        return contextlib.nullcontext()

    def tell(self, say: Callable[[str], None]) -> None:  # noqa: B027 - who never waits has nothing to tell
        """Where a line goes that people should see when a request has to wait."""


class HttpProvider(Provider):
    """A provider behind one HTTP API, of which its session answers all that concerns keys, quotas and waiting.

    A driver sets ``name`` and ``capabilities``, hands its session and its key on, and implements ``_create``.
    """

    _api: ApiSession

    def __init__(self, api: ApiSession, api_key: str) -> None:
        self._api = api
        self._key = api_key
        self._notes: list[str] = []

    @property
    def notes(self) -> Sequence[str]:
        """See Provider."""
        return tuple(self._notes)

    @property
    def key_hash(self) -> str | None:
        """See Provider."""
        return key_hash(self.name, self._key)

    @property
    def account_mark(self) -> str | None:
        """See Provider."""
        return self._api.budget.mark

    @property
    def held_back(self) -> float:
        """See Provider."""
        return self._api.budget.held_back

    @property
    def clock_ahead(self) -> float | None:
        """See Provider."""
        return self._api.clock_ahead

    def urgently(self) -> contextlib.AbstractContextManager[None]:
        """See Provider."""
        return self._api.urgently()

    def tell(self, say: Callable[[str], None]) -> None:
        """See Provider."""
        self._api.budget.tell = say

    def create(self, request: PodRequest) -> Pod:
        """See Provider."""
        return self._create(request, None)

    def rent(self, request: PodRequest, gate: Gate) -> Pod:
        """See Provider. The session enters the gate when it sends, and not while it waits for its turn."""
        return self._create(request, gate)

    @abc.abstractmethod
    def _create(self, request: PodRequest, gate: Gate | None) -> Pod:
        """Send one create, with the gate handed on to the session. Raises what ``Provider.create`` does."""


Connect = Callable[[Optional[str], Optional[str], Mapping[str, str]], Provider]
OpenAccount = Callable[[Optional[str], Optional[str], Mapping[str, str]], AccountApi]


@dataclass(frozen=True)
class ProviderInfo:
    """What the collection knows of a provider before it asks it anything: one row of the registry.

    Reading a row loads no driver: its functions import what they need when they are called. Key, address and
    environment go to ``connect`` and ``account_api`` in this order; None is "not given by an option".

    :param name: the word that users write, and the name of its options in the module ``pod``: ``runpod``.
    :param title: how its own people write it.
    :param connect: makes its driver without asking anything; raises AuthError and BadRequest.
    :param capabilities: what its driver declares of itself without a key.
    :param settings: its variables of the environment. Those that are secret never reach a pod.
    :param key_origin: says where a key would be taken from that no option gives: its name there, and the place.
    :param every_key: reads the keys from all places in which one is looked for.
    :param account_api: opens what an account holds beside pods; None where no module manages that.
    :param own_options: options of ``pod`` that only some providers have and that shared code understands, as parts of
        an argument_spec: fields of PodSpec, ``search``, ``entrypoint``, ``cmd``.
    :param extra_options: options of ``pod`` that go to its driver as they are, in ``PodRequest.extra``.
    :param pod_module: the module that changes its pods in place; None where there is none.
    """

    name: str
    title: str
    connect: Connect
    capabilities: Callable[[], Capabilities]
    settings: tuple[Setting, ...]
    key_origin: Callable[[Mapping[str, str], Sources], tuple[str, str] | None]
    every_key: Callable[[Mapping[str, str], Sources], list[str]]
    account_api: OpenAccount | None = None
    own_options: Mapping[str, Any] = field(default_factory=dict)
    extra_options: Mapping[str, Any] = field(default_factory=dict)
    pod_module: str | None = None

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The variables of the environment that hold an account's key."""
        return tuple(setting.name for setting in self.settings if setting.secret)
