# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merging a template's settings into a body: the body wins, but environments are merged by variable."""

from __future__ import annotations

from typing import Any

from podyard_sandbox.runpod.bodies import CreatePod, Mounts, PersistentMount, UpdatePod
from podyard_sandbox.runpod.commands import merge_args
from podyard_sandbox.runpod.problems import Problem
from podyard_sandbox.runpod.resources.templates import Template


def merge_into_create(template: Template, body: CreatePod) -> CreatePod:
    """Return the body of a create with what the template adds to it.

    Raises:
        Problem: 422 if the template is for serverless workers.
    """
    update = _settings(template, body)
    if not body.given("mounts") and template.persistent is not None and body.cpu is None:
        update["mounts"] = Mounts.model_construct(persistent=PersistentMount.model_construct(**template.persistent))
    for name, value in (("startSsh", template.start_ssh), ("startJupyter", template.start_jupyter)):
        if not body.given(name):
            update[name] = value
    if body.gpu is not None and not body.gpu.given("allowedCudaVersions") and not body.gpu.given("minCudaVersion"):
        update["gpu"] = body.gpu.model_copy(update={"allowedCudaVersions": list(template.cuda_versions)})
    return body.model_copy(update=update)


def merge_into_update(template: Template, body: UpdatePod) -> UpdatePod:
    """Return the body of a change with what the template adds to it, except its mount.

    Raises:
        Problem: 422 if the template is for serverless workers.
    """
    return body.model_copy(update=_settings(template, body))


def _settings(template: Template, body: CreatePod | UpdatePod) -> dict[str, Any]:
    if template.serverless:
        raise Problem(422, "template is a serverless template and cannot be used for a pod")  # made up
    update = {name: getattr(template, name) for name in ("image", "disk", "ports", "registry") if not body.given(name)}
    update |= {"args": merge_args(body, template.args), "cmd": [], "entrypoint": []}
    update["env"] = {**template.env, **body.env}
    return update
