# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan asks the providers: account, pods, what the job names, offers. Only reading.

A problem with one provider is kept beside its name and keeps no other from being asked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...module_utils._core.errors import AuthError, Blocked, CloudError
from ...module_utils._core.offer import Offer
from ...module_utils._core.pod import GONE, Account, Pod, Reference
from ...module_utils._core.threads import run_together
from ...module_utils._http import session
from ...module_utils._market import search
from ...module_utils._module import pod as pod_options
from ...module_utils._pods.bad_hosts import BadHosts, usual_path
from ...module_utils._pods.context import PodContext
from ...module_utils._pods.order import PodOrder
from ...module_utils._pods.spec import PodSpec, resolve
from ...module_utils._providers import registry
from ...module_utils._providers.base import NETWORK_VOLUME, Provider
from ...module_utils._providers.settings import Sources


@dataclass
class Answers:
    """What one provider says. ``error`` is why it does not suit this job, ``notes`` are remarks of its driver."""

    name: str
    provider: Provider | None = None
    #: Where its key comes from: the name there, and the place.
    key: tuple[str, str] | None = None
    account: Account | None = None
    pods: list[Pod] = field(default_factory=list)
    wanted: PodSpec | None = None
    volume: Reference | None = None
    error: CloudError | None = None
    notes: list[str] = field(default_factory=list)

    def asked(self) -> Provider:
        """Return the provider.

        :raises CloudError: when it could not be connected to.
        """
        if self.provider is None:
            raise self.error or CloudError(f"{self.name} was not asked.")
        return self.provider


@dataclass
class Market:
    """What all providers say: each one's answers, then the offers that fit, in the order in which they are tried."""

    answers: list[Answers] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    down: Mapping[str, CloudError] = field(default_factory=dict)
    refusal: CloudError | None = None

    def of(self, name: str) -> Answers:
        """Return the answers of one provider."""
        return next(answers for answers in self.answers if answers.name == name)


Connect = Callable[[str], Provider]


def connector(options: Mapping[str, Any], environ: Mapping[str, str]) -> Connect:
    """Return the way to a driver, with key and address from the options or where the vendor's tools look."""

    def connect(name: str) -> Provider:
        if session.LIBRARY_PROBLEM is not None:
            raise CloudError(
                "The Python that runs ansible-playbook lacks the library requests, and without it no provider can be "
                "asked: install it there."
            )
        return registry.connect(name, api_key=options["api_key"], api_url=options["api_url"], environ=environ)

    return connect


def ask(
    options: Mapping[str, Any], environ: Mapping[str, str], connect: Connect, tell: Callable[[str], None]
) -> Market:
    """Ask all providers at the same time; nothing is raised but what is a fault of ours."""
    market = Market([_opened(name, options, environ, connect, tell) for name in options["providers"]])
    useful = [answers for answers in market.answers if answers.error is None]
    run_together([functools.partial(_look, answers, options) for answers in useful], "podyard-plan")
    useful = [answers for answers in useful if answers.error is None]
    if not useful:
        return market
    providers = {answers.name: answers.provider for answers in useful if answers.provider is not None}
    queries = {answers.name: answers.wanted.query() for answers in useful if answers.wanted is not None}
    bad_hosts = BadHosts(usual_path(environ), options["run_directory"])
    try:
        survey = search.survey(providers, queries, bad_hosts.why)
        market.offers = bad_hosts.last(survey.offers)
        market.notes, market.down = list(survey.notes), survey.down
        market.refusal = None if market.offers else survey.refusal()
    except CloudError as error:
        market.refusal = error
    return market


def _opened(
    name: str,
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    connect: Connect,
    tell: Callable[[str], None],
) -> Answers:
    """Open a provider that can be asked, and say where its key comes from."""
    answers = Answers(name)
    try:
        if options["api_key"]:
            answers.key = ("api_key", "the option")
        else:
            answers.key = registry.key_origin(name, environ, Sources(environ))
        answers.provider = connect(name)
        answers.provider.tell(tell)
    except CloudError as error:
        answers.error = error
    return answers


def _look(answers: Answers, options: Mapping[str, Any]) -> None:
    """Everything but the offers: what these are searched by may depend on it."""
    provider = answers.asked()
    try:
        # First what must be known: one that does not answer is then waited for once, and not for its balance too.
        answers.pods = [pod for pod in provider.list_pods() if pod.phase != GONE]
        answers.account = _account(provider, answers.notes)
        if options["network_volume"]:
            answers.volume = provider.find(NETWORK_VOLUME, options["network_volume"])
        answers.wanted = pod_of(options, provider)
    except CloudError as error:
        answers.error = error


def _account(provider: Provider, notes: list[str]) -> Account:
    """Balance and spending. A key may have no right to see them and still be good for renting."""
    try:
        account = provider.account()
    except (AuthError, Blocked):
        raise
    except CloudError as error:
        notes.append(error.message)
        return Account(provider.name)
    notes += provider.notes
    return account


def pod_of(options: Mapping[str, Any], provider: Provider) -> PodSpec:
    """Return the pod that the options describe, as the module pod would rent it from this provider.

    :raises BadRequest: for what this provider does not offer, or does not accept.
    """
    volume = {"size": options["volume_size"], "path": None} if options["volume_size"] else None
    network = {"id": None, "name": options["network_volume"], "path": None} if options["network_volume"] else None
    # A market with a query language of its own; others do not read it.
    own = {**(options.get(provider.name) or {}), "search": options["search"] if provider.capabilities.query else None}
    given: dict[str, Any] = {
        **{name: option.get("default") for name, option in pod_options.ARGUMENTS.items()},
        **{name: options[name] for name in pod_options.ARGUMENTS if name in options},
        **{name: options[name] or None for name in ("clouds", "regions", "template", "image", "interruptible")},
        "volume": volume,
        "network_volume": network,
        "hours": options["max_hours"],
        "lease": options["lease_hours"] or None,
        provider.name: own,
    }
    wanted = pod_options.to_spec(given, {})
    wanted = replace(pod_options.at_provider(wanted, given, provider), name=options["name"] or "podyard-plan")
    if not wanted.image and not wanted.template_id:
        # Nothing that could be rented, but a question of what it would cost.
        return resolve(wanted, provider)
    return PodOrder(PodContext(provider), wanted).prepared().wanted
