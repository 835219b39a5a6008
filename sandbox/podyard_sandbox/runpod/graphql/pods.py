# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod as this API shows it: by its desired status, not its actual one."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from podyard_sandbox.runpod.cloud import Cloud
from podyard_sandbox.runpod.data_centers import DATA_CENTERS
from podyard_sandbox.runpod.gpus import GPUS
from podyard_sandbox.runpod.pod import Pod
from podyard_sandbox.runpod.problems import Problem
from podyard_sandbox.runpod.wire import pod_json

# The desired status of a pod by its REST status. For an ERROR, the service keeps trying.
_WANTED = {"EXITED": "EXITED", "TERMINATED": "TERMINATED"}
_CHANGED = {"RUNNING": "Rented", "EXITED": "Exited", "TERMINATED": "Terminated"}
# HTTP goes through RunPod's proxy, so its ports have no public address, and their numbers mean nothing outside.
_INNER_PORT, _INNER_ADDRESS = 60_000, "100.65.{}.{}"


async def get_pod(cloud: Cloud, pod_id: str | None) -> dict[str, Any] | None:
    """Return the pod that a read shows, or None."""
    try:
        pod = await cloud.read(pod_id or "")
    except Problem:
        return None
    return read_pod(cloud, pod)


async def list_pods(cloud: Cloud) -> list[dict[str, Any]]:
    """Return every pod that a list shows."""
    return [read_pod(cloud, pod) for pod in await cloud.read_all()]


def read_pod(cloud: Cloud, pod: Pod) -> dict[str, Any]:
    """Return the pod as a read shows it; each read counts towards the end of a stale port."""
    shown = show_pod(cloud, pod)
    if pod.ssh_port() is not None:
        pod.stale_reads = max(0, pod.stale_reads - 1)
    return shown


def show_pod(cloud: Cloud, pod: Pod) -> dict[str, Any]:
    """Return the pod as it is now."""
    shown, config = pod_json(pod, cloud.runtime), pod.config
    wanted = "EXITED" if pod.stopping is not None else _WANTED.get(shown["status"], "RUNNING")
    share = shown["cpu"] if pod.cpu is not None else shown["gpu"]
    return {
        "id": pod.id,
        "name": config.name,
        "desiredStatus": wanted,
        "lastStatusChange": f"{_CHANGED[wanted]} by User: {_moment(pod)}",
        "imageName": config.image,
        "env": [f"{name}={value}" for name, value in config.env.items()],
        "dockerArgs": config.args,
        "dockerId": None,
        "port": None,
        "ports": ",".join(config.ports) or None,
        "gpuCount": pod.gpu_count,
        "vcpuCount": share["vcpuCount"],
        "memoryInGb": share["memory"],
        "containerDiskInGb": config.disk,
        "volumeInGb": config.volume_gb,
        "volumeMountPath": config.mount_path,
        "networkVolumeId": config.network_volume,
        "containerRegistryAuthId": config.registry,
        "templateId": pod.template_id,
        "costPerHr": pod.usd_per_hour,
        "podType": "RESERVED",
        "locked": config.locked,
        "machineId": _machine_id(cloud, pod),
        "machine": {
            "gpuDisplayName": GPUS[pod.gpu_id].name if pod.gpu_id in GPUS else None,
            "location": DATA_CENTERS[pod.machine.data_center].country,
            "podHostId": f"{pod.id}-{pod.host_suffix}",
        },
        "runtime": _runtime(pod, shown["runtime"]),
        "uptimeSeconds": 0,  # as in the service; runtime has the true figure
    }


def _moment(pod: Pod) -> str:
    """Return when the pod was last rented, stopped or started, in JavaScript's format."""
    since = pod.meter.intervals[-1].start if pod.meter.intervals else pod.created_at
    return datetime.fromtimestamp(since, UTC).strftime("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)")


def _machine_id(cloud: Cloud, pod: Pod) -> str:
    """Return an id that the pods of one machine share, since machines have no id of their own."""
    machines = cloud.stock.machines
    number = next((number for number, machine in enumerate(machines) if machine is pod.machine), len(machines))
    return hashlib.sha256(f"machine {number}".encode()).hexdigest()[:12]


def _runtime(pod: Pod, runtime: dict[str, Any] | None) -> dict[str, Any] | None:
    if not runtime:
        return None
    mapped = [port for port in runtime["ports"] if port["type"] == "http" or port["public"] is not None]
    return {
        "uptimeInSeconds": runtime["uptime"],
        "gpus": [
            {"id": f"GPU-{pod.id}-{number}", "gpuUtilPercent": gpu["util"], "memoryUtilPercent": gpu["memoryUtil"]}
            for number, gpu in enumerate(runtime["gpus"])
        ],
        "container": {"cpuPercent": runtime["cpu"]["util"], "memoryPercent": runtime["memory"]["util"]},
        "ports": [_port(pod, port) for port in mapped],
    }


def _port(pod: Pod, port: dict[str, Any]) -> dict[str, Any]:
    public = port["type"] == "tcp"
    return {
        "ip": port["ip"] if public else _INNER_ADDRESS.format(pod.seq // 250 % 250, pod.seq % 250 + 1),
        "isIpPublic": public,
        "privatePort": port["private"],
        "publicPort": port["public"] if public else _INNER_PORT + port["private"] % 5_000,
        "type": port["type"],
    }
