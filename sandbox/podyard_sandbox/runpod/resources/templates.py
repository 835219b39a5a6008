# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates, stored settings of a container: the account's own, and the public ones of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from podyard_sandbox.runpod.bodies import CreateTemplate, UpdateTemplate
from podyard_sandbox.runpod.commands import merge_args, shown
from podyard_sandbox.runpod.problems import not_found
from podyard_sandbox.runpod.resources.store import ResourceStore, short_id


@dataclass(eq=False)
class Template:
    """A template; ``source`` says which part of the catalogue a public one belongs to, None for the account's own."""

    seq: int
    name: str
    image: str
    args: str = ""
    disk: int = 50
    persistent: dict[str, Any] | None = None
    ports: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    registry: str | None = None
    serverless: bool = False
    public: bool = False
    category: str = "NVIDIA"
    start_ssh: bool = True
    start_jupyter: bool = True
    cuda_versions: list[str] = field(default_factory=list)
    id: str = field(default_factory=short_id)
    source: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the template as the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "image": self.image,
            **shown(self.args),
            "disk": self.disk,
            "mounts": {"persistent": self.persistent} if self.persistent is not None else {},
            "ports": self.ports,
            "env": self.env,
            "registry": self.registry,
            "serverless": self.serverless,
            "public": self.public,
            "category": self.category,
            "startSsh": self.start_ssh,
            "startJupyter": self.start_jupyter,
            "allowedCudaVersions": self.cuda_versions,
        }


# Attributes by body field; commands and mounts are handled separately.
_FIELDS = {
    "name": "name",
    "image": "image",
    "disk": "disk",
    "ports": "ports",
    "env": "env",
    "registry": "registry",
    "serverless": "serverless",
    "public": "public",
    "category": "category",
    "startSsh": "start_ssh",
    "startJupyter": "start_jupyter",
    "allowedCudaVersions": "cuda_versions",
}

_TORCH_28 = "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"
_PORTS = ["8888/http", "22/tcp"]


def _public(source: str, template_id: str, name: str, image: str, **settings: Any) -> Template:
    settings = {"disk": 50, "ports": list(_PORTS), **settings}
    return Template(0, name, image, public=True, id=template_id, source=source, **settings)


_WORKSPACE = {"size": 20, "path": "/workspace"}
# Ids of official templates as RunPod's own tools name them; the others are made up, as are the settings.
_CATALOGUE = (
    _public("official", "30zmvf89kd", "PyTorch 2.8", _TORCH_28),
    _public("official", "runpod-torch-v280", "Runpod Pytorch 2.8.0", _TORCH_28, persistent=_WORKSPACE),
    _public(
        "official",
        "runpod-torch-v21",
        "Runpod Pytorch 2.1",
        "runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04",
        persistent=_WORKSPACE,
    ),
    _public(
        "official",
        "runpod-ubuntu",
        "Runpod Ubuntu",
        "runpod/base:1.0.2-ubuntu2404",
        category="CPU",
        start_jupyter=False,
    ),
    _public(
        "official",
        "sls-echo",
        "Serverless Echo",
        "runpod/serverless-hello-world:latest",
        serverless=True,
        ports=[],
        disk=5,
        start_ssh=False,
        start_jupyter=False,
    ),
    _public("verified", "v3r1f13d0a", "Text Generation UI", "runpod/text-generation:1.3.0", persistent=_WORKSPACE),
    _public("community", "c0mmun1ty0", "plain PyTorch", "pytorch/pytorch:2.8.0-cuda12.8-cudnn9-devel"),
)


class Templates(ResourceStore[Template]):
    """The account's templates; public ones can be read by id, too."""

    def create(self, body: CreateTemplate) -> Template:
        """Create a template."""
        template = Template(self._next(), body.name, body.image)
        self.change(template, body)
        return self._put(template)

    def change(self, template: Template, body: CreateTemplate | UpdateTemplate) -> None:
        """Change the fields that the body has.

        Raises:
            Problem: 400 if ``args`` contradicts ``cmd`` or ``entrypoint``.
        """
        args = merge_args(body, template.args)
        for given, name in _FIELDS.items():
            if body.given(given):
                setattr(template, name, getattr(body, given))
        template.args = args
        if body.mounts.persistent is not None:
            template.persistent = body.mounts.persistent.model_dump()

    def readable(self, template_id: str) -> Template:
        """Return the account's own template, or a public one.

        Raises:
            Problem: 404.
        """
        own = {template.id: template for template in self}
        found = own.get(template_id) or next((one for one in _CATALOGUE if one.id == template_id), None)
        if found is None:
            raise not_found()
        return found

    def catalogue(self, source: str) -> list[Template]:
        """Return the public templates of one source."""
        return [template for template in _CATALOGUE if template.source == source]

    def public(self) -> tuple[Template, ...]:
        """Return all public templates that are not the account's own."""
        return _CATALOGUE

    def forget_registry(self, registry_id: str) -> None:
        """Remove a deleted credential from all templates, silently, as the service does."""
        for template in self:
            if template.registry == registry_id:
                template.registry = None

    def delete(self, template: Template) -> None:
        """Delete a template."""
        self._drop(template)
