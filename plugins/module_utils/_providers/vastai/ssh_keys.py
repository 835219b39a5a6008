# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install SSH keys on the account and on one instance of Vast.ai, and take them off the account again.

A key is installed in three ways, for each fails on some machines: from the account when the container starts, attached
to the instance afterwards (the only one that lasts when the file is written anew), and by the start script.

Source: Vast.ai's description of its API, its own command line tool, and what clients saw of the running service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..._core import errors
from ..._core.pod import Pod, PodRequest
from ..._core.public_keys import identity
from ..._core.values import listing, mapping, parse_json, text
from ..._http.session import ApiSession
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
        """Put the keys on the account before the container starts, which installs them.

        A team's account accepts none; then the other two ways must do.
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
        """Note the pod that what was added belongs to, and with which it goes."""
        if self._added:
            self._api.turns.note(KEYS, pod_id, ",".join(self._added))
            self._added = []

    def attach(self, pod: Pod, lines: Sequence[str]) -> None:
        """Attach the keys: the way that lasts when the file on the pod is written again."""
        for line in lines:
            try:
                ssh_keys.attach(self._api, pod.id, line)
            except errors.CloudError as error:
                self._notes.append(f"A key of {pod.label()} is in its start script only: {error.message}")

    def take_back(self) -> None:
        """Off the account with what was added for a pod that was not made."""
        self._remove(self._added)
        self._added = []

    def take_off(self, pod_id: str) -> None:
        """Off the account with what was put there for this pod."""
        added = self._api.turns.read_note(KEYS, pod_id)
        if added:
            self._api.turns.forget(KEYS, key=pod_id)
            self._remove(added.split(","))

    def _remove(self, key_ids: Sequence[str]) -> None:
        for key_id in key_ids:
            try:
                ssh_keys.remove(self._api, key_id)
            except errors.CloudError as error:
                self._notes.append(f"The SSH key {key_id} stays on the account: {error.message}")


ACCOUNT = "/api/v0/ssh/"
#: Tries to attach a key to an instance that was made a moment ago and may not be known everywhere yet.
TRIES = 3


@dataclass(frozen=True)
class Key:
    """One key as the service holds it."""

    id: str
    line: str

    @property
    def identity(self) -> tuple[str, str]:
        """Type and blob."""
        return identity(self.line)


def account_keys(api: ApiSession) -> list[Key]:
    """Every key of the account. The service calls the line by three names, and says 404 where there is none.

    :raises BadAnswer: for an answer that is no list: that is not the same as none.
    """
    try:
        data = api.request("GET", ACCOUNT, attempted="read the SSH keys of the account on Vast.ai").data
    except errors.NotFound:
        return []
    return _keys(data)


def instance_keys(api: ApiSession, pod_id: str) -> list[Key]:
    """Return the keys that are attached to an instance: JSON in a text in JSON."""
    path = f"/api/v0/instances/{int(pod_id)}/ssh/"
    data = api.request("GET", path, attempted=f"read the SSH keys of the pod {pod_id} on Vast.ai").data
    found = mapping(data).get("ssh_keys")
    if isinstance(found, str):
        try:
            found = parse_json(found) if found.strip() else []
        except ValueError:
            found = None
    return _keys(found)


def _keys(data: Any) -> list[Key]:
    if isinstance(data, dict):
        data = next((data[name] for name in ("ssh_keys", "keys") if isinstance(data.get(name), list)), None)
    if not isinstance(data, list):
        raise errors.BadAnswer("Vast.ai's answer holds no list of SSH keys. That does not mean that there are none.")
    return [key for each in listing(data) if (key := _key(mapping(each))) is not None]


def _key(raw: Mapping[str, Any]) -> Key | None:
    line = next((found for name in ("public_key", "key", "ssh_key") if (found := text(raw.get(name)))), None)
    if line is None or raw.get("deleted_at"):
        return None
    return Key(text(raw.get("id")) or "", line)


def add(api: ApiSession, line: str) -> str | None:
    """Add a key to the account; its id where the answer tells. One that is there is no error."""
    attempted = "add an SSH key to the account on Vast.ai"
    try:
        data = api.request("POST", ACCOUNT, body={"ssh_key": line}, attempted=attempted).data
    except errors.BadRequest as error:
        if "already exists" in (error.detail or ""):
            return None
        raise
    return text(mapping(mapping(data).get("key")).get("id"))


def remove(api: ApiSession, key_id: str) -> None:
    """Take a key off the account; one that is gone is no error."""
    try:
        api.request(
            "DELETE", f"{ACCOUNT}{int(key_id)}/", body={}, attempted=f"remove the SSH key {key_id} from Vast.ai"
        )
    except errors.NotFound:
        return
    except errors.BadRequest as error:
        if "no_ssh_key" not in f"{error.code} {error.detail}":
            raise


def missing(api: ApiSession, lines: Sequence[str]) -> list[str]:
    """Which of these keys the account does not have."""
    there = {key.identity for key in account_keys(api)}
    return [line for line in lines if identity(line) not in there]


def attach(api: ApiSession, pod_id: str, line: str) -> bool:
    """Attach a key to an instance. False when it was attached already.

    :raises CloudError: when it could not be attached.
    """
    for left in range(TRIES - 1, -1, -1):
        try:
            api.request(
                "POST",
                f"/api/v0/instances/{int(pod_id)}/ssh/",
                body={"ssh_key": line},
                attempted=f"attach an SSH key to the pod {pod_id} on Vast.ai",
                # To attach twice is answered by "already associated": nothing is lost by asking again.
                like="PUT",
            )
        except errors.NotFound:
            if not left:
                raise
        except errors.BadRequest as error:
            if "already associated" in (error.detail or "").lower():
                return False
            raise
        else:
            return True
    return False


def detach(api: ApiSession, pod_id: str, key_id: str) -> None:
    """Take a key off an instance; one that is gone is no error."""
    path = f"/api/v0/instances/{int(pod_id)}/ssh/{int(key_id)}/"
    try:
        api.request("DELETE", path, body={}, attempted=f"detach the SSH key {key_id} from the pod {pod_id} on Vast.ai")
    except errors.NotFound:
        return
