# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as people read it.

The screen belongs to Ansible: rich only makes text here, without colours, and it is shown by Ansible's own display.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

from ...module_utils._core.shown import cleaned
from ...module_utils._core.units import duration, major_minor, size, usd, usd_total
from .record import Estimate, Plan, PlannedOffer, PodOptions

# A row: what it is about, and its text.
Row = tuple[str, str]
#: Columns of the screen below which the table of offers leaves out what can be done without.
NARROW = 96
#: Files that are made of templates.
FILES = 8
#: Remarks on what is not tried; of many requirements there are many.
NOTES = 5


def rows(plan: Plan) -> tuple[list[Row], list[Row]]:
    """Return the rows before the table of offers, and those after it. The same name is written once."""
    before = [*_run(plan), *_pod(plan), *_accounts(plan)]
    after = [*_cost(plan), *_transfer(plan), *_disk(plan), *_cuda(plan), *_limits(plan)]
    if plan.ready_when:
        after.append(("ready when", plan.ready_when))
    after += [("files", line) for line in _files(plan.files)]
    if plan.command:
        after.append(("command", plan.command))
        after.append(("brings home", _brought_home(plan)))
    keys = {f"{each.name} from {each.place}" for each in plan.credentials}
    after += [("settings", line) for line in plan.settings if line not in keys]
    after += [("assumed", line) for line in plan.assumptions]
    after += [("not tried", line) for line in plan.notes[:NOTES]]
    if len(plan.notes) > NOTES:
        after.append(("not tried", f"and {len(plan.notes) - NOTES} more, in plan.json"))
    after += [("warning", line) for line in plan.warnings]
    after += [("REFUSED", line) for line in plan.problems]
    return before, after


def _brought_home(plan: Plan) -> str:
    """Say what of the training's output comes here."""
    if plan.artifacts:
        return ", ".join(plan.artifacts)
    limit = plan.artifacts_max_gb
    return f"all of the output, up to {limit:g} GB" if limit else "nothing"


def _files(files: Sequence[str]) -> Iterator[str]:
    """Describe what is made of templates, by its places on the pod."""
    yield from files[:FILES]
    if len(files) > FILES:
        yield f"and {len(files) - FILES} more, in plan.json"


def _run(plan: Plan) -> Iterator[Row]:
    run = plan.run
    if not run.name:
        return
    words = {
        "new": "the name is free",
        "living": "there is a pod of this name",
        "ended": "this run has ended",
        "unproved": "this run has ended, and its pods are not proved gone",
    }
    yield "run", f"{run.name}: {words[run.state]}"


def _pod(plan: Plan) -> Iterator[Row]:
    pod = plan.pod
    gpus = ", else ".join(pod.gpus) or "any GPU"
    parts = [f"{pod.gpu_count} x {gpus}", *_requirements(pod)]
    yield "pod", ", ".join(parts)
    template = f"the template {pod.template}" if pod.template else ""
    if plan.image or template:
        yield "image", " with ".join(text for text in (plan.image, template) if text)


def _requirements(pod: PodOptions) -> Iterator[str]:
    """Describe what else is required of it."""
    units = (
        ("min_gpu_memory", "{:g} GB a GPU at least"),
        ("min_compute_capability", "compute capability {:g} at least"),
        ("min_memory", "{:g} GB RAM at least"),
        ("min_vcpus", "{:g} vCPUs at least"),
        ("min_cuda_version", "CUDA {} at least"),
    )
    if pod.clouds:
        yield " or ".join(pod.clouds)
    if pod.regions:
        yield "in " + " or ".join(pod.regions)
    yield from (words.format(value) for name, words in units if (value := getattr(pod, name)))
    if pod.interruptible:
        yield "interruptible" + (f" at a bid of {usd(pod.bid)}" if pod.bid else "")
    yield f"disk {pod.disk} GB"
    if pod.volume_size:
        yield f"volume {pod.volume_size} GB"
    if pod.network_volume:
        yield f"network volume {pod.network_volume}"


def _accounts(plan: Plan) -> Iterator[Row]:
    for each in plan.credentials:
        place = f"{each.name} from {each.place}" if each.name else "none was found"
        yield "credentials", f"{each.provider}: {place}"
    for account in plan.accounts:
        if account.error and account.balance_usd is None:
            continue
        text = f"{account.provider}: {usd_total(account.balance_usd)}"
        if account.balance_usd is None and account.note:
            text += f". {account.note}"
        spend = account.spend_usd_per_hour or account.pods_usd_per_hour
        if account.pods:
            count = "1 pod" if account.pods == 1 else f"{account.pods} pods"
            text += f", and {count} there already" + (f" for {usd(spend)} an hour" if spend else "")
        yield "balance", text


def _cost(plan: Plan) -> Iterator[Row]:
    first = plan.estimate
    if not first:
        return
    if first.usd is not None and first.hours is not None:
        traffic = f", traffic {usd_total(first.traffic_usd)}" if first.traffic_usd else _no_traffic(first)
        disk = f", disk {usd_total(first.disk_usd)}" if first.disk_usd is not None else ", disk unknown"
        parts = f"GPU {usd_total(first.gpu_usd)}{disk}{traffic}"
        yield "cost", f"{usd_total(first.usd)} for {_hours(first.hours)} on offer 1: {parts}"
    else:
        yield "cost", f"{usd(first.usd_per_hour)} an hour on offer 1, for as long as it lives"
    loading = f"{duration(first.loading_seconds)} to load the image ({usd_total(first.loading_usd)})"
    push = f", {duration(first.push_seconds)} to send code and data ({usd_total(first.push_usd)})"
    yield "of that", f"about {loading}{push if plan.transfer.bytes else ''}"
    most = usd_total(plan.usd_at_most) if plan.usd_at_most is not None else "unlimited"
    dearest = usd(plan.usd_per_hour_at_most)
    count = plan.offers_fitting
    which = f"the dearest of {count} offers that fit" if count > 1 else "the only offer that fits"
    yield "at most", f"{most}, on {which} ({dearest} an hour){_in_vain(plan)}"


def _in_vain(plan: Plan) -> str:
    """Say what the figure leaves out: with a limit of money that is reached, nothing."""
    limits = plan.limits
    if limits.attempts == 1 or plan.usd_at_most in (None, limits.max_cost):
        return ""
    return "; failed attempts cost extra"


def _no_traffic(first: Estimate) -> str:
    return ", traffic free" if first.traffic_usd == 0 else ", traffic unknown"


def _hours(hours: float) -> str:
    return f"{hours:g} h"


def _transfer(plan: Plan) -> Iterator[Row]:
    for title, tree in (("code", plan.code), ("data", plan.dataset)):
        if tree is not None:
            count = "1 file" if tree.files == 1 else f"{tree.files} files"
            yield title, f"{count}, {size(tree.bytes)}, from {tree.path}"
    if plan.dataset is None:
        yield "data", "none is sent"
    sent = plan.transfer
    if sent.bytes:
        assumed = ", assumed" if sent.assumed else ""
        yield "transfer", f"{size(sent.bytes)} in {duration(sent.seconds)} at {sent.mbps:g} Mbit/s{assumed}"


def _disk(plan: Plan) -> Iterator[Row]:
    disk = plan.disk
    if disk.gb is None or disk.free_gb is None:
        yield "disk", f"the {disk.kind}'s size is not known"
        return
    assumed = " (assumed)" if disk.output_assumed else ""
    left = f"{disk.free_gb:.1f} GB are left" if disk.free_gb >= 0 else f"{-disk.free_gb:.1f} GB are missing"
    needed = f"{size(plan.transfer.bytes)} code and data, {disk.output_gb:g} GB outputs{assumed}"
    yield "disk", f"{disk.gb:g} GB ({disk.kind}): {needed}, {left}"


def _cuda(plan: Plan) -> Iterator[Row]:
    cuda = plan.cuda
    floor = f"hosts from {cuda.floor} on are asked for" if cuda.floor else "no floor is set"
    if cuda.image is None:
        yield "CUDA", f"{'the name of the image tells no version; ' if plan.image else ''}{floor}"
        return
    yield "CUDA", f"the image is built for {cuda.image}; {floor}{_run_it(plan)}"


def _run_it(plan: Plan) -> str:
    """How many offers run the image: surely, or only if the right one of their hosts is given."""
    if not plan.offers_fitting:
        return ""
    cuda = plan.cuda
    perhaps = (cuda.mixed or 0) + (cuda.unknown or 0)
    also = f", {perhaps} may" if perhaps else ""
    return f"; {cuda.fitting} of {plan.offers_fitting} offers run it{also}"


def _limits(plan: Plan) -> Iterator[Row]:
    limits = plan.limits
    words = [
        f"{usd(limits.max_price)} an hour" if limits.max_price is not None else "any price an hour",
        usd_total(limits.max_cost) if limits.max_cost is not None else "any cost",
        _hours(limits.max_hours) if limits.max_hours is not None else "any time",
    ]
    if limits.attempts is not None:
        words.append(f"{limits.attempts} pods tried")
    if limits.deadline:
        words.append(f"{duration(limits.deadline)} until one is ready")
    if limits.lease_hours:
        words.append(f"lease {_hours(limits.lease_hours)}")
    yield "limits", ", ".join(words)


def table(plan: Plan, width: int) -> tuple[list[str], list[list[str]]]:
    """Head and lines of the table of offers, in the order in which they are tried; prices with the disk."""
    columns: list[tuple[str, Any]] = [
        ("", lambda number, offer: str(number)),
        ("provider", lambda number, offer: offer.provider),
        ("GPU", lambda number, offer: f"{offer.gpu_count} x {offer.gpu}"),
        ("GB", lambda number, offer: str(offer.memory_gb or "?")),
        ("where", lambda number, offer: _where(offer)),
    ]
    if width >= NARROW:
        columns.append(("to be had", lambda number, offer: _stock(offer)))
    columns.append(("CUDA", lambda number, offer: _hosts(offer)))
    columns.append(("USD/h", lambda number, offer: _price(offer, "usd_per_hour", 3)))
    if width >= NARROW:
        columns.append(("1st hour", lambda number, offer: _price(offer, "first_hour_usd", 2)))
    hours = plan.limits.max_hours
    if hours is not None:
        columns.append((_hours(hours), lambda number, offer: _price(offer, "usd", 2)))
    lines = [[cell(number, offer) for _name, cell in columns] for number, offer in enumerate(plan.offers, 1)]
    return [name for name, _cell in columns], lines


def _where(offer: PlannedOffer) -> str:
    place = " ".join(part for part in (offer.cloud, offer.region) if part) or "anywhere"
    return f"{place}, {offer.alike} alike" if offer.alike > 1 else place


def _stock(offer: PlannedOffer) -> str:
    """How many are left, or, of one machine, how often it could be reached."""
    if offer.host and offer.reliability is not None:
        return f"{offer.reliability:.1%} up"
    return str(offer.availability)


def _hosts(offer: PlannedOffer) -> str:
    """Return the CUDA version of its host, or of the oldest and the newest of its hosts."""
    known = sorted(found for each in offer.cuda_versions if (found := major_minor(each)) is not None)
    return "-".join(dict.fromkeys(".".join(map(str, each)) for each in (known[0], known[-1]))) if known else "?"


def _price(offer: PlannedOffer, name: str, digits: int) -> str:
    found = getattr(offer.estimate, name)
    return "unknown" if found is None else f"{found:.{digits}f}"


def _named_once(told: Sequence[Row]) -> list[Row]:
    return [("" if number and told[number - 1][0] == name else name, text) for number, (name, text) in enumerate(told)]


def render(plan: Plan, width: int) -> str:
    """Render the plan as text of this width, without colours; plain lines where rich is not installed."""
    plan = cleaned(plan)
    before, after = map(_named_once, rows(plan))
    head, lines = table(plan, width)
    more = plan.offers_fitting - sum(offer.alike for offer in plan.offers)
    rest = f"and {more} more, dearer or less wanted" if more > 0 else ""
    try:
        from rich.box import ROUNDED, SIMPLE_HEAD
        from rich.console import Console, Group, RenderableType
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return _plain(f"Plan: {plan.title}", before, [head, *lines] if lines else [], rest, after)

    def grid(told: Sequence[Row]) -> Table:
        made = Table.grid(padding=(0, 2))
        made.add_column(no_wrap=True, min_width=11)
        made.add_column(overflow="fold")
        for name, text in told:
            made.add_row(Text(name), Text(text))
        return made

    offers = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for name in head:
        number = name in ("", "GB", "USD/h", "1st hour") or name == head[-1]
        offers.add_column(Text(name), justify="right" if number else "left", overflow="fold", no_wrap=number)
    for line in lines:
        offers.add_row(*map(Text, line))
    parts: list[RenderableType] = [grid(before)]
    parts += [Text(""), offers, *([Text(rest)] if rest else []), Text("")] if lines else []
    parts.append(grid(after))
    console = Console(file=io.StringIO(), width=width, force_terminal=False, no_color=True, highlight=False)
    console.print(Panel(Group(*parts), title=Text(f"Plan: {plan.title}"), title_align="left", box=ROUNDED))
    written = console.file
    return (
        "\n".join(line.rstrip() for line in written.getvalue().splitlines()) if isinstance(written, io.StringIO) else ""
    )


def _plain(title: str, before: Sequence[Row], offers: Sequence[Sequence[str]], rest: str, after: Sequence[Row]) -> str:
    """Render the same without a frame."""
    widths = [max(len(line[column]) for line in offers) for column in range(len(offers[0]))] if offers else []
    listed = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in offers]
    told = [[f"  {name:<11}  {text}" for name, text in part] for part in (before, after)]
    return "\n".join([title, *told[0], *listed, *([f"  {rest}"] if rest else []), *told[1]])
