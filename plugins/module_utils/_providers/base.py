# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define what a driver must offer, and what it declares about itself.

A driver turns a provider's wire format into the plain data of ``_core/pod.py`` and ``_core/offer.py``, and its refusals
into the errors of ``_core/errors.py``. It knows nothing of other drivers, of Ansible or of waiting, and never repeats a
create.
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

#: The changes that ``update`` understands, in our own names.
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
#: Fields of a change -> the options of the modules, where the names differ.
OPTIONS: Mapping[str, str] = {
    "disk_gb": "disk",
    "volume_size_gb": "volume.size",
    "mount_path": "path of the mount",
}
#: Kinds of objects that a pod may refer to: see ``Provider.find``.
TEMPLATE, NETWORK_VOLUME, REGISTRY = "template", "network_volume", "registry"


@dataclass(frozen=True)
class Template(Reference):
    """A template with everything that it says about a pod's container, for providers that show it."""

    args: str | None = None
    disk_gb: int | None = None
    registry: str | None = None
    volume: Mount | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class OwnEnd:
    """How a pod ends itself, in POSIX shell.

    :param key: the variable of its container that holds its own API key.
    :param id: the variable of its container that holds its id.
    :param url: the address of the API.
    :param script: the script that ends the pod. It can use ``$id``, ``$try`` (the number of the try) and
        ``ask METHOD PATH [BODY]``, which sends one request with the key, and it succeeds when the order was accepted.
    """

    key: str
    id: str
    url: str
    script: str


@dataclass(frozen=True)
class Capabilities:
    """What a provider can do: shared code asks for it, and never for the provider's name.

    :param stop: pods can be stopped and started again.
    :param restart: a pod's container can be restarted in place.
    :param update: a pod can be changed after its create.
    :param logs: the container's log can be read over the authenticated API.
    :param interruptible: it also rents out cheaper pods, which it may take away.
    :param recycle: a pod's container can be replaced in place while the pod keeps its GPU.
    :param onstart: a script can run at each start of the container, besides the image's own command.
    :param keeps_disk: a stopped pod keeps the container's own disk.
    :param shows_template: a pod says from which template it was created, or that it was from none.
    :param prints_host_keys: the container's log may contain the fingerprints of the host keys.
    :param watched: seconds for which an ended pod must stay absent to count as gone.
    :param commands_by_proxy: its proxy runs commands without a terminal, as any SSH server does.
    :param query: its market is searched in a query language of its own.
    :param ssh_images: prefixes of the names of images whose own command starts an SSH server.
    :param own_end: how a pod ends itself with a key that has no power over other pods; None when it cannot.
    :param because: capability -> why it is missing, as a clause for a message.
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
    """One provider, used with one API key."""

    #: The word that users write: ``runpod``.
    name: str
    capabilities: Capabilities
    #: The environment variable from which its key is taken.
    key_variable: str | None = None
    #: The classes of hosts that are searched by default; empty for all.
    usual_clouds: tuple[str, ...] = ()

    @abc.abstractmethod
    def offers(self, query: OfferQuery) -> list[Offer]:
        """Return all offers for the query's count, clouds, regions and CUDA versions.

        Offers out of stock and at any price are among them: ``_market`` judges GPU names, price and availability, and
        must see what does not fit to say why.

        :raises BadRequest: for a region that does not exist.
        """

    def near_offers(self, query: OfferQuery) -> list[Offer]:
        """Return the offers that ``offers`` leaves out, or shows as out of stock, because of the provider's filters.

        Each has its ``objections``. The market calls this only when no offer fits, to say which requirement excludes
        which offers.
        """
        return []

    def known_regions(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return those of the words (in capitals, without countries) that name regions of this provider."""
        return ()

    @abc.abstractmethod
    def check(self, request: PodRequest) -> None:
        """Check a request before it costs money: refuse what the provider would refuse or misunderstand.

        It is called before the offers are known (the request has no GPU, cloud and place yet), and for each offer.

        :raises BadRequest: with one sentence that names the option, its value and a remedy.
        """

    def check_changes(self, pod: Pod, changes: Mapping[str, Any]) -> None:  # noqa: B027 - a driver may accept all
        """Check an ``update`` in the same way.

        :raises BadRequest: with one sentence.
        """

    def find(self, kind: str, reference: str) -> Reference:
        """Return the object that an id or a name refers to.

        :param kind: TEMPLATE, NETWORK_VOLUME or REGISTRY.
        :raises BadRequest: when none, or more than one, has that name; it lists what exists.
        """
        raise BadRequest(f"{self.name} does not support {kind}: leave out {reference!r}.")

    def start_command(self, entrypoint: Sequence[str] | None, cmd: Sequence[str] | None) -> str:
        """Return an entrypoint and a command as the text of ``PodRequest.args``; empty for the image's own."""
        raise BadRequest(f"{self.name} does not support entrypoint and cmd; use args.")

    @abc.abstractmethod
    def create(self, request: PodRequest) -> Pod:
        """Rent one pod, by exactly one create.

        :raises Ambiguous: when it is unknown whether the pod exists.
        :raises CloudError: of any other class when no pod was created; ``error.elsewhere`` says whether the next offer
            is worth a try.
        """

    def rent(self, request: PodRequest, gate: Gate) -> Pod:
        """Call ``create`` with the gate entered before it is sent; the caller leaves the gate.

        A driver whose create may have to wait enters the gate after the wait, and leaves it before it waits again.
        """
        gate.enter()
        return self.create(request)

    def places(self, regions: Sequence[str]) -> tuple[str, ...]:
        """Return regions as the provider's offers and pods name them.

        :raises BadRequest: for a region that does not exist.
        """
        return tuple(region.upper() for region in regions)

    def filters(self, given: Any) -> Mapping[str, Any]:
        """Check filters of offers in the provider's own query language.

        :raises BadRequest: with one sentence.
        """
        if given:
            raise BadRequest(f"{self.name} has no query language for {given!r}; leave out the option search.")
        return {}

    def finish_create(self, pod: Pod, request: PodRequest) -> Pod:
        """Finish a pod that was just created and recorded: read its contract back, attach SSH keys.

        :raises CloudError: when the contract is not what was requested; the caller then gives the pod back.
        """
        return pod

    def start_once(self, pod: Pod) -> bool:
        """Try once to start a pod that should run and never did; return False when there is nothing to try."""
        return False

    def recycle(self, pod_id: str) -> Pod:
        """Replace the pod's container with a fresh one from its image, in place.

        :raises Conflict: when the provider does not allow it now.
        """
        raise BadRequest(f"{self.name} cannot replace a pod's container in place; end the pod and rent another one.")

    @abc.abstractmethod
    def get_pod(self, pod_id: str) -> Pod:
        """Return the pod with this id.

        :raises NotFound: when the provider has no such pod. Within the grace after a create this proves nothing.
        """

    @abc.abstractmethod
    def logs(self, pod_id: str, *, source: str = "container", tail: int = 500, deadline: float = 10.0) -> list[str]:
        """Return the last lines of the pod's log, oldest first.

        :param source: ``container`` or ``system``.
        :param tail: the number of lines.
        :param deadline: the most seconds to take.
        """

    @abc.abstractmethod
    def list_pods(self) -> list[Pod]:
        """Return all pods of the account, from all pages.

        :raises CloudError: when any part cannot be read: a list is never partial, or empty because of an error.
        """

    @abc.abstractmethod
    def update(self, pod_id: str, changes: Mapping[str, Any]) -> Pod:
        """Change what is in ``changes`` (keys of CHANGES) and nothing else; this may reset the container."""

    @abc.abstractmethod
    def start(self, pod_id: str) -> Pod:
        """Start a stopped pod.

        :raises Conflict: when the provider does not allow it now.
        """

    @abc.abstractmethod
    def stop(self, pod_id: str) -> Pod:
        """Stop a pod, which goes on costing money.

        :raises Conflict: when the provider does not allow it now.
        """

    @abc.abstractmethod
    def restart(self, pod_id: str) -> Pod:
        """Restart the pod's container in place.

        :raises Conflict: when the provider does not allow it now.
        """

    @abc.abstractmethod
    def terminate(self, pod_id: str) -> bool:
        """End the pod for good; the caller proves that it is gone.

        :returns: True when the provider accepted the order; False when it has no such pod (404). That is a success
            too, but it proves nothing for a pod that was created moments ago and may not be shown yet.
        """

    @abc.abstractmethod
    def account(self) -> Account:
        """Return balance and spending, each None where the provider does not show it."""

    @abc.abstractmethod
    def end_command(self, pod_id: str) -> str:
        """Return a shell command without secrets with which a person ends the pod when everything else fails."""

    @abc.abstractmethod
    def stop_cost(self, pod: Pod) -> StopCost:
        """Return what this pod would lose, keep, and cost per month if it were stopped."""

    def rates(self, offer: Offer, disk_gb: float, volume_gb: float) -> Rates:
        """Return how a pod with disks of these sizes is billed.

        :param offer: an offer that was found by a query for this container disk.
        """
        remark = f"{self.name}: the prices of disk and traffic are not known and not included"
        return Rates(gpu=offer.usd_per_hour, remarks=(remark,))

    @property
    def notes(self) -> Sequence[str]:
        """Remarks for debugging, for instance that the balance could not be read."""
        return ()

    # -- whose pods these are
    # ---------------------------------------------------------------------------------------------------------

    @property
    def key_hash(self) -> str | None:
        """A hash of the API key, from which the key cannot be read; None when accounts cannot be told apart."""
        return None

    def account_id(self) -> str | None:
        """Return the account's id at this address, which outlives a key; None where the provider does not show it.

        :raises CloudError: when it cannot be read.
        """
        return None

    # -- the request quota, for providers that have one
    # -------------------------------------------------------------------------

    @property
    def account_mark(self) -> str | None:
        """A hash without secrets that stands for this account at this address; None when nothing is shared.

        Processes with the same mark share what they see.
        """
        return None

    @property
    def held_back(self) -> float:
        """Seconds for which requests have waited so far because of the provider's rate limit."""
        return 0.0

    @property
    def clock_ahead(self) -> float | None:
        """Seconds by which the provider's clock is ahead of this machine's, from its last answer; None if unknown."""
        return None

    def urgently(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which requests end pods or prove them gone, and go before all others."""
        return contextlib.nullcontext()

    def tell(self, say: Callable[[str], None]) -> None:  # noqa: B027 - a provider without waits has nothing to say
        """Take ``say``, which shows a line on the screen when a request has to wait."""


class HttpProvider(Provider):
    """A provider behind one HTTP API, whose session knows about keys, quotas and waits.

    A driver sets ``name`` and ``capabilities``, passes on its session and its key, and implements ``_create``.
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
        """See Provider. The session enters the gate when it sends, not while the request waits for its turn."""
        return self._create(request, gate)

    @abc.abstractmethod
    def _create(self, request: PodRequest, gate: Gate | None) -> Pod:
        """Send one create, passing the gate on to the session; raise what ``Provider.create`` raises."""


Connect = Callable[[Optional[str], Optional[str], Mapping[str, str]], Provider]
OpenAccount = Callable[[Optional[str], Optional[str], Mapping[str, str]], AccountApi]


@dataclass(frozen=True)
class ProviderInfo:
    """What the collection knows about a provider without a request: one row of the registry.

    Reading a row imports no driver: its functions import what they need when they are called. ``connect`` and
    ``account_api`` take the key, the address and the environment, where None stands for "not given by an option".

    :param name: the word that users write, and the name of its options in the module ``pod``: ``runpod``.
    :param title: the provider's own spelling of its name.
    :param connect: makes its driver without a request; raises AuthError and BadRequest.
    :param capabilities: returns what its driver declares without a key.
    :param settings: its environment variables. Secret ones never reach a pod.
    :param key_origin: returns where a key would come from when no option gives it: its name there, and the place.
    :param every_key: reads the keys from all places where one is looked for.
    :param account_api: opens what an account holds besides pods; None when no module manages that.
    :param own_options: options of ``pod`` that only some providers have and that shared code understands, as parts of
        an argument_spec: fields of PodSpec, ``search``, ``entrypoint``, ``cmd``.
    :param extra_options: options of ``pod`` that reach its driver unchanged, in ``PodRequest.extra``.
    :param pod_module: the module that changes its pods in place; None when there is none.
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
        """The environment variables that hold an account's key."""
        return tuple(setting.name for setting in self.settings if setting.secret)
