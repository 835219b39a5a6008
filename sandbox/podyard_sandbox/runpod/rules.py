# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules beyond the schema, across fields, which the service enforces with 400. The texts are made up."""

from __future__ import annotations

import re
from typing import Any

from podyard_sandbox.runpod.bodies import CreatePod, CreateTemplate, Mounts, UpdatePod, UpdateTemplate
from podyard_sandbox.runpod.commands import merge_args
from podyard_sandbox.runpod.cpus import CPUS
from podyard_sandbox.runpod.pod import Config, CpuShare
from podyard_sandbox.runpod.problems import Problem, no_network

_MAX_ENV = 50
_MAX_HTTP_PORTS = 10
_PORT = re.compile(r"[0-9]{1,5}/(tcp|http)")


def check_create(body: CreatePod) -> None:
    """Check the rules for a new pod.

    Raises:
        Problem: 400 for a broken rule.
    """
    if (body.gpu is None) == (body.cpu is None):
        raise Problem(400, "exactly one of gpu or cpu must be set")
    if body.cpu is not None and body.mounts.persistent is not None:
        raise Problem(400, "mounts.persistent is not supported on CPU pods")
    if body.cpu is not None and body.globalNetworking:
        raise no_network()
    if body.gpu is not None and body.gpu.allowedCudaVersions and body.gpu.given("minCudaVersion"):
        raise Problem(400, "gpu.allowedCudaVersions and gpu.minCudaVersion are mutually exclusive")
    if body.mounts.network and body.cloud != "SECURE":
        raise Problem(400, "network volumes are only available in the SECURE cloud")
    _check_mounts(body.mounts)
    check_settings(body)


def check_update(config: Config, body: UpdatePod) -> None:
    """Check the rules for a change of a pod.

    Raises:
        Problem: as for a new pod.
    """
    mounts = body.mounts
    _check_mounts(mounts)
    check_settings(body)
    if mounts.given("network") and not mounts.network:
        raise Problem(400, "mounts.network cannot be cleared")
    for kind in ("persistent", "network"):
        if getattr(mounts, kind) and kind not in config.mounts:
            raise Problem(400, f"mounts.{kind} cannot be added to a pod created without it")
    if mounts.persistent is not None and mounts.persistent.size < config.volume_gb:
        raise Problem(400, "persistent volume storage cannot be reduced")
    if mounts.network and mounts.network[0].volumeId != config.mounts["network"][0]["volumeId"]:
        raise Problem(400, "the volumeId of a network mount cannot be changed")


def _check_mounts(mounts: Mounts) -> None:
    if mounts.persistent is not None and mounts.network:
        raise Problem(400, "mounts.persistent and mounts.network are mutually exclusive")


def check_settings(body: CreatePod | UpdatePod | CreateTemplate | UpdateTemplate) -> None:
    """Check the rules for the settings of a container.

    Raises:
        Problem: 400 for a broken rule.
    """
    if len(body.env) > _MAX_ENV:
        raise Problem(400, f"a pod can have at most {_MAX_ENV} environment variables")
    for port in body.ports:
        if not _PORT.fullmatch(port):
            raise Problem(400, f"port {port!r} is not of the form <port>/tcp or <port>/http")
    if sum(port.endswith("/http") for port in body.ports) > _MAX_HTTP_PORTS:
        raise Problem(400, f"a pod can expose at most {_MAX_HTTP_PORTS} HTTP ports")


def new_config(body: CreatePod) -> Config:
    """Return the configuration that a create asks for."""
    return Config(
        name=body.name,
        image=body.image,
        args=merge_args(body, ""),
        disk=body.disk,
        ports=list(body.ports),
        env=dict(body.env),
        registry=body.registry,
        mounts=_mounts(body.mounts),
        global_networking=body.globalNetworking,
    )


def cpu_share(body: CreatePod) -> CpuShare | None:
    """Return a CPU pod's share of its host; None for a GPU pod."""
    if body.cpu is None:
        return None
    return CpuShare(body.cpu.id, body.cpu.vcpuCount, CPUS[body.cpu.id].memory(body.cpu.vcpuCount))


def changed_config(config: Config, body: UpdatePod) -> Config:
    """Return the configuration after a change: only given fields change, and ``env`` is replaced as a whole."""
    values: dict[str, Any] = dict(vars(config))
    for name in ("name", "image", "disk", "ports", "env", "registry", "locked"):
        if body.given(name):
            values[name] = getattr(body, name)
    if body.given("globalNetworking"):
        values["global_networking"] = body.globalNetworking
    values["args"] = merge_args(body, config.args)
    values["mounts"] = {**config.mounts, **_mounts(body.mounts)}
    return Config(**values)


def resets(old: Config, new: Config) -> bool:
    """Return whether the change recreates a running container."""
    settings = ("image", "args", "disk", "ports", "env", "registry")
    return any(getattr(old, name) != getattr(new, name) for name in settings) or old.mount_path != new.mount_path


def _mounts(mounts: Mounts) -> dict[str, Any]:
    if mounts.persistent is not None:
        return {"persistent": mounts.persistent.model_dump()}
    return {"network": [mount.model_dump() for mount in mounts.network]} if mounts.network else {}
