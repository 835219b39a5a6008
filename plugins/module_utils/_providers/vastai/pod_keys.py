# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH keys of a pod on their way to it and off the account again. Private to this collection."""

from __future__ import annotations

from collections.abc import Sequence

from ..._core import errors
from ..._core.pod import Pod, PodRequest
from . import ssh_keys
from .session import VastSession

#: Subject of the notes on which keys were put on the account for which pod.
KEYS = "account keys"


class PodKeys:
    """What this collection does with keys for the pods that it rents.

    :param notes: where remarks go.
    """

    def __init__(self, api: VastSession, notes: list[str]) -> None:
        self._api = api
        self._notes = notes
        self._added: list[str] = []

    def put_on_account(self, request: PodRequest) -> None:
        """Keys are installed when the container starts, so they are there before. A team's account takes none; then the
        other two ways must do.
        """
        if not request.public_keys or request.extra.get("account_keys") is False:
            return
        try:
            for line in ssh_keys.missing(self._api, request.public_keys):
                key_id = ssh_keys.add(self._api, line)
                self._added += [key_id] if key_id else []
        except (errors.BadRequest, errors.AuthError, errors.Forbidden, errors.BadAnswer) as error:
            self._notes.append(
                f"The keys of {request.name} were not put on the account, only on the pod itself: {error.message}"
            )

    def belong_to(self, pod_id: str) -> None:
        """What was added is this pod's, and goes with it."""
        if self._added:
            self._api.turns.note(KEYS, pod_id, ",".join(self._added))
            self._added = []

    def attach(self, pod: Pod, lines: Sequence[str]) -> None:
        """The way that lasts when the file on the pod is written anew."""
        for line in lines:
            try:
                ssh_keys.attach(self._api, pod.id, line)
            except errors.CloudError as error:
                self._notes.append(f"A key of {pod.label()} stands in its start script only: {error.message}")

    def take_back(self) -> None:
        """Off the account with what was added for a pod that was not made."""
        self._remove(self._added)
        self._added = []

    def take_off(self, pod_id: str) -> None:
        """Off the account with what was put there for this pod."""
        added = self._api.turns.told(KEYS, pod_id)
        if added:
            self._api.turns.forget(KEYS, key=pod_id)
            self._remove(added.split(","))

    def _remove(self, key_ids: Sequence[str]) -> None:
        for key_id in key_ids:
            try:
                ssh_keys.remove(self._api, key_id)
            except errors.CloudError as error:
                self._notes.append(f"The SSH key {key_id} stays on the account: {error.message}")
