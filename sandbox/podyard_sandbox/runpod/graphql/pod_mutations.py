# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mutations of existing pods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLError

from podyard_sandbox.exchange import current
from podyard_sandbox.runpod.bodies import UpdatePod
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.graphql.deploy import settings
from podyard_sandbox.runpod.graphql.pods import show_pod
from podyard_sandbox.runpod.pod import Pod
from podyard_sandbox.runpod.problems import INTERNAL, Problem
from podyard_sandbox.runpod.rules import check_update
from podyard_sandbox.runpod.validation import parse
from podyard_sandbox.runpod.wire import pod_json

_TEMPLATE_ONLY = ("startSsh", "startJupyter", "templateId")


def pod_mutation_fields(cloud: Cloud) -> dict[str, Callable[..., Any]]:
    """Return the resolvers of the mutations that change a pod."""

    async def stop(_info: Any, input: dict[str, Any]) -> dict[str, Any]:
        pod = _find(cloud, input, "stop")
        await cloud.act(pod, "stop")
        return show_pod(cloud, pod)

    async def resume(_info: Any, input: dict[str, Any]) -> dict[str, Any]:
        pod = _find(cloud, input, "resume")
        if input.get("gpuCount") == 0:
            raise Problem(500, INTERNAL)  # users found that only the console can start a pod without its GPUs
        await cloud.act(pod, "start")
        return show_pod(cloud, pod)

    async def terminate(_info: Any, input: dict[str, Any]) -> None:
        pod = _find(cloud, input, "terminate")
        fault = await cloud.terminate(pod, pod_json(pod, cloud.runtime))
        current().fault = fault.kind.name if fault is not None else None

    async def edit(_info: Any, input: dict[str, Any]) -> dict[str, Any]:
        pod = _find(cloud, input, "edit")
        raw = {name: value for name, value in settings(input).items() if name not in _TEMPLATE_ONLY}
        if input.get("volumeInGb") is not None or input.get("volumeMountPath") is not None:
            raw["mounts"] = {"persistent": _disk(pod, input)}
        body = cloud.update_with_template(parse(UpdatePod, raw))
        check_update(pod.config, body)
        cloud.check_references(body)
        await cloud.change(pod, body)
        return show_pod(cloud, pod)

    return {"podStop": stop, "podResume": resume, "podTerminate": terminate, "podEditJob": edit}


def _find(cloud: Cloud, given: dict[str, Any], verb: str) -> Pod:
    current().pod_id = given["podId"]
    try:
        pod = cloud.find(given["podId"])
    except Problem:
        # Clients have seen the text of a terminate; the others are modelled on it.
        raise GraphQLError(f"pod not found to {verb}", extensions={"code": "POD_NOT_FOUND"}) from None
    current().name = pod.config.name
    return pod


def _disk(pod: Pod, given: dict[str, Any]) -> dict[str, Any]:
    old = pod.config.mounts.get("persistent", {})
    return {
        "size": given["volumeInGb"] if given.get("volumeInGb") is not None else old.get("size"),
        "path": given.get("volumeMountPath") or old.get("path", "/workspace"),
    }
