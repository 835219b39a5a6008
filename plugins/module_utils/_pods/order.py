# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod that is to be rented at one provider: what it is checked for, its requests, and how it is waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._core import errors
from .._core.clock import Clock
from .._core.names import MAX_LENGTH, PodName
from .._core.offer import Offer
from .._core.pod import AUTHENTICATED, GONE, RENTED, STAGES, Pod, PodRequest
from . import bootstrap, diff
from . import lease as pod_lease
from .attempts import AttemptLog
from .context import PodContext
from .existing import ExistingPod
from .readiness import Reached, Readiness
from .rent import RentTarget
from .spec import CLOUDS, PodSpec, refuse_impossible, refuse_unreachable, resolve
from .terminate import require_gone

#: The first stage that proves a login.
LOGIN = STAGES.index(AUTHENTICATED)


def is_of(wanted: str | None, name: str) -> bool:
    """Tell whether a pod's name is the wanted one: an identity stands for all its attempts, another name for itself."""
    identity = PodName.parse_identity(wanted)
    if identity is None:
        return name == wanted
    parsed = PodName.parse(name)
    return parsed is not None and parsed.identity == identity.identity


@dataclass(frozen=True)
class PodOrder:
    """Order one pod at one provider.

    :param readiness: how far to wait; None: not at all.
    :param lease: what is armed in the pod; ``prepared`` says it.
    """

    work: PodContext
    wanted: PodSpec
    readiness: Readiness | None = None
    lease: pod_lease.Lease | None = None

    def prepared(self) -> PodOrder:
        """Complete it with what settings and templates say, and check everything that needs no offer.

        :raises BadRequest: for what this provider does not have, or does not take.
        """
        wanted, provider = self.wanted.completed(), self.work.provider
        refuse_impossible(wanted)
        lease = pod_lease.lease(wanted.lease, provider.capabilities.own_end, provider.name)
        order = replace(self, wanted=wanted, lease=lease)
        return replace(order, wanted=order._checked())

    def target(self, clock: Clock) -> RentTarget:
        """Return where this pod is rented; its waits have this clock, and so end early where it does."""
        waiting = replace(self, work=replace(self.work, polls=replace(self.work.polls, clock=clock)))
        return RentTarget(self.work, self._request, waiting._accept)

    def check(self, offers: Sequence[Offer], attempt: int) -> None:
        """Check the request for each offer. :raises BadRequest: when one would be refused."""
        for offer in offers:
            self.work.provider.check(self._request(offer, attempt))

    def predicted(self, offer: Offer, attempt: int) -> Pod:
        """Return the pod that would be rented on this offer.

        :raises BadRequest: when it would be refused.
        """
        self.work.provider.check(self._request(offer, attempt))
        request = diff.expanded(self._request(offer, attempt), self.wanted.template)
        return replace(diff.predicted(request, self.work.provider.name, offer), locked=bool(self.wanted.locked))

    def _checked(self) -> PodSpec:
        """Refuse what is known to be wrong before there are offers, first what needs no request.

        It returns the pod with everything that it names looked up.
        """
        wanted, target = self.wanted, self.readiness.target if self.readiness is not None else RENTED
        others = wanted.filters or wanted.min_gpu_memory or wanted.min_compute_capability
        if not wanted.gpus and wanted.cpu is None and not others:
            raise errors.BadRequest(
                f"To rent the pod {wanted.name}, name the GPUs that will do (option gpus), in order of preference, or "
                "a processor for a pod without GPUs (option cpu)."
            )
        refuse_unreachable(wanted, target)
        for cloud in wanted.clouds or CLOUDS:
            self.work.provider.check(replace(self._request(None, 1), cloud=cloud))
        wanted = resolve(wanted, self.work.provider)
        refuse_unreachable(wanted, target)
        return wanted

    def _request(self, offer: Offer | None, attempt: int) -> PodRequest:
        identity = PodName.parse_identity(self.wanted.name)
        name = str(identity.with_attempt(attempt)) if identity is not None else str(self.wanted.name)
        if identity is not None and len(name) > MAX_LENGTH:
            raise errors.BadRequest(
                f"The name {name} has {len(name)} characters; the most is {MAX_LENGTH}. Shorten the project."
            )
        request = replace(self.wanted.request(offer, name), boot=self._boot())
        how, images = self.wanted.bootstrap, self.work.provider.capabilities.ssh_images
        made = bootstrap.bootstrapped(how, request, images)
        own = diff.expanded(request, self.wanted.template).args
        if made is request or own == request.args:
            return made
        # Ours would take the place of the start command that comes with the template.
        return bootstrap.bootstrapped(how, replace(request, args=own), images)

    def _boot(self) -> str:
        """Return what arms the lease from the container's start on; a login that is waited for renews it soon."""
        if self.lease is None:
            return ""
        soon = self.readiness is not None and STAGES.index(self.readiness.target) >= LOGIN
        return self.lease.at_boot(pod_lease.BOOT_GRACE) if soon else self.lease.at_boot(self.lease.seconds)

    def _accept(self, pod: Pod) -> Reached:
        """Wait for a pod that was rented by this call."""
        readiness = replace(self.readiness, lease=self.lease) if self.readiness is not None else None
        return ExistingPod(self.work, self.wanted, readiness).wait_until_ready(pod, grace=self.work.grace)

    def end_twins(self, kept: Pod, history: AttemptLog) -> Sequence[dict[str, Any]]:
        """End a second pod that turned up late after an ambiguous create, if its name is of our own pattern.

        :raises NotProvedGone: when it may still cost money.
        """
        if not history.uncertain or PodName.parse(kept.name) is None:
            return []
        twins = [
            pod
            for pod in self.work.provider.list_pods()
            if pod.id != kept.id and pod.phase != GONE and is_of(self.wanted.name, pod.name)
        ]
        results = self.work.end(twins)
        require_gone(self.work.provider, results)
        return results
