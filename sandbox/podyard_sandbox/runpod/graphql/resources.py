# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates, registry credentials, network volumes and secrets; texts marked "made up" are not the service's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podyard_sandbox.runpod.bodies import (
    CreateRegistry,
    CreateSecret,
    CreateTemplate,
    CreateVolume,
    UpdateTemplate,
    UpdateVolume,
)
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.data_centers import DATA_CENTERS
from podyard_sandbox.runpod.graphql.catalogue import data_center
from podyard_sandbox.runpod.graphql.deploy import settings
from podyard_sandbox.runpod.problems import Problem
from podyard_sandbox.runpod.resources import Registry, Template, Volume
from podyard_sandbox.runpod.rules import check_settings
from podyard_sandbox.runpod.validation import parse


def resource_fields(cloud: Cloud) -> dict[str, Callable[..., Any]]:
    """Return the resolvers of all four kinds of resources."""
    return {**_template_fields(cloud), **_registry_fields(cloud), **_volume_fields(cloud), **_secret_fields(cloud)}


def show_template(template: Template) -> dict[str, Any]:
    """Return a template as this API shows it."""
    volume = template.persistent or {}
    return {
        "id": template.id,
        "name": template.name,
        "imageName": template.image,
        "dockerArgs": template.args,
        "containerDiskInGb": template.disk,
        "volumeInGb": volume.get("size", 0),
        "volumeMountPath": volume.get("path"),
        "ports": ",".join(template.ports),
        "env": [{"key": key, "value": value} for key, value in template.env.items()],
        "isServerless": template.serverless,
        "isPublic": template.public,
        "startSsh": template.start_ssh,
        "startJupyter": template.start_jupyter,
        "isRunpod": template.source == "official",
        "category": template.category,
        "readme": "",
        "containerRegistryAuthId": template.registry,
    }


def show_registry(registry: Registry) -> dict[str, Any]:
    """Return a registry credential without its secret part."""
    return {"id": registry.id, "name": registry.name}


def show_volume(cloud: Cloud, volume: Volume) -> dict[str, Any]:
    """Return a network volume as this API shows it."""
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size,
        "dataCenterId": volume.data_center,
        "dataCenter": data_center(cloud, DATA_CENTERS[volume.data_center.upper()]),
    }


def _template_queries(cloud: Cloud) -> dict[str, Callable[..., Any]]:
    def find_all(_info: Any, input: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        official = (input or {}).get("isRunpod")
        known = [*cloud.templates.public(), *cloud.templates]
        if official is not None:
            known = [each for each in known if each.public and (each.source == "official") == official]
        return [show_template(template) for template in known]

    def find(_info: Any, id: str) -> dict[str, Any] | None:
        try:
            return show_template(cloud.templates.readable(id))
        except Problem:
            return None

    return {"podTemplates": find_all, "podTemplate": find}


def _template_fields(cloud: Cloud) -> dict[str, Callable[..., Any]]:
    def save(_info: Any, input: dict[str, Any]) -> dict[str, Any]:
        raw = {**settings(input), "name": input["name"]}
        for given, name in (("isServerless", "serverless"), ("isPublic", "public")):
            if input.get(given) is not None:
                raw[name] = input[given]
        raw.pop("templateId", None)
        template = _saved_template(cloud, raw, input.get("id"))
        size = input["volumeInGb"]
        template.persistent = {"size": size, "path": input.get("volumeMountPath") or "/workspace"} if size else None
        return show_template(template)

    def delete(_info: Any, templateName: str | None = None) -> None:
        template = next((each for each in cloud.templates if each.name == templateName), None)
        if template is None:
            raise Problem(404, "template not found")  # made up
        if cloud.uses_template(template.id) and cloud.faults.trigger("template-delete-unguarded") is None:
            raise Problem(400, "template is in use by a pod and cannot be deleted")  # made up
        cloud.templates.delete(template)

    return {"saveTemplate": save, "deleteTemplate": delete, **_template_queries(cloud)}


def _saved_template(cloud: Cloud, raw: dict[str, Any], template_id: str | None) -> Template:
    """Change the template with this id, or create one with a unique name."""
    if template_id:
        change = parse(UpdateTemplate, raw)
        check_settings(change)
        template = cloud.templates.find(template_id)
        cloud.templates.change(template, change)
        return template
    body = parse(CreateTemplate, {"image": "", **raw})
    check_settings(body)
    if body.registry is not None:
        cloud.registries.find(body.registry)
    if any(template.name == body.name for template in cloud.templates):
        raise Problem(400, "Template name must be unique.")  # seen by clients, perhaps not to the letter
    return cloud.templates.create(body)


def _registry_fields(cloud: Cloud) -> dict[str, Callable[..., Any]]:
    def save(_info: Any, input: dict[str, Any]) -> dict[str, Any]:
        return show_registry(cloud.registries.create(parse(CreateRegistry, input)))

    def update(_info: Any, input: dict[str, Any]) -> dict[str, Any]:
        registry = cloud.registries.find(input["id"])
        registry.username, registry.password = input["username"], input["password"]
        return show_registry(registry)

    def delete(_info: Any, registryAuthId: str | None = None) -> bool:
        registry = cloud.registries.to_delete(registryAuthId or "")
        if cloud.uses_registry(registry.id):
            raise Problem(400, "registry credential is in use by a pod and cannot be deleted")  # made up
        cloud.registries.delete(registry)
        cloud.templates.forget_registry(registry.id)
        return True

    return {"saveRegistryAuth": save, "updateRegistryAuth": update, "deleteRegistryAuth": delete}


def _volume_fields(cloud: Cloud) -> dict[str, Callable[..., Any]]:
    def create(_info: Any, input: dict[str, Any]) -> dict[str, Any]:
        # The schema would do without name and size; what the service makes then is not known, so nothing is made.
        raw = {**_given(input), "dataCenter": input["dataCenterId"]}
        del raw["dataCenterId"]
        return show_volume(cloud, cloud.create_volume(parse(CreateVolume, raw)))

    def update(_info: Any, input: dict[str, Any]) -> dict[str, Any]:
        volume = cloud.volumes.find(input["id"])
        raw = {name: value for name, value in _given(input).items() if name != "id"}
        cloud.volumes.change(volume, parse(UpdateVolume, raw))
        return show_volume(cloud, volume)

    async def delete(_info: Any, input: dict[str, Any]) -> None:
        try:
            volume = cloud.volumes.find(input["id"])
        except Problem:
            raise Problem(404, "Tried to delete nonexistent network volume") from None
        if (used := cloud.uses_volume(volume.id)) and cloud.faults.trigger("volume-delete-unguarded") is None:
            raise Problem(400, f"network volume is in use by {', '.join(used)} and cannot be deleted")  # made up
        await cloud.delete_volume(volume)

    return {"createNetworkVolume": create, "updateNetworkVolume": update, "deleteNetworkVolume": delete}


def _secret_fields(cloud: Cloud) -> dict[str, Callable[..., Any]]:
    def create(_info: Any, input: dict[str, Any]) -> dict[str, Any]:
        secret = cloud.secrets.create(parse(CreateSecret, _given(input)))
        return {"id": secret.id, "name": secret.name, "description": secret.description}

    def delete(_info: Any, id: str) -> None:
        cloud.secrets.delete(cloud.secrets.find(id))

    return {"secretCreate": create, "secretDelete": delete}


def _given(input: dict[str, Any]) -> dict[str, Any]:
    """Return the input without null values, which mean "not given" here."""
    return {name: value for name, value in input.items() if value is not None}
