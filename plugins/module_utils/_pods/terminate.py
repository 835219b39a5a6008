# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving back a whole run: finding every pod of it, wherever it is known from, and proving each gone.

What is known is ended before anything is looked for. What the books do not tell, since they are lost or damaged, the
provider's list does, and then one empty list is no proof: a young pod may not be shown yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._core import errors
from .._core import pod as pod_states
from .._core.clock import PollInterval
from .._core.names import PodName
from .._core.pod import Pod
from .._core.times import seconds_since
from .._core.units import duration, usd
from .._providers.base import Provider
from .holder import Holder, doubt
from .ledger import GONE, Ledger
from .progress import Progress
from .proof import (
    GRACE,
    PATIENCE,
    PROOF,
    QUICK,
    Ending,
    Target,
    order,
    pod_of,
    prove,
    terminate_and_prove,
    write_quietly,
)

__all__ = [
    "GRACE",
    "PATIENCE",
    "PROOF",
    "QUICK",
    "end_known",
    "give_back_run",
    "named",
    "of_others",
    "pod_of",
    "pods_of_run",
    "require_gone",
    "terminate_and_prove",
    "write_quietly",
]


def require_gone(
    provider: Provider, results: Sequence[dict[str, Any]], *, all_results: Sequence[dict[str, Any]] | None = None
) -> None:
    """Raise when a pod is not proved gone.

    :param all_results: what the error's facts hold as ``pods_gone``, if that is more than ``results``.
    :raises NotProvedGone: with id, provider, price per hour and the command that ends each of them.
    """
    alive = [result for result in results if not result["gone_proved"]]
    if alive:
        raise errors.NotProvedGone(_not_gone(provider, alive), facts={"pods_gone": list(all_results or results)})


def _not_gone(provider: Provider, alive: Sequence[dict[str, Any]]) -> str:
    """Say what a person must know of pods that may still bill."""
    sentences = []
    for result in alive:
        named = f"{result['name']} ({result['id'] or 'its id is unknown'})"
        why = str(result["reason"] or "its provider could not be asked").rstrip(".")
        end = f"end it with: {provider.end_command(result['id'])}" if result["id"] else "look for it in the console"
        price = f"{usd(result['usd_per_hour'])} per hour"
        sentences.append(f"the pod {named} on {result['provider']} may still bill {price} ({why}); {end}")
    return f"NOT PROVED GONE: {'; '.join(sentences)}"


def named(error: errors.CloudError, name: str, prefix: str, ledger: Ledger) -> errors.CloudError:
    """Return the error of a provider that did not answer, with the pods that the books name there.

    They cost money, and a person must know which.
    """
    known = [pod_of(event) for event in ledger.made() if event["provider"] == name and _of_run(pod_of(event), prefix)]
    if known and "NOT PROVED GONE" not in error.message:
        told = [f"{pod.label()} may still bill {usd(pod.usd_per_hour)} per hour" for pod in known]
        error.add(f"NOT PROVED GONE: {'; '.join(told)}; end it in the console of {name}.")
        error.facts.setdefault(
            "pods_gone", [Target(pod, reason="its provider could not be asked").to_result() for pod in known]
        )
    return error


def of_others(provider: Provider, results: Sequence[dict[str, Any]], ledger: Ledger) -> bool:
    """Whether all that is not proved gone was rented with another account: with this one it never will be."""
    renters = {
        event["name"]: Holder.of(event) for event in ledger.read_with_accounts() if event["provider"] == provider.name
    }
    left = [renters.get(result["name"], Holder()) for result in results if not result["gone_proved"]]
    return bool(left) and all(renter.known and doubt(provider, renter) is not None for renter in left)


def give_back_run(
    provider: Provider,
    prefix: str,
    *,
    grace: float = GRACE,
    ledger: Ledger | None = None,
    polls: PollInterval | None = None,
    progress: Progress | None = None,
    patience: float = PATIENCE,
) -> list[dict[str, Any]]:
    """End every pod of one run, wherever its name came from, and prove that they are gone.

    Pods that the run's books know are told to end at once. The others are found in the complete list by the run's
    prefix, and only names of our own pattern count. When the ledger knows of a create without an outcome, or of a pod
    so young that the list may not show it yet, or cannot be read whole, the looking goes on for ``grace`` seconds and
    twice after it, so that a late pod is found too. A pod that the ledger knows and the list does not show (its host
    was lost) is proved gone like the others, if the account in force is the one that rented it. Raise the fence first,
    or a create may come after the last look.

    :param prefix: ``podyard-<project>-<run_id>-`` (``names.prefix_of_run``).
    :raises CloudError: when the pods cannot be listed: an error is never "nothing there".
    """
    ending = Ending(provider, polls or PollInterval(), progress or Progress(), ledger or Ledger(None), patience)
    return _GivingBack(ending, prefix, grace).all()


def end_known(
    provider: Provider, prefix: str, *, ledger: Ledger | None = None, progress: Progress | None = None
) -> None:
    """Tell every pod of a run that is known or listed to end, once, and wait for nothing; the proof comes later.

    :raises CloudError: when they cannot be listed; what the books know was told to end all the same.
    """
    ending = Ending(provider, PollInterval(), progress or Progress(), ledger or Ledger(None))
    run = _GivingBack(ending, prefix, 0.0)
    known = run.known({})
    with provider.urgently():
        order(ending, run.targets(known, run.listed(known), {}), 0.0)


@dataclass(frozen=True)
class _GivingBack:
    """One run on its way out at one provider."""

    ending: Ending
    prefix: str
    grace: float

    def all(self) -> list[dict[str, Any]]:
        """See give_back_run."""
        polls, progress = self.ending.polls, self.ending.progress
        done: dict[str, dict[str, Any]] = {}
        begun, late, told = polls.clock.monotonic(), 0, False
        while True:
            elapsed = polls.clock.monotonic() - begun
            known = self.known(done)
            listed = self.listed(known)
            targets = self.targets(known, listed, done)
            # A young pod may not be shown yet; of an older one the provider's "no such pod" is believed.
            young = any(seconds_since(target.pod.created_at) < self.grace for target in targets if target.renter)
            prove(replace(self.ending, settle=self.grace if young else 0.0), targets)
            done.update({target.pod.id: target.to_result() for target in targets})
            late += elapsed >= self.grace
            failed = any(not result["gone_proved"] for result in done.values())
            # Where it has failed already, the next try looks for what is late.
            problem = None if failed else self.ending.ledger.look().problem
            if not (self._waiting() or problem) or (late >= PROOF and not targets):
                break
            if problem and not told:
                progress.say(f"{problem}: the provider's list is looked at again past {duration(self.grace)}")
                told = True
            progress.remind(
                f"Looking for pods that were asked for but not seen yet, {duration(elapsed)} of {duration(self.grace)}"
            )
            polls.pause(max(QUICK, self.grace - elapsed))
        return [*done.values(), *self._never_appeared()]

    def known(self, done: dict[str, dict[str, Any]]) -> list[Target]:
        """End the pods that the books know: a caller without a list need not wait for one."""
        events = [event for event in self.ending.ledger.made() if self._expected(event)]
        targets = {event["id"]: Target(pod_of(event), Holder.of(event)) for event in events if event["id"] not in done}
        with self.ending.provider.urgently():
            order(self.ending, targets.values(), 0.0)
        return list(targets.values())

    def listed(self, known: Sequence[Target]) -> list[Pod]:
        """Return the run's pods that the provider lists.

        :raises CloudError: when they cannot be listed; it names what is known to bill, and how a person ends that.
        """
        provider = self.ending.provider
        try:
            with provider.urgently():
                return [pod for pod in provider.list_pods() if _of_run(pod, self.prefix)]
        except errors.CloudError as error:
            results = [target.to_result() for target in known]
            error.add(
                f"{_not_gone(provider, results)}."
                if results
                else (
                    f" NOT PROVED GONE: whether a pod of this run is left is not known; look in the console of "
                    f"{provider.name} for names that begin with {self.prefix}."
                )
            )
            error.facts["pods_gone"] = results
            raise

    def targets(self, known: Sequence[Target], listed: Sequence[Pod], done: dict[str, dict[str, Any]]) -> list[Target]:
        """All that is to be proved gone. The books are read once more: what was made meanwhile is in one of them."""
        targets = {target.pod.id: target for target in known}
        for event in self.ending.ledger.made():
            if self._expected(event) and event["id"] not in done:
                targets.setdefault(event["id"], Target(pod_of(event), Holder.of(event)))
        for pod in listed:
            if pod.id in targets:
                targets[pod.id].seen = True
            elif pod.id not in done:
                targets[pod.id] = Target(pod, seen=True)
        return list(targets.values())

    def _expected(self, event: dict[str, Any]) -> bool:
        name = PodName.parse(event["name"])
        return name is not None and name.prefix_of_run == self.prefix and event["provider"] == self.ending.provider.name

    def _waiting(self) -> list[dict[str, Any]]:
        """Return creates without an outcome."""
        return [event for event in self.ending.ledger.pending() if self._expected(event)]

    def _never_appeared(self) -> list[dict[str, Any]]:
        """Close the entries of creates that never became a pod, so that they are not looked for again.

        This account would not see what another one requested, so that entry stays open and is reported.
        """
        left = []
        for event in self._waiting():
            pod = replace(pod_of(event), id="")
            renter = Holder.of(event)
            why = doubt(self.ending.provider, renter) if renter.known else None
            if why is None:
                write_quietly(
                    self.ending.ledger, self.ending.progress, GONE, pod, reason="never appeared", holder=renter
                )
            else:
                left.append(Target(pod, renter, reason=why).to_result())
        return left


def pods_of_run(provider: Provider, prefix: str) -> list[dict[str, Any]]:
    """Return what ``give_back_run`` would end now, in the form of its results; nothing is done."""
    return [Target(pod).to_result() for pod in provider.list_pods() if _of_run(pod, prefix)]


def _of_run(pod: Pod, prefix: str) -> bool:
    name = PodName.parse(pod.name)
    return pod.phase != pod_states.GONE and name is not None and name.prefix_of_run == prefix
