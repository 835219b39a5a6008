# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH keys of the account and of instances."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from aiohttp import web

from podyard_sandbox.exchange import current
from podyard_sandbox.faults import Faults
from podyard_sandbox.vastai import bodies
from podyard_sandbox.vastai.cloud import VastCloud
from podyard_sandbox.vastai.errors import ApiError, answer, refusal
from podyard_sandbox.vastai.fault_hooks import trigger
from podyard_sandbox.vastai.instance import Instance
from podyard_sandbox.vastai.ssh_keys import SshKey

_NO_KEY = "No ssh key provided"
_KNOWN = "SSH key already associated with instance."


class KeyHandlers:
    """The operations on SSH keys."""

    def __init__(self, cloud: VastCloud, faults: Faults) -> None:
        self._cloud = cloud
        self._account = cloud.account
        self._faults = faults

    def operations(self) -> dict[str, Any]:
        """Return the handlers by operation name."""
        return {
            "listSshKeys": self.list_keys,
            "createSshKey": self.create,
            "updateSshKey": self.update,
            "deleteSshKey": self.delete,
            "showInstanceKeys": self.show_attached,
            "attachSshKey": self.attach,
            "replaceSshKey": self.attach,
            "detachSshKey": self.detach,
        }

    async def list_keys(self, _request: web.Request) -> web.Response:
        """List the account's keys, in a bare array."""
        keys = self._account.ssh_keys
        if not keys and trigger(self._faults, "vast-no-keys-404"):
            raise refusal(404, "not_found", "No SSH keys found for the user.")
        fault = trigger(self._faults, "vast-key-field")
        name = fault.params["field"] if fault is not None else "public_key"
        return answer([key.to_json(name) for key in keys])

    async def create(self, request: web.Request) -> web.Response:
        """Add a key to the account, without validating it."""
        line = await self._line(request)
        if trigger(self._faults, "vast-team-account"):
            raise refusal(400, "team_ssh_keys_not_supported", "SSH keys are not supported for team accounts.")
        if self._account.ssh_key(line) is not None or trigger(self._faults, "vast-key-exists"):
            raise ApiError(400, {"success": False, "msg": "The SSH key already exists on this account"})
        key = self._account.new_ssh_key(line)
        self._account.ssh_keys.append(key)
        if trigger(self._faults, "vast-account-key-everywhere"):
            self._cloud.set_keys_everywhere(key)
        return answer({"success": True, "key": key.to_json("public_key")})

    async def update(self, request: web.Request) -> web.Response:
        """Replace a key."""
        key, line = self._own(request), await self._line(request)
        key.line = line
        return answer({"success": True, "key": key.to_json("public_key")})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a key from the account; running containers keep it."""
        self._account.ssh_keys.remove(self._own(request))
        return answer({"success": True})

    async def show_attached(self, request: web.Request) -> web.Response:
        """List an instance's keys, as JSON within JSON."""
        instance = self._find(request)
        shown = []
        for key in instance.all_keys():
            words = key.line.split(None, 2)
            shown.append({"id": key.id, "name": words[2] if len(words) > 2 else "", "public_key": key.line})
        return answer({"success": True, "ssh_keys": json.dumps(shown)})

    async def attach(self, request: web.Request) -> web.Response:
        """Add a key to an instance, whether it runs or not."""
        instance, line = self._find(request), await self._line(request)
        forced = trigger(self._faults, "vast-key-exists") is not None
        registered = self._account.ssh_key(line)
        # If the account replaces the key later, the attached copy stays the same.
        key = self._account.new_ssh_key(line) if registered is None else replace(registered)
        if forced or not self._cloud.attach(instance, key):
            return answer({"success": False, "msg": _KNOWN})
        return answer({"success": True, "msg": "SSH key attached successfully"})

    async def detach(self, request: web.Request) -> web.Response:
        """Remove a key from an instance."""
        instance, wanted = self._find(request), request.match_info["key"]
        key = next((key for key in instance.all_keys() if str(key.id) == wanted), None)
        if key is None:
            raise refusal(404, "no_such_ssh_key", "SSH key not found.")
        self._cloud.detach(instance, key)
        return answer({"success": True, "msg": "SSH key removed from instance."})

    async def _line(self, request: web.Request) -> str:
        line = (await bodies.read(request)).get("ssh_key")
        if not isinstance(line, str) or not line.strip():
            raise refusal(400, "no_ssh_key", _NO_KEY)
        # A client that reads the key from a file sends the newline, too; further lines would be further keys.
        return line.strip().splitlines()[0]

    def _own(self, request: web.Request) -> SshKey:
        for key in self._account.ssh_keys:
            if str(key.id) == request.match_info["id"]:
                return key
        raise refusal(400, "no_ssh_key", _NO_KEY)

    def _find(self, request: web.Request) -> Instance:
        number = bodies.identifier(request.match_info["id"])
        if number is None:
            raise ApiError(404, {"success": False, "error": "no_such_instance", "msg": "Instance not found."})
        instance = self._cloud.find(number)
        current().pod_id = instance.pod_id
        return instance
