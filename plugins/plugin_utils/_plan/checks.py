# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan says against renting.

Every check takes a plan (see ``_plan.build``) and its user's names for the options, and yields sentences: problems,
for which nothing is rented, and warnings, with which the run goes on.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator

from ...module_utils._core.errors import CloudError
from ...module_utils._core.units import duration, major_minor, usd, usd_total
from ...module_utils._pods.group_find import REFUSED_KEY
from .market import Answers, Market
from .options import Names
from .record import LIMITS, POD, Account, Plan

#: What the wait for a pod and the way to it need on this machine.
PROGRAMS = ("ssh", "ssh-keyscan", "ssh-keygen")


def judge(plan: Plan, market: Market, trees: list[str], names: Names) -> tuple[list[str], list[str]]:
    """Return the problems and the warnings, each once.

    What exists or existed already is not held against the market.
    """
    warnings = [*down(plan, market), *(text for each in WARNINGS for text in each(plan, names))]
    if plan.run.state != "new":
        return [], list(run(plan, names))
    problems = [*trees]
    for check in (programs, providers, offers):
        problems += check(plan, market)
    if plan.offers_fitting:
        problems += [text for each in PROBLEMS for text in each(plan, names)]
    problems += disk(plan, names)
    problems = [in_their_words(text, plan, names) for text in problems]
    warnings = [in_their_words(text, plan, names) for text in warnings]
    return [text + blame(plan, text) for text in dict.fromkeys(problems)], list(dict.fromkeys(warnings))


def in_their_words(text: str, plan: Plan, names: Names) -> str:
    """Put a driver's sentence in the user's words: an option gets the name that the user knows it by."""
    volume = "network_volume" if plan.pod.network_volume else "volume_size"
    known = {
        **{name: name for name in (*POD, *LIMITS, "image")},
        "data_centers": "regions",
        "volume": volume,
        "volume.size": "volume_size",
    }
    return re.sub(
        r"\b(options? )(\w+(?:\.size)?)\b(?:; \w+ in a job)?",
        lambda found: found[1] + (names(known[found[2]]) if found[2] in known else found[2]),
        text,
    )


def blame(plan: Plan, text: str) -> str:
    """Name, for the end of a problem, which of its variables came from a setting of the environment.

    A setting's line ends with the variable that it stands in for: RUNPOD_GPU_TYPE from the environment as train_gpus.
    """
    lines = [line for line in plan.settings if " as " in line and line.rpartition(" as ")[2] in text]
    return f" What came from settings: {'; '.join(lines)}." if lines else ""


def programs(plan: Plan, market: Market) -> Iterator[str]:
    """Without these no pod can be waited for."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        yield f"The wait for SSH needs {', '.join(missing)} on this machine: install the OpenSSH client."


def providers(plan: Plan, market: Market) -> Iterator[str]:
    """Each provider that is named has a key, and what the job names exists there."""
    for answers in market.answers:
        if answers.error is not None and (_without_a_key(answers) or _all_failed(market)):
            yield _told_by(answers.name, answers.error)


def _without_a_key(answers: Answers) -> bool:
    """Say whether a provider that was named does not let us in: it is not one that is down."""
    return answers.provider is None or isinstance(answers.error, REFUSED_KEY)


def _told_by(name: str, error: CloudError) -> str:
    """Return what a provider's driver says, with the provider's name, which it does not always give."""
    named = re.search(rf"\b{name}\b", error.message.lower().replace(".", ""))
    return error.message if named else f"{name}: {error.message}"


def _all_failed(market: Market) -> bool:
    return all(answers.error is not None for answers in market.answers)


def offers(plan: Plan, market: Market) -> Iterator[str]:
    """There is something to rent."""
    if market.refusal is not None:
        yield market.refusal.message


def down(plan: Plan, market: Market) -> Iterator[str]:
    """Warn of providers that are down and without which the run goes on."""
    if _all_failed(market):
        return
    for answers in market.answers:
        if answers.error is not None and not _without_a_key(answers):
            yield f"{answers.name} is left out: {answers.error.message}"
    for name, error in market.down.items():
        yield f"{name} is left out, since it could not be asked: {error.message}"


def balance(plan: Plan, names: Names) -> Iterator[str]:
    """Find an account that cannot pay the cheapest offer's first hour: it gets no pod, or soon loses it."""
    rented = [account for account in plan.accounts if account.first_hour_usd is not None]
    poor = [account for account in rented if _short(account, account.first_hour_usd)]
    if not rented or len(poor) < len(rented):
        return
    for account in poor:
        yield (
            f"The balance of {account.provider} is {usd_total(account.balance_usd)}, and the first hour of the "
            f"cheapest offer there costs {usd_total(account.first_hour_usd)}: add credit, or name cheaper GPUs."
        )


def low_balance(plan: Plan, names: Names) -> Iterator[str]:
    """One that does not last: the provider then stops the pod, or ends it with all that is on it."""
    for account in plan.accounts:
        if account.first_hour_usd is None or any(balance(plan, names)):
            continue
        has = f"The balance of {account.provider} is {usd_total(account.balance_usd)}"
        if _short(account, account.first_hour_usd):
            yield (
                f"{has}, which does not pay the first hour there ({usd_total(account.first_hour_usd)}): add "
                f"credit, or leave it out of {names('providers')}."
            )
            continue
        hours = plan.limits.max_hours
        others = (account.spend_usd_per_hour or account.pods_usd_per_hour or 0.0) * (hours or 0.0)
        if account.usd is not None and _short(account, account.usd + others):
            more = f", and the pods that are there {usd_total(others)}" if others else ""
            yield (
                f"{has}, and the {hours:g} hours of {names('max_hours')} cost {usd_total(account.usd)} there{more}: "
                f"the pod would be taken away before they are over. Add credit, or lower {names('max_hours')}."
            )


def spending(plan: Plan, names: Names) -> Iterator[str]:
    """Find an account that may not spend more per hour: it gets no pod, whatever its balance."""
    rented = [account for account in plan.accounts if account.usd_per_hour is not None]
    over = [text for account in rented if (text := _over(account)) is not None]
    if rented and len(over) == len(rented):
        yield from over


def high_spending(plan: Plan, names: Names) -> Iterator[str]:
    """One of several accounts that may not."""
    if not any(spending(plan, names)):
        yield from (text for account in plan.accounts if (text := _over(account)) is not None)


def _over(account: Account) -> str | None:
    limit, more, spends = account.spend_limit_usd_per_hour, account.usd_per_hour, account.spend_usd_per_hour
    if limit is None or more is None or spends is None or spends + more <= limit:
        return None
    return (
        f"The account of {account.provider} spends {usd(spends)} an hour and may spend {usd(limit)}, and its "
        f"cheapest offer costs {usd(more)} more: give back what is not needed, or have the provider raise the limit."
    )


def _short(account: Account, usd: float | None) -> bool:
    return usd is not None and account.balance_usd is not None and account.balance_usd < usd


def limits(plan: Plan, names: Names) -> Iterator[str]:
    """Find a limit that ends the run before its training starts. An assumed figure refuses nothing."""
    for text, refused in _limits(plan, names):
        if refused:
            yield text


def tight_limits(plan: Plan, names: Names) -> Iterator[str]:
    """Find the same by assumed figures, and a cost cap that ends the run long before its hours are over."""
    for text, refused in _limits(plan, names):
        if not refused:
            yield text
    cost, most, first = plan.limits.max_cost, plan.limits.max_hours, plan.estimate
    if cost is None or not first or first.usd is None or first.usd <= cost or not first.hours_at_most:
        return
    yield (
        f"The {usd_total(cost)} of {names('max_cost')} pay {duration(first.hours_at_most * 3600)} of the first "
        f"offer, and {names('max_hours')} allows {most:g} hours: what comes first ends the run."
    )


def _limits(plan: Plan, names: Names) -> Iterator[tuple[str, bool]]:
    """Whether code and data are on the pod before the run is over, and whether that is sure."""
    first = plan.estimate
    if not first or first.hours_at_most is None:
        return
    seconds, left = first.push_seconds, first.hours_at_most * 3600
    if first.loading_seconds + seconds < left:
        return
    transfer = plan.transfer
    given = "as you say" if not transfer.assumed else f"assumed; {names('bandwidth')} says it better"
    text = (
        f"To load the image and to send code and data takes about {duration(first.loading_seconds + seconds)} "
        f"(at {transfer.mbps:g} Mbit/s, {given}), and the limits end the run after {duration(left)}: raise "
        f"{names('max_hours')} or {names('max_cost')}, or send less."
    )
    yield text, seconds >= left and not transfer.assumed


def disk(plan: Plan, names: Names) -> Iterator[str]:
    """Code and data fit, and so does what the training writes, if somebody said how much that is."""
    for text, refused in _disk(plan, names):
        if refused:
            yield text


def tight_disk(plan: Plan, names: Names) -> Iterator[str]:
    """Warn of output that may not fit, by an assumed size, and of a volume whose free space is not known."""
    for text, refused in _disk(plan, names):
        if not refused:
            yield text


def _disk(plan: Plan, names: Names) -> Iterator[tuple[str, bool]]:
    found = plan.disk
    if found.gb is None or found.free_gb is None or found.free_gb >= 0:
        return
    option = {"container": "disk", "volume": "volume_size"}.get(found.kind, "network_volume")
    larger = f"ask for a larger one ({names(option)})" if option != "network_volume" else "name a larger one"
    assumed = ", assumed" if found.output_assumed else ""
    full = found.sent_gb >= found.gb
    yield (
        f"Code and data have {found.sent_gb:.1f} GB and what the training writes {found.output_gb:g} GB"
        f"{assumed}, and the {_called(found.kind)} that will hold them has {found.gb:g} GB: {larger}"
        + ("." if full else f", or say that it writes less ({names('output_gb')})."),
        full or not found.output_assumed,
    )


def _called(kind: str) -> str:
    return "container's disk" if kind == "container" else kind


def cuda(plan: Plan, names: Names) -> Iterator[str]:
    """Check that some host's driver is new enough for the image, unless the job accepts an older one."""
    found = plan.cuda
    if found.image is None or found.fitting or found.mixed or found.unknown or not found.too_old:
        return
    if found.floor is None:
        yield (
            f"The image {plan.image} is built for CUDA {found.image}, and none of the hosts on offer has a "
            f"driver for more than {found.newest}: take an image for that, name other GPUs, or, if you know that it "
            f"runs there, say so with {names('min_cuda_version')}: '{found.newest}'."
        )


def old_drivers(plan: Plan, names: Names) -> Iterator[str]:
    """Hosts on which the image would not start may be rented, and given back after minutes."""
    found = plan.cuda
    needed = major_minor(found.image)
    if needed is None or not plan.offers_fitting:
        return
    doubtful = (found.mixed or 0) + (found.too_old or 0)
    floor = f"set {names('min_cuda_version')}: '{needed[0]}.{needed[1]}', so that no other host is rented"
    if doubtful and found.floor is None:
        yield (
            f"The image is built for CUDA {found.image}, and {doubtful} of {plan.offers_fitting} offers are or "
            f"may be on hosts with older drivers: {floor}."
        )
    elif doubtful:
        yield (
            f"The image is built for CUDA {found.image}, and {names('min_cuda_version')} allows hosts from "
            f"{found.floor} on: unless you know that it runs there, {floor}."
        )
    elif found.unknown and found.floor is None:
        yield f"The image is built for CUDA {found.image}, and the hosts' drivers are not known: {floor}."


def run(plan: Plan, names: Names) -> Iterator[str]:
    """Check what exists under the run's name already."""
    found = plan.run
    for pod in found.pods:
        yield (
            f"The pod {pod.name} ({pod.id}) on {pod.provider} is there already ({pod.phase}): it would be "
            "taken as it is, and nothing rented."
        )
    if found.state == "ended":
        yield f"The run in {found.directory} has ended ({found.outcome}): it would only be reported."
    if found.state == "unproved":
        yield (
            f"The pods of the run in {found.directory} are not proved gone, and may still cost money: this call would "
            "only end them and prove it, and rent nothing."
        )


def special(plan: Plan, names: Names) -> Iterator[str]:
    """Find files that cannot be sent."""
    for tree in plan.trees.values():
        left = tree.special
        if left:
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            yield f"Sockets, devices and the like in {tree.path} are not sent: {', '.join(left[:3])}{more}."


def unpriced(plan: Plan, names: Names) -> Iterator[str]:
    """Warn of a run without a limit: only a person who watches it ends it."""
    if plan.limits.max_cost is None and plan.limits.max_hours is None:
        yield f"Neither {names('max_cost')} nor {names('max_hours')} limits what the run may cost."


Check = Callable[[Plan, Names], Iterator[str]]
PROBLEMS: tuple[Check, ...] = (balance, spending, cuda, limits)
WARNINGS: tuple[Check, ...] = (
    run, low_balance, high_spending, old_drivers, tight_limits, tight_disk, special, unpriced,
)  # fmt: skip
