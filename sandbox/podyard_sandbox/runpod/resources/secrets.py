# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: values that a pod's environment refers to, and that no response shows."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from podyard_sandbox.runpod.bodies import CreateSecret, UpdateSecret
from podyard_sandbox.runpod.problems import Problem
from podyard_sandbox.runpod.resources.store import ResourceStore, short_id

_MENTION = re.compile(r"\{\{\s*RUNPOD_SECRET_([^\s}]+)\s*\}\}")


@dataclass(eq=False)
class Secret:
    """A secret; times are seconds since 1970."""

    seq: int
    name: str
    value: str = field(repr=False)
    description: str
    id: str = field(default_factory=short_id)
    created_at: float = field(default_factory=time.time)
    updated_at: float = field(default_factory=time.time)


class Secrets(ResourceStore[Secret]):
    """The account's secrets."""

    def create(self, body: CreateSecret) -> Secret:
        """Store a secret.

        Raises:
            Problem: 400 if the name exists, since pods refer to secrets by name.
        """
        if any(secret.name == body.name for secret in self):
            raise Problem(400, f"a secret named {body.name} already exists")  # made up
        return self._put(Secret(self._next(), body.name, body.value, body.description))

    def change(self, secret: Secret, body: UpdateSecret) -> None:
        """Change a secret's value or description."""
        if body.given("description"):
            secret.description = body.description
        if body.given("value"):
            secret.value, secret.updated_at = body.value, time.time()

    def delete(self, secret: Secret) -> None:
        """Delete a secret."""
        self._drop(secret)

    def resolve(self, env: Mapping[str, str]) -> dict[str, str]:
        """Replace the references to secrets in an environment; unknown ones stay as they are."""
        values = {secret.name: secret.value for secret in self}

        def value(mention: re.Match[str]) -> str:
            return values.get(mention[1], mention[0])

        return {name: _MENTION.sub(value, text) for name, text in env.items()}
