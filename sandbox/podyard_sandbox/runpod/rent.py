# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renting a pod, through either API, and the faults of a create."""

from __future__ import annotations

from podyard_sandbox.exchange import current
from podyard_sandbox.faults import Fault
from podyard_sandbox.runpod.bodies import CreatePod
from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.pod import Pod
from podyard_sandbox.runpod.problems import INTERNAL, DroppedLine, Problem
from podyard_sandbox.runpod.rules import check_create


def rent(cloud: Cloud, body: CreatePod, operation: str = "createPod") -> Pod:
    """Rent the pod that the body asks for; a phantom is answered, but never exists.

    Args:
        operation: which API asks; a fault may hit only one of the two.

    Raises:
        Problem: the create is refused, or the service says so although it created the pod.
        DroppedLine: a fault drops the connection.
    """
    faults, name = cloud.faults, body.name
    current().name = name
    body = cloud.create_with_template(body)
    check_create(body)
    cloud.check_references(body)
    _refuse_by_fault(cloud, body, operation)
    if _note_fault(faults.trigger("create-drops-line-unmade", name=name, operation="createPod")):
        raise DroppedLine
    pod = cloud.rent(body)
    current().pod_id = pod.id
    if _note_fault(faults.trigger("phantom", name=name)):
        cloud.drop(pod)
        return pod
    cloud.admit(pod)
    if _note_fault(faults.trigger("create-drops-line", name=name, operation="createPod")):
        raise DroppedLine
    if _note_fault(faults.trigger("create-500-but-made", name=name, operation="createPod")):
        raise Problem(500, INTERNAL)
    return pod


def _refuse_by_fault(cloud: Cloud, body: CreatePod, operation: str) -> None:
    gpu = body.gpu.id if body.gpu is not None else ""
    fault = _note_fault(cloud.faults.trigger("create-refused", gpu=gpu, operation=operation))
    if fault is not None:
        raise Problem(fault.params["status"], fault.params["detail"])
    cap = cloud.faults.trigger("cpu-disk-cap") if body.cpu is not None else None
    if cap is not None and body.cpu is not None and body.disk > cap.params["gb"] * body.cpu.vcpuCount:
        _note_fault(cap)
        raise Problem(400, f"disk must be at most {cap.params['gb'] * body.cpu.vcpuCount} GB")  # made up
    image = cloud.faults.peek("image-not-found", image=body.image)
    if image is not None and image.params["reading"] == "refused" and image.triggers():
        _note_fault(image)
        raise Problem(422, f"image {body.image} was not found in the registry")  # the text is made up


def _note_fault(fault: Fault | None) -> Fault | None:
    """Record which fault hit this request."""
    if fault is not None:
        current().fault = fault.kind.name
    return fault
