# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All resources of an account, and which of them its pods use."""

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
        self.pod_history: list[Pod] = []  # every pod the account ever had
        self._meters: list[Meter | VolumeMeter] = []

    @abstractmethod
    def __iter__(self) -> Iterator[Pod]:
        """Iterate over the account's pods."""

    def money(self) -> float:
        """Return the USD left after everything billed so far."""
        return self.account.balance(self._meters, time.time())

    def set_balance(self, usd: float) -> None:
        """Set what is left in the account, USD."""
        self.account.deposit += usd - self.money()

    def spend(self) -> float:
        """Return what the account spends now, USD per hour, stopped disks included."""
        return round(sum(meter.rate() for meter in self._meters), 6)

    def create_volume(self, body: CreateVolume, lower_case_ok: bool = False) -> Volume:
        """Create a network volume, and start its bill.

        Raises:
            Problem: 400 if the data centre has no such storage.
        """
        volume = self.volumes.create(body, lower_case_ok)
        self._meters.append(volume.meter)
        return volume

    async def delete_volume(self, volume: Volume) -> None:
        """Delete a network volume and its data."""
        self.volumes.delete(volume)
        await self.runtime.destroy_volume(volume.id)

    def uses_volume(self, volume_id: str) -> list[str]:
        """Return the ids of the pods that use the volume, stopped ones included."""
        return [pod.id for pod in self if pod.leaving is None and pod.config.network_volume == volume_id]

    def uses_template(self, template_id: str) -> bool:
        """Return whether an existing pod was created from the template."""
        return any(pod.leaving is None and pod.template_id == template_id for pod in self)

    def uses_registry(self, registry_id: str) -> bool:
        """Return whether an existing pod pulls its image with the credential."""
        return any(pod.leaving is None and pod.config.registry == registry_id for pod in self)

    def create_with_template(self, body: CreatePod) -> CreatePod:
        """Return the body of a create with what its template adds.

        Raises:
            Problem: 404 if the template does not exist, 422 if it is not for pods.
        """
        return merge_into_create(self.templates.readable(body.templateId), body) if body.given("templateId") else body

    def update_with_template(self, body: UpdatePod) -> UpdatePod:
        """Return the body of a change with what its template adds."""
        return merge_into_update(self.templates.readable(body.templateId), body) if body.given("templateId") else body

    def check_references(self, body: CreatePod | UpdatePod) -> None:
        """Check that everything a body refers to exists.

        Raises:
            Problem: 404 if the registry credential or the network volume does not.
        """
        if body.registry is not None:
            self.registries.find(body.registry)
        for mount in body.mounts.network:
            self.volumes.find(mount.volumeId)
