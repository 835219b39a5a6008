# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan asks the providers: account, pods, what the job names, offers. Only reading. Private to this collection.

A problem with one provider is kept beside its name and keeps no other from being asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.podyard.gpu.plugins.module_utils import _http, _market, _providers
from ansible_collections.podyard.gpu.plugins.module_utils._errors import AuthError, BadRequest, CloudError
from ansible_collections.podyard.gpu.plugins.module_utils._offer import Offer, OfferQuery
from ansible_collections.podyard.gpu.plugins.module_utils._pod import GONE, Account, Mount, Pod, Reference
from ansible_collections.podyard.gpu.plugins.module_utils._provider import NETWORK_VOLUME, Provider
from ansible_collections.podyard.gpu.plugins.module_utils._settings import Sources
from ansible_collections.podyard.gpu.plugins.module_utils._wanted import Wanted, resolve
from ansible_collections.podyard.gpu.plugins.plugin_utils._threads import begin


@dataclass
class Answers:
    """What one provider says. ``error`` is why it is of no use to this job, ``notes`` are remarks of its driver."""

    name: str
    provider: Provider | None = None
    #: Where its key comes from: the name there, and the place.
    key: tuple[str, str] | None = None
    account: Account | None = None
    pods: list[Pod] = field(default_factory=list)
    wanted: Wanted | None = None
    query: OfferQuery | None = None
    volume: Reference | None = None
    error: CloudError | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class Market:
    """What all providers say: each one's answers, then the offers that fit, in the order in which they are tried."""

    answers: list[Answers] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    down: Mapping[str, CloudError] = field(default_factory=dict)
    refusal: CloudError | None = None

    def of(self, name: str) -> Answers:
        """The answers of one provider."""
        return next(answers for answers in self.answers if answers.name == name)


Connect = Callable[[str], Provider]


def connector(options: Mapping[str, Any], environ: Mapping[str, str]) -> Connect:
    """The way to a driver, with key and address from the options or where the vendor's tools look."""

    def connect(name: str) -> Provider:
        if _http.LIBRARY_PROBLEM is not None:
            raise CloudError(
                "The Python that runs ansible-playbook lacks the library requests, and without it no provider can be "
                "asked: install it there."
            )
        return _providers.connect(name, api_key=options["api_key"], api_url=options["api_url"], environ=environ)

    return connect


def ask(
    options: Mapping[str, Any], environ: Mapping[str, str], connect: Connect, tell: Callable[[str], None]
) -> Market:
    """Ask all providers at the same time; nothing is raised but what is a fault of ours."""
    market = Market([_opened(name, options, environ, connect, tell) for name in options["providers"]])
    useful = [answers for answers in market.answers if answers.error is None]
    _in_threads([lambda answers=answers: _look(answers, options) for answers in useful])  # type: ignore[misc]
    useful = [answers for answers in useful if answers.error is None]
    if not useful:
        return market
    providers = {answers.name: answers.provider for answers in useful if answers.provider is not None}
    queries = {answers.name: answers.query for answers in useful if answers.query is not None}
    try:
        survey = _market.survey(providers, queries)
        market.offers, market.notes, market.down = list(survey.offers), list(survey.notes), survey.down
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
    """A provider that can be asked, and where its key comes from."""
    answers = Answers(name)
    try:
        if options["api_key"]:
            answers.key = ("api_key", "the option")
        else:
            answers.key = _providers.key_origin(name, environ, Sources(environ))
        answers.provider = connect(name)
        answers.provider.tell(tell)
    except CloudError as error:
        answers.error = error
    return answers


def _look(answers: Answers, options: Mapping[str, Any]) -> None:
    """Everything but the offers: what these are searched by may depend on it."""
    provider = answers.provider
    assert provider is not None
    try:
        answers.account = _account(provider, answers.notes)
        answers.pods = [pod for pod in provider.list() if pod.phase != GONE]
        wanted = pod_of(options, provider)
        if wanted.network_volume is not None:
            answers.volume = provider.find(NETWORK_VOLUME, str(wanted.network_volume.volume_id))
        # Places are judged with the offers, where each provider takes those that it knows.
        unplaced = replace(wanted, regions=None).request(None, str(wanted.name))
        for cloud in wanted.clouds or ("",):
            provider.check(replace(unplaced, cloud=cloud or None))
        answers.wanted = resolve(wanted, provider)
        answers.query = query_of(options, answers.wanted)
    except CloudError as error:
        answers.error = error


def _account(provider: Provider, notes: list[str]) -> Account:
    """Balance and spending. A key may have no right to see them and still be good for renting."""
    try:
        account = provider.account()
    except AuthError:
        raise
    except CloudError as error:
        notes.append(error.message)
        return Account(provider.name)
    notes += provider.notes
    return account


def pod_of(options: Mapping[str, Any], provider: Provider) -> Wanted:
    """The pod that the options describe, as this provider has such pods."""
    able = provider.capabilities
    disk, volume = options["disk"], options["volume_size"]
    if able.keeps_disk:
        # There is one disk, which outlives a stop by itself.
        disk, volume = disk + (volume or 0), None
    if options["interruptible"] and not able.interruptible:
        why = able.because.get("interruptible", f"{provider.name} has no interruptible pods")
        raise BadRequest(f"{why}; leave interruptible out, or name other providers.")
    return Wanted(
        name=options["name"] or "podyard-plan",
        image=options["image"] or None,
        gpus=tuple(options["gpus"]),
        gpu_count=options["gpu_count"],
        clouds=tuple(options["clouds"]),
        regions=tuple(options["regions"]) or None,
        min_cuda_version=options["min_cuda_version"],
        max_price=options["max_price"],
        disk_gb=disk,
        volume=Mount("disk", None, size_gb=volume) if volume else None,
        network_volume=Mount("network", None, volume_id=options["network_volume"])
        if options["network_volume"]
        else None,
        template_id=options["template"] or None,
        registry=options["registry"] or None,
        bid=options["bid"],
        hours=options["max_hours"],
    )


def query_of(options: Mapping[str, Any], wanted: Wanted) -> OfferQuery:
    """What to look for at one provider."""
    return replace(
        wanted.query(),
        min_gpu_memory=options["min_gpu_memory"],
        min_compute_capability=options["min_compute_capability"],
        min_ram_gb=options["min_memory"],
        min_vcpus=options["min_vcpus"],
        interruptible=options["interruptible"],
        rank_by=options["rank_by"],
    )


def _in_threads(works: list[Callable[[], None]]) -> None:
    """Do all of it at the same time; what one of them raises is raised here."""
    faults: list[Exception] = []

    def safely(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as fault:  # noqa: BLE001 - it is raised again where somebody sees it
            faults.append(fault)

    threads = [begin(lambda work=work: safely(work), "podyard-plan") for work in works]  # type: ignore[misc]
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
