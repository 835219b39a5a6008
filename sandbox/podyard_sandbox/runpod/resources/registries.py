# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials for private images, which are never shown again."""

from __future__ import annotations

from dataclasses import dataclass, field

from podyard_sandbox.runpod.bodies import CreateRegistry
from podyard_sandbox.runpod.problems import Problem
from podyard_sandbox.runpod.resources.store import ResourceStore, short_id


@dataclass(eq=False)
class Registry:
    """A registry credential."""

    seq: int
    name: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    id: str = field(default_factory=short_id)


class Registries(ResourceStore[Registry]):
    """The account's registry credentials."""

    def create(self, body: CreateRegistry) -> Registry:
        """Store a credential."""
        return self._put(Registry(self._next(), body.name, body.username, body.password))

    def to_delete(self, registry_id: str) -> Registry:
        """Return the credential to delete.

        Raises:
            Problem: 400 if it does not exist, as was seen; every other operation answers 404.
        """
        try:
            return self.find(registry_id)
        except Problem:
            raise Problem(400, "Registry auth not found") from None

    def delete(self, registry: Registry) -> None:
        """Delete a credential."""
        self._drop(registry)
