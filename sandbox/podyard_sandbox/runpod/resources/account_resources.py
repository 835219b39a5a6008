# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that an account keeps, and which of it its pods use."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator

from podyard_sandbox.meter import Meter, VolumeMeter
from podyard_sandbox.pods import PodRuntime
from podyard_sandbox.runpod.account import Account
from podyard_sandbox.runpod.bodies import CreatePod, CreateVolume, UpdatePod
from podyard_sandbox.runpod.pod import Pod
from podyard_sandbox.runpod.resources.registries import Registries
from podyard_sandbox.runpod.resources.template_merge import merge_into_create, merge_into_update
from podyard_sandbox.runpod.resources.templates import Templates
from podyard_sandbox.runpod.resources.volumes import Volume, Volumes


class AccountResources:
    """The account's money, volumes, templates, registry credentials and secrets."""

    def __init__(self, runtime: PodRuntime, balance: float) -> None:
        self.runtime = runtime
        self.account = Account(balance)
        self.volumes = Volumes()
        self.templates = Templates()
        self.registries = Registries()
        self.secrets = self.account.secrets
        self.pod_history: list[Pod] = []  # every pod there ever was
        self._meters: list[Meter | VolumeMeter] = []

    @abstractmethod
    def __iter__(self) -> Iterator[Pod]:
        """The account's pods."""

    def money(self) -> float:
        """USD that are left after all that was billed so far."""
        return self.account.balance(self._meters, time.time())

    def set_balance(self, usd: float) -> None:
        """Pay in or take out, so that so much is left."""
        self.account.deposit += usd - self.money()

    def spend(self) -> float:
        """USD per hour that the account spends now, stopped disks included."""
        return round(sum(meter.rate() for meter in self._meters), 6)

    def create_volume(self, body: CreateVolume, lower_case_ok: bool = False) -> Volume:
        """Make a network volume, which is billed from now on.

        Raises:
            Problem: 400 if it cannot be had there.
        """
        volume = self.volumes.create(body, lower_case_ok)
        self._meters.append(volume.meter)
        return volume

    async def delete_volume(self, volume: Volume) -> None:
        """Remove a network volume and what is on it."""
        self.volumes.delete(volume)
        await self.runtime.destroy_volume(volume.id)

    def uses_volume(self, volume_id: str) -> list[str]:
        """The ids of the pods, stopped ones too, that have the volume."""
        return [pod.id for pod in self if pod.leaving is None and pod.config.network_volume == volume_id]

    def uses_template(self, template_id: str) -> bool:
        """Whether a pod that is still there was made from the template."""
        return any(pod.leaving is None and pod.template_id == template_id for pod in self)

    def uses_registry(self, registry_id: str) -> bool:
        """Whether a pod that is still there pulls its image with the credential."""
        return any(pod.leaving is None and pod.config.registry == registry_id for pod in self)

    def create_with_template(self, body: CreatePod) -> CreatePod:
        """The body of a create with what its template adds.

        Raises:
            Problem: 404 if the template is not there, 422 if it is none for pods.
        """
        return merge_into_create(self.templates.readable(body.templateId), body) if body.given("templateId") else body

    def update_with_template(self, body: UpdatePod) -> UpdatePod:
        """The same for the body of a change."""
        return merge_into_update(self.templates.readable(body.templateId), body) if body.given("templateId") else body

    def check_references(self, body: CreatePod | UpdatePod) -> None:
        """See that what a body names is there.

        Raises:
            Problem: 404 if the registry credential or the network volume is not.
        """
        if body.registry is not None:
            self.registries.find(body.registry)
        for mount in body.mounts.network:
            self.volumes.find(mount.volumeId)
