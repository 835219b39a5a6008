# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the plan of a training: what is known before anything is rented."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ...module_utils._core.names import PodName
from ...module_utils._core.offer import Offer
from ...module_utils._core.patterns import BadPattern, Patterns
from ...module_utils._core.pod import FAILED, Pod
from .._common.files import now
from .._record.record import RunError, RunRecord
from .._record.run_file import RunFile
from .._transfer.manifest import Tree, TreeError, scan
from . import cuda
from .cost import GB, Load, estimate, push_seconds
from .market import Answers, Market
from .record import (
    LIMITS,
    POD,
    SCHEMA,
    Account,
    Credential,
    Disk,
    Estimate,
    Plan,
    PlanLimits,
    PlannedOffer,
    PodOptions,
    PodThere,
    RunThere,
    SentTree,
    Transfer,
)

#: Offers that are shown and kept; a market of single machines has hundreds.
SHOWN = 10
#: What is assumed by default: Mbit/s of this machine's line, GB for what a training writes, GB of an image with
#: CUDA and torch in it.
BANDWIDTH, OUTPUT_GB, IMAGE_GB = 50.0, 5.0, 10.0


@dataclass
class Trees:
    """Code and data on this machine; a problem with one of them is a sentence."""

    code: Tree | None = None
    dataset: Tree | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(tree.bytes for tree in (self.code, self.dataset) if tree is not None)


def read_trees(options: Mapping[str, Any], locate: Callable[[str], Path]) -> Trees:
    """Read what will be sent: only the directories, and whether each file may be read."""
    found = Trees()
    for name in ("code", "dataset"):
        if not options[name]:
            continue
        try:
            tree = scan(locate(options[name]), Patterns((), tuple(options[f"{name}_exclude"])))
        except (BadPattern, TreeError) as error:
            found.problems.append(str(error))
            continue
        setattr(found, name, tree)
        closed = [path for path in tree.files if not os.access(tree.root / path, os.R_OK)]
        if closed:
            more = f" and {len(closed) - 1} more files" if len(closed) > 1 else ""
            found.problems.append(
                f"{tree.root / closed[0]}{more} cannot be read by this user, so that the {_word(name)} cannot be sent "
                f"complete: make it readable, or exclude it ({options['prefix']}{name}_exclude)."
            )
    return found


def _word(name: str) -> str:
    return "data" if name == "dataset" else name


def load_of(options: Mapping[str, Any], trees: Trees) -> Load:
    """Return what goes over the line, with what is assumed where nothing is given."""
    return Load(
        sent=trees.bytes,
        output_gb=_given(options["output_gb"], OUTPUT_GB),
        image_gb=_given(options["image_gb"], IMAGE_GB),
        bandwidth=_given(options["bandwidth"], BANDWIDTH),
        hours=options["max_hours"],
        max_cost=options["max_cost"],
    )


def _given(value: float | None, assumed: float) -> float:
    return assumed if value is None else value


def build(options: Mapping[str, Any], market: Market, trees: Trees) -> Plan:
    """All of the plan but what its checks say of it."""
    load = load_of(options, trees)
    estimates = [_estimate(options, market, offer, load) for offer in market.offers]
    image = _image(options, market)
    return Plan(
        schema=SCHEMA,
        created_at=now(),
        title=options["title"],
        credentials=[_credential(answers) for answers in market.answers],
        accounts=[_account(answers, market.offers, estimates) for answers in market.answers],
        pod=PodOptions(**{name: options[name] for name in POD}),
        offers=_told_offers(market.offers, estimates)[:SHOWN],
        offers_fitting=len(market.offers),
        notes=list(market.notes),
        estimate=estimates[0] if estimates else None,
        usd_per_hour_at_most=max(_known(estimates, "usd_per_hour"), default=None),
        usd_at_most=max(_known(estimates, "usd_at_most"), default=None),
        # On the dearest offer, where the money is gone first.
        hours_at_most=min(_known(estimates, "hours_at_most"), default=None),
        balance_usd=_total(answers.account.balance_usd for answers in market.answers if answers.account),
        code=_tree(trees.code),
        dataset=_tree(trees.dataset),
        transfer=_transfer(options, market.offers, load),
        disk=_disk(options, market, trees.bytes, load.output_gb),
        image=image,
        image_gb=load.image_gb,
        cuda=cuda.against(image, options["min_cuda_version"], market.offers),
        command=options["command"],
        artifacts=list(options["artifacts"]),
        artifacts_max_gb=options["artifacts_max_gb"],
        ready_when=options["ready_when"],
        files=list(options["files"]),
        run=_run(options, market),
        limits=PlanLimits(**{name: options[name] for name in LIMITS}),
        settings=list(options["settings"]),
        assumptions=_assumptions(options, market, load),
    )


def _image(options: Mapping[str, Any], market: Market) -> str | None:
    """Return the image that is given, else the one of the template."""
    templates = [answers.wanted.template for answers in market.answers if answers.wanted is not None]
    return options["image"] or next((each.image for each in templates if each is not None and each.image), None)


def _estimate(options: Mapping[str, Any], market: Market, offer: Offer, load: Load) -> Estimate:
    provider = market.of(offer.provider).asked()
    volume = 0 if options["network_volume"] else options["volume_size"] or 0
    return estimate(offer, provider.rates(offer, options["disk"], volume), load)


def _told_offers(offers: Sequence[Offer], estimates: Sequence[Estimate]) -> list[PlannedOffer]:
    """Return the offers in their order, alike ones of one machine once: where it fails, none of them is tried."""
    found: dict[Any, PlannedOffer] = {}
    for number, (offer, each) in enumerate(zip(offers, estimates, strict=True)):
        same = (offer.provider, offer.host, offer.gpu_id, offer.gpu_count, offer.interruptible, offer.usd_per_hour)
        told = PlannedOffer.from_json({**offer.to_result(), "alike": 0, "estimate": each.to_json()})
        found.setdefault(same if offer.host else number, told).alike += 1
    return list(found.values())


def _credential(answers: Answers) -> Credential:
    """Where the key comes from, and never the key."""
    name, place = answers.key or (None, None)
    return Credential(answers.name, name, place)


def _account(answers: Answers, offers: Sequence[Offer], estimates: Sequence[Estimate]) -> Account:
    """Return what an account has, and what the run needs of it for the first offer tried there and for the cheapest."""
    mine = [each for offer, each in zip(offers, estimates, strict=True) if offer.provider == answers.name]
    account = answers.account
    return Account(
        provider=answers.name,
        balance_usd=account.balance_usd if account else None,
        spend_usd_per_hour=account.spend_usd_per_hour if account else None,
        spend_limit_usd_per_hour=account.spend_limit_usd_per_hour if account else None,
        pods=len(answers.pods),
        pods_usd_per_hour=_total(pod.usd_per_hour for pod in answers.pods if pod.billing in (None, "gpu")),
        usd_per_hour=min(_known(mine, "usd_per_hour"), default=None),
        first_hour_usd=min((each.first_hour_usd for each in mine if each.first_hour_usd), default=None),
        usd=mine[0].usd if mine else None,
        note=" ".join(answers.notes) or None,
        error=answers.error.message if answers.error else None,
    )


def _tree(tree: Tree | None) -> SentTree | None:
    if tree is None:
        return None
    largest = max((status.size for status in tree.files.values()), default=0)
    return SentTree(str(tree.root), len(tree.files), tree.bytes, largest, list(tree.special))


def _transfer(options: Mapping[str, Any], offers: Sequence[Offer], load: Load) -> Transfer:
    return Transfer(
        bytes=load.sent,
        mbps=load.bandwidth,
        assumed=options["bandwidth"] is None,
        seconds=round(push_seconds(offers[0] if offers else None, load), 1),
    )


def _disk(options: Mapping[str, Any], market: Market, sent: int, output_gb: float) -> Disk:
    """Return the disk that holds code, data and outputs: of several providers' the smallest one."""
    room = float(options["disk"])
    kind: Literal["container", "volume", "network volume"] = "container"
    if options["network_volume"]:
        sizes = [answers.volume.size_gb for answers in market.answers if answers.volume is not None]
        room, kind = float(min((size for size in sizes if size), default=0)), "network volume"
    elif options["volume_size"]:
        separate = any(
            not answers.provider.capabilities.keeps_disk for answers in market.answers if answers.provider is not None
        )
        room = float(options["volume_size"] + (0 if separate else options["disk"]))
        kind = "volume" if separate else "container"
    known = room > 0
    return Disk(
        kind=kind,
        gb=room if known else None,
        sent_gb=round(sent / GB, 3),
        output_gb=output_gb,
        output_assumed=options["output_gb"] is None,
        free_gb=round(room - sent / GB - output_gb, 3) if known else None,
    )


def _run(options: Mapping[str, Any], market: Market) -> RunThere:
    """Whether the name is free."""
    pods = [pod for answers in market.answers for pod in answers.pods if _mine(options["name"], pod)]
    record = _record(options["run_directory"])
    state: Literal["new", "living", "ended", "unproved"] = "new"
    if pods:
        state = "living"
    elif record is not None and record.pods:
        state = "unproved" if record.unproved_pods else "ended"
    return RunThere(
        name=options["name"],
        directory=options["run_directory"],
        state=state,
        outcome=record.outcome if record is not None and state != "new" else None,
        pods=[PodThere(pod.provider, pod.id, pod.name, pod.phase, pod.gpu, pod.usd_per_hour) for pod in pods],
    )


def _mine(name: str | None, pod: Pod) -> bool:
    """Whether a pod has the run's name; an identity stands for all its attempts."""
    if not name or pod.phase == FAILED:
        return False
    identity, parsed = PodName.parse_identity(name), PodName.parse(pod.name)
    if identity is None:
        return pod.name == name
    return parsed is not None and parsed.identity == identity.identity


def _record(directory: str | None) -> RunRecord | None:
    """Return the run's record, if there is one that can be read."""
    try:
        return RunFile(directory).read() if directory else None
    except RunError:
        return None


def _assumptions(options: Mapping[str, Any], market: Market, load: Load) -> list[str]:
    """Return what the figures assume because it was not given, one sentence each without its full stop."""
    found = []
    prefix = options["prefix"]
    if options["image_gb"] is None and market.offers:
        found.append(f"the image has {load.image_gb:g} GB ({prefix}image_gb)")
    if options["bandwidth"] is None and load.sent:
        found.append(f"this machine sends {load.bandwidth:g} Mbit/s ({prefix}bandwidth)")
    if options["output_gb"] is None:
        found.append(f"the training writes {load.output_gb:g} GB ({prefix}output_gb)")
    asked = {offer.provider for offer in market.offers}
    for answers in market.answers:
        if answers.name in asked and answers.provider is not None:
            offer = next(offer for offer in market.offers if offer.provider == answers.name)
            found += answers.provider.rates(offer, options["disk"], options["volume_size"] or 0).remarks
    return found


def _total(values: Any) -> float | None:
    """Return the sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None


def _known(estimates: Sequence[Estimate], name: str) -> list[float]:
    return [value for each in estimates if (value := getattr(each, name)) is not None]
