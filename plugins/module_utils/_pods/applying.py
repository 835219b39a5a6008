# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a template says about a pod that is there, and about one that is to be. Private to this collection.

A provider reads a template once: afterwards a pod shows its own values only. So the template is compared field by field
with the pod, which shows what will change before it does, and is done once nothing differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._core.pod import Mount, Pod, PodRequest, Reference
from .._providers.base import Template
from .spec import Wanted

#: The settings of a container that a template holds, as fields of a change.
CONTAINER = ("image", "args", "disk_gb", "ports", "env", "registry")


def filled(wanted: Wanted, pod: Pod) -> Wanted:
    """With what the template says where the task says nothing, for a pod that is there. The variables are merged.

    What settings of the environment said when the pod was rented stays as it is: they won over the template then.
    """
    template = wanted.template
    if not wanted.apply_template or not isinstance(template, Template):
        return wanted
    variables = dict(template.env)
    if wanted.public_keys or "public_keys" in wanted.for_new:
        variables.pop("PUBLIC_KEY", None)
    says: dict[str, Any] = {
        "image": template.image,
        "args": template.args or "",
        "disk_gb": template.disk_gb,
        "ports": template.ports,
        "registry": template.registry or "",
        "volume": _volume(wanted, template, pod),
    }
    fields = {
        name: value for name, value in says.items() if getattr(wanted, name) is None and name not in wanted.for_new
    }
    return replace(wanted, **fields, env={**variables, **(wanted.env or {})})


def _volume(wanted: Wanted, template: Template, pod: Pod) -> Mount | None:
    """The template's disk where the pod has one, too, for it gets no other kind later; a larger one stays as it is."""
    now = next((mount for mount in pod.mounts if mount.kind == "disk"), None)
    if now is None or template.volume is None or wanted.network_volume is not None:
        return None
    sizes = [size for size in (now.size_gb, template.volume.size_gb) if size is not None]
    return replace(template.volume, size_gb=max(sizes, default=None))


def sent(pod: Pod, wanted: Wanted, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes as they are sent, with the template where it shall be applied.

    Every field that differs is sent as such. The template goes with it for what only the provider can apply: the
    credentials by which a template of somebody else pulls its image, which nobody else may name. Since it would also
    overwrite what the task says otherwise, that is sent beside it, and so is the whole environment.
    """
    values, template = dict(changes), wanted.template
    if not wanted.apply_template or not isinstance(template, Template) or not set(values) & set(CONTAINER):
        return values
    env = dict(pod.env)
    keys = wanted.public_keys or wanted.for_new.get("public_keys")
    if keys:
        env.setdefault("PUBLIC_KEY", "\n".join(keys))
    now = {
        "image": (pod.image, template.image),
        "args": (pod.args or "", template.args or ""),
        "disk_gb": (pod.disk_gb, template.disk_gb),
        "registry": (pod.registry, template.registry),
    }
    beside: dict[str, Any] = {name: value for name, (value, other) in now.items() if value != other}
    if set(pod.ports) != set(template.ports or ()):
        beside["ports"] = list(pod.ports)
    for name in list(beside):
        if name in values or (beside[name] is None and name != "registry"):
            del beside[name]
    if wanted.registry is None and values.get("registry") is not None:
        del values["registry"]
    return {"env": env, **beside, **values, "template": template.id}


def expanded(request: PodRequest, template: Reference | None) -> PodRequest:
    """The request as the provider will read it together with its template, to predict what comes of it."""
    if template is None:
        return request
    request = replace(
        request,
        image=request.image or template.image,
        ports=request.ports if request.ports is not None else template.ports,
    )
    if not isinstance(template, Template):
        return request
    stored = request.volume or request.network_volume or request.cpu is not None
    return replace(
        request,
        args=request.args or template.args,
        disk_gb=request.disk_gb if request.disk_gb is not None else template.disk_gb,
        env={**template.env, **request.env},
        registry=request.registry or template.registry,
        volume=request.volume if stored else template.volume,
    )
