# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on network volumes, templates and registry credentials."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from podyard_sandbox.exchange import current
from podyard_sandbox.runpod.bodies import CreateRegistry, CreateTemplate, CreateVolume, UpdateTemplate, UpdateVolume
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.paging import page
from podyard_sandbox.runpod.problems import Problem
from podyard_sandbox.runpod.resources.create_faults import faults_on_create
from podyard_sandbox.runpod.resources.registries import Registry
from podyard_sandbox.runpod.resources.templates import Template
from podyard_sandbox.runpod.resources.volumes import Volume
from podyard_sandbox.runpod.responses import json_response
from podyard_sandbox.runpod.rules import check_settings
from podyard_sandbox.runpod.validation import not_empty, one_of, parse, read_json
from podyard_sandbox.runpod.wire import older_json

_SOURCES = ("official", "verified", "community")


class ResourceHandlers:
    """The operations, by their names in the API's description."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[web.RouteDef]:
        """Return the routes: method, path and operation."""
        volumes, templates, registries = "/v2/network-volumes", "/v2/templates", "/v2/registries"
        registry = f"{registries}/{{id:(?!delegations$)[^/]+}}"
        return [
            web.get(volumes, self.list_volumes, name="listNetworkVolumes", allow_head=False),
            web.post(volumes, self.create_volume, name="createNetworkVolume"),
            web.get(f"{volumes}/{{id}}", self.get_volume, name="getNetworkVolume", allow_head=False),
            web.patch(f"{volumes}/{{id}}", self.update_volume, name="updateNetworkVolume"),
            web.delete(f"{volumes}/{{id}}", self.delete_volume, name="deleteNetworkVolume"),
            web.get(templates, self.list_templates, name="listTemplates", allow_head=False),
            web.post(templates, self.create_template, name="createTemplate"),
            web.get(f"{templates}/{{id}}", self.get_template, name="getTemplate", allow_head=False),
            web.patch(f"{templates}/{{id}}", self.update_template, name="updateTemplate"),
            web.delete(f"{templates}/{{id}}", self.delete_template, name="deleteTemplate"),
            web.get("/v2/catalog/templates", self.list_public, name="listPublicTemplates", allow_head=False),
            web.get(registries, self.list_registries, name="listRegistries", allow_head=False),
            web.post(registries, self.create_registry, name="createRegistry"),
            web.get(registry, self.get_registry, name="getRegistry", allow_head=False),
            web.delete(registry, self.delete_registry, name="deleteRegistry"),
        ]

    # Network volumes

    async def list_volumes(self, request: web.Request) -> web.Response:
        """List the account's volumes."""
        shown, rest = page(request.query, self._cloud.faults, "networkVolumes", list(self._cloud.volumes))
        return json_response({"networkVolumes": [_volume(volume) for volume in shown], **rest})

    async def create_volume(self, request: web.Request) -> web.Response:
        """Create a volume."""
        body = parse(CreateVolume, await read_json(request))
        current().name = body.name
        lower = body.dataCenter != body.dataCenter.upper() and self._triggered("lower-case-data-center")
        with faults_on_create(self._cloud.faults, "createNetworkVolume", body.name):
            volume = self._cloud.create_volume(body, lower)
        return json_response(_volume(volume), status=201)

    async def get_volume(self, request: web.Request) -> web.Response:
        """Get a volume."""
        return json_response(_volume(self._cloud.volumes.find(request.match_info["id"])))

    async def update_volume(self, request: web.Request) -> web.Response:
        """Rename or enlarge a volume."""
        volume = self._cloud.volumes.find(request.match_info["id"])
        current().name = volume.name
        raw = await read_json(request)
        not_empty(raw)
        self._cloud.volumes.change(volume, parse(UpdateVolume, raw))
        return json_response(_volume(volume))

    async def delete_volume(self, request: web.Request) -> web.Response:
        """Delete a volume that no pod uses."""
        volume = self._cloud.volumes.find(request.match_info["id"])
        current().name = volume.name
        used = self._cloud.uses_volume(volume.id)
        if used and not self._triggered("volume-delete-unguarded"):
            raise Problem(400, f"network volume is in use by {_pods(used)} and cannot be deleted")  # made up
        await self._cloud.delete_volume(volume)
        return web.Response(status=204)

    # Templates

    async def list_templates(self, request: web.Request) -> web.Response:
        """List the account's own templates."""
        shown, rest = page(request.query, self._cloud.faults, "templates", list(self._cloud.templates))
        return json_response({"templates": [self._template(template) for template in shown], **rest})

    async def create_template(self, request: web.Request) -> web.Response:
        """Create a template."""
        body = parse(CreateTemplate, await read_json(request), older=self._older())
        current().name = body.name
        self._check(body)
        with faults_on_create(self._cloud.faults, "createTemplate", body.name):
            template = self._cloud.templates.create(body)
        return json_response(self._template(template), status=201)

    async def get_template(self, request: web.Request) -> web.Response:
        """Get a template, the account's own or a public one."""
        return json_response(self._template(self._cloud.templates.readable(request.match_info["id"])))

    async def update_template(self, request: web.Request) -> web.Response:
        """Change an own template; pods created from it stay as they are."""
        template = self._cloud.templates.find(request.match_info["id"])
        current().name = template.name
        body = parse(UpdateTemplate, await read_json(request), older=self._older())
        self._check(body)
        self._cloud.templates.change(template, body)
        return json_response(self._template(template))

    async def delete_template(self, request: web.Request) -> web.Response:
        """Delete an own template that no pod was created from."""
        template = self._cloud.templates.find(request.match_info["id"])
        current().name = template.name
        if self._cloud.uses_template(template.id) and not self._triggered("template-delete-unguarded"):
            raise Problem(400, "template is in use by a pod and cannot be deleted")  # made up
        self._cloud.templates.delete(template)
        return web.Response(status=204)

    async def list_public(self, request: web.Request) -> web.Response:
        """List the public templates of one source; there are no pages."""
        sources = one_of(request.query, "source", _SOURCES)
        found = self._cloud.templates.catalogue(sources[0] if sources else "official")
        return json_response({"templates": [self._template(template) for template in found]})

    # Registry credentials

    async def list_registries(self, request: web.Request) -> web.Response:
        """List the account's registry credentials without their secret part."""
        shown, rest = page(request.query, self._cloud.faults, "registries", list(self._cloud.registries))
        return json_response({"registries": [_registry(registry) for registry in shown], **rest})

    async def create_registry(self, request: web.Request) -> web.Response:
        """Create a registry credential."""
        body = parse(CreateRegistry, await read_json(request))
        current().name = body.name
        with faults_on_create(self._cloud.faults, "createRegistry", body.name):
            registry = self._cloud.registries.create(body)
        return json_response(_registry(registry), status=201)

    async def get_registry(self, request: web.Request) -> web.Response:
        """Get a registry credential."""
        return json_response(_registry(self._cloud.registries.find(request.match_info["id"])))

    async def delete_registry(self, request: web.Request) -> web.Response:
        """Delete a registry credential that no pod uses."""
        registry = self._cloud.registries.to_delete(request.match_info["id"])
        current().name = registry.name
        if self._cloud.uses_registry(registry.id):
            raise Problem(400, "registry credential is in use by a pod and cannot be deleted")  # made up
        self._cloud.registries.delete(registry)
        self._cloud.templates.forget_registry(registry.id)
        return web.Response(status=204)

    # Helpers

    def _check(self, body: CreateTemplate | UpdateTemplate) -> None:
        check_settings(body)
        if body.registry is not None:
            self._cloud.registries.find(body.registry)

    def _older(self) -> bool:
        return self._cloud.faults.trigger("older-service") is not None

    def _template(self, template: Template) -> dict[str, Any]:
        shown = template.to_json()
        return older_json(shown) if self._cloud.faults.peek("older-service") is not None else shown

    def _triggered(self, name: str) -> bool:
        if self._cloud.faults.trigger(name) is None:
            return False
        current().fault = name
        return True


def _volume(volume: Volume) -> dict[str, Any]:
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size,
        "dataCenter": volume.data_center,
        "type": volume.type,
    }


def _registry(registry: Registry) -> dict[str, Any]:
    return {"id": registry.id, "name": registry.name}


def _pods(ids: list[str]) -> str:
    return f"pod{'s' if len(ids) > 1 else ''} {', '.join(ids)}"
