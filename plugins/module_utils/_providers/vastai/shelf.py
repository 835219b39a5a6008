# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Vast.ai account holds beside pods. Private to this collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..._core import errors
from ..._core.values import mapping
from ..._resources.account import KeyList, Variables
from ..._resources.resource import GRACE, BillQuery, Polls, Shelf, Store
from . import billing, instances, ssh_keys
from .account import RESOURCES, TEMPLATE, volume_name
from .session import VastSession
from .volumes import TEMPLATES, VOLUMES, templates, volumes

SECRETS = "/api/v0/secrets/"


class VastShelf(Shelf):
    """See Shelf."""

    def __init__(self, api_key: str, api_url: str, *, scale: float = 1.0, session: VastSession | None = None) -> None:
        self._api = session or VastSession(api_url, api_key, scale=scale)

    def store(self, kind: str, *, polls: Polls | None = None, grace: float = GRACE) -> Store:
        """See Shelf."""
        store = _Templates if kind == TEMPLATE.kind else _Volumes
        return store(self._api, RESOURCES[kind], RESOURCES, polls=polls, grace=grace)

    def keys(self, pod_id: str | None = None) -> KeyList:
        """See Shelf. With an id, those of one instance."""
        return _Keys(self._api, pod_id)

    def variables(self) -> Variables:
        """See Shelf."""
        return _Variables(self._api)

    def bills(self, query: BillQuery) -> dict[str, Any]:
        """See Shelf."""
        return billing.bills(self._api, query)


class _Templates(Store):
    """The service lists everybody's templates; only those of the account are ours."""

    def all(self, source: str | None = None) -> list[Mapping[str, Any]]:
        """See Store."""
        user = mapping(self.api.request("GET", instances.USER, attempted="read the account on Vast.ai").data).get("id")
        return templates(self.api, {"creator_id": {"eq": user}})

    def path(self, object_id: Any) -> str:
        """Every change goes to one address, and says in its body which template it means."""
        return TEMPLATES


class _Volumes(Store):
    """The account's volumes, each with the name by which it is found."""

    def all(self, source: str | None = None) -> list[Mapping[str, Any]]:
        """See Store."""
        return [{**raw, "name": volume_name(raw)} for raw in volumes(self.api)]

    def path(self, object_id: Any) -> str:
        """Every change goes to one address, and says in its body which volume it means."""
        return VOLUMES


class _Keys(KeyList):
    """Each key is an object of its own; a write adds what is missing and removes only what was read before, so that the
    keys of somebody who adds one at the same time stay.
    """

    def __init__(self, api: VastSession, pod_id: str | None) -> None:
        self._api = api
        self._pod_id = pod_id
        self._seen: dict[tuple[str, str], str] = {}

    def read(self) -> list[str]:
        """See KeyList."""
        found = ssh_keys.instance_keys(self._api, self._pod_id) if self._pod_id else ssh_keys.account_keys(self._api)
        self._seen = {key.identity: key.id for key in found}
        return [key.line for key in found]

    def write(self, lines: Sequence[str]) -> None:
        """See KeyList."""
        wanted = {ssh_keys.identity(line): line for line in lines}
        for identity, line in wanted.items():
            if identity in self._seen:
                continue
            if self._pod_id:
                ssh_keys.attach(self._api, self._pod_id, line)
            else:
                ssh_keys.add(self._api, line)
        for identity, key_id in self._seen.items():
            if identity in wanted:
                continue
            if self._pod_id:
                ssh_keys.detach(self._api, self._pod_id, key_id)
            else:
                ssh_keys.remove(self._api, key_id)


class _Variables(Variables):
    """The account's variables, which the service calls secrets. Some services show only stars for their values."""

    def __init__(self, api: VastSession) -> None:
        self._api = api

    def read(self) -> dict[str, str | None]:
        """See Variables. :raises BadAnswer: when the answer holds none and does not say so."""
        data = self._api.request("GET", SECRETS, attempted="read the variables of the account on Vast.ai").data
        found = mapping(data).get("secrets")
        if not isinstance(found, (dict, list)):
            raise errors.BadAnswer(
                "Vast.ai's answer holds no variables; it cannot be read, which is not the same as none."
            )
        if isinstance(found, list):
            found = {str(mapping(each).get("key")): mapping(each).get("value") for each in found}
        return {str(name): _value(value) for name, value in found.items()}

    def write(self, name: str, value: str, known: bool) -> None:
        """See Variables."""
        self._api.request(
            "PUT" if known else "POST",
            SECRETS,
            body={"key": name, "value": value},
            secrets=[value],
            attempted=f"set the variable {name} of the account on Vast.ai",
            # To set the same value twice is the same as once.
            like="PUT",
        )

    def delete(self, name: str) -> None:
        """See Variables."""
        attempted = f"delete the variable {name} of the account on Vast.ai"
        self._api.request("DELETE", SECRETS, body={"key": name}, attempted=attempted)


def _value(value: Any) -> str | None:
    text = "" if value is None else str(value)
    return None if text.strip("*") == "" and text else text
