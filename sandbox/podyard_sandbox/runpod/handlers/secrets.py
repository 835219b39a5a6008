# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on secrets, which were added after the API was first published."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from podyard_sandbox.exchange import current
from podyard_sandbox.runpod.bodies import CreateSecret, UpdateSecret
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.paging import page
from podyard_sandbox.runpod.problems import Problem
from podyard_sandbox.runpod.resources.create_faults import faults_on_create
from podyard_sandbox.runpod.resources.secrets import Secret
from podyard_sandbox.runpod.responses import json_response
from podyard_sandbox.runpod.validation import not_empty, parse, read_json
from podyard_sandbox.timestamps import api_time

_PATH = "/v2/secrets"


class SecretHandlers:
    """The operations, by names in the style of the API's description."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[web.RouteDef]:
        """Return the routes: method, path and operation."""
        return [
            web.get(_PATH, self.list_secrets, name="listSecrets", allow_head=False),
            web.post(_PATH, self.create_secret, name="createSecret"),
            web.get(f"{_PATH}/{{id}}", self.get_secret, name="getSecret", allow_head=False),
            web.patch(f"{_PATH}/{{id}}", self.update_secret, name="updateSecret"),
            web.delete(f"{_PATH}/{{id}}", self.delete_secret, name="deleteSecret"),
        ]

    async def list_secrets(self, request: web.Request) -> web.Response:
        """List the account's secrets without their values."""
        self._there()
        shown, rest = page(request.query, self._cloud.faults, "secrets", list(self._cloud.secrets))
        return json_response({"secrets": [_secret(secret) for secret in shown], **rest})

    async def create_secret(self, request: web.Request) -> web.Response:
        """Create a secret."""
        self._there()
        body = parse(CreateSecret, await read_json(request))
        current().name = body.name
        with faults_on_create(self._cloud.faults, "createSecret", body.name):
            secret = self._cloud.secrets.create(body)
        return json_response(_secret(secret), status=201)

    async def get_secret(self, request: web.Request) -> web.Response:
        """Get a secret without its value."""
        return json_response(_secret(self._find(request)))

    async def update_secret(self, request: web.Request) -> web.Response:
        """Change a secret's value or description; pods get the value at their next start."""
        secret = self._find(request)
        raw = await read_json(request)
        not_empty(raw)
        self._cloud.secrets.change(secret, parse(UpdateSecret, raw))
        return json_response(_secret(secret))

    async def delete_secret(self, request: web.Request) -> web.Response:
        """Delete a secret."""
        self._cloud.secrets.delete(self._find(request))
        return web.Response(status=204)

    def _find(self, request: web.Request) -> Secret:
        self._there()
        secret = self._cloud.secrets.find(request.match_info["id"])
        current().name = secret.name
        return secret

    def _there(self) -> None:
        if self._cloud.faults.trigger("older-service") is not None:
            raise Problem(404, "The requested path was not found.")


def _secret(secret: Secret) -> dict[str, Any]:
    return {
        "id": secret.id,
        "name": secret.name,
        "description": secret.description,
        "createdAt": api_time(secret.created_at),
        "valueLastUpdatedAt": api_time(secret.updated_at),
    }
